"""pusterla session: who is signed in, and ending that."""

from typing import TYPE_CHECKING, Any

import click

from gateway.cli.output import ExampleCommand, json_option, local, say, say_json, say_table, utc
from gateway.cli.surroundings import Surroundings, pass_surroundings

if TYPE_CHECKING:
    from gateway.bootstrap.command import Command
    from gateway.core.sessions import Session

SHOWN = 12
"""How much of a session's number people are shown: enough to name it by."""


@click.group()
def session() -> None:
    """Who is signed in, and ending that."""


@session.command("list", cls=ExampleCommand, example="session list --user anna")
@click.option("--user", help="Only those of USER.")
@json_option
@pass_surroundings
def list_(here: Surroundings, *, user: str | None, as_json: bool) -> None:
    """List the sessions that are live now, the oldest first."""
    from gateway.bootstrap.accounts import list_sessions

    found = here.run(lambda command: list_sessions(command, user))
    if as_json:
        say_json([_facts(each) for each in found])
        return
    say_table(
        ("SESSION", "USER", "SINCE", "LAST CODE", "ENDS", "FROM"),
        [
            (
                each.id[:SHOWN],
                each.user,
                local(each.created_at),
                local(each.last_proof),
                local(each.expires_at),
                each.address,
            )
            for each in found
        ],
        empty="nobody is signed in",
    )


@session.command(cls=ExampleCommand, example="session end --user anna")
@click.argument("id_", metavar="[ID]", required=False)
@click.option("--user", help="All sessions of USER.")
@click.option("--all", "everybody", is_flag=True, help="All sessions of everybody.")
@json_option
@pass_surroundings
def end(
    here: Surroundings, *, id_: str | None, user: str | None, everybody: bool, as_json: bool
) -> None:
    """End sessions: open connections are cut at once. ID may be shortened while it is unique."""
    if [id_ is not None, user is not None, everybody].count(True) != 1:
        raise click.UsageError("name the sessions: one of ID, --user USER and --all")
    ended = here.run(lambda command: _end(command, id_, user, everybody=everybody))
    if as_json:
        say_json([_facts(each) for each in ended])
        return
    for each in ended:
        say(f"ended {each.id[:SHOWN]} of {each.user}")
    if not ended:
        say("there was no session to end")


async def _end(
    command: "Command", id_: str | None, user: str | None, *, everybody: bool
) -> "list[Session]":
    from gateway.bootstrap.accounts import end_sessions, find_session

    if id_ is not None:
        return await end_sessions(command, session=(await find_session(command, id_)).id)
    return await end_sessions(command, user=user, everybody=everybody)


def _facts(each: "Session") -> dict[str, Any]:
    return {
        "id": each.id,
        "user": each.user,
        "fingerprint": each.fingerprint,
        "created_at": utc(each.created_at),
        "signed_in_at": utc(each.signed_in_at),
        "code_at": utc(each.last_proof),
        "expires_at": utc(each.expires_at),
        "address": each.address,
    }
