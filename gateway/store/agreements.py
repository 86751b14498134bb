"""What people agree to and take back, each in one transaction with all that must be told of it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.core.agreements import DAY_MAXIMUM, Acceptance, Accepting, AgreementText
from gateway.core.audit import AuditKind
from gateway.core.changes import ChangeKind
from gateway.core.sessions import Session
from gateway.store import acceptances, certificates, sessions
from gateway.store.errors import SignInOvertaken
from gateway.store.steps import Step


@dataclass(frozen=True, slots=True)
class Signatory:
    """Who accepts or withdraws: by which session and certificate, from where.

    *request* is the request's id.
    """

    session: Session
    serial: str
    device: str
    address: str
    request: str = ""


async def accept(
    step: Step,
    signatory: Signatory,
    agreement: str,
    text: AgreementText,
    can_be: Callable[[datetime], bool],
) -> Accepting:
    """Write down that the *signatory* accepts *text* of *agreement*, unless they have already.

    *can_be* says whether that very text can be accepted at a moment; it is asked here, where
    nothing can change in between. Raises `SignInOvertaken` when session or certificate are over.
    """
    user = await _confirm(step, signatory)
    if not can_be(step.now):
        return Accepting.OUTDATED
    new = Acceptance(
        user=user,
        agreement=agreement,
        version=text.version,
        language=text.language,
        digest=text.digest,
        serial=signatory.serial,
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
        serial=signatory.serial,
        device=signatory.device,
        address=signatory.address,
        agreement=agreement,
        version=text.version,
        language=text.language,
        digest=text.digest,
        **_request(signatory),
    )
    step.change(ChangeKind.USER, user)
    return Accepting.ACCEPTED


async def withdraw_own(step: Step, signatory: Signatory, agreement: str) -> list[Acceptance]:
    """Let the *signatory* take back *agreement*; return what they had accepted of it.

    Raises `SignInOvertaken` when session or certificate are over.
    """
    user = await _confirm(step, signatory)
    return await step.withdraw_agreements(
        user,
        agreement,
        serial=signatory.serial,
        device=signatory.device,
        address=signatory.address,
        **_request(signatory),
    )


async def _confirm(step: Step, signatory: Signatory) -> str:
    """Return who the *signatory* is, if they still are signed in with a good certificate."""
    own = await sessions.find_session(step.connection, signatory.session.id)
    if own is None or not own.live(step.now):
        raise SignInOvertaken(signatory.session.user)
    await certificates.confirm_holder(step.connection, own.user, own.fingerprint, step.now)
    return own.user


def _request(signatory: Signatory) -> dict[str, str]:
    return {"request": signatory.request} if signatory.request else {}
