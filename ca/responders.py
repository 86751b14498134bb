"""OCSP responders in the ledger: who asks to be one, and the certificates they were given.

The process that answers makes a key of its own, which never leaves its memory, and writes the
public half here; the authority certifies it. As in `ca.ledger`, every function works inside a
transaction of the caller.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from ca.errors import LedgerError
from ca.ledger import responder

FORGOTTEN = timedelta(days=1)
"""After how long a request that came to nothing is taken out."""


@dataclass(frozen=True, slots=True)
class Request:
    """Somebody wants to answer for *issuer* with this public key (DER); *key* is its SHA-256."""

    issuer: str
    key: str
    public_key: bytes


async def ask(connection: AsyncConnection, request: Request, now: datetime) -> None:
    """Ask for a certificate; who asked long ago in vain, and who has ended, is forgotten."""
    vain = and_(responder.c.certificate.is_(None), responder.c.asked_at < now - FORGOTTEN)
    await connection.execute(delete(responder).where(or_(vain, responder.c.not_after < now)))
    await connection.execute(
        insert(responder).values(
            issuer=request.issuer, key=request.key, public_key=request.public_key, asked_at=now
        )
    )


async def unanswered(connection: AsyncConnection, issuer: str) -> list[Request]:
    """Return those whom *issuer* has not begun to certify, the oldest first."""
    rows = await connection.execute(
        select(responder.c.issuer, responder.c.key, responder.c.public_key)
        .where(responder.c.issuer == issuer, responder.c.serial.is_(None))
        .order_by(responder.c.asked_at)
    )
    return [Request(*row) for row in rows]


async def refuse(connection: AsyncConnection, request: Request) -> None:
    """Take out a request that cannot be met."""
    await connection.execute(
        delete(responder).where(
            responder.c.issuer == request.issuer,
            responder.c.key == request.key,
            responder.c.serial.is_(None),
        )
    )


async def reserve(connection: AsyncConnection, request: Request, serial: str) -> bool:
    """Write down what is about to be signed; False when another signer has begun already."""
    found = await connection.execute(
        update(responder)
        .where(
            responder.c.issuer == request.issuer,
            responder.c.key == request.key,
            responder.c.serial.is_(None),
        )
        .values(serial=serial)
    )
    return found.rowcount == 1


async def release(connection: AsyncConnection, request: Request, serial: str) -> None:
    """Take back what `reserve` wrote, if no certificate has come of it: it can be begun again.

    The serial itself is never used again, since each is drawn anew.
    """
    await connection.execute(
        update(responder)
        .where(
            responder.c.issuer == request.issuer,
            responder.c.serial == serial,
            responder.c.certificate.is_(None),
        )
        .values(serial=None)
    )


async def record(
    connection: AsyncConnection, request: Request, serial: str, der: bytes, not_after: datetime
) -> None:
    """Record the certificate that was signed under *serial*, or raise `LedgerError`."""
    found = await connection.execute(
        update(responder)
        .where(responder.c.issuer == request.issuer, responder.c.serial == serial)
        .values(certificate=der, not_after=not_after)
    )
    if found.rowcount != 1:
        raise LedgerError(f"no responder's certificate was to have the serial {serial}")


async def certificate_of(connection: AsyncConnection, issuer: str, key: str) -> bytes | None:
    """Return the certificate (DER) that *issuer* gave *key*, None as long as there is none."""
    der: bytes | None = await connection.scalar(
        select(responder.c.certificate).where(responder.c.issuer == issuer, responder.c.key == key)
    )
    return der


async def is_responder(connection: AsyncConnection, issuer: str, serial: str) -> bool:
    """Say whether *serial* is that of a responder's certificate."""
    found = await connection.scalar(
        select(responder.c.key).where(
            responder.c.issuer == issuer,
            responder.c.serial == serial,
            responder.c.certificate.is_not(None),
        )
    )
    return found is not None
