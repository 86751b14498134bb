"""What did not hold, in words: no more exactly than a stranger may know."""

from dataclasses import dataclass, field
from datetime import timedelta
from math import ceil
from typing import Final

from aiohttp import web
from markupsafe import Markup

from gateway.core.credentials import PASSWORD_MAXIMUM, PASSWORD_MINIMUM, PasswordFault, fault_of
from gateway.portal.messages import say
from gateway.portal.moments import span_in_words
from gateway.portal.pages import contact_link, language_of
from gateway.portal.proving import Failed, Failure
from gateway.portal.services import SERVICES

_WORDS: Final = {
    Failure.TICKET_ENDED: "ticket-ended",
    Failure.TICKET_GONE: "ticket-gone",
}


@dataclass(frozen=True, slots=True)
class Told:
    """A page's problem, the status that goes with it, and whom to tell if it was somebody else."""

    problem: str
    status: int = 403
    alarm: Markup | None = None
    fields: dict[str, str] = field(default_factory=dict)


def tell(request: web.Request, failed: Failed, *, wrong: str, used: str = "code-used") -> Told:
    """Say what *failed*; *wrong* and *used* are the sentences for what was typed on this page."""
    language = language_of(request)
    match failed.failure:
        case Failure.LOCKED:
            return _locked(request, failed)
        case Failure.CODE_USED:
            return Told(say(used, language))
        case Failure.CLOCK_OUT_OF_STEP:
            key = "clock-ahead" if failed.clock_seconds > 0 else "clock-behind"
            span = span_in_words(timedelta(seconds=abs(failed.clock_seconds)), language)
            return Told(say(key, language, span=span))
        case _:
            # Password, code, name: whoever does not know them learns nothing of which it was.
            return Told(say(_WORDS.get(failed.failure, wrong), language))


def _locked(request: web.Request, failed: Failed) -> Told:
    services, language = request.app[SERVICES], language_of(request)
    until = failed.until or services.clock()
    wait = max(until - services.clock(), timedelta(seconds=1))
    return Told(
        say("locked", language, span=span_in_words(wait, language)),
        status=429,
        alarm=contact_link(services.site) if services.site.contact else None,
        fields={"Retry-After": str(ceil(wait.total_seconds()))},
    )


def new_password_problem(request: web.Request, password: str, again: str) -> str | None:
    """Say why a new *password*, typed twice, cannot be taken; or None."""
    language, fault = language_of(request), fault_of(password)
    match fault:
        case PasswordFault.TOO_SHORT:
            return say("password-short", language, least=str(PASSWORD_MINIMUM))
        case PasswordFault.TOO_LONG:
            return say("password-long", language, most=str(PASSWORD_MAXIMUM))
        case PasswordFault.NO_TEXT:
            return say("password-no-text", language)
    return None if password == again else say("passwords-differ", language)
