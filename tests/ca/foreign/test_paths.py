"""Whether a path holds: the same verdict as openssl's."""

import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from ca.foreign.certificates import MOST_SUBTREES, read_authority
from ca.foreign.identities import Identity, identity_of
from ca.foreign.paths import (
    MOST_AUTHORITIES,
    InvalidPath,
    PathFault,
    ValidPath,
    is_signed,
    validate,
)
from tests.ca.foreign.cases import Case, Changes, agree, chain, more, verdict
from tests.ca.foreign.chains import (
    DAY,
    MD5,
    NOW,
    SHA1,
    Made,
    authority_extensions,
    make,
    make_authority,
    make_person,
    make_root,
    name,
    person_extensions,
    rsa_key,
    usage,
)
from tests.ca.makers import judge

_DESCRIPTION = x509.ObjectIdentifier("2.5.4.13")
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
ANY_USE = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE


def deeper(*lengths: int | None, self_issued: bool = False) -> Callable[[], Sequence[Made]]:
    """Make a CA below the other, with these lengths of path, and a person."""

    def made() -> Sequence[Made]:
        found: list[Made] = []
        for depth, length in enumerate(lengths):
            subject = name("Renewed" if self_issued else f"CA {depth}")
            issuer = found[-1] if found else None
            found.append(make(subject, issuer, authority_extensions(length)))
        return *found, make_person(found[-1])

    return made


def _other_key() -> Sequence[Made]:
    """The right names and identifiers of keys, and the wrong signature."""
    root, issuing, _ = chain()()
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuing.key.public_key())
    other = Made(issuing.certificate, ec.generate_private_key(ec.SECP256R1()))
    return root, issuing, make_person(other, **more(identifier))


def _other_root() -> Sequence[Made]:
    root = make_root()
    forged = make_root(
        key=ec.generate_private_key(ec.SECP256R1()), without=[x509.SubjectKeyIdentifier]
    )
    return root, make_person(forged, without=[x509.AuthorityKeyIdentifier])


def _renewed() -> Sequence[Made]:
    """A root that is followed by one of its own name, whose constraints it need not obey."""
    old = make(name("Root"), None, authority_extensions(0))
    new = make(name("Root"), old, authority_extensions(0))
    return old, new, make_person(new)


def _cross_signed(**changes: Any) -> Sequence[Made]:
    """Two certificates for one CA, of which the first may lead nowhere."""
    one, two = make_root("One"), make_root("Two")
    issuing = make_authority(one)
    begin = {"begin": NOW - 3 * DAY}
    again = make_authority(two, key=issuing.key, **{**begin, **changes})
    return one, two, again, issuing, make_person(issuing)


CASES = {
    "plain": Case(chain()),
    "no CA between": Case(deeper(None)),
    "rsa": Case(chain(root={"key": rsa_key()}, issuing={"key": rsa_key()})),
    "ed25519": Case(chain(issuing={"key": ed25519.Ed25519PrivateKey.generate()})),
    "p521": Case(
        chain(issuing={"key": ec.generate_private_key(ec.SECP521R1()), "digest": hashes.SHA512()})
    ),
    # dates
    "expired": Case(chain(person={"begin": NOW - 2 * DAY, "end": NOW - DAY}), PathFault.EXPIRED),
    "not yet valid": Case(
        chain(person={"begin": NOW + DAY, "end": NOW + 2 * DAY}), PathFault.NOT_YET_VALID
    ),
    "expired CA": Case(
        chain(issuing={"begin": NOW - 2 * DAY, "end": NOW - DAY}), PathFault.AUTHORITY_DATES
    ),
    "CA of tomorrow": Case(
        chain(issuing={"begin": NOW + DAY, "end": NOW + 2 * DAY}), PathFault.AUTHORITY_DATES
    ),
    "expired root": Case(
        chain(root={"begin": NOW - 2 * DAY, "end": NOW - DAY}), PathFault.AUTHORITY_DATES
    ),
    # strength
    "rsa 1024": Case(chain(person={"key": rsa_key(1024)}), PathFault.WEAK_KEY),
    "CA with rsa 1024": Case(chain(issuing={"key": rsa_key(1024)}), PathFault.WEAK_KEY),
    "P-224": Case(
        chain(person={"key": ec.generate_private_key(ec.SECP224R1())}),
        PathFault.WEAK_KEY,
        differs="112 bits are enough for its level 2",
    ),
    "sha-1 from the root": Case(
        chain(root={"key": rsa_key()}, issuing={"digest": SHA1}), PathFault.WEAK_SIGNATURE
    ),
    "md5": Case(
        chain(issuing={"key": rsa_key()}, person={"digest": MD5}),
        PathFault.WEAK_SIGNATURE,
    ),
    "sha-1": Case(
        chain(issuing={"key": rsa_key()}, person={"digest": SHA1}),
        PathFault.WEAK_SIGNATURE,
    ),
    "sha-224": Case(
        chain(person={"digest": hashes.SHA224()}),
        PathFault.WEAK_SIGNATURE,
        differs="112 bits are enough for its level 2",
    ),
    "a root signed with sha-1": Case(chain(root={"key": rsa_key(), "digest": SHA1})),
    # basic constraints, key usage
    "issued by a person": Case(
        chain(
            issuing=more(x509.BasicConstraints(ca=False, path_length=None), usage(), critical=True)
        ),
        PathFault.NOT_AUTHORITY,
    ),
    "no basic constraints": Case(
        chain(issuing={"without": [x509.BasicConstraints]}), PathFault.NOT_AUTHORITY
    ),
    "CA without keyCertSign": Case(
        chain(issuing=more(usage(lists=True), critical=True)), PathFault.USAGE
    ),
    "CA without key usage": Case(
        chain(issuing={"without": [x509.KeyUsage]}), lenient="RFC 5280, 6.1.4 (n): if it is there"
    ),
    "basic constraints not critical": Case(
        chain(issuing=more(x509.BasicConstraints(ca=True, path_length=None))),
        lenient="RFC 5280, 6.1.4 (k) does not ask",
    ),
    "no key identifiers": Case(
        chain(person={"without": [x509.AuthorityKeyIdentifier, x509.SubjectKeyIdentifier]}),
        lenient="they only help to find the issuer",
    ),
    "a CA for a person": Case(
        chain(
            person=more(
                x509.BasicConstraints(ca=True, path_length=None),
                usage(certificates=True),
                critical=True,
            )
        ),
        PathFault.IS_AUTHORITY,
        differs="takes CAs for clients",
    ),
    "person with keyCertSign": Case(
        chain(person=more(usage(certificates=True), critical=True)), PathFault.IS_AUTHORITY
    ),
    "no key usage": Case(chain(person={"without": [x509.KeyUsage]})),
    "key for nothing of TLS": Case(
        chain(person=more(usage(sign=False, lists=True), critical=True)), PathFault.USAGE
    ),
    # extended key usage
    "no extended key usage": Case(chain(person={"without": [x509.ExtendedKeyUsage]})),
    "for servers": Case(chain(person=more(x509.ExtendedKeyUsage([SERVER]))), PathFault.USAGE),
    "for anything": Case(chain(person=more(x509.ExtendedKeyUsage([ANY_USE]))), PathFault.USAGE),
    "CA for servers": Case(chain(issuing=more(x509.ExtendedKeyUsage([SERVER]))), PathFault.USAGE),
    "CA for clients": Case(chain(issuing=more(x509.ExtendedKeyUsage([SERVER, CLIENT])))),
    # extensions
    "critical and unknown": Case(
        chain(person=more(UNKNOWN, critical=True)), PathFault.CRITICAL_EXTENSION
    ),
    "CA with critical and unknown": Case(
        chain(issuing=more(UNKNOWN, critical=True)), PathFault.CRITICAL_EXTENSION
    ),
    "unknown": Case(chain(issuing=more(UNKNOWN), person=more(UNKNOWN))),
    # path length
    "path length": Case(deeper(None, 0)),
    "path length of nothing": Case(deeper(0, None), PathFault.PATH_LENGTH),
    "path length of one": Case(deeper(None, 1, None)),
    "path length exceeded": Case(deeper(None, 1, None, None), PathFault.PATH_LENGTH),
    "path length by one further down": Case(deeper(None, None, 0, None), PathFault.PATH_LENGTH),
    "as long as can be": Case(deeper(*[None] * 8)),
    "too long": Case(deeper(*[None] * 9), PathFault.PATH_LENGTH, differs="follows a hundred"),
    # who signed
    "another key": Case(_other_key, PathFault.SIGNATURE),
    "another root of the same name": Case(_other_root, PathFault.SIGNATURE),
    "renewed by itself": Case(_renewed),
    "cross-signed": Case(_cross_signed, anchors=2),
    "cross-signed by one that has expired": Case(
        lambda: _cross_signed(end=NOW - timedelta(hours=1)), anchors=2
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_verdict_is_openssls(case: Case, tmp_path: Path) -> None:
    """What openssl refuses is refused, with the reason; where the two differ, the table says why."""
    agree(case, tmp_path)


def test_a_path_says_who_issued_it_and_when_it_ends() -> None:
    """From the issuer up to the anchor; it ends with the first of its certificates."""
    root, issuing, person = chain(issuing={"end": NOW + timedelta(hours=2)})()
    found = validate(person.der, [issuing.der, root.der], NOW)
    assert isinstance(found, ValidPath)
    assert found.issuer == issuing.der
    assert found.authorities == (issuing.der, root.der)
    assert found.ends == NOW + timedelta(hours=2)
    assert found.certificate == person.certificate


def test_only_the_cas_of_the_trust_are_asked() -> None:
    """Without the CA between there is no path, and the words say which is missing."""
    root, _, person = chain()()
    found = validate(person.der, [root.der], NOW)
    assert isinstance(found, InvalidPath)
    assert found.reason is PathFault.UNKNOWN_ISSUER
    assert "the trust has no CA 'CN=Issuing,O=Example'" in found.words
    assert "add its certificate" in found.words
    assert isinstance(validate(person.der, [], NOW), InvalidPath)


def test_a_ca_between_may_be_the_anchor() -> None:
    """Who has only the issuing CA's certificate believes that one, and nothing above it."""
    _, issuing, person = chain(root={"begin": NOW - 3 * DAY, "end": NOW - DAY})()
    assert isinstance(validate(person.der, [issuing.der], NOW), ValidPath)


PLAIN = chain()()


CONFIGURATION = """
[req]
distinguished_name = name
[name]
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[issuing]
basicConstraints = critical,CA:TRUE,pathlen:0
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
nameConstraints = critical,permitted;email:example.org,permitted;dirName:where
[where]
O = Example
[person]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = clientAuth,emailProtection
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = email:Anna@example.org,otherName:1.3.6.1.4.1.311.20.2.3;UTF8:anna@corp.example
crlDistributionPoints = URI:http://crl.example.org/issuing.crl
"""


def certify(folder: Path, title: str, issuer: str, subject: str, *key: str) -> bytes:
    """Let openssl make a key and a certificate, signed with PSS where the key is RSA's."""
    request = ("openssl", "req", "-new", "-config", folder / "cnf", "-nodes", "-utf8")
    files = ("-keyout", folder / f"{title}.key", "-out", folder / f"{title}.csr")
    judge(*request, *key, *files, "-subj", subject)
    signer = ("-CA", folder / f"{issuer}.pem", "-CAkey", folder / f"{issuer}.key")
    own = ("-signkey", folder / f"{title}.key")
    pss = ("-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32")
    judge(
        *("openssl", "x509", "-req", "-in", folder / f"{title}.csr", "-sha256", "-days", "30"),
        *(own if title == issuer else signer),
        *(pss if issuer == "root" else ()),
        *("-extfile", folder / "cnf", "-extensions", title, "-out", folder / f"{title}.pem"),
    )
    found = x509.load_pem_x509_certificate((folder / f"{title}.pem").read_bytes())
    return found.public_bytes(Encoding.DER)


def test_what_openssl_has_made_holds(tmp_path: Path) -> None:
    """A root on RSA that signs with PSS, a CA with constraints, and a person as AD CS names one."""
    (tmp_path / "cnf").write_text(CONFIGURATION, encoding="utf-8")
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384")
    root = certify(tmp_path, "root", "root", "/O=Example/CN=Root", "-newkey", "rsa:2048")
    issuing = certify(tmp_path, "issuing", "root", "/O=Example/CN=Issuing", *curve)
    person = certify(tmp_path, "person", "issuing", "/O=Example/CN=Anna Rossi", *curve)
    now = x509.load_der_x509_certificate(person).not_valid_before_utc
    found = validate(person, [root, issuing], now)
    assert isinstance(found, ValidPath), found
    assert found.authorities == (issuing, root)
    for kind, value in (
        ("san-email", "anna@example.org"),
        ("san-upn", "anna@corp.example"),
        ("subject-cn", "Anna Rossi"),
    ):
        assert identity_of(found.certificate, kind) == Identity(kind, value)
    elsewhere = certify(tmp_path, "person", "issuing", "/O=Other/CN=Anna Rossi", *curve)
    refused = validate(elsewhere, [root, issuing], now)
    assert isinstance(refused, InvalidPath)
    assert refused.reason is PathFault.NAME_CONSTRAINTS


def _mesh() -> list[Made]:
    """CAs that have all certified each other, and no anchor among them."""
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(4)]
    roots = [make_root(f"CA {at}", key=key) for at, key in enumerate(keys)]
    return [
        make_authority(above, f"CA {at}", key=keys[at])
        for at in range(4)
        for above in roots
        if above.key is not keys[at]
    ]


def test_cas_that_certify_each_other_lead_nowhere() -> None:
    """The search ends, and says so."""
    mesh = _mesh()
    found = verdict([*mesh, make_person(mesh[0])])
    assert isinstance(found, InvalidPath)
    assert found.reason is PathFault.PATH_LENGTH


def _cheapest(judged: Callable[[], object]) -> float:
    """Return the seconds of CPU of the cheapest of some tries: others work on this machine too."""
    tries = []
    for _ in range(3):
        read_authority.cache_clear()
        is_signed.cache_clear()
        before = time.process_time()
        judged()
        tries.append(time.process_time() - before)
    return min(tries)


def _modulus(bits: int, exponent: int = 65537) -> rsa.RSAPublicKey:
    """Make a key that nobody has the other half of."""
    return rsa.RSAPublicNumbers(exponent, (1 << bits) - 1).public_key()


def _many(count: int) -> Changes:
    return more(x509.SubjectAlternativeName([x509.DNSName(f"{at}.a") for at in range(count)]))


def _subject(*values: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(_DESCRIPTION, each, _validate=False) for each in values])


def _directories() -> Changes:
    name = x509.DirectoryName(_subject(*["a" * 8] * 500))
    return more(x509.SubjectAlternativeName([name]))


def _policies() -> Changes:
    oids = (x509.ObjectIdentifier(f"1.3.6.1.4.1.{at}") for at in range(1000))
    return more(x509.CertificatePolicies([x509.PolicyInformation(oid, None) for oid in oids]))


def _extensions() -> Changes:
    oids = (x509.ObjectIdentifier(f"1.3.6.1.4.1.{at}") for at in range(700))
    return more(*(x509.UnrecognizedExtension(oid, b"") for oid in oids))


HOSTILE: dict[str, Callable[[], Changes]] = {
    "huge extension": lambda: more(x509.UnrecognizedExtension(UNKNOWN.oid, bytes(1 << 20))),
    "large extension": lambda: more(x509.UnrecognizedExtension(UNKNOWN.oid, bytes(14_000))),
    "many extensions": _extensions,
    "thousands of names": lambda: _many(100_000),
    "a thousand names": lambda: _many(1500),
    "as many names as can be": lambda: _many(60),
    "directory names": _directories,
    "many policies": _policies,
    "rsa 16384": lambda: {"public_key": _modulus(16384)},
    "rsa 8192": lambda: {"public_key": _modulus(8192)},
    "rsa with a large exponent": lambda: {"public_key": _modulus(3072, (1 << 3071) + 1)},
    "dsa": lambda: {"public_key": dsa.generate_private_key(2048).public_key()},
}


@pytest.fixture(scope="module")
def crowd() -> list[Made]:
    """A trust with as many CAs as one may have, all of one name, with many constraints, on RSA."""
    hosts = [x509.DNSName(f"{at}.example.com") for at in range(MOST_SUBTREES - 1)]
    subject = x509.DirectoryName(_subject("a" * 500))
    constraints = x509.NameConstraints(None, [*hosts, subject])
    anchors = [make_root(key=rsa_key(4096))]
    for _ in range(MOST_AUTHORITIES - 2):
        anchors.append(
            make_root(
                key=anchors[0].key, public_key=_modulus(8192), without=[x509.SubjectKeyIdentifier]
            )
        )
    return [
        *anchors,
        make_root(key=rsa_key(), more={constraints: True}, without=[x509.SubjectKeyIdentifier]),
    ]


@pytest.mark.parametrize("title", HOSTILE)
def test_no_certificate_costs_much(title: str, crowd: list[Made]) -> None:
    """Whatever is presented is judged in less than 100 ms of CPU, by the largest trust too."""
    person = make_person(crowd[-1], without=[x509.AuthorityKeyIdentifier], **HOSTILE[title]())
    authorities = [one.der for one in crowd]
    assert _cheapest(lambda: validate(person.der, authorities, NOW)) < 0.1


@pytest.mark.parametrize(
    "text", ["\u0300\u0345" * 1900, "\u0345\u0300" * 120], ids=["long", "short"]
)
def test_no_name_costs_much(text: str, crowd: list[Made]) -> None:
    """Neither does a name of letters that take their time to be brought in order."""
    subject = _subject(*[text] * (7500 // len(text.encode())))
    person = make(subject, crowd[-1], person_extensions(), without=[x509.AuthorityKeyIdentifier])
    authorities = [one.der for one in crowd]
    assert _cheapest(lambda: validate(person.der, authorities, NOW)) < 0.1


@given(st.binary(max_size=200), st.integers(0, 400), st.integers(0, 255))
def test_bytes_of_any_kind_are_refused_and_raise_nothing(junk: bytes, at: int, octet: int) -> None:
    """What is no certificate, and one that was changed on the way."""
    der = bytearray(PLAIN[-1].der)
    authorities = [one.der for one in PLAIN[:-1]]
    assert isinstance(validate(junk, authorities, NOW), InvalidPath)
    assert isinstance(validate(bytes(der) + junk + b"\0", authorities, NOW), InvalidPath)
    if der[at] != octet:
        der[at] = octet
        assert isinstance(validate(bytes(der), authorities, NOW), InvalidPath)
    assert isinstance(validate(bytes(der[:at]), authorities, NOW), InvalidPath)
