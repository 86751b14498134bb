"""Host and path, brought into the one form that is decided on *and* forwarded.

What will not normalise is refused, since two readings of one request are how
gateways are passed by. Percent-encoding follows RFC 3986, section 6.2.2:
unreserved characters are decoded, digits upper-cased, dot segments removed,
and what browsers send bare against the RFC (`|`, `{` …) is encoded. An encoded
slash stays encoded, for it is data and not a separator.
"""

import re
from dataclasses import dataclass

RESERVED_PREFIX = "/.pusterla/"
"""Paths under it belong to Pusterla on every host; no application sees them."""

# uri-host of RFC 9110 section 7.2 in the forms we serve: DNS names, IPv4, [IPv6].
_HOST = re.compile(
    r"(?:(?P<name>[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*)\.?"
    r"|(?P<literal>\[[0-9a-f:.]+\]))(?::[0-9]{1,5})?"
)
# RFC 1035, section 2.3.4, as text without the last dot.
_NAME_MAXIMUM = 253
_HOST_MAXIMUM = _NAME_MAXIMUM + len(".:65535")

PLAIN_TARGET = (
    rb"(?:(?:/[A-Za-z0-9_~!$&'()*+,;=:@-][A-Za-z0-9._~!$&'()*+,;=:@-]*)+/?|/)(?:\?[!\"$-~]*)?"
)
"""What matches this whole regular expression is its own normal form, and not under our prefix.

Nothing in it has a second reading, so nothing needs to be done.
"""

_PLAIN_TARGET = re.compile(PLAIN_TARGET)
# pchar of RFC 3986 with percent-encoding, and what browsers send bare all the same.
_PATH = re.compile(rb"/(?:[A-Za-z0-9._~!$&'()*+,;=:@/|^`{}\"<>\[\]-]|%[0-9A-Fa-f]{2})*")
# Without "#": to some servers the target ends there.
_QUERY = re.compile(rb"[!\"$-~]*")
_ENCODED = re.compile(rb"%([0-9A-Fa-f]{2})")
_ENCODED_OR_BARE = re.compile(rb"%([0-9A-Fa-f]{2})|[|^`{}\"<>\[\]]")
# To a server that decodes before it splits, `..%2F` climbs; to one that drops
# the parameters of a segment, `..;x` does. Neither has an honest use.
_CLIMBS_LATER = re.compile(rb"(?:/|%2F)\.\.?(?:/|%2F|;|%3B|\Z)")
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
# An encoded NUL or other control character has no honest use in a path, and
# an encoded backslash is a slash to some servers.
_FORBIDDEN = frozenset([*range(0x20), 0x5C, 0x7F])


@dataclass(slots=True)  # made for each request: not frozen, which costs
class Target:
    """The normal form of a request target in origin-form (RFC 9112, section 3.2.1)."""

    path: bytes
    query: bytes | None

    @property
    def wire(self) -> bytes:
        """Return the bytes that go into the request line upstream."""
        return self.path if self.query is None else self.path + b"?" + self.query


def normalise_host(value: str) -> str | None:
    """Return the host of a Host field or an SNI name, without port; None refuses."""
    # Some letters outside ASCII become ASCII when lower-cased (U+212A, a "k").
    if len(value) > _HOST_MAXIMUM or not value.isascii():
        return None
    match = _HOST.fullmatch(value.lower())
    if match is None:
        return None
    host = match["name"] or match["literal"]
    return host if len(host) <= _NAME_MAXIMUM else None


def normalise_target(raw: bytes) -> Target | None:
    """Return the normal form of *raw*, or None where there is none."""
    path, mark, query = raw.partition(b"?")
    kept = query if mark else None
    if _PLAIN_TARGET.fullmatch(raw):
        return Target(path, kept)
    if mark and not _QUERY.fullmatch(query):
        return None
    if not _PATH.fullmatch(path):
        return None
    spelt = _respell(path)
    if spelt is None:
        return None
    clean = _remove_dot_segments(spelt)
    if clean is None or _CLIMBS_LATER.search(clean):
        return None
    return Target(clean, kept)


def _respell(path: bytes) -> bytes | None:
    for digits in _ENCODED.findall(path):
        if int(digits, 16) in _FORBIDDEN:
            return None

    def form(match: re.Match[bytes]) -> bytes:
        octet = int(match[1], 16) if match[1] else match[0][0]
        return bytes([octet]) if octet in _UNRESERVED else b"%%%02X" % octet

    return _ENCODED_OR_BARE.sub(form, path)


def _remove_dot_segments(path: bytes) -> bytes | None:
    # Unlike RFC 3986 section 5.2.4, climbing above the root is refused: no
    # client does it by accident.
    kept: list[bytes] = []
    segments = path.split(b"/")[1:]
    for position, segment in enumerate(segments):
        last = position == len(segments) - 1
        if segment == b"..":
            if not kept:
                return None
            kept.pop()
        elif segment != b".":
            kept.append(segment)
            continue
        if last:
            kept.append(b"")
    return b"/" + b"/".join(kept)
