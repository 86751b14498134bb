"""Codes that somebody who is signed in gives once more, because an application wants a fresh one."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from gateway.core.audit import AuditKind
from gateway.core.sessions import Session
from gateway.portal.callers import Visitor
from gateway.portal.enrolling import change_of
from gateway.portal.proving import Failed, Failure, Form, Proving
from gateway.portal.repeats import Repeats
from gateway.portal.services import Services
from gateway.portal.targets import ApplicationTarget, Target
from gateway.store import SignInOvertaken
from policies.model import CLOCKS_DIFFER

JUST_NOW: Final = timedelta(seconds=20)
"""Whoever has given a code so lately is asked for none: shorter than any rule can want it."""
_AHEAD: Final = timedelta(minutes=1)
"""How long before a lifetime is over a password is asked for: clocks differ, and people type."""


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The session is as fresh as it can be."""


class Confirming:
    """Takes codes, and passwords where the sign-in itself is too old."""

    def __init__(self, services: Services, proving: Proving) -> None:
        self._services = services
        self._proving = proving
        self._repeats: Repeats[Confirmed | Failed] = Repeats(
            services.clock, lambda answer: isinstance(answer, Confirmed)
        )

    def wants_password(self, session: Session, target: Target) -> bool:
        """Say whether *target* wants a whole sign-in again, or will before long."""
        if not isinstance(target, ApplicationTarget):
            return False
        lifetime = target.application.policy.lifetime
        now, since = self._services.clock(), session.signed_in_at
        return lifetime is not None and not now + _AHEAD - lifetime < since <= now + CLOCKS_DIFFER

    def is_fresh(self, session: Session, target: Target) -> bool:
        """Say whether what *target* may want was given just now, in another window perhaps."""
        now = self._services.clock()
        whole = self.wants_password(session, target)
        given = session.signed_in_at if whole else session.last_proof
        return now - JUST_NOW <= given <= now + CLOCKS_DIFFER

    async def confirm(
        self, visitor: Visitor, form: Form, *, password: bool, mark: str = ""
    ) -> Confirmed | Failed:
        """Take the code of *visitor*, and with *password* that too; a failure is recorded.

        A form with *mark* that comes twice is one attempt.
        """
        words = form.words(visitor, "password" if password else "")
        return await self._repeats.once(
            mark, words, lambda: self._confirm(visitor, form, password=password)
        )

    async def _confirm(self, visitor: Visitor, form: Form, *, password: bool) -> Confirmed | Failed:
        result = await self._prove(visitor, form, password=password)
        if isinstance(result, Failed):
            await self._proving.record(visitor, result, AuditKind.CODE_REFUSED)
        return result

    async def _prove(self, visitor: Visitor, form: Form, *, password: bool) -> Confirmed | Failed:
        attempt = 0
        if password:
            proved = await self._proving.prove(visitor, form)
            if isinstance(proved, Failed):
                return proved
            version = proved.credentials.version
        else:
            given = await self._proving.prove_code(visitor, form.code)
            if isinstance(given, Failed):
                return given
            credentials, attempt = given
            version = credentials.version
        try:
            change = change_of(visitor, version)
            await self._services.store.prove_again(change, attempt, password=password)
        except SignInOvertaken:
            return Failed(Failure.OVERTAKEN)
        return Confirmed()
