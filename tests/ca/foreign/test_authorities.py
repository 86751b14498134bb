"""The file of a trust: taken in each form that there is, and only if every CA in it is fit."""

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.hazmat.primitives.serialization.pkcs7 import serialize_certificates
from cryptography.x509.oid import ExtendedKeyUsageOID

from ca.foreign.authorities import (
    LARGEST_FILE,
    RefusedFile,
    authorities_pem,
    dates_in_words,
    read_authorities,
    same_authority,
)
from ca.foreign.paths import MOST_AUTHORITIES
from tests.ca.foreign.chains import (
    NOW,
    SHA1,
    Made,
    make_authority,
    make_person,
    make_root,
    rsa_key,
    usage,
)
from tests.ca.makers import judge, write_pem

ROOT = make_root()
ISSUING = make_authority(ROOT)
BOTH = (ROOT.der, ISSUING.der)


def pem(*made: Made) -> bytes:
    """Write certificates one after the other."""
    return b"".join(one.certificate.public_bytes(Encoding.PEM) for one in made)


def refused(data: bytes) -> str:
    """Return why *data* is refused."""
    found = read_authorities(data)
    assert isinstance(found, RefusedFile)
    return "\n".join(found.reasons)


def taken(data: bytes) -> tuple[bytes, ...]:
    """Return the CAs of *data*."""
    found = read_authorities(data)
    assert not isinstance(found, RefusedFile)
    return found


def test_every_form_is_read(tmp_path: Path) -> None:
    """PEM with words between, DER, and PKCS #7 as AD CS and openssl write it."""
    assert read_authorities(pem(ROOT, ISSUING)) == BOTH
    assert read_authorities(b"our root:\n" + pem(ROOT) + b"\nand\n" + pem(ISSUING)) == BOTH
    assert read_authorities(ROOT.der) == (ROOT.der,)
    for encoding in (Encoding.PEM, Encoding.DER):
        data = serialize_certificates([ROOT.certificate, ISSUING.certificate], encoding)
        assert set(taken(data)) == set(BOTH)
    file = write_pem(tmp_path / "both.pem", ROOT.certificate, ISSUING.certificate)
    made = judge("openssl", "crl2pkcs7", "-nocrl", "-certfile", file)
    assert set(taken(made.encode())) == set(BOTH)


def test_what_is_written_is_read() -> None:
    """In its order."""
    assert read_authorities(authorities_pem(BOTH)) == BOTH


@pytest.mark.parametrize("protected", [False, True])
def test_a_private_key_is_told_of(protected: bool) -> None:
    """Nobody should have that of a CA, and no trust needs one."""
    for encoding in (Encoding.PEM, Encoding.DER):
        key = ROOT.key.private_bytes(encoding, PrivateFormat.PKCS8, NoEncryption())
        if protected:
            key = key.replace(b"PRIVATE KEY", b"ENCRYPTED PRIVATE KEY")
        assert "holds a private key" in refused(key)
    assert "holds a private key" in refused(pem(ROOT) + key_pem())


def key_pem() -> bytes:
    """Write the root's key."""
    return ROOT.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def test_what_is_no_ca_certificate_is_refused() -> None:
    """With what it is instead."""
    assert refused(b" \n") == "is empty"
    assert "at most" in refused(b"x" * (LARGEST_FILE + 1))
    assert "can be read" in refused(b"nonsense")
    assert "can be read" in refused(pem(ROOT).replace(b"M", b"*", 5))
    crl = b"-----BEGIN X509 CRL-----\nMA==\n-----END X509 CRL-----\n"
    assert "holds more than CA certificates: 'X509 CRL'" in refused(pem(ROOT) + crl)
    assert "part of it is missing" in refused(pem(ROOT, ISSUING)[:-30])
    assert "'Anna' is no CA" in refused(pem(ROOT, ISSUING, make_person(ISSUING)))
    assert "twice" in refused(pem(ROOT, ROOT))
    many = [make_root(f"Root {at}") for at in range(MOST_AUTHORITIES + 1)]
    assert f"at most {MOST_AUTHORITIES}" in refused(pem(*many))


def test_a_ca_that_is_not_fit_is_refused() -> None:
    """As it would be in a path, and before anybody relies on it."""
    weak = make_root(key=rsa_key(1024))
    assert "its key of RSA has 1024 bits" in refused(pem(weak))
    servers = make_root(more={x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]): False})
    assert "not for TLS clients" in refused(pem(servers))
    signs = make_root(more={usage(lists=True): True})
    assert "may sign no certificates" in refused(pem(signs))


def test_whose_lists_are_needed_must_sign_lists() -> None:
    """The one that issues to people; one above it that only certifies CAs need not."""
    without = {usage(certificates=True): True}
    assert "signs no revocation lists" in refused(pem(ROOT, make_authority(ROOT, more=without)))
    above = make_root(more=without)
    assert len(taken(pem(above, make_authority(above)))) == 2
    assert "signs no revocation lists" in refused(pem(above))


@pytest.mark.parametrize("missing", [x509.KeyUsage, x509.SubjectKeyIdentifier])
def test_who_issues_to_people_must_pass_a_handshake(missing: type[x509.ExtensionType]) -> None:
    """What OpenSSL demands there is said before; of a CA above it nothing of it is demanded."""
    lacking = make_root(without=[missing])
    assert f"lacks {missing.oid._name}, without which no TLS takes it" in refused(pem(lacking))
    below = make_authority(lacking)
    assert len(taken(pem(lacking, below))) == 2
    optional = make_root(more={x509.BasicConstraints(ca=True, path_length=None): False})
    assert "lacks a critical basicConstraints" in refused(pem(optional))


def test_cas_must_belong_together() -> None:
    """Whoever names another one of the file as its issuer is signed by it, and not by SHA-1."""
    forged = make_root(key=None, more={x509.SubjectKeyIdentifier(b"1"): False})
    below = make_authority(forged, without=[x509.AuthorityKeyIdentifier])
    assert "'Issuing' is not signed by the key of 'Root'" in refused(pem(ROOT, below))
    root = make_root(key=rsa_key())
    old = make_authority(root, digest=SHA1)
    assert "SHA1, which shows nothing today" in refused(pem(root, old))


def test_an_issuing_ca_alone_is_an_anchor() -> None:
    """Who does not have the root's certificate can do without."""
    assert read_authorities(pem(ISSUING)) == (ISSUING.der,)


def test_dates_are_told_and_refuse_nothing() -> None:
    """Since a site must start also on the day after a CA has expired."""
    old = make_root("Old", begin=NOW - timedelta(days=9), end=NOW - timedelta(days=1))
    soon = make_root("Soon", end=NOW + timedelta(days=30))
    later = make_root("Later", end=NOW + timedelta(days=900))
    coming = make_root("Coming", begin=NOW + timedelta(days=1), end=NOW + timedelta(days=900))
    data = pem(old, soon, later, coming)
    words = list(dates_in_words(taken(data), NOW))
    assert [each.partition(" at ")[0] for each in words] == [
        "the CA 'Old' has expired",
        "the CA 'Soon' ends",
        "the CA 'Coming' begins",
    ]


def test_a_ca_is_the_same_under_another_certificate() -> None:
    """Name and key make a CA, and not who has certified it."""
    again = make_authority(make_root("Other"), key=ISSUING.key)
    assert same_authority(again.der, ISSUING.der)
    assert not same_authority(ROOT.der, ISSUING.der)
    assert not same_authority(make_root().der, ROOT.der)
