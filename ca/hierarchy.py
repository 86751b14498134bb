"""The files of a certificate authority: made once, loaded by whoever signs.

::

    KEYS/ca/    root.key root.pem issuing.key issuing.pem lock      for the one who signs
    KEYS/edge/  server.key server.pem clients.pem                   for the one who serves

server.pem holds the server's certificate and the issuing CA's; clients.pem what client
certificates must chain to.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec

from ca.errors import FileRefused, IssuanceRefused
from ca.issue import Issuer, issue, make_issuing, make_root, server_request
from ca.keys import (
    load_certificates,
    load_key,
    make_key,
    replace_certificates,
    save_certificates,
    save_key,
    write_new,
)
from ca.profiles import SERVER, IssueRequest, make_profile
from ca.serials import OCTETS, serial_from

Entropy = Callable[[int], bytes]
"""Gives so many random octets: `secrets.token_bytes`, or seeded ones in a test."""

ISSUER_NAME = "issuing-1"
"""The first issuing CA in the ledger, and in the addresses of its CRL."""

ROOT_NAME = "root"
FOLDER_MODE = 0o700


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """What a new CA consists of; the server's certificate is not in any ledger."""

    root: x509.Certificate
    issuing: x509.Certificate
    server: x509.Certificate


def server_hosts(host: str) -> tuple[str, ...]:
    """Return the names that the site *host* serves: itself, its applications, its public host."""
    return (host, f"*.{host}", f"public.{host}")


def initialise(keys: Path, host: str, *, entropy: Entropy, now: datetime) -> Hierarchy:
    """Make root, issuing CA and server certificate of the site *host* below the folder *keys*.

    Raises `FileRefused`, having written nothing, when any of the files exists; and
    `IdentityRefused` for a host that cannot stand in a certificate. A crash half-way leaves
    files that must be removed before the next try: none is ever overwritten.
    """
    ca, edge = keys / "ca", keys / "edge"
    _refuse_present(
        *(ca / name for name in ("root.key", "root.pem", "issuing.key", "issuing.pem", "lock")),
        *(edge / name for name in ("server.key", "server.pem", "clients.pem")),
    )
    root_key, issuing_key, server_key = make_key(), make_key(), make_key()
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
    save_key(ca / "root.key", root_key)
    save_key(ca / "issuing.key", issuing_key)
    save_key(edge / "server.key", server_key)
    write_new(ca / "lock", b"")
    save_certificates(ca / "root.pem", root.chain)
    save_certificates(ca / "issuing.pem", [issuing.certificate])
    save_certificates(edge / "server.pem", [server, issuing.certificate])
    save_certificates(edge / "clients.pem", issuing.chain)
    return Hierarchy(root.certificate, issuing.certificate, server)


def renew_server(keys: Path, *, entropy: Entropy, now: datetime) -> x509.Certificate:
    """Replace the server's certificate below *keys* by a new one for the same key and names.

    The key stays, so that there is no moment at which it and the certificate do not belong
    together. Raises `FileRefused`, having changed nothing, when the present one is not of
    this CA: whoever has issued it is asked for the next one too.
    """
    path = keys / "edge" / "server.pem"
    issuer = load_issuer(keys / "ca")
    present, *_ = load_certificates(path)
    try:
        present.verify_directly_issued_by(issuer.certificate)
        names = present.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound) as error:
        raise FileRefused(
            f"the certificate in {path} is not one of this site's own CA: renew it where it is from"
        ) from error
    key = present.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise FileRefused(f"the key of {path} is not on an elliptic curve")
    serial = serial_from(entropy(OCTETS))
    request = IssueRequest(present.subject, key, serial, alternative_names=names)
    certificate = issue(issuer, make_profile(SERVER), request, now)
    replace_certificates(path, [certificate, issuer.certificate])
    return certificate


def _refuse_present(*paths: Path) -> None:
    if present := [str(path) for path in paths if path.is_symlink() or path.exists()]:
        raise FileRefused(f"a certificate authority is there already: {', '.join(present)}")


def load_issuer(ca: Path) -> Issuer:
    """Load the issuing CA from the folder *ca*; the root's key is not touched.

    Raises `FileRefused` when a file is missing, unreadable or open to others, or when key and
    certificate do not belong together.
    """
    certificate, *_ = load_certificates(ca / "issuing.pem")
    parents = load_certificates(ca / "root.pem")
    key = load_key(ca / "issuing.key")
    try:
        return Issuer(ISSUER_NAME, certificate, key, parents)
    except IssuanceRefused as error:
        raise FileRefused(f"{ca}: {error}") from error
