"""OCSP answers, judged by programs that nobody here wrote."""

import secrets
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.ocsp import OCSPCertStatus, OCSPResponseStatus
from hypothesis import given
from hypothesis import strategies as st

from ca.kinds import make_key
from ca.ocsp import (
    ANSWER_LIFETIME,
    MOST_BYTES,
    Issued,
    Question,
    Responder,
    answer,
    issuer_ids,
    read_request,
    refuse,
)
from ca.trust import Revocation, RevocationReason
from tests.ca.makers import (
    CA,
    NOW,
    ask,
    judge,
    lint_with_pkilint,
    write_pem,
)

KEY = make_key()
SHA1 = hashes.SHA1()  # noqa: S303 - what most clients name an issuer by
HOUR = timedelta(hours=1)
HELD = Issued(Revocation(NOW - HOUR, RevocationReason.CERTIFICATE_HOLD))
STOLEN = Issued(Revocation(NOW - HOUR, RevocationReason.KEY_COMPROMISE))
SILENT = Issued(Revocation(NOW - HOUR, RevocationReason.UNSPECIFIED))


def responder_of(ca: CA, now: datetime = NOW) -> Responder:
    """Let the issuing CA certify a responder."""
    key = ec.generate_private_key(ec.SECP256R1())
    return Responder(ca.issuing.name, ca.responder(key, now), key)


def request_for(
    ca: CA,
    certificate: x509.Certificate,
    algorithm: hashes.HashAlgorithm | None = None,
    nonce: bytes | None = None,
) -> bytes:
    """Ask about *certificate*."""
    builder = ocsp.OCSPRequestBuilder().add_certificate(
        certificate, ca.issuing.certificate, algorithm or hashes.SHA256()
    )
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return builder.build().public_bytes(Encoding.DER)


def question(der: bytes) -> Question:
    """Read a request that is to be answered."""
    found = read_request(der)
    assert isinstance(found, Question)
    return found


class TestRequests:
    @pytest.mark.parametrize("algorithm", [SHA1, hashes.SHA256(), hashes.SHA384(), hashes.SHA512()])
    def test_an_issuer_is_known_by_every_hash(
        self, ca: CA, algorithm: hashes.HashAlgorithm
    ) -> None:
        """Whatever a client names it by; another CA is not taken for it."""
        certificate = ca.client(KEY, NOW)
        found = question(request_for(ca, certificate, algorithm))
        assert found.serial == certificate.serial_number
        assert found.issuer in issuer_ids(ca.issuing.certificate)
        assert found.issuer not in issuer_ids(ca.root.certificate)

    @pytest.mark.parametrize("length", [1, 16, 32, 128])
    def test_nonces(self, ca: CA, length: int) -> None:
        """Those of RFC 9654 are taken as they are."""
        nonce = secrets.token_bytes(length)
        assert question(request_for(ca, ca.client(KEY, NOW), nonce=nonce)).nonce == nonce
        assert question(request_for(ca, ca.client(KEY, NOW))).nonce is None

    @pytest.mark.parametrize("length", [0, 129, 4096])
    def test_nonces_of_no_length_that_may_be(self, ca: CA, length: int) -> None:
        """None at all, or too long, is refused (RFC 9654, section 2.1)."""
        der = request_for(ca, ca.client(KEY, NOW), nonce=bytes(length))
        assert read_request(der) is OCSPResponseStatus.MALFORMED_REQUEST

    @pytest.mark.parametrize("der", [b"", b"0", b"\x30\x00", b"x" * 100, bytes(MOST_BYTES + 1)])
    def test_what_is_no_request(self, der: bytes) -> None:
        """Refused, whatever its size."""
        assert read_request(der) is OCSPResponseStatus.MALFORMED_REQUEST

    @given(st.data())
    def test_no_request_breaks_it(self, data: st.DataObject) -> None:
        """Every change of an octet is read or refused."""
        octets = bytearray(SOME_REQUEST)
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
        assert isinstance(read_request(bytes(octets)), Question | OCSPResponseStatus)

    def test_two_questions_at_once(self, ca: CA, tmp_path: Path) -> None:
        """Well formed, and more than we answer."""
        one, two = (
            write_pem(tmp_path / f"{name}.pem", ca.client(KEY, NOW)) for name in ("one", "two")
        )
        issuer = write_pem(tmp_path / "issuing.pem", ca.issuing.certificate)
        request = tmp_path / "request.der"
        judge(
            "openssl", "ocsp", "-issuer", issuer, "-cert", one, "-cert", two, "-no_nonce",
            "-reqout", request,
        )  # fmt: skip
        assert read_request(request.read_bytes()) is OCSPResponseStatus.UNAUTHORIZED


SOME_REQUEST = (
    ocsp.OCSPRequestBuilder()
    .add_certificate_by_hash(b"n" * 32, b"k" * 32, 0x4A_6F_73, hashes.SHA256())
    .add_extension(x509.OCSPNonce(b"o" * 32), critical=False)
    .build()
    .public_bytes(Encoding.DER)
)


class TestAnswers:
    @pytest.mark.parametrize(
        "issued, status, reason",
        [
            (Issued(), OCSPCertStatus.GOOD, None),
            (None, OCSPCertStatus.UNKNOWN, None),
            (STOLEN, OCSPCertStatus.REVOKED, x509.ReasonFlags.key_compromise),
            (HELD, OCSPCertStatus.REVOKED, x509.ReasonFlags.certificate_hold),
            (SILENT, OCSPCertStatus.REVOKED, None),
        ],
    )
    def test_what_is_said(
        self,
        ca: CA,
        issued: Issued | None,
        status: OCSPCertStatus,
        reason: x509.ReasonFlags | None,
    ) -> None:
        """Status, date and reason; as of now, for an hour; signed by the responder."""
        responder, certificate = responder_of(ca), ca.client(KEY, NOW)
        asked = question(request_for(ca, certificate, nonce=b"n" * 32))
        der, good_until = answer(responder, asked, issued, NOW + timedelta(microseconds=5))
        said = ocsp.load_der_ocsp_response(der)
        assert (said.certificate_status, said.revocation_reason) == (status, reason)
        assert said.serial_number == certificate.serial_number
        assert (said.this_update_utc, said.next_update_utc) == (NOW, NOW + ANSWER_LIFETIME)
        assert good_until == NOW + ANSWER_LIFETIME
        assert said.revocation_time_utc == (
            issued.revocation.at if issued and issued.revocation else None
        )
        nonce = said.extensions.get_extension_for_class(x509.OCSPNonce).value
        assert nonce.nonce == b"n" * 32
        assert said.certificates == [responder.certificate]
        key = responder.certificate.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        key.verify(said.signature, said.tbs_response_bytes, ec.ECDSA(hashes.SHA256()))

    def test_without_a_nonce_none_is_said(self, ca: CA) -> None:
        """Such an answer may be kept by caches."""
        asked = question(request_for(ca, ca.client(KEY, NOW)))
        der, _ = answer(responder_of(ca), asked, Issued(), NOW)
        assert list(ocsp.load_der_ocsp_response(der).extensions) == []

    def test_no_answer_outlives_its_responder(self, ca: CA) -> None:
        """Whoever relies on it must be able to check it to its end."""
        responder = responder_of(ca)
        end = responder.certificate.not_valid_after_utc
        asked = question(request_for(ca, ca.client(KEY, NOW)))
        _, good_until = answer(responder, asked, Issued(), end - timedelta(minutes=10))
        assert good_until == end

    @pytest.mark.parametrize(
        "status", [OCSPResponseStatus.MALFORMED_REQUEST, OCSPResponseStatus.TRY_LATER]
    )
    def test_refusals(self, status: OCSPResponseStatus) -> None:
        """Only the reason, nothing signed."""
        assert ocsp.load_der_ocsp_response(refuse(status)).response_status is status


class TestJudges:
    @pytest.mark.parametrize(
        "issued, verdict",
        [(Issued(), "good"), (None, "unknown"), (STOLEN, "revoked"), (HELD, "revoked")],
    )
    def test_openssl_and_gnutls(
        self, ca: CA, issued: Issued | None, verdict: str, tmp_path: Path
    ) -> None:
        """Both trust the answer by the delegated certificate; openssl compares the nonce."""
        now = datetime.now(NOW.tzinfo)
        certificate = ca.client(KEY, now)
        anna = write_pem(tmp_path / "anna.pem", certificate)
        issuer = write_pem(tmp_path / "issuing.pem", ca.issuing.certificate)
        root = write_pem(tmp_path / "root.pem", ca.root.certificate)
        request, response = tmp_path / "request.der", tmp_path / "response.der"
        judge("openssl", "ocsp", "-issuer", issuer, "-cert", anna, "-reqout", request)
        responder = responder_of(ca, now)
        response.write_bytes(answer(responder, question(request.read_bytes()), issued, now)[0])
        said = judge(
            "openssl", "ocsp", "-issuer", issuer, "-cert", anna, "-reqin", request,
            "-respin", response, "-CAfile", root, "-no_nonce",  # besides that of the request
        )  # fmt: skip
        assert "Response verify OK" in said
        assert f"{anna}: {verdict}" in said
        assert "WARNING" not in said
        said = ask(
            "ocsptool", "--verify-response", "--load-response", response, "--load-trust", issuer
        ).stdout
        assert "Verifying OCSP Response: Success" in said

    def test_pkilint(self, ca: CA, tmp_path: Path) -> None:
        """Pkilint finds nothing in answer and responder's certificate."""
        responder = responder_of(ca)
        pem = write_pem(tmp_path / "responder.pem", responder.certificate)
        assert lint_with_pkilint("lint_pkix_cert", pem) == []
        asked = question(request_for(ca, ca.client(KEY, NOW), hashes.SHA256()))
        for issued in (Issued(), STOLEN, None):
            response = tmp_path / "response.der"
            response.write_bytes(answer(responder, asked, issued, NOW)[0])
            assert lint_with_pkilint("lint_ocsp_response", response) == []
