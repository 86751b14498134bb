"""Password and one-time code, in the order in which they must be asked.

An attempt is counted before anything is looked at and forgiven when all of it held: at the
sign-in, and wherever somebody changes their account, all under one count. Wrong password and wrong
code are one answer; what only the owner should learn (a used code, a clock that is off) is said
once the password held.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import assert_never

from gateway.core.audit import AuditEvent, AuditKind
from gateway.core.credentials import (
    ClockOutOfStep,
    CodeAccepted,
    CodeResult,
    CodeUsed,
    CodeWrong,
    check_totp,
    hash_password,
    verify_password,
)
from gateway.core.pending import Pending
from gateway.core.recovery import code_digest, plain_code
from gateway.core.sealing import unseal
from gateway.portal.callers import Visitor
from gateway.portal.services import Services
from gateway.store import Credentials, LockedUntil

HASHES_AT_ONCE = 4
"""How many passwords are hashed at a time: each takes 64 MiB and a core for a while."""


class Failure(StrEnum):
    """Why somebody was not believed, for the audit log: only added to, never renamed."""

    WRONG_PASSWORD = "wrong-password"  # noqa: S105 - the name of a reason
    WRONG_CODE = "wrong-code"
    CODE_USED = "code-used"
    CLOCK_OUT_OF_STEP = "clock-out-of-step"
    LOCKED = "locked"
    ANOTHER_PERSON = "another-person"
    OVERTAKEN = "overtaken"
    """Person, credentials or certificate changed while they were being checked."""
    WRONG_TICKET = "wrong-ticket"
    TICKET_ENDED = "ticket-ended"
    TICKET_GONE = "ticket-gone"
    """It was used between the first page and the last, or another has taken its place."""


@dataclass(frozen=True, slots=True)
class Form:
    """What was typed; with *recovery* the code is not looked at."""

    user: str
    password: str
    code: str
    recovery: str = ""

    def words(self, visitor: Visitor, *more: str) -> tuple[str, ...]:
        """Return what tells this form, sent in the session of *visitor*, from another."""
        session = visitor.session.id if visitor.session is not None else ""
        return (session, self.user, self.password, self.code, *more)


@dataclass(frozen=True, slots=True)
class Proved:
    """All held. A one-time code is used up by now; *recovery*, a digest, is not."""

    credentials: Credentials
    recovery: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """Something did not hold. *clock_seconds* and *until* belong to their failures alone."""

    failure: Failure
    clock_seconds: int = 0
    until: datetime | None = None


class Proving:
    """Finds out whether visitors are who their certificate says, a few at a time."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._hashing = asyncio.Semaphore(HASHES_AT_ONCE)

    async def hash(self, password: str) -> str:
        """Return the hash of a new *password*, in the same queue as those that are verified."""
        async with self._hashing:
            return await asyncio.to_thread(hash_password, password)

    async def reserve(self, visitor: Visitor) -> Failed | None:
        """Count an attempt of *visitor*, unless it must wait.

        Counted and durable before the check: neither a hundred attempts at once nor a broken
        connection is for free.
        """
        reserved = await self._services.store.reserve_attempt(visitor.holder.fingerprint)
        if isinstance(reserved, LockedUntil):
            return Failed(Failure.LOCKED, until=reserved.until)
        return None

    async def forgive(self, visitor: Visitor) -> None:
        """Forget the failures of *visitor*: what they had to know, they knew."""
        await self._services.store.clear_attempts(visitor.holder.fingerprint)

    async def record(
        self, visitor: Visitor, failed: Failed, kind: AuditKind = AuditKind.SIGN_IN_FAILED
    ) -> None:
        """Write a failure to the audit log; it is there when this returns."""
        await self._write(visitor, kind, reason=failed.failure.value)

    async def show(self, visitor: Visitor, pending: Pending) -> Pending:
        """Return *pending* to be shown; that its secret was is in the audit log by then."""
        kind, ground = AuditKind.AUTHENTICATOR_SHOWN, pending.ground.value
        await self._write(visitor, kind, proved=ground)
        return pending

    async def _write(
        self, visitor: Visitor, kind: AuditKind, *, reason: str = "", **detail: str
    ) -> None:
        await self._services.store.record(
            AuditEvent(
                kind,
                self._services.clock(),
                user=visitor.person.user,
                serial=visitor.holder.serial,
                device=visitor.holder.device,
                address=visitor.address,
                reason=reason,
                detail={**detail, **({"request": visitor.request} if visitor.request else {})},
            )
        )

    async def prove_for_change(self, visitor: Visitor, form: Form) -> Proved | Failed:
        """Prove who it is once more, before something of theirs is changed; a failure is recorded."""
        proved = await self.prove(visitor, form)
        if isinstance(proved, Failed):
            await self.record(visitor, proved, AuditKind.ACCOUNT_CHANGE_REFUSED)
        return proved

    async def overtaken(self, visitor: Visitor) -> Failed:
        """Record that what was proved is of no use any more: a code was used up for nothing."""
        failed = Failed(Failure.OVERTAKEN)
        await self.record(visitor, failed, AuditKind.ACCOUNT_CHANGE_REFUSED)
        return failed

    async def prove(self, visitor: Visitor, form: Form) -> Proved | Failed:
        """Compare what was typed with what *visitor* has, and use the one-time code up."""
        if (waits := await self.reserve(visitor)) is not None:
            return waits
        # The form shows the name and does not let it be changed, but a form is
        # only a form: the certificate says who this is.
        if form.user != visitor.person.user:
            return Failed(Failure.ANOTHER_PERSON)
        credentials = await self._services.store.credentials(visitor.person.user)
        if credentials is None:
            return Failed(Failure.OVERTAKEN)
        async with self._hashing:
            held = await asyncio.to_thread(
                verify_password, credentials.password_hash, form.password
            )
        # Looked at even when the password did not hold, so that both take as long.
        code = self._check_code(visitor, credentials, form.code)
        if not held:
            return Failed(Failure.WRONG_PASSWORD)
        failed = (
            await self._check_recovery(visitor, credentials, form.recovery)
            if form.recovery.strip()
            else await self._burn(visitor, credentials, code)
        )
        if isinstance(failed, Proved):
            await self.forgive(visitor)
        return failed

    async def prove_code(self, visitor: Visitor, code: str) -> tuple[Credentials, int] | Failed:
        """Compare a code alone with what *visitor* has, and use it up.

        Returns with it the number of the attempt, which stays counted until it is taken back.
        """
        reserved = await self._services.store.reserve_attempt(visitor.holder.fingerprint)
        if isinstance(reserved, LockedUntil):
            return Failed(Failure.LOCKED, until=reserved.until)
        credentials = await self._services.store.credentials(visitor.person.user)
        if credentials is None:
            return Failed(Failure.OVERTAKEN)
        burnt = await self._burn(visitor, credentials, self._check_code(visitor, credentials, code))
        return burnt if isinstance(burnt, Failed) else (credentials, reserved.failures)

    def _check_code(self, visitor: Visitor, credentials: Credentials, code: str) -> CodeResult:
        secret = unseal(self._services.site_key, visitor.person.user, credentials.sealed_totp)
        return check_totp(secret, code, self._services.clock(), credentials.totp_last_step)

    async def _burn(
        self, visitor: Visitor, credentials: Credentials, code: CodeResult
    ) -> Proved | Failed:
        match code:
            case CodeWrong():
                return Failed(Failure.WRONG_CODE)
            case CodeUsed():
                return Failed(Failure.CODE_USED)
            case ClockOutOfStep(seconds):
                return Failed(Failure.CLOCK_OUT_OF_STEP, clock_seconds=seconds)
            case CodeAccepted(step):
                # Of two requests with the same code one gets no further than here.
                burnt = await self._services.store.burn_step(visitor.person.user, step)
                return Proved(credentials) if burnt else Failed(Failure.CODE_USED)
            case _:
                assert_never(code)

    async def _check_recovery(
        self, visitor: Visitor, credentials: Credentials, typed: str
    ) -> Proved | Failed:
        user, plain = visitor.person.user, plain_code(typed)
        digest = None if plain is None else code_digest(self._services.site_key, user, plain)
        unused = digest and await self._services.store.recovery_code_unused(user, digest)
        if digest is None or unused is None:
            return Failed(Failure.WRONG_CODE)
        return Proved(credentials, digest) if unused else Failed(Failure.CODE_USED)
