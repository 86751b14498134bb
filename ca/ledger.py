"""The ledger: serials, certificates and revocations, in SQL; CRLs are in `ca.lists`.

Every function takes a connection inside a transaction that the caller owns, so that the caller
can write more in the same one (the change feed, the audit log) and all of it becomes durable at
once or not at all. Nothing here commits. The same statements run on SQLite and PostgreSQL.

A certificate is a row that moves forward: reserved -> valid -> revoked, or reserved -> revoked;
only between valid and held it goes both ways. No row is ever deleted.

Each issuer counts the *changes* of its certificates' status (revoked, held, released), and a row
keeps the number of its own last one. Writers take turns, so whoever has seen a count has seen
every change up to it, and a list that notes the count it was made at needs no more to know what
it does not tell.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import (
    BigInteger,
    Boolean,
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
    and_,
    func,
    insert,
    literal,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeDecorator

from ca.errors import LedgerError
from ca.scopes import CRLKind
from ca.trust import Revocation, RevocationReason, Standing, Validity

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


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


class IssuerState(StrEnum):
    """What an issuing CA still does; only ever forward. See `ca.issuers`."""

    ACTIVE = "active"
    """Issues, and signs its revocation list. One of them all is."""
    CLOSING = "closing"
    """Issues no more, and signs its list until its last certificate has ended."""
    RETIRED = "retired"
    """Signs nothing more, and is no longer believed."""


class CertificateState(StrEnum):
    """How far a certificate has come."""

    RESERVED = "reserved"
    """Its serial is taken and the intent is written; it may or may not have been signed."""
    VALID = "valid"
    """Signed and recorded, and not revoked. Its dates are another matter."""
    HELD = "held"
    """Refused like a revoked one, with a date and the reason *certificateHold*, until released."""
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
    Column("state", _named(IssuerState), nullable=False, server_default=IssuerState.ACTIVE.value),
    Column("since", Instant),
    # How many changes of status there were, and the highest CRL number that was ever given.
    Column("changes", BigInteger, nullable=False, server_default="0"),
    Column("last_number", BigInteger, nullable=False, server_default="0"),
)

partition = Table(
    "crl_partition",
    metadata,
    Column("issuer", String(64), ForeignKey("issuer.name"), primary_key=True),
    Column("name", String(16), primary_key=True),
    # The last moment of the certificate in it that lives longest.
    Column("last_day", Instant, nullable=False),
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
    # The name of the partition in its CRL distribution point; None where that is the whole list.
    Column("crl_partition", String(16)),
    # The number of the last change of its status; None as long as there was none.
    Column("change", BigInteger),
    # The certificate whose place it takes; and when this one is superseded: see `ca.renewals`.
    Column("renews_issuer", String(64)),
    Column("renews", String(40)),
    Column("supersede_at", Instant),
    UniqueConstraint("fingerprint"),
    Index(None, "username", "device"),
    Index(None, "state", "crl_number"),
    Index(None, "not_after"),
    Index(None, "issuer", "change", "serial"),
    # All that a list says, in its order: a long one is read from this alone.
    Index(
        "ix_certificate_listed",
        "issuer",
        "serial",
        "revoked_at",
        "reason",
        "not_after",
        "change",
        "crl_partition",
        sqlite_where=text("revoked_at IS NOT NULL"),
        postgresql_where=text("revoked_at IS NOT NULL"),
    ),
    Index(
        "ix_certificate_renews",
        "renews_issuer",
        "renews",
        sqlite_where=text("renews IS NOT NULL"),
        postgresql_where=text("renews IS NOT NULL"),
    ),
    Index(
        "ix_certificate_supersede_at",
        "supersede_at",
        sqlite_where=text("supersede_at IS NOT NULL"),
        postgresql_where=text("supersede_at IS NOT NULL"),
    ),
    # What no list tells yet.
    Index(
        "ix_certificate_untold",
        "issuer",
        "change",
        sqlite_where=text("crl_number IS NULL AND change IS NOT NULL"),
        postgresql_where=text("crl_number IS NULL AND change IS NOT NULL"),
    ),
)

responder = Table(
    "ocsp_responder",
    metadata,
    Column("issuer", String(64), ForeignKey("issuer.name"), primary_key=True),
    # SHA-256 of the public key.
    Column("key", String(64), primary_key=True),
    Column("public_key", LargeBinary, nullable=False),
    Column("asked_at", Instant, nullable=False),
    # Taken before anything is signed; the certificate comes afterwards.
    Column("serial", String(40)),
    Column("certificate", LargeBinary),
    Column("not_after", Instant),
    UniqueConstraint("issuer", "serial"),
)

handed_in_key = Table(
    "handed_in_key",
    metadata,
    # SHA-256 of the public key.
    Column("key", String(64), primary_key=True),
    Column("username", String(64), nullable=False),
)
"""Keys that people made themselves, and whose they are from when one is to be certified."""

crl = Table(
    "crl",
    metadata,
    Column("issuer", String(64), ForeignKey("issuer.name"), primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("this_update", Instant, nullable=False),
    Column("next_update", Instant, nullable=False),
    # None once another of the same kind and scope has followed.
    Column("der", LargeBinary),
    Column("kind", _named(CRLKind), nullable=False),
    Column("scope", String(16), nullable=False),
    Column("covers", BigInteger, nullable=False),
    Column("scheduled", Boolean, nullable=False),
    Column("entries", BigInteger, nullable=False),
    Column("base", BigInteger),
    Column("floor", Instant),
    Column("floor_covers", BigInteger),
    Index(None, "issuer", "scope", "kind", "number"),
)


@dataclass(frozen=True, slots=True)
class CertificateRecord:
    """What the ledger says of one certificate; its bytes are asked for apart.

    *serial* and *fingerprint* (SHA-256) are lower-case hexadecimal. *scope* holds the names of
    the applications it opens, None for all. *crl_number* is the first CRL that tells its present
    status, *crl_partition* the part of the list that its distribution point names, None for the
    whole. *renews* is the serial of the certificate whose place it takes, *supersede_at* when it
    is to be superseded itself, if its successor is good then.
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
    crl_partition: str | None
    renews_issuer: str | None
    renews: str | None
    supersede_at: datetime | None

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
    """What `revoke` did, and what it found revoked before (with date and reason of then).

    *newly* holds what it has revoked, and what was revoked before for another reason than the
    compromise of its key, which is known now.
    """

    newly: tuple[CertificateRecord, ...]
    already: tuple[CertificateRecord, ...]


_AT_ONCE = 500

_RECORD = [certificate.c[field.name] for field in fields(CertificateRecord)]
_NUMBER = (certificate.c.issuer, certificate.c.serial)


def _record(row: Row[*tuple[Any, ...]]) -> CertificateRecord:
    return CertificateRecord(*row)


async def record_issuer(connection: AsyncConnection, *, name: str, der: bytes) -> None:
    """Make the issuing CA *name* known, or raise `LedgerError` when the name is taken."""
    try:
        await connection.execute(insert(issuer).values(name=name, certificate=der))
    except IntegrityError as error:
        raise LedgerError(f"an issuer named {name} is already recorded") from error


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
    crl_partition: str | None = None,
) -> None:
    """Take *serial* and write down what is about to be signed under it.

    *crl_partition* is what its CRL distribution point is to name. Raises `LedgerError` when the serial was used before (which with 126 random bits means a
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
                crl_partition=crl_partition,
            )
        )
    except IntegrityError as error:
        raise LedgerError(
            f"serial {serial} of {issuer} cannot be reserved: it was used before,"
            " or the issuer is not recorded"
        ) from error
    if crl_partition is not None:
        await _keep_partition(connection, issuer, crl_partition, not_after)


async def _keep_partition(
    connection: AsyncConnection, issuer: str, name: str, last_day: datetime
) -> None:
    """See to it that the partition *name* is published as long as somebody may ask for it."""
    mine = (partition.c.issuer == issuer, partition.c.name == name)
    kept = await connection.scalar(select(partition.c.last_day).where(*mine))
    if kept is None:
        values = {"issuer": issuer, "name": name, "last_day": last_day}
        await connection.execute(insert(partition).values(values))
    elif kept < last_day:
        await connection.execute(update(partition).where(*mine).values(last_day=last_day))


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


async def find_by_serial(
    connection: AsyncConnection, issuer: str, serial: str
) -> CertificateRecord | None:
    """Return the certificate that *issuer* gave *serial*, also one that is only reserved."""
    row = (
        await connection.execute(
            select(*_RECORD).where(certificate.c.issuer == issuer, certificate.c.serial == serial)
        )
    ).one_or_none()
    return None if row is None else _record(row)


async def find_by_key(
    connection: AsyncConnection, spki: bytes, user: str | None = None
) -> list[CertificateRecord]:
    """Return the certificates of the public key *spki*, a SubjectPublicKeyInfo (DER).

    Looks into every certificate there is, which takes seconds where there are a million; or
    into those of *user* alone.
    """
    key = literal(spki, LargeBinary)
    if connection.dialect.name == "sqlite":
        place = func.instr(certificate.c.der, key)
    else:
        place = func.position(key.op("IN")(certificate.c.der))
    query = select(*_RECORD).where(place > 0)
    if user is not None:
        query = query.where(certificate.c.username == user)
    return [_record(row) for row in await connection.execute(query)]


async def claim_key(connection: AsyncConnection, spki: bytes, user: str) -> str:
    """Write down that the key *spki* (DER) is *user*'s, and return whose it is: of the first.

    Certificates that are being signed have no key yet by which `find_by_key` finds them, so this
    alone keeps two people from getting one for the same key at once.
    """
    key = sha256(spki).hexdigest()
    mine = handed_in_key.c.key == key
    owner: str | None = await connection.scalar(select(handed_in_key.c.username).where(mine))
    if owner is None:
        await connection.execute(insert(handed_in_key).values(key=key, username=user))
    return owner or user


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


async def read_certificates(
    connection: AsyncConnection, *wanted: ColumnElement[bool]
) -> list[CertificateRecord]:
    """Return the certificates of which *wanted* holds, oldest first."""
    query = select(*_RECORD).where(*wanted)
    order = (certificate.c.reserved_at, certificate.c.issuer, certificate.c.serial)
    return [_record(row) for row in await connection.execute(query.order_by(*order))]


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

    A key that is compromised is so in every certificate that has it, so these are revoked too.
    And for this reason alone what is revoked already gets another one (RFC 5280, section 5.3.1,
    tells of the present one), with its date as it was: those of the same keys, and what
    *fingerprints* or *serials* name.

    Raises `ValueError` without any criterion: nothing named must never mean everything; and for
    a reason with a way back, which is `hold`'s.
    """
    if not reason.is_final:
        raise ValueError(f"nothing is revoked with the reason {reason}: hold it")
    wanted = _wanted(fingerprints, serials, user, device)
    corrected: tuple[CertificateRecord, ...] = ()
    if reason is RevocationReason.KEY_COMPROMISE:
        named = fingerprints is not None or serials is not None
        touched = wanted if named else [*wanted, _open()]
        same = tuple_(*_NUMBER).in_(await _with_same_keys(connection, touched))
        wrong = certificate.c.reason != reason
        corrected = await _change(
            connection, [same, _is(CertificateState.REVOKED), wrong], reason=reason
        )
        wanted = [or_(and_(*wanted), same)]
    newly = await _change(
        connection,
        [*wanted, _open()],
        state=CertificateState.REVOKED,
        revoked_at=now,
        reason=reason,
    )
    newly = (*corrected, *newly)
    query = select(*_RECORD).where(*wanted, _is(CertificateState.REVOKED))
    revoked = [_record(row) for row in await connection.execute(query)]
    known = {(record.issuer, record.serial) for record in newly}
    return RevocationOutcome(
        newly=newly,
        already=tuple(one for one in revoked if (one.issuer, one.serial) not in known),
    )


async def sharing_keys(
    connection: AsyncConnection, records: Sequence[CertificateRecord]
) -> list[CertificateRecord]:
    """Return what `revoke` would revoke besides *records*, if their keys were compromised.

    And what it would give that reason in place of another. At most some hundreds at once: both
    databases bound how much one statement may name.
    """
    numbers = {(record.issuer, record.serial) for record in records}
    same = await _with_same_keys(connection, [tuple_(*_NUMBER).in_(sorted(numbers))])
    others = sorted({*same} - numbers)
    reason = certificate.c.reason
    changes = or_(_open(), reason.is_(None), reason != RevocationReason.KEY_COMPROMISE)
    found: list[CertificateRecord] = []
    for start in range(0, len(others), _AT_ONCE):
        some = tuple_(*_NUMBER).in_(others[start : start + _AT_ONCE])
        found += await read_certificates(connection, some, changes)
    return found


async def hold(
    connection: AsyncConnection,
    *,
    fingerprints: Collection[str] | None = None,
    serials: Collection[str] | None = None,
    user: str | None = None,
    device: str | None = None,
    now: datetime,
) -> tuple[CertificateRecord, ...]:
    """Put every valid certificate that fits on hold, and return those; `release` is the way back.

    Held ones are refused and listed as revoked ones are. What is revoked, held or only reserved
    stays as it is. Raises `ValueError` without any criterion, as `revoke` does.
    """
    return await _change(
        connection,
        [
            *_wanted(fingerprints, serials, user, device),
            _is(CertificateState.VALID),
        ],
        state=CertificateState.HELD,
        revoked_at=now,
        reason=RevocationReason.CERTIFICATE_HOLD,
    )


async def release(
    connection: AsyncConnection,
    *,
    fingerprints: Collection[str] | None = None,
    serials: Collection[str] | None = None,
    user: str | None = None,
    device: str | None = None,
) -> tuple[CertificateRecord, ...]:
    """Make every held certificate that fits valid again, and return those.

    What was revoked stays revoked. Raises `ValueError` without any criterion.
    """
    return await _change(
        connection,
        [
            *_wanted(fingerprints, serials, user, device),
            _is(CertificateState.HELD),
        ],
        state=CertificateState.VALID,
        revoked_at=None,
        reason=None,
    )


def _wanted(
    fingerprints: Collection[str] | None,
    serials: Collection[str] | None,
    user: str | None,
    device: str | None,
) -> list[ColumnElement[bool]]:
    wanted: list[ColumnElement[bool]] = []
    if fingerprints is not None:
        wanted.append(certificate.c.fingerprint.in_(fingerprints))
    if serials is not None:
        # Every issuer is named, since the key that certificates are found by begins with it.
        wanted.append(certificate.c.issuer.in_(select(issuer.c.name)))
        wanted.append(certificate.c.serial.in_(serials))
    if user is not None:
        wanted.append(certificate.c.username == user)
    if not wanted:
        raise ValueError("name the certificates to revoke: fingerprints, serials or a user")
    if device is not None:
        wanted.append(certificate.c.device == device)
    return wanted


def _open() -> ColumnElement[bool]:
    return certificate.c.state != CertificateState.REVOKED


async def _with_same_keys(
    connection: AsyncConnection, wanted: Sequence[ColumnElement[bool]]
) -> list[tuple[str, str]]:
    """Return issuer and serial of what fits *wanted*, and of what else has one of its keys.

    Only certificates of the same people are looked at: nobody is given one for a key that is
    somebody else's (`ca.authority`).
    """
    rows = await connection.execute(select(*_NUMBER).where(*wanted))
    found = {(row.issuer, row.serial) for row in rows}
    people = select(certificate.c.username).where(*wanted)
    rows = await connection.execute(
        select(*_NUMBER, certificate.c.der).where(certificate.c.username.in_(people))
    )
    keys = {(row.issuer, row.serial): _key_in(row.der) for row in rows}
    compromised = {keys[number] for number in found if number in keys} - {None}
    return sorted(found | {number for number, key in keys.items() if key in compromised})


def _key_in(der: bytes | None) -> bytes | None:
    """Return the public key in a certificate; None where it is only reserved, or not readable."""
    try:
        key = x509.load_der_x509_certificate(der or b"").public_key()
    except (ValueError, UnsupportedAlgorithm):
        return None
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _is(state: CertificateState) -> ColumnElement[bool]:
    """Say that a certificate is in *state*, which by itself finds none: there may be a million.

    Said outright, SQLite would go by the index of states and read every one of them.
    """
    return certificate.c.state.not_in([one for one in CertificateState if one is not state])


async def _change(
    connection: AsyncConnection, wanted: Sequence[ColumnElement[bool]], **status: object
) -> tuple[CertificateRecord, ...]:
    """Give what fits *wanted* another status, which no list tells yet, and return it."""
    # The count first: on both databases only one transaction writes at a time, so what has this
    # number is in the store before anybody can see the number.
    await connection.execute(
        update(issuer)
        .where(issuer.c.name.in_(select(certificate.c.issuer).where(*wanted)))
        .values(changes=issuer.c.changes + 1)
    )
    count = select(issuer.c.changes).where(issuer.c.name == certificate.c.issuer)
    changed = await connection.execute(
        update(certificate)
        .where(*wanted)
        .values(change=count.scalar_subquery(), crl_number=None, **status)
        .returning(*_RECORD)
    )
    return tuple(_record(row) for row in changed)
