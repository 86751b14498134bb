"""Header fields: what of a client's never passes, and what of ours goes instead.

An application believes these fields, so a client must not be able to send
them (promise P5). The list is by meaning: who somebody is (`X-Forwarded-User`,
`Remote-User` …), where they come from (`Forwarded`, RFC 7239), which
certificate they hold (`Client-Cert`, RFC 9440), and everything of ours.
"""

from enum import StrEnum

from gateway.core.cookies import COOKIE_NAME

ASSERTION = "Pusterla-Assertion"

_IDENTITY = frozenset(
    {
        "forwarded",
        "remote-user",
        "remote-groups",
        "remote-email",
        "remote-name",
        "x-remote-user",
        "x-remote-groups",
        "x-remote-email",
        "x-remote-name",
        "x-auth-request-user",
        "x-auth-request-email",
        "x-auth-request-groups",
        "x-authenticated-user",
        "x-webauth-user",
        "x-user",
        "x-real-ip",
        "x-client-ip",
        "true-client-ip",
        "cf-connecting-ip",
        "x-cluster-client-ip",
        "client-cert",
        "client-cert-chain",
        "x-client-cert",
        "x-client-dn",
        "x-client-verify",
        "x-ssl-cert",
        "x-original-url",
        "x-rewrite-url",
        "proxy",
    }
)
_IDENTITY_PREFIXES = ("x-forwarded-", "pusterla-", "x-pusterla-", "ssl-client-", "x-ssl-client-")

# RFC 9110 section 7.6.1: these are between two neighbours only. Transfer-Encoding,
# Content-Length, Upgrade and Expect are left to the edge, which frames messages itself.
HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
    }
)


def claims_identity(name: str) -> bool:
    """Say whether a client's field *name* must not reach an application.

    Underscores count as hyphens, since WSGI and CGI cannot tell them apart.
    """
    plain = name.lower().replace("_", "-")
    return plain in _IDENTITY or plain.startswith(_IDENTITY_PREFIXES)


def session_cookies(cookie: str) -> list[str]:
    """Return the values of our cookie in a Cookie field, in their order."""
    prefix = COOKIE_NAME + "="
    pairs = (pair.strip() for pair in cookie.split(";"))
    return [pair.removeprefix(prefix) for pair in pairs if pair.startswith(prefix)]


def without_session_cookie(cookie: str) -> str:
    """Return a Cookie field without ours, everything else untouched."""
    if COOKIE_NAME not in cookie:
        return cookie
    prefix = COOKIE_NAME + "="
    pairs = (pair.strip() for pair in cookie.split(";"))
    return "; ".join(pair for pair in pairs if pair and not pair.startswith(prefix))


def field_value(text: str) -> str:
    """Return *text* as a field value can carry it: ASCII, one line.

    What lies outside is percent-encoded as UTF-8, as RFC 8187 does it.
    """
    return "".join(
        character
        if " " <= character <= "~" and character != "%"
        else "".join(f"%{octet:02X}" for octet in character.encode())
        for character in text
    )


# What the edge tells the portal over the unix socket. A client cannot send
# them: everything that begins with Pusterla- is taken out first.
EDGE_FINGERPRINT = "Pusterla-Fingerprint"
"""The certificate of the connection; absent on the public host and on plain http."""
EDGE_SESSION = "Pusterla-Session"
"""The live session of this request, already found to be bound to the certificate."""
EDGE_ADDRESS = "Pusterla-Address"
"""The address of the client's end of the connection."""
EDGE_LISTENER = "Pusterla-Listener"
"""Through which door the request came: one of `Listener`."""


class Listener(StrEnum):
    """The doors of a site that lead to the portal's process."""

    PORTAL = "portal"
    PUBLIC = "public"
    PLAIN_HTTP = "plain-http"
