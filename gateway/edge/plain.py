"""Heads that are plain: read without llhttp, by rules so narrow that it could not read them otherwise.

Most heads are: a GET whose target is in its normal form, well-formed lines, nothing that frames
a body; or an answer of known length. Whatever does not fit goes to `heads`, where llhttp
refuses what is to be refused. Nothing is refused here.

Heads of answers that come again are remembered whole.
"""

import re
from itertools import filterfalse
from typing import Final

from gateway.core.refusal_kinds import Refusal
from gateway.core.routes import PLAIN_TARGET, Target
from gateway.core.site import Limits
from gateway.edge.fields import is_odd, is_special, read_lines
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
    parse_request,
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


def read_request(head: bytes, limits: Limits) -> RequestHead | Refusal:
    """Read one request head as `heads.parse_request` does."""
    return read_plain_request(head, limits) or parse_request(head, limits)


def read_plain_request(head: bytes, limits: Limits) -> RequestHead | None:
    """Read a head that is certain to have one reading; None says only that llhttp must look."""
    lines = head.split(b"\r\n")
    match = PLAIN_LINE.fullmatch(lines[0])
    if match is None or len(lines) > limits.head_fields + _NO_FIELDS:
        return None
    method, raw = match.groups()
    fields = read_lines(lines[1:-2])
    if fields is None or len(raw) > limits.target_bytes or lines[-2] or lines[-1]:
        return None
    host = connection = None
    odd = []
    for field in filter(is_odd, fields):
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
    if place is None:
        return None
    path, mark, query = raw.partition(b"?")
    return RequestHead(
        method=method,
        target=Target(path, query if mark else None),
        http_1_1=True,
        host=place[0],
        authority=place[1],
        fields=[*filterfalse(is_special, fields)],
        odd=odd,
        nominated=_NOTHING,
        body=NO_BODY,
        keep_alive=True,
        expects_continue=False,
        websocket=False,
    )


# Applications answer many requests with the same head. Only what has come twice is kept,
# and nothing with a cookie in it, since that is somebody's.
_REMEMBERED: Final = 256
_LONGEST_REMEMBERED: Final = 1024
_answers: dict[bytes, ResponseHead] = {}
_seen: set[int] = set()


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
    match = _PLAIN_STATUS.fullmatch(lines[0])
    if match is None:
        return None
    status = int(match[1])
    fields = read_lines(lines[1:-2])
    if fields is None or status in BODILESS or lines[-2] or lines[-1]:
        return None
    connection: bytes | None = None
    body: ResponseBody | None = None
    for field in filter(is_special, fields):
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
    return ResponseHead(
        status=status,
        reason=match[2],
        fields=[*filterfalse(is_special, fields)],
        nominated=_NOTHING,
        body=UNTIL_CLOSE if body is None else body,
        keep_alive=True,
        upgraded=False,
    )


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
