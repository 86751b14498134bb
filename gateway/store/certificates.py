"""Certificates of the ledger, and the persons who hold them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from ca import ledger
from ca.issuers import known_issuers
from ca.ledger import CertificateRecord, IssuerState
from ca.trust import RevocationReason
from gateway.core.people import Fingerprint, Holder
from gateway.store import foreign
from gateway.store.errors import NoSuchCertificate, SignInOvertaken
from gateway.store.people import PERSON, find_credentials, read_person
from gateway.store.schema import person


@dataclass(frozen=True, slots=True)
class IssuerRecord:
    """An issuing CA; *der* is its certificate, *state* what it still does."""

    name: str
    der: bytes
    state: IssuerState = IssuerState.ACTIVE


_CERTIFICATE = [
    ledger.certificate.c[name].label(f"certificate_{name}")
    for name in (
        "issuer",
        "serial",
        "username",
        "device",
        "scope",
        "not_before",
        "not_after",
        "revoked_at",
        "reason",
    )
]


async def find_holder(connection: AsyncConnection, fingerprint: Fingerprint) -> Holder | None:
    """Return the certificate with *fingerprint*, and its person; one statement for one of ours.

    A serial that is only reserved has no fingerprint yet, so it is not found. What another CA has
    issued is found once it has been judged.
    """
    query = (
        select(*_CERTIFICATE, *PERSON)
        .outerjoin_from(
            ledger.certificate, person, ledger.certificate.c.username == person.c.username
        )
        .where(ledger.certificate.c.fingerprint == fingerprint)
    )
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        return await foreign.find_holder(connection, fingerprint)
    return Holder(
        fingerprint=fingerprint,
        issuer=row.certificate_issuer,
        serial=row.certificate_serial,
        device=row.certificate_device,
        scope=None if row.certificate_scope is None else frozenset(row.certificate_scope),
        not_before=row.certificate_not_before,
        not_after=row.certificate_not_after,
        revoked_at=row.certificate_revoked_at,
        reason=row.certificate_reason,
        user=row.certificate_username,
        person=None if row.username is None else read_person(row),
    )


async def list_issuers(connection: AsyncConnection) -> list[IssuerRecord]:
    """Return the issuing CAs, the oldest first."""
    return [IssuerRecord(one.name, one.der, one.state) for one in await known_issuers(connection)]


async def find_certificate(connection: AsyncConnection, serial: str) -> CertificateRecord | None:
    """Return the certificate with *serial*, whichever of our issuers gave it."""
    for issuer in await known_issuers(connection):
        found = await ledger.find_by_serial(connection, issuer.name, serial)
        if found is not None:
            return found
    return None


async def revoke(
    connection: AsyncConnection,
    *,
    serial: str | None,
    user: str | None,
    device: str | None,
    reason: RevocationReason,
    now: datetime,
) -> Sequence[CertificateRecord]:
    """Revoke what fits every criterion; return what was not revoked before.

    Raises `NoSuchCertificate` when nothing fits, and `ValueError` when neither
    *serial* nor *user* is given.
    """
    outcome = await ledger.revoke(
        connection,
        serials=None if serial is None else [serial],
        user=user,
        device=device,
        reason=reason,
        now=now,
    )
    if not outcome.newly and not outcome.already:
        named = {"serial": serial, "user": user, "device": device}
        raise NoSuchCertificate(
            ", ".join(f"{name} {value!r}" for name, value in named.items() if value is not None)
        )
    return outcome.newly


async def confirm_sign_in(
    connection: AsyncConnection,
    user: str,
    fingerprint: Fingerprint,
    version: int,
    now: datetime,
) -> None:
    """Raise `SignInOvertaken` unless all that a sign-in relied on is still so."""
    await confirm_holder(connection, user, fingerprint, now)
    credentials = await find_credentials(connection, user)
    if credentials is None or credentials.version != version:
        raise SignInOvertaken(user)


async def confirm_holder(
    connection: AsyncConnection, user: str, fingerprint: Fingerprint, now: datetime
) -> None:
    """Raise `SignInOvertaken` unless the certificate is still one of *user*, who may come in."""
    holder = await find_holder(connection, fingerprint)
    if (
        holder is None
        or holder.revoked_at is not None
        or holder.fault
        or (holder.good_until is not None and holder.good_until < now)
        or holder.person is None
        or holder.person.user != user
        or not holder.person.enabled
    ):
        raise SignInOvertaken(user)
