"""Header fields, one line each, read once and remembered.

A browser sends the same lines over and over, and what becomes of a line
depends on the line alone. So each is read once, with the answers to all
questions that will be asked of it; the next time it is found by its bytes.
What depends on the name alone is remembered by name.
"""

from dataclasses import dataclass
from typing import Final

from gateway.core.headers import HOP_BY_HOP, claims_identity, plain_name
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

# Names and lines are up to strangers, so these memories are small, and emptied when full.
_REMEMBERED: Final = 4096
_LONGEST_REMEMBERED: Final = 256
_names: dict[bytes, "Name"] = {}
_lines: dict[bytes, "Field"] = {}


@dataclass(frozen=True, slots=True)
class Name:
    """What the name of a field, in lower case, decides.

    *plain* is the name as the least careful application reads it;
    *from_client* and *from_application* say whether a field of this name may
    pass on from either.
    """

    special: bool
    plain: str
    from_client: bool
    from_application: bool


class Field:
    """One field line (RFC 9112, section 5) that llhttp has found well formed.

    *name* is in lower case and *value* without blanks around it; *wire* is the
    line as it was sent, with its end. The others are as in `Name`.
    """

    __slots__ = ("from_application", "from_client", "name", "plain", "special", "value", "wire")

    def __init__(self, line: bytes) -> None:
        """Read *line*, which comes without its end."""
        name, _, value = line.partition(b":")
        self.name = name.lower()
        self.value = value.strip(_OWS)
        self.wire = line + b"\r\n"
        known = _names.get(self.name) or _judge_name(self.name)
        self.special = known.special
        self.plain = known.plain
        self.from_client = known.from_client
        self.from_application = known.from_application


def read_fields(lines: list[bytes]) -> tuple[list[Field], dict[bytes, list[bytes]]]:
    """Return the ordinary fields of *lines*, and the values of the special ones by name."""
    fields: list[Field] = []
    special: dict[bytes, list[bytes]] = {}
    for line in lines:
        field = _lines.get(line) or _read(line)
        if field.special:
            special.setdefault(field.name, []).append(field.value)
        else:
            fields.append(field)
    return fields, special


def _read(line: bytes) -> Field:
    field = Field(line)
    if len(line) <= _LONGEST_REMEMBERED:
        if len(_lines) >= _REMEMBERED:
            _lines.clear()
        _lines[line] = field
    return field


def _judge_name(name: bytes) -> Name:
    text = name.decode("latin-1")
    plain = plain_name(text)
    known = Name(
        special=name in SPECIAL,
        plain=plain,
        from_client=plain not in _OURS_TO_SAY and not claims_identity(text),
        from_application=name not in _NEIGHBOURS,
    )
    if len(name) <= _LONGEST_REMEMBERED:
        if len(_names) >= _REMEMBERED:
            _names.clear()
        _names[name] = known
    return known
