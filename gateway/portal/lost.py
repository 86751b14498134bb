"""The pages of a lost stick, on the public host: who are you, which one, and it is revoked.

Two steps without a cookie: what the first has proved travels in the second's form, in a sealed
token that is good for a few minutes and for this alone. So nothing is left on a borrowed phone.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from math import ceil
from typing import Final

from aiohttp import web

from gateway.core.headers import EDGE_ADDRESS
from gateway.core.lost import (
    EVERYTHING,
    Belonging,
    Reported,
    Reporter,
    mint_token,
    read_choice,
    read_token,
)
from gateway.core.refusals import Language
from gateway.core.sealing import NONCE_BYTES
from gateway.core.site import LOST_PATH
from gateway.mail.letters import Report, letters_of
from gateway.portal.forms import read_form
from gateway.portal.messages import say
from gateway.portal.moments import date_in_words, span_in_words
from gateway.portal.pages import language_of, render, see_other
from gateway.portal.public import refuse_foreign
from gateway.portal.refuse import request_id
from gateway.portal.repeats import MARK_MAXIMUM, new_mark
from gateway.portal.reporting import (
    Busy,
    Claim,
    Failure,
    Identification,
    NotProved,
    Proved,
    Slowed,
)
from gateway.portal.services import SERVICES
from gateway.store import SignInOvertaken

IDENTIFICATION: web.AppKey[Identification] = web.AppKey("identification", Identification)
REVOKE_PATH: Final = f"{LOST_PATH}/revoke"

_BY: Final = "portal"
_SERIAL_SHOWN: Final = 6
_BUSY_SECONDS: Final = 5


@dataclass(frozen=True, slots=True)
class Choice:
    """What is revoked together, in words: a device with its certificates, or one of another CA."""

    value: str
    name: str
    certificates: tuple[str, ...]


async def show_lost(request: web.Request) -> web.StreamResponse:
    """Ask who somebody is."""
    return _ask(request)


async def go_to_lost(request: web.Request) -> web.StreamResponse:
    """Send whoever asks for the second page by its address back to the first."""
    del request
    return see_other(LOST_PATH)


async def identify(request: web.Request) -> web.StreamResponse:
    """Take name, password and code; show what can be revoked, or say what did not hold."""
    refuse_foreign(request)
    fields = await read_form(request)
    claim = Claim(
        # Telephones begin with a capital, whatever the field asks for; no name of ours does.
        user=fields.get("user", "").strip().lower(),
        password=fields.get("password", ""),
        code=fields.get("code", ""),
        recovery=fields.get("recovery", ""),
        address=request.headers.get(EDGE_ADDRESS, ""),
        mark=fields.get("mark", "")[:MARK_MAXIMUM],
        request=request_id(request),
    )
    answer = await request.app[IDENTIFICATION].identify(claim)
    if isinstance(answer, Proved):
        services = request.app[SERVICES]
        nonce = os.urandom(NONCE_BYTES)
        token = mint_token(services.site_key, answer.reporter, services.clock(), nonce)
        return await _offer(request, answer.reporter, token)
    return _not_proved(request, answer, on_paper=bool(claim.recovery))


async def revoke(request: web.Request) -> web.StreamResponse:
    """Revoke what was chosen, at once and everywhere, and say so."""
    refuse_foreign(request)
    fields = await read_form(request)
    services, language = request.app[SERVICES], language_of(request)
    token = fields.get("token", "")
    reporter = read_token(services.site_key, token, services.clock())
    if reporter is None:
        return _ask(request, problem=say("lost-too-late", language), status=403)
    lost = read_choice(fields.get("lost", ""))
    if lost is None:
        problem = say("lost-choose-one", language)
        return await _offer(request, reporter, token, problem=problem, status=400)
    try:
        reported = await services.store.report_lost(
            reporter,
            lost,
            address=request.headers.get(EDGE_ADDRESS, ""),
            request=request_id(request),
            by=_BY,
        )
    except SignInOvertaken:
        return _overtaken(request)
    if reported.ended:
        _tell(request, reported)
    return _choose(request, reported, token, done=True)


async def _offer(
    request: web.Request,
    reporter: Reporter,
    token: str,
    *,
    problem: str | None = None,
    status: int = 200,
) -> web.Response:
    """Show what *reporter* has, if what they have proved is still so."""
    try:
        view = await request.app[SERVICES].store.reporter(reporter)
    except SignInOvertaken:
        return _overtaken(request)
    nothing_done = Reported(view.person, (), view.belongings)
    return _choose(request, nothing_done, token, problem=problem, status=status)


def _overtaken(request: web.Request) -> web.Response:
    return _ask(request, problem=say("lost-overtaken", language_of(request)), status=403)


def _tell(request: web.Request, reported: Reported) -> None:
    """Write to administrators and person; what is told is durable already."""
    services = request.app[SERVICES]
    site = services.site
    if site.mail.server is None:
        return
    report = Report(
        reported.person,
        reported.ended,
        services.clock(),
        request.headers.get(EDGE_ADDRESS, ""),
        request_id(request),
    )
    for letter in letters_of(site, report, language_of(request)):
        services.post(letter)


def _ask(
    request: web.Request,
    *,
    problem: str | None = None,
    on_paper: bool = False,
    status: int = 200,
    fields: dict[str, str] | None = None,
) -> web.Response:
    # What was typed is not shown again: password managers type it, and a name that is nobody's
    # may be a password.
    values: dict[str, object] = {
        "problem": problem,
        "alarm": None,
        "on_paper": on_paper,
        "mark": new_mark(),
    }
    return render(request, "lost.html", values, status=status, fields=fields)


def _not_proved(
    request: web.Request, answer: NotProved | Slowed | Busy, *, on_paper: bool
) -> web.Response:
    """Say what did not hold, no more exactly than a stranger may know."""
    language = language_of(request)
    match answer:
        case Slowed(until):
            wait = max(until - request.app[SERVICES].clock(), timedelta(seconds=1))
            problem = say("lost-slowed", language, span=span_in_words(wait, language))
            seconds = ceil(wait.total_seconds())
            return _ask(request, problem=problem, status=429, fields=_retry(seconds))
        case Busy():
            problem = say("lost-busy", language)
            return _ask(request, problem=problem, status=503, fields=_retry(_BUSY_SECONDS))
        case NotProved(Failure.CODE_USED):
            problem = say("lost-code-used", language)
        case NotProved(Failure.CLOCK_OUT_OF_STEP, seconds) if seconds < 0:
            # Of a clock that is ahead nothing is said: whoever guesses would learn a code that is
            # still to come, and sign in with it and the stick.
            span = span_in_words(timedelta(seconds=-seconds), language)
            problem = say("clock-behind", language, span=span)
        case _:
            # Name, password, code: whoever does not know them learns nothing of which it was.
            problem = say("lost-wrong", language)
    return _ask(request, problem=problem, on_paper=on_paper, status=403)


def _retry(seconds: int) -> dict[str, str]:
    return {"Retry-After": str(seconds)}


def _choose(  # one page, before and after
    request: web.Request,
    reported: Reported,
    token: str,
    *,
    done: bool = False,
    problem: str | None = None,
    status: int = 200,
) -> web.Response:
    services, language = request.app[SERVICES], language_of(request)
    now, zone = services.clock(), services.site.time_zone
    values: dict[str, object] = {
        "person": reported.person,
        "token": token,
        "choices": choices_of(reported.left, now, language, zone),
        "everything": EVERYTHING,
        "done": done,
        "revoked": choices_of(reported.ended, now, language, zone),
        "problem": problem,
        "alarm": None,
        "request_number": request_id(request),
    }
    return render(request, "lost_certificates.html", values, status=status)


def choices_of(
    belongings: Iterable[Belonging], now: datetime, language: Language, zone: tzinfo
) -> tuple[Choice, ...]:
    """Return what there is to choose from, each device once, in the order of *belongings*."""
    together: dict[str, list[Belonging]] = {}
    for one in belongings:
        together.setdefault(one.choice, []).append(one)
    return tuple(
        Choice(
            value,
            ones[0].device or ones[0].trust,
            tuple(_in_words(one, now, language, zone) for one in ones),
        )
        for value, ones in together.items()
    )


def _in_words(one: Belonging, now: datetime, language: Language, zone: tzinfo) -> str:
    words = [
        say("lost-serial", language, serial=one.serial[-_SERIAL_SHOWN:]),
        say("lost-since", language, date=date_in_words(one.since, language, zone)),
    ]
    if one.last_sign_in is not None:
        span = span_in_words(max(now - one.last_sign_in, timedelta(seconds=1)), language)
        words.append(say("lost-used", language, span=span))
    if one.held:
        words.append(say("lost-held", language))
    return ", ".join(words)
