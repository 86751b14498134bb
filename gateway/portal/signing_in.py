"""Password and one-time code, in the order in which they must be asked.

An attempt is counted before anything is looked at and forgiven when all of it
held. Wrong password and wrong code are one answer; what only the owner should
learn (a used code, a clock that is off) is said once the password held.
"""

import asyncio
import secrets
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
    verify_password,
)
from gateway.core.sealing import unseal
from gateway.core.sessions import SESSION_ID_BYTES, Session, SessionId
from gateway.portal.callers import Visitor
from gateway.portal.services import Services
from gateway.store import Credentials, LockedUntil, SignInOvertaken
from policies.model import Level

HASHES_AT_ONCE = 4
"""How many passwords are hashed at a time: each takes 64 MiB and a core for a while."""


class Failure(StrEnum):
    """Why a sign-in failed, for the audit log: only added to, never renamed."""

    WRONG_PASSWORD = "wrong-password"  # noqa: S105 - the name of a reason
    WRONG_CODE = "wrong-code"
    CODE_USED = "code-used"
    CLOCK_OUT_OF_STEP = "clock-out-of-step"
    LOCKED = "locked"
    ANOTHER_PERSON = "another-person"
    OVERTAKEN = "overtaken"
    """Person or certificate changed while they were being checked."""


@dataclass(frozen=True, slots=True)
class Form:
    """What was typed."""

    user: str
    password: str
    code: str


@dataclass(frozen=True, slots=True)
class SignedIn:
    """All held; the session is open."""

    session: Session


@dataclass(frozen=True, slots=True)
class Failed:
    """Something did not hold. *clock_seconds* and *until* belong to their failures alone."""

    failure: Failure
    clock_seconds: int = 0
    until: datetime | None = None


class SignIn:
    """Signs people in, a few at a time."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._hashing = asyncio.Semaphore(HASHES_AT_ONCE)

    async def attempt(self, visitor: Visitor, form: Form) -> SignedIn | Failed:
        """Let *visitor* try; a failure is in the audit log before this returns."""
        result = await self._try(visitor, form)
        if isinstance(result, Failed):
            await self._services.store.record(self._event(visitor, result))
        return result

    async def _try(self, visitor: Visitor, form: Form) -> SignedIn | Failed:
        store, fingerprint = self._services.store, visitor.holder.fingerprint
        # Counted and durable before the check: neither a hundred attempts at once
        # nor a broken connection is for free.
        reserved = await store.reserve_attempt(fingerprint)
        if isinstance(reserved, LockedUntil):
            return Failed(Failure.LOCKED, until=reserved.until)
        # The form shows the name and does not let it be changed, but a form is
        # only a form: the certificate says who this is.
        if form.user != visitor.person.user:
            return Failed(Failure.ANOTHER_PERSON)
        credentials = await store.credentials(visitor.person.user)
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
        match code:
            case CodeWrong():
                return Failed(Failure.WRONG_CODE)
            case CodeUsed():
                return Failed(Failure.CODE_USED)
            case ClockOutOfStep(seconds):
                return Failed(Failure.CLOCK_OUT_OF_STEP, clock_seconds=seconds)
            case CodeAccepted(step):
                return await self._open(visitor, credentials, step)
            case _:
                assert_never(code)

    def _check_code(self, visitor: Visitor, credentials: Credentials, code: str) -> CodeResult:
        secret = unseal(self._services.site_key, visitor.person.user, credentials.sealed_totp)
        return check_totp(secret, code, self._services.clock(), credentials.totp_last_step)

    async def _open(
        self, visitor: Visitor, credentials: Credentials, step: int
    ) -> SignedIn | Failed:
        store, holder, now = self._services.store, visitor.holder, self._services.clock()
        # Of two requests with the same code one gets no further than here.
        if not await store.burn_step(visitor.person.user, step):
            return Failed(Failure.CODE_USED)
        session = Session(
            id=SessionId(secrets.token_bytes(SESSION_ID_BYTES).hex()),
            user=visitor.person.user,
            fingerprint=holder.fingerprint,
            level=Level.PASSWORD_TOTP,
            created_at=now,
            expires_at=min(now + self._services.site.session_lifetime, holder.not_after),
            address=visitor.address,
        )
        try:
            await store.open_session(session, holder.device, holder.serial, verified=credentials)
        except SignInOvertaken:
            return Failed(Failure.OVERTAKEN)
        await store.clear_attempts(holder.fingerprint)
        return SignedIn(session)

    def _event(self, visitor: Visitor, failed: Failed) -> AuditEvent:
        return AuditEvent(
            AuditKind.SIGN_IN_FAILED,
            self._services.clock(),
            user=visitor.person.user,
            serial=visitor.holder.serial,
            device=visitor.holder.device,
            address=visitor.address,
            reason=failed.failure.value,
            detail={"request": visitor.request} if visitor.request else {},
        )
