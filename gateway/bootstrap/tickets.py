"""Tickets with which people set up their sign-in, for the command."""

import os
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.bootstrap.accounts import Wishes, refuse_unfit
from gateway.bootstrap.command import Command, CommandRefused
from gateway.bootstrap.folder import read_site_key
from gateway.config.settings import LONGEST_TICKET, SHORTEST_TICKET
from gateway.core.tickets import TICKET_BYTES, Ticket, new_ticket, plain_ticket, ticket_digest
from gateway.store import NewPerson
from policies.durations import parse_duration, show_duration


@dataclass(frozen=True, slots=True)
class Handed:
    """A ticket as it is handed over, this once, since only a digest is kept of it."""

    ticket: str
    ends_at: datetime
    address: str
    """Where it is used, with a certificate of its owner."""
    replaces: bool = False
    """Whether its owner has something to sign in with, which it will take the place of."""


def read_lifetime(text: str) -> timedelta:
    """Return how long a ticket shall be good for; raise `CommandRefused` for what none may be."""
    try:
        lifetime = parse_duration(text)
    except ValueError as error:
        raise CommandRefused(str(error)) from error
    if not SHORTEST_TICKET <= lifetime <= LONGEST_TICKET:
        shortest, longest = show_duration(SHORTEST_TICKET), show_duration(LONGEST_TICKET)
        raise CommandRefused(f"a ticket is good for {shortest} to {longest}, not for {text}")
    return lifetime


async def add_with_ticket(command: Command, wishes: Wishes, lifetime: str | None) -> Handed:
    """Add a person who is to set up their sign-in themselves; or raise as `add_account` does."""
    refuse_unfit(command, wishes)
    handed, kept = _new(command, wishes.user, lifetime)
    await command.store.add_person(
        NewPerson(wishes.user, wishes.name, wishes.email, wishes.groups, ticket=kept),
        by=command.by,
    )
    return handed


async def hand_ticket(command: Command, user: str, lifetime: str | None) -> Handed:
    """Give *user* a ticket; older ones end. What they sign in with stays until it is used."""
    person = await command.person(user)
    replaces = await command.store.credentials(person.user) is not None
    handed, kept = _new(command, person.user, lifetime, replaces=replaces)
    await command.store.make_ticket(person.user, kept, by=command.by)
    return handed


async def withdraw_ticket(command: Command, user: str) -> bool:
    """Let the ticket of *user* be worth nothing; False when there was none."""
    person = await command.person(user)
    return await command.store.withdraw_ticket(person.user, by=command.by)


def _new(
    command: Command, user: str, lifetime: str | None, *, replaces: bool = False
) -> tuple[Handed, Ticket]:
    site, key = command.site, read_site_key(command.folder)
    lasts = site.ticket_lifetime if lifetime is None else read_lifetime(lifetime)
    ends_at = command.clock() + lasts
    ticket = new_ticket(os.urandom(TICKET_BYTES))
    digest = ticket_digest(key, user, plain_ticket(ticket) or "")
    handed = Handed(ticket, ends_at, site.origin(site.host), replaces)
    return handed, Ticket(digest, ends_at)
