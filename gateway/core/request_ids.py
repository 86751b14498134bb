"""The id of a request: shown on a refusal, written in every log, found again by whoever is told it.

`bvqflyq-k3v7qh2-1f`: the second in which it came, random characters of one start of one worker,
and the number of the request since that second began, in hexadecimal. So a large log need not be
read from its beginning, and an id alone says whether the logs still reach back to it. It is no
secret and opens nothing; whoever is shown it knows the hour anyway.
"""

import re
from base64 import b32decode, b32encode
from datetime import UTC, datetime, timedelta
from typing import Final

REQUEST_ID: Final = "X-Request-Id"
"""The field that carries it, to applications and on refusals; a client's own is not believed."""
NODE_BYTES: Final = 4
"""How many random bytes tell apart workers that take requests in the same second."""

_ID = re.compile(r"(?P<second>[a-z2-7]{7})-[a-z2-7]{7}-[0-9a-f]{1,16}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Five bits in each of seven characters: enough until the year 3058.
_SECOND_BITS: Final = 35
_SPELLINGS = str.maketrans({"_": "-", "–": "-", "—": "-", "‐": "-", "\N{NO-BREAK SPACE}": " "})  # noqa: RUF001 - hyphens as word processors set them


def node_part(entropy: bytes) -> str:
    """Return the part of all ids that a worker makes with *entropy*, `NODE_BYTES` random bytes."""
    if len(entropy) != NODE_BYTES:
        raise ValueError(f"expected {NODE_BYTES} bytes, not {len(entropy)}")
    return b32encode(entropy).decode().rstrip("=").lower()


def second_part(second: int) -> str:
    """Return the first part of ids that are made in *second*, counted from 1970 in UTC."""
    if not 0 <= second < 1 << _SECOND_BITS:
        raise ValueError(f"{second} is no second that an id can name")
    # Base32 goes by five bytes, of which seven characters hold all but the last five bits.
    return b32encode((second << 5).to_bytes(5)).decode()[:7].lower()


def made_at(request: str) -> datetime:
    """Return when *request*, which has the form of an id, was made, by the clock of its worker.

    To a second and a half: workers look at the clock twice a second.
    """
    match = _ID.fullmatch(request)
    if match is None:
        raise ValueError(f"{request!r} is no id of a request")
    number = int.from_bytes(b32decode(match["second"].upper() + "A")) >> 5
    return _EPOCH + timedelta(seconds=number)


def is_request_id(text: str) -> bool:
    """Say whether *text* has the form of an id; whether there was such a request, the logs know."""
    return _ID.fullmatch(text) is not None


def read_request_id(text: str) -> str | None:
    """Return the id that somebody means by *text*, copied or heard on the telephone; None: none.

    Capitals, blanks and other dashes are understood, and the digits that no letter part has.
    """
    parts = "".join(text.translate(_SPELLINGS).lower().split()).split("-")
    heard = str.maketrans("018", "olb")
    found = "-".join([part.translate(heard) for part in parts[:2]] + parts[2:])
    return found if is_request_id(found) else None
