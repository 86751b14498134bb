"""Which URLs and which hosts are asked for lists and for answers: the rules, without a socket.

URLs come from the administrator and from certificates, and what a certificate says, the CA that
issued it has chosen. Such a CA is trusted to say who somebody is and not to choose what this
machine sends where. Its list servers stand in the intranet more often than not, and the demo
site's on this very machine, so private addresses and loopback are asked; what is sent there is
a GET or an OCSP request without a secret in it, and nothing of the answer is shown to anybody
unless the CA's key has signed it. Never asked are addresses where no CA can be and where asking
alone gives something away: those of cloud metadata services, link-local, multicast, nowhere.
"""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import SplitResult, urlsplit

SCHEMES: Final = ("http", "https")
_LONGEST = 2048
_PRINTABLE: Final = frozenset(map(chr, range(0x21, 0x7F)))

# Metadata services that do not stand on a link-local address.
_METADATA: Final = frozenset(
    map(ip_address, ("100.100.100.200", "192.0.0.192", "168.63.129.16", "fd00:ec2::254"))
)
# Addresses of version 4 inside those of version 6: RFC 6052 (2.1) and RFC 4291 (2.5.5.1).
_EMBEDDING: Final = tuple(map(IPv6Network, ("64:ff9b::/96", "::/96")))


def why_not_asked(url: str) -> str | None:
    """Say why *url* is not asked, in words that go behind its name; None when it may be.

    The host's addresses are judged when it is connected to (`why_not_reached`).
    """
    if len(url) > _LONGEST or not _PRINTABLE.issuperset(url):
        return f"is no URL of at most {_LONGEST} printable ASCII characters"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        return f"is no URL: {error}"
    return _scheme_fault(parts) or _host_fault(parts, host, port)


def usable_urls(urls: tuple[str, ...]) -> tuple[str, ...]:
    """Return those of *urls* that are asked at all; the first, to be refused with words, if none."""
    usable = tuple(url for url in urls if why_not_asked(url) is None)
    return usable or urls[:1]


def why_not_reached(address: str) -> str | None:
    """Say why the numeric *address* is not connected to; None when it may be."""
    found = _inner(ip_address(address.partition("%")[0]))
    if found.is_unspecified:
        return "is no host's address"
    if found.is_link_local:
        return "is a link-local address, where cloud metadata is served and no CA's lists"
    if found.is_multicast or str(found) == "255.255.255.255":
        return "is not one host's address"
    if found in _METADATA:
        return "is the address of a cloud's metadata service"
    return None


def _scheme_fault(parts: SplitResult) -> str | None:
    if parts.scheme in SCHEMES:
        return None
    if parts.scheme in ("ldap", "ldaps"):
        return "is in a directory: LDAP is not spoken here; give the list's http address or a file"
    if parts.scheme == "file":
        return "names a file of this machine, which only the settings may, as a file"
    return "is neither http nor https"


def _host_fault(parts: SplitResult, host: str | None, port: int | None) -> str | None:
    if not host:
        return "names no host"
    if parts.username is not None or parts.password is not None:
        return "has a user's name in it, and lists are for everybody"
    if port == 0:
        return "has no port that can be asked"
    return None


def _inner(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return the address of version 4 that *address* stands for, or itself."""
    if isinstance(address, IPv4Address):
        return address
    inner = address.ipv4_mapped or address.sixtofour
    if inner is not None:
        return inner
    # ::1 and :: are addresses of version 6 themselves.
    if int(address) > 1 and any(address in network for network in _EMBEDDING):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address
