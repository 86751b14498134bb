"""Where somebody is signed in and with which certificates, for their own eyes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from ca import ledger
from ca.ledger import CertificateRecord, CertificateState
from ca.renewals import opens_something
from ca.trust import RevocationReason
from gateway.core.devices import Possession, Standing
from gateway.core.foreign import Presented
from gateway.core.people import Fingerprint
from gateway.core.sessions import Session, SessionId
from gateway.store import foreign, sessions
from gateway.store.accounts import Actor, confirm_session
from gateway.store.sessions import SessionRecord
from gateway.store.steps import Step


@dataclass(frozen=True, slots=True)
class Devices:
    """The live sessions of somebody, and their certificates; of each the newest first."""

    sessions: tuple[SessionRecord, ...]
    certificates: tuple[Possession, ...]


async def devices_of(connection: AsyncConnection, user: str, now: datetime) -> Devices:
    """Return everything of *user*; what was only reserved is nothing yet."""
    records = await ledger.list_certificates(connection, user=user)
    others = await foreign.certificates_of(connection, serial=None, user=user)
    owned = [*_own(records, now), *(_foreign(one, now) for one in others)]
    live = await sessions.live_records(connection, sessions.selected(user=user), now)
    return Devices(
        sessions=tuple(reversed(live)),
        certificates=tuple(sorted(owned, key=lambda one: one.since, reverse=True)),
    )


async def end_own(step: Step, actor: Actor, chosen: SessionId | None) -> list[Session]:
    """End one session of the *actor*, or all but their own where none is *chosen*; return them.

    Raises `SignInOvertaken`, and ends nothing, when their own or its certificate is over by now.
    """
    own = actor.session
    await confirm_session(step, own)
    wanted = sessions.selected(one=chosen, user=own.user, but=own.id)
    # The line's own fields are those of the session that ends.
    detail = {
        "by_device": actor.device,
        "by_serial": actor.serial,
        "by_address": actor.address,
        **actor.detail,
    }
    return await step.end_sessions(wanted, detail=detail)


def _own(records: Sequence[CertificateRecord], now: datetime) -> Iterable[Possession]:
    successors = {
        (one.renews_issuer, one.renews): one.serial
        for one in records
        if one.renews is not None and opens_something(one, now)
    }
    for record in records:
        if record.state is CertificateState.RESERVED or record.fingerprint is None:
            continue
        standing = _standing_of(record, now)
        successor = successors.get((record.issuer, record.serial))
        # Its own end is no date on which it would be revoked.
        goes = None if record.supersede_at == record.not_after else record.supersede_at
        yield Possession(
            fingerprint=Fingerprint(record.fingerprint),
            serial=record.serial,
            device=record.device,
            since=record.not_before,
            until=record.not_after,
            standing=standing,
            ended_at=record.revoked_at or (record.not_after if standing.over else None),
            successor=successor,
            goes_at=goes if successor and not standing.over else None,
        )


def _standing_of(record: CertificateRecord, now: datetime) -> Standing:
    if record.state is CertificateState.REVOKED:
        replaced = record.reason is RevocationReason.SUPERSEDED
        return Standing.REPLACED if replaced else Standing.REVOKED
    if record.not_after < now:
        return Standing.ENDED
    if record.state is CertificateState.HELD:
        return Standing.HELD
    return Standing.NOT_YET if record.not_before > now else Standing.GOOD


def _foreign(one: Presented, now: datetime) -> Possession:
    verdict = one.verdict
    said = [each for each in (one.blocked, verdict.revocation) if each is not None]
    final = [each for each in said if each.reason.is_final]
    until = verdict.not_after or one.presented_at
    if final:
        standing = Standing.REVOKED
    elif until < now:
        standing = Standing.ENDED
    elif said:
        standing = Standing.HELD
    elif verdict.good_until is None or verdict.good_until < now:
        standing = Standing.STALE
    else:
        standing = Standing.GOOD
    return Possession(
        fingerprint=verdict.fingerprint,
        serial=verdict.serial,
        device="",
        since=verdict.not_before or one.presented_at,
        until=until,
        standing=standing,
        ended_at=final[0].at if final else (until if standing.over else None),
        trust=verdict.trust,
    )
