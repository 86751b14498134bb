from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.lost import (
    EVERYTHING,
    TOKEN_LIFETIME,
    Belonging,
    Lost,
    Reporter,
    mint_token,
    read_choice,
    read_token,
)
from gateway.core.people import Fingerprint
from gateway.core.sealing import seal_form

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
KEY, NONCE = b"k" * 32, b"n" * 12
ANNA = Reporter("anna", 3)
STICK = Belonging(
    fingerprint=Fingerprint("f" * 64),
    serial="4a0f66",
    device="stick-1",
    since=NOW,
    until=NOW + timedelta(days=1),
    held=False,
    last_sign_in=None,
)


def test_a_token_says_whom_it_is_for_until_it_ends() -> None:
    """A few minutes, and not a moment longer."""
    token = mint_token(KEY, ANNA, NOW, NONCE)
    assert read_token(KEY, token, NOW) == ANNA
    assert read_token(KEY, token, NOW + TOKEN_LIFETIME - timedelta(seconds=1)) == ANNA
    assert read_token(KEY, token, NOW + TOKEN_LIFETIME) is None


def test_a_token_of_a_clock_that_was_ahead_is_none() -> None:
    """It would be good for longer than any token is."""
    token = mint_token(KEY, ANNA, NOW + timedelta(hours=1), NONCE)
    assert read_token(KEY, token, NOW) is None


def test_a_token_shows_nothing_of_whom_it_is_for() -> None:
    """It is sealed."""
    token = mint_token(KEY, ANNA, NOW, NONCE)
    assert b"anna" not in urlsafe_b64decode(token)
    assert "anna" not in token


@pytest.mark.parametrize("at", [0, 12, 20, -1])
def test_a_changed_token_is_none(at: int) -> None:
    """Not a bit of it can be another."""
    octets = bytearray(urlsafe_b64decode(mint_token(KEY, ANNA, NOW, NONCE)))
    octets[at] ^= 1
    assert read_token(KEY, urlsafe_b64encode(octets).decode(), NOW) is None


def test_another_site_takes_no_token_of_ours() -> None:
    """It is sealed with the site's key."""
    assert read_token(b"l" * 32, mint_token(KEY, ANNA, NOW, NONCE), NOW) is None


@pytest.mark.parametrize("owner", ["anna", ""])
def test_other_sealed_secrets_are_no_tokens(owner: str) -> None:
    """What is sealed with the same key for another purpose does not open here."""
    text = seal_form(KEY, owner, ["anna", 3], NOW + TOKEN_LIFETIME, NONCE)
    assert read_token(KEY, text, NOW) is None


@given(st.text())
def test_any_text_is_a_token_or_not(text: str) -> None:
    """A stranger can send whatever they like."""
    assert read_token(KEY, text, NOW) is None


def test_a_choice_is_read_as_it_was_written() -> None:
    """What stands on one device goes together; what another CA gave, by itself."""
    assert read_choice(STICK.choice) == Lost(device="stick-1")
    foreign = replace(STICK, device="", trust="partner")
    assert read_choice(foreign.choice) == Lost(foreign=STICK.fingerprint)
    assert read_choice(EVERYTHING) == Lost()
    assert Lost().everything
    assert not Lost(device="stick-1").everything


@pytest.mark.parametrize("text", ["", "device ", "certificate ", "stick-1", "Everything", "all"])
def test_no_choice_never_means_everything(text: str) -> None:
    """What is not understood is not chosen."""
    assert read_choice(text) is None
