"""pusterla user ticket: a ticket with which somebody sets up their sign-in themselves."""

from typing import TYPE_CHECKING

import click

from gateway.cli.output import ExampleCommand, json_option, local, note, say, say_json, utc
from gateway.cli.surroundings import Surroundings, pass_surroundings

if TYPE_CHECKING:
    from gateway.bootstrap.tickets import Handed

lifetime_option = click.option(
    "--lifetime",
    metavar="TIME",
    help="How long the ticket is good for, such as 2h or 3d.  [default: [sign_in] ticket_lifetime]",
)


@click.command("ticket", cls=ExampleCommand, example="user ticket anna --lifetime 1d")
@click.argument("user")
@lifetime_option
@click.option("--withdraw", is_flag=True, help="Make none: the one that is out ends now.")
@json_option
@pass_surroundings
def ticket(
    here: Surroundings, *, user: str, lifetime: str | None, withdraw: bool, as_json: bool
) -> None:
    """Make a ticket with which a person sets up their sign-in anew; older ones end.

    For whoever has lost password or authenticator, or has never had them. It is good once, and
    only in a browser that shows a certificate of this person. When it is used, it replaces
    password, authenticator and recovery codes, and sessions end; until then all of that stays.
    """
    if withdraw:
        if lifetime is not None:
            raise click.UsageError("--withdraw makes no ticket that --lifetime could be for")
        _withdraw(here, user, as_json=as_json)
        return
    from gateway.bootstrap.tickets import hand_ticket

    handed = here.run(lambda command: hand_ticket(command, user, lifetime))
    say_ticket(user, handed, f"a ticket for {user}; one of before is worth nothing", as_json)


def say_ticket(user: str, handed: "Handed", done: str, as_json: bool) -> None:
    """Show a ticket: alone on stdout, and what to do with it beside it."""
    if as_json:
        say_json(
            {
                "user": user,
                "ticket": handed.ticket,
                "ticket_ends_at": utc(handed.ends_at),
                "address": handed.address,
                "replaces_credentials": handed.replaces,
            }
        )
        return
    note(done)
    if handed.replaces:
        note("when it is used, it replaces password, authenticator and recovery codes")
    note(
        f"good once, until {local(handed.ends_at)}, at {handed.address} with a certificate of"
        f" {user}; it is not shown again:"
    )
    say(handed.ticket)


def _withdraw(here: Surroundings, user: str, *, as_json: bool) -> None:
    from gateway.bootstrap.tickets import withdraw_ticket

    done = here.run(lambda command: withdraw_ticket(command, user))
    if as_json:
        say_json({"user": user, "withdrawn": done})
    else:
        say(f"the ticket of {user} has ended" if done else f"{user} had no ticket")
