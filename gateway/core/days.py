"""Days of a quota: who uses one up, and what was counted."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from gateway.core.sessions import Session
from policies.model import Spend


class Spending(StrEnum):
    """What became of a day that somebody wanted to use."""

    SPENT = "spent"
    """It counts from now on."""
    ALREADY = "already"
    """It counted before."""
    REFUSED = "refused"
    """It cannot count: none is left, it would be in a row with another, or who asks may not."""


@dataclass(frozen=True, slots=True)
class DayUse:
    """A request that begins a day of a quota: by whom, for which application, from where."""

    session: Session
    spend: Spend
    app: str
    serial: str
    device: str
    address: str


@dataclass(frozen=True, slots=True)
class UsedDay:
    """A day that counts; *serial* is the certificate of its first request, which came *at*."""

    user: str
    count: str
    day: date
    app: str
    serial: str
    at: datetime
