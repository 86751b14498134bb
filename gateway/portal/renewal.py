"""The pages on which people renew the certificate that they show."""

from typing import Final

from aiohttp import web
from cryptography.hazmat.primitives.serialization import Encoding

from ca.errors import BundleRefused
from ca.targets import Target
from gateway.core.credentials import PASSWORD_MINIMUM
from gateway.core.renewals import UNANSWERED, Renewal, RenewalState, Standing, Way
from gateway.portal.arriving import to_sign_in
from gateway.portal.callers import Visitor
from gateway.portal.failures import Told, tell
from gateway.portal.forms import read_form
from gateway.portal.messages import say
from gateway.portal.moments import date_in_words, span_in_words
from gateway.portal.pages import language_of, render, see_other
from gateway.portal.proving import Failed, Failure, Form
from gateway.portal.renewing import Begun, NotToBe, Renewing
from gateway.portal.repeats import MARK_MAXIMUM, new_mark
from gateway.portal.services import SERVICES

RENEWING: web.AppKey[Renewing] = web.AppKey("renewing", Renewing)
RENEWAL_PATH: Final = "/renewal"
KEY_PATH: Final = f"{RENEWAL_PATH}/key"
STICK_PATH: Final = f"{RENEWAL_PATH}/renewal.tar"
CERTIFICATE_PATH: Final = f"{RENEWAL_PATH}/certificate.pem"

_TARGETS: Final = (
    (Target.FIREFOX, "for-firefox"),
    (Target.WINDOWS, "for-windows"),
    (Target.MACOS, "for-macos"),
    (Target.ANDROID, "for-android"),
    (Target.MODERN, "for-others"),
)


async def show_renewal(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    """Show how far it is: what can be chosen, that it is under way, or what there is to fetch."""
    if visitor.session is None:
        return to_sign_in(request, RENEWAL_PATH)
    renewing = request.app[RENEWING]
    standing = await renewing.standing(visitor)
    if standing is not None and _state_of(standing) == "waiting" and standing.asked is not None:
        # A page that reloads itself would talk over whoever has it read to them.
        await renewing.settled(visitor, standing.asked.id)
    return await _page(request, visitor)


async def begin(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    """Take what was chosen, and password and code; ask the authority, and wait a little for it."""
    fields = await read_form(request)
    if visitor.session is None:
        return to_sign_in(request, RENEWAL_PATH)
    try:
        way = Way(fields.get("way", ""))
    except ValueError:
        told = Told(say("renew-choose", language_of(request)), status=400)
        return await _page(request, visitor, told, at="way")
    form = Form(fields.get("user", ""), fields.get("password", ""), fields.get("code", ""))
    renewing = request.app[RENEWING]
    answer = await renewing.begin(visitor, form, way, mark=fields.get("mark", "")[:MARK_MAXIMUM])
    if isinstance(answer, Failed):
        return await _page(request, visitor, _tell(request, answer), at="proof", way=way)
    if isinstance(answer, NotToBe):
        return see_other(RENEWAL_PATH)
    return await _go_on(request, visitor, answer)


async def _go_on(request: web.Request, visitor: Visitor, begun: Begun) -> web.Response:
    settled = await request.app[RENEWING].settled(visitor, begun.renewal.id)
    if not begun.token or settled is None or settled.state is RenewalState.REFUSED:
        return see_other(RENEWAL_PATH)
    return _key_page(request, visitor, settled, begun.token)


async def fetch_key(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    """Hand over the new key in a file, this once."""
    fields = await read_form(request)
    if visitor.session is None:
        return to_sign_in(request, RENEWAL_PATH)
    renewing, language = request.app[RENEWING], language_of(request)
    token = fields.get("token", "")
    new = renewing.key_of(visitor, token)
    settled = None if new is None else await renewing.settled(visitor, new.renewal_id)
    if new is None or settled is None or settled.state is not RenewalState.SIGNED:
        if settled is not None and settled.state is RenewalState.ASKED:
            return _key_page(request, visitor, settled, token)
        told = Told(say("renew-key-gone", language), status=403)
        return await _page(request, visitor, told)
    if "look" in fields:
        return _key_page(request, visitor, settled, token)
    problem = _passphrase_problem(request, fields)
    target = _target(fields.get("for", ""))
    if problem is None and target is None:
        problem = say("renew-choose-program", language)
    if problem is None and target is not None:
        try:
            mark = fields.get("mark", "")[:MARK_MAXIMUM]
            file = await renewing.hand_over(visitor, new, fields.get("new", ""), target, mark=mark)
        except BundleRefused:
            problem = say("renew-password-signs", language)
        else:
            if file is not None:
                return _download(file, f"{visitor.person.user}.p12", "application/x-pkcs12")
            told = Told(say("renew-key-gone", language), status=403)
            return await _page(request, visitor, told)
    return _key_page(request, visitor, settled, token, problem=problem, target=target)


async def fetch_stick(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    """Hand over what renews a stick; it may be fetched as often as it takes."""
    if visitor.session is None:
        return to_sign_in(request, RENEWAL_PATH)
    file = await request.app[RENEWING].stick_file(visitor)
    if file is None:
        return see_other(RENEWAL_PATH)
    return _download(file, "renewal.tar", "application/x-tar")


async def fetch_certificate(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    """Hand over the new certificate by itself, for whoever keeps the key in another way."""
    if visitor.session is None:
        return to_sign_in(request, RENEWAL_PATH)
    certificates = await request.app[RENEWING].renewed(visitor)
    if not certificates:
        return see_other(RENEWAL_PATH)
    name = f"{visitor.person.user}.pem"
    pem = b"".join(one.public_bytes(Encoding.PEM) for one in certificates)
    return _download(pem, name, "application/x-pem-file")


async def go_to_renewal(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    """Send whoever asks for the form's address by itself to the page above it."""
    del request, visitor
    return see_other(RENEWAL_PATH)


async def _page(
    request: web.Request,
    visitor: Visitor,
    told: Told | None = None,
    *,
    at: str = "",
    way: Way | None = None,
) -> web.Response:
    services, language = request.app[SERVICES], language_of(request)
    renewing = request.app[RENEWING]
    standing = await renewing.standing(visitor)
    zone, now = services.site.time_zone, services.clock()
    asked = None if standing is None else standing.asked
    late = asked is not None and now - asked.asked_at >= UNANSWERED
    holder = visitor.holder
    opens = None if standing is None else renewing.left_until_open(standing)
    goes = None if standing is None else standing.goes_at
    values: dict[str, object] = {
        "visitor": visitor,
        "state": _state_of(standing) if told is None or not at else "choose",
        # Neither is chosen beforehand: whoever does not look would get what they cannot use.
        "way": way,
        "opens": span_in_words(opens, language) if opens else None,
        "ends": date_in_words(holder.not_after, language, zone),
        "goes": date_in_words(goes, language, zone) if goes else None,
        "late": late,
        "mark": new_mark(),
        "problem": None if told is None else told.problem,
        "alarm": None if told is None else told.alarm,
        # "new": the first field of the page is not that of the password.
        "at": at or "new",
        "back": RENEWAL_PATH,
    }
    if values["opens"] and values["state"] in {"choose", "refused"}:
        values["state"] = "early"
    status, fields = (200, None) if told is None else (told.status, told.fields)
    return render(request, "renewal.html", values, status=status, fields=fields)


def _state_of(standing: Standing | None) -> str:
    """Say which of the page's states this is."""
    if standing is None:
        return "foreign"
    asked = standing.asked
    if standing.successor is not None:
        if standing.used:
            return "used"
        if asked is None or asked.successor != standing.successor:
            return "renewed"
        if standing.unfetched:
            return "unfetched"
        return "stick" if asked.way is Way.SAME_KEY else "handed"
    if asked is not None and asked.state is RenewalState.ASKED and asked.way is Way.SAME_KEY:
        return "waiting"
    if asked is not None and asked.state is RenewalState.REFUSED:
        return "refused"
    return "choose"


def _key_page(  # one page, before and after its certificate is signed
    request: web.Request,
    visitor: Visitor,
    settled: Renewal,
    token: str,
    *,
    problem: str | None = None,
    target: Target | None = None,
) -> web.Response:
    services = request.app[SERVICES]
    values: dict[str, object] = {
        "visitor": visitor,
        "token": token,
        "mark": new_mark(),
        "signed": settled.state is RenewalState.SIGNED,
        "late": services.clock() - settled.asked_at >= UNANSWERED,
        "targets": [(one.value, say(words, language_of(request))) for one, words in _TARGETS],
        "target": target,
        "least": str(PASSWORD_MINIMUM),
        "problem": problem,
        "alarm": None,
        "back": None,
    }
    return render(request, "renewal_key.html", values, status=400 if problem else 200)


def _passphrase_problem(request: web.Request, fields: dict[str, str]) -> str | None:
    language, new = language_of(request), fields.get("new", "")
    if len(new) < PASSWORD_MINIMUM:
        return say("renew-password-short", language, least=str(PASSWORD_MINIMUM))
    return None if new == fields.get("again", "") else say("passwords-differ", language)


def _target(text: str) -> Target | None:
    return next((one for one, _ in _TARGETS if one.value == text), None)


def _download(body: bytes, name: str, content_type: str) -> web.Response:
    return web.Response(
        body=body,
        content_type=content_type,
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
        },
    )


def _tell(request: web.Request, failed: Failed) -> Told:
    if failed.failure is Failure.OVERTAKEN:
        return Told(say("account-overtaken", language_of(request)))
    return tell(request, failed, wrong="wrong")
