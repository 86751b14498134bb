"""What is looked at before anything is believed, and before it could cost."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, rsa

from ca.der import INTEGER, SEQUENCE, elements, encode
from ca.foreign.certificates import (
    LARGEST_LEAF,
    LONGEST_NAME,
    MOST_NAMES,
    Foreign,
    Unreadable,
    key_of,
    may_have_signed,
    read_certificate,
    signature_fault,
    signed_by,
    unknown_critical,
)
from tests.ca.foreign.chains import (
    MD5,
    SHA1,
    UPN,
    Made,
    make,
    make_authority,
    make_person,
    make_root,
    name,
    rsa_key,
)

ROOT = make_root()
UNKNOWN = x509.ObjectIdentifier("1.3.6.1.4.1.99999.1")


def read(made: Made) -> Foreign:
    """Take a certificate apart that can be."""
    found = read_certificate(made.der)
    assert isinstance(found, Foreign)
    return found


def refused(der: bytes) -> str:
    """Take one apart that cannot be, and return why."""
    found = read_certificate(der)
    assert isinstance(found, Unreadable)
    return found.words


def with_extension(extension: x509.ExtensionType, *, critical: bool = False) -> Made:
    """Make a person's certificate with one more extension."""
    return make_person(ROOT, more={extension: critical})


def test_what_is_no_certificate_is_refused_with_words() -> None:
    """Nothing is raised, whatever the bytes are."""
    assert "it cannot be read" in refused(b"")
    assert "it cannot be read" in refused(make_person(ROOT).der[:-1])
    assert "it cannot be read" in refused(make_person(ROOT).der + b"\0")


def test_another_version_is_refused() -> None:
    """Of version 1 there are no extensions; a number that there is not raises nothing either."""
    der = make_person(ROOT).der
    version = b"\xa0\x03\x02\x01\x02"
    assert der.count(version) == 1
    for other in (b"\x00", b"\x01", b"\x07"):
        refused(der.replace(version, version[:-1] + other))


def test_too_large_a_certificate_is_not_even_read() -> None:
    """The words say how large it may be."""
    blob = x509.UnrecognizedExtension(UNKNOWN, bytes(LARGEST_LEAF))
    assert f"at most {LARGEST_LEAF} are read" in refused(with_extension(blob).der)
    read(with_extension(x509.UnrecognizedExtension(UNKNOWN, bytes(LARGEST_LEAF // 2))))


def test_too_many_names_are_refused() -> None:
    """Those of the subject count too, and those inside directory names."""
    most = [x509.DNSName(f"{at}.example.com") for at in range(MOST_NAMES - 2)]
    read(with_extension(x509.SubjectAlternativeName(most)))
    one_more = with_extension(x509.SubjectAlternativeName([*most, x509.DirectoryName(name("A"))]))
    assert f"at most {MOST_NAMES} are read" in refused(one_more.der)


def with_serial(octets: bytes) -> bytes:
    """Return a person's certificate in DER with these octets for its serial number."""
    outer = make_person(ROOT, serial=0x5A5A5A5A).der
    ((_, content),) = elements(outer)
    (_, inner), *signed = elements(content)
    (version, first), _, *others = elements(inner)
    body = encode(SEQUENCE, encode(version, first), encode(INTEGER, octets), *map(_row, others))
    return encode(SEQUENCE, body, *map(_row, signed))


def _row(one: tuple[int, bytes]) -> bytes:
    return encode(*one)


@pytest.mark.parametrize(
    "octets, taken",
    [
        (b"\0", True),
        (b"\x7f" * 20, True),
        (b"\0" + b"\xff" * 20, True),
        (b"\1" + b"\0" * 20, False),
        (b"\x7f" * 40, False),
        (b"\xff", False),
    ],
)
def test_serial_numbers_that_no_list_can_name_are_refused(octets: bytes, taken: bool) -> None:
    """Whoever has one could not be revoked; zero, and twenty octets with the highest bit, go."""
    assert isinstance(read_certificate(with_serial(octets)), Foreign) is taken
    if not taken:
        assert "more than 20 octets" in refused(with_serial(octets))


def test_too_long_a_name_is_refused() -> None:
    """To bring it into its normal form would cost by the square of its length."""
    description = x509.ObjectIdentifier("2.5.4.13")
    for length, taken in ((LONGEST_NAME, True), (LONGEST_NAME + 1, False)):
        found = read_certificate(make_person_called(description, "a" * length).der)
        assert isinstance(found, Foreign) is taken


def make_person_called(kind: x509.ObjectIdentifier, text: str) -> Made:
    """Make a certificate with this attribute in its subject."""
    return make(x509.Name([x509.NameAttribute(kind, text)]), ROOT, {})


def test_keys_of_no_worth_are_refused() -> None:
    """Too short, too long to be paid for, on other curves, of other kinds."""
    weak = {
        "1024 bits": rsa_key(1024).public_key(),
        "16384 bits": rsa.RSAPublicNumbers(65537, (1 << 16384) - 1).public_key(),
        "the exponent": rsa.RSAPublicNumbers((1 << 33) + 1, (1 << 3072) - 1).public_key(),
        "secp256k1": ec.generate_private_key(ec.SECP256K1()).public_key(),
        "the kind DSA": dsa.generate_private_key(2048).public_key(),
    }
    for words, key in weak.items():
        found = key_of(read(make_person(ROOT, public_key=key)))
        assert isinstance(found, str)
        assert words in found
    for good in (rsa_key().public_key(), ed448.Ed448PrivateKey.generate().public_key()):
        assert not isinstance(key_of(read(make_person(ROOT, public_key=good))), str)


def test_signatures_of_no_worth_are_named() -> None:
    """By their digest."""
    root = make_root(key=rsa_key())
    for digest, words in ((SHA1, "SHA1"), (MD5, "MD5")):
        fault = signature_fault(read(make_person(root, digest=digest)))
        assert fault is not None
        assert words in fault
    assert signature_fault(read(make_person(root))) is None


def test_a_weak_key_has_signed_nothing() -> None:
    """It is not asked, so that one of any length costs nothing."""
    root = make_root(key=rsa_key(1024))
    assert not signed_by(read(make_person(root)), read(root))


def test_an_issuer_is_found_by_name_and_key() -> None:
    """Another CA of that name, with another key, is none that could have signed."""
    other = make_root()
    person = make_person(ROOT)
    assert may_have_signed(read(person), read(ROOT))
    assert not may_have_signed(read(person), read(other))
    assert not may_have_signed(read(person), read(make_authority(ROOT, "Else")))
    unsaid = make_person(ROOT, without=[x509.AuthorityKeyIdentifier])
    assert may_have_signed(read(unsaid), read(other))
    assert not signed_by(read(unsaid), read(other))


def test_critical_extensions_that_nobody_knows_are_named() -> None:
    """Those that are not critical may be passed over."""
    blob = x509.UnrecognizedExtension(UNKNOWN, b"\x05\x00")
    assert list(unknown_critical(read(with_extension(blob, critical=True)))) == [
        UNKNOWN.dotted_string
    ]
    assert list(unknown_critical(read(with_extension(blob)))) == []


@pytest.mark.parametrize(
    "extension",
    [
        x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.17"), b"\x30\x02\x82"),
        x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.15"), b"\x03\x01"),
        x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.31"), b"\x04\x00"),
    ],
    ids=["names", "key usage", "distribution points"],
)
def test_a_known_extension_that_is_malformed_is_refused(extension: x509.ExtensionType) -> None:
    """Critical or not: nobody knows what else reads it."""
    without = [x509.SubjectAlternativeName, x509.KeyUsage]
    made = make_person(ROOT, more={extension: False}, without=without)
    assert "it cannot be read" in refused(made.der)


def test_a_label_shows_what_cannot_be_seen() -> None:
    """It goes into logs, where it must not be able to begin a line of its own."""
    made = make_person(ROOT, "anna\n\u202ebob")
    assert read(made).label == "'anna\\n\\u202ebob'"
    nameless = make(x509.Name([]), ROOT, {})
    assert read(nameless).label == "''"
    assert UPN.dotted_string not in read(nameless).label
