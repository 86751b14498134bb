"""pusterla day: which days of quotas people have used, and one that was counted by mistake."""

from datetime import date
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.output import (
    ExampleCommand,
    csv_text,
    json_option,
    local,
    say,
    say_json,
    say_table,
    utc,
)
from gateway.cli.surroundings import Surroundings, pass_surroundings

if TYPE_CHECKING:
    from gateway.core.days import UsedDay

_HEAD = ("day", "user", "count", "app", "serial", "at")


def _day(ctx: click.Context, option: click.Parameter, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise click.BadParameter("write a day as in 2026-11-24", ctx, option) from error


def _month(ctx: click.Context, option: click.Parameter, text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(f"{text}-01")
    except ValueError as error:
        raise click.BadParameter("write a month as in 2026-11", ctx, option) from error


@click.group()
def day() -> None:
    """Days of quotas: which have counted, and freeing one."""


@day.command("list", cls=ExampleCommand, example="day list --user anna --month 2026-11")
@click.option("--user", help="Only those of USER.")
@click.option("--month", callback=_month, metavar="MONTH", help="Only those of MONTH: 2026-11.")
@click.option("--csv", "as_csv", is_flag=True, help="Answer with CSV, for a spreadsheet.")
@json_option
@pass_surroundings
def list_(
    here: Surroundings, *, user: str | None, month: date | None, as_csv: bool, as_json: bool
) -> None:
    """List the days that count, each with the application and certificate of its first request."""
    from gateway.bootstrap.days import list_days

    found = here.run(lambda command: list_days(command, user, month))
    if as_json:
        say_json([_facts(each) for each in found])
    elif as_csv:
        rows = [[str(value) for value in _facts(each).values()] for each in found]
        click.echo(csv_text(_HEAD, rows), nl=False)
    else:
        say_table(
            ("DAY", "USER", "COUNT", "FIRST AT", "CERTIFICATE", "COUNTED"),
            [
                (each.day, each.user, each.count, each.app, each.serial[:8], local(each.at))
                for each in found
            ],
            empty="no day has counted",
        )


@day.command("give-back", cls=ExampleCommand, example="day give-back anna 2026-11-24")
@click.argument("user")
@click.argument("day_", metavar="DATE", callback=_day)
@click.option("--count", help="Only what it counts for under this name.  [default: whatever]")
@json_option
@pass_surroundings
def give_back(
    here: Surroundings, *, user: str, day_: date, count: str | None, as_json: bool
) -> None:
    """Let a day of USER count no more, which was counted by mistake.

    What they have open by it is cut at once; when it is today, their next request counts it again.
    """
    from gateway.bootstrap.days import give_back as free

    freed = here.run(lambda command: free(command, user, day_, count))
    if as_json:
        say_json([_facts(each) for each in freed])
        return
    for each in freed:
        say(f"{each.day} counts no more for {each.user} ({each.count})")


def _facts(each: "UsedDay") -> dict[str, Any]:
    return {
        "day": each.day.isoformat(),
        "user": each.user,
        "count": each.count,
        "app": each.app,
        "serial": each.serial,
        "at": utc(each.at),
    }
