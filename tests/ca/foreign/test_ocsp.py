"""OCSP as a client; the responder is openssl's, Pusterla's own, or one that does wrong."""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.ocsp import OCSPCertStatus, OCSPResponderEncoding, OCSPResponseStatus
from hypothesis import given
from hypothesis import strategies as st

from ca.foreign.ocsp import (
    MOST_BYTES,
    UNDATED,
    OCSPFault,
    OCSPStatus,
    RefusedResponse,
    names_responder,
    read_response,
    request_for,
    responder_urls,
)
from ca.ocsp import Issued, Question, Responder, answer, read_request
from ca.trust import CLOCK_SLACK, Revocation, RevocationReason
from tests.ca.foreign.makers import (
    DAY,
    FOR_ANSWERING,
    NO_CHECK,
    Holder,
    Key,
    certify,
    digest_for,
    index_line,
    make_foreign_ca,
    new_key,
    told_at,
    write_holder,
)
from tests.ca.makers import CA, NOW, OCSP_URL, judge

HOUR = timedelta(hours=1)
FOREIGN = make_foreign_ca(NOW)
ANNA = certify("anna", FOREIGN, NOW)
BRUNO = certify("bruno", FOREIGN, NOW)
RESPONDER = certify("responder", FOREIGN, NOW, [FOR_ANSWERING, NO_CHECK])
NONCE = b"n" * 32
# An x400Address and an ediPartyName (RFC 5280, section 4.2.1.6).
STRANGE_NAMES = (bytes.fromhex("3004a3023000"), bytes.fromhex("3007a505a1030c0178"))


def respond(
    *,
    about: x509.Certificate = ANNA.certificate,
    issuer: x509.Certificate = FOREIGN.certificate,
    by: Holder = RESPONDER,
    status: OCSPCertStatus = OCSPCertStatus.GOOD,
    this_update: datetime = NOW - HOUR,
    next_update: datetime | None = NOW + HOUR,
    reason: x509.ReasonFlags | None = None,
    nonce: bytes | None = None,
    encoding: OCSPResponderEncoding = OCSPResponderEncoding.HASH,
    algorithm: hashes.HashAlgorithm | None = None,
    certificates: Sequence[x509.Certificate] | None = None,
    extension: tuple[x509.ExtensionType, bool] | None = None,
) -> bytes:
    """Answer as asked."""
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            cert=about,
            issuer=issuer,
            algorithm=algorithm or hashes.SHA256(),
            cert_status=status,
            this_update=this_update,
            next_update=next_update,
            revocation_time=NOW - DAY if status is OCSPCertStatus.REVOKED else None,
            revocation_reason=reason,
        )
        .responder_id(encoding, by.certificate)
    )
    sent = [by.certificate] if certificates is None else certificates
    if sent:
        builder = builder.certificates(sent)
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    if extension is not None:
        builder = builder.add_extension(*extension)
    return builder.sign(by.key, digest_for(by.key)).public_bytes(Encoding.DER)


def read(data: bytes, nonce: bytes | None = None, now: datetime = NOW) -> OCSPStatus:
    """Read an answer about Anna that is to be believed."""
    found = read_response(data, ANNA.certificate, FOREIGN.certificate, nonce, now)
    assert isinstance(found, OCSPStatus), found
    return found


def refused(data: bytes, nonce: bytes | None = None, now: datetime = NOW) -> RefusedResponse:
    """Read an answer about Anna that is not to be believed."""
    found = read_response(data, ANNA.certificate, FOREIGN.certificate, nonce, now)
    assert isinstance(found, RefusedResponse)
    return found


class TestQuestions:
    def test_ours_are_understood(self, ca: CA) -> None:
        """By Pusterla's own responder: the serial, and a nonce as it is."""
        anna = ca.client(new_key(), NOW)
        for nonce in (None, NONCE):
            asked = read_request(request_for(anna, ca.issuing.certificate, nonce))
            assert isinstance(asked, Question)
            assert (asked.serial, asked.nonce) == (anna.serial_number, nonce)

    def test_where_to_ask(self, ca: CA) -> None:
        """As the certificate says, in its order; nowhere if it says nothing."""
        urls = ("http://one.example/ocsp", "http://two.example/")
        assert responder_urls(certify("anna", FOREIGN, NOW, [told_at(*urls)]).certificate) == urls
        assert responder_urls(ca.client(new_key(), NOW)) == (OCSP_URL,)
        assert responder_urls(ANNA.certificate) == ()

    def test_extensions_that_cannot_be_read(self) -> None:
        """Say nothing of where to ask."""
        oid = x509.AuthorityInformationAccess.oid
        broken = certify("anna", FOREIGN, NOW, [(x509.UnrecognizedExtension(oid, b"\x30"), False)])
        assert responder_urls(broken.certificate) == ()
        assert names_responder(broken.certificate)

    @pytest.mark.parametrize("url", ["http://a.example/\r\nx", "http://a.example/" + "x" * 2048])
    def test_what_is_no_address_as_one_writes_it(self, url: str) -> None:
        """Stands in no log, as with distribution points; that a responder is named stays true."""
        anna = certify("anna", FOREIGN, NOW, [told_at(url, "http://b.example/")]).certificate
        assert responder_urls(anna) == ("http://b.example/",)
        nowhere = certify("anna", FOREIGN, NOW, [told_at(url)]).certificate
        assert responder_urls(nowhere) == ()
        assert names_responder(nowhere)
        assert not names_responder(ANNA.certificate)


class TestBelieved:
    @pytest.mark.parametrize("by", [RESPONDER, FOREIGN])
    @pytest.mark.parametrize("encoding", list(OCSPResponderEncoding))
    @pytest.mark.parametrize("algorithm", [hashes.SHA1(), hashes.SHA256()])  # noqa: S303 - a name
    def test_good(
        self, by: Holder, encoding: OCSPResponderEncoding, algorithm: hashes.HashAlgorithm
    ) -> None:
        """From the CA or its delegate, named by key or by name, the CA named by any hash."""
        found = read(respond(by=by, encoding=encoding, algorithm=algorithm))
        assert found == OCSPStatus(None, NOW - HOUR, NOW + HOUR, found.produced_at)

    def test_the_ca_needs_no_certificate_in_its_answer(self) -> None:
        """It is known."""
        assert read(respond(by=FOREIGN, certificates=())).revocation is None

    @pytest.mark.parametrize(
        "flag, reason",
        [
            (None, RevocationReason.UNSPECIFIED),
            (x509.ReasonFlags.key_compromise, RevocationReason.KEY_COMPROMISE),
            (x509.ReasonFlags.certificate_hold, RevocationReason.CERTIFICATE_HOLD),
            (x509.ReasonFlags.aa_compromise, RevocationReason.UNSPECIFIED),
            (x509.ReasonFlags.remove_from_crl, RevocationReason.UNSPECIFIED),
        ],
    )
    def test_revoked(self, flag: x509.ReasonFlags | None, reason: RevocationReason) -> None:
        """With date and reason; a reason that is none of a certificate's revokes as well."""
        found = read(respond(status=OCSPCertStatus.REVOKED, reason=flag))
        assert found.revocation == Revocation(NOW - DAY, reason)

    def test_a_nonce_that_is_ours_and_none(self) -> None:
        """Who signs beforehand sends none."""
        assert read(respond(nonce=NONCE), NONCE).revocation is None
        assert read(respond(), NONCE).revocation is None
        assert read(respond(nonce=NONCE), None).revocation is None

    def test_an_answer_without_an_end(self) -> None:
        """It is believed for an hour from its beginning."""
        begins = NOW - timedelta(minutes=20)
        assert read(respond(this_update=begins, next_update=None)).good_until == begins + UNDATED

    def test_no_answer_outlives_its_signer(self) -> None:
        """Past the end of its certificate nobody could verify it again."""
        soon = certify("responder", FOREIGN, NOW, [FOR_ANSWERING], lifetime=DAY + HOUR)
        found = read(respond(by=soon, next_update=NOW + DAY))
        assert found.good_until == soon.certificate.not_valid_after_utc == NOW + HOUR

    def test_clocks_that_differ_a_little(self) -> None:
        """Five minutes are no future."""
        begins = NOW + CLOCK_SLACK
        assert read(respond(this_update=begins)).this_update == begins

    @pytest.mark.parametrize(
        "key", [ed25519.Ed25519PrivateKey.generate(), rsa.generate_private_key(65537, 2048)]
    )
    def test_other_keys(self, key: Key) -> None:
        """CAs sign with whatever they like."""
        by = certify("responder", FOREIGN, NOW, [FOR_ANSWERING], key=key)
        assert read(respond(by=by)).revocation is None

    def test_pusterlas_own_responder(self, ca: CA) -> None:
        """One site may be a CA of another."""
        anna = ca.client(new_key(), NOW)
        key = ec.generate_private_key(ec.SECP256R1())
        responder = Responder(ca.issuing.name, ca.responder(key, NOW), key)
        asked = read_request(request_for(anna, ca.issuing.certificate, NONCE))
        assert isinstance(asked, Question)
        revocation = Revocation(NOW - HOUR, RevocationReason.SUPERSEDED)
        for issued in (Issued(), Issued(revocation)):
            data, until = answer(responder, asked, issued, NOW)
            found = read_response(data, anna, ca.issuing.certificate, NONCE, NOW)
            assert isinstance(found, OCSPStatus)
            assert found == OCSPStatus(issued.revocation, NOW, until, NOW)
            assert found.as_of == (NOW, found.produced_at)
        data, _ = answer(responder, asked, None, NOW)
        found = read_response(data, anna, ca.issuing.certificate, NONCE, NOW)
        assert isinstance(found, RefusedResponse)
        assert found.fault is OCSPFault.UNKNOWN


class TestRefused:
    @pytest.mark.parametrize("status", list(OCSPResponseStatus)[1:])
    def test_who_does_not_answer(self, status: OCSPResponseStatus) -> None:
        """Each excuse has words of its own."""
        data = ocsp.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(Encoding.DER)
        found = refused(data)
        assert (found.fault, found.as_of) == (OCSPFault.NO_ANSWER, None)
        assert found.words.startswith("the responder ")

    def test_a_certificate_that_is_not_known(self) -> None:
        """Neither good nor revoked, and never taken for either."""
        found = refused(respond(status=OCSPCertStatus.UNKNOWN))
        assert found.fault is OCSPFault.UNKNOWN
        assert found.as_of is not None
        assert found.as_of[0] == NOW - HOUR

    @pytest.mark.parametrize("length", [0, 1, 100, MOST_BYTES + 1])
    def test_what_is_no_response(self, length: int) -> None:
        """Whatever its size."""
        assert refused(b"0" * length).fault is OCSPFault.UNREADABLE

    @given(st.data())
    def test_no_response_breaks_it(self, data: st.DataObject) -> None:
        """Whatever octet is changed, nothing is believed that was not said, and nothing raised."""
        octets = bytearray(REVOKED)
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
        found = read_response(bytes(octets), ANNA.certificate, FOREIGN.certificate, None, NOW)
        assert isinstance(found, RefusedResponse) or found == read(REVOKED)

    def test_about_another_certificate(self) -> None:
        """Bruno's says nothing of Anna, nor one of the same serial of another CA."""
        other = make_foreign_ca(NOW, "Another CA")
        for data in (
            respond(about=BRUNO.certificate),
            respond(issuer=other.certificate),
        ):
            assert refused(data).fault is OCSPFault.OTHER_CERTIFICATE

    def test_an_answer_to_another_question(self) -> None:
        """A nonce that is not ours may be of an answer from before."""
        assert refused(respond(nonce=b"o" * 32), NONCE).fault is OCSPFault.OTHER_QUESTION

    def test_who_may_not_answer(self) -> None:
        """A person of the CA, or another CA's responder, whatever certificates come with it."""
        other = make_foreign_ca(NOW)
        stranger = certify("responder", other, NOW, [FOR_ANSWERING, NO_CHECK])
        for by in (BRUNO, stranger):
            found = refused(respond(by=by, certificates=[by.certificate, RESPONDER.certificate]))
            assert found.fault is OCSPFault.SIGNER
            assert by.certificate.subject.rfc4514_string() in found.words

    def test_a_signer_whose_certificate_does_not_come_along(self) -> None:
        """There is nothing to verify by."""
        found = refused(respond(certificates=()))
        assert found.fault is OCSPFault.SIGNER
        assert "neither by 'CN=Foreign CA'" in found.words

    def test_more_certificates_than_are_looked_at(self) -> None:
        """Work is bounded."""
        many = [RESPONDER.certificate] * 9
        assert refused(respond(certificates=many)).fault is OCSPFault.SIGNER
        assert read(respond(certificates=many[:8])).revocation is None

    @pytest.mark.parametrize("meant", [RESPONDER, FOREIGN])
    def test_a_wrong_signature(self, meant: Holder) -> None:
        """In the name of who may, and by another key."""
        forger = certify(meant.certificate.subject.rfc4514_string()[3:], None, NOW)
        data = respond(
            by=forger, encoding=OCSPResponderEncoding.NAME, certificates=[meant.certificate]
        )
        assert refused(data).fault is OCSPFault.SIGNATURE

    def test_of_the_future(self) -> None:
        """Beyond what clocks differ."""
        begins = NOW + CLOCK_SLACK + timedelta(seconds=1)
        assert refused(respond(this_update=begins, next_update=NOW + DAY)).fault is OCSPFault.FUTURE

    @pytest.mark.parametrize("name", STRANGE_NAMES)
    def test_a_signer_with_a_name_that_the_library_does_not_know(self, name: bytes) -> None:
        """What it raises for that is another exception than for what is malformed."""
        strange = x509.UnrecognizedExtension(x509.SubjectAlternativeName.oid, name)
        by = certify("responder", FOREIGN, NOW, [FOR_ANSWERING, (strange, False)])
        assert refused(respond(by=by)).fault is OCSPFault.UNREADABLE

    def test_past_its_end(self) -> None:
        """Its nextUpdate is the first moment at which it says nothing."""
        assert refused(respond(), now=NOW + HOUR).fault is OCSPFault.PAST
        assert refused(respond(next_update=None)).fault is OCSPFault.PAST

    def test_what_is_critical_and_unknown(self) -> None:
        """Somebody meant it to be understood."""
        unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
        found = refused(respond(extension=(unknown, True)))
        assert found.fault is OCSPFault.UNREADABLE
        assert "1.2.3.4" in found.words
        assert read(respond(extension=(unknown, False))).revocation is None


REVOKED = respond(status=OCSPCertStatus.REVOKED, reason=x509.ReasonFlags.key_compromise)


class TestOpenSSL:
    """`openssl ocsp` as the responder; it knows no time but the present."""

    @pytest.mark.parametrize(
        "words, nonce",
        [
            ((), True),
            ((), False),
            (("-nmin", "90"), True),
            (("-ndays", "3", "-resp_key_id"), False),
            (("-rmd", "sha512"), False),
        ],
    )
    def test_what_it_says(self, words: tuple[str, ...], nonce: bool, tmp_path: Path) -> None:
        """Good, revoked, on hold, unknown: by its index."""
        site = OpenSSL(tmp_path, new_key())
        sent = secrets.token_bytes(32) if nonce else None
        for name, revocation in site.expected.items():
            found = site.ask(name, sent, *words)
            assert isinstance(found, OCSPStatus), found
            assert found.revocation == revocation
            lasts = timedelta(minutes=90) if "-nmin" in words else UNDATED
            lasts = 3 * DAY if "-ndays" in words else lasts
            assert found.good_until - found.this_update == lasts
        unknown = site.ask("unknown", sent, *words)
        assert isinstance(unknown, RefusedResponse)
        assert unknown.fault is OCSPFault.UNKNOWN

    def test_rsa_with_pss(self, tmp_path: Path) -> None:
        """As Windows' CAs sign with their alternate signature algorithm."""
        site = OpenSSL(tmp_path, rsa.generate_private_key(65537, 2048))
        found = site.ask("anna", None, "-rsigopt", "rsa_padding_mode:pss")
        assert isinstance(found, OCSPStatus)
        spoilt = site.ask("anna", None, "-rsigopt", "rsa_padding_mode:pss", "-badsig")
        assert isinstance(spoilt, RefusedResponse)
        assert spoilt.fault is OCSPFault.SIGNATURE

    def test_sha_1(self, tmp_path: Path) -> None:
        """Nobody believes it any more."""
        found = OpenSSL(tmp_path, new_key()).ask("anna", None, "-rmd", "sha1")
        assert isinstance(found, RefusedResponse)
        assert "SHA-1" in found.words


class OpenSSL:
    """A CA as `openssl ca` keeps it, and its responder."""

    def __init__(self, directory: Path, key: Key) -> None:
        """Make them of now."""
        now = datetime.now(UTC).replace(microsecond=0)
        self._directory = directory
        self._ca = make_foreign_ca(now)
        responder = certify("responder", self._ca, now, [FOR_ANSWERING, NO_CHECK], key=key)
        names = ("anna", "bruno", "carla", "unknown")
        self._people = {name: certify(name, self._ca, now).certificate for name in names}
        at = now - HOUR
        held = RevocationReason.CERTIFICATE_HOLD
        self.expected = {
            "anna": None,
            "bruno": Revocation(at, RevocationReason.KEY_COMPROMISE),
            "carla": Revocation(at, held),
        }
        lines = [
            index_line(self._people["anna"]),
            index_line(self._people["bruno"], f"{at:%y%m%d%H%M%SZ},keyCompromise"),
            index_line(
                self._people["carla"], f"{at:%y%m%d%H%M%SZ},holdInstruction,holdInstructionNone"
            ),
        ]
        (directory / "index.txt").write_text("".join(lines))
        self._issuer, _ = write_holder(directory, "ca", self._ca)
        self._signer = write_holder(directory, "responder", responder)

    def ask(self, name: str, nonce: bytes | None, *words: str) -> OCSPStatus | RefusedResponse:
        """Ask as `Responder` would, and read what comes."""
        certificate, issuer = self._people[name], self._ca.certificate
        request, response = self._directory / "request.der", self._directory / "response.der"
        request.write_bytes(request_for(certificate, issuer, nonce))
        certificate_file, key_file = self._signer
        judge(
            "openssl", "ocsp", "-index", self._directory / "index.txt", "-CA", self._issuer,
            "-rsigner", certificate_file, "-rkey", key_file, "-reqin", request,
            "-respout", response, *words,
        )  # fmt: skip
        now = datetime.now(UTC)
        return read_response(response.read_bytes(), certificate, issuer, nonce, now)
