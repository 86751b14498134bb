"""Heads that are plain: read without llhttp, by rules so narrow that it could not read them otherwise.

Most heads are: a GET whose target is in its normal form, well-formed lines, nothing that frames
a body; or an answer of known length. Whatever does not fit goes to `heads`, where llhttp
refuses what is to be refused. Nothing is refused here.

Heads of answers that come again are remembered whole.
"""

import re
from dataclasses import dataclass
from itertools import filterfalse
from typing import Final

from gateway.core.routes import PLAIN_TARGET, Target
from gateway.core.site import Limits
from gateway.edge.fields import Field, is_odd, is_special, read_lines
from gateway.edge.heads import (
    BODILESS,
    CHUNKED,
    NO_BODY,
    UNTIL_CLOSE,
    Length,
    RequestHead,
    ResponseBody,
    ResponseHead,
    host_and_authority,
    parse_response,
    read_length,
)

PLAIN_LINE: Final = re.compile(rb"(GET|HEAD) (" + PLAIN_TARGET + rb") HTTP/1\.1")
"""A request line that has one reading, and whose target is in its normal form already."""

_PLAIN_STATUS: Final = re.compile(rb"HTTP/1\.1 ([2-5][0-9][0-9]) ([\t -~\x80-\xff]*)")
_KEEP_ALIVE: Final = b"keep-alive"
_NOTHING: Final = frozenset[bytes]()
# The request line, and the two empty strings behind the last line's end.
_NO_FIELDS: Final = 3


# Not frozen, though nobody changes them: that makes them twice as quick to make.
@dataclass(slots=True, eq=False)
class Lines:
    """The lines of a request's head, each of them plain; what they say together is to be seen.

    *telling* are those of *fields* that do not pass unseen: whatever is asked about a
    request is asked of them.
    """

    method: bytes
    target: bytes
    fields: list[Field]
    telling: list[Field]

    def head(self, host: str, authority: str, odd: list[Field]) -> RequestHead:
        """Return the head of which they are the lines, when *host* and the like are known."""
        path, mark, query = self.target.partition(b"?")
        # By position: that is twice as quick.
        return RequestHead(
            self.method,
            Target(path, query if mark else None),
            True,
            host,
            authority,
            [*filterfalse(is_special, self.fields)],
            odd,
            _NOTHING,
            NO_BODY,
            True,
            False,
            False,
            self.telling,
        )


def read_request_lines(head: bytes, limits: Limits) -> Lines | None:
    """Read the lines of a head, if each of them is plain; None says only that llhttp must look."""
    lines = head.split(b"\r\n")
    match = PLAIN_LINE.fullmatch(lines[0])
    if match is None or len(lines) > limits.head_fields + _NO_FIELDS:
        return None
    method, raw = match.groups()
    fields = read_lines(lines[1:-2])
    if fields is None or len(raw) > limits.target_bytes or lines[-2] or lines[-1]:
        return None
    return Lines(method, raw, fields, [*filter(is_odd, fields)])


def understand(lines: Lines) -> RequestHead | None:
    """Return what *lines* say together, if it is certain; None says only that llhttp must look."""
    host = connection = None
    odd = []
    for field in lines.telling:
        if not field.special:
            odd.append(field)
            continue
        if field.name == b"host" and host is None:
            host = field.value
        elif field.value == _KEEP_ALIVE and field.name == b"connection" and connection is None:
            connection = field.value
        else:
            return None
    place = None if host is None else host_and_authority(host)
    return None if place is None else lines.head(*place, odd)


# Applications answer many requests with the same head. Only what has come twice is kept,
# and nothing with a cookie in it, since that is somebody's.
_REMEMBERED: Final = 256
_LONGEST_REMEMBERED: Final = 1024
_answers: dict[bytes, ResponseHead] = {}
_seen: set[int] = set()


@dataclass(frozen=True, slots=True)
class _Framing:
    """What the status line and the special fields of an answer say."""

    status: int
    reason: bytes
    body: ResponseBody
    ends: tuple[bytes, bytes]


# By just these, which are the same for many answers; fields count as the objects that they are.
_framings: dict[tuple[bytes | Field, ...], _Framing] = {}


def read_response(head: bytes, method: bytes) -> ResponseHead:
    """Read one response head as `heads.parse_response` does."""
    if method == b"HEAD":
        return parse_response(head, method)
    known = _answers.get(head)
    if known is not None:
        return known
    plain = read_plain_response(head)
    if plain is None:
        return parse_response(head, method)
    _remember(head, plain)
    return plain


def read_plain_response(head: bytes) -> ResponseHead | None:
    """Read a head that is certain to have one reading; None says only that llhttp must look.

    Not for an answer to HEAD, which has no body whatever it says.
    """
    lines = head.split(b"\r\n")
    fields = read_lines(lines[1:-2])
    if fields is None or lines[-2] or lines[-1]:
        return None
    known: tuple[bytes | Field, ...] = (lines[0], *filter(is_special, fields))
    framing = _framings.get(known) or _read_framing(known)
    if framing is None:
        return None
    # By position: that is twice as quick.
    return ResponseHead(
        framing.status,
        framing.reason,
        [*filterfalse(is_special, fields)],
        _NOTHING,
        framing.body,
        True,
        False,
        framing.ends,
    )


def _read_framing(known: tuple[bytes | Field, ...]) -> _Framing | None:
    """Read a status line and the special fields of its head; None as `read_plain_response`."""
    line, *special = known
    assert isinstance(line, bytes)  # noqa: S101 - it stands first
    match = _PLAIN_STATUS.fullmatch(line)
    if match is None or int(match[1]) in BODILESS:
        return None
    connection: bytes | None = None
    body: ResponseBody | None = None
    for field in special:
        assert isinstance(field, Field)  # noqa: S101 - the line stands first
        name, value = field.name, field.value
        if name == b"content-length" and body is None:
            octets = read_length([value])
            if octets is None:
                return None
            body = Length(octets)
        elif name == b"transfer-encoding" and body is None and value == b"chunked":
            body = CHUNKED
        elif name == b"connection" and value == _KEEP_ALIVE and connection is None:
            connection = value
        else:
            return None
    last = b"Transfer-Encoding: chunked\r\n\r\n"
    if isinstance(body, Length):
        last = b"Content-Length: %d\r\n\r\n" % body.octets
    ends = line + b"\r\n", last
    framing = _Framing(int(match[1]), match[2], UNTIL_CLOSE if body is None else body, ends)
    if len(_framings) >= _REMEMBERED:
        _framings.clear()
    if len(line) <= _LONGEST_REMEMBERED:
        _framings[known] = framing
    return framing


def _remember(head: bytes, response: ResponseHead) -> None:
    sight = hash(head)
    if sight not in _seen:
        if len(_seen) >= _REMEMBERED:
            _seen.clear()
        _seen.add(sight)
        return
    if len(head) > _LONGEST_REMEMBERED or any(
        field.name == b"set-cookie" for field in response.fields
    ):
        return
    if len(_answers) >= _REMEMBERED:
        _answers.clear()
    response.blocks = {}
    _answers[head] = response
