"""Which pages stand behind which door: three tables that share nothing but the style.

Nothing of the portal is reached through the public door, and the reverse,
because a request is looked up in the table of its own door and in no other.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeVar, assert_never

from aiohttp import web

from gateway.core.audit import AuditEvent, AuditKind
from gateway.core.headers import Listener
from gateway.core.refusals import Refusal
from gateway.core.site import AGREEMENTS_PATH, LOST_PATH, REQUESTS_PATH
from gateway.portal import (
    account,
    agreements,
    confirm,
    deciding,
    devices,
    enrol,
    home,
    icons,
    languages,
    lost,
    ocsp,
    pages,
    public,
    renewal,
    request_form,
    requests,
    sign_in,
)
from gateway.portal.callers import Caller, Visitor, admit, read_caller
from gateway.portal.provenance import is_foreign
from gateway.portal.refuse import Refused
from gateway.portal.services import SERVICES
from gateway.portal.targets import ENROL_PATH, FORM_PATH

OpenPage = Callable[[web.Request], Awaitable[web.StreamResponse]]
Page = TypeVar("Page")
VisitorPage = Callable[[web.Request, Visitor], Awaitable[web.StreamResponse]]


async def _show_asset(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    del visitor  # whoever got here may have it
    return await pages.show_asset(request)


async def _choose_language(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    del visitor
    return await languages.choose(request)


async def _go_back(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    del visitor
    return await languages.go_back(request)


# A path that ends with * stands for one more segment, one with ** for any further ones.
PORTAL: Final[Mapping[str, Mapping[str, VisitorPage]]] = {
    "/": {"GET": home.show_home},
    "/devices": {"GET": devices.show_devices},
    "/devices/end": {"GET": devices.go_to_devices, "POST": devices.end},
    AGREEMENTS_PATH: {"GET": agreements.show_agreements},
    f"{AGREEMENTS_PATH}/*": {
        "GET": agreements.show_agreement,
        "POST": agreements.accept_agreement,
    },
    f"{agreements.WITHDRAW_PATH}/*": {
        "GET": agreements.ask_withdrawal,
        "POST": agreements.withdraw_agreement,
    },
    "/sign-in": {"GET": sign_in.show_sign_in, "POST": sign_in.sign_in},
    sign_in.RECOVERY_PATH: {"GET": sign_in.show_recovery, "POST": sign_in.recover},
    confirm.CONFIRM_PATH: {"GET": confirm.show_confirm, "POST": confirm.confirm},
    ENROL_PATH: {"GET": enrol.show_enrol, "POST": enrol.enrol},
    enrol.CONFIRM_PATH: {"GET": enrol.go_to_enrol, "POST": enrol.confirm},
    account.ACCOUNT_PATH: {"GET": account.show_account},
    account.PASSWORD_PATH: {"GET": account.show_form, "POST": account.change_password},
    account.AUTHENTICATOR_PATH: {"GET": account.show_form, "POST": account.begin_authenticator},
    account.CONFIRM_PATH: {"GET": account.go_to_form, "POST": account.confirm_authenticator},
    account.CODES_PATH: {"GET": account.show_form, "POST": account.make_recovery_codes},
    account.SIGN_OUT_PATH: {"GET": account.go_to_form, "POST": account.sign_out_everywhere},
    "/continue": {"GET": sign_in.go_on},
    "/sign-out": {"POST": sign_in.sign_out},
    "/signed-out": {"GET": sign_in.show_signed_out},
    f"{icons.ICONS}*": {"GET": icons.show_icon},
    languages.LANGUAGE_PATH: {"GET": _go_back, "POST": _choose_language},
    renewal.RENEWAL_PATH: {"GET": renewal.show_renewal, "POST": renewal.begin},
    renewal.KEY_PATH: {"GET": renewal.go_to_renewal, "POST": renewal.fetch_key},
    renewal.STICK_PATH: {"GET": renewal.fetch_stick},
    REQUESTS_PATH: {"GET": requests.show_requests},
    FORM_PATH: {"GET": request_form.show_form, "POST": request_form.ask},
    requests.WITHDRAW_PATH: {"GET": requests.go_to_requests, "POST": requests.withdraw},
    requests.DECIDE_PATH: {"GET": deciding.show_decision, "POST": deciding.decide},
    renewal.CERTIFICATE_PATH: {"GET": renewal.fetch_certificate},
    "/static/*": {"GET": _show_asset},
}
PUBLIC: Final[Mapping[str, Mapping[str, OpenPage]]] = {
    "/": {"GET": public.show_help},
    "/crl/*": {"GET": public.show_crl},
    "/ca/*": {"GET": public.show_ca},
    "/ocsp": {"POST": ocsp.post_request},
    "/ocsp/": {"POST": ocsp.post_request},
    "/ocsp/**": {"GET": ocsp.get_request},
    "/.well-known/jwks.json": {"GET": public.show_keys},
    LOST_PATH: {"GET": lost.show_lost, "POST": lost.identify},
    lost.REVOKE_PATH: {"GET": lost.go_to_lost, "POST": lost.revoke},
    languages.LANGUAGE_PATH: {"GET": languages.go_back, "POST": languages.choose_in_public},
    "/static/*": {"GET": pages.show_asset},
}
PLAIN_HTTP: Final[Mapping[str, Mapping[str, OpenPage]]] = {
    "/crl/*": {"GET": public.show_crl},
    "/ca/*": {"GET": public.show_ca},
    "/ocsp": {"POST": ocsp.post_request},
    "/ocsp/": {"POST": ocsp.post_request},
    "/ocsp/**": {"GET": ocsp.get_request},
}


async def dispatch(request: web.Request) -> web.StreamResponse:
    """Answer one request through the door it came by."""
    caller = read_caller(request)
    match caller.listener:
        case Listener.PORTAL:
            return await _through_the_portal(request, caller)
        case Listener.PUBLIC:
            return await find_page(PUBLIC, request)(request)
        case Listener.PLAIN_HTTP:
            return await _over_plain_http(request)
        case _:
            assert_never(caller.listener)


async def _through_the_portal(request: web.Request, caller: Caller) -> web.StreamResponse:
    services = request.app[SERVICES]
    visitor = await admit(caller, services.store, services.clock())
    own = services.site.origin(services.site.host)
    fields = request.headers
    if is_foreign(request.method, fields.get("Sec-Fetch-Site"), fields.get("Origin"), own):
        await services.store.record(
            AuditEvent(
                AuditKind.REQUEST_REFUSED,
                services.clock(),
                user=visitor.person.user,
                serial=visitor.holder.serial,
                device=visitor.holder.device,
                address=visitor.address,
                reason=Refusal.CROSS_SITE_REQUEST.value,
                detail={"request": visitor.request} if visitor.request else {},
            )
        )
        raise Refused(Refusal.CROSS_SITE_REQUEST)
    return await find_page(PORTAL, request)(request, visitor)


async def _over_plain_http(request: web.Request) -> web.StreamResponse:
    # Revocation lists and CA certificates are signed themselves, and whoever checks
    # a certificate cannot be asked to check ours first (RFC 5280, section 8).
    if pattern_of(request.rel_url.raw_path, PLAIN_HTTP) is not None:
        return await find_page(PLAIN_HTTP, request)(request)
    return public.to_https(request)


def find_page(table: Mapping[str, Mapping[str, Page]], request: web.Request) -> Page:
    """Return what *table* has for *request*, or raise `Refused`; GET answers HEAD too."""
    pattern = pattern_of(request.rel_url.raw_path, table)
    if pattern is None:
        raise Refused(Refusal.NOT_FOUND)
    methods = table[pattern]
    page = methods.get("GET" if request.method == "HEAD" else request.method)
    if page is None:
        allowed = [*methods, "HEAD"] if "GET" in methods else [*methods]
        raise Refused(Refusal.METHOD_REFUSED, Allow=", ".join(allowed))
    return page


def pattern_of(path: str, table: Mapping[str, object]) -> str | None:
    """Return the line of *table* that *path* falls under."""
    if path in table and not path.endswith("*"):
        return path
    for deep in table:
        if deep.endswith("/**") and path.startswith(deep.removesuffix("**")):
            return deep
    folder, _, name = path.rpartition("/")
    pattern = f"{folder}/*"
    return pattern if name and pattern in table else None
