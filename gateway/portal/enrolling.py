"""Setting up what somebody signs in with: by ticket, by recovery code, or being signed in.

Until a code of the new authenticator is confirmed nothing of it is in force and nothing is used
up. Then one transaction of the store does all of it, or none.
"""

import hmac
import os
from dataclasses import dataclass

from gateway.core.credentials import (
    ClockOutOfStep,
    CodeAccepted,
    check_totp,
)
from gateway.core.pending import Ground, Pending
from gateway.core.recovery import CODE_BYTES, CODES, code_digests, new_codes
from gateway.core.sealing import NONCE_BYTES, seal
from gateway.core.sessions import Session
from gateway.core.tickets import plain_ticket, ticket_digest, ticket_secret
from gateway.portal.callers import Visitor
from gateway.portal.proving import Failed, Failure, Proving
from gateway.portal.repeats import Repeats
from gateway.portal.services import Services
from gateway.portal.signing_in import new_session
from gateway.store import (
    Change,
    NewCredentials,
    NewTotp,
    SessionRecord,
    SignInOvertaken,
    TicketGone,
)


@dataclass(frozen=True, slots=True)
class Enrolled:
    """It is in force. *codes* are the new recovery codes, where there are any."""

    session: Session
    codes: tuple[str, ...] = ()


class Enrolling:
    """Sets up authenticators."""

    def __init__(self, services: Services, proving: Proving) -> None:
        self._services = services
        self._proving = proving
        self._repeats: Repeats[Enrolled | Failed] = Repeats(
            services.clock, lambda answer: isinstance(answer, Enrolled)
        )

    async def begin(self, visitor: Visitor, typed: str, password: str) -> Pending | Failed:
        """Take a ticket and the new *password*; what came of it is in the audit log before this ends.

        The ticket is not used up. A wrong one counts with the failed sign-ins of the certificate.
        """
        result = await self._begin(visitor, typed, password)
        if isinstance(result, Failed):
            await self._proving.record(visitor, result)
            return result
        return await self._proving.show(visitor, result)

    async def _begin(self, visitor: Visitor, typed: str, password: str) -> Pending | Failed:
        user, key = visitor.person.user, self._services.site_key
        digest = ticket_digest(key, user, plain_ticket(typed) or "")
        kept = await self._services.store.ticket(user)
        right = kept is not None and hmac.compare_digest(kept.digest, digest)
        if right and kept is not None and kept.ends_at <= self._services.clock():
            # It opens nothing any more, so it is no attempt, and forgives none: found in a drawer,
            # it would let whoever has it guess passwords without a wait.
            return Failed(Failure.TICKET_ENDED)
        if (waits := await self._proving.reserve(visitor)) is not None:
            return waits
        if not right:
            return Failed(Failure.WRONG_TICKET)
        await self._proving.forgive(visitor)
        fingerprint = visitor.holder.fingerprint
        return Pending(
            Ground.TICKET,
            user,
            fingerprint,
            digest,
            ticket_secret(key, digest, user, fingerprint),
            password_hash=await self._proving.hash(password),
        )

    async def confirm(
        self, visitor: Visitor, pending: Pending, code: str, *, mark: str = ""
    ) -> Enrolled | Failed:
        """Put *pending* in force, if *code* shows that the new authenticator has its secret.

        No guess is to be had here: whoever has *pending* was shown its secret. A form with *mark*
        that comes twice is answered twice, so the recovery codes are not lost by it.
        """
        words = (visitor.holder.fingerprint, code)
        return await self._repeats.once(mark, words, lambda: self._confirm(visitor, pending, code))

    async def _confirm(self, visitor: Visitor, pending: Pending, code: str) -> Enrolled | Failed:
        # Asked before the code, so that a page which has done its work, or was overtaken, says so
        # and not that its code is old; the store asks once more.
        if (gone := await self._gone(pending)) is not None:
            await self._proving.record(visitor, gone)
            return gone
        result = check_totp(pending.secret, code, self._services.clock(), 0)
        if isinstance(result, ClockOutOfStep):
            return Failed(Failure.CLOCK_OUT_OF_STEP, clock_seconds=result.seconds)
        if not isinstance(result, CodeAccepted):
            return Failed(Failure.WRONG_CODE)
        totp = NewTotp(self._sealed(pending), result.step)
        try:
            return await self._put_in_force(visitor, pending, totp)
        except TicketGone:
            failed = Failed(Failure.TICKET_GONE)
        except SignInOvertaken:
            failed = Failed(Failure.OVERTAKEN)
        await self._proving.record(visitor, failed)
        return failed

    async def _put_in_force(self, visitor: Visitor, pending: Pending, totp: NewTotp) -> Enrolled:
        store, request = self._services.store, visitor.request
        if pending.ground is Ground.ACCOUNT:
            change = change_of(visitor, pending.version)
            await store.change_own_totp(change, totp)
            return Enrolled(change.session.session)
        session = new_session(self._services, visitor)
        opened = SessionRecord(session, visitor.holder.device, visitor.holder.serial)
        if pending.ground is Ground.RECOVERY:
            await store.recover(
                opened,
                version=pending.version,
                code=pending.proof,
                totp=totp,
                request=request,
            )
            return Enrolled(session)
        codes = fresh_codes()
        digests = code_digests(self._services.site_key, pending.user, codes)
        new = NewCredentials(pending.password_hash, totp, digests)
        await store.enrol(opened, pending.proof, new, request=request)
        return Enrolled(session, codes)

    async def _gone(self, pending: Pending) -> Failed | None:
        """Say why what was proved for *pending* is not so any more; or None."""
        store, user = self._services.store, pending.user
        if pending.ground is Ground.TICKET:
            kept = await store.ticket(user)
            good = kept is not None and kept.digest == pending.proof
            return None if good else Failed(Failure.TICKET_GONE)
        credentials = await store.credentials(user)
        good = credentials is not None and credentials.version == pending.version
        return None if good else Failed(Failure.OVERTAKEN)

    def _sealed(self, pending: Pending) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return seal(self._services.site_key, pending.user, pending.secret, nonce)


def fresh_codes() -> tuple[str, ...]:
    """Make ten recovery codes."""
    return new_codes(os.urandom(CODES * CODE_BYTES))


def change_of(visitor: Visitor, version: int) -> Change:
    """Say who changes something, having proved credentials of *version*."""
    return Change(session_of(visitor), version, visitor.request)


def session_of(visitor: Visitor) -> SessionRecord:
    """Return the session of *visitor* with the names of its certificate, or `SignInOvertaken`."""
    if visitor.session is None:
        # The session has ended between two looks at it.
        raise SignInOvertaken(visitor.person.user)
    return SessionRecord(visitor.session, visitor.holder.device, visitor.holder.serial)
