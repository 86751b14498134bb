"""The heads that are passed on: upstream without the client's claims, downstream reframed.

What never passes to an application: fields between two neighbours (RFC 9110,
section 7.6.1), everything by which a client could claim an identity, and our
cookie. What goes instead: `Forwarded` (RFC 7239) with its `X-Forwarded-`
cousins, and the fields that say who is calling.
"""

from base64 import b64encode
from typing import Final

from gateway.core.headers import field_value, plain_name
from gateway.core.request_ids import REQUEST_ID
from gateway.edge.fields import to_application, to_client
from gateway.edge.heads import (
    CHUNKED,
    UNTIL_CLOSE,
    Length,
    RequestHead,
    ResponseHead,
)

# Everybody may number requests; ours goes upstream instead, and nobody is blamed.
_REQUEST_ID: Final = plain_name(REQUEST_ID)
_WITH_BODY: Final = frozenset({b"POST", b"PUT", b"PATCH"})


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


def certificate_lines(certificate: bytes, chain: tuple[bytes, ...]) -> bytes:
    """Return the client's certificate and its issuers, all in DER, as RFC 9440 fields."""
    lines = b"Client-Cert: :%b:\r\n" % b64encode(certificate)
    if chain:
        members = b", ".join(b":%b:" % b64encode(issuer) for issuer in chain)
        lines += b"Client-Cert-Chain: %b\r\n" % members
    return lines


def field_lines(*fields: tuple[str, str]) -> bytes:
    """Return our own *fields* as lines; values are made safe for one line."""
    return "".join(f"{name}: {field_value(value)}\r\n" for name, value in fields).encode("ascii")


def claimed_fields(head: RequestHead, user_header: str | None = None) -> str:
    """Return the names of the fields by which a client claims an identity; "" as a rule."""
    own = None if user_header is None else plain_name(user_header)
    claims = [
        field.name
        for field in (head.odd if own is None else head.fields)
        if (field.from_application and not field.from_client and field.plain != _REQUEST_ID)
        or field.plain == own
    ]
    return b" ".join(claims).decode("latin-1") if claims else ""


def host_line(authority: str) -> bytes:
    """Return the first line behind the request line."""
    return b"Host: %b\r\n" % authority.encode("latin-1")


def request_tail(head: RequestHead, ours: bytes, user_header: str | None = None) -> bytes:
    """Return everything of the upstream head behind its request line.

    *ours* are finished lines that go in after everything of the client's. Of
    the client's nothing passes that an application might read as *user_header*.
    """
    claimed = None if user_header is None else plain_name(user_header)
    nominated = head.nominated
    fields = head.fields
    if nominated or claimed is not None:
        fields = [
            field for field in fields if field.name not in nominated and field.plain != claimed
        ]
    return b"".join(
        (
            host_line(head.authority),
            *map(to_application, fields),
            ours,
            _framing(head),
        )
    )


def _framing(head: RequestHead) -> bytes:
    """Return the last lines of a request: how its body is framed, and what it is to become."""
    if head.websocket:
        return b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    # RFC 9110, section 10.1.1: whether the body is wanted is the application's to say.
    expect = b"Expect: 100-continue\r\n" if head.expects_continue else b""
    if isinstance(head.body, Length):
        return b"%bContent-Length: %d\r\n\r\n" % (expect, head.body.octets)
    if head.body is CHUNKED:
        return expect + b"Transfer-Encoding: chunked\r\n\r\n"
    # Some servers answer 411 to a POST that says nothing of a body.
    return b"Content-Length: 0\r\n\r\n" if head.method in _WITH_BODY else b"\r\n"


def with_length(tail: bytes, octets: int) -> bytes:
    """Return *tail*, of a request in chunks, as that of one with *octets* bytes of body."""
    kept = tail.removesuffix(b"Transfer-Encoding: chunked\r\n\r\n")
    kept = kept.removesuffix(b"Expect: 100-continue\r\n")
    return kept + b"Content-Length: %d\r\n\r\n" % octets


def response_block(
    head: ResponseHead, *, http_1_1: bool, keep_alive: bool, ours: bool = False
) -> bytes:
    """Return the head that goes to the client, framed for what it speaks.

    A body of unknown length goes out chunked, or to an HTTP/1.0 client until
    the connection closes, for which *keep_alive* must be false. *ours* is an
    answer of the portal, which alone may set the gateway's cookie.
    """
    made = head.blocks
    if made is None:
        if head.ends is not None and http_1_1 and keep_alive and not ours:
            first, last = head.ends
            return b"".join((first, *map(to_client, head.fields), last))
        return _block(head, http_1_1=http_1_1, keep_alive=keep_alive, ours=ours)
    how = http_1_1, keep_alive, ours
    block = made.get(how)
    if block is None:
        block = made[how] = _block(head, http_1_1=http_1_1, keep_alive=keep_alive, ours=ours)
    return block


def _block(head: ResponseHead, *, http_1_1: bool, keep_alive: bool, ours: bool) -> bytes:
    lines = [b"HTTP/1.1 %d %b\r\n" % (head.status, head.reason)]
    lines += _passing(head, ours=ours)
    body = head.body
    if head.upgraded:
        lines.append(b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        return b"".join(lines)
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


def interim_block(head: ResponseHead, *, ours: bool = False) -> bytes:
    """Return an interim response (RFC 9110, section 15.2) as it goes to the client."""
    lines = [b"HTTP/1.1 %d %b\r\n" % (head.status, head.reason)]
    lines += _passing(head, ours=ours)
    lines.append(b"\r\n")
    return b"".join(lines)


def _passing(head: ResponseHead, *, ours: bool) -> list[bytes]:
    """Return the lines of an answer that pass on to the client."""
    fields = head.fields
    if head.nominated:
        fields = [field for field in fields if field.name not in head.nominated]
    if ours:
        return [field.wire for field in fields if field.from_application]
    return [*map(to_client, fields)]
