"""Session cookies and hand-over tickets: made and read here, nowhere else.

Each host of the site has a cookie of its own (`__Host-`, RFC 6265bis section
4.1.3.2: Secure, Path=/, no Domain). Its value carries the session's number and
a MAC over that number *and the host*, so what one application's host leaks
opens no other host. What a cookie opens is decided by the session, which is
bound to a certificate; the MAC only proves that we made it.

A ticket hands a session over from the portal to an application's host once
the person has signed in: it names session, host, certificate and target, and
lives for `TICKET_SECONDS`.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime
from hashlib import sha256

from gateway.core.people import Fingerprint
from gateway.core.sessions import SESSION_ID_BYTES, SessionId

COOKIE_NAME = "__Host-pusterla"
TICKET_SECONDS = 30
KEY_BYTES = 32

_MAC_BYTES = 32
_TIME_BYTES = 8
# 48 bytes are 64 characters, without padding.
_COOKIE_CHARACTERS = 64


def mint_cookie(key: bytes, session: SessionId, host: str) -> str:
    """Return the cookie's value for *session* on *host*."""
    raw = bytes.fromhex(session)
    return _text(raw + _mac(key, b"cookie", raw, host.encode()))


def read_cookie(key: bytes, value: str, host: str) -> SessionId | None:
    """Return the session that *value* names on *host*, or None if we did not make it.

    Says nothing about whether that session lives, or whose it is.
    """
    if len(value) != _COOKIE_CHARACTERS:
        return None
    data = _bytes(value)
    if data is None:
        return None
    raw, mac = data[:SESSION_ID_BYTES], data[SESSION_ID_BYTES:]
    if not hmac.compare_digest(mac, _mac(key, b"cookie", raw, host.encode())):
        return None
    return SessionId(raw.hex())


def mint_ticket(
    key: bytes,
    session: SessionId,
    host: str,
    fingerprint: Fingerprint,
    target: str,
    now: datetime,
) -> str:
    """Return a ticket that lets *session* be taken up on *host*, to go to *target*."""
    raw = bytes.fromhex(session)
    ends = (int(now.timestamp()) + TICKET_SECONDS).to_bytes(_TIME_BYTES)
    return _text(raw + ends + _ticket_mac(key, raw, ends, host, fingerprint, target))


def read_ticket(
    key: bytes,
    value: str,
    host: str,
    fingerprint: Fingerprint,
    target: str,
    now: datetime,
) -> SessionId | None:
    """Return the session that a ticket hands over here and now, or None."""
    data = _bytes(value)
    if data is None or len(data) != SESSION_ID_BYTES + _TIME_BYTES + _MAC_BYTES:
        return None
    raw, ends, mac = (
        data[:SESSION_ID_BYTES],
        data[SESSION_ID_BYTES:-_MAC_BYTES],
        data[-_MAC_BYTES:],
    )
    if not hmac.compare_digest(mac, _ticket_mac(key, raw, ends, host, fingerprint, target)):
        return None
    if not 0 <= int.from_bytes(ends) - now.timestamp() <= TICKET_SECONDS:
        return None
    return SessionId(raw.hex())


def cookie_header(value: str) -> str:
    """Return the Set-Cookie value that hands *value* to the browser.

    Lax, not Strict: the way back from the portal is a redirect of a
    navigation, which may have begun on another site (a link in a mail).
    """
    return f"{COOKIE_NAME}={value}; Path=/; Secure; HttpOnly; SameSite=Lax"


def clearing_header() -> str:
    """Return the Set-Cookie value that takes the cookie away."""
    return f"{COOKIE_NAME}=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0"


def _ticket_mac(
    key: bytes, raw: bytes, ends: bytes, host: str, fingerprint: Fingerprint, target: str
) -> bytes:
    # A stranger writes the target; half a surrogate pair in it must not raise.
    place = target.encode(errors="surrogatepass")
    return _mac(key, b"ticket", raw, ends, host.encode(), fingerprint.encode(), place)


def _mac(key: bytes, *fields: bytes) -> bytes:
    # Length-prefixed, so that no two lists of fields are the same bytes.
    message = b"".join(len(field).to_bytes(4) + field for field in fields)
    return hmac.digest(key, message, sha256)


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _bytes(value: str) -> bytes | None:
    try:
        data = urlsafe_b64decode(value + "=" * (-len(value) % 4))
    except ValueError:  # binascii.Error is one; a letter outside ASCII is another
        return None
    # base64 has several spellings of the same bytes; only ours is accepted.
    return data if _text(data) == value else None
