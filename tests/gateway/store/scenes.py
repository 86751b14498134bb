"""People, certificates and sessions, as the store's tests need them."""

import itertools
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ca import ledger
from ca.issuers import known_issuers
from ca.ledger import CertificateRecord
from gateway.core.people import Fingerprint
from gateway.core.sessions import Session, SessionId
from gateway.store import NewPerson, Store
from policies.model import Level

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
DAY = timedelta(days=1)
TODAY = NOON.date()
ISSUER = "issuing-1"


@dataclass
class Clock:
    """A clock that stands still until a test moves it."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now


_numbers = itertools.count(1)


def new_person(user: str = "anna", **changes: object) -> NewPerson:
    """Make somebody who is to be added."""
    values: dict[str, object] = {
        "user": user,
        "name": "Anna Rossi",
        "email": f"{user}@example.it",
        "groups": frozenset({"technicians"}),
        "password_hash": "$argon2id$",
        "sealed_totp": b"\x00sealed",
    }
    return NewPerson(**(values | changes))  # type: ignore[arg-type]


def fingerprint_of(serial: str) -> Fingerprint:
    """Make up the fingerprint of a certificate."""
    return Fingerprint(serial.rjust(64, "f"))


async def reserve(store: Store, user: str, device: str) -> str:
    """Reserve a serial for *user*, as the authority does before it signs."""
    serial = format(next(_numbers), "x")
    async with store.begin() as connection:
        if not await known_issuers(connection):
            await ledger.record_issuer(connection, name=ISSUER, der=b"certificate")
        await ledger.reserve_serial(
            connection,
            issuer=ISSUER,
            serial=serial,
            username=user,
            device=device,
            scope=["crm", "wiki"],
            not_before=NOON,
            not_after=NOON + 365 * DAY,
            now=NOON,
        )
    return serial


async def issue(store: Store, user: str = "anna", device: str = "stick-1") -> CertificateRecord:
    """Put a certificate of *user* into the ledger, as the authority does."""
    serial = await reserve(store, user, device)
    async with store.begin() as connection:
        record = await ledger.record_certificate(
            connection,
            issuer=ISSUER,
            serial=serial,
            fingerprint=fingerprint_of(serial),
            der=b"certificate " + serial.encode(),
            now=NOON,
        )
        await store.witness("test").issued(connection, record)
    return record


def session_of(record: CertificateRecord, **changes: object) -> Session:
    """Make a session of the holder of a certificate, eight hours long."""
    values: dict[str, object] = {
        "id": SessionId(format(next(_numbers), "032x")),
        "user": record.username,
        "fingerprint": Fingerprint(record.fingerprint or ""),
        "level": Level.PASSWORD_TOTP,
        "created_at": NOON,
        "expires_at": NOON + timedelta(hours=8),
        "address": "192.0.2.7",
    }
    return Session(**(values | changes))  # type: ignore[arg-type]


async def sign_in(store: Store, record: CertificateRecord, **changes: object) -> Session:
    """Open a session for the holder of a certificate."""
    verified = await store.credentials(record.username)
    assert verified is not None
    session = session_of(record, **changes)
    await store.open_session(session, record.device, record.serial, verified=verified)
    return session
