"""People's accounts and sign-ins, for the command."""

import os
from collections.abc import Iterable
from dataclasses import dataclass

from ca.errors import IdentityRefused
from ca.identity import Identity
from gateway.bootstrap.command import Command, CommandRefused
from gateway.bootstrap.folder import read_site_key
from gateway.core.audit import AuditKind
from gateway.core.credentials import (
    hash_password,
    new_totp_secret,
    password_problem,
    totp_uri,
)
from gateway.core.people import Person
from gateway.core.recovery import CODE_BYTES, CODES, code_digests, new_codes
from gateway.core.sealing import NONCE_BYTES, seal
from gateway.core.sessions import Session, SessionId
from gateway.store import NewPerson
from policies.model import check_name

_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Wishes:
    """Somebody who is to be added, as the command was told; nothing is checked yet."""

    user: str
    name: str
    email: str
    groups: frozenset[str]


def refuse_unfit(command: Command, wishes: Wishes) -> None:
    """Raise `CommandRefused` with everything that is wrong with *wishes*.

    What could not stand in a certificate is refused now, and not on the day
    when the person needs one.
    """
    reasons = [*_faults(wishes)]
    if not reasons:
        try:
            Identity(wishes.user, "any", command.site.host, wishes.email or None)
        except IdentityRefused as error:
            reasons.extend(error.reasons)
    if reasons:
        raise CommandRefused("\n".join(reasons))


async def add_account(command: Command, wishes: Wishes, password: str) -> str:
    """Add a person, and return the `otpauth://` URI of their new authenticator secret.

    That URI is shown this once: the store keeps the secret sealed. Raises
    `CommandRefused`, `PersonExists` or `KeyFileRefused`.
    """
    refuse_unfit(command, wishes)
    hashed = _hashed(password)
    secret, sealed = _new_secret(command, wishes.user)
    new = NewPerson(wishes.user, wishes.name, wishes.email, wishes.groups, hashed, sealed)
    await command.store.add_person(new, by=command.by)
    return totp_uri(secret, wishes.user, command.site.name)


async def change_password(command: Command, user: str, password: str) -> None:
    """Give *user* another password; their sessions end."""
    person = await command.person(user)
    await command.store.set_password(person.user, _hashed(password), by=command.by)


async def reset_totp(command: Command, user: str) -> str:
    """Give *user* another authenticator secret and return its URI; their sessions end."""
    person = await command.person(user)
    secret, sealed = _new_secret(command, person.user)
    await command.store.set_totp(person.user, sealed, by=command.by)
    return totp_uri(secret, person.user, command.site.name)


async def make_recovery_codes(command: Command, user: str) -> tuple[Person, tuple[str, ...]]:
    """Give *user* other recovery codes, and return them: this once, since only digests are kept."""
    person = await command.person(user)
    key = read_site_key(command.folder)
    codes = new_codes(os.urandom(CODES * CODE_BYTES))
    digests = code_digests(key, person.user, codes)
    await command.store.set_recovery_codes(person.user, digests, by=command.by)
    return person, codes


async def set_enabled(command: Command, user: str, *, enabled: bool) -> bool:
    """Let *user* in or keep them out, which cuts their connections; False: so it was already."""
    person = await command.person(user)
    if person.enabled is enabled:
        return False
    await command.store.set_enabled(person.user, enabled, by=command.by)
    return True


def _faults(wishes: Wishes) -> Iterable[str]:
    for name in (wishes.user, *sorted(wishes.groups)):
        try:
            check_name(name)
        except ValueError as error:
            yield str(error)
    if not wishes.name.strip() or not wishes.name.isprintable():
        yield "the full name is one line of printable text"
    if len(wishes.name) > _LONGEST_NAME:
        yield f"the full name has at most {_LONGEST_NAME} characters"


def _hashed(password: str) -> str:
    if problem := password_problem(password):
        raise CommandRefused(problem)
    return hash_password(password)


def _new_secret(command: Command, user: str) -> tuple[str, bytes]:
    secret = new_totp_secret()
    sealed = seal(read_site_key(command.folder), user, secret, os.urandom(NONCE_BYTES))
    return secret, sealed


async def list_sessions(command: Command, user: str | None) -> list[Session]:
    """Return the live sessions, of *user* or of all; an unknown user is `CommandRefused`."""
    if user is not None:
        await command.person(user)
    return await command.store.sessions(user=user)


async def find_session(command: Command, text: str) -> Session:
    """Return the live session whose number begins with *text*, or raise `CommandRefused`."""
    live = await command.store.sessions()
    found = [session for session in live if text and session.id.startswith(text.lower())]
    if not found:
        raise CommandRefused(f"no live session {text!r}; `pusterla session list` names them all")
    if len(found) > 1:
        raise CommandRefused(f"{len(found)} sessions begin with {text!r}: write more of it")
    return found[0]


async def end_sessions(
    command: Command,
    *,
    session: SessionId | None = None,
    user: str | None = None,
    everybody: bool = False,
) -> list[Session]:
    """End the live sessions that fit, and return them; an unknown user is `CommandRefused`."""
    if user is not None:
        await command.person(user)
    return await command.store.end_sessions(
        session=session,
        user=user,
        everybody=everybody,
        kind=AuditKind.SESSION_ENDED,
        by=command.by,
    )
