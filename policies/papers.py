"""What somebody must have agreed to, been granted, or have left, before a rule lets them in.

The paper form of an office that lets people work elsewhere: a text that was accepted, days that
somebody else approved, and a number of days a month. All of it changes at midnight by itself, by
the clock on the wall of the site's zone, and otherwise only when somebody does something.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final

_DAY: Final = timedelta(days=1)
_REMEMBERED: Final = 4

DEFAULT_COUNT: Final = "remote-days"
"""Under which name a day counts where a rule gives none: one day for all such applications."""


class LocalDays:
    """Which day it is on the wall of one zone, and until when."""

    __slots__ = ("_known", "zone")

    def __init__(self, zone: tzinfo) -> None:
        self.zone: Final = zone
        self._known: list[tuple[datetime, datetime, date]] = []

    def look(self, now: datetime) -> tuple[date, datetime]:
        """Return the day of *now*, and when the next one begins, in UTC.

        Where clocks are put back over midnight a day has two ends; this is the next one, at
        which whoever asks again is told the same day as before.
        """
        for begin, end, day in self._known:
            if begin <= now < end:
                return day, end
        now = now.astimezone(UTC)
        day, end = self.foresee(now)
        self._known[:] = [(now, end, day), *self._known[: _REMEMBERED - 1]]
        return day, end

    def foresee(self, moment: datetime) -> tuple[date, datetime]:
        """Say the same of a *moment* to come, of which nothing is remembered."""
        day = moment.astimezone(self.zone).date()
        return day, self._turn(moment, day)

    def _turn(self, now: datetime, day: date) -> datetime:
        for ahead in (0, 1, 2):
            midnight = datetime.combine(day + ahead * _DAY, time(), self.zone)
            found = [midnight.replace(fold=fold).astimezone(UTC) for fold in (0, 1)]
            later = sorted(one for one in found if one > now)
            if later:
                return later[0]
        raise AssertionError("no day lasts for two")


def mark_of(agreement: str, version: str, digest: str) -> str:
    """Return what stands for one text that can be accepted; *digest* is its SHA-256.

    Not the digest alone: the same words in another agreement, or as next year's version, are to be
    accepted for themselves, and withdrawing from one of the two leaves the other.
    """
    return f"{agreement} {version} {digest}"


@dataclass(frozen=True, slots=True)
class AgreementVersion:
    """One version of a text, in as many languages as there are.

    It is the one to be accepted from *due* on. *digests* are its texts, as `mark_of` writes them:
    whoever has accepted one of them has accepted it.
    """

    version: str
    due: date
    digests: frozenset[str]


@dataclass(frozen=True, slots=True)
class Agreement:
    """A text that must be accepted, and its versions, by the days on which they become due."""

    name: str
    versions: tuple[AgreementVersion, ...]

    def current(self, day: date) -> AgreementVersion | None:
        """Return the version that is due on *day*; None: the first is due later."""
        due = [one for one in self.versions if one.due <= day]
        return due[-1] if due else None

    def is_accepted(self, accepted: frozenset[str], day: date) -> bool:
        """Say whether whoever has accepted texts of these digests has accepted enough on *day*.

        That is the version which is due, or any later one; and before the first is due, one of
        them: what is asked for is never in force without a text.
        """
        for one in reversed(self.versions):
            if not one.digests.isdisjoint(accepted):
                return True
            if one.due <= day:
                # Earlier ones have been followed by this one.
                return False
        return False


@dataclass(frozen=True, slots=True)
class DayQuota:
    """So many days a calendar month, of *zone*; not *consecutive*: never two in a row.

    A day that counts, counts for all rules with the same *count*. Where these have different
    numbers each keeps its own: a day that another has let begin is none of this one's by that.
    """

    per_month: int
    consecutive: bool = True
    count: str = DEFAULT_COUNT

    def used(self, days: frozenset[date], day: date) -> int:
        """Return how many of *days* are in the month of *day*."""
        return sum((one.year, one.month) == (day.year, day.month) for one in days)

    def permits(self, days: frozenset[date], day: date) -> bool:
        """Say whether *day* is one of its days: that it has been counted as, or may be."""
        if day in days:
            # What came before it is all that it had to leave room for.
            before = frozenset(one for one in days if one < day)
            return self._leaves_room(before, day)
        return self._leaves_room(days, day)

    def _leaves_room(self, days: frozenset[date], day: date) -> bool:
        if not self.consecutive and not days.isdisjoint((day - _DAY, day + _DAY)):
            return False
        return self.used(days, day) < self.per_month

    def next_day(self, days: frozenset[date], day: date) -> date:
        """Return the first day, from *day* on, that is one of its days already or may be."""
        # Nothing was counted of the month after the last that was, so it ends.
        while not self.permits(days, day):
            day += _DAY
        return day

    def __str__(self) -> str:
        """In words, for tables."""
        row = "" if self.consecutive else ", never two in a row"
        return f"{self.per_month} a month{row}"


@dataclass(frozen=True, slots=True)
class Approval:
    """Somebody with the right to do so has let one person into *app*, from *first* to *last*.

    Both days count themselves. *request* is the number under which it stands in the record.
    """

    app: str
    first: date
    last: date
    request: str = ""


@dataclass(frozen=True, slots=True)
class Papers:
    """What one person has accepted, been granted and used, as far as it may still bear."""

    accepted: frozenset[str] = frozenset()
    """The texts that they have accepted, and not withdrawn from, as `mark_of` writes them."""
    approvals: tuple[Approval, ...] = ()
    days: Mapping[str, frozenset[date]] = field(default_factory=dict)
    """The days that were counted, of this month and the last at least, by what they count for."""

    def __hash__(self) -> int:
        """Tell those apart who have accepted the same and used other days: nearly everybody."""
        return hash((self.accepted, self.approvals, frozenset(self.days.items())))

    def approved(self, app: str, day: date) -> bool:
        """Say whether *app* was approved for *day*."""
        for one in self.approvals:  # noqa: SIM110 - a generator costs each decision more than this
            if one.app == app and one.first <= day <= one.last:
                return True
        return False

    def days_of(self, quota: DayQuota) -> frozenset[date]:
        """Return the days that count for *quota*."""
        return self.days.get(quota.count, frozenset())


NO_PAPERS: Final = Papers()
