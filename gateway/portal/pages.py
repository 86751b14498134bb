"""Templates, the style sheet, and the header fields that go with every page.

The style sheet and the icon have names that change with their content, so
browsers keep them for good; pages themselves are never kept.
"""

from dataclasses import dataclass
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from typing import Final

from aiohttp import hdrs, web
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from gateway.core.headers import EDGE_LISTENER, Listener
from gateway.core.languages import LANGUAGES, preferred_language
from gateway.core.look import GATE, STYLE
from gateway.core.refusals import Language, contact_address, hsts
from gateway.core.site import Site
from gateway.portal.messages import say
from gateway.portal.navigation import places_of
from gateway.portal.provenance import SAFE_METHODS
from gateway.portal.services import SERVICES

_FOLDER: Final = Path(__file__).parent
STATIC: Final = "/static/"

SECURITY: Final = {
    "X-Content-Type-Options": "nosniff",
    # To ourselves only, and not "no-referrer": that turns the Origin of our own
    # forms into "null", by which older browsers are told apart from foreign pages.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

# Forms lead to the portal alone. Chromium holds also the redirects after a form to
# this, hence the page /continue between the sign-in form and an application.
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)


@dataclass(frozen=True, slots=True)
class Asset:
    """A file that pages refer to; its *name* changes with its content."""

    name: str
    content_type: str
    body: bytes

    @property
    def path(self) -> str:
        """Return where it is served, on every host of the portal's process."""
        return STATIC + self.name


def _asset(stem: str, suffix: str, content_type: str, body: bytes) -> Asset:
    return Asset(f"{stem}.{sha256(body).hexdigest()[:16]}.{suffix}", content_type, body)


# The palette is that of the refusals; portal.css is what only the portal's pages need.
STYLE_SHEET: Final = _asset(
    "portal", "css", "text/css", STYLE.encode() + (_FOLDER / "static" / "portal.css").read_bytes()
)
ICON: Final = _asset("gate", "svg", "image/svg+xml", (_FOLDER / "static" / "gate.svg").read_bytes())
ASSETS: Final = {asset.name: asset for asset in (STYLE_SHEET, ICON)}

TEMPLATES: Final = Environment(
    loader=FileSystemLoader(_FOLDER / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(
    request: web.Request,
    template: str,
    values: dict[str, object],
    *,
    status: int = 200,
    fields: dict[str, str] | None = None,
) -> web.Response:
    """Return the page that *template* makes of *values*, in the language of *request*.

    Templates say sentences with `say(key, name=value)`; what is put in is
    escaped there, as everything is. *values* may bring `back`, where the choice of another
    language leads, None for nowhere.
    """
    site = request.app[SERVICES].site
    language = language_of(request)
    html = TEMPLATES.get_template(template).render(
        say=lambda key, **parts: say(key, language, **parts),
        language=language,
        site=site,
        contact=contact_link(site),
        gate=Markup(GATE),  # noqa: S704 - our own drawing
        style=STYLE_SHEET.path,
        icon=ICON.path,
        languages=LANGUAGES,
        places=places_of(request.app[SERVICES].applications().values()),
        **{"back": _way_back(request, status), **values},
    )
    headers = {
        "Content-Security-Policy": CONTENT_SECURITY_POLICY,
        "Content-Language": language,
        "Vary": "Accept-Language, Cookie",
        "Cache-Control": "no-store",
        **(fields or {}),
    }
    return web.Response(
        status=status, text=html, content_type="text/html", charset="utf-8", headers=headers
    )


def language_of(request: web.Request) -> Language:
    """Return the language in which *request* is answered."""
    fields = request.headers
    return preferred_language(fields.get("Accept-Language", ""), fields.get("Cookie", ""))


def _way_back(request: web.Request, status: int) -> str | None:
    """Return where to go on in another language: the page itself, if it can be asked for again.

    What a form has done is shown once; only the page that says what was wrong with the form
    leads back to where the form is.
    """
    if request.method in SAFE_METHODS:
        return request.raw_path
    return request.rel_url.raw_path if status >= HTTPStatus.BAD_REQUEST else None


def contact_link(site: Site) -> Markup:
    """Return whom to ask, as a link where it is an address."""
    address = contact_address(site.contact)
    if address is None:
        return Markup("{}").format(site.contact)
    return Markup('<a href="{}">{}</a>').format(address, site.contact)


def see_other(location: str) -> web.Response:
    """Return a redirect that is followed with GET (RFC 9110, section 15.4.4)."""
    return web.Response(status=303, headers={"Location": location, "Cache-Control": "no-store"})


async def guard(request: web.Request, response: web.StreamResponse) -> None:
    """Add what every answer carries, refusals included, unless it says otherwise itself."""
    site = request.app[SERVICES].site
    for name, value in SECURITY.items():
        response.headers.setdefault(name, value)
    # What we are built of is nobody's business.
    response.headers[hdrs.SERVER] = "pusterla"
    plain = request.headers.get(EDGE_LISTENER) == Listener.PLAIN_HTTP
    for name, value in hsts(site.origin(site.host)):
        if plain:
            # Meaningless there, and forbidden (RFC 6797, section 7.2).
            response.headers.popall(name, None)
        else:
            response.headers.setdefault(name, value)


async def show_asset(request: web.Request) -> web.Response:
    """Serve the style sheet and the icon, to be kept for a year."""
    name = request.rel_url.raw_path.removeprefix(STATIC)
    asset = ASSETS.get(name)
    if asset is None:
        raise web.HTTPNotFound
    return web.Response(
        body=asset.body,
        content_type=asset.content_type,
        headers={"Cache-Control": "public, max-age=31536000, immutable"},
    )
