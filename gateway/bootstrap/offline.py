"""The root on a machine of its own, without any site: made there, and signing requests there."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256

from ca.errors import FileRefused, IssuanceRefused, KeyLocked
from ca.hierarchy import issuer_name, load_root, make_offline_root
from ca.keys import load_key, save_certificates
from ca.kinds import PUBLIC_KEYS, KeyKind
from ca.requests import certify, fingerprint_of, read_request, site_of
from ca.serials import OCTETS, serial_from
from gateway.bootstrap.folder import clock
from gateway.bootstrap.passphrases import Source, file_in, read_passphrase

_LONGEST = 1 << 17


@dataclass(frozen=True, slots=True)
class MadeRoot:
    """A root: where its key and certificate lie; *fingerprint* is the certificate's SHA-256."""

    key: Path
    certificate: Path
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Signed:
    """A certificate that the root has signed; *fingerprint* is its key's."""

    name: str
    fingerprint: str
    not_after: datetime


def make_root(folder: Path, host: str, kind: KeyKind, passphrase: bytes | None) -> MadeRoot:
    """Make the root of the site *host* in *folder*; raises what `make_offline_root` raises."""
    certificate = make_offline_root(
        folder, host, entropy=secrets.token_bytes, now=clock(), kind=kind, passphrase=passphrase
    )
    fingerprint = certificate.fingerprint(SHA256()).hex(":").upper()
    return MadeRoot(folder / "root.key", folder / "root.pem", fingerprint)


def sign_request(request: Path, folder: Path, out: Path, source: Source) -> Signed:
    """Sign the request in the file *request* with the root in *folder*, into the new file *out*.

    Raises `IssuanceRefused` or `FileRefused`; then there is no *out*.
    """
    asked = read_request(_read(request))
    key = asked.public_key()
    if not isinstance(key, PUBLIC_KEYS):
        raise IssuanceRefused(["the key in the request is none of the kinds that sign here"])
    root = load_root(folder, lambda path: load_key(path, lambda _: _passphrase(path, source)))
    certificate = certify(root, asked, serial_from(secrets.token_bytes(OCTETS)), clock())
    save_certificates(out, [certificate])
    _, number = site_of(asked.subject)
    return Signed(issuer_name(number), fingerprint_of(key), certificate.not_valid_after_utc)


def _passphrase(path: Path, source: Source) -> bytes:
    if source.file is not None:
        return read_passphrase(file_in(source.file, path))
    typed = source.ask(f"Passphrase of {path}")
    if not typed:
        raise KeyLocked(f"{path} is under a passphrase: name its file with --passphrase-file")
    return typed.encode()


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_LONGEST)
    except OSError as error:
        raise FileRefused(f"{path} cannot be read: {error.strerror}") from error
