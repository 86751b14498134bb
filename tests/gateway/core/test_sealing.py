"""Secrets at rest."""

import os
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.core.sealing import (
    KEY_BYTES,
    NONCE_BYTES,
    SealBroken,
    open_form,
    seal,
    seal_form,
    unseal,
)

KEY = bytes(range(KEY_BYTES))
SECRET = "JBSWY3DPEHPK3PXP"
NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)

keys = st.binary(min_size=KEY_BYTES, max_size=KEY_BYTES)
nonces = st.binary(min_size=NONCE_BYTES, max_size=NONCE_BYTES)


@given(keys, st.text(max_size=20), st.text(max_size=40), nonces)
def test_a_secret_comes_back(key: bytes, owner: str, secret: str, nonce: bytes) -> None:
    """The same key and owner open what they sealed."""
    assert unseal(key, owner, seal(key, owner, secret, nonce)) == secret


def test_a_seal_is_aes_gcm() -> None:
    """Another reader of the standard opens it: nonce, then ciphertext, owner as associated data."""
    sealed = seal(KEY, "anna", SECRET, os.urandom(NONCE_BYTES))
    nonce, data = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
    assert AESGCM(KEY).decrypt(nonce, data, b"anna").decode() == SECRET
    assert SECRET.encode() not in sealed


@given(st.text(st.characters(), max_size=10))
def test_a_secret_of_another_owner_does_not_open(other: str) -> None:
    """Whoever can write to the store cannot give bruno's code to anna."""
    assume(other != "anna")
    with pytest.raises(SealBroken):
        unseal(KEY, other, seal(KEY, "anna", SECRET, bytes(NONCE_BYTES)))


@given(keys)
def test_a_secret_of_another_site_does_not_open(key: bytes) -> None:
    """The message names the owner and what is wrong, not the secret."""
    assume(key != KEY)
    with pytest.raises(SealBroken, match="'anna' cannot be opened") as caught:
        unseal(key, "anna", seal(KEY, "anna", SECRET, bytes(NONCE_BYTES)))
    assert SECRET not in str(caught.value)


@given(st.integers(min_value=0, max_value=10_000), st.integers(min_value=1, max_value=255))
def test_a_changed_byte_breaks_the_seal(position: int, change: int) -> None:
    """In the nonce, the secret or the tag."""
    sealed = bytearray(seal(KEY, "anna", SECRET, bytes(NONCE_BYTES)))
    sealed[position % len(sealed)] ^= change
    with pytest.raises(SealBroken):
        unseal(KEY, "anna", bytes(sealed))


@given(st.binary(max_size=40))
def test_what_is_no_seal_does_not_open(sealed: bytes) -> None:
    """Cut short, empty or made up: one answer."""
    with pytest.raises(SealBroken):
        unseal(KEY, "anna", sealed)


@pytest.mark.parametrize("length", [0, 8, NONCE_BYTES - 1, NONCE_BYTES + 1, 16])
def test_a_nonce_of_another_length_is_refused(length: int) -> None:
    """The cipher would take it, and the secret would never open again."""
    with pytest.raises(ValueError, match="12 bytes"):
        seal(KEY, "anna", SECRET, bytes(length))


def test_bytes_that_are_no_text_do_not_open() -> None:
    """A seal of something else under our own key is as broken as any."""
    nonce = bytes(NONCE_BYTES)
    sealed = nonce + AESGCM(KEY).encrypt(nonce, b"\xff\xfe", b"anna")
    with pytest.raises(SealBroken):
        unseal(KEY, "anna", sealed)


@given(st.lists(st.text(st.characters()) | st.integers()), nonces)
def test_a_form_carries_what_it_was_given(words: list[str | int], nonce: bytes) -> None:
    """Until it ends, to the second; none is believed that is good for longer than any is."""
    text = seal_form(KEY, "a form", words, NOW + HOUR, nonce)
    assert open_form(KEY, "a form", text, NOW, HOUR) == words
    assert open_form(KEY, "a form", text, NOW + HOUR - SECOND, HOUR) == words
    assert open_form(KEY, "a form", text, NOW + HOUR, HOUR) is None
    assert open_form(KEY, "a form", text, NOW - SECOND, HOUR) is None
    assert open_form(KEY, "another form", text, NOW, HOUR) is None


@given(st.text() | st.binary().map(lambda octets: urlsafe_b64encode(octets).decode()))
def test_what_a_stranger_sends_is_no_form(text: str) -> None:
    """Whatever it is, it is no error."""
    assert open_form(KEY, "a form", text, NOW, HOUR) is None
