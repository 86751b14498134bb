"""Which certificate goes to which host: Firefox's ClientAuthRememberList.bin, filled in advance.

It is what Firefox writes when a person ticks "remember this decision". Hosts that are not on it
are asked about, so the certificate is shown to nobody else without a question.

A decision holds for a host *inside a site*: the registrable domain of the page in the address bar
(the partition). Which domain is registrable only the Public Suffix List knows, which changes; so
there is one line for each domain that it could be. Those that it is not are never looked up.
"""

from base64 import b64encode
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final

from cryptography import x509

from ca.der import elements
from gateway.kit.objects import serial_der

FILE: Final = "ClientAuthRememberList.bin"

_KEY, _VALUE = 256, 1024
_SCORE = 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST = 1024
"""As many lines as Firefox keeps; it drops others."""


def build_choices(
    hosts: Iterable[str], certificate: x509.Certificate, now: datetime
) -> tuple[bytes, tuple[str, ...]]:
    """Return the file that gives *certificate* to *hosts*, and the hosts that it has no room for.

    Raises `ValueError` when the names of the certificate are longer than a line.
    """
    value = _value(certificate)
    lines: list[bytes] = []
    left_out = []
    for host in dict.fromkeys(hosts):
        mine = [_line(key, value, now) for key in _keys(host)]
        if not mine or len(lines) + len(mine) > _MOST:
            left_out.append(host)
        else:
            lines += mine
    return b"".join(lines), tuple(left_out)


def _keys(host: str) -> Iterator[bytes]:
    labels = host.split(".")
    for first in range(max(1, len(labels) - 1)):
        site = ".".join(labels[first:])
        # "(https,SITE)", percent-encoded as Firefox does.
        key = f"{host},,^partitionKey=%28https%2C{site}%29".encode("ascii")
        if len(key) <= _KEY:
            yield key


def _value(certificate: x509.Certificate) -> bytes:
    """Name a certificate as Firefox does: module, slot, and two lengths before what they are of."""
    ((_, serial),) = elements(serial_der(certificate))
    issuer = certificate.issuer.public_bytes()
    name = bytes(8) + len(serial).to_bytes(4) + len(issuer).to_bytes(4) + serial + issuer
    value = b64encode(name)
    if len(value) > _VALUE:
        raise ValueError("the issuer's name is longer than Firefox remembers")
    return value


def _line(key: bytes, value: bytes, now: datetime) -> bytes:
    """Write one slot of Firefox's DataStorage."""
    day = (now - _EPOCH).days
    rest = b"".join(
        (
            _SCORE.to_bytes(2),
            day.to_bytes(2),
            key.ljust(_KEY, b"\0"),
            value.ljust(_VALUE, b"\0"),
        )
    )
    checksum = 0
    for at in range(0, len(rest), 2):
        checksum ^= int.from_bytes(rest[at : at + 2])
    return checksum.to_bytes(2) + rest
