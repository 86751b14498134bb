"""PKCS#12 bundles, imported by programs that nobody here wrote."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)

from ca.bundle import build_bundle, friendly_name, refuse_unfit, strengthen
from ca.errors import BundleRefused
from ca.identity import Identity
from ca.kinds import KeyKind, make_key
from ca.targets import Target, sealing_for
from tests.ca.makers import CA, HOST, NOW, ask, judge

KEYS = {kind: make_key(kind) for kind in KeyKind}
KEY = KEYS[KeyKind.P256]
PASSPHRASE = "correct horse 42 \"&'$\\!"
AES = {Target.MODERN, Target.FIREFOX}
NAMES = ["Anna Rossi (stick-1)", "Łukasz Żółć (stick-2)", 'O\'Neill "Ed" (a)']
BOTH = (Target.MODERN, Target.MACOS)
BUNDLES = [
    *((target, NAMES[0], KeyKind.P256) for target in Target),
    *((target, name, KeyKind.P256) for target in BOTH for name in NAMES[1:]),
    *((target, NAMES[0], kind) for target in BOTH for kind in (KeyKind.P384, KeyKind.RSA3072)),
]
"""Every target; and for each way to seal, every name and every kind of key that all import."""

Sealed = Callable[[Target, str, KeyKind], Path]


@pytest.fixture(scope="session")
def sealed(ca: CA, tmp_path_factory: pytest.TempPathFactory) -> Sealed:
    """Return what makes a bundle of a key of ours, Anna's certificate and the chain, each once."""
    folder = tmp_path_factory.mktemp("bundles")

    def make(target: Target, name: str, kind: KeyKind) -> Path:
        number = NAMES.index(name)
        path = folder / f"{target}-{number}-{kind}.p12"
        if not path.exists():
            key = KEYS[kind]
            certificate = ca.client(key, NOW)
            data = build_bundle(name, key, certificate, ca.issuing.chain, PASSPHRASE, target)
            path.write_bytes(data)
        return path

    return make


@pytest.mark.parametrize("target, name, kind", BUNDLES)
class TestJudges:
    def test_cryptography(
        self, ca: CA, sealed: Sealed, target: Target, name: str, kind: KeyKind
    ) -> None:
        """Key, certificate, chain and name are inside, and need the passphrase."""
        data = sealed(target, name, kind).read_bytes()
        found = pkcs12.load_pkcs12(data, PASSPHRASE.encode())
        assert found.key is not None
        plain = (Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        assert found.key.private_bytes(*plain) == KEYS[kind].private_bytes(*plain)
        assert found.cert is not None
        assert found.cert.friendly_name == name.encode()
        assert {one.certificate for one in found.additional_certs} == set(ca.issuing.chain)
        with pytest.raises(ValueError, match="password"):
            pkcs12.load_pkcs12(data, b"wrong")

    def test_openssl(self, sealed: Sealed, target: Target, name: str, kind: KeyKind) -> None:
        """OpenSSL 3 without its legacy provider reads it, and says how it is sealed."""
        bundle = sealed(target, name, kind)
        rounds = sealing_for(target).rounds
        answer = judge(
            "openssl", "pkcs12", "-in", bundle, "-info", "-nodes", "-passin", f"pass:{PASSPHRASE}"
        )
        if target in AES:
            assert f"MAC: sha256, Iteration {rounds}" in answer
            how = f"PBES2, PBKDF2, AES-256-CBC, Iteration {rounds}, PRF hmacWithSHA256"
        else:
            assert f"MAC: sha1, Iteration {rounds}" in answer
            how = f"pbeWithSHA1And3-KeyTripleDES-CBC, Iteration {rounds}"
        assert answer.count(how) == 2
        assert answer.count("BEGIN CERTIFICATE") == 3
        assert answer.count("BEGIN PRIVATE KEY") == 1
        wrong = ask("openssl", "pkcs12", "-in", bundle, "-noout", "-passin", "pass:wrong")
        assert "invalid password" in wrong.stdout

    def test_nss(
        self, sealed: Sealed, target: Target, name: str, kind: KeyKind, tmp_path: Path
    ) -> None:
        """NSS, which Firefox and Chromium on Linux use, imports key and certificate by name."""
        database = f"sql:{tmp_path}"
        judge("certutil", "-N", "-d", database, "--empty-password")
        bundle = sealed(target, name, kind)
        answer = judge("pk12util", "-i", bundle, "-d", database, "-W", PASSPHRASE)
        assert "IMPORT SUCCESSFUL" in answer
        listed = judge("certutil", "-L", "-d", database)
        assert any(line.startswith(name) and line.endswith("u,u,u") for line in listed.splitlines())
        assert HOST in listed
        assert name in judge("certutil", "-K", "-d", database)

    def test_gnutls(self, sealed: Sealed, target: Target, name: str, kind: KeyKind) -> None:
        """GnuTLS's certtool opens it."""
        answer = judge(
            *("certtool", "--p12-info", "--inder", "--infile", sealed(target, name, kind)),
            *("--password", PASSPHRASE),
        )
        assert answer.count(f"Iteration count: {sealing_for(target).rounds}") == 3
        assert f"Friendly name: {name}" in answer
        assert answer.count("BEGIN CERTIFICATE") == 3
        assert answer.count("PRIVATE KEY-----") == 2


# Two hundred megabytes that nothing else here needs: where there is no Java, as in CI, it is not
# asked.
if shutil.which("keytool"):

    @pytest.mark.parametrize("target", Target)
    def test_java(sealed: Sealed, target: Target) -> None:
        """Java's keytool finds one key with its chain."""
        answer = judge(
            *("keytool", "-list", "-v", "-storetype", "PKCS12", "-storepass", PASSPHRASE),
            *("-keystore", sealed(target, NAMES[0], KeyKind.P256)),
        )
        assert "Entry type: PrivateKeyEntry" in answer
        assert "Certificate chain length: 3" in answer


def test_a_key_on_ed25519_is_for_modern_programs(ca: CA, tmp_path: Path) -> None:
    """OpenSSL and GnuTLS open it."""
    key, bundle = KEYS[KeyKind.ED25519], tmp_path / "anna.p12"
    certificate = ca.client(key, NOW)
    bundle.write_bytes(
        build_bundle(NAMES[0], key, certificate, ca.issuing.chain, PASSPHRASE, Target.MODERN)
    )
    opened = judge("openssl", "pkcs12", "-in", bundle, "-nodes", "-passin", f"pass:{PASSPHRASE}")
    assert "BEGIN PRIVATE KEY" in opened
    opened = judge(
        "certtool", "--p12-info", "--inder", "--infile", bundle, "--password", PASSPHRASE
    )
    assert "PRIVATE KEY" in opened
    database = f"sql:{tmp_path}"
    judge("certutil", "-N", "-d", database, "--empty-password")
    # Why it is refused for Firefox; should this pass one day, refuse it no longer.
    answer = ask("pk12util", "-i", bundle, "-d", database, "-W", PASSPHRASE)
    assert "UNABLE_TO_IMPORT_KEY" in answer.stdout


@pytest.mark.parametrize("target", Target)
def test_a_key_that_the_target_does_not_import(target: Target) -> None:
    """It is refused before anything is signed, and the way out is said."""
    for kind in KeyKind:
        if kind is KeyKind.ED25519 and target is not Target.MODERN:
            with pytest.raises(BundleRefused, match="the profile modern"):
                refuse_unfit("Anna (a)", PASSPHRASE, kind, target)
        else:
            refuse_unfit("Anna (a)", PASSPHRASE, kind, target)


@pytest.mark.parametrize("target", Target)
def test_no_more_rounds_than_windows_takes(target: Target) -> None:
    """.NET refuses more than 600,000 in all; the three derivations are counted together."""
    assert 3 * sealing_for(target).rounds <= 600_000


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
    modern, legacy = sealing_for(Target.MODERN), sealing_for(Target.MACOS)
    assert strengthen(sealed, PASSPHRASE, modern) == sealed
    for passphrase, sealing in (("wrong", modern), (PASSPHRASE, legacy)):
        with pytest.raises(BundleRefused, match="MAC"):
            strengthen(sealed, passphrase, sealing)
