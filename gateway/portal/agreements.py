"""The pages of agreements: what is to be read and accepted, what was, and how to take it back."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import tzinfo
from typing import Final
from urllib.parse import urlencode

from aiohttp import web

from gateway.core.agreements import Acceptance, Accepting, AgreementDocument
from gateway.core.moments import plain_date
from gateway.core.refusals import Language, Refusal
from gateway.core.site import AGREEMENTS_PATH
from gateway.portal.agreeing import (
    Concern,
    accept,
    concern_in,
    concerns_of,
    opens_now,
)
from gateway.portal.arriving import after_form, to_sign_in
from gateway.portal.callers import Visitor, actor_of
from gateway.portal.forms import read_form
from gateway.portal.markdown import rendered
from gateway.portal.messages import say
from gateway.portal.moments import moment_in_words
from gateway.portal.pages import language_of, render, see_other
from gateway.portal.refuse import Refused
from gateway.portal.services import SERVICES
from gateway.portal.targets import ApplicationTarget
from gateway.store import SignInOvertaken
from policies.papers import AgreementVersion

WITHDRAW_PATH: Final = f"{AGREEMENTS_PATH}/withdraw"

_APP: Final = "app"
_READ: Final = "yes"
_SHOWN: Final = 50
"""How many lines of the record are shown, the newest; somebody may go back and forth for fun."""


@dataclass(frozen=True, slots=True)
class Line:
    """One acceptance, in words; *title* is that of the agreement, where there still is one."""

    title: str
    version: str
    language: str
    at: str
    digest: str
    serial: str
    withdrawn: str


def agreement_path(name: str, app: str = "", version: str = "") -> str:
    """Return the page of the agreement *name*, for somebody who wants to go on to *app*."""
    asked = {key: value for key, value in ((_APP, app), ("version", version)) if value}
    return f"{AGREEMENTS_PATH}/{name}" + (f"?{urlencode(asked)}" if asked else "")


async def show_agreements(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    """Show what there is to accept, what was accepted, and the record of it."""
    if visitor.session is None:
        return to_sign_in(request)
    services, language = request.app[SERVICES], language_of(request)
    record = await services.store.acceptances(user=visitor.person.user, own=True)
    concerns = _all_concerns(request, visitor, record)
    app = _asked(request, _APP)
    for one in concerns:
        if one.missing and app in {application.name for application in one.applications}:
            # Whoever comes for an application is brought to what it asks for.
            return see_other(agreement_path(one.document.name, app))
    titles = {one.document.name: one.document.title(language) for one in concerns}
    values: dict[str, object] = {
        "concerns": [
            {
                "path": agreement_path(one.document.name),
                "title": one.document.title(language),
                "state": _state(one, record, language),
                "missing": one.missing and bool(one.applications),
                "applications": ", ".join(app.title for app in one.applications),
            }
            for one in concerns
        ],
        "record": [
            _line(one, titles, language, services.site.time_zone)
            for one in record[: -_SHOWN - 1 : -1]
        ],
        "zone": services.site.time_zone.key,
    }
    return render(request, "agreements.html", values)


async def show_agreement(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    """Show one agreement: the version that is asked for, or any other, to be read again."""
    if visitor.session is None:
        return to_sign_in(request)
    concern, record = await _find(request, visitor)
    return _page(request, visitor, concern, record, version=_asked(request, "version"))


async def accept_agreement(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    """Take somebody's word, and bring them to the application that they came for."""
    fields = await read_form(request)
    if visitor.session is None:
        return to_sign_in(request)
    services, language = request.app[SERVICES], language_of(request)
    concern, record = await _find(request, visitor)
    app, version = fields.get(_APP, ""), fields.get("version", "")
    if fields.get("read") != _READ:
        problem = say("agree-tick", language)
        return _page(
            request, visitor, concern, record, version=version, app=app, problem=problem, status=400
        )
    name = concern.document.name
    try:
        actor = actor_of(visitor, visitor.session)
        outcome = await accept(services, actor, name, version, fields.get("digest", ""))
    except SignInOvertaken:
        return to_sign_in(request)
    if outcome is Accepting.OUTDATED:
        problem = say("agree-outdated", language)
        return _page(request, visitor, concern, record, app=app, problem=problem, status=409)
    if outcome is Accepting.TOO_OFTEN:
        problem = say("agree-too-often", language)
        return _page(request, visitor, concern, record, app=app, problem=problem, status=429)
    return await _go_on(request, visitor, name, app)


async def ask_withdrawal(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    """Ask whether somebody really wants to take back what they accepted, and say what it ends."""
    if visitor.session is None:
        return to_sign_in(request)
    concern, record = await _find(request, visitor)
    name, language = concern.document.name, language_of(request)
    if not any(_stands(one, name) for one in record):
        return see_other(agreement_path(name))
    values: dict[str, object] = {
        "name": name,
        "title": concern.document.title(language),
        "applications": ", ".join(app.title for app in concern.applications),
    }
    return render(request, "agreement_withdraw.html", values)


async def withdraw_agreement(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    """Take back everything that somebody accepted of one agreement; what rests on it is cut."""
    await read_form(request)
    if visitor.session is None:
        return to_sign_in(request)
    concern, _ = await _find(request, visitor)
    name = concern.document.name
    try:
        store = request.app[SERVICES].store
        await store.withdraw_own_agreement(actor_of(visitor, visitor.session), name)
    except SignInOvertaken:
        return to_sign_in(request)
    return see_other(agreement_path(name))


async def _go_on(request: web.Request, visitor: Visitor, name: str, app: str) -> web.StreamResponse:
    """Bring somebody who has accepted *name* to *app*, by way of what else it asks to accept."""
    services = request.app[SERVICES]
    holder = await services.store.holder(visitor.holder.fingerprint)
    if holder is not None and holder.person is not None:
        visitor = replace(visitor, holder=holder, person=holder.person)
    application = services.applications().get(app)
    if application is None:
        return see_other(agreement_path(name))
    if opens_now(services, visitor, application):
        return see_other(after_form(request, ApplicationTarget(application, "/")))
    for concern in concerns_of(services, visitor).values():
        if concern.missing and application in concern.applications:
            return see_other(agreement_path(concern.document.name, app))
    return see_other(agreement_path(name))


async def _find(request: web.Request, visitor: Visitor) -> tuple[Concern, list[Acceptance]]:
    """Return what the address names, if it is anything to *visitor*, and what they accepted."""
    name = request.rel_url.raw_path.rpartition("/")[2]
    services = request.app[SERVICES]
    record = await services.store.acceptances(user=visitor.person.user, own=True)
    for concern in _all_concerns(request, visitor, record):
        if concern.document.name == name:
            return concern, record
    raise Refused(Refusal.NOT_FOUND)


def _all_concerns(
    request: web.Request, visitor: Visitor, record: Iterable[Acceptance]
) -> list[Concern]:
    """Return what applications ask for, then what was accepted and nothing asks for any more."""
    services = request.app[SERVICES]
    found = concerns_of(services, visitor)
    documents, today = services.configuration().agreements, services.today()
    others = {one.agreement for one in record} - found.keys()
    return [
        *sorted(found.values(), key=lambda one: one.wanted is None),
        *(
            concern_in(documents[name], {}, visitor, today)
            for name in sorted(others)
            if name in documents
        ),
    ]


def _page(
    request: web.Request,
    visitor: Visitor,
    concern: Concern,
    record: Iterable[Acceptance],
    *,
    version: str = "",
    app: str | None = None,
    problem: str = "",
    status: int = 200,
) -> web.Response:
    services, language = request.app[SERVICES], language_of(request)
    document = concern.document
    shown = _version_named(document, version) or concern.shown
    standing = [one for one in record if _stands(one, document.name)]
    accepted = next((one for one in standing if one.version == shown.version), None)
    zone = services.site.time_zone
    app = _asked(request, _APP) if app is None else app
    values: dict[str, object] = {
        "title": document.title(language),
        **_text_values(document, shown, language),
        "asked": concern.wanted == shown,
        "missing": concern.missing,
        "accepted": None if accepted is None else _line(accepted, {}, language, zone),
        "standing": bool(standing),
        "others": [
            (one.version, agreement_path(document.name, app, one.version))
            for one in reversed(document.agreement.versions)
            if one != shown
        ],
        "opening": [one for one in concern.applications if opens_now(services, visitor, one)],
        "path": agreement_path(document.name),
        "withdraw": f"{WITHDRAW_PATH}/{document.name}",
        "app": app,
        "problem": problem,
        # A form that was refused, too, leads to the page that it stands on.
        "back": agreement_path(document.name, app, version),
    }
    return render(request, "agreement.html", values, status=status)


def _text_values(
    document: AgreementDocument, version: AgreementVersion, language: Language
) -> dict[str, object]:
    """Return the words of *version*, in *language* if it is written in that."""
    text = document.text(version.version, language)
    assert text is not None  # noqa: S101 - no version is read without a text
    other = say(f"agree-in-{text.language}", language) if text.language != language else ""
    return {
        "text": text,
        "html": rendered(text.markdown),
        "due": plain_date(version.due, language),
        "other_language": other,
    }


def _version_named(document: AgreementDocument, name: str) -> AgreementVersion | None:
    return next((one for one in document.agreement.versions if one.version == name), None)


def _stands(one: Acceptance, agreement: str) -> bool:
    return one.agreement == agreement and one.withdrawn_at is None


def _state(concern: Concern, record: Iterable[Acceptance], language: Language) -> str:
    """Say in words how somebody stands with an agreement."""
    standing = [one for one in record if _stands(one, concern.document.name)]
    if concern.wanted is None or not concern.applications:
        versions = ", ".join(dict.fromkeys(one.version for one in standing))
        return (
            say("agree-accepted", language, version=versions)
            if versions
            else say("agree-nothing", language)
        )
    if concern.missing:
        return say("agree-again" if standing else "agree-due", language)
    due = plain_date(concern.wanted.due, language)
    return say("agree-soon", language, due=due)


def _line(one: Acceptance, titles: Mapping[str, str], language: Language, zone: tzinfo) -> Line:
    withdrawn = one.withdrawn_at
    return Line(
        title=titles.get(one.agreement, one.agreement),
        version=one.version,
        language=one.language,
        at=moment_in_words(one.accepted_at, language, zone),
        digest=one.digest,
        serial=one.serial,
        withdrawn=moment_in_words(withdrawn, language, zone) if withdrawn else "",
    )


def _asked(request: web.Request, key: str) -> str:
    found = request.rel_url.query.getall(key, [])
    return found[0] if len(found) == 1 else ""
