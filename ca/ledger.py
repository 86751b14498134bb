"""The ledger: serials, certificates, revocations and CRLs, in SQL.

Every function takes a connection inside a transaction that the caller owns, so that the caller
can write more in the same one (the change feed, the audit log) and all of it becomes durable at
once or not at all. Nothing here commits. The same statements run on SQLite and PostgreSQL.

A certificate is a row that only moves forward: reserved -> valid -> revoked, or reserved ->
revoked. No row is ever deleted.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Dialect,
    Enum,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    Row,
    String,
    Table,
    Text,
    UniqueConstraint,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeDecorator

from ca.errors import LedgerError
from ca.serials import serial_text
from ca.trust import Revocation, RevocationReason, RevokedEntry, Standing, Validity

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_AT_ONCE = 500
"""How many values one statement carries; SQLite once allowed no more than 999."""


class Instant(TypeDecorator[datetime]):
    """An aware moment, kept as whole microseconds since 1970 UTC.

    Databases differ in what they do to time zones and fractions; integers they all keep alike,
    and these sort and compare as the moments do. A naive datetime is refused.
    """

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Turn a moment into its number."""
        del dialect
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        return (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """Turn a number into the moment, in UTC."""
        del dialect
        return None if value is None else _EPOCH + value * _MICROSECOND


class NameList(TypeDecorator[tuple[str, ...]]):
    """A set of names, kept as a JSON list in sorted order."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Collection[str] | None, dialect: Dialect) -> str | None:
        """Write the names, each once."""
        del dialect
        return None if value is None else json.dumps(sorted(set(value)), ensure_ascii=False)

    def process_result_value(self, value: str | None, dialect: Dialect) -> tuple[str, ...] | None:
        """Read the names."""
        del dialect
        return None if value is None else tuple(json.loads(value))


class CertificateState(StrEnum):
    """How far a certificate has come."""

    RESERVED = "reserved"
    """Its serial is taken and the intent is written; it may or may not have been signed."""
    VALID = "valid"
    """Signed and recorded, and not revoked. Its dates are another matter."""
    REVOKED = "revoked"


def _named(kind: type[StrEnum]) -> Enum:
    """Keep the values of *kind* as text, so that adding one needs no migration."""
    return Enum(
        kind,
        native_enum=False,
        length=32,
        values_callable=lambda members: [member.value for member in members],
    )


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)
"""All tables of the ledger. The conventions give every constraint a name that migrations can use."""

issuer = Table(
    "issuer",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("certificate", LargeBinary, nullable=False),
)

certificate = Table(
    "certificate",
    metadata,
    Column("issuer", String(64), ForeignKey("issuer.name"), primary_key=True),
    Column("serial", String(40), primary_key=True),
    Column("fingerprint", String(64)),
    Column("username", String(64), nullable=False),
    Column("device", String(64), nullable=False),
    Column("scope", NameList),
    Column("not_before", Instant, nullable=False),
    Column("not_after", Instant, nullable=False),
    Column("der", LargeBinary),
    Column("state", _named(CertificateState), nullable=False),
    Column("reserved_at", Instant, nullable=False),
    Column("issued_at", Instant),
    Column("revoked_at", Instant),
    Column("reason", _named(RevocationReason)),
    Column("crl_number", BigInteger),
    UniqueConstraint("fingerprint"),
    Index(None, "username", "device"),
    Index(None, "state", "crl_number"),
    Index(None, "not_after"),
)

crl = Table(
    "crl",
    metadata,
    Column("issuer", String(64), ForeignKey("issuer.name"), primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("this_update", Instant, nullable=False),
    Column("next_update", Instant, nullable=False),
    Column("der", LargeBinary, nullable=False),
)


@dataclass(frozen=True, slots=True)
class CertificateRecord:
    """What the ledger says of one certificate; its bytes are asked for apart.

    *serial* and *fingerprint* (SHA-256) are lower-case hexadecimal. *scope* holds the names of
    the applications it opens, None for all. *crl_number* is the first CRL that lists it.
    """

    issuer: str
    serial: str
    fingerprint: str | None
    username: str
    device: str
    scope: tuple[str, ...] | None
    not_before: datetime
    not_after: datetime
    state: CertificateState
    reserved_at: datetime
    issued_at: datetime | None
    revoked_at: datetime | None
    reason: RevocationReason | None
    crl_number: int | None

    @property
    def validity(self) -> Validity:
        """Its dates, as `ca.trust.judge` takes them."""
        return Validity(self.not_before, self.not_after)

    @property
    def standing(self) -> Standing:
        """What it is worth, as `ca.trust.judge` takes it, if the record was read just now."""
        revocation = None
        if self.revoked_at is not None:
            revocation = Revocation(self.revoked_at, self.reason or RevocationReason.UNSPECIFIED)
        return Standing(recorded=self.state is not CertificateState.RESERVED, revocation=revocation)


@dataclass(frozen=True, slots=True)
class RevocationOutcome:
    """What `revoke` found: revoked by it, and revoked before (with date and reason of then)."""

    newly: tuple[CertificateRecord, ...]
    already: tuple[CertificateRecord, ...]


@dataclass(frozen=True, slots=True)
class CRLRecord:
    """One published CRL."""

    issuer: str
    number: int
    this_update: datetime
    next_update: datetime
    der: bytes


@dataclass(frozen=True, slots=True)
class CRLDates:
    """When a published CRL was signed, and until when it is good."""

    issuer: str
    number: int
    this_update: datetime
    next_update: datetime


_RECORD = [certificate.c[field.name] for field in fields(CertificateRecord)]
_CRL = [crl.c[field.name] for field in fields(CRLRecord)]


def _record(row: Row[*tuple[Any, ...]]) -> CertificateRecord:
    return CertificateRecord(*row)


async def record_issuer(connection: AsyncConnection, *, name: str, der: bytes) -> None:
    """Make the issuing CA *name* known, or raise `LedgerError` when the name is taken."""
    try:
        await connection.execute(insert(issuer).values(name=name, certificate=der))
    except IntegrityError as error:
        raise LedgerError(f"an issuer named {name} is already recorded") from error


async def issuers(connection: AsyncConnection) -> dict[str, bytes]:
    """Return the issuing CAs, their certificates (DER) by their names."""
    rows = await connection.execute(
        select(issuer.c.name, issuer.c.certificate).order_by(issuer.c.name)
    )
    return {row.name: row.certificate for row in rows}


async def reserve_serial(
    connection: AsyncConnection,
    *,
    issuer: str,
    serial: str,
    username: str,
    device: str,
    scope: Collection[str] | None,
    not_before: datetime,
    not_after: datetime,
    now: datetime,
) -> None:
    """Take *serial* and write down what is about to be signed under it.

    Raises `LedgerError` when the serial was used before (which with 126 random bits means a
    broken source of randomness) or the issuer is not recorded.
    """
    try:
        await connection.execute(
            insert(certificate).values(
                issuer=issuer,
                serial=serial,
                username=username,
                device=device,
                scope=scope,
                not_before=not_before,
                not_after=not_after,
                state=CertificateState.RESERVED,
                reserved_at=now,
            )
        )
    except IntegrityError as error:
        raise LedgerError(
            f"serial {serial} of {issuer} cannot be reserved: it was used before,"
            " or the issuer is not recorded"
        ) from error


async def record_certificate(
    connection: AsyncConnection,
    *,
    issuer: str,
    serial: str,
    fingerprint: str,
    der: bytes,
    now: datetime,
) -> CertificateRecord:
    """Turn the reservation of *serial* into an issued certificate.

    Raises `LedgerError` when there is no such reservation any more, for example because the
    user's certificates were revoked while this one was being signed: it must not be handed out.
    """
    rows = await connection.execute(
        update(certificate)
        .where(
            certificate.c.issuer == issuer,
            certificate.c.serial == serial,
            certificate.c.state == CertificateState.RESERVED,
        )
        .values(state=CertificateState.VALID, fingerprint=fingerprint, der=der, issued_at=now)
        .returning(*_RECORD)
    )
    row = rows.one_or_none()
    if row is None:
        raise LedgerError(
            f"serial {serial} of {issuer} is not reserved (any more): the certificate signed"
            " for it is not recorded and must not be handed out"
        )
    return _record(row)


async def find_by_fingerprint(
    connection: AsyncConnection, fingerprint: str
) -> CertificateRecord | None:
    """Return the certificate with this SHA-256 *fingerprint*."""
    return await _find(connection, certificate.c.fingerprint == fingerprint)


async def find_by_serial(
    connection: AsyncConnection, issuer: str, serial: str
) -> CertificateRecord | None:
    """Return the certificate that *issuer* gave *serial*, also one that is only reserved."""
    return await _find(connection, certificate.c.issuer == issuer, certificate.c.serial == serial)


async def _find(
    connection: AsyncConnection, *wanted: ColumnElement[bool]
) -> CertificateRecord | None:
    row = (await connection.execute(select(*_RECORD).where(*wanted))).one_or_none()
    return None if row is None else _record(row)


async def certificate_der(connection: AsyncConnection, issuer: str, serial: str) -> bytes | None:
    """Return the certificate itself; None when it is unknown or was never recorded as signed."""
    der: bytes | None = await connection.scalar(
        select(certificate.c.der).where(
            certificate.c.issuer == issuer, certificate.c.serial == serial
        )
    )
    return der


async def list_certificates(
    connection: AsyncConnection,
    *,
    user: str | None = None,
    device: str | None = None,
    state: CertificateState | None = None,
    expiring_before: datetime | None = None,
) -> list[CertificateRecord]:
    """Return the certificates that fit every filter given, oldest first.

    *expiring_before* keeps those whose last moment lies before it, also those long over.
    """
    query = select(*_RECORD).order_by(
        certificate.c.reserved_at, certificate.c.issuer, certificate.c.serial
    )
    if user is not None:
        query = query.where(certificate.c.username == user)
    if device is not None:
        query = query.where(certificate.c.device == device)
    if state is not None:
        query = query.where(certificate.c.state == state)
    if expiring_before is not None:
        query = query.where(certificate.c.not_after < expiring_before)
    return [_record(row) for row in await connection.execute(query)]


async def revoke(
    connection: AsyncConnection,
    *,
    fingerprints: Collection[str] | None = None,
    serials: Collection[str] | None = None,
    user: str | None = None,
    device: str | None = None,
    reason: RevocationReason,
    now: datetime,
) -> RevocationOutcome:
    """Revoke every certificate that fits all the criteria given; needs no key.

    Certificates revoked before keep their date and reason and are reported apart, so asking
    twice changes nothing. Serials that are only reserved are revoked too: what is being signed
    for them at this moment will not be recorded, and if it exists the next CRL lists it. Both
    answers empty means that nothing fits; whether that is an error is the caller's to say.

    Raises `ValueError` without any criterion: nothing named must never mean everything.
    """
    wanted: list[ColumnElement[bool]] = []
    if fingerprints is not None:
        wanted.append(certificate.c.fingerprint.in_(fingerprints))
    if serials is not None:
        wanted.append(certificate.c.serial.in_(serials))
    if user is not None:
        wanted.append(certificate.c.username == user)
    if not wanted:
        raise ValueError("name the certificates to revoke: fingerprints, serials or a user")
    if device is not None:
        wanted.append(certificate.c.device == device)
    changed = await connection.execute(
        update(certificate)
        .where(*wanted, certificate.c.state != CertificateState.REVOKED)
        .values(state=CertificateState.REVOKED, revoked_at=now, reason=reason)
        .returning(*_RECORD)
    )
    newly = tuple(_record(row) for row in changed)
    query = select(*_RECORD).where(*wanted, certificate.c.state == CertificateState.REVOKED)
    revoked = [_record(row) for row in await connection.execute(query)]
    return RevocationOutcome(
        newly=newly, already=tuple(record for record in revoked if record not in newly)
    )


async def revoked_entries(connection: AsyncConnection, issuer: str) -> list[RevokedEntry]:
    """Return what a CRL of *issuer* must list now, ordered by serial.

    Certificates that have since expired stay in the list.
    """
    rows = await connection.execute(
        select(certificate.c.serial, certificate.c.revoked_at, certificate.c.reason)
        .where(certificate.c.issuer == issuer, certificate.c.state == CertificateState.REVOKED)
        .order_by(certificate.c.serial)
    )
    return [RevokedEntry(int(serial, 16), Revocation(at, reason)) for serial, at, reason in rows]


async def unlisted_revocations(connection: AsyncConnection, issuer: str) -> list[CertificateRecord]:
    """Return the revoked certificates of *issuer* that no CRL lists yet."""
    rows = await connection.execute(
        select(*_RECORD).where(*_unlisted(issuer)).order_by(certificate.c.revoked_at)
    )
    return [_record(row) for row in rows]


def _unlisted(issuer: str) -> tuple[ColumnElement[bool], ...]:
    return (
        certificate.c.issuer == issuer,
        certificate.c.state == CertificateState.REVOKED,
        certificate.c.crl_number.is_(None),
    )


async def record_crl(
    connection: AsyncConnection, record: CRLRecord, entries: Sequence[RevokedEntry]
) -> None:
    """Record a signed CRL that lists *entries*, and mark those it is the first to list.

    A revocation that came while the CRL was being signed is not among *entries*, so it stays
    unmarked and asks for the next CRL. Raises `LedgerError` when the number is taken: two
    signers were at work, and this one's CRL must not be published.
    """
    try:
        await connection.execute(
            insert(crl).values(
                {field.name: getattr(record, field.name) for field in fields(record)}
            )
        )
    except IntegrityError as error:
        raise LedgerError(
            f"CRL number {record.number} of {record.issuer} is already taken"
        ) from error
    listed = {serial_text(entry.serial) for entry in entries}
    rows = await connection.scalars(select(certificate.c.serial).where(*_unlisted(record.issuer)))
    fresh = [serial for serial in rows if serial in listed]
    for start in range(0, len(fresh), _AT_ONCE):
        await connection.execute(
            update(certificate)
            .where(
                *_unlisted(record.issuer),
                certificate.c.serial.in_(fresh[start : start + _AT_ONCE]),
            )
            .values(crl_number=record.number)
        )


async def crl_dates(connection: AsyncConnection) -> list[CRLDates]:
    """Return the dates of each issuer's CRL with the highest number, without the CRL itself."""
    newest = select(crl.c.issuer, func.max(crl.c.number).label("number")).group_by(crl.c.issuer)
    last = newest.subquery()
    query = (
        select(*[crl.c[field.name] for field in fields(CRLDates)])
        .join(last, (crl.c.issuer == last.c.issuer) & (crl.c.number == last.c.number))
        .order_by(crl.c.issuer)
    )
    return [CRLDates(*row) for row in await connection.execute(query)]


async def latest_crl(connection: AsyncConnection, issuer: str) -> CRLRecord | None:
    """Return the CRL of *issuer* with the highest number."""
    query = select(*_CRL).where(crl.c.issuer == issuer).order_by(crl.c.number.desc()).limit(1)
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else CRLRecord(*row)
