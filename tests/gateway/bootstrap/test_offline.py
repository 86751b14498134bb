from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ca.errors import FileRefused, IssuanceRefused, KeyLocked
from ca.kinds import KeyKind, make_key
from ca.requests import build_request
from gateway.bootstrap.offline import make_root, sign_request
from gateway.bootstrap.passphrases import Source
from tests.ca.makers import judge

HOST = "gate.example.org"
SECRET = "the passphrase of the root"


@pytest.fixture
def request_file(tmp_path: Path) -> Path:
    """A request of the site."""
    file = tmp_path / "issuing-1.csr"
    file.write_bytes(build_request(make_key(), HOST, 1).public_bytes(Encoding.PEM))
    return file


@pytest.mark.parametrize("kind", KeyKind)
def test_a_root_signs_where_there_is_no_site(
    request_file: Path, tmp_path: Path, kind: KeyKind
) -> None:
    """With a key of any kind, under a passphrase; openssl takes the chain."""
    root = make_root(tmp_path / "root", HOST, kind, SECRET.encode())
    asked: list[str] = []

    def typed(words: str) -> str:
        asked.append(words)
        return SECRET

    out = tmp_path / "issuing-1.pem"
    signed = sign_request(request_file, tmp_path / "root", out, Source(ask=typed))
    assert signed.name == "issuing-1"
    assert len(asked) == 1
    judge("openssl", "verify", "-x509_strict", "-CAfile", root.certificate, out)
    assert x509.load_pem_x509_certificate(out.read_bytes()).not_valid_after_utc == signed.not_after


def test_nothing_is_overwritten(request_file: Path, tmp_path: Path) -> None:
    """Neither a root nor a certificate."""
    make_root(tmp_path / "root", HOST, KeyKind.P256, None)
    before = (tmp_path / "root" / "root.key").read_bytes()
    with pytest.raises(FileRefused, match="is there already"):
        make_root(tmp_path / "root", HOST, KeyKind.P256, None)
    assert (tmp_path / "root" / "root.key").read_bytes() == before
    out = tmp_path / "issuing-1.pem"
    out.write_bytes(b"precious")
    with pytest.raises(FileRefused, match="never overwritten"):
        sign_request(request_file, tmp_path / "root", out, Source())
    assert out.read_bytes() == b"precious"


def test_a_root_without_its_passphrase(request_file: Path, tmp_path: Path) -> None:
    """Signs nothing, and leaves no file."""
    make_root(tmp_path / "root", HOST, KeyKind.P256, SECRET.encode())
    out = tmp_path / "issuing-1.pem"
    for source in (Source(), Source(ask=lambda _: "something else")):
        with pytest.raises(KeyLocked, match=r"root\.key"):
            sign_request(request_file, tmp_path / "root", out, source)
    assert not out.exists()


def test_requests_that_are_none(tmp_path: Path) -> None:
    """The reason is told before the root's key is opened."""
    make_root(tmp_path / "root", HOST, KeyKind.P256, SECRET.encode())
    file, out = tmp_path / "x.csr", tmp_path / "x.pem"
    with pytest.raises(FileRefused, match=r"x\.csr cannot be read"):
        sign_request(file, tmp_path / "root", out, Source())
    file.write_bytes(b"nonsense")
    with pytest.raises(IssuanceRefused, match="not one certificate request"):
        sign_request(file, tmp_path / "root", out, Source())
