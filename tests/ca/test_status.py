"""CRLs, judged by programs that nobody here wrote."""

import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from ca.errors import StatusRefused
from ca.issue import Issuer, issue
from ca.kinds import make_key
from ca.scopes import REMOVE_FROM_CRL, Line
from ca.status import CRLHead, encode_lines, sign_crl
from ca.trust import RevocationReason
from tests.ca.makers import (
    CA,
    CLIENT_PROFILE,
    CRL_URL,
    NOW,
    ask,
    build_crl,
    client_request,
    judge,
    line_of,
    lint_with_pkilint,
    make_ca,
    signed_list,
    write_pem,
)

WEEK = timedelta(days=7)
HOUR = timedelta(hours=1)
KEY = make_key()
ISSUER = make_ca().issuing
ENTRIES = [
    line_of(serial, NOW - serial * HOUR, reason)
    for serial, reason in enumerate(RevocationReason, 1)
]


def crl_of(
    ca: CA, *entries: Line, number: int = 1, now: datetime = NOW
) -> x509.CertificateRevocationList:
    """Sign a CRL of *entries*."""
    return build_crl(ca.issuing, entries, number=number, this_update=now, next_update=now + WEEK)


class TestContents:
    def test_what_it_says(self, ca: CA) -> None:
        """Issuer, number, key and dates stand in the list, and it is signed."""
        crl = crl_of(ca, number=42, now=NOW + timedelta(microseconds=5))
        assert crl.issuer == ca.issuing.certificate.subject
        assert (crl.last_update_utc, crl.next_update_utc) == (NOW, NOW + WEEK)
        assert crl.is_signature_valid(ca.issuing.key.public_key())
        assert not crl.is_signature_valid(ca.root.key.public_key())
        found = {type(one.value): (one.critical, one.value) for one in crl.extensions}
        assert found.pop(x509.CRLNumber) == (False, x509.CRLNumber(42))
        critical, identifier = found.popitem()[1]
        assert isinstance(identifier, x509.AuthorityKeyIdentifier)
        subject = ca.issuing.certificate.extensions.get_extension_for_class(
            x509.SubjectKeyIdentifier
        )
        assert (critical, identifier.key_identifier) == (False, subject.value.digest)
        assert found == {}

    def test_nobody_revoked(self, ca: CA) -> None:
        """An empty list is valid, and lists nobody."""
        assert list(crl_of(ca)) == []

    def test_dates_and_reasons(self, ca: CA) -> None:
        """Each entry keeps its date and reason; "unspecified" is said by saying nothing."""
        listed = {one.serial_number: one for one in crl_of(ca, *ENTRIES)}
        assert len(listed) == len(ENTRIES)
        for serial, reason in enumerate(RevocationReason, 1):
            one = listed[serial]
            assert one.revocation_date_utc == NOW - serial * HOUR
            reasons = [extension.value for extension in one.extensions]
            if reason is RevocationReason.UNSPECIFIED:
                assert reasons == []
            else:
                flag = x509.ReasonFlags(reason.value)
                assert reasons == [x509.CRLReason(flag)]

    @given(st.datetimes(datetime(1950, 1, 1), datetime(2149, 12, 31), timezones=st.just(UTC)))  # noqa: DTZ001 - hypothesis adds the zone
    def test_every_date_is_written_as_it_is(self, at: datetime) -> None:
        """To the second, before and after the year in which the form changes."""
        micros = (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
        (one,) = signed_list(
            ISSUER, CRLHead(1, NOW, NOW + WEEK), [encode_lines([("4a", micros, "superseded")])]
        )
        assert one.revocation_date_utc == at.replace(microsecond=0)
        form = b"\x18\x0f%Y" if at.year >= 2050 else b"\x17\x0d%y"
        assert at.strftime(form.decode("latin-1")).encode("latin-1") in encode_lines(
            [("4a", micros, "superseded")]
        )


class TestLength:
    def test_a_long_list_keeps_no_other_thread_waiting(self) -> None:
        """Deltas are signed, and everybody answered, while a full list is being signed."""
        lines = [encode_lines((f"7{number:020x}", 0, "superseded") for number in range(200_000))]
        head = CRLHead(1, NOW, NOW + WEEK)
        crl = signed_list(ISSUER, head, lines)
        begun = time.perf_counter()
        # What the library does when it writes a list, which no other thread survives.
        crl.public_bytes(Encoding.DER)
        standstill = time.perf_counter() - begun
        # Other programs make us wait too, but not three times in a row.
        assert min(longest_wait(head, lines) for _ in range(3)) < standstill / 2


def longest_wait(head: CRLHead, lines: list[bytes]) -> float:
    """Sign, and return how long at most another thread did not get on meanwhile, in seconds."""
    signing = threading.Thread(target=sign_crl, args=(ISSUER, head, lines))
    longest, last = 0.0, time.perf_counter()
    signing.start()
    while signing.is_alive():
        time.sleep(0.0005)
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
    return longest


class TestRefusals:
    @pytest.mark.parametrize(
        "number, life",
        [(-1, WEEK), (1 << 159, WEEK), (1, timedelta()), (1, -WEEK)],
    )
    def test_lists_that_cannot_be_right(self, ca: CA, number: int, life: timedelta) -> None:
        """Impossible numbers and dates are not signed."""
        with pytest.raises(StatusRefused):
            build_crl(ca.issuing, ENTRIES, number=number, this_update=NOW, next_update=NOW + life)

    def test_all_reasons_at_once(self, ca: CA) -> None:
        """One refusal says everything that is wrong."""
        with pytest.raises(StatusRefused) as caught:
            build_crl(ca.issuing, [], number=-1, this_update=NOW, next_update=NOW)
        assert len(caught.value.reasons) == 2

    def test_a_key_that_signs_wrongly(self, ca: CA) -> None:
        """A list that the issuer's certificate does not verify is not released."""
        broken = Issuer(ca.issuing.name, ca.issuing.certificate, ca.issuing.key)
        object.__setattr__(broken, "key", KEY)
        with pytest.raises(StatusRefused, match="signs wrongly"):
            build_crl(broken, [], number=1, this_update=NOW, next_update=NOW + WEEK)


class TestJudges:
    def test_openssl_verifies_against_it(self, ca: CA, tmp_path: Path) -> None:
        """At three dates: nothing listed, revoked and listed, and the list itself over."""
        anna, bruno = ca.client(KEY, NOW), ca.client(KEY, NOW)
        root = write_pem(tmp_path / "root.pem", ca.root.certificate)
        chain = write_pem(tmp_path / "issuing.pem", ca.issuing.certificate)
        files = {
            "anna": write_pem(tmp_path / "anna.pem", anna),
            "bruno": write_pem(tmp_path / "bruno.pem", bruno),
        }
        revoked = line_of(anna.serial_number, NOW + HOUR, RevocationReason.KEY_COMPROMISE)

        def verdict(crl: x509.CertificateRevocationList, who: str, when: datetime) -> str:
            crl_file = tmp_path / "crl.pem"
            crl_file.write_bytes(crl.public_bytes(Encoding.PEM))
            return ask(
                "openssl", "verify", "-x509_strict", "-crl_check", "-CRLfile", crl_file,
                "-CAfile", root, "-untrusted", chain, "-attime", f"{when.timestamp():.0f}",
                files[who],
            ).stdout  # fmt: skip

        first = crl_of(ca, now=NOW)
        second = crl_of(ca, revoked, number=2, now=NOW + HOUR)
        assert "anna.pem: OK" in verdict(first, "anna", NOW + HOUR)
        assert "certificate revoked" in verdict(second, "anna", NOW + 2 * HOUR)
        assert "bruno.pem: OK" in verdict(second, "bruno", NOW + 2 * HOUR)
        assert "CRL has expired" in verdict(second, "bruno", NOW + 2 * WEEK)
        assert "CRL is not yet valid" in verdict(second, "bruno", NOW)

    def test_openssl_reads_it(self, ca: CA, tmp_path: Path) -> None:
        """`openssl crl` shows number, reasons and a good signature."""
        crl_file = tmp_path / "crl.der"
        crl_file.write_bytes(crl_of(ca, *ENTRIES, number=7).public_bytes(Encoding.DER))
        issuer = write_pem(tmp_path / "issuing.pem", ca.issuing.certificate)
        answer = judge(
            "openssl", "crl", "-inform", "DER", "-in", crl_file, "-CAfile", issuer, "-text",
            "-noout", "-verify",
        )  # fmt: skip
        assert "verify OK" in answer
        assert "Key Compromise" in answer
        assert answer.count("Serial Number:") == len(ENTRIES)

    @pytest.mark.parametrize("entries", [[], ENTRIES])
    def test_gnutls(self, ca: CA, entries: list[Line], tmp_path: Path) -> None:
        """`certtool --verify-crl` trusts the list, empty or not."""
        crl_file = tmp_path / "crl.pem"
        crl_file.write_bytes(
            crl_of(ca, *entries, now=datetime.now(NOW.tzinfo)).public_bytes(Encoding.PEM)
        )
        issuer = write_pem(tmp_path / "issuing.pem", ca.issuing.certificate)
        answer = judge(
            "certtool", "--verify-crl", "--load-ca-certificate", issuer, "--infile", crl_file
        )
        assert "Verified. The certificate is trusted" in answer

    @pytest.mark.parametrize("entries", [[], ENTRIES])
    def test_pkilint(self, ca: CA, entries: list[Line], tmp_path: Path) -> None:
        """Pkilint finds nothing in the list, empty or not."""
        crl_file = tmp_path / "crl.pem"
        crl_file.write_bytes(crl_of(ca, *entries).public_bytes(Encoding.PEM))
        assert lint_with_pkilint("lint_crl", "-t", "CRL", "-p", "PKIX", crl_file) == []


POINT = CRL_URL.replace("issuing-1", "issuing-1~2-of-4")
FRESH = CRL_URL.replace("issuing-1", "issuing-1~2-of-4~delta")


class TestDeltasAndPartitions:
    BASE = CRLHead(5, NOW, NOW + WEEK, point=POINT, fresh=FRESH)
    DELTA = CRLHead(7, NOW, NOW + WEEK, base=5, point=POINT)

    def test_what_they_say(self, ca: CA) -> None:
        """Which is critical, and which not, is as RFC 5280 has it."""

        def critical(head: CRLHead) -> dict[str, bool]:
            crl = signed_list(ca.issuing, head, [])
            return {type(one.value).__name__: one.critical for one in crl.extensions}

        assert critical(self.BASE) == {
            "AuthorityKeyIdentifier": False,
            "CRLNumber": False,
            "IssuingDistributionPoint": True,
            "FreshestCRL": False,
        }
        assert critical(self.DELTA) == {
            "AuthorityKeyIdentifier": False,
            "CRLNumber": False,
            "DeltaCRLIndicator": True,
            "IssuingDistributionPoint": True,
        }

    @pytest.mark.parametrize(
        "head",
        [
            CRLHead(5, NOW, NOW + WEEK, base=5),
            CRLHead(5, NOW, NOW + WEEK, base=4, fresh=FRESH),
        ],
    )
    def test_deltas_that_cannot_be_right(self, ca: CA, head: CRLHead) -> None:
        """One that begins at itself, or names another, is not signed."""
        with pytest.raises(StatusRefused):
            signed_list(ca.issuing, head, [])

    @pytest.mark.parametrize("year, form", [(2049, b"4912"), (2050, b"205012")])
    def test_dates_of_this_century_and_later(self, ca: CA, year: int, form: bytes) -> None:
        """UTCTime through 2049, GeneralizedTime from 2050 on."""
        begin = datetime(year, 12, 1, tzinfo=UTC)
        crl = signed_list(ca.issuing, CRLHead(1, begin, begin + WEEK), [])
        assert crl.last_update_utc == begin
        assert form + b"01000000Z" in crl.tbs_certlist_bytes

    @pytest.mark.parametrize("serial", ["1", "7f", "80", "ff" * 19, "7" + "f" * 39])
    def test_every_serial_is_written_as_it_is(self, ca: CA, serial: str) -> None:
        """Odd digits, a high bit, the longest there may be."""
        crl = signed_list(
            ca.issuing, CRLHead(1, NOW, NOW + WEEK), [encode_lines([(serial, 0, "superseded")])]
        )
        assert [one.serial_number for one in crl] == [int(serial, 16)]

    def test_openssl_follows_a_delta_of_a_partition(self, ca: CA, tmp_path: Path) -> None:
        """Revoked by the delta, and let in again by it: base and delta are taken together."""
        profile = replace(CLIENT_PROFILE, distribution_points=(POINT,))
        names = ("anna", "bruno", "carla")
        people = {name: issue(ca.issuing, profile, client_request(KEY), NOW) for name in names}
        for name, certificate in people.items():
            write_pem(tmp_path / f"{name}.pem", certificate)
        root = write_pem(tmp_path / "root.pem", ca.root.certificate)
        chain = write_pem(tmp_path / "issuing.pem", ca.issuing.certificate)
        held = line_of(people["anna"].serial_number, NOW, RevocationReason.CERTIFICATE_HOLD)
        lines = encode_lines(
            [
                (held[0], held[1], REMOVE_FROM_CRL),
                line_of(people["bruno"].serial_number, NOW, RevocationReason.KEY_COMPROMISE),
            ]
        )
        base = signed_list(ca.issuing, self.BASE, [encode_lines([held])])
        delta = signed_list(ca.issuing, self.DELTA, [lines])
        both = tmp_path / "both.pem"

        def verdicts(*crls: x509.CertificateRevocationList) -> list[bool]:
            both.write_bytes(b"".join(crl.public_bytes(Encoding.PEM) for crl in crls))
            answers = [
                ask(
                    "openssl", "verify", "-x509_strict", "-crl_check", "-extended_crl",
                    "-use_deltas", "-CRLfile", both, "-CAfile", root, "-untrusted", chain,
                    "-attime", f"{(NOW + HOUR).timestamp():.0f}", tmp_path / f"{name}.pem",
                ).stdout
                for name in names
            ]  # fmt: skip
            assert all("revoked" in answer or ": OK" in answer for answer in answers), answers
            return [": OK" in answer for answer in answers]

        assert verdicts(base) == [False, True, True]
        assert verdicts(base, delta) == [True, False, True]

    @pytest.mark.parametrize("head", [BASE, DELTA])
    def test_pkilint(self, ca: CA, head: CRLHead, tmp_path: Path) -> None:
        """Pkilint finds nothing in either."""
        crl_file = tmp_path / "crl.pem"
        reason = "certificateHold" if head.base is None else REMOVE_FROM_CRL
        crl = signed_list(ca.issuing, head, [encode_lines([("4a" * 16, 0, reason)])])
        crl_file.write_bytes(crl.public_bytes(Encoding.PEM))
        assert lint_with_pkilint("lint_crl", "-t", "CRL", "-p", "PKIX", crl_file) == []
