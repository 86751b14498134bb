"""Which text is asked for, and which can be accepted."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.agreements import Acceptance, AgreementDocument, AgreementText
from policies.papers import Agreement, AgreementVersion, mark_of

DIGESTS = {"1": "a" * 64, "2": "b" * 64, "3": "c" * 64}
DUE = {"1": date(2026, 1, 1), "2": date(2026, 7, 1), "3": date(2027, 1, 1)}


def mark(version: str) -> str:
    """Return what stands for a version of "home"."""
    return mark_of("home", version, DIGESTS[version])


HOME = AgreementDocument(
    Agreement(
        "home",
        tuple(AgreementVersion(one, DUE[one], frozenset({mark(one)})) for one in DUE),
    ),
    {"it": "Lavoro agile"},
    tuple(AgreementText(one, "it", f"# {one}", DIGESTS[one]) for one in DUE),
)


@pytest.mark.parametrize(
    "day, offered",
    [
        (date(2025, 6, 1), "1"),
        (date(2026, 1, 1), "1"),
        (date(2026, 6, 16), "1"),
        (date(2026, 6, 17), "12"),
        (date(2026, 7, 1), "2"),
        (date(2027, 6, 1), "3"),
    ],
)
def test_what_can_be_accepted(day: date, offered: str) -> None:
    """The version that is due, and two weeks before its day the next; before the first, that."""
    assert [one.version for one in HOME.offered(day)] == [*offered]
    for version, digest in DIGESTS.items():
        assert HOME.can_accept(version, digest, day) == (version in offered)


def test_a_text_is_accepted_as_what_it_is() -> None:
    """Not under another version's name, nor in words that are no more."""
    day = date(2026, 6, 20)
    assert not HOME.can_accept("1", DIGESTS["2"], day)
    assert not HOME.can_accept("2", "d" * 64, day)


@pytest.mark.parametrize(
    "accepted, day, wanted",
    [
        ("", date(2026, 3, 1), "1"),
        ("1", date(2026, 3, 1), None),
        ("1", date(2026, 6, 20), "2"),
        ("", date(2026, 6, 20), "2"),
        ("2", date(2026, 6, 20), None),
        ("1", date(2026, 7, 1), "2"),
        ("2", date(2027, 1, 1), "3"),
        ("3", date(2026, 6, 20), None),
    ],
)
def test_what_is_asked_for(accepted: str, day: date, wanted: str | None) -> None:
    """The last that is offered, once: whoever accepts it need not come back for another."""
    found = HOME.wanted(frozenset(map(mark, accepted)), day)
    assert (found and found.version) == wanted


def test_what_is_read() -> None:
    """In the language that is asked for, or in one that there is."""
    assert HOME.title("en") == "Lavoro agile"
    assert HOME.languages("2") == ("it",)
    text = HOME.text("2", "en")
    assert text is not None
    assert text.markdown == "# 2"
    assert HOME.text("9", "it") is None


def test_a_record_says_what_policies_ask_for() -> None:
    """It is the same mark that the files give to the text."""
    at = datetime(2026, 11, 24, tzinfo=UTC)
    one = Acceptance("anna", "home", "2", "it", DIGESTS["2"], "1f", at)
    assert HOME.agreement.is_accepted(frozenset({one.mark}), at.date())


@st.composite
def documents(draw: st.DrawFn) -> AgreementDocument:
    """Any agreement of one to five versions."""
    days = draw(st.lists(st.dates(date(2026, 1, 1), date(2026, 3, 1)), min_size=1, max_size=5))
    versions = tuple(
        AgreementVersion(f"{number}", day, frozenset({f"mark {number}"}))
        for number, day in enumerate(sorted(set(days)))
    )
    return AgreementDocument(Agreement("any", versions), {"en": "Any"}, ())


MARKS = st.frozensets(st.sampled_from([f"mark {number}" for number in range(5)]))


@given(documents(), MARKS, st.dates(date(2025, 12, 1), date(2026, 4, 1)))
def test_nobody_is_shut_out_without_a_way_in(
    document: AgreementDocument, accepted: frozenset[str], day: date
) -> None:
    """Whoever lacks something is offered it; accepting it is enough, and nothing more is asked."""
    agreement, wanted = document.agreement, document.wanted(accepted, day)
    if not agreement.is_accepted(accepted, day):
        assert wanted is not None
    if wanted is not None:
        assert wanted in document.offered(day)
        richer = accepted | wanted.digests
        assert agreement.is_accepted(richer, day)
        assert document.wanted(richer, day) is None


@given(documents(), MARKS, MARKS, st.dates(date(2025, 12, 1), date(2026, 4, 1)))
def test_time_only_takes_and_accepting_only_gives(
    document: AgreementDocument, accepted: frozenset[str], more: frozenset[str], day: date
) -> None:
    """Nothing comes to be accepted by waiting, and nothing is lost by accepting more."""
    agreement = document.agreement
    now = agreement.is_accepted(accepted, day)
    assert now or not agreement.is_accepted(accepted, day + timedelta(days=1))
    assert agreement.is_accepted(accepted | more, day) or not now
