"""The chain: whatever is changed in the middle, shows."""

import json
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.core.audit import FIRST_CHAIN, AuditEvent, AuditKind, AuditLine, link
from tests.gateway.core.chains import first_break

NOW = datetime(2026, 11, 24, 19, 40, 0, 123456, tzinfo=UTC)

words = st.text(max_size=6)
VALUES: dict[str, st.SearchStrategy[object]] = {
    "kind": st.sampled_from(AuditKind),
    "at": st.datetimes(timezones=st.just(UTC)),
    "user": words,
    "serial": words,
    "device": words,
    "app": words,
    "address": words,
    "reason": words,
    "detail": st.dictionaries(words, words, max_size=3),
}
events = st.builds(
    AuditEvent,
    kind=st.sampled_from(AuditKind),
    at=st.datetimes(timezones=st.just(UTC)),
    user=words,
    serial=words,
    device=words,
    app=words,
    address=words,
    reason=words,
    detail=st.dictionaries(words, words, max_size=3),
)
positions = st.integers(min_value=0, max_value=10_000)


def chained(*what: AuditEvent) -> list[AuditLine]:
    """Put events in their places."""
    lines: list[AuditLine] = []
    previous = FIRST_CHAIN
    for number, event in enumerate(what, 1):
        previous = link(previous, number, event)
        lines.append(AuditLine(number, event, previous))
    return lines


logs = st.lists(events, min_size=2, max_size=5).map(lambda what: chained(*what))


@given(st.lists(events, max_size=4))
def test_an_untouched_log_has_no_break(what: list[AuditEvent]) -> None:
    """Also an empty one, and one whose newest lines were cut off: that is what the head is for."""
    lines = chained(*what)
    assert first_break(lines) is None
    assert first_break(lines[:-1]) is None


def test_every_field_of_an_event_is_tried() -> None:
    """A field that is added later must be covered by the chain too."""
    assert list(VALUES) == [field.name for field in fields(AuditEvent)]


@pytest.mark.parametrize("name", VALUES)
@given(data=st.data())
def test_a_changed_field_shows(name: str, data: st.DataObject) -> None:
    """Any field of any line, changed to anything else, is found at that very line."""
    lines = data.draw(logs)
    place = data.draw(positions) % len(lines)
    value = data.draw(VALUES[name])
    event = lines[place].event
    assume(value != getattr(event, name))
    # The name of the field is only known here, not to the type checker.
    lines[place] = replace(lines[place], event=replace(event, **{name: value}))  # type: ignore[arg-type]
    assert first_break(lines) == place + 1


@given(logs, positions, st.text("0123456789abcdef", min_size=64, max_size=64) | words)
def test_a_changed_chain_value_shows(lines: list[AuditLine], position: int, chain: str) -> None:
    """Another hash, or no hash at all, is found at that very line."""
    place = position % len(lines)
    assume(chain != lines[place].chain)
    lines[place] = replace(lines[place], chain=chain)
    assert first_break(lines) == place + 1


@given(logs, positions, st.integers())
def test_a_changed_number_shows(lines: list[AuditLine], position: int, number: int) -> None:
    """Any other number, negative and enormous ones too, is found at that very line."""
    place = position % len(lines)
    assume(number != place + 1)
    lines[place] = replace(lines[place], number=number)
    assert first_break(lines) == place + 1


@given(logs, positions, positions)
def test_exchanged_lines_show(lines: list[AuditLine], one: int, two: int) -> None:
    """Whether their numbers go with them or stay."""
    here, there = sorted((one % len(lines), two % len(lines)))
    assume(here != there)
    exchanged = list(lines)
    exchanged[here], exchanged[there] = lines[there], lines[here]
    assert first_break(exchanged) == here + 1
    renumbered = [replace(line, number=number) for number, line in enumerate(exchanged, 1)]
    assert first_break(renumbered) == here + 1


@given(logs, positions)
def test_a_missing_line_shows(lines: list[AuditLine], position: int) -> None:
    """Whether the lines after it are renumbered or not; the last one is the head's affair."""
    place = position % (len(lines) - 1)
    del lines[place]
    assert first_break(lines) == place + 1
    renumbered = [replace(line, number=number) for number, line in enumerate(lines, 1)]
    assert first_break(renumbered) == place + 1


@given(logs, positions, events)
def test_a_line_put_in_shows(lines: list[AuditLine], position: int, event: AuditEvent) -> None:
    """Even one that fits where it is put breaks the chain behind it."""
    place = position % len(lines)
    assume(event != lines[place].event)
    before = lines[place - 1].chain if place else FIRST_CHAIN
    forged = AuditLine(place + 1, event, link(before, place + 1, event))
    rest = [replace(line, number=line.number + 1) for line in lines[place:]]
    assert first_break([*lines[:place], forged, *rest]) == place + 2
    copied = [*lines[: place + 1], *lines[place:]]
    assert first_break(copied) == place + 2


@given(events)
def test_an_event_has_one_form(event: AuditEvent) -> None:
    """ASCII, readable by anybody's JSON, and independent of the order of details."""
    turned = replace(event, detail=dict(reversed(event.detail.items())))
    assert turned.canonical() == event.canonical()
    assert event.canonical().isascii()
    read = json.loads(event.canonical())
    assert {**read, "at": None} == {
        "kind": event.kind.value,
        "at": None,
        "user": event.user,
        "serial": event.serial,
        "device": event.device,
        "app": event.app,
        "address": event.address,
        "reason": event.reason,
        "detail": event.detail,
    }


def test_the_form_is_for_ever() -> None:
    """These bytes and this hash are in logs out there: they may never change."""
    event = AuditEvent(
        AuditKind.CERTIFICATE_REVOKED,
        NOW,
        user="anna",
        serial="0a",
        device="stick-1",
        app="wiki",
        address="::1",
        reason="keyCompromise",
        detail={"von": "Müller", "a": "\N{GRINNING FACE}"},
    )
    assert event.canonical() == (
        b'{"address":"::1","app":"wiki","at":1795549200123456,'
        b'"detail":{"a":"\\ud83d\\ude00","von":"M\\u00fcller"},"device":"stick-1",'
        b'"kind":"certificate-revoked","reason":"keyCompromise","serial":"0a","user":"anna"}'
    )
    assert (
        link(FIRST_CHAIN, 1, event)
        == "189bac90dfc1a09b141984cc0841d6fe0d07627d21b8ad1f9e410479f59432fc"
    )


def test_a_moment_has_one_form_in_every_time_zone() -> None:
    """The store may hand it back in another zone."""
    elsewhere = NOW.astimezone(timezone(timedelta(hours=5, minutes=45)))
    assert (
        AuditEvent(AuditKind.SIGNED_IN, NOW).canonical()
        == AuditEvent(AuditKind.SIGNED_IN, elsewhere).canonical()
    )


@pytest.mark.parametrize("year", [1969, 1970, 2026, 2038, 2039, 2041, 2262, 9999])
def test_neighbouring_microseconds_are_two_moments(year: int) -> None:
    """Floating point would confuse some of them from 2038 on."""
    first = datetime(year, 3, 1, tzinfo=UTC)
    moments = [first + timedelta(microseconds=count) for count in range(1000)]
    assert len({AuditEvent(AuditKind.SIGNED_IN, at).canonical() for at in moments}) == 1000


def test_a_moment_without_a_time_zone_is_refused() -> None:
    """It would mean something else on another machine."""
    with pytest.raises(TypeError):
        AuditEvent(AuditKind.SIGNED_IN, NOW.replace(tzinfo=None)).canonical()
