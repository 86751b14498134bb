"""The page that asks somebody who is signed in for a fresh code, and brings them on."""

from typing import Final

from aiohttp import web

from gateway.portal.arriving import (
    after_form,
    asked_target,
    next_address,
    read_target,
    with_target,
    written_target,
)
from gateway.portal.callers import Visitor
from gateway.portal.confirming import Confirmed, Confirming
from gateway.portal.failures import Told, tell
from gateway.portal.forms import read_form
from gateway.portal.messages import say
from gateway.portal.pages import language_of, render, see_other
from gateway.portal.proving import Failed, Failure, Form
from gateway.portal.repeats import MARK_MAXIMUM, new_mark
from gateway.portal.targets import ApplicationTarget, Target

CONFIRM_PATH: Final = "/confirm"
CONFIRMING: web.AppKey[Confirming] = web.AppKey("confirming", Confirming)


async def show_confirm(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    """Ask for a code; whoever is not signed in is asked for all, whoever just was for nothing."""
    target, session = asked_target(request), visitor.session
    if session is None:
        return see_other(with_target("/sign-in", request, target))
    if not isinstance(target, ApplicationTarget) or request.app[CONFIRMING].is_fresh(
        session, target
    ):
        return see_other(next_address(request, session, target))
    return _ask(request, visitor, target)


async def confirm(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    """Take the code, and go on; or say what did not hold."""
    fields = await read_form(request)
    target, session = read_target(request, fields.get("to", "")), visitor.session
    if session is None:
        return see_other(with_target("/sign-in", request, target))
    confirming = request.app[CONFIRMING]
    if confirming.is_fresh(session, target):
        # A form that was sent twice, or from two windows: the first one has done its work.
        return see_other(after_form(request, target))
    form = Form(
        user=fields.get("user", ""),
        password=fields.get("password", ""),
        code=fields.get("code", ""),
    )
    password = confirming.wants_password(session, target)
    mark = fields.get("mark", "")[:MARK_MAXIMUM]
    answer = await confirming.confirm(visitor, form, password=password, mark=mark)
    if isinstance(answer, Confirmed):
        return see_other(after_form(request, target))
    return _ask(request, visitor, target, _tell(request, answer, password=password))


def _tell(request: web.Request, failed: Failed, *, password: bool) -> Told:
    if failed.failure is Failure.OVERTAKEN:
        return Told(say("account-overtaken", language_of(request)))
    return tell(request, failed, wrong="wrong" if password else "confirm-wrong")


def _ask(
    request: web.Request, visitor: Visitor, target: Target, told: Told | None = None
) -> web.Response:
    confirming, session = request.app[CONFIRMING], visitor.session
    assert session is not None  # noqa: S101 - looked at before
    values: dict[str, object] = {
        "visitor": visitor,
        "title": target.application.title if isinstance(target, ApplicationTarget) else "",
        "with_password": confirming.wants_password(session, target),
        "to": written_target(request, target),
        "mark": new_mark(),
        "problem": None if told is None else told.problem,
        "alarm": None if told is None else told.alarm,
        # Of a form that failed, the way is in the form and not in the address.
        "back": with_target(CONFIRM_PATH, request, target),
    }
    status, fields = (200, None) if told is None else (told.status, told.fields)
    return render(request, "confirm.html", values, status=status, fields=fields)
