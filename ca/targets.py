"""Whom a PKCS#12 bundle is for, and how it is sealed so that they can open it.

There are two ways to seal. Today's (PBES2 with AES-256 and HMAC-SHA-256) is read by what keeps up
with the times. The old one (RFC 7292, appendix C: triple DES under a key from SHA-1) is what the
stores of operating systems read in *every* version that is still about: macOS, iOS, Android and
older Windows say "wrong password" to the new one. OpenSSL 3, NSS, GnuTLS and Java read the old
one too, unless a policy forbids them SHA-1.

Rounds are as many as the readers bear: .NET on Windows refuses a bundle of more than 600,000
rounds in all, and three keys are derived for each (KB5025823).
"""

from dataclasses import dataclass
from enum import StrEnum

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization.pkcs12 import PBES

from ca.kinds import KeyKind


class Target(StrEnum):
    """What is to open a bundle, by the name under which people choose it."""

    MODERN = "modern"
    """OpenSSL 3, GnuTLS, Java, curl, Chromium on Linux, Windows 10 from 1709 on."""
    FIREFOX = "firefox"
    """Firefox on every system, which has a store of its own."""
    WINDOWS = "windows"
    """The certificate store of every Windows: Edge and Chrome there."""
    MACOS = "macos"
    """The keychain of macOS and iOS: Safari and Chrome there."""
    ANDROID = "android"
    """The credentials of Android: Chrome there."""


@dataclass(frozen=True, slots=True)
class Sealing:
    """How a bundle is sealed: *pbes* its contents, an HMAC of *digest* the whole.

    *rounds* are those of each of the three key derivations.
    """

    pbes: PBES
    digest: hashes.SHA1 | hashes.SHA256
    rounds: int


_AES = Sealing(PBES.PBESv2SHA256AndAES256CBC, hashes.SHA256(), 200_000)
# Whoever finds a bundle may guess offline, and SHA-1 is guessed fast: not the 2,048 rounds that
# programs write by habit. More would keep telephones waiting.
_TRIPLE_DES = Sealing(PBES.PBESv1SHA1And3KeyTripleDESCBC, hashes.SHA1(), 100_000)  # noqa: S303 - what these targets read

_SEALED = {
    Target.MODERN: _AES,
    Target.FIREFOX: _AES,
    Target.WINDOWS: _TRIPLE_DES,
    Target.MACOS: _TRIPLE_DES,
    Target.ANDROID: _TRIPLE_DES,
}


def sealing_for(target: Target) -> Sealing:
    """Return how a bundle for *target* is sealed."""
    return _SEALED[target]


def can_import(target: Target, kind: KeyKind | None) -> bool:
    """Tell whether *target* takes a key of *kind* out of a bundle: no browser's store has Ed25519."""
    return target is Target.MODERN or kind is not KeyKind.ED25519
