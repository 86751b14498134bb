"""Who reports a lost stick, and what strangers may try until they have proved it.

There is no certificate here, so everybody may knock. In this order:

1. Somebody who shows a recovery code that is good is no guesser: 80 bits are not guessed. Such a
   person waits for nobody else; the holders of one sheet, who may have found it, have one pace.
2. Everybody else is slowed by address (a network, with IPv6), and by what was typed as name and
   password together. So codes cannot be guessed behind one password; whoever does not know
   Anna's password cannot slow Anna; and whether the password was right, or Anna exists at all,
   shows in nothing, since every pair of words is slowed alike.
3. Passwords are hashed one at a time, beside the queue of the sign-ins; a long queue is an answer.
4. Password and code are both looked at, those of nobody as well; any that does not hold is one
   answer. What only the owner should learn (a used code, a clock that is off) is said once the
   password held.

Nothing here touches what the sign-in with a certificate counts.
"""

import asyncio
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from gateway.core.audit import AuditEvent, AuditKind
from gateway.core.credentials import (
    ClockOutOfStep,
    CodeAccepted,
    CodeResult,
    CodeUsed,
    CodeWrong,
    check_totp,
    hash_password,
    new_totp_secret,
    stable_password,
    verify_password,
)
from gateway.core.lost import Reporter
from gateway.core.pacing import Pace, neighbourhood
from gateway.core.people import Person
from gateway.core.recovery import code_digest, plain_code
from gateway.core.sealing import unseal
from gateway.portal.lanes import Lane, LaneFull
from gateway.portal.repeats import Repeats, digest_of
from gateway.portal.services import Services
from gateway.store import Credentials

_KEYS: Final = 20_000


class Failure(StrEnum):
    """Why somebody has not proved who they are, for the audit log: only added to, never renamed."""

    UNKNOWN_PERSON = "unknown-person"
    PERSON_DISABLED = "person-disabled"
    NOT_ENROLLED = "not-enrolled"
    """They have no password yet."""
    WRONG_PASSWORD = "wrong-password"  # noqa: S105 - the name of a reason
    WRONG_CODE = "wrong-code"
    CODE_USED = "code-used"
    CLOCK_OUT_OF_STEP = "clock-out-of-step"


@dataclass(frozen=True, slots=True)
class Claim:
    """What was typed, from where; *mark* tells one form from the next, *request* is its id."""

    user: str
    password: str
    code: str
    recovery: str
    address: str
    mark: str = ""
    request: str = ""


@dataclass(frozen=True, slots=True)
class Proved:
    """All held."""

    person: Person
    reporter: Reporter


@dataclass(frozen=True, slots=True)
class NotProved:
    """Something did not hold. *clock_seconds* belongs to a clock that is off."""

    failure: Failure
    clock_seconds: int = 0


@dataclass(frozen=True, slots=True)
class Slowed:
    """Too quick; nothing was looked at."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Busy:
    """Too many at once; nothing was looked at."""


Answer = Proved | NotProved | Slowed | Busy


class Identification:
    """Finds out who reports a lost stick."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._addresses = Pace(burst=10, step=timedelta(minutes=1), keys=_KEYS)
        self._pairs = Pace(burst=5, step=timedelta(minutes=10), keys=_KEYS)
        self._sheets = Pace(burst=5, step=timedelta(minutes=1), keys=_KEYS)
        self._strangers, self._known = Lane(), Lane()
        # Whoever is told to try again, tries again.
        self._repeats: Repeats[Answer] = Repeats(
            services.clock, lambda answer: isinstance(answer, Proved)
        )
        # Of what strangers type only this is remembered, under a key that nobody else ever has.
        self._key = secrets.token_bytes(32)
        # Nobody's: made of words that are thrown away, to be looked at in the place of anybody's.
        self._nobodys_hash: str | None = None
        self._nobodys_secret = new_totp_secret()

    async def identify(self, claim: Claim) -> Answer:
        """Let somebody prove who they are; a failure is in the audit log before this returns.

        A form that is sent twice (a double tap, a weak network) is one attempt with one answer.
        """
        words = (claim.address, claim.user, claim.password, claim.code, claim.recovery)
        return await self._repeats.once(claim.mark, words, lambda: self._identify(claim))

    async def _identify(self, claim: Claim) -> Answer:
        digest = await self._good_recovery_code(claim)
        if (until := self._pace(claim, digest)) is not None:
            return Slowed(until)
        try:
            async with (self._strangers if digest is None else self._known).turn():
                found = await self._look(claim)
        except LaneFull:
            self._take_back(claim, digest)
            return Busy()
        person, credentials = found.person, found.credentials
        if person is None:
            return await self._refuse(claim, person, NotProved(Failure.UNKNOWN_PERSON))
        if credentials is None:
            return await self._refuse(claim, person, NotProved(Failure.NOT_ENROLLED))
        if not person.enabled:
            return await self._refuse(claim, person, NotProved(Failure.PERSON_DISABLED))
        if not found.held:
            return await self._refuse(claim, person, NotProved(Failure.WRONG_PASSWORD))
        if (failure := await self._use_code(claim, digest, found.code)) is not None:
            return await self._refuse(claim, person, failure)
        self._take_back(claim, digest)
        kind = "one-time" if digest is None else "recovery"
        await self._services.store.record(
            AuditEvent(
                AuditKind.LOST_REPORT_BEGUN,
                self._services.clock(),
                user=person.user,
                address=claim.address,
                detail=_detail(claim, code=kind),
            )
        )
        return Proved(person, Reporter(person.user, credentials.version))

    async def _look(self, claim: Claim) -> "_Found":
        """Look at password and one-time code; takes as long for nobody as for anybody."""
        store = self._services.store
        person, credentials = await store.person(claim.user), await store.credentials(claim.user)
        if self._nobodys_hash is None:
            words = secrets.token_urlsafe()
            self._nobodys_hash = await asyncio.to_thread(hash_password, words)
        hashed = self._nobodys_hash if credentials is None else credentials.password_hash
        held = await asyncio.to_thread(verify_password, hashed, claim.password)
        return _Found(person, credentials, held, self._check_code(claim, credentials))

    async def _good_recovery_code(self, claim: Claim) -> str | None:
        """Return the digest of the recovery code that was typed, if it may be used."""
        digest = self._recovery_digest(claim)
        if digest and await self._services.store.recovery_code_unused(claim.user, digest):
            return digest
        return None

    def _recovery_digest(self, claim: Claim) -> str | None:
        plain = plain_code(claim.recovery)
        return None if plain is None else code_digest(self._services.site_key, claim.user, plain)

    def _pace(self, claim: Claim, digest: str | None) -> datetime | None:
        now = self._services.clock()
        if digest is not None:
            return self._sheets.take(claim.user.encode(), now)
        pair = self._pair(claim)
        if (until := self._pairs.take(pair, now)) is not None:
            return until
        until = self._addresses.take(neighbourhood(claim.address), now)
        if until is not None:
            self._pairs.give_back(pair, now)
        return until

    def _take_back(self, claim: Claim, digest: str | None) -> None:
        if digest is None:
            now = self._services.clock()
            self._addresses.give_back(neighbourhood(claim.address), now)
            self._pairs.give_back(self._pair(claim), now)

    def _check_code(self, claim: Claim, credentials: Credentials | None) -> CodeResult:
        secret, last = self._nobodys_secret, 0
        if credentials is not None:
            secret = unseal(self._services.site_key, claim.user, credentials.sealed_totp)
            last = credentials.totp_last_step
        return check_totp(secret, claim.code, self._services.clock(), last)

    async def _use_code(
        self, claim: Claim, digest: str | None, code: CodeResult
    ) -> NotProved | None:
        """Use up the code with which the password held; return why that cannot be."""
        store = self._services.store
        if claim.recovery.strip():
            typed = self._recovery_digest(claim)
            known = None if typed is None else await store.recovery_code_unused(claim.user, typed)
            if typed is None or known is None:
                return NotProved(Failure.WRONG_CODE)
            used = digest is None or not await store.use_recovery_code(claim.user, typed)
            return NotProved(Failure.CODE_USED) if used else None
        match code:
            case CodeAccepted(step):
                # Of two requests with the same code one gets no further than here.
                burnt = await store.burn_step(claim.user, step)
                return None if burnt else NotProved(Failure.CODE_USED)
            case CodeUsed():
                return NotProved(Failure.CODE_USED)
            case ClockOutOfStep(seconds):
                return NotProved(Failure.CLOCK_OUT_OF_STEP, seconds)
            case CodeWrong():
                return NotProved(Failure.WRONG_CODE)

    async def _refuse(self, claim: Claim, person: Person | None, failure: NotProved) -> NotProved:
        await self._services.store.record(
            AuditEvent(
                AuditKind.LOST_REPORT_REFUSED,
                self._services.clock(),
                # A name that is nobody's may be a password in the wrong field.
                user="" if person is None else person.user,
                address=claim.address,
                reason=failure.failure.value,
                detail=_detail(claim),
            )
        )
        return failure

    def _pair(self, claim: Claim) -> bytes:
        # Of one password there are thousands of spellings; each would have a pace of its own.
        return digest_of(self._key, claim.user, stable_password(claim.password))


@dataclass(frozen=True, slots=True)
class _Found:
    """Whose name was typed, and what of it held."""

    person: Person | None
    credentials: Credentials | None
    held: bool
    code: CodeResult


def _detail(claim: Claim, **more: str) -> dict[str, str]:
    return {**({"request": claim.request} if claim.request else {}), **more}
