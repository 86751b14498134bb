"""From what somebody has proved to a session, bound to their certificate."""

import secrets
from dataclasses import dataclass

from gateway.core.credentials import new_totp_secret
from gateway.core.pending import Ground, Pending
from gateway.core.sessions import SESSION_ID_BYTES, Session, SessionId
from gateway.portal.callers import Visitor
from gateway.portal.proving import Failed, Failure, Form, Proved, Proving
from gateway.portal.repeats import Repeats
from gateway.portal.services import Services
from gateway.store import Credentials, SignInOvertaken
from policies.model import Level


@dataclass(frozen=True, slots=True)
class SignedIn:
    """All held; the session is open."""

    session: Session


def new_session(services: Services, visitor: Visitor) -> Session:
    """Make the session that *visitor* gets now; nothing is written yet."""
    now, holder = services.clock(), visitor.holder
    return Session(
        id=SessionId(secrets.token_bytes(SESSION_ID_BYTES).hex()),
        user=visitor.person.user,
        fingerprint=holder.fingerprint,
        level=Level.PASSWORD_TOTP,
        created_at=now,
        expires_at=min(now + services.site.session_lifetime, holder.not_after),
        address=visitor.address,
    )


class SignIn:
    """Signs people in."""

    def __init__(self, services: Services, proving: Proving) -> None:
        self._services = services
        self._proving = proving
        self._repeats: Repeats[SignedIn | Pending | Failed] = Repeats(
            services.clock, lambda answer: not isinstance(answer, Failed)
        )

    async def attempt(
        self, visitor: Visitor, form: Form, *, mark: str = ""
    ) -> SignedIn | Pending | Failed:
        """Let *visitor* try; a failure is in the audit log before this returns.

        With a recovery code nobody is signed in yet: they get what their next authenticator is
        about to be, and the code is used up when they have confirmed it. A form with *mark* that
        comes twice is one attempt.
        """
        words = (visitor.holder.fingerprint, form.user, form.password, form.code, form.recovery)
        return await self._repeats.once(mark, words, lambda: self._attempt(visitor, form))

    async def _attempt(self, visitor: Visitor, form: Form) -> SignedIn | Pending | Failed:
        proved = await self._proving.prove(visitor, form)
        if isinstance(proved, Proved):
            result = (
                self._replacing(visitor, proved)
                if proved.recovery
                else await self._open(visitor, proved.credentials)
            )
        else:
            result = proved
        if isinstance(result, Failed):
            await self._proving.record(visitor, result)
        elif isinstance(result, Pending):
            await self._proving.show(visitor, result)
        return result

    def _replacing(self, visitor: Visitor, proved: Proved) -> Pending:
        return Pending(
            Ground.RECOVERY,
            visitor.person.user,
            visitor.holder.fingerprint,
            proved.recovery,
            new_totp_secret(),
            version=proved.credentials.version,
        )

    async def _open(self, visitor: Visitor, verified: Credentials) -> SignedIn | Failed:
        holder, session = visitor.holder, new_session(self._services, visitor)
        try:
            await self._services.store.open_session(
                session, holder.device, holder.serial, verified=verified
            )
        except SignInOvertaken:
            return Failed(Failure.OVERTAKEN)
        return SignedIn(session)
