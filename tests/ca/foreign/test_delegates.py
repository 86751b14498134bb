"""Who may answer OCSP for a CA."""

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from ca.foreign.delegates import MOST_UNCHECKED, name_of, why_no_delegate
from tests.ca.foreign.makers import (
    DAY,
    FOR_ANSWERING,
    NO_CHECK,
    Extension,
    certify,
    make_foreign_ca,
    new_key,
    write_holder,
)
from tests.ca.makers import CA, NOW, judge

FOREIGN = make_foreign_ca(NOW)


def usage(*, signs: bool) -> Extension:
    """Say what a key may do: sign, or agree on keys."""
    return x509.KeyUsage(
        digital_signature=signs, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=not signs, key_cert_sign=False, crl_sign=False,
        encipher_only=False, decipher_only=False,
    ), True  # fmt: skip


@pytest.mark.parametrize(
    "extensions, lifetime",
    [
        ([FOR_ANSWERING], MOST_UNCHECKED),
        ([FOR_ANSWERING, NO_CHECK], 730 * DAY),
        ([FOR_ANSWERING, NO_CHECK, usage(signs=True)], 30 * DAY),
    ],
)
def test_who_may(extensions: list[Extension], lifetime: timedelta) -> None:
    """For answering, not for long; or for long and never to be checked."""
    one = certify("responder", FOREIGN, NOW, extensions, lifetime=lifetime)
    assert why_no_delegate(one.certificate, FOREIGN.certificate, NOW) is None


@pytest.mark.parametrize(
    "extensions, lifetime, words",
    [
        ([NO_CHECK], 30 * DAY, "not for signing OCSP"),
        (
            [(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]), False)],
            30 * DAY,
            "not for signing OCSP",
        ),
        ([FOR_ANSWERING, usage(signs=False)], 30 * DAY, "keeps from signing"),
        ([FOR_ANSWERING], MOST_UNCHECKED + DAY, "id-pkix-ocsp-nocheck"),
        ([FOR_ANSWERING, NO_CHECK], DAY / 2, "past its end"),
        (
            [FOR_ANSWERING, (x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b""), True)],
            30 * DAY,
            "critical extension that is not known here (1.2.3.4)",
        ),
    ],
)
def test_who_may_not(extensions: list[Extension], lifetime: timedelta, words: str) -> None:
    """Each in words that say what is missing."""
    one = certify("responder", FOREIGN, NOW, extensions, lifetime=lifetime)
    why = why_no_delegate(one.certificate, FOREIGN.certificate, NOW)
    assert why is not None
    assert words in why


def test_a_harmless_extension_hides_no_critical_one() -> None:
    """Of several that nobody here knows, each is looked at."""
    first, second = (
        (x509.UnrecognizedExtension(ObjectIdentifier(f"1.2.3.{number}"), b""), number == 1)
        for number in (1, 2)
    )
    one = certify("responder", FOREIGN, NOW, [FOR_ANSWERING, first, second])
    assert why_no_delegate(one.certificate, FOREIGN.certificate, NOW)


def test_signed_with_sha_1(tmp_path: Path) -> None:
    """By the CA, and nevertheless not."""
    issuer, key = write_holder(tmp_path, "issuer", FOREIGN)
    request, extensions, weak = (tmp_path / name for name in ("csr", "extensions", "weak.pem"))
    judge("openssl", "req", "-new", "-key", key, "-subj", "/CN=responder", "-out", request)
    extensions.write_text("extendedKeyUsage = OCSPSigning\n")
    judge(
        "openssl", "x509", "-req", "-in", request, "-CA", issuer, "-CAkey", key, "-sha1",
        "-days", "9", "-extfile", extensions, "-out", weak,
    )  # fmt: skip
    certificate = x509.load_pem_x509_certificate(weak.read_bytes())
    why = why_no_delegate(certificate, FOREIGN.certificate, certificate.not_valid_before_utc)
    assert why is not None
    assert "SHA1" in why


def test_a_key_that_is_not_relied_on() -> None:
    """As for the certificates of a path: a responder's may be no weaker, and cost no more."""
    key = ec.generate_private_key(ec.SECP256K1())
    one = certify("responder", FOREIGN, NOW, [FOR_ANSWERING, NO_CHECK], key=key)
    why = why_no_delegate(one.certificate, FOREIGN.certificate, NOW)
    assert why is not None
    assert "secp256k1" in why


def test_only_the_ca_itself_appoints() -> None:
    """Neither itself, nor another CA of the same name, nor somebody whom the CA has certified."""
    middle = certify(
        "below", FOREIGN, NOW, [(x509.BasicConstraints(ca=True, path_length=None), True)]
    )
    for issuer in (None, make_foreign_ca(NOW), middle):
        one = certify("responder", issuer, NOW, [FOR_ANSWERING, NO_CHECK])
        why = why_no_delegate(one.certificate, FOREIGN.certificate, NOW)
        assert why == "is not certified by 'CN=Foreign CA' itself"


def test_before_its_beginning() -> None:
    """Not yet one."""
    one = certify("responder", FOREIGN, NOW + 2 * DAY, [FOR_ANSWERING])
    why = why_no_delegate(one.certificate, FOREIGN.certificate, NOW)
    assert why is not None
    assert "not yet at its beginning" in why


def test_names_are_shown_in_part_and_visibly() -> None:
    """A responder is called what its CA has written, or who sends an answer."""
    name = name_of(certify("Evil\r\n\u202e" + "x" * 50, None, NOW).certificate)
    assert name.isascii()
    assert name.isprintable()
    units = [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "x" * 64)] * 99
    key = new_key()
    long = x509.CertificateBuilder(
        x509.Name(units), x509.Name(units), key.public_key(), 1, NOW, NOW + DAY
    )
    assert len(name_of(long.sign(key, hashes.SHA256()))) < 100


def test_pusterlas_own_responder_may(ca: CA) -> None:
    """As its authority certifies it."""
    one = ca.responder(certify("somebody", None, NOW).key, NOW)
    assert why_no_delegate(one, ca.issuing.certificate, NOW) is None
    assert "OCSP responder" in name_of(one)
