"""Lists of another CA, read as they were received."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ReasonFlags
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from ca.der import SEQUENCE, elements, encode
from ca.foreign.crls import CRLFault, ReadCRL, RefusedCRL, read_crl
from ca.foreign.facts import Only, authority_of
from ca.foreign.revoked import Removed, RevokedIndex, encode_index
from ca.trust import Revocation, RevocationReason
from tests.ca.foreign.crl_makers import (
    NOW,
    WEEK,
    Entry,
    fresh_at,
    issuing_usage,
    make_crl,
    make_crl_with_openssl,
    scope,
)
from tests.ca.foreign.makers import Holder, Key, certify, index_line, make_foreign_ca, new_key

URL = "http://ca.example.it/one.crl"
HOUR = timedelta(hours=1)
CA = make_foreign_ca(NOW)
FIXED = make_crl(CA, [(5, None), (6, ReasonFlags.key_compromise)])
SHA256 = bytes.fromhex("300a06082a8648ce3d040302")
SHA1 = bytes.fromhex("300906072a8648ce3d0401")


def with_other(old: bytes, new: bytes, *entries: Entry, sha1: bool = False) -> bytes:
    """Sign a list in which *old* has become *new*, as the library would not make it."""
    crl = x509.load_der_x509_crl(make_crl(CA, entries))
    ((_, content),) = elements(crl.tbs_certlist_bytes)
    assert content.count(old) == 1
    signed = encode(SEQUENCE, content.replace(old, new))
    assert isinstance(CA.key, ec.EllipticCurvePrivateKey)
    digest = hashes.SHA1() if sha1 else hashes.SHA256()  # noqa: S303 - it is to be refused
    signature = CA.key.sign(signed, ec.ECDSA(digest))
    return encode(SEQUENCE, signed, SHA1 if sha1 else SHA256, encode(3, b"\0", signature))


def with_subject(name: x509.Name) -> Holder:
    """Return a CA of this name."""
    key = new_key()
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, NOW - WEEK, NOW + WEEK)
    return Holder(builder.sign(key, hashes.SHA256()), key)


def der(holder: Holder) -> bytes:
    """Return a certificate as it stands in a trust."""
    return holder.certificate.public_bytes(Encoding.DER)


def read(data: bytes, *issuers: Holder) -> ReadCRL:
    """Read a list that must be believed."""
    found = read_crl(data, [der(one) for one in issuers or (CA,)], NOW)
    assert isinstance(found, ReadCRL), found
    return found


def refused(data: bytes, *issuers: Holder) -> RefusedCRL:
    """Read a list that must not be believed."""
    found = read_crl(data, [der(one) for one in issuers or (CA,)], NOW)
    assert isinstance(found, RefusedCRL)
    assert found.words
    return found


def indexed(found: ReadCRL) -> RevokedIndex:
    """Make of a list that in which it is looked up."""
    return RevokedIndex(memoryview(b"".join(encode_index(found.facts, found.records))))


class TestTaken:
    def test_what_it_says(self) -> None:
        """Whose it is, its number and dates, and each entry with its reason come out."""
        entries = [(5, None), (7, ReasonFlags.key_compromise), (9, ReasonFlags.certificate_hold)]
        found = read(make_crl(CA, entries, number=2**159 - 1))
        facts = found.facts
        assert facts.authority == authority_of(CA.certificate)
        assert (facts.number, facts.base) == (2**159 - 1, None)
        assert (facts.this_update, facts.next_update) == (NOW, NOW + WEEK)
        assert (facts.points, facts.only, facts.fresh) == ((), Only.ALL, ())
        index = indexed(found)
        assert len(index) == 3
        assert index.find(5) == Revocation(NOW - HOUR, RevocationReason.UNSPECIFIED)
        assert index.find(7) == Revocation(NOW - HOUR, RevocationReason.KEY_COMPROMISE)
        assert index.find(9) == Revocation(NOW - HOUR, RevocationReason.CERTIFICATE_HOLD)
        assert index.find(6) is None

    @pytest.mark.parametrize(
        "reason", [one for one in ReasonFlags if one is not ReasonFlags.remove_from_crl]
    )
    def test_every_reason_is_a_revocation(self, reason: ReasonFlags) -> None:
        """Reasons that are known keep their names; another one has revoked all the same."""
        index = indexed(read(make_crl(CA, [(1, reason)])))
        revocation = index.find(1)
        assert isinstance(revocation, Revocation)
        known = reason.value in set(RevocationReason)
        assert revocation.reason == (reason.value if known else "unspecified")

    def test_an_empty_list_is_a_list(self) -> None:
        """No entry at all revokes nobody, and is believed."""
        assert len(indexed(read(make_crl(CA)))) == 0

    def test_one_that_has_ended_is_read(self) -> None:
        """It may be the newest there is; what follows is for others to say."""
        facts = read(make_crl(CA, begins=NOW - 2 * WEEK)).facts
        assert facts.next_update == NOW - WEEK

    def test_one_without_a_number_is_read(self) -> None:
        """Old software writes none."""
        assert read(make_crl(CA, number=None)).facts.number is None

    @pytest.mark.parametrize("wrap", ["{}", "{}\n", "\n\n{}\n\n"])
    def test_pem_is_the_same(self, wrap: str) -> None:
        """The same list in PEM says the same, whatever lines surround it."""
        data = make_crl(CA, [(5, None)])
        pem = x509.load_der_x509_crl(data).public_bytes(Encoding.PEM).decode()
        assert read(wrap.format(pem).encode()) == read(data)
        assert read(wrap.format(pem.replace("\n", "\r\n")).encode()) == read(data)

    @pytest.mark.parametrize(
        "key",
        [
            ec.generate_private_key(ec.SECP384R1()),
            rsa.generate_private_key(65537, 2048),
            ed25519.Ed25519PrivateKey.generate(),
        ],
        ids=["p384", "rsa", "ed25519"],
    )
    def test_keys_of_every_kind(self, key: Key) -> None:
        """What other CAs sign with is verified."""
        ca = make_foreign_ca(NOW, key=key)
        assert len(indexed(read(make_crl(ca, [(5, None)]), ca))) == 1

    def test_pss(self) -> None:
        """AD CS can be told to sign with RSA-PSS."""
        key = rsa.generate_private_key(65537, 2048)
        ca = make_foreign_ca(NOW, key=key)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(ca.certificate.subject)
            .last_update(NOW)
            .next_update(NOW + WEEK)
            .add_extension(x509.CRLNumber(1), critical=False)
        )
        scheme = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
        crl = builder.sign(key, hashes.SHA256(), rsa_padding=scheme)
        assert read(crl.public_bytes(Encoding.DER), ca).facts.number == 1

    def test_of_several_cas_of_one_name_the_one_that_signed(self) -> None:
        """After a change of its key, a CA publishes a list for each."""
        other = make_foreign_ca(NOW)
        found = read(make_crl(other), CA, other)
        assert found.facts.authority == authority_of(other.certificate)

    def test_openssl_makes_them_too(self, tmp_path: Path) -> None:
        """What `openssl ca` has signed says what its index says."""
        person = certify("anna", CA, NOW)
        index = index_line(person.certificate, "261122050000Z,keyCompromise")
        data = make_crl_with_openssl(tmp_path, CA, index, number=0x1F)
        # openssl takes its own clock.
        found = read_crl(data, [der(CA)], NOW + timedelta(days=36500))
        assert isinstance(found, ReadCRL)
        assert found.facts.number == 0x1F
        assert indexed(found).find(person.certificate.serial_number) == Revocation(
            NOW - HOUR, RevocationReason.KEY_COMPROMISE
        )

    def test_a_delta(self) -> None:
        """A delta says where it begins, and what is held no longer."""
        entries = [(5, ReasonFlags.remove_from_crl), (6, ReasonFlags.superseded)]
        found = read(make_crl(CA, entries, number=9, base=7))
        assert (found.facts.number, found.facts.base) == (9, 7)
        assert indexed(found).find(5) == Removed()

    def test_its_scope(self) -> None:
        """For which certificates it is comes out, and full list and delta agree on it."""
        full = read(make_crl(CA, extensions=[scope(URL, users=True), fresh_at(URL, "x:y")]))
        assert full.facts.only is Only.USERS
        assert full.facts.points == (f"<UniformResourceIdentifier(value='{URL}')>",)
        assert full.facts.fresh == ((URL, "x:y"),)
        delta = read(make_crl(CA, number=2, base=1, extensions=[scope(URL, users=True)]))
        assert delta.facts.scope == full.facts.scope
        other = read(make_crl(CA, extensions=[scope(URL)]))
        assert other.facts.scope != full.facts.scope
        assert read(make_crl(CA, extensions=[scope(cas=True)])).facts.only is Only.AUTHORITIES

    def test_serials_that_no_certificate_has_are_passed_over(self) -> None:
        """A serial of more than 20 octets is in nobody's way."""
        data = with_other(
            b"\x30\x14\x30\x12\x02\x01\x01", b"\x30\x29\x30\x27\x02\x16\x01" + bytes(21), (1, None)
        )
        assert len(indexed(read(data))) == 0


class TestRefused:
    @given(st.data())
    @settings(max_examples=60)
    def test_truncated(self, data: st.DataObject) -> None:
        """No beginning of a list is a list."""
        length = data.draw(st.integers(0, len(FIXED) - 1))
        assert refused(FIXED[:length]).reason is CRLFault.UNREADABLE

    @given(st.data())
    @settings(max_examples=100)
    def test_any_octet_changed(self, data: st.DataObject) -> None:
        """Not one octet of what was signed may be another."""
        whole = bytearray(FIXED)
        place = data.draw(st.integers(0, len(whole) - 1))
        whole[place] ^= data.draw(st.integers(1, 255))
        refused(bytes(whole))

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"<html><body>Please sign in</body></html>",
            b"-----BEGIN X509 CRL-----\n-----END X509 CRL-----\n",
            b"-----BEGIN X509 CRL-----\nAAAA\n",
            b"-----BEGIN X509 CRL-----" + b"\n" * 100_000,
            b"\x30\x84\xff\xff\xff\xff",
            b"\x30\x80" * 10_000,
            bytes(1_000_000),
        ],
    )
    def test_what_is_no_list(self, data: bytes) -> None:
        """A page, half a PEM, a length without end: none of it is a list."""
        assert refused(data).reason is CRLFault.UNREADABLE

    def test_two_in_one_file(self) -> None:
        """Which of them was meant, nobody can say."""
        pem = x509.load_der_x509_crl(make_crl(CA)).public_bytes(Encoding.PEM)
        assert refused(pem + pem).reason is CRLFault.UNREADABLE
        assert refused(make_crl(CA) + b"\0").reason is CRLFault.UNREADABLE

    def test_a_certificate(self) -> None:
        """The CA's certificate is not its list."""
        assert refused(der(CA)).reason is CRLFault.UNREADABLE
        pem = CA.certificate.public_bytes(Encoding.PEM)
        assert "not one X509 CRL" in refused(pem).words

    def test_of_another_ca(self) -> None:
        """A list of a CA that the trust does not name is none of ours."""
        other = make_foreign_ca(NOW, "Another CA")
        found = refused(make_crl(other))
        assert found.reason is CRLFault.ISSUER
        assert "Another CA" in found.words

    def test_signed_by_another_key(self) -> None:
        """Whoever has only the name of the CA cannot speak for it."""
        impostor = make_foreign_ca(NOW)
        found = refused(make_crl(impostor))
        assert found.reason is CRLFault.SIGNATURE
        assert "is not signed by the key of" in found.words

    def test_signed_with_sha1(self) -> None:
        """Two lists of one SHA-1 can be made by who wants to."""
        found = refused(with_other(SHA256, SHA1, sha1=True))
        assert found.reason is CRLFault.SIGNATURE
        assert "SHA-1" in found.words

    def test_with_two_algorithms(self) -> None:
        """What is named inside and outside is one."""
        refused(with_other(SHA256, SHA1))
        read(with_other(SHA256, SHA256))

    def test_signed_by_who_may_not(self) -> None:
        """A CA's certificate can say that its key signs no lists."""
        basic: tuple[x509.ExtensionType, bool] = (x509.BasicConstraints(True, None), True)
        ca = certify("Foreign CA", None, NOW, [basic, issuing_usage(crl_sign=False)])
        found = refused(make_crl(ca), ca)
        assert found.reason is CRLFault.SIGNATURE
        assert "cRLSign" in found.words
        ca = certify("Foreign CA", None, NOW, [basic, issuing_usage()])
        read(make_crl(ca), ca)

    def test_from_the_future(self) -> None:
        """A list that begins tomorrow is not true today; a few minutes are a clock's."""
        found = refused(make_crl(CA, begins=NOW + HOUR))
        assert found.reason is CRLFault.FUTURE
        assert "2026-11-22 07:00:00 UTC" in found.words
        read(make_crl(CA, begins=NOW + timedelta(minutes=4)))

    def test_without_an_end(self) -> None:
        """Nobody could ever say that it is too old."""
        found = refused(with_other(b"\x17\x0d261129060000Z", b""))
        assert found.reason is CRLFault.UNDATED

    @pytest.mark.parametrize(
        "extension,fault,words",
        [
            (scope(indirect=True), CRLFault.INDIRECT, "speaks for other CAs"),
            (
                scope(reasons=frozenset({ReasonFlags.key_compromise})),
                CRLFault.SCOPE,
                "some reasons",
            ),
            (scope(attributes=True), CRLFault.SCOPE, "attribute certificates"),
            (
                (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\5\0"), True),
                CRLFault.EXTENSION,
                "1.2.3.4",
            ),
            (
                (
                    x509.IssuingDistributionPoint(
                        None,
                        x509.RelativeDistinguishedName(
                            [x509.NameAttribute(NameOID.COMMON_NAME, "part")]
                        ),
                        False,
                        False,
                        None,
                        False,
                        False,
                    ),
                    True,
                ),
                CRLFault.SCOPE,
                "relative",
            ),
            (scope(*(f"http://a/{n}" for n in range(40))), CRLFault.SCOPE, "more than 32 names"),
        ],
    )
    def test_for_what_we_do_not_ask(
        self, extension: tuple[x509.ExtensionType, bool], fault: CRLFault, words: str
    ) -> None:
        """What would be misread is not read."""
        found = refused(make_crl(CA, extensions=[extension]))
        assert found.reason is fault
        assert words in found.words

    def test_unknown_and_not_critical_is_passed_over(self) -> None:
        """Microsoft writes extensions of its own, which nobody needs."""
        unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.311.21.1"), b"\5\0")
        read(make_crl(CA, extensions=[(unknown, False)]))

    def test_a_full_list_takes_nothing_off(self) -> None:
        """removeFromCRL is a word of deltas."""
        found = refused(make_crl(CA, [(5, ReasonFlags.remove_from_crl)]))
        assert found.reason is CRLFault.ENTRY

    def test_a_delta_has_a_number(self) -> None:
        """A delta that cannot be ordered is of no use."""
        assert refused(make_crl(CA, number=None, base=1)).reason is CRLFault.ENTRY

    @pytest.mark.parametrize(
        "extension,fault",
        [
            (
                x509.CertificateIssuer([x509.DirectoryName(CA.certificate.subject)]),
                CRLFault.INDIRECT,
            ),
            (
                x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\5\0"),
                CRLFault.EXTENSION,
            ),
        ],
    )
    def test_entries_with_what_is_not_known(
        self, extension: x509.ExtensionType, fault: CRLFault
    ) -> None:
        """A list with one entry that is not understood says nothing (RFC 5280, section 5.3)."""
        entry = (
            x509.RevokedCertificateBuilder()
            .serial_number(5)
            .revocation_date(NOW)
            .add_extension(extension, critical=True)
            .build()
        )
        crl = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(CA.certificate.subject)
            .last_update(NOW)
            .next_update(NOW + WEEK)
            .add_revoked_certificate(entry)
            .sign(CA.key, hashes.SHA256())
        )
        assert refused(crl.public_bytes(Encoding.DER)).reason is fault

    def test_a_name_that_the_library_does_not_know(self) -> None:
        """What it raises for that is another exception than for what is malformed."""
        address = bytes.fromhex("3004a3023000")  # an x400Address
        strange = x509.UnrecognizedExtension(x509.IssuerAlternativeName.oid, address)
        assert refused(make_crl(CA, extensions=[(strange, False)])).reason is CRLFault.UNREADABLE

    def test_names_of_the_ca_are_shown_without_their_control_characters(self) -> None:
        """What stands in a log is one line, whatever a CA is called."""
        other = make_foreign_ca(NOW, "Evil\r\nCA\u202e")
        words = refused(make_crl(other)).words
        assert words.isprintable()

    def test_long_names_of_the_ca_are_shown_in_part(self) -> None:
        """Who refuses a list, and who tells that it was taken, does not repeat a page of it."""
        units = [
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, f"{n:064}") for n in range(99)
        ]
        long = with_subject(x509.Name([*units, *CA.certificate.subject]))
        assert len(refused(make_crl(long)).words) < 300
        assert len(refused(make_crl(replace(long, key=new_key())), long).words) < 300
        issuer = read(make_crl(long), long).facts.issuer
        assert issuer.startswith("'CN=Foreign CA,OU=")
        assert len(issuer) < 100

    def test_what_the_library_says_is_shown_in_part(self) -> None:
        """It quotes from what it could not read."""
        words = refused(b"-----BEGIN X509 CRL-----\n" + b"A" * 4000).words
        assert words.isprintable()
        assert len(words) < 300
