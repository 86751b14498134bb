"""The id of a request: shown on a refusal, written in every log, found again by whoever is told it.

`k3v7qh2a-1f`: eight characters for one start of one worker, and the number of the request since
then, in hexadecimal. It is no secret and opens nothing.
"""

import re
from base64 import b32encode
from typing import Final

REQUEST_ID: Final = "X-Request-Id"
"""The field that carries it, to applications and on refusals; a client's own is not believed."""
NODE_BYTES: Final = 5
"""How many random bytes tell apart the starts of workers, on all nodes and for ever."""

_ID = re.compile(r"[a-z2-7]{8}-[0-9a-f]{1,16}")


def node_prefix(entropy: bytes) -> str:
    """Return the first half of every id that is made with *entropy*, `NODE_BYTES` random bytes."""
    if len(entropy) != NODE_BYTES:
        raise ValueError(f"expected {NODE_BYTES} bytes, not {len(entropy)}")
    return b32encode(entropy).decode().lower()


def is_request_id(text: str) -> bool:
    """Say whether *text* has the form of an id; whether there was such a request, the logs know."""
    return _ID.fullmatch(text) is not None
