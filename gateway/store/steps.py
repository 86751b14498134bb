"""One change of the store: what it does, and what must be told of it.

Audit lines and feed rows are collected while the change is made and written at
its end, in the same transaction, so none can be forgotten between two effects.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime
from typing import Unpack

from sqlalchemy import ColumnElement
from sqlalchemy.ext.asyncio import AsyncConnection

from ca import ledger
from ca.ledger import CertificateRecord
from ca.trust import RevocationReason
from gateway.core.agreements import Acceptance
from gateway.core.audit import AuditEvent, AuditKind
from gateway.core.changes import ChangeKind
from gateway.core.foreign import ForeignState, Presented
from gateway.core.requests import AccessRequest, RequestState
from gateway.core.sessions import Session
from gateway.core.tickets import Ticket
from gateway.store import (
    acceptances,
    audit,
    certificates,
    feed,
    foreign,
    papers,
    recovery,
    requests,
    sessions,
    tickets,
)
from gateway.store.errors import NoSuchCertificate


class Step:
    """A change that is being made at *now*, *by* somebody, in one transaction."""

    def __init__(self, connection: AsyncConnection, now: datetime, by: str) -> None:
        self.connection = connection
        self.now = now
        self.by = by
        self._by = {"by": by} if by else {}
        self._events: list[AuditEvent] = []
        self._changes: list[tuple[ChangeKind, str]] = []

    def note(
        self,
        kind: AuditKind,
        *,
        user: str = "",
        serial: str = "",
        device: str = "",
        app: str = "",
        address: str = "",
        reason: str = "",
        **detail: str,
    ) -> None:
        """Remember a line for the audit log."""
        self._events.append(
            AuditEvent(
                kind=kind,
                at=self.now,
                user=user,
                serial=serial,
                device=device,
                app=app,
                address=address,
                reason=reason,
                detail=self._by | detail,
            )
        )

    def change(self, kind: ChangeKind, key: str) -> None:
        """Remember a row for the feed."""
        self._changes.append((kind, key))

    async def tell(self) -> None:
        """Write what was remembered."""
        if self._events:
            await audit.append(self.connection, self._events)
        await feed.announce(self.connection, self._changes, self.now)

    async def end_sessions(
        self,
        wanted: list[ColumnElement[bool]],
        *,
        kind: AuditKind = AuditKind.SESSION_ENDED,
        reason: str = "",
        detail: Mapping[str, str] | None = None,
    ) -> list[Session]:
        """End the live sessions that fit; *reason* is the change that ends them, if another."""
        ended = await sessions.end(self.connection, wanted, self.now)
        for record in ended:
            self.change(ChangeKind.SESSION, record.session.id)
            self.note(
                kind,
                user=record.session.user,
                serial=record.serial,
                device=record.device,
                address=record.session.address,
                reason=reason,
                session=record.session.id,
                **(detail or {}),
            )
        return [record.session for record in ended]

    async def revoke(
        self,
        *,
        serial: str | None = None,
        user: str | None = None,
        device: str | None = None,
        reason: RevocationReason,
    ) -> list[CertificateRecord]:
        """Revoke certificates as `certificates.revoke` does, and end what is bound to them."""
        revoked = await certificates.revoke(
            self.connection, serial=serial, user=user, device=device, reason=reason, now=self.now
        )
        await self.follow_revocation(revoked)
        return list(revoked)

    async def follow_revocation(self, revoked: Sequence[CertificateRecord]) -> None:
        """Tell of certificates that have just been revoked, and end what is bound to them."""
        self._tell_of(AuditKind.CERTIFICATE_REVOKED, revoked)
        await self._end_bound(revoked, AuditKind.CERTIFICATE_REVOKED)

    async def hold(
        self, *, serial: str | None = None, user: str | None = None, device: str | None = None
    ) -> list[CertificateRecord]:
        """Put what is valid on hold, and end the sessions bound to it."""
        held = await ledger.hold(
            self.connection,
            serials=None if serial is None else [serial],
            user=user,
            device=device,
            now=self.now,
        )
        self._tell_of(AuditKind.CERTIFICATE_HELD, held)
        await self._end_bound(held, AuditKind.CERTIFICATE_HELD)
        return [*held]

    async def release(
        self, *, serial: str | None = None, user: str | None = None, device: str | None = None
    ) -> list[CertificateRecord]:
        """Make what is on hold valid again; the sessions of before stay ended."""
        released = await ledger.release(
            self.connection,
            serials=None if serial is None else [serial],
            user=user,
            device=device,
        )
        self._tell_of(AuditKind.CERTIFICATE_RELEASED, released)
        return [*released]

    def _tell_of(self, kind: AuditKind, records: Sequence[CertificateRecord]) -> None:
        for record in records:
            self.note(
                kind,
                user=record.username,
                serial=record.serial,
                device=record.device,
                reason=record.reason or "",
            )
            # A serial that was only reserved has no fingerprint, and nobody can know it.
            if record.fingerprint is not None:
                self.change(ChangeKind.CERTIFICATE, record.fingerprint)

    async def _end_bound(self, records: Sequence[CertificateRecord], cause: AuditKind) -> None:
        fingerprints = [one.fingerprint for one in records if one.fingerprint is not None]
        if fingerprints:
            await self.end_sessions(sessions.selected(fingerprints=fingerprints), reason=cause)

    async def cut_loose(self, user: str, cause: AuditKind) -> None:
        """Revoke every certificate, end every session and forget every code and ticket of *user*.

        What they have accepted is not accepted by whoever has the name next, and the days that they
        have used are not used.
        """
        await recovery.replace_codes(self.connection, user, (), self.now)
        await tickets.drop_ticket(self.connection, user)
        await papers.forget_days(self.connection, user)
        with suppress(NoSuchCertificate):
            await self.revoke(user=user, reason=RevocationReason.CESSATION_OF_OPERATION)
        await self.end_sessions(sessions.selected(user=user), reason=cause)
        await self.withdraw_agreements(user, None, reason=cause)

    async def end_requests(
        self, today: date, cause: AuditKind, *, user: str | None = None, app: str | None = None
    ) -> list[AccessRequest]:
        """End what *user*, or anybody of *app*, waits for or was granted, as `requests.close` does."""
        ended = await requests.close(
            self.connection, today, by=self.by, now=self.now, user=user, app=app
        )
        for one in ended:
            asked = one.state is RequestState.ASKED
            kind = AuditKind.APPROVAL_WITHDRAWN if asked else AuditKind.APPROVAL_ENDED
            self.note(kind, user=one.user, app=one.app, reason=cause, number=str(one.number))
            self.change(ChangeKind.USER, one.user)
        return ended

    async def withdraw_agreements(
        self, user: str, agreement: str | None, **told: str
    ) -> list[Acceptance]:
        """Let what *user* has accepted of *agreement*, None: of any, be accepted no more.

        *told* goes into the audit log's lines; returned is what was withdrawn.
        """
        withdrawn = await acceptances.withdraw(self.connection, user, agreement, self.now)
        for one in withdrawn:
            self.note(
                AuditKind.AGREEMENT_WITHDRAWN,
                user=user,
                agreement=one.agreement,
                version=one.version,
                digest=one.digest,
                **told,
            )
        if withdrawn:
            self.change(ChangeKind.USER, user)
        return withdrawn

    async def hand_ticket(self, user: str, ticket: Ticket) -> None:
        """Let *user* set up their sign-in with *ticket*, and with no older one."""
        await tickets.put_ticket(self.connection, user, ticket, self.now)
        self.note(AuditKind.TICKET_MADE, user=user, ends=f"{ticket.ends_at:%Y-%m-%dT%H:%M:%SZ}")

    async def block(
        self, *, reason: RevocationReason, **named: Unpack[foreign.Naming]
    ) -> list[Presented]:
        """Let certificates of other CAs open nothing here, and end what is bound to them.

        Returns those that are blocked by this; a hold takes no place of what is final.
        """
        found = await foreign.certificates_of(self.connection, **named)
        return await self.block_these(found, reason)

    async def block_these(
        self, found: Iterable[Presented], reason: RevocationReason
    ) -> list[Presented]:
        """Do as `block` does with what was *found*."""
        newly = [one for one in found if not one.is_blocked_for(reason)]
        fingerprints = [one.verdict.fingerprint for one in newly]
        await foreign.block(self.connection, fingerprints, reason, self.now)
        kind = AuditKind.CERTIFICATE_REVOKED if reason.is_final else AuditKind.CERTIFICATE_HELD
        self._tell_of_blocked(kind, newly, reason)
        if fingerprints:
            await self.end_sessions(sessions.selected(fingerprints=fingerprints), reason=kind)
        return newly

    async def unblock(self, **named: Unpack[foreign.Naming]) -> list[Presented]:
        """End the holds of certificates of other CAs here; what was revoked here stays so."""
        found = await foreign.certificates_of(self.connection, **named)
        held = [one for one in found if one.blocked and not one.blocked.reason.is_final]
        fingerprints = [one.verdict.fingerprint for one in held]
        await foreign.block(self.connection, fingerprints, None, self.now)
        self._tell_of_blocked(AuditKind.CERTIFICATE_RELEASED, held)
        return held

    def _tell_of_blocked(
        self, kind: AuditKind, blocked: Sequence[Presented], reason: str = ""
    ) -> None:
        for one in blocked:
            verdict = one.verdict
            self.note(
                kind,
                user=one.user,
                serial=verdict.serial,
                device=verdict.trust,
                reason=reason,
                trust=verdict.trust,
                fingerprint=verdict.fingerprint,
            )
            self.change(ChangeKind.CERTIFICATE, verdict.fingerprint)

    async def look_who_holds(self, user: str, email: str) -> None:
        """Have certificates of other CAs looked up anew whose holder may be another now."""
        for fingerprint in await foreign.whose_may_change(self.connection, user, email):
            self.change(ChangeKind.CERTIFICATE, fingerprint)

    async def forget_ended(self, before: datetime) -> int:
        """Take out what `foreign.forget_ended` says; return how many certificates that were."""
        gone = await foreign.forget_ended(self.connection, before)
        for fingerprint in gone:
            # Who remembers what it was hears of no later verdict, unless it asks anew.
            self.change(ChangeKind.CERTIFICATE, fingerprint)
        return len(gone)

    async def follow_verdicts(self, judged: Sequence[foreign.Judged]) -> None:
        """Tell of what the verifier has found, and end what rests on a certificate that fell.

        Where only the end of the information has moved, the whole trust is told of at once: a new
        list moves that of every certificate, and a row for each would flood the feed.
        """
        for one in judged:
            if one.stands_otherwise:
                self.change(ChangeKind.CERTIFICATE, one.after.fingerprint)
                await self._follow_verdict(one)
            elif one.reaches:
                self.change(ChangeKind.TRUST, one.after.trust)

    async def _follow_verdict(self, judged: foreign.Judged) -> None:
        kind = _kind_of(judged)
        if kind is None:
            return
        verdict = judged.after
        reason = verdict.fault
        if kind is AuditKind.CERTIFICATE_REVOKED and verdict.revocation is not None:
            reason = verdict.revocation.reason
        self.note(
            kind,
            user=judged.user,
            serial=verdict.serial,
            device=verdict.trust,
            reason=reason,
            trust=verdict.trust,
            identity=verdict.identity,
            fingerprint=verdict.fingerprint,
        )
        if kind not in {AuditKind.CERTIFICATE_ADOPTED, AuditKind.CERTIFICATE_RELEASED}:
            await self.end_sessions(
                sessions.selected(fingerprints=[verdict.fingerprint]), reason=kind
            )


def _kind_of(judged: foreign.Judged) -> AuditKind | None:
    """Return what has become of a certificate of another CA, where that is worth a line."""
    old, new = judged.before.verdict, judged.after
    if new.state is not ForeignState.ACCEPTED:
        # As long as it opened nothing, the edge tells of each time that somebody shows it.
        fell = old.state is ForeignState.ACCEPTED
        return AuditKind.CERTIFICATE_REFUSED if fell else None
    if new.revocation is not None and new.revocation != old.revocation:
        final = new.revocation.reason.is_final
        return AuditKind.CERTIFICATE_REVOKED if final else AuditKind.CERTIFICATE_HELD
    if old.state is not ForeignState.ACCEPTED:
        return AuditKind.CERTIFICATE_ADOPTED
    released = old.revocation is not None and new.revocation is None
    return AuditKind.CERTIFICATE_RELEASED if released else None
