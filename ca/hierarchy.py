"""The files of a certificate authority: made once, loaded by whoever signs.

::

    KEYS/ca/    root.key root.pem issuing.key issuing.pem lock      for the one who signs
                issuing-2.key issuing-2.pem ...                     those that followed
    KEYS/edge/  server.key server.pem clients.pem                   for the one who serves

server.pem holds the server's certificate and the issuing CA's; clients.pem what client
certificates must chain to.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509

from ca.encryption import refuse_weak
from ca.errors import FileRefused, IssuanceRefused
from ca.issue import Issuer, issue, make_issuing, make_root, server_request
from ca.keys import (
    key_pem,
    load_certificates,
    load_key,
    save_certificates,
    save_key,
    write_new,
)
from ca.kinds import KeyKind, PrivateKey, make_key
from ca.profiles import SERVER, make_profile
from ca.serials import OCTETS, serial_from

Entropy = Callable[[int], bytes]
"""Gives so many random octets: `secrets.token_bytes`, or seeded ones in a test."""

ISSUER_NAME = "issuing-1"
"""The first issuing CA in the ledger, and in the addresses of its CRL."""

ROOT_NAME = "root"
FOLDER_MODE = 0o700


_STEM = "issuing"
_NAME = re.compile(r"issuing-[1-9][0-9]*")


@dataclass(frozen=True, slots=True)
class IssuerFiles:
    """Where key and certificate of an issuing CA lie."""

    key: Path
    certificate: Path


def files_of(ca: Path, name: str) -> IssuerFiles:
    """Return the files of the issuing CA *name*; those of the first bear no number."""
    stem = _STEM if name == ISSUER_NAME else name
    return IssuerFiles(ca / f"{stem}.key", ca / f"{stem}.pem")


def name_of(key: Path) -> str:
    """Return the name of the CA whose key is in the file *key*, be it there or not."""
    return ISSUER_NAME if key.stem == _STEM else key.stem


def issuers_in(ca: Path) -> list[str]:
    """Return the names of the issuing CAs that have a file in the folder *ca*, in their order."""
    stems = {path.stem for path in ca.glob(f"{_STEM}*") if path.suffix in {".key", ".pem"}}
    names = {ISSUER_NAME if stem == _STEM else stem for stem in stems}
    return sorted(filter(_NAME.fullmatch, names), key=lambda name: int(name.rpartition("-")[2]))


def issuer_name(number: int) -> str:
    """Return the name of the issuing CA *number* in the ledger."""
    return f"{_STEM}-{number}"


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """What a new CA consists of; the server's certificate is not in any ledger."""

    root: x509.Certificate
    issuing: x509.Certificate
    server: x509.Certificate


def server_hosts(host: str) -> tuple[str, ...]:
    """Return the names that the site *host* serves: itself, its applications, its public host."""
    return (host, f"*.{host}", f"public.{host}")


def initialise(
    keys: Path,
    host: str,
    *,
    entropy: Entropy,
    now: datetime,
    kind: KeyKind = KeyKind.P256,
    passphrase: bytes | None = None,
) -> Hierarchy:
    """Make root, issuing CA and server certificate of the site *host* below the folder *keys*.

    The keys of root and issuing CA are of *kind*, and under *passphrase* if there is one. The
    server's is on P-256, which every browser takes, and plain: the edge reads it by itself.

    Raises `FileRefused`, having written nothing, when any of the files exists; and
    `IdentityRefused` for a host that cannot stand in a certificate. A crash half-way leaves
    files that must be removed before the next try: none is ever overwritten.
    """
    ca, edge = keys / "ca", keys / "edge"
    _refuse_present(
        *(ca / name for name in ("root.key", "root.pem", "issuing.key", "issuing.pem", "lock")),
        *(edge / name for name in ("server.key", "server.pem", "clients.pem")),
    )
    if passphrase is not None:
        refuse_weak(passphrase)
    root_key, issuing_key, server_key = make_key(kind), make_key(kind), make_key()
    certificate = make_root(host, root_key, serial_from(entropy(OCTETS)), now)
    root = Issuer(ROOT_NAME, certificate, root_key)
    issuing = Issuer(
        ISSUER_NAME,
        make_issuing(root, host, issuing_key.public_key(), serial_from(entropy(OCTETS)), now),
        issuing_key,
        parents=root.chain,
    )
    request = server_request(
        host, server_hosts(host), server_key.public_key(), serial_from(entropy(OCTETS))
    )
    server = issue(issuing, make_profile(SERVER), request, now)
    for folder in (ca, edge):
        folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    save_key(ca / "root.key", root_key, passphrase)
    save_key(ca / "issuing.key", issuing_key, passphrase)
    save_key(edge / "server.key", server_key)
    write_new(ca / "lock", b"")
    save_certificates(ca / "root.pem", root.chain)
    save_certificates(ca / "issuing.pem", [issuing.certificate])
    save_certificates(edge / "server.pem", [server, issuing.certificate])
    save_certificates(edge / "clients.pem", issuing.chain)
    return Hierarchy(root.certificate, issuing.certificate, server)


def key_files(ca: Path) -> dict[str, Path]:
    """Return the files of keys in the folder *ca*, by the name of the CA, the root's first."""
    found = {ROOT_NAME: ca / "root.key"}
    found |= {name: files_of(ca, name).key for name in issuers_in(ca)}
    return {name: path for name, path in found.items() if path.exists()}


def _refuse_present(*paths: Path) -> None:
    if present := [str(path) for path in paths if path.is_symlink() or path.exists()]:
        raise FileRefused(f"a certificate authority is there already: {', '.join(present)}")


def make_offline_root(
    folder: Path,
    host: str,
    *,
    entropy: Entropy,
    now: datetime,
    kind: KeyKind = KeyKind.P256,
    passphrase: bytes | None = None,
) -> x509.Certificate:
    """Make root.key and root.pem of the site *host* in *folder*, on a machine without the site.

    Raises `FileRefused`, having written nothing, when one of them is there.
    """
    _refuse_present(folder / "root.key", folder / "root.pem")
    key = make_key(kind)
    certificate = make_root(host, key, serial_from(entropy(OCTETS)), now)
    pem = key_pem(key, passphrase)
    folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    write_new(folder / "root.key", pem)
    save_certificates(folder / "root.pem", [certificate])
    return certificate


def adopt_root(keys: Path, root: x509.Certificate) -> None:
    """Make the folders of a CA below *keys* whose *root* is elsewhere: so far it can sign nothing.

    Raises `FileRefused` when there is one already.
    """
    ca, edge = keys / "ca", keys / "edge"
    _refuse_present(ca / "root.pem", ca / "lock")
    for folder in (ca, edge):
        folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    write_new(ca / "lock", b"")
    save_certificates(ca / "root.pem", [root])


def load_root(folder: Path, load: Callable[[Path], PrivateKey] = load_key) -> Issuer:
    """Load the root, key and all, from *folder*; raise `FileRefused`."""
    certificate, *_ = load_certificates(folder / "root.pem")
    try:
        return Issuer(ROOT_NAME, certificate, load(folder / "root.key"))
    except IssuanceRefused as error:
        raise FileRefused(f"{folder}: {error}") from error


def load_issuer(
    ca: Path, load: Callable[[Path], PrivateKey] = load_key, name: str = ISSUER_NAME
) -> Issuer:
    """Load the issuing CA *name* from the folder *ca*; the root's key is not touched.

    *load* reads the key: `KeyRing.load`, where it may be under a passphrase.

    Raises `FileRefused` when a file is missing, unreadable or open to others, or when key and
    certificate do not belong together.
    """
    files = files_of(ca, name)
    certificate, *_ = load_certificates(files.certificate)
    parents = load_certificates(ca / "root.pem")
    key = load(files.key)
    try:
        return Issuer(name, certificate, key, parents)
    except IssuanceRefused as error:
        raise FileRefused(f"{ca}: {error}") from error
