"""The pages of one's account: password, authenticator, recovery codes, sign out everywhere."""

from typing import Final

from aiohttp import web

from gateway.core.audit import AuditKind
from gateway.core.credentials import PASSWORD_MINIMUM
from gateway.core.pending import Ground, read_pending
from gateway.core.recovery import CODES
from gateway.portal.arriving import to_sign_in
from gateway.portal.authenticator import show_authenticator, show_recovery_codes
from gateway.portal.callers import Visitor, actor_of
from gateway.portal.changing import Changed, Changing
from gateway.portal.enrol import ENROLLING, is_of
from gateway.portal.enrolling import Enrolled
from gateway.portal.failures import Told, new_password_problem, tell
from gateway.portal.forms import read_form
from gateway.portal.messages import say
from gateway.portal.pages import language_of, render, see_other
from gateway.portal.proving import Failed, Failure, Form
from gateway.portal.repeats import MARK_MAXIMUM, new_mark
from gateway.portal.services import SERVICES
from gateway.portal.sign_in import say_goodbye
from gateway.store import SignInOvertaken

CHANGING: web.AppKey[Changing] = web.AppKey("changing", Changing)
ACCOUNT_PATH: Final = "/account"
PASSWORD_PATH: Final = f"{ACCOUNT_PATH}/password"
AUTHENTICATOR_PATH: Final = f"{ACCOUNT_PATH}/authenticator"
CONFIRM_PATH: Final = f"{AUTHENTICATOR_PATH}/confirm"
CODES_PATH: Final = f"{ACCOUNT_PATH}/recovery-codes"
SIGN_OUT_PATH: Final = f"{ACCOUNT_PATH}/sign-out"


async def show_account(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    """Show what there is to change."""
    if visitor.session is None:
        return to_sign_in(request)
    return await _overview(request, visitor)


async def show_form(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    """Ask for password and code, and for what the change needs besides."""
    if visitor.session is None:
        return to_sign_in(request)
    return await _form(request, visitor, request.rel_url.raw_path)


async def go_to_form(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    """Send whoever asks by its address for what only a form leads to, to the page above it."""
    del visitor
    return see_other(request.rel_url.raw_path.rpartition("/")[0])


async def change_password(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    """Let somebody have another password."""
    fields = await read_form(request)
    if visitor.session is None:
        return to_sign_in(request, ACCOUNT_PATH)
    new, old = fields.get("new", ""), fields.get("password", "")
    problem = new_password_problem(request, new, fields.get("again", ""))
    if problem is None and new == old:
        problem = say("password-same", language_of(request))
    if problem is not None:
        told = Told(problem, status=400)
        return await _form(request, visitor, PASSWORD_PATH, told, at="new")
    answer = await request.app[CHANGING].password(visitor, _proof(fields), new, mark=_mark(fields))
    if isinstance(answer, Failed):
        return await _form(request, visitor, PASSWORD_PATH, _tell(request, answer), at="proof")
    return await _overview(request, visitor, done="password-changed")


async def begin_authenticator(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    """Show the next authenticator to somebody who has the old one."""
    fields = await read_form(request)
    if visitor.session is None:
        return to_sign_in(request, ACCOUNT_PATH)
    answer = await request.app[CHANGING].authenticator(visitor, _proof(fields), mark=_mark(fields))
    if isinstance(answer, Failed):
        told = _tell(request, answer)
        return await _form(request, visitor, AUTHENTICATOR_PATH, told, at="proof")
    return show_authenticator(request, visitor, answer, action=CONFIRM_PATH)


async def confirm_authenticator(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    """Put the next authenticator in force, once it has shown its first code."""
    fields = await read_form(request)
    session, services = visitor.session, request.app[SERVICES]
    if session is None:
        return to_sign_in(request, ACCOUNT_PATH)
    token, language = fields.get("token", ""), language_of(request)
    pending = read_pending(services.site_key, token, services.clock())
    if (
        pending is None
        or not is_of(pending, visitor, Ground.ACCOUNT)
        or pending.proof != session.id
    ):
        told = Told(say("pending-over", language))
        return await _form(request, visitor, AUTHENTICATOR_PATH, told)
    answer = await request.app[ENROLLING].confirm(
        visitor, pending, fields.get("code", ""), mark=token
    )
    match answer:
        case Enrolled():
            return await _overview(request, visitor, done="authenticator-changed")
        case Failed(Failure.WRONG_CODE | Failure.CLOCK_OUT_OF_STEP):
            told = tell(request, answer, wrong="first-code-wrong")
            return show_authenticator(
                request,
                visitor,
                pending,
                action=CONFIRM_PATH,
                token=token,
                problem=told.problem,
                status=told.status,
            )
        case _:
            told = Told(say("pending-gone", language))
            return await _form(request, visitor, AUTHENTICATOR_PATH, told)


async def make_recovery_codes(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    """Show ten new recovery codes, this once."""
    fields = await read_form(request)
    if visitor.session is None:
        return to_sign_in(request, ACCOUNT_PATH)
    answer = await request.app[CHANGING].recovery_codes(visitor, _proof(fields), mark=_mark(fields))
    if isinstance(answer, Changed):
        return show_recovery_codes(request, visitor, answer.codes, action=ACCOUNT_PATH)
    return await _form(request, visitor, CODES_PATH, _tell(request, answer), at="proof")


async def sign_out_everywhere(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    """End every session of somebody, or every one but this."""
    fields = await read_form(request)
    if visitor.session is None:
        return to_sign_in(request, ACCOUNT_PATH)
    store, user = request.app[SERVICES].store, visitor.person.user
    try:
        await store.end_own_sessions(actor_of(visitor, visitor.session), None)
    except SignInOvertaken:
        return to_sign_in(request, ACCOUNT_PATH)
    if fields.get("which") == "others":
        return await _overview(request, visitor, done="others-signed-out")
    # What was opened between the two goes too.
    await store.end_sessions(user=user, kind=AuditKind.SIGNED_OUT, by=user)
    return say_goodbye()


async def _overview(
    request: web.Request, visitor: Visitor, *, done: str | None = None
) -> web.Response:
    store, user = request.app[SERVICES].store, visitor.person.user
    values: dict[str, object] = {
        "visitor": visitor,
        "done": None if done is None else say(done, language_of(request)),
        "codes_left": await store.recovery_codes_left(user),
        "sessions": len(await store.sessions(user=user)),
        "back": ACCOUNT_PATH,
    }
    return render(request, "account.html", values)


_FORMS: Final = {
    PASSWORD_PATH: "account_password.html",
    AUTHENTICATOR_PATH: "account_authenticator.html",
    CODES_PATH: "account_recovery_codes.html",
}


async def _form(
    request: web.Request,
    visitor: Visitor,
    path: str,
    told: Told | None = None,
    *,
    at: str = "",
) -> web.Response:
    store = request.app[SERVICES].store
    values: dict[str, object] = {
        "visitor": visitor,
        "mark": new_mark(),
        "problem": None if told is None else told.problem,
        "alarm": None if told is None else told.alarm,
        "at": at,
        "least": str(PASSWORD_MINIMUM),
        "codes_left": await store.recovery_codes_left(visitor.person.user),
        "codes_of": CODES,
        "back": path,
    }
    status, fields = (200, None) if told is None else (told.status, told.fields)
    return render(request, _FORMS[path], values, status=status, fields=fields)


def _proof(fields: dict[str, str]) -> Form:
    return Form(fields.get("user", ""), fields.get("password", ""), fields.get("code", ""))


def _mark(fields: dict[str, str]) -> str:
    return fields.get("mark", "")[:MARK_MAXIMUM]


def _tell(request: web.Request, failed: Failed) -> Told:
    if failed.failure is Failure.OVERTAKEN:
        return Told(say("account-overtaken", language_of(request)))
    return tell(request, failed, wrong="wrong")
