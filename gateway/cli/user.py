"""pusterla user: people, and what they sign in with."""

import sys
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.keys import passphrase_option
from gateway.cli.output import (
    ExampleCommand,
    json_option,
    local,
    names,
    note,
    say,
    say_facts,
    say_json,
    say_table,
    utc,
)
from gateway.cli.secret import read_secret_line
from gateway.cli.surroundings import Surroundings, pass_surroundings
from gateway.cli.tickets import lifetime_option, say_ticket, ticket
from gateway.core.people import Person
from gateway.core.tickets import Ticket

if TYPE_CHECKING:
    from ca.ledger import CertificateRecord
    from gateway.bootstrap.command import Command
    from gateway.core.sessions import Session

password_stdin = click.option(
    "--password-stdin", is_flag=True, help="Take the password from the first line of stdin."
)


@click.group()
def user() -> None:
    """People, and what they sign in with."""


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


@user.command("list", cls=ExampleCommand, example="user list --json")
@json_option
@pass_surroundings
def list_(here: Surroundings, *, as_json: bool) -> None:
    """List everybody."""
    people = here.run(lambda command: command.store.people())
    if as_json:
        say_json([_facts(person) for person in people])
        return
    say_table(
        ("USER", "NAME", "EMAIL", "GROUPS", "STATE"),
        [
            (
                person.user,
                person.name,
                person.email,
                names(person.groups, everything=""),
                _state(person),
            )
            for person in people
        ],
        empty="there are no users; `pusterla user add` adds one",
    )


@user.command(cls=ExampleCommand, example="user show anna")
@click.argument("user")
@json_option
@pass_surroundings
def show(here: Surroundings, *, user: str, as_json: bool) -> None:
    """Show a person with their certificates and live sessions."""

    async def look(
        command: "Command",
    ) -> "tuple[Person, _SignIn, int, list[CertificateRecord], list[Session]]":
        person = await command.person(user)
        return (
            person,
            _SignIn(
                await command.store.credentials(user) is not None,
                await command.store.ticket(user),
                command.clock(),
            ),
            await command.store.recovery_codes_left(user),
            await command.store.certificates(user=user),
            await command.store.sessions(user=user),
        )

    person, sign_in, codes, certificates, sessions = here.run(look)
    if as_json:
        say_json(
            _facts(person)
            | {
                "password_set": sign_in.is_set,
                "ticket_ends_at": utc(sign_in.ticket_ends_at),
                "recovery_codes": codes,
                "certificates": [
                    {
                        "serial": each.serial,
                        "device": each.device,
                        "state": each.state.value,
                        "not_after": utc(each.not_after),
                    }
                    for each in certificates
                ],
                "sessions": [
                    {"id": each.id, "expires_at": utc(each.expires_at)} for each in sessions
                ],
            }
        )
        return
    say_facts(
        [
            ("user", person.user),
            ("name", person.name),
            ("email", person.email),
            ("groups", names(person.groups, everything="")),
            ("state", _state(person)),
            ("sign-in", sign_in.words),
            ("recovery codes", f"{codes} left" if codes else "none"),
        ]
    )
    say()
    say_table(
        ("SERIAL", "DEVICE", "STATE", "ENDS"),
        [(each.serial, each.device, each.state, local(each.not_after)) for each in certificates],
        empty="no certificates; `pusterla cert issue` makes one",
    )
    say()
    say_table(
        ("SESSION", "SINCE", "ENDS", "FROM"),
        [
            (each.id[:12], local(each.created_at), local(each.expires_at), each.address)
            for each in sessions
        ],
        empty="not signed in",
    )


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


@dataclass(frozen=True, slots=True)
class _SignIn:
    """What somebody signs in with: whether it is set, and the ticket that is out."""

    is_set: bool
    ticket: Ticket | None
    now: datetime

    @property
    def ticket_ends_at(self) -> datetime | None:
        """Until when a ticket is good; None when none is."""
        good = self.ticket is not None and self.ticket.ends_at > self.now
        return self.ticket.ends_at if self.ticket is not None and good else None

    @property
    def words(self) -> str:
        """Say it to people."""
        set_ = "password and authenticator" if self.is_set else "no password yet"
        if self.ticket_ends_at is not None:
            return f"{set_}, ticket until {local(self.ticket_ends_at)}"
        if self.ticket is not None:
            return f"{set_}, ticket ended {local(self.ticket.ends_at)}; `user ticket` makes one"
        return set_ if self.is_set else f"{set_}; `pusterla user ticket` makes a ticket"


def _state(person: Person) -> str:
    return "enabled" if person.enabled else "disabled"


def _facts(person: Person) -> dict[str, Any]:
    return {
        "user": person.user,
        "name": person.name,
        "email": person.email,
        "groups": sorted(person.groups),
        "enabled": person.enabled,
    }
