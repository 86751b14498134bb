"""Heads of requests and responses: parsed by httptools (llhttp, strict), refused when ambiguous.

Only a head is given to the parser here, never a body: the edge frames bodies
itself (RFC 9112, section 6), since llhttp cannot know that a response answers
HEAD. What a head says about its body has one reading or the head is refused.

llhttp has accepted a head before its lines are looked at (`fields`), so those
are known to be well formed: no folding, no bare CR or LF, no blank in a name.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import httptools

from gateway.core.refusals import Refusal
from gateway.core.routes import Target, normalise_host, normalise_target
from gateway.core.site import Limits
from gateway.edge.fields import Field, is_odd, read_fields, takes_trailers
from policies.model import METHOD, NEVER_PASSED

HEAD_END: Final = b"\r\n\r\n"
_DEFAULTS: Final = Limits()
_METHOD: Final = re.compile(METHOD.pattern.encode())
_NEVER_PASSED: Final = frozenset(method.encode() for method in NEVER_PASSED)
# What llhttp is given for a method that it does not know, or knows of other protocols only.
_STAND_IN: Final = b"POST"

_HTTP_1_0: Final = "1.0"
_HTTP_1_1: Final = "1.1"
_NOTHING: Final = frozenset[bytes]()
_WHOLE: Final = Target(path=b"*", query=None)
_STATUS_LINE: Final = b"HTTP/1."
_KEEP_ALIVE_ONLY: Final = [b"keep-alive"]
_KEEP_ALIVE: Final = frozenset({b"keep-alive"})
_CONNECTION_OPTIONS: Final = frozenset({b"close", b"keep-alive", b"te", b"upgrade", b""})
_LENGTH_DIGITS: Final = 18
_AUTHORITY_PORT = re.compile(r":[0-9]{1,5}\Z")


@dataclass(frozen=True, slots=True)
class NoBody:
    """The message ends with its head."""


@dataclass(frozen=True, slots=True)
class Length:
    """The body has so many bytes."""

    octets: int


@dataclass(frozen=True, slots=True)
class Chunked:
    """The body is in the chunked transfer coding."""


@dataclass(frozen=True, slots=True)
class UntilClose:
    """The body ends when the connection does; only in responses."""


RequestBody = NoBody | Length | Chunked
ResponseBody = NoBody | Length | Chunked | UntilClose
NO_BODY: Final = NoBody()
CHUNKED: Final = Chunked()
UNTIL_CLOSE: Final = UntilClose()


# Not frozen, though nobody changes them: that makes them twice as quick to make.
@dataclass(slots=True, eq=False)
class RequestHead:
    """A request's head in its one reading.

    *host* is normalised and without port; *authority* is what goes upstream as
    Host. *fields* are as sent, without those that frame the message, name the
    host or are about the connection; *nominated* are the (lower-case) names
    that Connection says are for this connection only. *websocket* says that
    the connection is to become one (RFC 6455, section 4.2.1). *telling* are all
    fields that do not pass unseen, also those left out above, of a `plain` head.
    """

    method: bytes
    target: Target
    http_1_1: bool
    host: str
    authority: str
    fields: list[Field]
    odd: list[Field]
    nominated: frozenset[bytes]
    body: RequestBody
    keep_alive: bool
    expects_continue: bool
    websocket: bool
    telling: list[Field] | None = None

    def first(self, name: bytes) -> bytes | None:
        """Return the value of the first field called *name* (lower case), or None."""
        for field in self.fields:
            if field.name == name:
                return field.value
        return None

    @property
    def accepts_trailers(self) -> bool:
        """Whether the client keeps trailer fields (TE: trailers; RFC 9110, section 10.1.4)."""
        return self.http_1_1 and any(
            field.name == b"te" and takes_trailers(field.value) for field in self.odd
        )

    @property
    def rememberable(self) -> bool:
        """Whether a further request with the same fields is the same but for its target."""
        plain = self.method in {b"GET", b"HEAD"} and self.body is NO_BODY
        return plain and self.http_1_1 and not self.websocket


@dataclass(slots=True, eq=False)
class ResponseHead:
    """A response's head in its one reading; *fields* and *nominated* as in a request.

    *ends* are the first line and the last ones as they go to a client that speaks
    HTTP/1.1 and stays, where a `plain` head was read. *blocks* is where
    `response_block` keeps what it has made of a head that is remembered.
    """

    status: int
    reason: bytes
    fields: list[Field]
    nominated: frozenset[bytes]
    body: ResponseBody
    keep_alive: bool
    upgraded: bool
    ends: tuple[bytes, bytes] | None = None
    blocks: dict[tuple[bool, bool, bool], bytes] | None = None


@dataclass(frozen=True, slots=True)
class Reached:
    """What a connection says already: the *scheme* of its port, and what it was made to.

    *authority* is that of a request in HTTP/1.0 that has no Host; None: of none.
    """

    scheme: bytes = b"https"
    authority: str | None = None


_UNSAID: Final = Reached()


class UpstreamGarbled(Exception):
    """What an application sent is no HTTP/1.1 response with one reading."""


class _Sink:
    """Takes what the parser finds in one head; fields are read from the lines."""

    __slots__ = ("complete", "target")

    def __init__(self) -> None:
        self.target = b""
        self.complete = False

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_headers_complete(self) -> None:
        self.complete = True


def parse_request(
    head: bytes, limits: Limits = _DEFAULTS, reached: Reached = _UNSAID
) -> RequestHead | Refusal:
    """Read one request head that ends with an empty line; say `Refusal` of anything else.

    Of *limits* it is the length of the target and the number of fields that count here.
    It came over a connection that was *reached* so.

    After a refusal the connection must be closed: nobody knows where the next
    request would begin.
    """
    read = _read_line(head)
    if isinstance(read, Refusal):
        read = _read_unknown(head) or read
        if isinstance(read, Refusal):
            return read
    method, raw, version = read
    if version not in {_HTTP_1_1, _HTTP_1_0}:
        return Refusal.BAD_REQUEST
    if method in _NEVER_PASSED:
        return Refusal.METHOD_UNKNOWN
    if len(raw) > limits.target_bytes:
        return Refusal.TARGET_TOO_LONG
    lines = head.split(b"\r\n", limits.head_fields + 2)
    if lines[-1]:
        return Refusal.HEAD_TOO_LARGE
    # llhttp passes over line ends before a request, takes further blanks in its
    # line, and knows other protocols; behind a bare line end the lines would be
    # counted wrongly, and the request line passed on as a field.
    if lines[0] != b"%b %b HTTP/%b" % (method, raw, version.encode()):
        return Refusal.BAD_REQUEST
    http_1_1 = version == _HTTP_1_1
    return _understand_request(method, raw, lines[1:-2], reached, http_1_1=http_1_1)


def _read_line(head: bytes) -> tuple[bytes, bytes, str] | Refusal:
    """Have llhttp judge *head*; return method, target and version."""
    sink = _Sink()
    parser = httptools.HttpRequestParser(sink)
    try:
        parser.feed_data(head)
    except httptools.HttpParserUpgrade:
        pass
    except httptools.HttpParserInvalidMethodError:
        return Refusal.METHOD_UNKNOWN
    except httptools.HttpParserError:
        return Refusal.BAD_REQUEST
    if not sink.complete:
        return Refusal.BAD_REQUEST
    return parser.get_method(), sink.target, parser.get_http_version()


def _read_unknown(head: bytes) -> tuple[bytes, bytes, str] | Refusal | None:
    """Have *head*, which llhttp has refused, judged without its method; None: that is no good.

    How a request is framed does not depend on its method (RFC 9112, section 6), but for
    those that are never passed.
    """
    method = head.partition(b" ")[0]
    if method in _NEVER_PASSED or not _METHOD.fullmatch(method):
        return None
    read = _read_line(_STAND_IN + head[len(method) :])
    return read if isinstance(read, Refusal) else (method, *read[1:])


def _understand_request(
    method: bytes, raw_target: bytes, lines: list[bytes], reached: Reached, *, http_1_1: bool
) -> RequestHead | Refusal:
    fields, special = read_fields(lines)
    hosts = special.get(b"host", [])
    if not hosts and not http_1_1 and reached.authority is not None:
        # HTTP/1.1 alone must have one (RFC 9112, section 3.2).
        hosts = [reached.authority.encode()]
    place = _place(method, raw_target, hosts, reached.scheme)
    body = _request_body(
        special.get(b"content-length", []), special.get(b"transfer-encoding", []), http_1_1
    )
    expects = [value.lower() for value in special.get(b"expect", ())]
    if place is None or body is None or expects not in ([], [b"100-continue"]):
        return Refusal.BAD_REQUEST
    target, host, authority = place
    connection = _listed(special.get(b"connection"))
    upgrades = [value.lower() for value in special.get(b"upgrade", ())]
    # Of all upgrades only WebSocket passes; h2c above all would carry requests
    # that nobody judges.
    upgrade = b"upgrade" in connection and upgrades == [b"websocket"]
    return RequestHead(
        method=method,
        target=target,
        http_1_1=http_1_1,
        host=host,
        authority=authority,
        fields=fields,
        odd=[*filter(is_odd, fields)],
        nominated=connection - _CONNECTION_OPTIONS,
        body=body,
        keep_alive=b"close" not in connection and (http_1_1 or b"keep-alive" in connection),
        expects_continue=bool(expects) and body is not NO_BODY and http_1_1,
        websocket=upgrade and method == b"GET" and http_1_1 and body is NO_BODY,
    )


def _request_body(lengths: list[bytes], codings: list[bytes], http_1_1: bool) -> RequestBody | None:  # noqa: FBT001 - a fact, not a switch
    """Return how the body is framed, or None where two servers might see two bodies."""
    if codings:
        # Any other coding than plain chunked, or a coding in HTTP/1.0 (RFC
        # 9112, section 6.1), might be cut at different places.
        return CHUNKED if _is_chunked(codings) and http_1_1 and not lengths else None
    octets = read_length(lengths)
    if octets is None:
        return None if lengths else NO_BODY
    return Length(octets) if octets else NO_BODY


def _is_chunked(codings: list[bytes]) -> bool:
    # Names of codings are compared without regard to case (RFC 9112, section 7).
    return len(codings) == 1 and codings[0].lower() == b"chunked"


def read_length(lengths: list[bytes]) -> int | None:
    """Return the octets that Content-Length says, where it says it once and in digits."""
    if len(lengths) != 1:
        return None
    digits = lengths[0]
    # isdigit of bytes knows the ten ASCII digits only.
    return int(digits) if digits.isdigit() and len(digits) <= _LENGTH_DIGITS else None


def _place(
    method: bytes, raw: bytes, hosts: list[bytes], scheme: bytes
) -> tuple[Target, str, str] | None:
    """Return target, host and authority, or None where they have no single reading."""
    if len(hosts) != 1:
        return None
    found = host_and_authority(hosts[0])
    if found is None:
        return None
    host, authority = found
    if raw == b"*" and method == b"OPTIONS":
        # asterisk-form (RFC 9112, section 3.2.4): the application as a whole.
        return _WHOLE, host, authority
    if not raw.startswith(b"/"):
        # absolute-form (RFC 9112, section 3.2.2): accepted where it says what Host says,
        # and the port.
        origin = b"%b://%b" % (scheme, hosts[0].lower())
        if not raw.lower().startswith(origin):
            return None
        raw = raw[len(origin) :] or b"/"
        if not raw.startswith(b"/"):
            return None
    target = normalise_target(raw)
    if target is None:
        return None
    return target, host, authority


@lru_cache(maxsize=1024)
def host_and_authority(value: bytes) -> tuple[str, str] | None:
    """Return the host in a Host field, and the field as it goes upstream; None refuses."""
    text = value.decode("latin-1")
    host = normalise_host(text)
    if host is None:
        return None
    port = _AUTHORITY_PORT.search(text)
    return host, host + (port[0] if port else "")


def parse_response(head: bytes, method: bytes) -> ResponseHead:
    """Read one response head to a request with *method*; raise `UpstreamGarbled`."""
    sink = _Sink()
    parser = httptools.HttpResponseParser(sink)
    try:
        parser.feed_data(head)
    except httptools.HttpParserUpgrade:
        pass
    except httptools.HttpParserError as error:
        raise UpstreamGarbled(str(error)) from error
    version = parser.get_http_version()
    if not sink.complete or version not in {_HTTP_1_1, _HTTP_1_0}:
        message = "the head of the response is not HTTP/1.1"
        raise UpstreamGarbled(message)
    status = parser.get_status_code()
    if not _LOWEST_STATUS <= status <= _HIGHEST_STATUS:
        message = f"{status} is no status code"
        raise UpstreamGarbled(message)
    lines = head.split(b"\r\n")
    if not lines[0].startswith(_STATUS_LINE):
        message = "something comes before the status line"
        raise UpstreamGarbled(message)
    return _understand_response(status, method, lines, http_1_1=version == _HTTP_1_1)


def _understand_response(
    status: int, method: bytes, lines: list[bytes], *, http_1_1: bool
) -> ResponseHead:
    fields, special = read_fields(lines[1:-2])
    lengths, codings = special.get(b"content-length", []), special.get(b"transfer-encoding", [])
    length = read_length(lengths)
    if (lengths and length is None) or (codings and (not _is_chunked(codings) or lengths)):
        message = f"Content-Length {lengths}, Transfer-Encoding {codings}: no single reading"
        raise UpstreamGarbled(message)
    connection = _listed(special.get(b"connection"))
    body = _response_body(status, method, length, chunked=bool(codings))
    # An application that announces a body where there is none may yet send it,
    # and it must not be read as the next answer.
    settled = body is not NO_BODY or not (length or codings)
    if method == b"HEAD" and length is not None:
        # It tells what GET would have brought, and no body follows.
        fields.append(Field(b"Content-Length: %d" % length))
    # HTTP/1.0 knows no codings: what it frames by one is read, and nothing behind it
    # (RFC 9112, section 6.1).
    asked = http_1_1 or (b"keep-alive" in connection and not codings)
    persists = b"close" not in connection and asked
    return ResponseHead(
        status=status,
        # llhttp has read "HTTP/1.1 200" and found a blank or the end behind it.
        reason=lines[0][len(b"HTTP/1.1 200 ") :],
        fields=fields,
        nominated=connection - _CONNECTION_OPTIONS,
        body=body,
        keep_alive=persists and settled,
        upgraded=status == SWITCHING_PROTOCOLS,
    )


def _response_body(
    status: int, method: bytes, length: int | None, *, chunked: bool
) -> ResponseBody:
    # The order is that of RFC 9112, section 6.3.
    if method == b"HEAD" or status < OK or status in BODILESS:
        return NO_BODY
    if chunked:
        return CHUNKED
    if length is None:
        return UNTIL_CLOSE
    return Length(length)


CONTINUED: Final = 100
SWITCHING_PROTOCOLS: Final = 101
OK: Final = 200
_LOWEST_STATUS: Final = 100
_HIGHEST_STATUS: Final = 599
NO_CONTENT: Final = 204
NOT_MODIFIED: Final = 304
BODILESS: Final = frozenset({NO_CONTENT, NOT_MODIFIED})


def _listed(values: list[bytes] | None) -> frozenset[bytes]:
    """Return the members of a comma-separated field (RFC 9110, section 5.6.1), lower-cased."""
    if values is None:
        return _NOTHING
    if values == _KEEP_ALIVE_ONLY:
        return _KEEP_ALIVE
    members: set[bytes] = set()
    for value in values:
        members.update(member.strip(b" \t").lower() for member in value.split(b","))
    return frozenset(members)
