"""A renewal that a person brings to their stick by themselves: one file, saved beside the launchers.

The key stays where it is. The file has the half of the certificate store that holds no key, the
choice of certificates, and a word before and after: the launcher takes the file in only if the
word *before* is the one that lies in the kit. That word only the site and the stick know, so
nobody else's download can put a certificate, or a choice of who is shown it, into a kit.
"""

import hmac
from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256
from typing import Final

from gateway.kit import choices
from gateway.kit.manifest import PROFILE
from gateway.kit.store import CERTIFICATES, Shown, certificate_store

WORD: Final = "renewal.id"
"""Where a kit has its word, in the profile."""
BEFORE: Final = "before"
AFTER: Final = "after"
MEMBERS: Final = (BEFORE, AFTER, CERTIFICATES, choices.FILE)
"""What is in the file, and all that a launcher takes out of it."""
PATTERN: Final = "renewal*.tar"
"""What the file is called; browsers number what they save twice."""
FILE: Final = "renewal.tar"

_PURPOSE: Final = b"renewal of the kit with the certificate "


def word_of(site_key: bytes, fingerprint: str) -> bytes:
    """Return the word of the kit that holds the certificate with *fingerprint*."""
    word = hmac.digest(site_key, _PURPOSE + fingerprint.encode("ascii"), sha256)
    return word.hex().encode("ascii") + b"\n"


def word_file(site_key: bytes, fingerprint: str) -> dict[str, bytes]:
    """Return the file that makes a kit one that can be renewed so."""
    return {f"{PROFILE}/{WORD}": word_of(site_key, fingerprint)}


def renewal_members(
    shown: Shown, hosts: Iterable[str], words: tuple[bytes, bytes], now: datetime
) -> dict[str, bytes]:
    """Return what is in the file for a kit whose word is the first of *words*, then the second.

    Raises `ValueError` where no kit can hold the certificate.
    """
    chosen, _ = choices.build_choices(hosts, shown.certificate, now)
    before, after = words
    return {
        BEFORE: before,
        AFTER: after,
        CERTIFICATES: certificate_store(shown),
        choices.FILE: chosen,
    }
