"""Certificate requests, made by openssl and by whoever means no good."""

import warnings
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import AttributeOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from ca.csr import LONGEST, read_csr
from ca.errors import RequestRefused
from ca.kinds import KeyKind, PrivateKey, digest_of, make_key
from tests.ca.makers import CA, judge

FILE = "anna.csr"
KEY = make_key()
COMMON, ORGANISATION = NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME


def named(value: str = "anna", oid: x509.ObjectIdentifier = COMMON) -> x509.Name:
    """Return a name with one attribute, however bad."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return x509.Name([x509.NameAttribute(oid, value, _validate=False)])


def make_csr(
    name: x509.Name | None = None, *extensions: x509.ExtensionType, key: PrivateKey = KEY
) -> x509.CertificateSigningRequest:
    """Ask for a certificate."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(name or x509.Name([]))
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(key, digest_of(key))


def pem(request: x509.CertificateSigningRequest | None = None) -> bytes:
    """Write a request as PEM."""
    return (request or make_csr()).public_bytes(Encoding.PEM)


def der(request: x509.CertificateSigningRequest | None = None) -> bytes:
    """Write a request as DER."""
    return (request or make_csr()).public_bytes(Encoding.DER)


def refused(data: bytes) -> str:
    """Return why *data* is refused; every reason names the file."""
    with pytest.raises(RequestRefused) as caught:
        read_csr(data, FILE)
    assert all(reason.startswith(f"{FILE} ") for reason in caught.value.reasons)
    assert str(caught.value).isascii()
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500
    return str(caught.value)


class TestTaken:
    @pytest.mark.parametrize("kind", KeyKind)
    def test_the_key_alone(self, kind: KeyKind) -> None:
        """Of each kind, in PEM and in DER."""
        key = make_key(kind)
        request = make_csr(key=key)
        for data in (pem(request), der(request)):
            asked = read_csr(data, FILE)
            assert asked.public_key == key.public_key()
            assert asked.ignored == ()

    @pytest.mark.parametrize(
        "words",
        [
            ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"),
            ("-newkey", "rsa:3072"),
            ("-newkey", "ed25519"),
        ],
        ids=" ".join,
    )
    def test_what_openssl_makes(self, tmp_path: Path, words: tuple[str, ...]) -> None:
        """With and without the text that it can put before, and as DER."""
        key, file = tmp_path / "anna.key", tmp_path / "anna.csr"
        subject = ("-subj", "/CN=anna/O=Example", "-addext", "subjectAltName=DNS:bank.example")
        judge("openssl", "req", "-new", "-nodes", *words, "-keyout", key, "-out", file, *subject)
        first = read_csr(file.read_bytes(), FILE)
        for form in (("-text",), ("-newhdr",), ("-outform", "DER")):
            other = tmp_path / "other.csr"
            judge("openssl", "req", "-in", file, "-out", other, *form)
            assert read_csr(other.read_bytes(), FILE) == first
        assert first.ignored == (
            "the subject 'O=Example,CN=anna'",
            "the extension subjectAltName 'bank.example'",
        )

    def test_what_powershell_makes_of_a_file(self) -> None:
        """PEM in UTF-16, with its mark; and with Windows' line ends, and a UTF-8 mark."""
        text = pem().decode()
        for data in (
            text.encode("utf-16"),
            text.replace("\n", "\r\n").encode(),
            text.encode("utf-8-sig"),
        ):
            assert read_csr(data, FILE).public_key == KEY.public_key()


class TestIgnored:
    def test_names_and_extensions(self) -> None:
        """All that somebody wished for is named, and nothing of it is taken."""
        request = make_csr(
            named("root"),
            x509.SubjectAlternativeName(
                [x509.DNSName("bank.example"), x509.RFC822Name("boss@example.it")]
            ),
            x509.BasicConstraints(ca=True, path_length=None),
            x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"),
        )
        assert read_csr(pem(request), FILE).ignored == (
            "the subject 'CN=root'",
            "the extension subjectAltName 'bank.example, boss@example.it'",
            "the extension basicConstraints",
            "the extension 1.2.3.4",
        )

    def test_a_password_is_not_shown(self) -> None:
        """That there was one is said."""
        builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
        builder = builder.add_attribute(AttributeOID.CHALLENGE_PASSWORD, b"hunter2")
        builder = builder.add_attribute(AttributeOID.UNSTRUCTURED_NAME, b"stick")
        ignored = read_csr(pem(builder.sign(KEY, hashes.SHA256())), FILE).ignored
        assert set(ignored) == {"a challenge password", "the attribute 1.2.840.113549.1.9.2"}

    def test_long_names_are_cut(self) -> None:
        """What is said stays readable."""
        names = [x509.DNSName(f"{number}.example") for number in range(500)]
        (said,) = read_csr(pem(make_csr(None, x509.SubjectAlternativeName(names))), FILE).ignored
        assert len(said) < 200
        (said,) = read_csr(pem(make_csr(named("x" * 3000))), FILE).ignored
        assert len(said) < 200

    def test_letters_of_other_scripts_are_escaped(self) -> None:
        """A name that shows is no attack, and cannot be told from another by its looks."""
        (said,) = read_csr(pem(make_csr(named("\u0430nna"))), FILE).ignored
        assert said.isascii()


class TestKeys:
    @pytest.mark.parametrize(
        "key, words",
        [
            (rsa.generate_private_key(65537, 2048), "RSA with 2048 bits"),
            (rsa.generate_private_key(3, 3072), "exponent 3"),
            (ec.generate_private_key(ec.SECP256K1()), "curve secp256k1"),
            (ec.generate_private_key(ec.SECP521R1()), "curve secp521r1"),
            (dsa.generate_private_key(2048), "DSA"),
        ],
    )
    def test_of_no_kind_of_ours(self, key: PrivateKey, words: str) -> None:
        """The reason says what the key is, and what it must be."""
        builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
        reason = refused(pem(builder.sign(key, hashes.SHA256())))
        assert words in reason
        assert "must be P-256, P-384, RSA with 3072 bits, or Ed25519" in reason

    def test_ed448(self) -> None:
        """Nor is the other Edwards curve."""
        builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
        request = builder.sign(ed448.Ed448PrivateKey.generate(), None)
        assert "of the kind Ed448" in refused(pem(request))

    def test_a_modulus_with_a_small_factor(self) -> None:
        """Made by hand, with a valid signature, and open to everybody."""
        reason = refused(pem(signed_with_small_factor()))
        assert "small factor" in reason


def signed_with_small_factor() -> x509.CertificateSigningRequest:
    """Put a key of 3072 bits that 3 divides into a request; its signature cannot be right."""
    request = make_csr(key=make_key(KeyKind.RSA3072))
    key = request.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    modulus = key.public_numbers().n
    wrong = modulus - modulus % 3 - (0 if (modulus - modulus % 3) % 2 else 3)
    data = der(request).replace(modulus.to_bytes(384), wrong.to_bytes(384))
    return x509.load_der_x509_csr(data)


class TestSignatures:
    def test_of_another_key(self) -> None:
        """Whoever puts a stranger's public key into a request has not shown to hold it."""
        mine, theirs = make_key(), KEY.public_key()
        spki = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        data = der(make_csr(key=mine)).replace(
            mine.public_key().public_bytes(*spki), theirs.public_bytes(*spki)
        )
        assert "is not signed with the key that it names" in refused(data)

    @pytest.mark.parametrize("digest", ["sha1", "md5"])
    def test_with_a_broken_digest(self, tmp_path: Path, digest: str) -> None:
        """It shows nothing any more."""
        file = tmp_path / "anna.csr"
        words = ("-newkey", "rsa:3072", "-nodes", "-keyout", "/dev/null", "-subj", "/CN=anna")
        judge("openssl", "req", "-new", *words, f"-{digest}", "-out", file)
        assert f"signed with {digest.upper()}, which shows nothing" in refused(file.read_bytes())


class TestNames:
    @pytest.mark.parametrize(
        "value, code",
        [
            ("anna\0.evil", "U+0000"),
            ("anna\u202egnissap", "U+202E"),
            ("an\u200bna", "U+200B"),
            ("anna\x1b[2J", "U+001B"),
            ("anna\nroot", "U+000A"),
        ],
    )
    def test_that_deceive(self, value: str, code: str) -> None:
        """In the subject, and in the alternative names."""
        assert code in refused(pem(make_csr(named(value, ORGANISATION))))
        if value.isascii():
            name = x509.UniformResourceIdentifier(f"https://{value}")
            assert code in refused(pem(make_csr(None, x509.SubjectAlternativeName([name]))))

    def test_without_end(self) -> None:
        """A subject of 40 KiB is refused for its length, one of 64 KiB with its file."""
        assert "subject of 4" in refused(der(make_csr(named("x" * 40_000))))
        assert f"larger than {LONGEST} octets" in refused(der(make_csr(named("x" * 65_536))))

    def test_that_cannot_be_read(self) -> None:
        """A name in a form that the standards do not have, and an extension in two copies."""
        data = der(make_csr(named("anna")))
        assert "cannot be read" in refused(data.replace(b"\x0c\x04anna", b"\x0c\x04ann\xff"))


class TestFiles:
    @pytest.mark.parametrize(
        "data, words",
        [
            (b"", "is empty"),
            (b" \n", "is empty"),
            (b"\0" * (LONGEST + 1), "is larger than 65536 octets"),
            (b"hello", "no certificate request that can be read"),
            (b"\x30\x82\xff\xff", "no certificate request that can be read"),
            (pem()[:200], "no certificate request that can be read"),
            (der()[:-1], "no certificate request that can be read"),
            (der() + b"\0", "no certificate request that can be read"),
            (pem() + pem(), "2 certificate requests"),
        ],
    )
    def test_that_are_not_one_request(self, data: bytes, words: str) -> None:
        """Too little, too much, broken, cut off."""
        assert words in refused(data)

    @pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
    @pytest.mark.parametrize("sealed", [True, False])
    def test_a_private_key_by_mistake(self, encoding: Encoding, sealed: bool) -> None:
        """It is said in so many words, whether or not the request is there too."""
        seal = BestAvailableEncryption(b"staple") if sealed else NoEncryption()
        data = KEY.private_bytes(encoding, PrivateFormat.PKCS8, seal)
        assert "holds a private key" in refused(data)
        if encoding is Encoding.PEM:
            assert "holds a private key" in refused(pem() + data)
            assert "holds a private key" in refused(data + pem())

    def test_something_else_by_mistake(self, ca: CA) -> None:
        """A certificate or a public key is called by its name; beside a request, it is too much."""
        certificate = ca.root.certificate
        public = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        assert "'CERTIFICATE'" in refused(certificate.public_bytes(Encoding.PEM))
        assert "but a certificate" in refused(certificate.public_bytes(Encoding.DER))
        assert "'PUBLIC KEY'" in refused(public)
        assert "holds more than a certificate request: 'PUBLIC KEY'" in refused(pem() + public)

    @given(st.binary(max_size=300), st.integers(0, 400))
    def test_anything(self, noise: bytes, at: int) -> None:
        """Whatever is handed in is a request or refused in words."""
        good = der()
        for data in (noise, good[:at] + noise, good[:at] + noise + good[at + len(noise) :]):
            with suppress(RequestRefused):
                assert read_csr(data, FILE).public_key == KEY.public_key()
