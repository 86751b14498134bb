"""What somebody has that can be lost, and its end."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from ca import ledger
from ca.ledger import CertificateState
from ca.trust import RevocationReason
from gateway.core.audit import AuditKind
from gateway.core.foreign import Presented
from gateway.core.lost import Belonging, Lost, Reported, Reporter, ReporterView
from gateway.core.people import Fingerprint
from gateway.store import foreign, people
from gateway.store.errors import NoSuchCertificate, SignInOvertaken
from gateway.store.schema import session
from gateway.store.steps import Step

REASON = RevocationReason.KEY_COMPROMISE
"""Whoever has found the stick may have its key."""


async def belongings(connection: AsyncConnection, user: str, now: datetime) -> list[Belonging]:
    """Return what of *user* is not over and not revoked for good, the newest first."""
    used = await _last_sign_ins(connection, user)
    own = [
        Belonging(
            fingerprint=Fingerprint(record.fingerprint),
            serial=record.serial,
            device=record.device,
            since=record.issued_at or record.not_before,
            until=record.not_after,
            held=record.state is CertificateState.HELD,
            last_sign_in=used.get(record.fingerprint),
        )
        for record in await ledger.list_certificates(connection, user=user)
        if record.state in {CertificateState.VALID, CertificateState.HELD}
        and record.fingerprint is not None
        and record.not_after > now
    ]
    others = [
        _foreign_belonging(one, used)
        for one in await foreign.certificates_of(connection, serial=None, user=user)
        if _opens_something(one, now)
    ]
    return sorted([*own, *others], key=lambda one: one.since, reverse=True)


async def find_reporter(
    connection: AsyncConnection, reporter: Reporter, now: datetime
) -> ReporterView:
    """Return who *reporter* is and what they have; `SignInOvertaken` as with `report`."""
    person = await people.find_person(connection, reporter.user)
    credentials = await people.find_credentials(connection, reporter.user)
    if (
        person is None
        or not person.enabled
        or credentials is None
        or credentials.version != reporter.version
    ):
        raise SignInOvertaken(reporter.user)
    return ReporterView(person, tuple(await belongings(connection, reporter.user, now)))


async def report(
    step: Step, reporter: Reporter, lost: Lost, *, address: str, request: str
) -> Reported:
    """Revoke what *reporter* has *lost*, end what is bound to it; return what was not so before.

    Raises `SignInOvertaken`, and does nothing, when the person is gone or disabled or what they
    proved themselves with is another by now.
    """
    connection, user = step.connection, reporter.user
    view = await find_reporter(connection, reporter, step.now)
    ended = [one for one in view.belongings if _is_meant(one, lost, view.belongings)]
    if lost.everything or lost.device is not None:
        # What is being issued at this moment is revoked too, and nobody can see it yet.
        with suppress(NoSuchCertificate):
            await step.revoke(user=user, device=lost.device, reason=REASON)
    await _block(step, user, ended)
    if ended:
        step.note(
            AuditKind.LOST_REPORTED,
            user=user,
            address=address,
            device=" ".join(sorted({one.device or one.trust for one in ended})),
            serials=" ".join(sorted(one.serial for one in ended)),
            **({"request": request} if request else {}),
        )
    left = await belongings(connection, user, step.now)
    return Reported(view.person, tuple(ended), tuple(left))


def _is_meant(one: Belonging, lost: Lost, before: Sequence[Belonging]) -> bool:
    if lost.everything:
        return True
    if one.trust:
        # Another writing of the same certificate has another fingerprint.
        named = [(each.trust, each.serial) for each in before if each.fingerprint == lost.foreign]
        return (one.trust, one.serial) in named
    return one.device == lost.device


async def _block(step: Step, user: str, ended: list[Belonging]) -> None:
    """Let certificates of other CAs open nothing here; their own CA says what they are there."""
    fingerprints = {one.fingerprint for one in ended if one.trust}
    if fingerprints:
        shown = await foreign.certificates_of(step.connection, user=user)
        meant = [one for one in shown if one.verdict.fingerprint in fingerprints]
        await step.block_these(meant, REASON)


def _foreign_belonging(one: Presented, used: dict[str, datetime]) -> Belonging:
    verdict = one.verdict
    return Belonging(
        fingerprint=verdict.fingerprint,
        serial=verdict.serial,
        device="",
        since=one.presented_at,
        until=verdict.not_after or one.presented_at,
        held=one.blocked is not None or verdict.revocation is not None,
        last_sign_in=used.get(verdict.fingerprint),
        trust=verdict.trust,
    )


def _opens_something(one: Presented, now: datetime) -> bool:
    said = [said for said in (one.blocked, one.verdict.revocation) if said is not None]
    final = any(each.reason.is_final for each in said)
    ends = one.verdict.not_after
    return not final and ends is not None and ends > now


async def _last_sign_ins(connection: AsyncConnection, user: str) -> dict[str, datetime]:
    """Return when *user* last signed in with each certificate, as far back as that is kept."""
    rows = await connection.execute(
        select(session.c.fingerprint, func.max(session.c.created_at).label("at"))
        .where(session.c.username == user)
        .group_by(session.c.fingerprint)
    )
    return {row.fingerprint: row.at for row in rows}
