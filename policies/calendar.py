"""When a rule holds: hours, weekdays, dates and holidays, by the clock on the wall of one zone.

The day of a span that goes over midnight is the one on which it begins, for weekdays, dates
and holidays alike. On the days when clocks are changed the wall clock decides as on any other:
an hour that it leaves out is in no span, and one that it shows twice is in its span twice.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final

from policies.days import Calendar

DAY_SECONDS: Final = 86_400
WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_DAY: Final = timedelta(days=1)
_SECOND: Final = timedelta(seconds=1)
_NEAR: Final = 3
_REMEMBERED: Final = 4
_AHEAD: Final = 35
"""For how many days a change is looked for; further than that nobody needs to know it."""


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Hours of a day, from *start* up to but without *end*, in seconds from midnight.

    An *end* that is not after the *start* is on the next day.
    """

    start: int
    end: int

    def __str__(self) -> str:
        """As rules write it: `08:00-19:00`."""
        return f"{_show_time(self.start)}-{_show_time(self.end)}"


def show_weekdays(days: frozenset[int]) -> str:
    """Write weekdays, 0 for Monday, as rules do: `mon-fri,sun`."""
    runs: list[list[int]] = []
    for day in sorted(days):
        if runs and runs[-1][-1] == day - 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    return ",".join(
        WEEKDAYS[run[0]] if len(run) == 1 else f"{WEEKDAYS[run[0]]}-{WEEKDAYS[run[-1]]}"
        for run in runs
    )


def show_moment(moment: datetime, zone: tzinfo | None) -> str:
    """Write *moment* by the clock of *zone*, None for its own: `tue 2026-11-24 19:40`."""
    local = moment if zone is None else moment.astimezone(zone)
    return f"{WEEKDAYS[local.weekday()]} {local:%Y-%m-%d %H:%M}"


@dataclass(frozen=True, slots=True)
class Timetable:
    """The times at which a rule holds; what is empty or None is not asked.

    *first* and *last* are days that count themselves. *off* are calendars on whose days it does
    not hold, *only* those on whose days alone it does.
    """

    zone: tzinfo
    hours: tuple[Span, ...] = ()
    weekdays: frozenset[int] | None = None
    first: date | None = None
    last: date | None = None
    off: tuple[Calendar, ...] = ()
    only: tuple[Calendar, ...] = ()
    # The last answers, and from when until when they are that: worked out once, asked all day.
    _known: list[tuple[datetime, datetime, bool]] = field(
        default_factory=list, init=False, compare=False, repr=False
    )

    def look(self, now: datetime) -> tuple[bool, datetime]:
        """Say whether the rule holds at *now*, and until when at least that stays so.

        Where it changes within five weeks, the second is exactly then; otherwise it is five
        weeks or so from now. It is in UTC, as *now* had best be.
        """
        for begin, end, holds in self._known:
            if begin <= now < end:
                return holds, end
        now = now.astimezone(UTC)
        holds, end = self._work_out(now)
        # The newest first.
        self._known[:] = [(now, end, holds), *self._known[: _REMEMBERED - 1]]
        return holds, end

    def foresee(self, moment: datetime) -> tuple[bool, datetime]:
        """Say the same of a *moment* to come.

        Nothing is remembered of it, so who looks ahead does not make who asks about now wait.
        """
        for begin, end, holds in self._known:
            if begin <= moment < end:
                return holds, end
        return self._work_out(moment.astimezone(UTC))

    def holds(self, moment: datetime) -> bool:
        """Say whether the rule holds at *moment*."""
        local = moment.astimezone(self.zone)
        day = local.date()
        if not self.hours:
            return self.counts(day)
        second = local.hour * 3600 + local.minute * 60 + local.second
        for span in self.hours:
            if span.start < span.end:
                if span.start <= second < span.end and self.counts(day):
                    return True
            elif (second >= span.start and self.counts(day)) or (
                second < span.end and day > date.min and self.counts(day - _DAY)
            ):
                return True
        return False

    def counts(self, day: date) -> bool:
        """Say whether *day* is one on which the rule holds at some time."""
        if self.weekdays is not None and day.weekday() not in self.weekdays:
            return False
        if not self.in_period(day):
            return False
        if any(calendar.has(day) for calendar in self.off):
            return False
        return not self.only or any(calendar.has(day) for calendar in self.only)

    def in_period(self, day: date) -> bool:
        """Say whether *day* is neither before the first nor after the last."""
        return (self.first is None or self.first <= day) and (self.last is None or day <= self.last)

    def is_over(self, moment: datetime) -> bool:
        """Say whether the rule held up to some day, and holds at *moment* and ever after no more."""
        past = self.last is not None and self.last < moment.astimezone(self.zone).date()
        # Hours of the last day may go over midnight.
        return past and not self.holds(moment)

    def outside_period(self, moment: datetime) -> bool:
        """Say whether the rule does not hold because it does not yet, or no longer."""
        return not self.in_period(moment.astimezone(self.zone).date())

    def __str__(self) -> str:
        """In words, for tables."""
        parts = []
        if self.weekdays is not None:
            parts.append(show_weekdays(self.weekdays))
        if self.hours:
            parts.append(", ".join(map(str, self.hours)))
        if self.only:
            parts.append(f"on holidays ({', '.join(one.name for one in self.only)})")
        if self.off:
            parts.append(f"not on holidays ({', '.join(one.name for one in self.off)})")
        if self.first is not None:
            parts.append(f"from {self.first}")
        if self.last is not None:
            parts.append(f"until {self.last}")
        return " ".join(parts) or "any"

    # When it changes --------------------------------------------------------

    def _work_out(self, now: datetime) -> tuple[bool, datetime]:
        holds = self.holds(now)
        return holds, self._turn(now, holds)

    def _turn(self, now: datetime, holds: bool) -> datetime:  # noqa: FBT001 - what it is now
        """Return the first moment after *now* at which the rule changes, or the end of the look."""
        today = now.astimezone(self.zone).date()
        begin, ahead = today - _DAY, _NEAR
        while True:
            end = begin + ahead * _DAY
            limit = self._instant(end, 0, fold=0)
            for moment in sorted(self._candidates(begin, end)):
                # Beyond the limit not every moment is among them, so none may be believed.
                if now < moment <= limit and self.holds(moment) != holds:
                    return moment
            if ahead == _AHEAD:
                return limit
            # A day again, for where clocks are put back at midnight one day ends after the next.
            begin, ahead = end - _DAY, _AHEAD

    def _candidates(self, begin: date, end: date) -> Iterator[datetime]:
        """Yield every moment from *begin* to *end* at which the answer can change, unordered.

        In between the wall clock passes no edge of a span, no midnight and is not put forward
        or back, so nothing changes there.
        """
        jumps = [*self._jumps(self._instant(begin, 0, fold=0), self._instant(end, 0, fold=1))]
        yield from jumps
        edges = sorted({0, *(each for span in self.hours for each in (span.start, span.end))})
        offset = self._instant(begin, 0, fold=0).astimezone(self.zone).utcoffset()
        day = begin
        while day < end:
            for second in edges:
                if jumps:
                    yield self._instant(day, second, fold=0)
                    yield self._instant(day, second, fold=1)
                else:
                    wall = datetime(day.year, day.month, day.day, tzinfo=UTC)
                    yield wall + timedelta(seconds=second) - (offset or timedelta())
            day += _DAY

    def _jumps(self, begin: datetime, end: datetime) -> Iterator[datetime]:
        """Yield the moments from *begin* to *end* at which clocks are put forward or back."""
        while begin < end:
            after = begin + _DAY
            if self._offset(begin) != self._offset(after):
                low, high = begin, after
                while high - low > _SECOND:
                    middle = low + (high - low) // _SECOND // 2 * _SECOND
                    if self._offset(middle) == self._offset(begin):
                        low = middle
                    else:
                        high = middle
                yield high
            begin = after

    def _offset(self, moment: datetime) -> timedelta | None:
        return moment.astimezone(self.zone).utcoffset()

    def _instant(self, day: date, second: int, *, fold: int) -> datetime:
        """Return when the wall clock shows *second* of *day*: for the first time, or the second."""
        if second == DAY_SECONDS:
            day, second = day + _DAY, 0
        minute, second = divmod(second, 60)
        wall = time(minute // 60, minute % 60, second, fold=fold, tzinfo=self.zone)
        return datetime.combine(day, wall).astimezone(UTC)


def _show_time(second: int) -> str:
    minute, second = divmod(second, 60)
    shown = f"{minute // 60:02}:{minute % 60:02}"
    return f"{shown}:{second:02}" if second else shown
