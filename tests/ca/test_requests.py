"""Requests for an issuing CA, and what an offline root makes of them."""

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from ca.errors import IssuanceRefused
from ca.identity import authority_name
from ca.issue import Issuer, make_root
from ca.kinds import KeyKind, make_key
from ca.requests import (
    build_request,
    certify,
    fingerprint_of,
    read_request,
    refuse_unfit_issuing,
    refuse_unfit_root,
    site_of,
)
from tests.ca.makers import CA, HOST, NOW, judge, lint_with_pkilint, new_serial, write_pem

KEY = make_key()
LONG_HOST = ".".join(["a" * 60] * 3)


def pem_of(request: x509.CertificateSigningRequest) -> bytes:
    """Write a request as a file holds it."""
    return request.public_bytes(Encoding.PEM)


def named(name: x509.Name) -> x509.CertificateSigningRequest:
    """Ask under another name."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    return builder.sign(KEY, hashes.SHA256())


class TestRequests:
    @pytest.mark.parametrize("kind", KeyKind)
    def test_openssl_verifies_the_request(self, kind: KeyKind, tmp_path: Path) -> None:
        """Signed with the key it names, under the name of that issuing CA."""
        file = tmp_path / "issuing-2.csr"
        file.write_bytes(pem_of(build_request(make_key(kind), HOST, 2)))
        answer = judge("openssl", "req", "-in", file, "-verify", "-noout", "-subject")
        assert "verify OK" in answer
        assert "Issuing CA 2" in answer

    @pytest.mark.parametrize("host", [HOST, LONG_HOST])
    @pytest.mark.parametrize("number", [1, 2, 10])
    def test_site_and_number_are_read_back(self, host: str, number: int) -> None:
        """Also where the host does not fit into the common name."""
        assert site_of(build_request(KEY, host, number).subject) == (host, number)

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"nonsense",
            pem_of(build_request(KEY, HOST, 1)) * 2,
            pem_of(build_request(KEY, HOST, 1))[:200],
            b"-----BEGIN CERTIFICATE REQUEST-----\n" + b"A" * (1 << 17),
        ],
        ids=["empty", "nonsense", "two", "cut", "endless"],
    )
    def test_what_is_no_request(self, content: bytes) -> None:
        """Is refused in words."""
        with pytest.raises(IssuanceRefused, match="request"):
            read_request(content)

    def test_a_request_that_somebody_changed(self) -> None:
        """Its signature does not fit."""
        der = bytearray(build_request(KEY, HOST, 1).public_bytes(Encoding.DER))
        der[der.index(b"Issuing") + 1] ^= 1
        changed = x509.load_der_x509_csr(bytes(der))
        with pytest.raises(IssuanceRefused, match="not signed with its own key"):
            read_request(pem_of(changed))


class TestCertify:
    def test_judges_accept_it(self, ca: CA, tmp_path: Path) -> None:
        """openssl verifies the chain; pkilint finds nothing."""
        made = certify(ca.root, build_request(KEY, HOST, 2), new_serial(), NOW)
        root = write_pem(tmp_path / "root.pem", ca.root.certificate)
        file = write_pem(tmp_path / "issuing-2.pem", made)
        at = f"{NOW.timestamp():.0f}"
        judge("openssl", "verify", "-x509_strict", "-attime", at, "-CAfile", root, file)
        assert lint_with_pkilint("lint_pkix_cert", file) == []
        refuse_unfit_issuing(
            made, root=ca.root.certificate, key=KEY.public_key(), host=HOST, number=2, now=NOW
        )

    @pytest.mark.parametrize(
        "name",
        [
            authority_name(HOST, "Root CA"),
            authority_name(HOST, "Issuing CA 0"),
            authority_name(HOST, "Issuing CA x"),
            authority_name("other.example", "Issuing CA 1"),
            authority_name(HOST, "Sub CA 1"),
            x509.Name([]),
        ],
        ids=str,
    )
    def test_other_names_are_not_signed(self, ca: CA, name: x509.Name) -> None:
        """The root signs issuing CAs of its own site, and nothing that looks otherwise."""
        with pytest.raises(IssuanceRefused, match=r"name in the request|not its root"):
            certify(ca.root, named(name), new_serial(), NOW)

    def test_other_keys_are_not_signed(self, ca: CA) -> None:
        """None that is weak or of another kind."""
        name = authority_name(HOST, "Issuing CA 1")
        key = ec.generate_private_key(ec.SECP521R1())
        request = x509.CertificateSigningRequestBuilder().subject_name(name)
        with pytest.raises(IssuanceRefused, match="none of the kinds"):
            certify(ca.root, request.sign(key, hashes.SHA256()), new_serial(), NOW)


class TestInstalling:
    def test_every_fault_is_told(self, ca: CA) -> None:
        """Another key, another number, another root, another time: all at once."""
        other_key = make_key()
        other = Issuer("root", make_root(HOST, other_key, new_serial(), NOW), other_key)
        made = certify(other, build_request(make_key(), HOST, 3), new_serial(), NOW)
        with pytest.raises(IssuanceRefused) as caught:
            refuse_unfit_issuing(
                made,
                root=ca.root.certificate,
                key=KEY.public_key(),
                host=HOST,
                number=2,
                now=NOW + timedelta(days=9000),
            )
        text = str(caught.value)
        for words in ("not for the key", "not that of Issuing CA 2", "not signed by", "validity:"):
            assert words in text

    def test_a_certificate_with_more_in_it(self, ca: CA) -> None:
        """What breaks a rule is not installed, whoever signed it."""
        leaf = ca.client(KEY, NOW)
        with pytest.raises(IssuanceRefused, match="basicConstraints"):
            refuse_unfit_issuing(
                leaf, root=ca.root.certificate, key=KEY.public_key(), host=HOST, number=1, now=NOW
            )

    def test_the_root_of_a_new_site(self, ca: CA) -> None:
        """Must be the root of that host, and not over."""
        refuse_unfit_root(ca.root.certificate, HOST, NOW)
        for certificate, host, now in (
            (ca.root.certificate, "other.example", NOW),
            (ca.issuing.certificate, HOST, NOW),
            (ca.root.certificate, HOST, NOW + timedelta(days=9000)),
        ):
            with pytest.raises(IssuanceRefused):
                refuse_unfit_root(certificate, host, now)


def test_a_key_has_one_fingerprint_wherever_it_is_seen() -> None:
    """In the request as in the certificate: thirty-two octets in capitals."""
    request = build_request(KEY, HOST, 1)
    key = request.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert fingerprint_of(key) == fingerprint_of(KEY.public_key())
    assert fingerprint_of(key).count(":") == 31
