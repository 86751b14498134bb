import asyncio
import csv
import io
from datetime import date

import pytest

from gateway.bootstrap.command import Command, open_command
from gateway.bootstrap.folder import open_folder
from gateway.core.days import DayUse, Spending
from policies.model import Spend
from policies.papers import DayQuota
from tests.gateway.cli.runner import Runner
from tests.gateway.cli.test_session import open_session

DAYS = (date(2026, 11, 3), date(2026, 11, 24), date(2026, 12, 1))


async def spend(command: Command, fingerprint: str, days: tuple[date, ...], count: str) -> None:
    """Let *days* count for the holder of *fingerprint*, as the edge does."""
    session = await command.store.session(await open_session(command, fingerprint))
    assert session is not None
    for day in days:
        use = DayUse(
            session, Spend(DayQuota(3, count=count), day), "wiki", "1f", "stick-1", "192.0.2.7"
        )
        assert await command.store.spend_day(use) is Spending.SPENT


@pytest.fixture
def counted(pusterla: Runner) -> Runner:
    """A site where Anna has used three days, and Bruno one."""

    async def use_days(anna: str, bruno: str) -> None:
        async with open_command(open_folder(pusterla.site)) as command:
            await spend(command, anna, DAYS, "remote-days")
            await spend(command, bruno, DAYS[1:2], "on-call")

    for user in ("anna", "bruno"):
        pusterla.add_user(user)
    anna, bruno = (str(pusterla.issue(user)["fingerprint"]) for user in ("anna", "bruno"))
    asyncio.run(use_days(anna, bruno))
    return pusterla


def test_days_are_listed(counted: Runner) -> None:
    """Of all or of one, ever or in a month, as a table, CSV and JSON."""
    found = counted.json("day", "list")
    assert [(one["day"], one["user"]) for one in found] == [
        ("2026-11-03", "anna"),
        ("2026-11-24", "anna"),
        ("2026-11-24", "bruno"),
        ("2026-12-01", "anna"),
    ]
    assert len(counted.json("day", "list", "--month", "2026-11")) == 3
    [bruno] = counted.json("day", "list", "--user", "bruno", "--month", "2026-11")
    assert (bruno["count"], bruno["app"], bruno["serial"]) == ("on-call", "wiki", "1f")
    assert counted.json("day", "list", "--month", "2026-10") == []
    assert "2026-12-01  anna" in counted.done("day", "list").stdout
    rows = list(csv.reader(io.StringIO(counted.done("day", "list", "--csv").stdout)))
    assert rows[0] == ["day", "user", "count", "app", "serial", "at"]
    assert len(rows) == 5


def test_a_day_is_given_back(counted: Runner) -> None:
    """Once, with a line in the audit log that says who did it."""
    said = counted.done("day", "give-back", "anna", "2026-11-24").stdout
    assert said == "2026-11-24 counts no more for anna (remote-days)\n"
    refused = counted.refused("day", "give-back", "anna", "2026-11-24")
    assert "2026-11-24 is no day that 'anna' has used" in refused
    [line] = counted.audit("day-given-back")
    assert (line["user"], line["app"]) == ("anna", "wiki")
    assert line["detail"]["by"].startswith("command:")
    assert [one["day"] for one in counted.json("day", "list", "--user", "anna")] == [
        "2026-11-03",
        "2026-12-01",
    ]
    assert counted.json("day", "give-back", "bruno", "2026-11-24", "--count", "on-call")


def test_slips_of_the_keyboard_are_told(counted: Runner) -> None:
    """A name that nobody has, and what is no day or no month."""
    assert "did you mean 'anna'?" in counted.refused("day", "list", "--user", "ana")
    assert "did you mean 'anna'?" in counted.refused("day", "give-back", "ana", "2026-11-24")
    for words in (("day", "give-back", "anna", "24.11.2026"), ("day", "list", "--month", "13")):
        result = counted.run(*words)
        assert result.exit_code == 2
        assert "as in 2026-11" in result.stderr
    no_count = counted.refused("day", "give-back", "anna", "2026-11-24", "--count", "on-call")
    assert "no day of 'on-call'" in no_count
