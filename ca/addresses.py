"""Addresses of keys in PKCS#11 tokens: as much of RFC 7512 as names one key."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

from ca.errors import FileRefused

SCHEME: Final = b"pkcs11:"
"""What the file of such a key begins with."""

_ATTRIBUTE = re.compile(r"([a-z-]+)=([!-~]+)")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a key is: *module* is the token's library; of the others None says nothing."""

    module: str
    token: str | None
    serial: bytes | None
    label: str | None
    identifier: bytes | None

    def __str__(self) -> str:
        """Name it for people."""
        key = self.label or (self.identifier or b"").hex()
        return f"the key {key!r} in the token {self.token or (self.serial or b'').decode()!r}"


def parse_address(text: str) -> Address:
    """Read a URI of RFC 7512, or raise `FileRefused`.

    It must name library, token (or its serial number) and key (by object or id). A PIN in it is
    refused: this is no place for a secret.
    """
    path, _, query = text.strip().removeprefix(SCHEME.decode()).partition("?")
    found: dict[str, bytes] = {}
    for part in [*path.split(";"), *(query.split("&") if query else [])]:
        attribute = _ATTRIBUTE.fullmatch(part)
        if attribute is None or attribute[1] in found:
            raise FileRefused(f"{part!r} is not an attribute of an address of a token (RFC 7512)")
        found[attribute[1]] = unquote_to_bytes(attribute[2])
    if any(name.startswith("pin-") for name in found):
        raise FileRefused(
            "the PIN of a token does not belong into its address: give it as a passphrase is given"
        )
    found.pop("type", None)
    module, token, label = (
        _text(found.pop(key, None)) for key in ("module-path", "token", "object")
    )
    address = Address(module or "", token, found.pop("serial", None), label, found.pop("id", None))
    if found:
        raise FileRefused(f"an address of a token with {', '.join(found)} is not understood here")
    if not address.module.startswith("/"):
        raise FileRefused("an address of a token ends with ?module-path=/the/library/of/it.so")
    if (address.token, address.serial) == (None, None):
        raise FileRefused("an address of a token names it: token=LABEL, or serial=NUMBER")
    if (address.label, address.identifier) == (None, None):
        raise FileRefused("an address of a key in a token names it: object=LABEL, or id=%01")
    return address


def _text(data: bytes | None) -> str | None:
    return None if data is None else data.decode("utf-8", "replace")
