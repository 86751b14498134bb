"""Times of rules from TOML, with the messages that people see."""

import tomllib
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from policies.calendar import Span, Timetable
from policies.days import Calendar, Yearly
from policies.reading import Problem, Section
from policies.times import Almanac, parse_moment, parse_span, parse_weekdays, read_timetable

ROME = ZoneInfo("Europe/Rome")
ITALY = Calendar("it", (Yearly(12, 25),))
ALMANAC = Almanac(ROME, {"it": ITALY})


def read(text: str) -> tuple[Timetable | None, list[str]]:
    """Read the times in *text*, with the problems that there are."""
    problems: list[Problem] = []
    section = Section(tomllib.loads(text), "rule", problems)
    found = read_timetable(section, ALMANAC)
    section.finish()
    return found, [str(problem) for problem in problems]


def test_all_keys_make_one_timetable() -> None:
    """In the zone of the site."""
    text = """
    hours = ["13:30-18:00", "08:00-12:30"]
    weekdays = ["mon-fri", "sun"]
    valid_from = 2026-11-01
    valid_until = "2026-12-31"
    except_holidays = ["it"]
    """
    assert read(text) == (
        Timetable(
            ROME,
            (Span(28_800, 45_000), Span(48_600, 64_800)),
            frozenset({0, 1, 2, 3, 4, 6}),
            date(2026, 11, 1),
            date(2026, 12, 31),
            off=(ITALY,),
        ),
        [],
    )


def test_without_a_key_there_are_no_times() -> None:
    """The rule holds always."""
    assert read("") == (None, [])


def test_rules_with_the_same_times_share_them() -> None:
    """What is worked out for one is known for all."""
    assert read("hours = '08:00-19:00'")[0] is read("hours = ['08:00-19:00']")[0]


@pytest.mark.parametrize(
    "text, span",
    [
        ("08:00-19:00", Span(28_800, 68_400)),
        ("8:00 - 19:00", Span(28_800, 68_400)),
        ("22:00-06:00", Span(79_200, 21_600)),
        ("22:00-24:00", Span(79_200, 86_400)),
        ("22:00-00:00", Span(79_200, 86_400)),
        ("00:00-24:00", Span(0, 86_400)),
        ("10:00:05-10:00:10", Span(36_005, 36_010)),
    ],
)
def test_hours(text: str, span: Span) -> None:
    """To the minute, or the second; over midnight too."""
    assert parse_span(text) == span


@pytest.mark.parametrize(
    "text, said",
    [
        ("25:00-26:00", "25:00 is no time of day"),
        ("08:00-24:01", "24:01 is no time of day"),
        ("08:60-09:00", "08:60 is no time of day"),
        ("08:00-08:00", "'00:00-24:00' for a whole day"),
        ("24:00-08:00", "a day begins at 00:00"),
        ("8-19", "as in '08:00-19:00'"),
        ("office", "as in '08:00-19:00'"),
    ],
)
def test_no_hours(text: str, said: str) -> None:
    """What cannot be is said, with what could."""
    with pytest.raises(ValueError) as caught:
        parse_span(text)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "text, days",
    [
        ("mon-fri", {0, 1, 2, 3, 4}),
        ("sat-mon", {5, 6, 0}),
        ("sun", {6}),
        ("mon,wed-thu", {0, 2, 3}),
        ("tue - wed", {1, 2}),
    ],
)
def test_weekdays(text: str, days: set[int]) -> None:
    """Ranges go round the week."""
    assert parse_weekdays(text) == days


@pytest.mark.parametrize(
    "text, said",
    [("Monday", "did you mean 'mon'?"), ("lun", "mon, tue, wed"), ("mon-", "'' is no weekday")],
)
def test_no_weekdays(text: str, said: str) -> None:
    """What people write first is answered with what is meant."""
    with pytest.raises(ValueError) as caught:
        parse_weekdays(text)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "text, said",
    [
        ("hours = []", "rule: hours: an empty list: name at least one, or leave the key out"),
        ("hours = 8", "rule: hours: expected a text or a list of texts, found a whole number"),
        (
            "except_holidays = ['itt']",
            "rule: except_holidays[1]: there is no calendar 'itt' (holidays/itt.toml); did you mean 'it'?",
        ),
        (
            "valid_from = 2026-12-31\nvalid_until = 2026-11-01",
            "rule: valid_until: 2026-11-01 is before valid_from, 2026-12-31",
        ),
        (
            "valid_until = 2026-11-31T00:00:00",
            None,
        ),
        (
            "valid_until = '2026-11-31'",
            "rule: valid_until: expected a date such as 2026-12-31, found '2026-11-31'",
        ),
        (
            "valid_until = '2026-W47'",
            "rule: valid_until: expected a date such as 2026-12-31, found '2026-W47'",
        ),
        (
            "valid_until = 2026-11-30T00:00:00",
            "rule: valid_until: expected a date such as 2026-12-31, found a date with a time",
        ),
        ("hour = '08:00-19:00'", "rule: hour: unknown key; did you mean 'hours'?"),
    ],
)
def test_problems_have_their_place(text: str, said: str | None) -> None:
    """And TOML itself refuses a date that there is not."""
    if said is None:
        with pytest.raises(tomllib.TOMLDecodeError):
            tomllib.loads(text)
        return
    assert read(text)[1] == [said]


def test_a_moment_without_an_offset_is_told_in_the_zone() -> None:
    """And one with an offset is what it says."""
    morning = datetime(2026, 11, 24, 8, tzinfo=UTC)
    assert parse_moment("2026-11-24 09:00", ROME) == morning
    assert parse_moment("2026-11-24T08:00Z", ROME) == morning


@pytest.mark.parametrize("text", ["tomorrow", "2026-11-31 09:00", "1969-12-31 23:59", "9999-01-01"])
def test_what_is_no_moment_of_our_time_is_refused(text: str) -> None:
    """Zones of other centuries are anybody's guess."""
    with pytest.raises(ValueError, match=r"no moment|only years from"):
        parse_moment(text, ROME)
