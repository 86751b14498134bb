import asyncio
import csv
import io
from datetime import UTC, date, datetime, timedelta

import pytest

from gateway.bootstrap.command import Command, open_command
from gateway.bootstrap.folder import open_folder
from gateway.core.days import DayUse, Spending
from policies.model import Spend
from policies.papers import DayQuota
from tests.gateway.cli.runner import Runner
from tests.gateway.cli.test_session import open_session

# A month to come: what is long over is not read with a person any more.
MONTH = (datetime.now(UTC).date().replace(day=1) + timedelta(days=32)).replace(day=1)
FIRST, SECOND, FREE = (MONTH.replace(day=number) for number in (3, 24, 26))
AFTER = (MONTH + timedelta(days=32)).replace(day=1)
DAYS = (FIRST, SECOND, AFTER)


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
        (f"{FIRST}", "anna"),
        (f"{SECOND}", "anna"),
        (f"{SECOND}", "bruno"),
        (f"{AFTER}", "anna"),
    ]
    assert len(counted.json("day", "list", "--month", f"{MONTH:%Y-%m}")) == 3
    [bruno] = counted.json("day", "list", "--user", "bruno", "--month", f"{MONTH:%Y-%m}")
    assert (bruno["count"], bruno["app"], bruno["serial"]) == ("on-call", "wiki", "1f")
    assert counted.json("day", "list", "--month", "2025-10") == []
    assert f"{AFTER}  anna" in counted.done("day", "list").stdout
    rows = list(csv.reader(io.StringIO(counted.done("day", "list", "--csv").stdout)))
    assert rows[0] == ["day", "user", "count", "app", "serial", "at"]
    assert len(rows) == 5


def test_a_day_is_given_back(counted: Runner) -> None:
    """Once, with a line in the audit log that says who did it."""
    said = counted.done("day", "give-back", "anna", f"{SECOND}").stdout
    assert said == f"{SECOND} counts no more for anna (remote-days)\n"
    refused = counted.refused("day", "give-back", "anna", f"{SECOND}")
    assert f"{SECOND} is no day that 'anna' has used" in refused
    [line] = counted.audit("day-given-back")
    assert (line["user"], line["app"]) == ("anna", "wiki")
    assert line["detail"]["by"].startswith("command:")
    assert [one["day"] for one in counted.json("day", "list", "--user", "anna")] == [
        f"{FIRST}",
        f"{AFTER}",
    ]
    assert counted.json("day", "give-back", "bruno", f"{SECOND}", "--count", "on-call")


def test_an_explanation_tells_of_days(counted: Runner) -> None:
    """Those that are used, those that are left, and the next; and what today would cost."""
    rule = '[[rules]]\nname = "from home"\neffect = "allow"\nusers = ["anna"]\n'
    for name, quota in (("wiki", "per_month = 2"), ("crm", "per_month = 5, consecutive = false")):
        counted.add_app(name, "--allow", "user:anna")
        file = counted.site / "apps" / f"{name}.toml"
        head = file.read_text(encoding="utf-8").partition("[[rules]]")[0]
        file.write_text(f"{head}{rule}days = {{ {quota} }}\n", encoding="utf-8")
    at = ("--at", f"{FREE} 09:00")
    spent = counted.done("policy", "explain", "anna", "wiki", *at).stdout
    found = f"2 used ({FIRST}, {SECOND}), 0 left, the next possible is {AFTER}"
    assert f"days: 2 a month, found {found}" in spent
    assert f"refused: days-spent ('from home'); opens {AFTER:%a} {AFTER} 00:00".lower() in spent
    left = counted.done("policy", "explain", "anna", "crm", *at).stdout
    assert f"3 left, {FREE} may be one" in left
    assert f"let in by 'from home', which uses up {FREE} (remote-days)" in left
    facts = counted.json("policy", "explain", "anna", "crm", *at)
    assert facts["spends"] == {"day": f"{FREE}", "count": "remote-days"}
    in_use = counted.done("policy", "explain", "anna", "crm", "--at", f"{SECOND} 09:00").stdout
    assert f"{SECOND} is one of them" in in_use
    [crm, wiki] = counted.json("policy", "what", "anna", "--all", *at)
    assert (crm["answer"], wiki["answer"]) == ("yes", "at other times")


def test_slips_of_the_keyboard_are_told(counted: Runner) -> None:
    """A name that nobody has, and what is no day or no month."""
    assert "did you mean 'anna'?" in counted.refused("day", "list", "--user", "ana")
    assert "did you mean 'anna'?" in counted.refused("day", "give-back", "ana", f"{SECOND}")
    for words in (("day", "give-back", "anna", "24.11.2026"), ("day", "list", "--month", "13")):
        result = counted.run(*words)
        assert result.exit_code == 2
        assert "as in 2026-11" in result.stderr
    no_count = counted.refused("day", "give-back", "anna", f"{SECOND}", "--count", "on-call")
    assert "no day of 'on-call'" in no_count
