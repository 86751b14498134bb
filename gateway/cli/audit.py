"""pusterla audit: what happened, and whether somebody has changed the record of it."""

from typing import TYPE_CHECKING, Any

import click

from gateway.cli.output import (
    ExampleCommand,
    json_option,
    local,
    note,
    say,
    say_json,
    say_json_line,
    utc,
)
from gateway.cli.surroundings import Surroundings, pass_surroundings

if TYPE_CHECKING:
    from gateway.bootstrap.command import Command
    from gateway.core.audit import AuditLine

DEFAULT_COUNT = 20
_ALL_NEW = 1_000_000


@click.group()
def audit() -> None:
    """The audit log: what happened, by whom, and why it was refused."""


@audit.command(cls=ExampleCommand, example="audit tail -n 50 --follow")
@click.option(
    "-n",
    "count",
    type=click.IntRange(min=1),
    default=DEFAULT_COUNT,
    show_default=True,
    help="How many lines, the newest.",
)
@click.option("--follow", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@click.option(
    "--verify",
    is_flag=True,
    help="First check the whole chain of lines; exit status 1 where it is broken.",
)
@json_option
@pass_surroundings
def tail(here: Surroundings, *, count: int, follow: bool, verify: bool, as_json: bool) -> None:
    """Show the end of the audit log.

    With --follow and --json each line is a JSON document of its own. What the chain
    cannot show: that its newest lines were cut off by somebody who owns the store.
    """
    if verify:
        note("checking the chain")
        here.run(_verify)
        note("the chain holds: no line was changed, added or taken out")
    here.run(lambda command: _tail(command, count, follow=follow, as_json=as_json))


async def _verify(command: "Command") -> None:
    broken = await command.store.audit_break()
    if broken is not None:
        raise click.ClickException(
            f"the audit log has been changed: line {broken} does not follow from those before it"
        )


async def _tail(command: "Command", count: int, *, follow: bool, as_json: bool) -> None:
    lines = await command.store.audit_tail(count)
    if not follow and as_json:
        say_json([_facts(line) for line in lines])
        return
    _print(lines, as_json=as_json)
    if not follow:
        return
    last = lines[-1].number if lines else 0
    # Lines of the audit log are no rows of the feed, but the feed also says at least
    # once a second that the store is there; that is often enough to look again.
    async for _ in command.store.follow():
        # Asked for without a limit that matters: with one, the newest would be shown only.
        if lines := await command.store.audit_tail(_ALL_NEW, after=last):
            _print(lines, as_json=as_json)
            last = lines[-1].number


def _print(lines: "list[AuditLine]", *, as_json: bool) -> None:
    for line in lines:
        if as_json:
            say_json_line(_facts(line))
        else:
            say(_in_words(line))


def _in_words(line: "AuditLine") -> str:
    event = line.event
    named = {
        "user": event.user,
        "device": event.device,
        "serial": event.serial,
        "app": event.app,
        "from": event.address,
        "reason": event.reason,
        **event.detail,
    }
    words = " ".join(f"{name}={value}" for name, value in named.items() if value)
    return f"{line.number:>6}  {local(event.at)}  {event.kind:<20}  {words}".rstrip()


def _facts(line: "AuditLine") -> dict[str, Any]:
    event = line.event
    return {
        "number": line.number,
        "at": utc(event.at),
        "kind": event.kind.value,
        "user": event.user,
        "serial": event.serial,
        "device": event.device,
        "app": event.app,
        "address": event.address,
        "reason": event.reason,
        "detail": dict(event.detail),
        "chain": line.chain,
    }
