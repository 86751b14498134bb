"""Who a certificate names: exactly one, or nobody."""

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from ca.der import encode
from ca.foreign.identities import Identity, NoIdentity, identity_of
from gateway.core.trusts import IdentityMap
from tests.ca.foreign.chains import UPN, Made, make, make_root, name, person_extensions

ROOT = make_root()
UTF8_STRING = 0x0C


def named(*names: x509.GeneralName, subject: x509.Name | None = None, serial: int = 0) -> Made:
    """Make a person's certificate that names them so."""
    subject = subject or name("Anna")
    return make(subject, ROOT, person_extensions(*names), key=ROOT.key, serial=serial)


def principal(text: str) -> x509.OtherName:
    """Write a user principal name as AD CS does."""
    return x509.OtherName(UPN, encode(UTF8_STRING, text.encode()))


def read(made: Made, kind: str) -> Identity | NoIdentity:
    """Read whom it names."""
    return identity_of(made.certificate, kind)


def test_each_setting_reads_its_own_place() -> None:
    """The same certificate names the person in four ways; addresses are in lower case."""
    made = named(x509.RFC822Name("Anna@Example.COM"), principal("Anna@corp.example"), serial=0xBEEF)
    wanted = {
        "san-email": "anna@example.com",
        "san-upn": "anna@corp.example",
        "subject-cn": "Anna",
        "serial": "beef",
    }
    assert {kind.value for kind in IdentityMap} == set(wanted)
    for kind, value in wanted.items():
        assert read(made, kind) == Identity(kind, value)


def test_who_is_named_twice_is_nobody() -> None:
    """Which of two counts would be a guess; the same address twice is one."""
    two = named(x509.RFC822Name("anna@example.com"), x509.RFC822Name("boss@example.com"))
    answer = read(two, "san-email")
    assert isinstance(answer, NoIdentity)
    assert "2 different mail address" in answer.words
    same = named(x509.RFC822Name("anna@example.com"), x509.RFC822Name("ANNA@example.com"))
    assert read(same, "san-email") == Identity("san-email", "anna@example.com")
    assert isinstance(read(named(principal("a@b"), principal("c@d")), "san-upn"), NoIdentity)
    common = x509.NameAttribute(NameOID.COMMON_NAME, "Anna")
    assert isinstance(read(named(subject=x509.Name([common, common])), "subject-cn"), NoIdentity)


def test_a_mail_address_of_the_subject_is_none_of_the_alternative_names() -> None:
    """Only what the setting names is looked at."""
    subject = name("Anna", (NameOID.EMAIL_ADDRESS, "anna@example.com"))
    answer = read(named(x509.DNSName("anna.example.com"), subject=subject), "san-email")
    assert answer == NoIdentity(
        "it has no mail address in subjectAltName, and exactly one says who holds it"
    )


@pytest.mark.parametrize("kind", ["san-email", "san-upn", "subject-cn"])
def test_who_is_not_named_at_all_is_nobody(kind: str) -> None:
    """Neither alternative names nor a subject."""
    nobody = make(x509.Name([]), ROOT, {}, key=ROOT.key)
    assert isinstance(read(nobody, kind), NoIdentity)


@pytest.mark.parametrize(
    "text",
    [
        "anna\0@example.com",
        "anna@example.com\0.evil.example",
        "an\u202ena@example.com",
        "anna\u200b@example.com",
        "anna\n@example.com",
        "a" * 250 + "@example.com",
        "anna",
        "@example.com",
        "anna@",
        "anna@b@example.com",
        "anna @example.com",
        " ",
        "e\u0301lise@example.com",
        "\u212aarl@example.com",
    ],
)
def test_names_that_deceive_are_nobody(text: str) -> None:
    """NUL, letters that cannot be seen or turn the line, and what is no address."""
    assert isinstance(read(named(principal(text)), "san-upn"), NoIdentity)
    if text.isascii():
        mail = x509.RFC822Name._init_without_validation(text)
        assert isinstance(read(named(mail), "san-email"), NoIdentity)


@pytest.mark.parametrize("text", ["anna\0", "\u202eanna", "an\u200dna", " anna", "an  na"])
def test_common_names_that_deceive_are_nobody(text: str) -> None:
    """As they look the same in a list of people."""
    assert isinstance(read(named(subject=name(text)), "subject-cn"), NoIdentity)


def test_a_principal_name_of_another_encoding_is_nobody() -> None:
    """It is one UTF8String; another kind of string, or bytes that are no text, name nobody."""
    good = encode(UTF8_STRING, b"anna@example.com")
    for value in (b"\x13" + good[1:], b"\x30\x00", encode(UTF8_STRING, b"\xff")):
        assert isinstance(read(named(x509.OtherName(UPN, value)), "san-upn"), NoIdentity)
    long = "a" * 200 + "@example.com"
    assert read(named(principal(long)), "san-upn") == Identity("san-upn", long)


@given(st.text(max_size=300))
def test_whatever_is_read_is_one_plain_name(text: str) -> None:
    """A name that is taken holds nothing that cannot be seen, and is not too long."""
    answer = read(named(principal(text)), "san-upn")
    if isinstance(answer, Identity):
        assert answer.value == text.lower()
        assert answer.value.isprintable()
        assert len(answer.value) <= 254


def test_an_unknown_kind_is_a_mistake_of_the_program() -> None:
    """It is no property of any certificate."""
    with pytest.raises(KeyError):
        read(named(), "subject-dn")
