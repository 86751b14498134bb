"""What people agree to and take back, each in one transaction with all that must be told of it."""

from collections.abc import Callable
from datetime import datetime, timedelta

from gateway.core.agreements import DAY_MAXIMUM, Acceptance, Accepting, AgreementText
from gateway.core.audit import AuditKind
from gateway.core.changes import ChangeKind
from gateway.store import acceptances
from gateway.store.accounts import Actor, confirm_session
from gateway.store.steps import Step


async def accept(
    step: Step,
    actor: Actor,
    agreement: str,
    text: AgreementText,
    can_be: Callable[[datetime], bool],
) -> Accepting:
    """Write down that the *actor* accepts *text* of *agreement*, unless they have already.

    *can_be* says whether that very text can be accepted at a moment; it is asked here, where
    nothing can change in between. Raises `SignInOvertaken` when session or certificate are over.
    """
    await confirm_session(step, actor.session)
    user = actor.session.user
    if not can_be(step.now):
        return Accepting.OUTDATED
    new = Acceptance(
        user=user,
        agreement=agreement,
        version=text.version,
        language=text.language,
        digest=text.digest,
        serial=actor.serial,
        accepted_at=step.now,
    )
    standing = await acceptances.list_acceptances(
        step.connection, user=user, agreement=agreement, standing=True
    )
    if any(one.mark == new.mark for one in standing):
        return Accepting.ALREADY
    since = step.now - timedelta(days=1)
    if await acceptances.count_since(step.connection, user, since) >= DAY_MAXIMUM:
        return Accepting.TOO_OFTEN
    await acceptances.insert_acceptance(step.connection, new)
    step.note(
        AuditKind.AGREEMENT_ACCEPTED,
        user=user,
        serial=actor.serial,
        device=actor.device,
        address=actor.address,
        agreement=agreement,
        version=text.version,
        language=text.language,
        digest=text.digest,
        **actor.detail,
    )
    step.change(ChangeKind.USER, user)
    return Accepting.ACCEPTED


async def withdraw_own(step: Step, actor: Actor, agreement: str) -> list[Acceptance]:
    """Let the *actor* take back *agreement*; return what they had accepted of it.

    Raises `SignInOvertaken` when session or certificate are over.
    """
    await confirm_session(step, actor.session)
    user = actor.session.user
    return await step.withdraw_agreements(
        user,
        agreement,
        serial=actor.serial,
        device=actor.device,
        address=actor.address,
        **actor.detail,
    )
