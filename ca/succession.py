"""The files of an issuing CA that follows another: its key, its certificate, what edges believe.

Each step can be taken again: what is there already, and is as it would be made, stays. So whoever
was interrupted begins again at the first step, and no key is ever made over another.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from ca.errors import FileRefused
from ca.hierarchy import Entropy, files_of, server_hosts
from ca.issue import Issuer, issue, server_request
from ca.keys import (
    PUBLIC,
    Protection,
    load_certificates,
    load_key,
    pem_of,
    protection_of,
    replace,
    save_certificates,
    save_key,
    write_new,
)
from ca.kinds import KINDS, PUBLIC_KEYS, KeyKind, PrivateKey, kind_of, make_key
from ca.profiles import SERVER, IssueRequest, make_profile
from ca.serials import OCTETS, serial_from


def is_written(path: Path) -> bool:
    """Say whether *path* is there; one that an interrupted try has left empty is taken away."""
    if not path.exists():
        return False
    if path.stat().st_size == 0:
        path.unlink()
        return False
    return True


def prepare_key(
    ca: Path,
    name: str,
    *,
    kind: KeyKind,
    passphrase: bytes | None = None,
    token: str | None = None,
    load: Callable[[Path], PrivateKey] = load_key,
) -> PrivateKey:
    """Make the key of the issuing CA *name*, or take the one that an earlier try has made.

    *token* is the address of a key that is in a token: then none is made, but the address is put
    into the file, once the token has been opened with it.
    """
    path = files_of(ca, name).key
    if is_written(path):
        _refuse_other(path, passphrase, token)
        return load(path)
    if token is not None:
        write_new(path, f"{token.strip()}\n".encode(), like=_elder(ca))
        try:
            return load(path)
        except BaseException:
            path.unlink()
            raise
    key = make_key(kind)
    save_key(path, key, passphrase, like=_elder(ca))
    return key


def _refuse_other(path: Path, passphrase: bytes | None, token: str | None) -> None:
    """Raise `FileRefused` where the key in *path* is not protected as is wished for now."""
    found, wished = protection_of(path), Protection.NONE
    if token is not None:
        wished = Protection.TOKEN
    elif passphrase is not None:
        wished = Protection.PASSPHRASE
    if wished not in {Protection.NONE, found}:
        raise FileRefused(
            f"{path} was made by an earlier try, with the protection {found.value!r} and not"
            f" {wished.value!r}: move it away first, or ask without that"
        )


def keep_certificate(ca: Path, name: str, certificate: x509.Certificate) -> None:
    """Put the *certificate* of the issuing CA *name* beside its key.

    Raises `FileRefused` when another one is there.
    """
    path = files_of(ca, name).certificate
    if is_written(path):
        if load_certificates(path) != (certificate,):
            raise FileRefused(f"{path} holds another certificate: move it away first")
        return
    save_certificates(path, [certificate], like=_elder(ca))


def believe(edge: Path, issuers: Sequence[x509.Certificate], root: x509.Certificate) -> None:
    """Let the edges take clients of *issuers*, all of them below *root*, once they take that up."""
    replace(edge / "clients.pem", pem_of([*issuers, root]), PUBLIC)


def certify_server(
    edge: Path,
    issuer: Issuer,
    ours: Sequence[x509.Certificate],
    host: str,
    *,
    entropy: Entropy,
    now: datetime,
) -> bool:
    """Let *issuer* certify the key that the edge serves with; say whether there was need.

    There is none when it has done so, and none of our business when the certificate is from a CA
    that is not among *ours*. Where there is no certificate yet, the key is made first.
    """
    file = edge / "server.pem"
    if is_written(file):
        present, *_ = load_certificates(file)
        if issued_by(present, [issuer.certificate]) or not issued_by(present, ours):
            return False
        renew_server(edge, issuer, ours, entropy=entropy, now=now)
        return True
    key = _server_key(edge / "server.key").public_key()
    request = server_request(host, server_hosts(host), key, serial_from(entropy(OCTETS)))
    _serve_with(file, issuer, request, now)
    return True


def renew_server(
    edge: Path,
    issuer: Issuer,
    ours: Sequence[x509.Certificate],
    *,
    entropy: Entropy,
    now: datetime,
) -> x509.Certificate:
    """Let *issuer* certify the server's key and names once more, whichever of *ours* did so before.

    The key stays, so that there is no moment at which it and the certificate do not belong
    together. Raises `FileRefused`, having changed nothing, when the present certificate is from
    none of *ours*: whoever has issued it is asked for the next one too.
    """
    file = edge / "server.pem"
    present, *_ = load_certificates(file)
    if not issued_by(present, ours):
        raise FileRefused(
            f"the certificate in {file} is not one of this site's own CA: renew it where it is from"
        )
    try:
        names = present.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound) as error:
        raise FileRefused(f"the certificate in {file} has no names to renew it for") from error
    key = present.public_key()
    if not isinstance(key, PUBLIC_KEYS) or kind_of(key) is None:
        raise FileRefused(f"the key of {file} is not {KINDS}")
    serial = serial_from(entropy(OCTETS))
    request = IssueRequest(present.subject, key, serial, alternative_names=names)
    return _serve_with(file, issuer, request, now)


def _serve_with(
    file: Path, issuer: Issuer, request: IssueRequest, now: datetime
) -> x509.Certificate:
    certificate = issue(issuer, make_profile(SERVER), request, now)
    replace(file, pem_of([certificate, issuer.certificate]), PUBLIC)
    return certificate


def issued_by(certificate: x509.Certificate, issuers: Sequence[x509.Certificate]) -> bool:
    """Say whether one of *issuers* has signed *certificate*."""
    for issuer in issuers:
        try:
            certificate.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature):
            continue
        return True
    return False


def _server_key(path: Path) -> PrivateKey:
    if is_written(path):
        return load_key(path)
    key = make_key()
    save_key(path, key)
    return key


def _elder(ca: Path) -> Path:
    """Return a file of the CA that has the owner which new ones are to have."""
    return ca / "lock"
