"""Header fields: what of a client's never passes, and what of ours goes instead.

An application believes these fields, so a client must not be able to send
them (promise P5). The list is by meaning: who somebody is (`X-Forwarded-User`,
`Remote-User` and their kin of other gateways), where they come from
(`Forwarded`, RFC 7239), which certificate they hold (`Client-Cert`, RFC 9440),
for which path the proxy was asked (`Script-Name`), and everything of ours.
"""

import string
from enum import StrEnum

from gateway.core.cookies import COOKIE_NAME

ASSERTION = "Pusterla-Assertion"

_IDENTITY = frozenset(
    {
        # who
        "x-user",
        "x-username",
        "sm-user",  # SiteMinder
        "teleport-jwt-assertion",
        # from where
        "forwarded",
        "forwarded-for",
        "client-ip",
        "x-client-ip",
        "x-real-ip",
        "true-client-ip",
        "cf-connecting-ip",
        "cf-connecting-ipv6",
        "fastly-client-ip",
        "x-cluster-client-ip",
        "x-originating-ip",
        # with which certificate
        "x-client-dn",
        "x-client-verify",
        "x-arr-clientcert",  # IIS
        # what a proxy was asked for: gunicorn takes the first two from any neighbour it
        # trusts and Rack the next two from anybody, and so reaches another path or file
        "script-name",
        "path-info",
        "x-sendfile-type",
        "x-accel-mapping",
        "x-host",
        "x-http-host-override",
        "front-end-https",
        "proxy",  # HTTP_PROXY in CGI
    }
)
_IDENTITY_PREFIXES = (
    "pusterla-",
    "x-pusterla-",
    "x-forwarded",
    "remote-",  # Authelia, and REMOTE_USER of CGI
    "x-remote-",  # Kubernetes
    "x-auth-request-",  # oauth2-proxy
    "x-authenticated-",
    "x-authentik-",
    "x-pomerium-",
    "x-vouch-",
    "x-webauth-",  # Grafana, Gitea
    "oidc-claim-",  # mod_auth_openidc
    "tailscale-user-",
    "cf-access-",
    "x-goog-authenticated-user-",
    "x-goog-iap-",
    "x-ms-client-principal",
    "x-amzn-oidc-",
    "x-amzn-mtls-",
    "x-envoy-",
    "client-cert",
    "x-client-cert",
    "ssl-client-",
    "x-ssl-",
    "x-tls-client-",
    "x-original-",
    "x-rewrite-",
)
# CGI, WSGI and PHP make one underscore of "-" and "_", some servers (lighttpd) of
# all that a name may hold besides letters and digits (RFC 9110, section 5.6.2).
_ONE_MARK = str.maketrans(dict.fromkeys(string.punctuation, "-"))
_OWS = " \t"  # RFC 9110, section 5.6.3

# RFC 9110 section 7.6.1: these are between two neighbours only. Transfer-Encoding,
# Content-Length, Upgrade and Expect are left to the edge, which frames messages itself.
HOP_BY_HOP = frozenset(
    {
        "connection",
        "http2-settings",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
    }
)


def plain_name(name: str) -> str:
    """Return *name* as the least careful application reads it; two that are equal are one field.

    In lower case, with underscores and all other punctuation as hyphens.
    """
    return name.lower().translate(_ONE_MARK)


def claims_identity(name: str) -> bool:
    """Say whether a client's field *name* must not reach an application.

    The further header that an application has chosen (`Application.user_header`)
    is not known here: compare its `plain_name` too.
    """
    plain = plain_name(name)
    return plain in _IDENTITY or plain.startswith(_IDENTITY_PREFIXES)


def part_cookies(cookie: str) -> tuple[list[str], str]:
    """Return the values of our cookie in a Cookie field, and the field without them.

    The values are in their order; everything else is untouched.
    """
    if COOKIE_NAME not in cookie:
        return [], cookie
    ours, others = [], []
    for pair in cookie.split(";"):
        # Most pairs are somebody else's, and are told by a look into them.
        if COOKIE_NAME in pair:
            name, _, value = pair.partition("=")
            if name.strip(_OWS) == COOKIE_NAME:
                ours.append(value.strip(_OWS))
                continue
        others.append(pair)
    return ours, ";".join(others).strip(_OWS)


def field_value(text: str) -> str:
    """Return *text* as a field value can carry it: ASCII, one line.

    What lies outside is percent-encoded as UTF-8, as RFC 8187 does it, and so
    are blanks at both ends, which every parser drops.
    """
    inner = text.strip(" ")
    before = text.index(inner)
    after = len(text) - before - len(inner)
    return "%20" * before + "".join(map(_carried, inner)) + "%20" * after


def _carried(character: str) -> str:
    if " " <= character <= "~" and character != "%":
        return character
    # Half a surrogate pair is no text, but no reason to fail at every request either.
    octets = character.encode(errors="surrogatepass")
    return "".join(f"%{octet:02X}" for octet in octets)


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
