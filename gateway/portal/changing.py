"""What somebody who is signed in changes of their account, having proved once more who they are."""

from dataclasses import dataclass

from gateway.core.credentials import new_totp_secret
from gateway.core.pending import Ground, Pending
from gateway.core.recovery import code_digests
from gateway.portal.callers import Visitor
from gateway.portal.enrolling import change_of, fresh_codes
from gateway.portal.proving import Failed, Form, Proved, Proving
from gateway.portal.repeats import Repeats
from gateway.portal.services import Services
from gateway.store import Change, SignInOvertaken


@dataclass(frozen=True, slots=True)
class Changed:
    """It is so now. *codes* are the new recovery codes, if it is those."""

    codes: tuple[str, ...] = ()


class Changing:
    """Changes accounts; whatever did not hold is in the audit log when a method returns."""

    def __init__(self, services: Services, proving: Proving) -> None:
        self._services = services
        self._proving = proving
        self._repeats: Repeats[Changed | Failed] = Repeats(
            services.clock, lambda answer: isinstance(answer, Changed)
        )
        self._begun: Repeats[Pending | Failed] = Repeats(
            services.clock, lambda answer: isinstance(answer, Pending)
        )

    async def password(
        self, visitor: Visitor, form: Form, new: str, *, mark: str = ""
    ) -> Changed | Failed:
        """Give *visitor* another password; their other sessions end."""

        async def change() -> Changed | Failed:
            proved = await self._proving.prove_for_change(visitor, form)
            if isinstance(proved, Failed):
                return proved
            hashed = await self._proving.hash(new)
            try:
                await self._services.store.change_own_password(_change(visitor, proved), hashed)
            except SignInOvertaken:
                return await self._proving.overtaken(visitor)
            return Changed()

        return await self._repeats.once(mark, form.words(visitor, new), change)

    async def recovery_codes(
        self, visitor: Visitor, form: Form, *, mark: str = ""
    ) -> Changed | Failed:
        """Give *visitor* ten other recovery codes; those of before are worth nothing."""

        async def change() -> Changed | Failed:
            proved = await self._proving.prove_for_change(visitor, form)
            if isinstance(proved, Failed):
                return proved
            codes = fresh_codes()
            digests = code_digests(self._services.site_key, visitor.person.user, codes)
            try:
                await self._services.store.change_own_recovery_codes(
                    _change(visitor, proved), digests
                )
            except SignInOvertaken:
                return await self._proving.overtaken(visitor)
            return Changed(codes)

        return await self._repeats.once(mark, form.words(visitor), change)

    async def authenticator(
        self, visitor: Visitor, form: Form, *, mark: str = ""
    ) -> Pending | Failed:
        """Begin to replace the authenticator of *visitor*; the old one works until it is done."""
        return await self._begun.once(mark, form.words(visitor), lambda: self._begin(visitor, form))

    async def _begin(self, visitor: Visitor, form: Form) -> Pending | Failed:
        proved = await self._proving.prove_for_change(visitor, form)
        if isinstance(proved, Failed):
            return proved
        if visitor.session is None:
            return await self._proving.overtaken(visitor)
        pending = Pending(
            Ground.ACCOUNT,
            visitor.person.user,
            visitor.holder.fingerprint,
            visitor.session.id,
            new_totp_secret(),
            version=proved.credentials.version,
        )
        return await self._proving.show(visitor, pending)


def _change(visitor: Visitor, proved: Proved) -> Change:
    return change_of(visitor, proved.credentials.version)
