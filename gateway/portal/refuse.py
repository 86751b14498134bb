"""The one place that makes an answer of a refusal or an error.

Whoever refuses raises `Refused`. Everything else that escapes a handler is a
fault of ours: it goes to the log whole, and to the person as a page that says
no more than that.
"""

import logging
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from gateway.core.languages import preferred_language
from gateway.core.ports import StoreUnavailable
from gateway.core.refusals import Refusal, refusal_page
from gateway.core.request_ids import REQUEST_ID, is_request_id
from gateway.portal.services import SERVICES

log = logging.getLogger("pusterla.portal")

# What aiohttp itself refuses, before or while a handler runs.
_OF_AIOHTTP: Final = {
    400: Refusal.BAD_REQUEST,
    404: Refusal.NOT_FOUND,
    405: Refusal.METHOD_REFUSED,
    413: Refusal.BODY_TOO_LARGE,
}


class Refused(Exception):
    """The request ends here, for a reason that has a name."""

    def __init__(self, refusal: Refusal, **fields: str) -> None:
        """*fields* are further header fields, underscores written for hyphens."""
        super().__init__(refusal.value)
        self.refusal = refusal
        self.fields = {name.replace("_", "-"): value for name, value in fields.items()}


@web.middleware
async def refuse_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Run *handler*; whatever it raises becomes an answer here, and nowhere else."""
    try:
        return await handler(request)
    except Refused as refused:
        log.info("%s refused: %s", _named(request), refused)
        return answer(request, refused.refusal, refused.fields)
    except StoreUnavailable as error:
        log.error("%s: %s", _named(request), error)
        return answer(request, Refusal.STORE_UNAVAILABLE)
    except web.HTTPException as error:
        return answer(request, _OF_AIOHTTP.get(error.status, Refusal.INTERNAL))
    except Exception as error:
        if error is request.content.exception():
            # Whoever asked gave up half-way: of a form that is sent twice, the first.
            log.info("%s: broken off", _named(request))
            return answer(request, Refusal.BAD_REQUEST)
        # The top of a request: nothing above could do better, and the portal lives on.
        log.exception("%s failed", _named(request))
        return answer(request, Refusal.INTERNAL)


def answer(
    request: web.Request, refusal: Refusal, fields: dict[str, str] | None = None
) -> web.Response:
    """Return the page of *refusal* for a browser, or one line for what is none."""
    site = request.app[SERVICES].site
    page = refusal_page(
        refusal,
        language=preferred_language(
            request.headers.get("Accept-Language", ""), request.headers.get("Cookie", "")
        ),
        site_name=site.name,
        contact=site.contact,
        portal_origin=site.origin(site.host),
        lost_page=site.lost_page,
        request=request_id(request),
    )
    html = wants_html(request)
    return web.Response(
        status=page.status,
        body=page.html if html else page.text,
        content_type="text/html" if html else "text/plain",
        charset="utf-8",
        headers=[*page.fields, *(fields or {}).items()],
    )


def request_id(request: web.Request) -> str:
    """Return the id that the edge has given to *request*, or "" where it gave none."""
    given = request.headers.get(REQUEST_ID, "")
    return given if is_request_id(given) else ""


def _named(request: web.Request) -> str:
    return f"{request_id(request)} {request.method} {request.rel_url.raw_path}".strip()


def wants_html(request: web.Request) -> bool:
    """Say whether a browser's page is wanted: whoever wants one names it, curl does not."""
    return "text/html" in request.headers.get("Accept", "")
