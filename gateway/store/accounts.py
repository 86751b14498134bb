"""What people change of their own account, each in one transaction.

Nothing is taken from a form alone: certificate, session and the version of the credentials that
were proved are looked at once more here, where nothing can change in between.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.core.audit import AuditKind
from gateway.core.changes import ChangeKind
from gateway.core.sessions import Session
from gateway.store import attempts, certificates, people, recovery, sessions, tickets
from gateway.store.errors import SignInOvertaken, TicketGone
from gateway.store.sessions import SessionRecord
from gateway.store.steps import Step


@dataclass(frozen=True, slots=True)
class NewTotp:
    """A new authenticator secret, sealed, and the step of the code that has confirmed it."""

    sealed: bytes
    step: int


@dataclass(frozen=True, slots=True)
class NewCredentials:
    """All that somebody who enrols gets; of the recovery codes only digests are kept."""

    password_hash: str
    totp: NewTotp
    recovery_digests: Sequence[str]


@dataclass(frozen=True, slots=True)
class Change:
    """Who changes something: a *session* with its certificate, and what they have proved.

    *version* is that of the credentials that were proved; *request* is the id of the request.
    """

    session: SessionRecord
    version: int
    request: str = ""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something at the portal: by which session and certificate, from where.

    *request* is the id of the request.
    """

    session: Session
    serial: str
    device: str
    address: str
    request: str = ""

    @property
    def detail(self) -> dict[str, str]:
        """What audit lines say besides: the request, where it has an id."""
        return {"request": self.request} if self.request else {}


async def enrol(
    step: Step, opened: SessionRecord, ticket: str, new: NewCredentials, request: str
) -> None:
    """Use up the *ticket* (a digest), give its owner *new* credentials, and open a session.

    Whatever they had before, and every session, ends. Raises `TicketGone` when the ticket was used
    or has ended, `SignInOvertaken` when certificate or person are not what they were; then nothing
    has changed.
    """
    connection, session = step.connection, opened.session
    user = session.user
    await certificates.confirm_holder(connection, user, session.fingerprint, step.now)
    if not await tickets.use_ticket(connection, user, ticket, step.now):
        raise TicketGone(user)
    replaced = await people.find_credentials(connection, user) is not None
    await people.change_person(
        connection,
        user,
        password_hash=new.password_hash,
        sealed_totp=new.totp.sealed,
        totp_last_step=new.totp.step,
    )
    await recovery.replace_codes(connection, user, new.recovery_digests, step.now)
    _note(step, AuditKind.ENROLLED, opened, request, replaced="yes" if replaced else "no")
    codes = str(len(new.recovery_digests))
    _note(step, AuditKind.RECOVERY_CODES_MADE, opened, request, codes=codes)
    await step.end_sessions(sessions.selected(user=user), reason=AuditKind.ENROLLED)
    await _open(step, opened)


async def recover(
    step: Step, opened: SessionRecord, version: int, code: str, totp: NewTotp, request: str
) -> None:
    """Use up a recovery *code* (a digest), give its owner another secret, and open a session.

    Raises `SignInOvertaken`, and changes nothing, when the code was used meanwhile or the
    credentials are not of that *version* any more.
    """
    connection, session = step.connection, opened.session
    user = session.user
    await certificates.confirm_sign_in(connection, user, session.fingerprint, version, step.now)
    if not await recovery.use_code(connection, user, code, step.now):
        raise SignInOvertaken(user)
    await _set_totp(step, opened, totp, request, by="recovery-code")
    await step.end_sessions(sessions.selected(user=user), reason=AuditKind.TOTP_CHANGED)
    await _open(step, opened)


async def prove_again(step: Step, change: Change, attempt: int, *, password: bool) -> None:
    """Note that somebody who is signed in has given a code, and with *password* that as well.

    Their attempt, the so-manyeth, was none; after a password all are forgiven. Raises
    `SignInOvertaken`, and changes nothing, when session or credentials are others by now.
    """
    await confirm(step, change)
    session = change.session.session
    await sessions.prove(step.connection, session.id, step.now, password=password)
    if password:
        await attempts.clear_attempts(step.connection, session.fingerprint)
    else:
        # Whoever has the telephone does not thereby get more guesses at the password.
        await attempts.take_back(step.connection, session.fingerprint, attempt, step.now)
    proved = "password-and-code" if password else "code"
    _note(
        *(step, AuditKind.CODE_CONFIRMED, change.session, change.request),
        session=session.id,
        proved=proved,
    )
    step.change(ChangeKind.SESSION, session.id)


async def change_password(step: Step, change: Change, password_hash: str) -> None:
    """Let somebody have another password; their other sessions end. Or `SignInOvertaken`."""
    await confirm(step, change)
    user = change.session.session.user
    await people.change_person(step.connection, user, password_hash=password_hash)
    _note(step, AuditKind.PASSWORD_CHANGED, change.session, change.request)
    step.change(ChangeKind.USER, user)
    await _end_others(step, change, AuditKind.PASSWORD_CHANGED)


async def change_totp(step: Step, change: Change, totp: NewTotp) -> None:
    """Let somebody have another secret; their other sessions end. Or `SignInOvertaken`."""
    await confirm(step, change)
    await _set_totp(step, change.session, totp, change.request, by="code")
    await _end_others(step, change, AuditKind.TOTP_CHANGED)


async def change_recovery_codes(step: Step, change: Change, digests: Sequence[str]) -> None:
    """Let somebody have other recovery codes; sessions stay. Or `SignInOvertaken`."""
    await confirm(step, change)
    user = change.session.session.user
    await people.change_person(step.connection, user)
    await recovery.replace_codes(step.connection, user, digests, step.now)
    codes = str(len(digests))
    _note(step, AuditKind.RECOVERY_CODES_MADE, change.session, change.request, codes=codes)


async def confirm(step: Step, change: Change) -> None:
    """Raise `SignInOvertaken` unless all that *change* rests on is still so."""
    session = change.session.session
    await certificates.confirm_sign_in(
        step.connection, session.user, session.fingerprint, change.version, step.now
    )
    await _confirm_live(step, session)


async def confirm_session(step: Step, session: Session) -> None:
    """Raise `SignInOvertaken` unless *session* and its certificate are still in force."""
    await certificates.confirm_holder(step.connection, session.user, session.fingerprint, step.now)
    await _confirm_live(step, session)


async def _confirm_live(step: Step, session: Session) -> None:
    now = await sessions.find_session(step.connection, session.id)
    if (
        now is None
        or not now.live(step.now)
        or (now.user, now.fingerprint) != (session.user, session.fingerprint)
    ):
        raise SignInOvertaken(session.user)


async def _set_totp(
    step: Step, session: SessionRecord, totp: NewTotp, request: str, *, by: str
) -> None:
    user = session.session.user
    await people.change_person(
        step.connection, user, sealed_totp=totp.sealed, totp_last_step=totp.step
    )
    _note(step, AuditKind.TOTP_CHANGED, session, request, proved=by)
    step.change(ChangeKind.USER, user)


async def _end_others(step: Step, change: Change, cause: AuditKind) -> None:
    own = change.session.session
    await step.end_sessions(sessions.selected(user=own.user, but=own.id), reason=cause)


async def _open(step: Step, opened: SessionRecord) -> None:
    session = opened.session
    step.change(ChangeKind.USER, session.user)
    await sessions.insert_session(step.connection, session, opened.device, opened.serial)
    await attempts.clear_attempts(step.connection, session.fingerprint)
    _note(step, AuditKind.SIGNED_IN, opened, session=session.id)


def _note(
    step: Step, kind: AuditKind, who: SessionRecord, request: str = "", **detail: str
) -> None:
    step.note(
        kind,
        user=who.session.user,
        serial=who.serial,
        device=who.device,
        address=who.session.address,
        **detail,
        **({"request": request} if request else {}),
    )
