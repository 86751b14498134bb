"""What everybody may have without a certificate: help, CRLs, CA certificates, keys.

OCSP, which they may have too, is in `ocsp`.
"""

import re
from datetime import timedelta
from hashlib import sha256
from typing import Final

from aiohttp import hdrs, web

from ca.scopes import parse_name
from gateway.core.assertion import JWKS_PATH, key_set
from gateway.core.refusals import Refusal
from gateway.core.routes import normalise_host
from gateway.portal.pages import render
from gateway.portal.provenance import is_foreign
from gateway.portal.refuse import Refused
from gateway.portal.services import SERVICES
from gateway.portal.shelf import SHELF, send_slices

# A revocation should be seen soon by those who fetch the list, and asking again is
# cheap: unchanged is answered without a body. Longer would serve nobody but caches.
CRL_KEPT: Final = timedelta(minutes=1)
CA_KEPT: Final = timedelta(hours=1)
# Applications look for a key that they do not know; after a change of keys not for long.
KEYS_KEPT: Final = timedelta(minutes=5)

_CA_PATH: Final = re.compile(r"/ca/(?P<issuer>[A-Za-z0-9][A-Za-z0-9._-]{0,63})\.crt")


async def show_help(request: web.Request) -> web.StreamResponse:
    """Say what this is and where to go."""
    services = request.app[SERVICES]
    values: dict[str, object] = {
        "portal": services.site.origin(services.site.host) + "/",
        "issuers": [issuer.name for issuer in await services.store.issuers()],
        "jwks": JWKS_PATH,
    }
    return render(request, "help.html", values)


async def show_crl(request: web.Request) -> web.StreamResponse:
    """Serve the newest CRL of a name (RFC 5280, section 4.2.1.13; RFC 2585, section 4)."""
    services = request.app[SERVICES]
    name = parse_name(request.rel_url.raw_path.removeprefix("/crl/"))
    crl = None if name is None else await request.app[SHELF].take(name)
    if crl is None:
        raise Refused(Refusal.NOT_FOUND)
    # Never kept past its own end: a stale list locks people out.
    kept = min(CRL_KEPT, max(crl.next_update - services.clock(), timedelta(0)))
    fields = {hdrs.CACHE_CONTROL: _cache_control(kept), hdrs.ACCEPT_RANGES: "bytes"}
    response = web.StreamResponse(headers=fields)
    response.content_type = "application/pkix-crl"
    response.etag = crl.tag
    response.last_modified = crl.this_update
    if _is_unchanged(request, response):
        return _unchanged(response)
    return await send_slices(request, response, crl.der)


async def show_ca(request: web.Request) -> web.StreamResponse:
    """Serve the certificate of an issuer (RFC 5280, section 4.2.2.1, id-ad-caIssuers)."""
    wanted = _issuer(_CA_PATH, request)
    for issuer in await request.app[SERVICES].store.issuers():
        if issuer.name == wanted:
            return _unless_unchanged(request, _kept("application/pkix-cert", issuer.der, CA_KEPT))
    raise Refused(Refusal.NOT_FOUND)


async def show_keys(request: web.Request) -> web.StreamResponse:
    """Serve the keys with which applications check assertions (RFC 7517, section 5)."""
    response = web.json_response(
        key_set(request.app[SERVICES].assertion_key), content_type="application/jwk-set+json"
    )
    response.headers["Cache-Control"] = _cache_control(KEYS_KEPT)
    return response


def to_https(request: web.Request) -> web.Response:
    """Send whoever came by plain http to the same place over TLS, if that place is ours."""
    services = request.app[SERVICES]
    site = services.site
    host = normalise_host(request.headers.get(hdrs.HOST, ""))
    ours = {site.host, site.public_host}
    ours.update(application.host for application in services.applications().values())
    if host is None or host not in ours:
        raise Refused(Refusal.NOT_FOUND)
    if not request.raw_path.startswith("/"):
        raise Refused(Refusal.BAD_REQUEST)
    # 308 keeps the method (RFC 9110, section 15.4.9), so that nothing is repeated as GET.
    location = site.origin(host) + request.raw_path
    return web.Response(status=308, headers={"Location": location, "Cache-Control": "no-store"})


def refuse_foreign(request: web.Request) -> None:
    """Raise `Refused` where another site had a hand in a form of the public host."""
    site, fields = request.app[SERVICES].site, request.headers
    own = site.origin(site.public_host)
    if is_foreign(request.method, fields.get("Sec-Fetch-Site"), fields.get("Origin"), own):
        raise Refused(Refusal.CROSS_SITE_REQUEST)


def _issuer(path: re.Pattern[str], request: web.Request) -> str:
    match = path.fullmatch(request.rel_url.raw_path)
    if match is None:
        raise Refused(Refusal.NOT_FOUND)
    return match["issuer"]


def _kept(content_type: str, body: bytes, kept: timedelta) -> web.Response:
    response = web.Response(body=body, content_type=content_type)
    response.etag = sha256(body).hexdigest()[:32]
    response.headers["Cache-Control"] = _cache_control(kept)
    return response


def _cache_control(kept: timedelta) -> str:
    return f"public, max-age={kept // timedelta(seconds=1)}, must-revalidate"


def _unless_unchanged(request: web.Request, response: web.Response) -> web.Response:
    """Return *response*, or 304 to whoever has it already."""
    return _unchanged(response) if _is_unchanged(request, response) else response


def _is_unchanged(request: web.Request, response: web.StreamResponse) -> bool:
    """Say whether whoever asks has *response* already (RFC 9110, section 13.2.2)."""
    if (tags := request.if_none_match) is not None:
        return any(tag.value in {"*", response.etag and response.etag.value} for tag in tags)
    since, modified = request.if_modified_since, response.last_modified
    return since is not None and modified is not None and modified <= since


def _unchanged(response: web.StreamResponse) -> web.Response:
    kept = (hdrs.ETAG, hdrs.LAST_MODIFIED, hdrs.CACHE_CONTROL)
    fields = {name: response.headers[name] for name in kept if name in response.headers}
    return web.Response(status=304, headers=fields)
