"""Issuing CAs that follow one another, in SQL: which one issues, which only sign their lists.

A roll-over makes a new one *active* and the one before *closing*: what it issued goes on working,
and its revocation list goes on being signed, until its last certificate has ended. Then it can be
*retired*. As in `ca.ledger`, the caller owns the transaction.
"""

import re
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from ca.errors import LedgerError
from ca.ledger import CertificateState, IssuerState, certificate, issuer

_NUMBER = re.compile(r"[0-9]+\Z")


@dataclass(frozen=True, slots=True)
class KnownIssuer:
    """An issuing CA: *der* is its certificate, *state* holds *since* (None: since the first)."""

    name: str
    der: bytes
    state: IssuerState
    since: datetime | None

    @property
    def number(self) -> int:
        """The number in its name, by which they follow each other."""
        return number_of(self.name)


@dataclass(frozen=True, slots=True)
class Remaining:
    """What an issuing CA answers for: certificates in force, and when the last of all ends.

    *last* counts revoked ones too, since their revocation must be told until they end.
    """

    live: int
    last: datetime | None


def number_of(name: str) -> int:
    """Return the number at the end of an issuer's *name*, 0 where there is none."""
    found = _NUMBER.search(name)
    return int(found[0]) if found else 0


async def known_issuers(connection: AsyncConnection) -> list[KnownIssuer]:
    """Return all issuing CAs, the oldest first."""
    rows = await connection.execute(
        select(issuer.c.name, issuer.c.certificate, issuer.c.state, issuer.c.since)
    )
    found = [KnownIssuer(*row) for row in rows]
    return sorted(found, key=lambda one: (one.number, one.name))


async def succeed(connection: AsyncConnection, *, name: str, der: bytes, now: datetime) -> None:
    """Make *name* the issuing CA from now on; the one before goes on with its list only.

    Raises `LedgerError` when the name is taken.
    """
    await connection.execute(
        update(issuer)
        .where(issuer.c.state == IssuerState.ACTIVE)
        .values(state=IssuerState.CLOSING, since=now)
    )
    try:
        await connection.execute(
            insert(issuer).values(name=name, certificate=der, state=IssuerState.ACTIVE, since=now)
        )
    except IntegrityError as error:
        raise LedgerError(f"an issuer named {name} is already recorded") from error


async def remaining(connection: AsyncConnection, name: str, now: datetime) -> Remaining:
    """Return what the issuing CA *name* still answers for at *now*."""
    mine = (
        certificate.c.issuer == name,
        certificate.c.state != CertificateState.RESERVED,
        certificate.c.not_after >= now,
    )
    live = await connection.scalar(
        select(func.count()).where(*mine, certificate.c.revoked_at.is_(None))
    )
    last = await connection.scalar(select(func.max(certificate.c.not_after)).where(*mine))
    return Remaining(live or 0, last)


async def retire(connection: AsyncConnection, name: str, now: datetime) -> None:
    """Let the issuing CA *name* go for good.

    Raises `LedgerError` when it still issues, or one of its certificates has not ended.
    """
    if (left := (await remaining(connection, name, now)).last) is not None:
        raise LedgerError(f"the last certificate of {name} ends at {left:%F %T} UTC, not before")
    changed = await connection.execute(
        update(issuer)
        .where(issuer.c.name == name, issuer.c.state == IssuerState.CLOSING)
        .values(state=IssuerState.RETIRED, since=now)
        .returning(issuer.c.name)
    )
    if changed.one_or_none() is None:
        raise LedgerError(f"{name} is not an issuing CA that is closing")
