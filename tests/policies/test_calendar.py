"""When a rule holds, and until when: on common days, and on those when clocks are changed."""

from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.calendar import Span, Timetable, show_weekdays
from policies.days import Calendar, Dates

ROME = ZoneInfo("Europe/Rome")
SAO_PAULO = ZoneInfo("America/Sao_Paulo")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")
MINUTE = timedelta(minutes=1)
HOUR = 3600


def hours(*spans: tuple[float, float], zone: tzinfo = ROME, **more: object) -> Timetable:
    """Make a timetable of *spans* in hours."""
    made = tuple(Span(int(start * HOUR), int(end * HOUR)) for start, end in spans)
    return Timetable(zone, made, **more)  # type: ignore[arg-type]  # checked by each test's use


def rome(text: str, fold: int = 0) -> datetime:
    """Read a moment by the clock in Rome; in UTC, where no two moments look the same."""
    return datetime.fromisoformat(text).replace(tzinfo=ROME, fold=fold).astimezone(UTC)


def opening(timetable: Timetable, begin: datetime, end: datetime) -> list[tuple[datetime, bool]]:
    """Follow *timetable* from turn to turn: what it says from each moment on."""
    found = []
    moment = begin.astimezone(UTC)
    while moment < end:
        holds, turn = timetable.look(moment)
        assert turn > moment
        found.append((moment, holds))
        moment = turn
    return found


def test_a_span_begins_with_its_first_second_and_ends_before_its_last() -> None:
    """Nineteen o'clock is over at nineteen o'clock."""
    office = hours((8, 19))
    assert not office.holds(rome("2026-11-24 07:59:59.999999"))
    assert office.holds(rome("2026-11-24 08:00"))
    assert office.holds(rome("2026-11-24 18:59:59.999999"))
    assert not office.holds(rome("2026-11-24 19:00"))


def test_the_clock_is_that_of_the_zone() -> None:
    """Whatever zone the moment is told in."""
    assert hours((8, 19)).holds(datetime(2026, 11, 24, 7, tzinfo=UTC))
    assert not hours((8, 19)).holds(datetime(2026, 7, 24, 17, tzinfo=UTC))
    east = timezone(timedelta(hours=9))
    assert hours((8, 19)).holds(datetime(2026, 11, 25, 2, 59, tzinfo=east))


def test_a_night_belongs_to_the_day_on_which_it_begins() -> None:
    """For weekdays, dates and holidays alike."""
    night = hours((22, 6), weekdays=frozenset({4}))
    assert night.holds(rome("2026-11-27 23:00"))
    assert night.holds(rome("2026-11-28 05:59"))
    assert not night.holds(rome("2026-11-27 05:00"))
    assert not night.holds(rome("2026-11-28 22:00"))
    last = hours((22, 6), last=date(2026, 12, 31))
    assert last.holds(rome("2027-01-01 05:59"))
    assert not last.holds(rome("2027-01-01 22:00"))


def test_dates_count_themselves() -> None:
    """From the first second of the first to the last of the last."""
    november = Timetable(ROME, first=date(2026, 11, 1), last=date(2026, 11, 30))
    assert not november.holds(rome("2026-10-31 23:59:59"))
    assert november.holds(rome("2026-11-01 00:00"))
    assert november.holds(rome("2026-11-30 23:59:59.999999"))
    assert not november.holds(rome("2026-12-01 00:00"))
    assert november.look(rome("2026-11-30 12:00"))[1] == rome("2026-12-01 00:00")


def test_holidays_close_and_open() -> None:
    """By calendars, of which a rule may name several."""
    closed = Calendar("closed", (Dates(date(2026, 12, 24), date(2026, 12, 26)),))
    office = hours((8, 19), off=(closed,))
    assert office.look(rome("2026-12-23 20:00")) == (False, rome("2026-12-27 08:00"))
    only = Timetable(ROME, only=(closed,))
    assert only.look(rome("2026-12-25 12:00")) == (True, rome("2026-12-27 00:00"))


def test_what_never_changes_again_is_looked_at_again_some_day() -> None:
    """So nobody waits for a year: the look ahead ends."""
    holds, turn = Timetable(ROME, last=date(2020, 1, 1)).look(rome("2026-11-24 12:00"))
    assert not holds
    assert timedelta(days=28) < turn - rome("2026-11-24 12:00") < timedelta(days=40)


def test_a_clock_that_is_put_back_is_answered_by_what_it_shows() -> None:
    """What was worked out for later does not stand in the way of earlier."""
    office = hours((8, 19))
    assert office.look(rome("2026-11-24 20:00"))[0] is False
    assert office.look(rome("2026-11-24 12:00")) == (True, rome("2026-11-24 19:00"))


def test_an_hour_that_the_clock_leaves_out_is_in_no_span() -> None:
    """On 29 March 2026 it goes from 02:00 to 03:00 in Rome."""
    begin, end = rome("2026-03-29 00:00"), rome("2026-03-29 12:00")
    assert opening(hours((2, 3)), begin, end) == [(begin, False)]
    three = rome("2026-03-29 03:00")
    assert opening(hours((2.5, 3.5)), begin, end) == [
        (begin, False),
        (three, True),
        (rome("2026-03-29 03:30"), False),
    ]


def test_an_hour_that_the_clock_shows_twice_is_twice_in_its_span() -> None:
    """On 25 October 2026 it goes from 03:00 back to 02:00 in Rome."""
    begin, end = rome("2026-10-25 00:00"), rome("2026-10-25 12:00")
    assert opening(hours((2.25, 2.5)), begin, end) == [
        (begin, False),
        (rome("2026-10-25 02:15"), True),
        (rome("2026-10-25 02:30"), False),
        (rome("2026-10-25 02:15", fold=1), True),
        (rome("2026-10-25 02:30", fold=1), False),
    ]
    whole = opening(hours((2, 3)), begin, end)
    assert [moment for moment, _ in whole[1:]] == [
        rome("2026-10-25 02:00"),
        rome("2026-10-25 03:00"),
    ]
    assert whole[2][0] - whole[1][0] == timedelta(hours=2)


def test_clocks_that_change_at_midnight_change_days() -> None:
    """In São Paulo 4 November 2018 began at 01:00, and 17 February 2019 ended twice."""
    sunday = Timetable(SAO_PAULO, first=date(2018, 11, 4), last=date(2018, 11, 4))
    began = datetime(2018, 11, 4, 3, tzinfo=UTC)
    assert sunday.look(began - MINUTE) == (False, began)
    assert sunday.look(began) == (True, datetime(2018, 11, 5, 2, tzinfo=UTC))
    late = hours((23, 24), zone=SAO_PAULO, first=date(2019, 2, 16), last=date(2019, 2, 16))
    begin = datetime(2019, 2, 17, 0, tzinfo=UTC)
    assert opening(late, begin, begin + timedelta(hours=6)) == [
        (begin, False),
        (datetime(2019, 2, 17, 1, tzinfo=UTC), True),
        (datetime(2019, 2, 17, 3, tzinfo=UTC), False),
    ]


def test_a_zone_may_change_by_half_an_hour() -> None:
    """On Lord Howe 02:00 becomes 01:30 on 5 April 2026."""
    early = hours((1.5, 2), zone=LORD_HOWE)
    begin = datetime(2026, 4, 4, 12, tzinfo=UTC)
    turns = opening(early, begin, begin + timedelta(hours=12))
    assert [turn - begin for turn, _ in turns] == [
        timedelta(),
        timedelta(hours=2, minutes=30),
        timedelta(hours=3, minutes=30),
    ]


SPANS = st.builds(
    lambda start, length: Span(start, (start + length) % 86_400 or 86_400),
    st.integers(0, 95).map(lambda quarter: quarter * 900),
    st.integers(1, 95).map(lambda quarter: quarter * 900),
)


@pytest.mark.parametrize("zone, year", [(ROME, 2026), (SAO_PAULO, 2018), (LORD_HOWE, 2026)])
@settings(max_examples=5, deadline=None)
@given(
    st.lists(SPANS, max_size=3).map(tuple),
    st.none() | st.frozensets(st.integers(0, 6), min_size=1),
)
def test_every_turn_of_a_year_is_the_next_quarter_at_which_it_changes(
    zone: ZoneInfo, year: int, spans: tuple[Span, ...], weekdays: frozenset[int] | None
) -> None:
    """A whole year of quarters of an hour, with every change of the clocks in it."""
    timetable = Timetable(zone, spans, weekdays)
    moment = datetime(year, 1, 1, tzinfo=UTC)
    end = datetime(year + 1, 4, 30, tzinfo=UTC)
    turns = dict(opening(timetable, moment, end))
    held = None
    while moment < end:
        local = moment.astimezone(zone)
        holds = _by_hand(local.replace(tzinfo=None), spans, weekdays)
        if moment in turns:
            assert turns[moment] is holds
            held = holds
        assert holds is held, local
        moment += timedelta(minutes=15)


def _by_hand(wall: datetime, spans: tuple[Span, ...], weekdays: frozenset[int] | None) -> bool:
    """Say whether a wall clock is inside: with no arithmetic but that on clocks without zones."""
    for back in (0, 1):
        day = datetime(wall.year, wall.month, wall.day) - timedelta(days=back)  # noqa: DTZ001 - a wall clock has no zone
        if weekdays is not None and day.weekday() not in weekdays:
            continue
        for span in spans or (Span(0, 86_400),):
            length = (span.end - span.start) % 86_400 or 86_400
            begin = day + timedelta(seconds=span.start)
            if begin <= wall < begin + timedelta(seconds=length):
                return True
    return False


@given(st.frozensets(st.integers(0, 6), min_size=1))
def test_weekdays_are_written_short(days: frozenset[int]) -> None:
    """Runs of days as ranges, each day once."""
    written = show_weekdays(days)
    named = [day for part in written.split(",") for day in part.split("-")]
    assert len(named) == len(set(named)) <= len(days)


def test_a_timetable_reads_as_a_line() -> None:
    """For tables; one that asks nothing says so."""
    calendar = Calendar("it", ())
    asked = hours(
        (8, 19),
        (22, 6.5),
        weekdays=frozenset(range(5)),
        first=date(2026, 11, 1),
        last=date(2026, 12, 31),
        off=(calendar,),
    )
    assert str(asked) == (
        "mon-fri 08:00-19:00, 22:00-06:30 not on holidays (it) from 2026-11-01 until 2026-12-31"
    )
    assert str(Timetable(ROME, only=(calendar,))) == "on holidays (it)"
    assert str(Timetable(ROME)) == "any"
    assert str(Span(30, 86_400)) == "00:00:30-24:00"


@pytest.mark.parametrize("moment", ["2026-03-29 01:59:59", "2026-10-25 02:30"])
def test_a_day_as_a_whole_holds_through_a_change_of_clocks(moment: str) -> None:
    """Nothing turns at the change itself."""
    assert hours((0, 24)).holds(rome(moment))
    assert hours((0, 24), weekdays=frozenset({6})).look(rome(moment))[1] == rome(
        moment[:8] + str(int(moment[8:10]) + 1) + " 00:00"
    )


def test_a_rule_is_over_when_its_last_hours_are() -> None:
    """Hours that go over midnight end on the day after the last."""
    night = Timetable(ROME, hours=(Span(22 * 3600, 6 * 3600),), last=date(2026, 11, 24))
    for day, hour, over in ((24, 12, False), (24, 23, False), (25, 5, False), (25, 6, True)):
        assert night.is_over(datetime(2026, 11, day, hour, tzinfo=ROME)) == over
    assert not Timetable(ROME).is_over(datetime(2026, 11, 24, tzinfo=ROME))
