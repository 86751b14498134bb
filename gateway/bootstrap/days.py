"""Days of quotas, for the command: which have counted, and one that counts no more."""

from collections.abc import Sequence
from datetime import date, timedelta

from gateway.bootstrap.command import Command
from gateway.core.days import UsedDay

_LONGEST_MONTH = timedelta(days=31)


async def list_days(command: Command, user: str | None, month: date | None) -> Sequence[UsedDay]:
    """Return the days that count, of *user* or of all, in the month of *month* or ever.

    A *user* whom nobody knows is `CommandRefused`.
    """
    if user is not None:
        await command.person(user)
    if month is None:
        return await command.store.used_days(user=user)
    first = month.replace(day=1)
    until = (first + _LONGEST_MONTH).replace(day=1) - timedelta(days=1)
    return await command.store.used_days(user=user, since=first, until=until)


async def give_back(command: Command, user: str, day: date, count: str | None) -> list[UsedDay]:
    """Let *day* of *user* count no more; return what it had counted for."""
    await command.person(user)
    return await command.store.give_day_back(user, day, count=count, by=command.by)
