"""Steps at which people are reminded, and how a new key travels."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.people import Fingerprint
from gateway.core.renewals import (
    ASKED_LIFETIME,
    STEPS,
    NewKey,
    mint_key_token,
    read_key_token,
    step_of,
)
from gateway.core.sealing import NONCE_BYTES

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
KEY, NONCE = b"k" * 32, b"n" * NONCE_BYTES
NEW = NewKey("0" * 32, "anna", Fingerprint("f" * 64), b"\x00\xffa private key")


@given(st.timedeltas(min_value=timedelta(days=-1), max_value=timedelta(days=60)))
def test_a_step_is_the_nearest_that_was_reached(left: timedelta) -> None:
    """None before the first, and none once it is over."""
    step = step_of(left)
    reached = [days for days, span in STEPS.items() if timedelta() < left <= span]
    assert step == (min(reached) if reached else None)


def test_a_key_comes_out_as_it_went_in() -> None:
    """Until the hour is over, and for this site alone."""
    token = mint_key_token(KEY, NEW, NOW, NONCE)
    assert read_key_token(KEY, token, NOW) == NEW
    assert read_key_token(KEY, token, NOW + ASKED_LIFETIME - timedelta(seconds=1)) == NEW
    assert read_key_token(KEY, token, NOW + ASKED_LIFETIME) is None
    assert read_key_token(KEY, token, NOW - timedelta(minutes=1)) is None
    assert read_key_token(b"x" * 32, token, NOW) is None


@pytest.mark.parametrize("text", ["", "é", "AAAA", "not base64!"])
def test_what_is_no_token_carries_nothing(text: str) -> None:
    """Nobody is led to an error by what they have typed."""
    assert read_key_token(KEY, text, NOW) is None


@given(st.integers(min_value=0), st.integers(1, 255))
def test_no_octet_of_a_token_can_be_changed(place: int, change: int) -> None:
    """Nobody reads or swaps what is in it."""
    token = bytearray(mint_key_token(KEY, NEW, NOW, NONCE).encode())
    place %= len(token)
    token[place] ^= change
    found = read_key_token(KEY, token.decode("latin-1"), NOW)
    # The last bits of base64 may mean nothing.
    assert found in (None, NEW)
