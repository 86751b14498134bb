"""The files of an issuing CA that follows another."""

import secrets
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ca.errors import FileRefused
from ca.hierarchy import files_of, initialise, issuers_in, key_files, load_issuer, load_root
from ca.issue import make_issuing
from ca.keys import load_certificates
from ca.kinds import KeyKind
from ca.succession import believe, certify_server, issued_by, keep_certificate, prepare_key
from tests.ca.makers import HOST, judge, new_serial

NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """The folder of a CA that was just made."""
    initialise(tmp_path / "keys", HOST, entropy=secrets.token_bytes, now=NOW)
    return tmp_path / "keys"


def follow(keys: Path, name: str = "issuing-2") -> None:
    """Make key and certificate of the next one."""
    key = prepare_key(keys / "ca", name, kind=KeyKind.P256)
    root = load_root(keys / "ca")
    number = int(name.rpartition("-")[2])
    certificate = make_issuing(root, HOST, key.public_key(), new_serial(), NOW, number)
    keep_certificate(keys / "ca", name, certificate)


def test_a_key_is_made_once(keys: Path) -> None:
    """Whoever asks again gets the one that is there, and the file stays as it is."""
    first = prepare_key(keys / "ca", "issuing-2", kind=KeyKind.P256)
    file = files_of(keys / "ca", "issuing-2").key
    before = file.read_bytes()
    again = prepare_key(keys / "ca", "issuing-2", kind=KeyKind.P384)
    assert again.public_key() == first.public_key()
    assert file.read_bytes() == before
    assert file.stat().st_mode & 0o777 == 0o600


def test_another_certificate_is_not_overwritten(keys: Path) -> None:
    """The same one again changes nothing."""
    follow(keys)
    file = files_of(keys / "ca", "issuing-2").certificate
    (same,) = load_certificates(file)
    keep_certificate(keys / "ca", "issuing-2", same)
    (other,) = load_certificates(keys / "ca/issuing.pem")
    with pytest.raises(FileRefused, match="holds another certificate"):
        keep_certificate(keys / "ca", "issuing-2", other)
    assert load_certificates(file) == (same,)


def test_files_are_told_in_their_order(keys: Path) -> None:
    """By number; what is named otherwise is none of ours."""
    for name in ("issuing-10", "issuing-2"):
        follow(keys, name)
    (keys / "ca" / "issuing-x.pem").touch()
    (keys / "ca" / "issuing.key.bak").touch()
    names = ["issuing-1", "issuing-2", "issuing-10"]
    assert issuers_in(keys / "ca") == names
    assert list(key_files(keys / "ca")) == ["root", *names]


def test_edges_believe_both(keys: Path, tmp_path: Path) -> None:
    """openssl takes the server's old certificate and its new one by the same file."""
    follow(keys)
    old, new = load_issuer(keys / "ca"), load_issuer(keys / "ca", name="issuing-2")
    issuers = [old.certificate, new.certificate]
    believe(keys / "edge", issuers, old.parents[0])
    before = (keys / "edge/server.pem").read_bytes()
    (tmp_path / "old.pem").write_bytes(before)
    ours = (keys / "edge", new, issuers, HOST)
    assert certify_server(*ours, entropy=secrets.token_bytes, now=NOW)
    assert not certify_server(*ours, entropy=secrets.token_bytes, now=NOW)
    renewed, above = load_certificates(keys / "edge/server.pem")
    assert above == new.certificate
    assert issued_by(renewed, [new.certificate])
    assert not issued_by(renewed, [old.certificate])
    for file in (tmp_path / "old.pem", keys / "edge/server.pem"):
        judge("openssl", "verify", "-x509_strict", "-CAfile", keys / "edge/clients.pem", file)


def test_a_server_certificate_from_elsewhere_stays(keys: Path) -> None:
    """Whoever has put one of a public CA there keeps it."""
    follow(keys)
    new = load_issuer(keys / "ca", name="issuing-2")
    before = (keys / "edge/server.pem").read_bytes()
    others = [new.certificate]
    made = certify_server(keys / "edge", new, others, HOST, entropy=secrets.token_bytes, now=NOW)
    assert not made
    assert (keys / "edge/server.pem").read_bytes() == before


def test_a_site_without_one_gets_key_and_certificate(keys: Path) -> None:
    """As one whose root is offline has none at first."""
    for name in ("server.pem", "server.key"):
        (keys / "edge" / name).unlink()
    issuer = load_issuer(keys / "ca")
    assert certify_server(
        keys / "edge", issuer, [issuer.certificate], HOST, entropy=secrets.token_bytes, now=NOW
    )
    assert (keys / "edge/server.key").stat().st_mode & 0o777 == 0o600
    assert load_certificates(keys / "edge/server.pem")[1] == issuer.certificate
