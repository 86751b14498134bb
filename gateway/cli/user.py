"""pusterla user: people, and what they sign in with."""

import sys
from typing import TYPE_CHECKING

import click

from gateway.cli.keys import passphrase_option
from gateway.cli.output import ExampleCommand, json_option, note, say, say_json
from gateway.cli.people import list_, show
from gateway.cli.secret import read_secret_line
from gateway.cli.surroundings import Surroundings, pass_surroundings
from gateway.cli.tickets import lifetime_option, say_ticket, ticket

if TYPE_CHECKING:
    from gateway.bootstrap.command import Command

password_stdin = click.option(
    "--password-stdin", is_flag=True, help="Take the password from the first line of stdin."
)


@click.group()
def user() -> None:
    """People, and what they sign in with."""


user.add_command(list_)
user.add_command(show)
user.add_command(ticket)


@user.command(
    cls=ExampleCommand,
    example='user add anna --name "Anna Rossi" --email anna@example.it --group technicians',
)
@click.argument("user")
@click.option("--name", help="Their full name.  [default: USER]")
@click.option("--email", default="", help="Their mail address; applications are told.")
@click.option(
    "--group",
    "groups",
    multiple=True,
    metavar="NAME",
    help="A group they are in; may be given several times.",
)
@click.option(
    "--ticket", "with_ticket", is_flag=True, help="They set up password and codes themselves."
)
@lifetime_option
@password_stdin
@json_option
@pass_surroundings
def add(
    here: Surroundings,
    *,
    user: str,
    name: str | None,
    email: str,
    groups: tuple[str, ...],
    with_ticket: bool,
    lifetime: str | None,
    password_stdin: bool,
    as_json: bool,
) -> None:
    """Add a person, and answer with the otpauth:// URI for their authenticator application.

    The URI holds the secret of their one-time codes, and is shown this once.

    With --ticket no password is asked for, and the answer is a ticket to hand over: the person
    chooses a password, scans the secret and gets recovery codes at their first sign-in.
    """
    from gateway.bootstrap.accounts import Wishes, add_account

    wishes = Wishes(user, name or user, email, frozenset(groups))
    if with_ticket:
        if password_stdin:
            raise click.UsageError("with --ticket the person chooses the password: leave it out")
        from gateway.bootstrap.tickets import add_with_ticket

        handed = here.run(lambda command: add_with_ticket(command, wishes, lifetime))
        say_ticket(user, handed, f"{user} added", as_json)
        return
    if lifetime is not None:
        raise click.UsageError("--lifetime is that of a ticket: say --ticket too")
    password = _password(user, from_stdin=password_stdin)
    uri = here.run(lambda command: add_account(command, wishes, password))
    _say_uri(user, uri, f"{user} added", as_json=as_json)


@user.command(cls=ExampleCommand, example="user disable anna")
@click.argument("user")
@json_option
@pass_surroundings
def disable(here: Surroundings, *, user: str, as_json: bool) -> None:
    """Keep a person out: sessions end and connections are cut. Certificates stay as they are."""
    _set_enabled(here, user, enabled=False, as_json=as_json)


@user.command(cls=ExampleCommand, example="user enable anna")
@click.argument("user")
@json_option
@pass_surroundings
def enable(here: Surroundings, *, user: str, as_json: bool) -> None:
    """Let a person in again who was disabled."""
    _set_enabled(here, user, enabled=True, as_json=as_json)


@user.command(cls=ExampleCommand, example="user passwd anna")
@click.argument("user")
@password_stdin
@json_option
@pass_surroundings
def passwd(here: Surroundings, *, user: str, password_stdin: bool, as_json: bool) -> None:
    """Give a person another password; their sessions end."""
    from gateway.bootstrap.accounts import change_password

    # Asked before a password is typed for nobody.
    here.run(lambda command: command.person(user))
    password = _password(user, from_stdin=password_stdin)
    here.run(lambda command: change_password(command, user, password))
    if as_json:
        say_json({"user": user})
    else:
        say(f"{user} has another password now; sessions have ended")


@user.command("totp-reset", cls=ExampleCommand, example="user totp-reset anna")
@click.argument("user")
@json_option
@pass_surroundings
def totp_reset(here: Surroundings, *, user: str, as_json: bool) -> None:
    """Give a person another authenticator secret; their sessions end.

    Codes of the old one are worth nothing from then on.
    """
    from gateway.bootstrap.accounts import reset_totp

    uri = here.run(lambda command: reset_totp(command, user))
    _say_uri(user, uri, f"{user} has another secret now; sessions have ended", as_json=as_json)


@user.command("recovery-codes", cls=ExampleCommand, example="user recovery-codes anna | lp")
@click.argument("user")
@json_option
@pass_surroundings
def recovery_codes(here: Surroundings, *, user: str, as_json: bool) -> None:
    """Give a person ten recovery codes, on a sheet to print; those of before are worth nothing.

    Each takes the place of one code of the authenticator when a lost stick is reported. They are
    shown this once.
    """
    from gateway.bootstrap.accounts import make_recovery_codes
    from gateway.bootstrap.sheets import recovery_sheet

    async def make(command: "Command") -> tuple[tuple[str, ...], str]:
        person, codes = await make_recovery_codes(command, user)
        return codes, recovery_sheet(command.site, person, codes, command.clock())

    codes, sheet = here.run(make)
    if as_json:
        say_json({"user": user, "recovery_codes": list(codes)})
        return
    note(f"{user} has other recovery codes now; they are not shown again")
    say(sheet)


@user.command(cls=ExampleCommand, example="user remove anna")
@click.argument("user")
@passphrase_option
@json_option
@pass_surroundings
def remove(here: Surroundings, *, user: str, as_json: bool) -> None:
    """Take a person out for good: their certificates are revoked, connections are cut.

    Returns when a certificate revocation list that says so is published.
    """
    from gateway.bootstrap.certificates import remove_person

    outcome = here.run(lambda command: remove_person(command, user))
    serials = [record.serial for record in outcome.revoked]
    if as_json:
        say_json({"user": user, "revoked": serials, "crl_published": outcome.unpublished is None})
    else:
        count = len(serials)
        say(f"{user} removed, {count} certificate{'' if count == 1 else 's'} revoked")
    outcome.raise_unless_published()


def _set_enabled(here: Surroundings, user: str, *, enabled: bool, as_json: bool) -> None:
    from gateway.bootstrap.accounts import set_enabled

    changed = here.run(lambda command: set_enabled(command, user, enabled=enabled))
    word = "enabled" if enabled else "disabled"
    if as_json:
        say_json({"user": user, "enabled": enabled, "changed": changed})
    else:
        say(f"{user} is {word} now" if changed else f"{user} was {word} already")


def _password(user: str, *, from_stdin: bool) -> str:
    return read_secret_line(
        "--password-stdin", from_stdin=from_stdin, prompt=f"Password for {user}"
    )


def _say_uri(user: str, uri: str, done: str, *, as_json: bool) -> None:
    """Show the URI; as a picture too where somebody can point a phone at it."""
    if as_json:
        say_json({"user": user, "totp_uri": uri})
        return
    note(done)
    if sys.stdout.isatty():
        import segno

        note("to be scanned now with an authenticator application; it is not shown again:")
        segno.make(uri, error="m").terminal(compact=True)
    say(uri)
