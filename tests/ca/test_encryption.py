"""Keys under a passphrase, read by programs that nobody here wrote."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ca.encryption import ROUNDS, encrypt_key
from ca.errors import KeyLocked
from ca.kinds import KeyKind, make_key
from tests.ca.makers import ask, judge

PASSPHRASE = b"correct horse battery"


@pytest.mark.parametrize("kind", KeyKind)
def test_openssl_and_the_library_open_it(kind: KeyKind, tmp_path: Path) -> None:
    """With the passphrase, and with no other."""
    key = make_key(kind)
    pem = encrypt_key(key, PASSPHRASE)
    again = load_pem_private_key(pem, PASSPHRASE)
    assert again.public_key() == key.public_key()
    file = tmp_path / "ca.key"
    file.write_bytes(pem)
    judge(
        "openssl", "pkey", "-in", file, "-noout", "-check", "-passin", f"pass:{PASSPHRASE.decode()}"
    )
    wrong = ask("openssl", "pkey", "-in", file, "-noout", "-passin", "pass:something else")
    assert wrong.returncode != 0


def test_gnutls_opens_it(tmp_path: Path) -> None:
    """A third reader of PKCS#8."""
    file = tmp_path / "ca.key"
    file.write_bytes(encrypt_key(make_key(), PASSPHRASE))
    answer = judge("certtool", "--key-info", "--password", PASSPHRASE.decode(), "--infile", file)
    assert "EC/ECDSA" in answer


def test_guessing_is_made_dear(tmp_path: Path) -> None:
    """openssl sees AES-256 behind PBKDF2 with HMAC-SHA-256, in the rounds that we promise."""
    file = tmp_path / "ca.key"
    file.write_bytes(encrypt_key(make_key(), PASSPHRASE))
    answer = judge("openssl", "asn1parse", "-in", file)
    for expected in ("PBES2", "PBKDF2", "hmacWithSHA256", "aes-256-cbc", f":{ROUNDS:06X}"):
        assert expected in answer
    assert ROUNDS >= 600_000


def test_no_two_are_alike_and_nothing_of_the_key_shows() -> None:
    """Salt and vector are new each time."""
    key = make_key(KeyKind.ED25519)
    one, two = encrypt_key(key, PASSPHRASE), encrypt_key(key, PASSPHRASE)
    assert one != two
    assert max(map(len, one.splitlines())) == 64


@pytest.mark.parametrize("passphrase", [b"", b"short", b"eleven char", "è".encode() * 11])
def test_a_passphrase_that_protects_nothing(passphrase: bytes) -> None:
    """Is refused before there is a file that looks protected."""
    with pytest.raises(KeyLocked, match="at least 12"):
        encrypt_key(make_key(), passphrase)
