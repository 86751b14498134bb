"""Header fields, one line each, read once and remembered.

A browser sends the same lines over and over, and what becomes of a line
depends on the line alone. So each is read once, with the answers to all
questions that will be asked of it; the next time it is found by its bytes.
What depends on the name alone is remembered by name.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from gateway.core.cookies import COOKIE_NAME
from gateway.core.headers import (
    HOP_BY_HOP,
    claims_identity,
    part_cookies,
    plain_name,
)
from gateway.core.request_ids import REQUEST_ID

SPECIAL: Final = frozenset(
    {
        b"host",
        b"connection",
        b"content-length",
        b"transfer-encoding",
        b"expect",
        b"upgrade",
    }
)
"""What frames a message, names its place or is about its connection: never passed on as it is."""

_NEIGHBOURS: Final = frozenset(name.encode() for name in HOP_BY_HOP)
# To an application that makes one mark of "-" and "_", Content_Length frames the message.
_OURS_TO_SAY: Final = HOP_BY_HOP | {name.decode() for name in SPECIAL} | {plain_name(REQUEST_ID)}
_OWS: Final = b" \t"
_COOKIE_BYTES: Final = COOKIE_NAME.encode()
_COOKIES: Final = frozenset({b"cookie", b"set-cookie"})
# It goes on as it is, but the access log shows it.
_LOGGED: Final = b"user-agent"
# A token, a colon, and field-content with blanks (RFC 9110, sections 5.5 and 5.6.2).
_WELL_FORMED: Final = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]+:[\t -~\x80-\xff]*")


@dataclass(frozen=True, slots=True)
class Name:
    """What the name of a field, in lower case, decides.

    *plain* is the name as the least careful application reads it;
    *from_client* and *from_application* say whether a field of this name may
    pass on from either. *odd* is every name but those that pass unseen.
    """

    odd: bool
    special: bool
    plain: str
    from_client: bool
    from_application: bool


class Field:
    """One well-formed field line (RFC 9112, section 5).

    *name* is in lower case and *value* without blanks around it; *wire* is the
    line as it was sent, with its end. *to_application* and *to_client* are what
    goes on of it, each way: the line, the line without our cookie, or nothing.
    *said* is what of the line anybody here may ask: of the cookies only our own, else all.
    *special* and *odd* are those of its *kind*, at hand for `filter`.
    """

    __slots__ = (
        "kind",
        "name",
        "odd",
        "said",
        "special",
        "to_application",
        "to_client",
        "value",
        "wire",
    )

    def __init__(self, line: bytes) -> None:
        """Read *line*, which comes without its end."""
        name, _, value = line.partition(b":")
        self.name = name = name.lower()
        self.value = value = value.strip(_OWS)
        self.wire = wire = line + b"\r\n"
        known = _names.get(name) or _judge_name(name)
        self.kind = known
        self.special = known.special
        self.odd = known.odd
        self.to_application = self.to_client = self.said = wire
        if known.odd:
            self._hold_back()

    @property
    def plain(self) -> str:
        """The name as the least careful application reads it."""
        return self.kind.plain

    @property
    def from_client(self) -> bool:
        """Whether a field of this name may pass on from a client."""
        return self.kind.from_client

    @property
    def from_application(self) -> bool:
        """Whether a field of this name may pass on from an application."""
        return self.kind.from_application

    def _hold_back(self) -> None:
        if self.name == b"cookie":
            self._part_cookies()
            return
        if not self.kind.from_client:
            self.to_application = b""
        if not self.kind.from_application:
            self.to_client = b""
        if self.name == b"te" and takes_trailers(self.value):
            # Said anew, as it is between neighbours: we keep what the client keeps.
            self.to_application = b"TE: trailers\r\nConnection: TE\r\n"
        elif self.name == b"set-cookie" and self.value.startswith(_COOKIE_BYTES):
            self.to_client = b""

    def _part_cookies(self) -> None:
        # Our cookie is between the browser and us, and the others are not.
        ours, others = part_cookies(self.value.decode("latin-1"))
        if ours:
            kept = others.encode("latin-1")
            self.to_application = b"Cookie: %b\r\n" % kept if kept else b""
            # No value has a semicolon in it, so this is said by no other cookies.
            self.said = f"cookie:;{';'.join(ours)}".encode("latin-1")
        else:
            self.said = b"cookie:"


def our_cookies(field: Field) -> list[str]:
    """Return the values of our cookie in a Cookie field, which is what it *said*."""
    return field.said.decode("latin-1").split(";")[1:]


def takes_trailers(value: bytes) -> bool:
    """Say whether this value of TE (RFC 9110, section 10.1.4) asks for trailer fields."""
    return b"trailers" in [member.strip(_OWS).lower() for member in value.split(b",")]


is_odd: Final[Callable[[Field], bool]] = attrgetter("odd")
"""For `filter`, which asks all fields of a head in less time than a loop asks two."""
is_special: Final[Callable[[Field], bool]] = attrgetter("special")
"""For `filter` and `filterfalse` as well."""
said: Final[Callable[[Field], bytes]] = attrgetter("said")
to_application: Final[Callable[[Field], bytes]] = attrgetter("to_application")
to_client: Final[Callable[[Field], bytes]] = attrgetter("to_client")


class _NotCertain(Exception):
    """A line that is not certain to be well formed."""


class _Lines(dict[bytes, Field]):
    """Fields by their lines; one that is not remembered is read."""

    __slots__ = ()

    def __missing__(self, line: bytes) -> Field:
        if _WELL_FORMED.fullmatch(line) is None:
            raise _NotCertain
        return _read(line)


# Names and lines are up to strangers, so these memories are small, and emptied when full.
_REMEMBERED: Final = 4096
# The cookies of a browser are one line, and often half of a head.
_LONGEST_REMEMBERED: Final = 1024
_names: dict[bytes, Name] = {}
_lines = _Lines()
# Only a line that comes again is worth its memory: of each the hash is kept first.
_seen: set[int] = set()


def read_lines(lines: list[bytes]) -> list[Field] | None:
    """Return the fields of *lines*, or None where one is not certain to be well formed.

    Each line is judged alone and by the same rules wherever it stands, so one
    that was found well formed is found so again by its bytes.
    """
    try:
        return [*map(_lines.__getitem__, lines)]
    except _NotCertain:
        return None


def read_fields(lines: list[bytes]) -> tuple[list[Field], dict[bytes, list[bytes]]]:
    """Return the ordinary fields of *lines*, and the values of the special ones by name.

    llhttp has found the lines well formed. Only what we find so too is remembered.
    """
    fields: list[Field] = []
    special: dict[bytes, list[bytes]] = {}
    for line in lines:
        field = _lines.get(line)
        if field is None:
            field = _read(line) if _WELL_FORMED.fullmatch(line) else Field(line)
        if field.special:
            special.setdefault(field.name, []).append(field.value)
        else:
            fields.append(field)
    return fields, special


def _read(line: bytes) -> Field:
    field = Field(line)
    sight = hash(line)
    if sight in _seen:
        if len(line) <= _LONGEST_REMEMBERED:
            if len(_lines) >= _REMEMBERED:
                _lines.clear()
            _lines[line] = field
        return field
    if len(_seen) >= _REMEMBERED:
        _seen.clear()
    _seen.add(sight)
    return field


def _judge_name(name: bytes) -> Name:
    text = name.decode("latin-1")
    plain = plain_name(text)
    special, cookie = name in SPECIAL, name in _COOKIES
    from_client = plain not in _OURS_TO_SAY and not claims_identity(text)
    from_application = name not in _NEIGHBOURS
    known = Name(
        odd=special or cookie or name == _LOGGED or not (from_client and from_application),
        special=special,
        plain=plain,
        from_client=from_client,
        from_application=from_application,
    )
    if len(name) <= _LONGEST_REMEMBERED:
        if len(_names) >= _REMEMBERED:
            _names.clear()
        _names[name] = known
    return known
