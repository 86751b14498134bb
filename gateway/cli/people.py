"""pusterla user list and user show: who there is, and what belongs to somebody."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.output import (
    ExampleCommand,
    json_option,
    local,
    names,
    say,
    say_facts,
    say_json,
    say_table,
    utc,
)
from gateway.cli.surroundings import Surroundings, pass_surroundings
from gateway.core.people import Person
from gateway.core.tickets import Ticket

if TYPE_CHECKING:
    from ca.ledger import CertificateRecord
    from gateway.bootstrap.command import Command
    from gateway.core.sessions import Session


@click.command("list", cls=ExampleCommand, example="user list --json")
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


@click.command(cls=ExampleCommand, example="user show anna")
@click.argument("user")
@json_option
@pass_surroundings
def show(here: Surroundings, *, user: str, as_json: bool) -> None:
    """Show a person with their certificates and live sessions."""
    account = here.run(lambda command: _look_up(command, user))
    if as_json:
        say_json(_account_facts(account))
        return
    _say_account(account)
    say()
    _say_certificates(account.certificates)
    say()
    _say_sessions(account.sessions)


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


@dataclass(frozen=True, slots=True)
class _Account:
    """Somebody, and all that belongs to them; *codes* is how many recovery codes are left."""

    person: Person
    sign_in: _SignIn
    codes: int
    certificates: "Sequence[CertificateRecord]"
    sessions: "Sequence[Session]"


async def _look_up(command: "Command", user: str) -> _Account:
    store = command.store
    person = await command.person(user)
    is_set = await store.credentials(user) is not None
    return _Account(
        person,
        _SignIn(is_set, await store.ticket(user), command.clock()),
        await store.recovery_codes_left(user),
        await store.certificates(user=user),
        await store.sessions(user=user),
    )


def _account_facts(account: _Account) -> dict[str, Any]:
    return _facts(account.person) | {
        "password_set": account.sign_in.is_set,
        "ticket_ends_at": utc(account.sign_in.ticket_ends_at),
        "recovery_codes": account.codes,
        "certificates": [
            {
                "serial": each.serial,
                "device": each.device,
                "state": each.state.value,
                "not_after": utc(each.not_after),
            }
            for each in account.certificates
        ],
        "sessions": [
            {"id": each.id, "expires_at": utc(each.expires_at)} for each in account.sessions
        ],
    }


def _say_account(account: _Account) -> None:
    person = account.person
    say_facts(
        [
            ("user", person.user),
            ("name", person.name),
            ("email", person.email),
            ("groups", names(person.groups, everything="")),
            ("state", _state(person)),
            ("sign-in", account.sign_in.words),
            ("recovery codes", f"{account.codes} left" if account.codes else "none"),
        ]
    )


def _say_certificates(certificates: "Sequence[CertificateRecord]") -> None:
    say_table(
        ("SERIAL", "DEVICE", "STATE", "ENDS"),
        [(each.serial, each.device, each.state, local(each.not_after)) for each in certificates],
        empty="no certificates; `pusterla cert issue` makes one",
    )


def _say_sessions(sessions: "Sequence[Session]") -> None:
    say_table(
        ("SESSION", "SINCE", "ENDS", "FROM"),
        [
            (each.id[:12], local(each.created_at), local(each.expires_at), each.address)
            for each in sessions
        ],
        empty="not signed in",
    )


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
