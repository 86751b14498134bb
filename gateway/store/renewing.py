"""Rows of renewals that people ask for at the portal, and of the letters that remind them.

A request is asked, and then settled once: signed, in the transaction that records the
certificate; refused; or lapsed. So a signer that dies leaves it as it was, and of two that work
at once one comes second and records nothing. What is signed is used, or not: nobody but its person
sees to it that the new certificate gets to where it is needed, so as long as nobody has signed in
with it the old one is not superseded, and its person goes on being reminded of its end.
"""

from contextlib import suppress
from datetime import datetime, timedelta

from sqlalchemy import (
    ColumnElement,
    Row,
    and_,
    case,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from ca import ledger, renewals
from ca.errors import LedgerError
from ca.ledger import CertificateRecord, CertificateState
from ca.ledger import certificate as issued
from ca.trust import RevocationReason
from gateway.core.audit import AuditKind
from gateway.core.changes import ChangeKind
from gateway.core.people import Fingerprint
from gateway.core.renewals import (
    ASKED_LIFETIME,
    FETCH_WITHIN,
    KEPT,
    STEPS,
    Ending,
    Renewal,
    RenewalState,
    Standing,
    Way,
    step_of,
)
from gateway.store.accounts import Change, confirm, confirm_session
from gateway.store.errors import NoSuchCertificate, RenewalRefused
from gateway.store.schema import person, renewal_notice, renewal_request, session
from gateway.store.sessions import SessionRecord
from gateway.store.steps import Step

_request = renewal_request.c
_successor = issued.alias("successor")
_takes_its_place = and_(
    _successor.c.renews_issuer == _request.issuer,
    _successor.c.renews == _request.serial,
    _successor.c.serial == _request.successor,
)


async def standing(
    connection: AsyncConnection, fingerprint: Fingerprint, now: datetime
) -> Standing | None:
    """Return how the certificate *fingerprint* stands; None for one that is none of ours."""
    record = await _find(connection, fingerprint)
    if record is None:
        return None
    return await _standing(connection, fingerprint, record, now)


async def _standing(
    connection: AsyncConnection, fingerprint: Fingerprint, record: CertificateRecord, now: datetime
) -> Standing:
    successor = await _usable_successor(connection, record, now)
    asked = await find(connection, fingerprint)
    return Standing(
        serial=record.serial,
        device=record.device,
        not_after=record.not_after,
        asked=asked,
        successor=None if successor is None else successor.serial,
        used=successor is not None and await _was_used(connection, successor, asked),
        goes_at=None if successor is None else record.supersede_at,
    )


async def find(connection: AsyncConnection, fingerprint: Fingerprint) -> Renewal | None:
    """Return what was asked for the certificate *fingerprint*."""
    rows = await connection.execute(
        select(renewal_request).where(_request.fingerprint == fingerprint)
    )
    row = rows.one_or_none()
    return None if row is None else _read(row)


async def waiting(connection: AsyncConnection) -> list[Renewal]:
    """Return what nobody has settled yet, the oldest first."""
    rows = await connection.execute(
        select(renewal_request)
        .where(_request.state == RenewalState.ASKED)
        .order_by(_request.asked_at)
    )
    return [_read(row) for row in rows]


async def certificate_der(connection: AsyncConnection, issuer: str, serial: str) -> bytes | None:
    """Return a certificate as it was recorded."""
    der: bytes | None = await connection.scalar(
        select(issued.c.der).where(issued.c.issuer == issuer, issued.c.serial == serial)
    )
    return der


async def ask(step: Step, change: Change, renewal_id: str, way: Way, key: bytes) -> Renewal:
    """Write down that somebody wants their certificate renewed, for *key* if that is a new one.

    What was renewed before and never used, its file lost on the way, is revoked and begun again.
    Raises `SignInOvertaken`, and `RenewalRefused` where there is nothing to renew; then nothing
    has changed.
    """
    await confirm(step, change)
    connection, signed_in = step.connection, change.session.session
    record = await _find(connection, signed_in.fingerprint)
    if record is None:
        raise RenewalRefused("it is not of this site's CA")
    found = await _standing(connection, signed_in.fingerprint, record, step.now)
    if found.successor is not None:
        if found.used or found.asked is None or found.asked.successor != found.successor:
            raise RenewalRefused(f"it has been renewed already, by {found.successor}")
        await _take_back(step, found.successor)
    reason = renewals.why_not(record, await renewals.successors_of(connection, record), step.now)
    if reason is not None:
        raise RenewalRefused(f"it {reason}")
    renewal = Renewal(
        id=renewal_id,
        fingerprint=signed_in.fingerprint,
        issuer=record.issuer,
        serial=record.serial,
        user=signed_in.user,
        way=way,
        public_key=key,
        asked_at=step.now,
    )
    await _put(connection, renewal, step.now)
    step.note(
        AuditKind.RENEWAL_ASKED,
        user=renewal.user,
        serial=renewal.serial,
        device=record.device,
        address=signed_in.address,
        way=way,
        **({"request": change.request} if change.request else {}),
    )
    # The authority looks whenever a certificate changes; nobody has one with this fingerprint.
    step.change(ChangeKind.CERTIFICATE, renewal.id)
    return renewal


async def settle(
    connection: AsyncConnection,
    renewal_id: str,
    record: CertificateRecord,
    chain: bytes,
    now: datetime,
) -> None:
    """Write, with the certificate *record* itself, that the request is signed; or `LedgerError`."""
    if not await _settle(
        connection, renewal_id, RenewalState.SIGNED, now, successor=record.serial, chain=chain
    ):
        raise LedgerError(
            f"what {record.serial} was signed for is asked for no more: it is not recorded and"
            " must not be handed out"
        )


async def refuse(step: Step, renewal: Renewal, words: str) -> None:
    """Say that a request cannot be met, and why."""
    if await _settle(step.connection, renewal.id, RenewalState.REFUSED, step.now, words=words):
        step.note(AuditKind.RENEWAL_REFUSED, user=renewal.user, serial=renewal.serial, words=words)


async def hand_over(step: Step, who: SessionRecord, renewal_id: str, request: str) -> Renewal:
    """Write that the new key of a request is handed over now, and to nobody again.

    Raises `SignInOvertaken`, and `RenewalRefused` when it was handed over before, has lapsed, or
    its certificate opens nothing any more.
    """
    await confirm_session(step, who.session)
    found = await step.connection.execute(
        update(renewal_request)
        .where(
            _request.id == renewal_id,
            _request.fingerprint == who.session.fingerprint,
            _request.state == RenewalState.SIGNED,
            _request.way == Way.NEW_KEY,
            _request.handed_at.is_(None),
            exists().where(
                issued.c.serial == _request.successor,
                issued.c.state == CertificateState.VALID,
            ),
        )
        .values(handed_at=step.now)
    )
    renewal = await find(step.connection, who.session.fingerprint)
    if found.rowcount != 1 or renewal is None:
        raise RenewalRefused("it was handed over before, or has lapsed")
    step.note(
        AuditKind.RENEWAL_HANDED_OVER,
        user=renewal.user,
        serial=renewal.serial,
        device=who.device,
        address=who.session.address,
        successor=renewal.successor or "",
        **({"request": request} if request else {}),
    )
    return renewal


async def lapse(step: Step) -> list[Renewal]:
    """End requests whose new key nobody has fetched, revoke its certificate; return them."""
    rows = await step.connection.execute(select(renewal_request).where(_is_late(step.now)))
    late = [_read(row) for row in rows]
    for one in late:
        await step.connection.execute(
            update(renewal_request)
            .where(_request.id == one.id)
            .values(state=RenewalState.LAPSED, settled_at=step.now)
        )
        if one.successor is not None:
            await _take_back(step, one.successor)
    return late


async def newly_used(connection: AsyncConnection) -> dict[str, datetime]:
    """Return which signed requests have come to be used, by their id, and when at first."""
    rows = await connection.execute(
        select(_request.id, func.min(session.c.created_at))
        .join_from(renewal_request, _successor, _takes_its_place)
        .join(session, session.c.fingerprint == _successor.c.fingerprint)
        .where(_request.state == RenewalState.SIGNED)
        .group_by(_request.id)
    )
    return {row[0]: row[1] for row in rows}


async def follow_use(step: Step, overlap: timedelta) -> list[Renewal]:
    """Let each old certificate end *overlap* after the first use of the new one; return those."""
    used = []
    for renewal_id, first in (await newly_used(step.connection)).items():
        rows = await step.connection.execute(
            update(renewal_request)
            .where(_request.id == renewal_id)
            .values(state=RenewalState.USED)
            .returning(renewal_request)
        )
        renewal = _read(rows.one())
        old = await _find(step.connection, renewal.fingerprint)
        if old is not None:
            await renewals.let_go_on(step.connection, old, first + overlap)
            # It may be over by that: whoever supersedes is to look.
            step.change(ChangeKind.CERTIFICATE, renewal.fingerprint)
        used.append(renewal)
    return used


async def is_any_late(connection: AsyncConnection, now: datetime) -> bool:
    """Say whether `lapse` has something to do; cheap, and writes nothing."""
    return await connection.scalar(select(_request.id).where(_is_late(now)).limit(1)) is not None


def _is_late(now: datetime) -> ColumnElement[bool]:
    asked = and_(_request.state == RenewalState.ASKED, _request.asked_at <= now - ASKED_LIFETIME)
    signed = and_(
        _request.state == RenewalState.SIGNED,
        _request.handed_at.is_(None),
        _request.settled_at <= now - FETCH_WITHIN,
    )
    return and_(_request.way == Way.NEW_KEY, or_(asked, signed))


async def ending(connection: AsyncConnection, now: datetime, most: int) -> list[Ending]:
    """Return at *most* so many certificates that end soon and whose holder is to be told so now.

    That is who may come in, was not written to yet at the step they have come to, and has renewed
    nothing, or by themselves something that nobody has signed in with yet.
    """
    # As `step_of` counts.
    step = case(*((issued.c.not_after <= now + span, days) for days, span in sorted(STEPS.items())))
    noticed = exists().where(
        renewal_notice.c.fingerprint == issued.c.fingerprint, renewal_notice.c.step == step
    )
    successor = and_(
        _successor.c.renews_issuer == issued.c.issuer,
        _successor.c.renews == issued.c.serial,
        _successor.c.state.in_(renewals.USABLE),
        _successor.c.not_after > now,
    )
    renewed = exists().where(successor)
    unused = exists().where(successor, _takes_its_place, _request.state == RenewalState.SIGNED)
    rows = await connection.execute(
        select(
            issued.c.fingerprint,
            issued.c.serial,
            issued.c.device,
            issued.c.not_after,
            person.c.name,
            person.c.email,
            renewed.label("renewed"),
        )
        .join_from(issued, person, issued.c.username == person.c.username)
        .where(
            issued.c.state == CertificateState.VALID,
            issued.c.not_after > now,
            issued.c.not_after <= now + max(STEPS.values()),
            person.c.enabled.is_(True),
            person.c.email != "",
            or_(~renewed, unused),
            ~noticed,
        )
        .order_by(issued.c.not_after)
        .limit(most)
    )
    return [Ending(Fingerprint(row[0]), *row[1:]) for row in rows]


async def take_notice(connection: AsyncConnection, one: Ending, now: datetime) -> bool:
    """Write that the holder of *one* is written to now; False when another node has done so."""
    step = step_of(one.not_after - now)
    if step is None:
        return False
    # Writers take turns, so nobody writes between these two.
    taken = await connection.scalar(
        select(renewal_notice.c.at).where(
            renewal_notice.c.fingerprint == one.fingerprint, renewal_notice.c.step == step
        )
    )
    if taken is not None:
        return False
    await connection.execute(
        insert(renewal_notice).values(fingerprint=one.fingerprint, step=step, at=now)
    )
    old = now - KEPT
    await connection.execute(delete(renewal_notice).where(renewal_notice.c.at < old))
    return True


async def _put(connection: AsyncConnection, renewal: Renewal, now: datetime) -> None:
    # As long as the old one lives, somebody may fetch the new one, or use it for the first time.
    lives = exists().where(issued.c.fingerprint == _request.fingerprint, issued.c.not_after > now)
    over = and_(_request.state != RenewalState.ASKED, _request.asked_at < now - KEPT, ~lives)
    await connection.execute(
        delete(renewal_request).where(or_(_request.fingerprint == renewal.fingerprint, over))
    )
    await connection.execute(
        insert(renewal_request).values(
            fingerprint=renewal.fingerprint,
            id=renewal.id,
            issuer=renewal.issuer,
            serial=renewal.serial,
            username=renewal.user,
            way=renewal.way,
            public_key=renewal.public_key,
            asked_at=renewal.asked_at,
            state=renewal.state,
            chain=b"",
            words="",
        )
    )


async def _settle(
    connection: AsyncConnection,
    renewal_id: str,
    state: RenewalState,
    now: datetime,
    **values: object,
) -> bool:
    found = await connection.execute(
        update(renewal_request)
        .where(_request.id == renewal_id, _request.state == RenewalState.ASKED)
        .values(state=state, settled_at=now, **values)
    )
    return found.rowcount == 1


async def _take_back(step: Step, serial: str) -> None:
    """Revoke what nobody holds."""
    with suppress(NoSuchCertificate):
        await step.revoke(serial=serial, reason=RevocationReason.CESSATION_OF_OPERATION)


async def _find(connection: AsyncConnection, fingerprint: Fingerprint) -> CertificateRecord | None:
    found = await ledger.read_certificates(connection, issued.c.fingerprint == fingerprint)
    return found[0] if found else None


async def _usable_successor(
    connection: AsyncConnection, record: CertificateRecord, now: datetime
) -> CertificateRecord | None:
    found = [
        one
        for one in await renewals.successors_of(connection, record)
        if renewals.opens_something(one, now)
    ]
    return found[-1] if found else None


async def _was_used(
    connection: AsyncConnection, record: CertificateRecord, asked: Renewal | None
) -> bool:
    # Sessions are forgotten after a while.
    if asked is not None and asked.successor == record.serial and asked.state is RenewalState.USED:
        return True
    query = select(session.c.id).where(session.c.fingerprint == record.fingerprint).limit(1)
    return await connection.scalar(query) is not None


def _read(row: Row[*tuple[object, ...]]) -> Renewal:
    values = row._mapping  # noqa: SLF001 - SQLAlchemy's public name for it
    return Renewal(
        id=values["id"],
        fingerprint=Fingerprint(values["fingerprint"]),
        issuer=values["issuer"],
        serial=values["serial"],
        user=values["username"],
        way=Way(values["way"]),
        public_key=values["public_key"],
        asked_at=values["asked_at"],
        state=RenewalState(values["state"]),
        settled_at=values["settled_at"],
        successor=values["successor"],
        chain=values["chain"],
        handed_at=values["handed_at"],
        words=values["words"],
    )
