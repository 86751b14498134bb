"""pusterla explain: why somebody was refused, from the id on their page."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click

from gateway.cli.circumstances import read_moment
from gateway.cli.output import (
    ExampleCommand,
    json_option,
    local,
    note,
    printable,
    say_json,
    say_table,
)
from gateway.cli.renewals import SPAN
from gateway.cli.stories import say_story
from gateway.cli.story_facts import facts_of_refused, facts_of_story
from gateway.cli.surroundings import Surroundings, pass_surroundings

if TYPE_CHECKING:
    from gateway.bootstrap.command import Command
    from gateway.bootstrap.refused import RefusedList
    from gateway.bootstrap.story import Story

AROUND = timedelta(minutes=15)
DEFAULT_LAST = timedelta(hours=1)
DEFAULT_COUNT = 20


def _address(ctx: click.Context, option: click.Parameter, text: str | None) -> str | None:
    from ipaddress import ip_address

    try:
        return None if text is None else str(ip_address(text))
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is no IP address", ctx, option) from error


def _serial(ctx: click.Context, option: click.Parameter, text: str | None) -> str | None:
    from ca.serials import parse_serial

    found = None if text is None else parse_serial(text)
    if text is not None and found is None:
        raise click.BadParameter(f"{text!r} is no serial number", ctx, option)
    return found


def _user(ctx: click.Context, option: click.Parameter, text: str | None) -> str | None:
    from policies.model import check_name

    try:
        return None if text is None else check_name(text)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, option) from error


def _request(ctx: click.Context, option: click.Parameter, text: str | None) -> str | None:
    from gateway.core.request_ids import read_request_id

    found = None if text is None else read_request_id(text)
    if text is not None and found is None:
        raise click.BadParameter(
            f"{text!r} is no id of a request; one looks like bvqflyq-k3v7qh2-1f. Without one: "
            "--user, --serial or --from",
            ctx,
            option,
        )
    return found


@click.command(cls=ExampleCommand, example="explain bvqflyq-k3v7qh2-1f")
@click.argument("request", metavar="[ID]", required=False, callback=_request)
@click.option("--user", callback=_user, help="List what was refused to USER lately.")
@click.option("--serial", callback=_serial, metavar="S", help="Of the certificate S.")
@click.option("--from", "address", callback=_address, metavar="ADDRESS", help="From ADDRESS.")
@click.option(
    "--last",
    type=SPAN,
    help="How far back to look, as in 1h or 2d.  [default: 1h]",
)
@click.option(
    "--at",
    metavar="MOMENT",
    help="Look at the quarter of an hour before and after, as in '2026-11-22 10:30' in the site's "
    "time zone.",
)
@click.option(
    "-n",
    "count",
    type=click.IntRange(min=1),
    default=DEFAULT_COUNT,
    show_default=True,
    help="How many to list, the newest.",
)
@json_option
@pass_surroundings
def explain(
    here: Surroundings,
    *,
    request: str | None,
    user: str | None,
    serial: str | None,
    address: str | None,
    last: timedelta | None,
    at: str | None,
    count: int,
    as_json: bool,
) -> None:
    """Say all that is known of the request with this ID, which the page of a refusal shows.

    What it was, who made it, with which certificate, how that stood then and stands now, what the
    rules say, why it was refused and what to do. Without an ID, list what was refused lately to a
    person, to a certificate or to an address.

    Exit status 1 when nothing is known of it; stderr says why that may be.
    """
    named = {"user": user, "serial": serial, "address": address}
    wanted = {field: value for field, value in named.items() if value is not None}
    if (request is None) is not bool(wanted):
        raise click.UsageError("name the ID of a request, or one of --user, --serial and --from")
    if request is None:
        _list(here, wanted, last, at, count, as_json=as_json)
        return
    if last is not None or at is not None:
        raise click.UsageError("--last and --at are for lists; an ID says by itself when it was")
    _tell(here, request, as_json=as_json)


# One request --------------------------------------------------------------------


def _tell(here: Surroundings, request: str, *, as_json: bool) -> None:
    from gateway.bootstrap.story import tell_story

    async def work(command: "Command") -> "tuple[datetime, Story]":
        return command.clock(), await tell_story(command, request)

    now, story = here.run(work)
    if not story.known:
        raise click.ClickException(
            "\n".join(
                [f"nothing is known of {request}, which was made {local(story.made_at)}"]
                + [f"  - {gap}" for gap in story.gaps]
                + ["`pusterla explain --user USER --last 1h` lists what was refused to a person"]
            )
        )
    if as_json:
        say_json(facts_of_story(story, now))
        return
    say_story(story, now)


# Lists --------------------------------------------------------------------------


def _list(
    here: Surroundings,
    wanted: dict[str, str],
    last: timedelta | None,
    at: str | None,
    count: int,
    *,
    as_json: bool,
) -> None:
    from gateway.bootstrap.refused import refused_lately

    if last is not None and at is not None:
        raise click.UsageError("--last looks back from now, and --at says another moment: take one")

    async def work(command: "Command") -> "RefusedList":
        if at is None:
            now = command.clock()
            span = (now - (DEFAULT_LAST if last is None else last), now)
        else:
            moment = read_moment(at, command.site.time_zone)
            span = (moment - AROUND, moment + AROUND)
        found = await refused_lately(command, wanted, span, count)
        if "user" in wanted and not found.refused:
            # Nobody was called so: a slip of the keyboard, rather than somebody removed.
            await command.person(wanted["user"])
        return found

    found = here.run(work)
    for gap in found.gaps:
        note(f"pusterla: {gap}")
    if as_json:
        say_json([facts_of_refused(one) for one in found.refused])
        return
    say_table(
        ("AT", "ID", "FROM", "USER", "DEVICE", "STATUS", "REASON", "ASKED FOR"),
        [
            (
                local(one.at),
                one.request,
                one.address,
                one.user,
                one.device,
                "" if one.status is None else one.status,
                one.reason,
                printable(one.asked),
            )
            for one in found.refused
        ],
        empty="nothing was refused in that time",
    )
