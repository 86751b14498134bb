"""Whose a certificate is: the trust that has its CA, and what in it names its holder."""

from datetime import timedelta

import pytest
from cryptography import x509

from ca.foreign.paths import PathFault
from ca.serials import serial_text
from gateway.core.foreign import ForeignState, PersonBy, Verdict
from gateway.core.people import Fingerprint
from gateway.core.trusts import IdentityMap, Trust
from gateway.verifier.findings import (
    LONGEST_NAME,
    Found,
    begins_to_hold,
    find,
    issuer_of,
    refusal,
)
from tests.ca.foreign.chains import (
    DAY,
    NOW,
    UPN,
    Made,
    make_authority,
    make_person,
    make_root,
    name,
)

CARD = Fingerprint("ca" * 32)
ROOT = make_root("Corp Root", end=NOW + 30 * DAY)
ISSUING = make_authority(ROOT, "Corp Issuing", end=NOW + 20 * DAY)
OTHER = make_root("Lab")
ANNA = make_person(ISSUING)
PRINCIPAL = x509.OtherName(UPN, b"\x0c\x10Anna@example.com")


def trust(
    identity: IdentityMap = IdentityMap.SAN_EMAIL,
    *authorities: Made,
    called: str = "corp",
    **more: object,
) -> dict[str, Trust]:
    """Trust *authorities*, or those of Corp."""
    found = authorities or (ISSUING, ROOT)
    return {called: Trust(called, tuple(one.der for one in found), identity, **more)}  # type: ignore[arg-type]


def found(made: Made, trusts: dict[str, Trust]) -> Found:
    """Return what is found of a certificate whose path holds."""
    said = find(CARD, made.der, trusts, NOW)
    assert isinstance(said, Found), said
    return said


def refused(made: Made, trusts: dict[str, Trust]) -> Verdict:
    """Return how a certificate is refused."""
    said = find(CARD, made.der, trusts, NOW)
    assert isinstance(said, Verdict)
    assert said.state is ForeignState.REFUSED
    assert said.fingerprint == CARD
    return said


def test_a_path_that_holds_names_its_trust_and_its_issuer() -> None:
    """And when it ends, which may be before the certificate does."""
    one = found(ANNA, trust())
    assert (one.trust, one.by, one.identity) == ("corp", PersonBy.EMAIL, "anna@example.com")
    assert one.authority == ISSUING.certificate
    assert one.above == (ROOT.certificate,)
    assert one.authorities == ((ISSUING.certificate, ROOT.certificate),)
    assert found(make_person(OTHER), trust(IdentityMap.SAN_EMAIL, OTHER)).authorities == ()
    assert one.certificate == ANNA.certificate
    assert one.ends == ANNA.certificate.not_valid_after_utc
    long = make_person(ISSUING, end=NOW + 25 * DAY)
    assert found(long, trust()).ends == ISSUING.certificate.not_valid_after_utc


@pytest.mark.parametrize(
    "kind, by, identity",
    [
        (IdentityMap.SAN_EMAIL, PersonBy.EMAIL, "anna@example.com"),
        (IdentityMap.SAN_UPN, PersonBy.EMAIL, "anna@example.com"),
        (IdentityMap.SUBJECT_CN, PersonBy.USER, "Anna"),
    ],
)
def test_each_map_reads_its_name(kind: IdentityMap, by: PersonBy, identity: str) -> None:
    """By mail address or by user."""
    names = x509.SubjectAlternativeName([x509.RFC822Name("anna@example.com"), PRINCIPAL])
    one = found(make_person(ISSUING, more={names: False}), trust(kind))
    assert (one.by, one.identity, one.words) == (by, identity, "")


def test_a_serial_is_given_to_somebody_here() -> None:
    """And to nobody else: the words say what to do."""
    serial = serial_text(ANNA.certificate.serial_number)
    one = found(ANNA, trust(IdentityMap.SERIAL, people={serial: "anna"}))
    assert (one.by, one.identity) == (PersonBy.USER, "anna")
    nobody = found(ANNA, trust(IdentityMap.SERIAL, people={"4a0f": "anna"}))
    assert nobody.identity == ""
    assert f"{serial} is given to nobody" in nobody.words
    assert "pusterla ca trust assign" in nobody.words


def test_a_serial_of_another_ca_of_the_trust_is_nobodys() -> None:
    """CAs number each for itself: the same number names somebody else there."""
    second = make_authority(ROOT, "Corp Second")
    both = (ISSUING, second, ROOT)
    for other in (second, ROOT):
        stranger = make_person(other)
        serial = serial_text(stranger.certificate.serial_number)
        one = found(stranger, trust(IdentityMap.SERIAL, *both, people={serial: "anna"}))
        assert one.identity == ""
        assert "Corp Issuing" in one.words


def test_who_names_nobody_is_found_without_a_name() -> None:
    """Its path holds all the same, and its revocation is looked after."""
    one = found(make_person(ISSUING, without={x509.SubjectAlternativeName}), trust())
    assert one.identity == ""
    assert "no mail address" in one.words


def test_of_several_trusts_the_one_that_has_the_ca_counts() -> None:
    """Whichever comes first; and a fault there says more than that another does not know it."""
    both = trust(IdentityMap.SAN_EMAIL, OTHER, called="lab") | trust()
    assert found(ANNA, both).trust == "corp"
    over = make_person(ISSUING, end=NOW - timedelta(hours=1))
    for trusts in (both, dict(reversed(both.items()))):
        said = refused(over, trusts)
        assert (said.fault, said.trust) == (PathFault.EXPIRED, "corp")
        assert said.not_after == over.certificate.not_valid_after_utc


def test_a_ca_that_no_trust_has_is_named() -> None:
    """So that whoever reads the log knows which to add."""
    said = refused(make_person(make_authority(OTHER, "Lab Issuing")), trust())
    assert (said.fault, said.trust) == (PathFault.UNKNOWN_ISSUER, "corp")
    assert "Lab Issuing" in said.words
    assert "Lab Issuing" in said.issuer


def test_without_a_trust_nothing_is_believed() -> None:
    """The last one was taken away."""
    assert refused(ANNA, {}).fault == "no-trust"


def test_what_cannot_be_read_has_no_face() -> None:
    """It is refused with what is known of it, which is nothing."""
    said = find(CARD, b"\x30\x00", trust(), NOW)
    assert isinstance(said, Verdict)
    assert (said.fault, said.serial, said.not_after) == (PathFault.UNREADABLE, "", None)
    assert refusal(CARD, b"", "too-costly", "why").words == "why"


def test_a_certificate_of_no_known_version_has_no_face_either() -> None:
    """It is one verdict more, and nothing that goes wrong."""
    der = ANNA.der.replace(bytes.fromhex("a003020102"), bytes.fromhex("a003020107"), 1)
    said = find(CARD, der, trust(), NOW)
    assert isinstance(said, Verdict)
    assert (said.fault, said.serial, said.not_after) == (PathFault.UNREADABLE, "", None)


def test_what_is_refused_for_a_date_is_told_when_to_look_again() -> None:
    """Its own, or that of the next CA which begins; other faults do not go by themselves."""
    soon, later = NOW + 2 * DAY, NOW + 9 * DAY
    tomorrow = make_authority(ROOT, "Corp Next", begin=soon, end=NOW + 20 * DAY)
    another = make_authority(ROOT, "Corp Last", begin=later, end=NOW + 20 * DAY)
    trusts = trust(IdentityMap.SAN_EMAIL, tomorrow, another, ISSUING, ROOT)
    said = refused(make_person(tomorrow), trusts)
    assert said.fault == PathFault.AUTHORITY_DATES
    assert begins_to_hold(said, trusts, NOW) == soon
    assert begins_to_hold(said, trusts, soon) == later
    assert begins_to_hold(said, {}, NOW) is None
    early = refused(make_person(ISSUING, begin=soon, end=later), trusts)
    assert begins_to_hold(early, trusts, NOW) == soon
    assert begins_to_hold(refused(make_person(ISSUING, end=NOW - DAY), trusts), trusts, NOW) is None


def test_names_of_issuers_end_somewhere() -> None:
    """A CA may write as much as it likes; what is kept of it fits on a screen."""
    long = make_root("x" * 60)
    person = make_person(long, issuer_name=x509.Name([*name("y" * 60)] * 20))
    assert len(issuer_of(person.certificate)) <= LONGEST_NAME
