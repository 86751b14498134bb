"""Lists and certificates, judged by openssl beside us."""

import subprocess
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ReasonFlags

from ca.foreign.coverage import HeldList, ask_lists, covers, points_of
from ca.foreign.crls import ReadCRL, read_crl
from ca.foreign.revoked import RevokedIndex, encode_index
from tests.ca.foreign.crl_makers import NOW, WEEK, listed_at, make_crl, point_at, scope
from tests.ca.foreign.makers import certify, make_foreign_ca
from tests.ca.foreign.test_crls import der

HOUR = timedelta(hours=1)
URL = "http://ca.example.it/one.crl"
CA = make_foreign_ca(NOW)


@dataclass(frozen=True, slots=True)
class Case:
    """A list beside a certificate, and what is to be said of the two."""

    name: str
    crl: bytes
    good: bool
    """Whether the certificate is good by this list."""


ANNA = certify("anna", CA, NOW, [listed_at(point_at(URL))])
OF_ANNA = ANNA.certificate.serial_number
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\5\0")
CASES = [
    Case("empty", make_crl(CA), good=True),
    Case("others", make_crl(CA, [(OF_ANNA + 1, None)]), good=True),
    Case("revoked", make_crl(CA, [(OF_ANNA, None)]), good=False),
    Case("held", make_crl(CA, [(OF_ANNA, ReasonFlags.certificate_hold)]), good=False),
    Case("ended", make_crl(CA, begins=NOW - 2 * WEEK), good=False),
    Case("future", make_crl(CA, begins=NOW + HOUR), good=False),
    Case("key", make_crl(make_foreign_ca(NOW)), good=False),
    Case("partition", make_crl(CA, extensions=[scope(URL)]), good=True),
    Case("users", make_crl(CA, extensions=[scope(users=True)]), good=True),
    Case("other partition", make_crl(CA, extensions=[scope(URL + "x")]), good=False),
    Case("authorities", make_crl(CA, extensions=[scope(cas=True)]), good=False),
    Case("attributes", make_crl(CA, extensions=[scope(attributes=True)]), good=False),
    Case("indirect", make_crl(CA, extensions=[scope(indirect=True)]), good=False),
    Case(
        "some reasons",
        make_crl(CA, extensions=[scope(reasons=frozenset({ReasonFlags.key_compromise}))]),
        good=False,
    ),
    Case("critical", make_crl(CA, extensions=[(UNKNOWN, True)]), good=False),
    Case("not critical", make_crl(CA, extensions=[(UNKNOWN, False)]), good=True),
]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_openssl_judges_alike(case: Case, tmp_path: Path) -> None:
    """What `openssl verify -crl_check` lets in by a list, we do, and nothing else."""
    for name, holder in (("ca", CA), ("anna", ANNA)):
        pem = holder.certificate.public_bytes(Encoding.PEM)
        (tmp_path / name).write_bytes(pem)
    crl = x509.load_der_x509_crl(case.crl).public_bytes(Encoding.PEM)
    (tmp_path / "crl").write_bytes(crl)
    judged = subprocess.run(
        [
            *("openssl", "verify", "-crl_check", "-attime", str(int(NOW.timestamp()))),
            *("-CAfile", tmp_path / "ca", "-CRLfile", tmp_path / "crl", tmp_path / "anna"),
        ],
        capture_output=True,
        check=False,
    )
    assert (judged.returncode == 0) is case.good, judged
    found = read_crl(case.crl, [der(CA)], NOW)
    known = None
    if isinstance(found, ReadCRL):
        index = RevokedIndex(memoryview(b"".join(encode_index(found.facts, found.records))))
        points = points_of(ANNA.certificate)
        lists = [HeldList(index)] if covers(found.facts, ANNA.certificate, points) else []
        known = ask_lists(lists, OF_ANNA)
    good = known is not None and known.revocation is None and known.until > NOW
    assert good is case.good
