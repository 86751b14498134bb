"""What the edge itself says: refusals, redirects, 100 Continue.

Everything here is small and complete, so that it goes out in one write.
"""

from datetime import datetime
from typing import Final

from gateway.core.languages import preferred_language
from gateway.core.refusal_kinds import Refusal
from gateway.core.refusals import Page, refusal_page
from gateway.core.request_ids import REQUEST_ID
from gateway.core.site import Site
from gateway.edge.heads import RequestHead

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


def is_navigation(head: RequestHead) -> bool:
    """Say whether a person's browser asked for a page, and not a script for data.

    Sec-Fetch-Mode (Fetch Metadata) tells it where it is sent; an older browser
    is known by its Accept field.
    """
    if head.method not in {b"GET", b"HEAD"} or head.websocket:
        return False
    mode = head.first(b"sec-fetch-mode")
    if mode is not None:
        return mode == b"navigate"
    return b"text/html" in (head.first(b"accept") or b"")


def refuse(
    refusal: Refusal,
    head: RequestHead | None,
    site: Site,
    *,
    request: bytes,
    close: bool,
    opens_at: datetime | None = None,
) -> bytes:
    """Return the whole response that refuses: a page for a person, a line for a program.

    *head* is None where no request could be read; *request* is its id all the same.
    *opens_at* is when the same will not be refused any more.
    """
    accepts = b"" if head is None else head.first(b"accept-language") or b""
    cookie = b"" if head is None else head.first(b"cookie") or b""
    page = refusal_page(
        refusal,
        language=preferred_language(accepts.decode("latin-1"), cookie.decode("latin-1")),
        site_name=site.name,
        contact=site.contact,
        portal_origin=site.origin(site.host),
        lost_page=site.lost_page,
        request=request.decode(),
        opens_at=opens_at,
    )
    if head is not None and is_navigation(head):
        content, kind = page.html, "text/html; charset=utf-8"
    else:
        content, kind = page.text, "text/plain; charset=utf-8"
    return _response(page, content, kind, close=close, bodiless=_is_head(head))


def redirect(location: str, *, set_cookie: str | None, request: bytes, close: bool) -> bytes:
    """Return 303 See Other (RFC 9110, section 15.4.4) to *location*, which is ours."""
    cookie = f"Set-Cookie: {set_cookie}\r\n" if set_cookie else ""
    connection = "Connection: close\r\n" if close else ""
    return (
        f"HTTP/1.1 303 See Other\r\nLocation: {location}\r\n{cookie}"
        "Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\n"
        f"{REQUEST_ID}: {request.decode()}\r\n"
        f"Content-Length: 0\r\n{connection}\r\n"
    ).encode("latin-1")


def _is_head(head: RequestHead | None) -> bool:
    return head is not None and head.method == b"HEAD"


def _response(page: Page, content: bytes, kind: str, *, close: bool, bodiless: bool) -> bytes:
    fields = "".join(f"{name}: {value}\r\n" for name, value in page.fields)
    connection = "Connection: close\r\n" if close else ""
    head = (
        f"HTTP/1.1 {page.status} {page.reason}\r\n"
        f"Content-Type: {kind}\r\nContent-Length: {len(content)}\r\n"
        f"{fields}{connection}\r\n"
    ).encode("latin-1")
    return head if bodiless else head + content
