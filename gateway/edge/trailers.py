"""Trailer fields (RFC 9110, section 6.5): what comes behind a chunked body, and what of it passes.

Some recipients treat a trailer as if it had stood in the head. So what may not
pass there may not pass here, and neither may what decides how a message is
framed, routed, authenticated or understood, which has been acted on by then
(section 6.5.1). The rest passes: checksums, timings, signatures, states of an end.
"""

from typing import Final

from gateway.core.headers import plain_name
from gateway.edge.fields import SPECIAL, Field

_NEVER: Final = frozenset(
    {
        *(name.decode() for name in SPECIAL),
        *("authorization", "cookie", "cookie2", "set-cookie", "set-cookie2", "www-authenticate"),
        *("age", "cache-control", "clear-site-data", "date", "expires", "forwarded", "from"),
        *("http2-settings", "location", "max-forwards", "origin", "pragma", "range", "referer"),
        *("refresh", "retry-after", "server", "strict-transport-security", "user-agent", "vary"),
        *(
            "via",
            "warning",
            "destination",
            "overwrite",
            "depth",
            "lock-token",
            "timeout",
            "alt-svc",
        ),
    }
)
_NEVER_PREFIXES: Final = (
    *("accept", "access-control-", "content-encoding", "content-type", "content-range"),
    *("content-disposition", "content-language", "content-location", "content-security-policy"),
    *("cross-origin-", "if", "permissions-policy", "proxy-", "sec-", "service-worker"),
    *("x-content-type-options", "x-csrf", "x-frame-options", "x-http-method", "x-method"),
)


def trailer_lines(
    trailers: list[tuple[bytes, bytes]], *, from_client: bool, user_header: str | None = None
) -> bytes:
    """Return those of *trailers*, names and values, that pass, as lines.

    *user_header* is the name under which the application is told who is calling.
    """
    own = None if user_header is None else plain_name(user_header)
    lines = [
        field.wire
        for field in (Field(b"%b: %b" % trailer) for trailer in trailers)
        if _passes(field, from_client=from_client) and field.plain != own
    ]
    return b"".join(lines)


def _passes(field: Field, *, from_client: bool) -> bool:
    if not (field.from_client if from_client else field.from_application):
        return False
    return field.plain not in _NEVER and not field.plain.startswith(_NEVER_PREFIXES)
