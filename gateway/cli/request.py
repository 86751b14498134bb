"""pusterla request: who asks for access, the answer, and the record for the file."""

from datetime import date
from typing import TYPE_CHECKING

import click

from gateway.cli.output import (
    ExampleCommand,
    csv_text,
    json_option,
    local,
    say,
    say_json,
    say_table,
)
from gateway.cli.request_record import HEAD, facts_of, record_facts, record_text, row_of
from gateway.cli.surroundings import Surroundings, pass_surroundings
from gateway.core.requests import RequestState
from gateway.core.spans import show_spans

if TYPE_CHECKING:
    from gateway.bootstrap.command import Command
    from gateway.bootstrap.requests import Entry
    from gateway.core.requests import AccessRequest


def _day(ctx: click.Context, option: click.Parameter, text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise click.BadParameter("write a day as in 2026-11-24", ctx, option) from error


number_argument = click.argument("number", type=click.IntRange(min=1, max=2**62))
words_option = click.option("--words", default="", help="What to say to the person.")
state_option = click.option(
    "--state", type=click.Choice([each.value for each in RequestState]), help="Only those in STATE."
)


@click.group()
def request() -> None:
    """Who asks for access, the answer, and the record of it."""


@request.command("list", cls=ExampleCommand, example="request list --state asked")
@click.option("--user", help="Only those of USER.")
@click.option("--app", help="Only those for APP.")
@state_option
@json_option
@pass_surroundings
def list_(
    here: Surroundings, *, user: str | None, app: str | None, state: str | None, as_json: bool
) -> None:
    """List requests, the oldest first."""
    from gateway.bootstrap.requests import Choice, list_requests

    states = () if state is None else (RequestState(state),)
    choice = Choice(user, app, states)
    found = here.run(lambda command: list_requests(command, choice))
    if as_json:
        say_json([facts_of(each) for each in found])
        return
    say_table(
        ("NUMBER", "USER", "APP", "DAYS", "STATE", "ASKED", "BY"),
        [
            (
                each.number,
                each.user,
                each.app,
                show_spans(each.days),
                each.state,
                local(each.asked_at),
                each.decided_by or each.ended_by,
            )
            for each in found
        ],
        empty="there is no such request",
    )


@request.command(cls=ExampleCommand, example="request show 3")
@number_argument
@json_option
@pass_surroundings
def show(here: Surroundings, *, number: int, as_json: bool) -> None:
    """Show one request: reason, answer, agreements, days used, and who may decide it."""

    async def look(command: "Command") -> "Entry":
        from gateway.bootstrap.requests import entry_of, find_request

        return await entry_of(command, await find_request(command, number))

    entry = here.run(look)
    if as_json:
        say_json(record_facts(entry))
        return
    say(record_text(entry))


@request.command(
    cls=ExampleCommand, example="request approve 3 --days 2026-11-24,2026-12-01/2026-12-03"
)
@number_argument
@click.option("--days", metavar="DAYS", help="Fewer days: 2026-11-24, with / until, and commas.")
@words_option
@json_option
@pass_surroundings
def approve(
    here: Surroundings, *, number: int, days: str | None, words: str, as_json: bool
) -> None:
    """Approve a request: it opens on these days, at once."""
    from gateway.bootstrap.requests import approve as do
    from gateway.bootstrap.requests import read_days

    spans = None if days is None else read_days(days)
    done = here.run(lambda command: do(command, number, spans, words))
    _say_done(done, f"approved for {done.user}: {done.app}, {show_spans(done.granted)}", as_json)


@request.command(cls=ExampleCommand, example='request refuse 3 --words "not in that week"')
@number_argument
@words_option
@json_option
@pass_surroundings
def refuse(here: Surroundings, *, number: int, words: str, as_json: bool) -> None:
    """Refuse a request, all of it."""
    from gateway.bootstrap.requests import refuse as do

    done = here.run(lambda command: do(command, number, words))
    _say_done(done, f"refused to {done.user}: {done.app}, {show_spans(done.wanted)}", as_json)


@request.command(cls=ExampleCommand, example="request end 3")
@number_argument
@json_option
@pass_surroundings
def end(here: Surroundings, *, number: int, as_json: bool) -> None:
    """End what was approved, now: what is open by it is cut at once."""
    from gateway.bootstrap.requests import end as do

    done = here.run(lambda command: do(command, number))
    _say_done(done, f"ended for {done.user}: {done.app}, {show_spans(done.granted)}", as_json)


@request.command(
    cls=ExampleCommand, example="request export --user anna --from 2026-11-01 --until 2026-11-30"
)
@click.option("--user", help="Only those of USER.")
@click.option("--app", help="Only those for APP.")
@click.option(
    "--from", "since", callback=_day, metavar="DATE", help="Only those with days from it."
)
@click.option("--until", callback=_day, metavar="DATE", help="Only those with days until it.")
@state_option
@click.option("--csv", "as_csv", is_flag=True, help="Answer with CSV, for a spreadsheet.")
@json_option
@pass_surroundings
def export(
    here: Surroundings,
    *,
    user: str | None,
    app: str | None,
    since: date | None,
    until: date | None,
    state: str | None,
    as_csv: bool,
    as_json: bool,
) -> None:
    """Print requests for the file: with decision, agreements, certificates and days used.

    As Markdown, which can be read and printed as it is. What people typed is shown as they typed
    it, and formats nothing.
    """

    async def look(command: "Command") -> "list[Entry]":
        from gateway.bootstrap.requests import Choice, entries_of, list_requests

        states = () if state is None else (RequestState(state),)
        choice = Choice(user, app, states, since, until)
        return await entries_of(command, await list_requests(command, choice))

    found = here.run(look)
    if as_json:
        say_json([record_facts(each) for each in found])
    elif as_csv:
        click.echo(csv_text(HEAD, [row_of(each) for each in found]), nl=False)
    else:
        say("\n".join(record_text(each) for each in found))


def _say_done(done: "AccessRequest", words: str, as_json: bool) -> None:
    if as_json:
        say_json(facts_of(done))
    else:
        say(f"request {done.number} {words}")
