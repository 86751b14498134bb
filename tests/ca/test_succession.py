"""The files of an issuing CA that follows another."""

import secrets
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from ca.errors import FileRefused
from ca.hierarchy import files_of, initialise, issuers_in, key_files, load_issuer, load_root
from ca.issue import Issuer, issue, make_issuing, server_request
from ca.keys import load_certificates, pem_of
from ca.kinds import KeyKind, make_key
from ca.profiles import SERVER, make_profile
from ca.succession import (
    believe,
    certify_server,
    issued_by,
    keep_certificate,
    prepare_key,
    renew_server,
)
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


def test_a_key_of_an_earlier_try_is_not_taken_for_a_protected_one(keys: Path) -> None:
    """Whoever wishes for a passphrase or a token now would think that it has one."""
    prepare_key(keys / "ca", "issuing-2", kind=KeyKind.P256)
    for wish in ({"passphrase": b"a long passphrase"}, {"token": "pkcs11:token=t;object=o"}):
        with pytest.raises(FileRefused, match="made by an earlier try"):
            prepare_key(keys / "ca", "issuing-2", kind=KeyKind.P256, **wish)


def test_what_an_interruption_left_empty_is_made_again(keys: Path) -> None:
    """A name without a content is no key, no certificate, and in nobody's way."""
    files = files_of(keys / "ca", "issuing-2")
    for path in (files.key, files.certificate):
        path.touch()
    follow(keys)
    assert (
        load_issuer(keys / "ca", name="issuing-2").certificate
        == load_certificates(files.certificate)[0]
    )


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


LATER = NOW + timedelta(days=300)


def renew(keys: Path, issuer: Issuer, *others: Issuer) -> x509.Certificate:
    """Renew the server's certificate; it may be from *issuer* or from one of *others*."""
    ours = [each.certificate for each in (issuer, *others)]
    return renew_server(keys / "edge", issuer, ours, entropy=secrets.token_bytes, now=LATER)


class TestRenewServer:
    def test_key_and_names_stay_and_the_end_moves(self, keys: Path) -> None:
        """A new serial and new dates for the same server; the issuing CA stands behind it again."""
        before, issuing = load_certificates(keys / "edge/server.pem")
        (keys / "edge/server.pem").chmod(0o640)
        renewed = renew(keys, load_issuer(keys / "ca"))
        assert load_certificates(keys / "edge/server.pem") == (renewed, issuing)
        assert renewed.public_key() == before.public_key()
        assert renewed.subject == before.subject
        assert renewed.serial_number != before.serial_number
        names = x509.SubjectAlternativeName
        assert (
            renewed.extensions.get_extension_for_class(names).value
            == before.extensions.get_extension_for_class(names).value
        )
        moved = renewed.not_valid_after_utc - before.not_valid_after_utc
        assert moved == timedelta(days=300)
        assert stat.S_IMODE((keys / "edge/server.pem").stat().st_mode) == 0o640

    def test_the_one_that_issues_now_signs(self, keys: Path) -> None:
        """Also what an earlier one had signed; so that one can go."""
        follow(keys)
        old, new = load_issuer(keys / "ca"), load_issuer(keys / "ca", name="issuing-2")
        renewed = renew(keys, new, old)
        assert load_certificates(keys / "edge/server.pem") == (renewed, new.certificate)
        assert issued_by(renewed, [new.certificate])

    @pytest.mark.parametrize("kind", [KeyKind.P384, KeyKind.RSA3072])
    def test_any_kind_of_key_that_servers_have(self, keys: Path, kind: KeyKind) -> None:
        """The issuing CA's may be of another."""
        issuer, key = load_issuer(keys / "ca"), make_key(kind).public_key()
        request = server_request(HOST, (HOST,), key, new_serial())
        present = issue(issuer, make_profile(SERVER), request, NOW)
        (keys / "edge/server.pem").write_bytes(pem_of([present, issuer.certificate]))
        assert renew(keys, issuer).public_key() == key

    @pytest.mark.parametrize("other", ["signed", "named", "rsa"])
    def test_a_certificate_from_elsewhere_is_left_alone(
        self, keys: Path, tmp_path: Path, other: str
    ) -> None:
        """Of another CA, even of one with our name: whoever has issued it renews it."""
        elsewhere = tmp_path / "elsewhere"
        host = HOST if other == "signed" else "other.example"
        initialise(elsewhere, host, entropy=secrets.token_bytes, now=NOW)
        path = keys / "edge/server.pem"
        if other == "rsa":
            path.write_bytes(short_rsa_certificate(load_issuer(keys / "ca")))
        else:
            path.write_bytes((elsewhere / "edge/server.pem").read_bytes())
        before = path.read_bytes()
        with pytest.raises(FileRefused, match=r"server\.pem"):
            renew(keys, load_issuer(keys / "ca"))
        assert path.read_bytes() == before


def short_rsa_certificate(issuer: Issuer) -> bytes:
    """Return a certificate of *issuer* for a key that we make none of, in PEM."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.SubjectAlternativeName([x509.DNSName(HOST)])
    return (
        x509.CertificateBuilder()
        .subject_name(issuer.certificate.subject)
        .issuer_name(issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=1))
        .add_extension(name, critical=False)
        .sign(issuer.key, hashes.SHA256())
        .public_bytes(Encoding.PEM)
    )
