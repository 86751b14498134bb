"""Renewals in the ledger: which certificate takes the place of which, and when the old one ends.

As in `ca.ledger`, every function works inside a transaction of the caller. A renewal is written
in the transaction that records the new certificate, so there is never an old one that is to be
superseded by nothing.

The old one is superseded only while its successor could open something: valid, and within its
dates. If that was revoked, or is on hold, the old one goes on until its own end, rather than that
a person is locked out who was told nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import exists, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from ca import ledger
from ca.errors import IssuanceRefused, LedgerError
from ca.ledger import CertificateRecord, CertificateState, RevocationOutcome, certificate
from ca.trust import RevocationReason

AT_ONCE = 500
"""How many are superseded in one transaction: other writers wait as long."""

USABLE = (CertificateState.VALID, CertificateState.HELD)
"""What opens something, now or after its release."""
_successor = certificate.alias("successor")


@dataclass(frozen=True, slots=True)
class Renewal:
    """A certificate that is to be renewed, and when it is to be superseded, if both live on."""

    issuer: str
    serial: str
    supersede_at: datetime


def opens_something(record: CertificateRecord, now: datetime) -> bool:
    """Say whether *record* opens something at *now*, or would if it were released."""
    return record.state in USABLE and record.not_after > now


def why_not(
    record: CertificateRecord, successors: Sequence[CertificateRecord], now: datetime
) -> str | None:
    """Say why *record*, with all its *successors*, cannot be renewed at *now*; None if it can."""
    match record.state:
        case CertificateState.REVOKED:
            return "is revoked, and a renewal would give back what was taken"
        case CertificateState.HELD:
            return "is on hold: release it first"
        case CertificateState.RESERVED:
            return "was never finished"
        case CertificateState.VALID:
            pass
    if record.not_after <= now:
        return "has ended, so there is nothing left to overlap with: issue a new one"
    for one in successors:
        if opens_something(one, now):
            return f"has been renewed already, by {one.serial}: revoke that first if it was lost"
    return None


async def refuse_unfit(connection: AsyncConnection, renewal: Renewal, now: datetime) -> None:
    """Raise `IssuanceRefused` when the certificate cannot be renewed at *now*."""
    record = await ledger.find_by_serial(connection, renewal.issuer, renewal.serial)
    if record is None:
        raise IssuanceRefused([f"there is no certificate {renewal.serial} to renew"])
    reason = why_not(record, await successors_of(connection, record), now)
    if reason is not None:
        raise IssuanceRefused([f"{record.serial} of {record.username} {reason}"])


async def succeed(
    connection: AsyncConnection, renewal: Renewal, record: CertificateRecord, now: datetime
) -> CertificateRecord:
    """Let *record*, which is being recorded, take the place of what it renews; return it so.

    Raises `LedgerError`, and *record* must then not be handed out, when another renewal was
    faster, or when the old one was revoked or put on hold meanwhile.
    """
    old = await ledger.find_by_serial(connection, renewal.issuer, renewal.serial)
    if old is None or why_not(old, await successors_of(connection, old), now) is not None:
        raise LedgerError(
            f"{renewal.serial} was renewed, revoked or put on hold by somebody else meanwhile:"
            f" the certificate {record.serial} is not recorded and must not be handed out"
        )
    await let_go_on(connection, old, renewal.supersede_at)
    await connection.execute(
        update(certificate)
        .where(certificate.c.issuer == record.issuer, certificate.c.serial == record.serial)
        .values(renews_issuer=old.issuer, renews=old.serial)
    )
    return replace(record, renews_issuer=old.issuer, renews=old.serial)


async def let_go_on(
    connection: AsyncConnection, record: CertificateRecord, until: datetime
) -> None:
    """Let *record*, which has been renewed, go on *until* then, and at the most until its end."""
    await connection.execute(
        update(certificate)
        .where(certificate.c.issuer == record.issuer, certificate.c.serial == record.serial)
        # Not beyond its own end: a date that never comes would only mislead.
        .values(supersede_at=min(until, record.not_after))
    )


async def successors_of(
    connection: AsyncConnection, record: CertificateRecord
) -> list[CertificateRecord]:
    """Return what was to take the place of *record*, the oldest first: one, unless some failed."""
    return await ledger.read_certificates(
        connection,
        certificate.c.renews_issuer == record.issuer,
        certificate.c.renews == record.serial,
    )


async def chain_of(
    connection: AsyncConnection, record: CertificateRecord
) -> tuple[CertificateRecord, ...]:
    """Return all that one renewal after another has made of one certificate, the oldest first.

    *record* is one of them. What was renewed again after its successor was revoked has two.
    """
    first, seen = record, {(record.issuer, record.serial)}
    while first.renews is not None and first.renews_issuer is not None:
        before = await ledger.find_by_serial(connection, first.renews_issuer, first.renews)
        if before is None or (before.issuer, before.serial) in seen:
            break
        first = before
        seen.add((first.issuer, first.serial))
    chain = [first]
    for one in chain:
        chain += await successors_of(connection, one)
    return tuple(chain)


async def left_behind(
    connection: AsyncConnection, revoked: Sequence[CertificateRecord], now: datetime
) -> list[CertificateRecord]:
    """Return what *revoked* certificates had renewed and what still opens something.

    Whoever revokes the new one must be told that the old one goes on.
    """
    found = []
    for one in revoked:
        if one.renews is not None and one.renews_issuer is not None:
            old = await ledger.find_by_serial(connection, one.renews_issuer, one.renews)
            if old is not None and opens_something(old, now):
                found.append(old)
    return found


async def supersede_due(connection: AsyncConnection, now: datetime) -> RevocationOutcome:
    """Revoke as *superseded* what is due at *now* and has a successor that opens something.

    At most `AT_ONCE`; call it again until nothing is revoked any more.
    """
    due = (
        select(certificate.c.serial)
        .where(
            certificate.c.supersede_at <= now,
            certificate.c.state.in_(USABLE),
            certificate.c.not_after > now,
            exists().where(
                _successor.c.renews_issuer == certificate.c.issuer,
                _successor.c.renews == certificate.c.serial,
                _successor.c.state == CertificateState.VALID,
                _successor.c.not_before <= now,
                _successor.c.not_after > now,
            ),
        )
        .order_by(certificate.c.supersede_at)
        .limit(AT_ONCE)
    )
    serials = [*await connection.scalars(due)]
    if not serials:
        return RevocationOutcome((), ())
    return await ledger.revoke(
        connection, serials=serials, reason=RevocationReason.SUPERSEDED, now=now
    )


async def next_due(connection: AsyncConnection, after: datetime) -> datetime | None:
    """Return the next moment after *after* at which something may be superseded."""
    moment: datetime | None = await connection.scalar(
        select(certificate.c.supersede_at)
        .where(certificate.c.supersede_at > after, certificate.c.state.in_(USABLE))
        .order_by(certificate.c.supersede_at)
        .limit(1)
    )
    return moment
