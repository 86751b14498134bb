import hashlib
import hmac
import os

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CBC
from hypothesis import given
from hypothesis import strategies as st

from ca.der import elements
from gateway.kit.sealing import ROUNDS, Sealer

PASSWORD = "cavallo batteria"
SEALER = Sealer(PASSWORD, os.urandom, 1000)


def read(entry: bytes) -> tuple[bytes, int, list[tuple[int, bytes]], bytes]:
    """Take an entry apart: salt, rounds, the scheme's parameters, and its contents."""
    ((_, whole),) = elements(entry)
    (_, algorithm), (_, content) = elements(whole)
    _, (_, parameters) = elements(algorithm)
    (_, derivation), (_, scheme) = elements(parameters)
    _, (_, numbers) = elements(derivation)
    (_, salt), (_, rounds), *_ = elements(numbers)
    return salt, int.from_bytes(rounds), list(elements(scheme)), content


def key_of(salt: bytes, rounds: int) -> bytes:
    """Derive a key as NSS does."""
    first = hashlib.sha1(SEALER.password().salt + PASSWORD.encode(), usedforsecurity=False).digest()
    return hashlib.pbkdf2_hmac("sha256", first, salt, rounds, 32)


@given(st.binary(max_size=100))
def test_what_is_sealed_opens_as_nss_opens_it(secret: bytes) -> None:
    """The IV is the octets of its own DER; the padding is PKCS #7."""
    salt, rounds, scheme, content = read(SEALER.encrypt(secret))
    iv = b"\x04\x0e" + scheme[1][1]
    decryptor = Cipher(AES256(key_of(salt, rounds)), CBC(iv)).decryptor()
    padded = decryptor.update(content) + decryptor.finalize()
    assert padded[: -padded[-1]] == secret


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.binary(max_size=50))
def test_a_mac_ties_a_value_to_its_place(place: int, attribute: int, value: bytes) -> None:
    """Over object, attribute and value, in this order."""
    salt, rounds, _, mac = read(SEALER.sign(place, attribute, value))
    message = place.to_bytes(4) + attribute.to_bytes(4) + value
    assert mac == hmac.digest(key_of(salt, rounds), message, "sha256")


def test_no_two_ciphertexts_are_alike() -> None:
    """Each has an IV of its own."""
    assert SEALER.encrypt(b"the same") != SEALER.encrypt(b"the same")


def test_guessing_is_sixty_times_as_dear_as_nss_has_it() -> None:
    """The entries say so, and the browser believes them."""
    sealer = Sealer(PASSWORD, os.urandom)
    assert read(sealer.password().check)[1] == ROUNDS == 600_000
