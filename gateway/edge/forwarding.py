"""The heads that are passed on: upstream without the client's claims, downstream reframed.

What never passes to an application: fields between two neighbours (RFC 9110,
section 7.6.1), everything by which a client could claim an identity, and our
cookie. What goes instead: `Forwarded` (RFC 7239) with its `X-Forwarded-`
cousins, and the fields that say who is calling.
"""

from typing import Final

from gateway.core.cookies import COOKIE_NAME
from gateway.core.headers import HOP_BY_HOP, claims_identity, field_value, without_session_cookie
from gateway.edge.heads import (
    CHUNKED,
    UNTIL_CLOSE,
    Length,
    RequestHead,
    ResponseHead,
)

_COOKIE_BYTES: Final = COOKIE_NAME.encode()
_WITH_BODY: Final = frozenset({b"POST", b"PUT", b"PATCH"})
_NEIGHBOURS: Final = frozenset(name.encode() for name in HOP_BY_HOP) | {b"upgrade"}

# Whether a field passes depends on its name alone, and clients use few names:
# the answer is remembered. Names are up to strangers, so the memory has an end.
_passes: dict[bytes, bool] = {}
_REMEMBERED_NAMES: Final = 4096


def forwarded_fields(address: str, authority: str) -> bytes:
    """Return the fields that say where a request came from."""
    node = f'"[{address}]"' if ":" in address else address
    host = f'"{authority}"' if ":" in authority else authority
    return (
        f"Forwarded: for={node};host={host};proto=https\r\n"
        f"X-Forwarded-For: {address}\r\n"
        f"X-Forwarded-Host: {authority}\r\n"
        "X-Forwarded-Proto: https\r\n"
    ).encode("latin-1")


def field_lines(*fields: tuple[str, str]) -> bytes:
    """Return our own *fields* as lines; values are made safe for one line."""
    return "".join(f"{name}: {field_value(value)}\r\n" for name, value in fields).encode("ascii")


def request_tail(head: RequestHead, ours: bytes) -> bytes:
    """Return everything of the upstream head behind its request line.

    *ours* are finished lines that go in after everything of the client's.
    """
    nominated = _nominated(head.fields)
    lines = [b"Host: %b\r\n" % head.authority.encode("latin-1")]
    for name, value in head.fields:
        lower = name.lower()
        passes = _passes.get(lower)
        if passes is None:
            passes = _judge_name(lower)
        if not passes or lower in nominated:
            continue
        if lower == b"cookie" and _COOKIE_BYTES in value:
            kept = without_session_cookie(value.decode("latin-1")).encode("latin-1")
            if kept:
                lines.append(b"%b: %b\r\n" % (name, kept))
            continue
        lines.append(b"%b: %b\r\n" % (name, value))
    lines.append(ours)
    match head.body:
        case Length(octets):
            lines.append(b"Content-Length: %d\r\n" % octets)
        case _ if head.body is CHUNKED:
            lines.append(b"Transfer-Encoding: chunked\r\n")
        case _ if head.method in _WITH_BODY:
            # Some servers answer 411 to a POST that says nothing of a body.
            lines.append(b"Content-Length: 0\r\n")
        case _:
            pass
    if head.websocket:
        lines.append(b"Connection: Upgrade\r\nUpgrade: websocket\r\n")
    lines.append(b"\r\n")
    return b"".join(lines)


def _judge_name(lower: bytes) -> bool:
    passes = lower not in _NEIGHBOURS and not claims_identity(lower.decode("latin-1"))
    if len(_passes) < _REMEMBERED_NAMES:
        _passes[lower] = passes
    return passes


def response_block(
    head: ResponseHead, *, http_1_1: bool, keep_alive: bool, ours: bool = False
) -> bytes:
    """Return the head that goes to the client, framed for what it speaks.

    A body of unknown length goes out chunked, or to an HTTP/1.0 client until
    the connection closes, for which *keep_alive* must be false. *ours* is an
    answer of the portal, which alone may set the gateway's cookie.
    """
    nominated = _nominated(head.fields)
    lines = [b"HTTP/1.1 %d %b\r\n" % (head.status, head.reason)]
    for name, value in head.fields:
        lower = name.lower()
        if lower in _NEIGHBOURS or lower in nominated:
            continue
        if not ours and lower == b"set-cookie" and value.lstrip().startswith(_COOKIE_BYTES):
            continue
        lines.append(b"%b: %b\r\n" % (name, value))
    if head.upgraded:
        lines.append(b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        return b"".join(lines)
    body = head.body
    if isinstance(body, Length):
        lines.append(b"Content-Length: %d\r\n" % body.octets)
    elif http_1_1 and (body is CHUNKED or body is UNTIL_CLOSE):
        lines.append(b"Transfer-Encoding: chunked\r\n")
    if not keep_alive:
        lines.append(b"Connection: close\r\n")
    elif not http_1_1:
        lines.append(b"Connection: keep-alive\r\n")
    lines.append(b"\r\n")
    return b"".join(lines)


def _nominated(fields: tuple[tuple[bytes, bytes], ...]) -> frozenset[bytes]:
    """Return the fields that a Connection field names as being between neighbours."""
    found: set[bytes] = set()
    for name, value in fields:
        if len(name) == len(b"connection") and name.lower() == b"connection":
            found.update(item.strip().lower() for item in value.split(b","))
    return frozenset(found)
