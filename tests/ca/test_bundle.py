"""PKCS#12 bundles, imported by programs that nobody here wrote."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)

from ca.bundle import ROUNDS, build_bundle, friendly_name, strengthen
from ca.errors import BundleRefused
from ca.identity import Identity
from ca.kinds import make_key
from tests.ca.makers import CA, HOST, NOW, ask, judge

KEY = make_key()
PASSPHRASE = "correct horse 42 \"&'$\\!"
NAMES = ["Anna Rossi (stick-1)", "Łukasz Żółć (stick-2)", 'O\'Neill "Ed" (a)']


@pytest.fixture(scope="session", params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    """Return the name under which a bundle is kept."""
    return str(request.param)


@pytest.fixture(scope="session")
def bundle(ca: CA, name: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a bundle of Anna's key, certificate and the chain."""
    path = tmp_path_factory.mktemp("bundle") / "anna.p12"
    certificate = ca.client(KEY, NOW)
    path.write_bytes(build_bundle(name, KEY, certificate, ca.issuing.chain, PASSPHRASE))
    return path


def test_cryptography_reads_it(ca: CA, bundle: Path, name: str) -> None:
    """Key, certificate, chain and name are inside, and need the passphrase."""
    found = pkcs12.load_pkcs12(bundle.read_bytes(), PASSPHRASE.encode())
    assert found.key is not None
    plain = (Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    assert found.key.private_bytes(*plain) == KEY.private_bytes(*plain)
    assert found.cert is not None
    assert found.cert.friendly_name == name.encode()
    assert {one.certificate for one in found.additional_certs} == set(ca.issuing.chain)
    with pytest.raises(ValueError, match="password"):
        pkcs12.load_pkcs12(bundle.read_bytes(), b"wrong")


def test_openssl(bundle: Path) -> None:
    """OpenSSL 3 without its legacy provider reads it, and says how it is sealed."""
    answer = judge(
        "openssl", "pkcs12", "-in", bundle, "-info", "-nodes", "-passin", f"pass:{PASSPHRASE}"
    )
    assert f"MAC: sha256, Iteration {ROUNDS}" in answer
    sealed = f"PBES2, PBKDF2, AES-256-CBC, Iteration {ROUNDS}, PRF hmacWithSHA256"
    assert answer.count(sealed) == 2
    assert answer.count("BEGIN CERTIFICATE") == 3
    assert answer.count("BEGIN PRIVATE KEY") == 1
    wrong = ask("openssl", "pkcs12", "-in", bundle, "-noout", "-passin", "pass:wrong")
    assert "invalid password" in wrong.stdout


def test_nss(bundle: Path, name: str, tmp_path: Path) -> None:
    """NSS, which Firefox and Chromium on Linux use, imports key and certificate by name."""
    database = f"sql:{tmp_path}"
    judge("certutil", "-N", "-d", database, "--empty-password")
    answer = judge("pk12util", "-i", bundle, "-d", database, "-W", PASSPHRASE)
    assert "IMPORT SUCCESSFUL" in answer
    listed = judge("certutil", "-L", "-d", database)
    assert any(line.startswith(name) and line.endswith("u,u,u") for line in listed.splitlines())
    assert HOST in listed
    assert name in judge("certutil", "-K", "-d", database)


def test_gnutls(bundle: Path, name: str) -> None:
    """GnuTLS's certtool opens it."""
    answer = judge(
        "certtool", "--p12-info", "--inder", "--infile", bundle, "--password", PASSPHRASE
    )
    assert f"Iteration count: {ROUNDS}" in answer
    assert f"Friendly name: {name}" in answer
    assert answer.count("BEGIN CERTIFICATE") == 3


def test_java(ca: CA, tmp_path: Path) -> None:
    """Java's keytool finds one key with its chain."""
    bundle = tmp_path / "anna.p12"
    certificate = ca.client(KEY, NOW)
    bundle.write_bytes(build_bundle(NAMES[0], KEY, certificate, ca.issuing.chain, PASSPHRASE))
    answer = judge(
        "keytool", "-list", "-v", "-storetype", "PKCS12", "-keystore", bundle,
        "-storepass", PASSPHRASE,
    )  # fmt: skip
    assert "Entry type: PrivateKeyEntry" in answer
    assert "Certificate chain length: 3" in answer


@pytest.mark.parametrize("passphrase", ["", "pässword", "pass\nword", "pass\0word", "пароль"])
def test_passphrases_that_would_not_do(ca: CA, passphrase: str) -> None:
    """No passphrase, or one that programs encode differently, is refused."""
    with pytest.raises(BundleRefused, match="passphrase"):
        build_bundle("Anna (a)", KEY, ca.client(KEY, NOW), ca.issuing.chain, passphrase)


@pytest.mark.parametrize("name", ["", "Anna\0", "Anna\u202e", "Anna \U0001f511"])
def test_names_that_would_not_show(ca: CA, name: str) -> None:
    """A name that is empty, hides something or does not fit the format is refused."""
    with pytest.raises(BundleRefused, match="name"):
        build_bundle(name, KEY, ca.client(KEY, NOW), ca.issuing.chain, PASSPHRASE)


def test_the_friendly_name() -> None:
    """People know their bundles by person and device."""
    identity = Identity("anna", "stick-1", HOST)
    assert friendly_name("Anna Rossi", identity.device) == "Anna Rossi (stick-1)"


def test_a_mac_that_is_not_ours_is_not_renewed(ca: CA) -> None:
    """With the wrong passphrase (or a MAC of an unknown kind) nothing is rewritten."""
    sealed = build_bundle("Anna (a)", KEY, ca.client(KEY, NOW), [], PASSPHRASE)
    assert strengthen(sealed, PASSPHRASE) == sealed
    with pytest.raises(BundleRefused, match="MAC"):
        strengthen(sealed, "wrong")
