from dataclasses import astuple, replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.core.lost import Reporter, mint_token
from gateway.core.pending import PENDING_LIFETIME, Ground, Pending, mint_pending, read_pending
from gateway.core.people import Fingerprint
from gateway.core.sealing import NONCE_BYTES, seal_form

KEY, NONCE = b"k" * 32, b"n" * NONCE_BYTES
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
PENDING = Pending(
    Ground.TICKET, "anna", Fingerprint("f" * 64), "d" * 64, "SECRET", "$argon2id$", version=7
)


@pytest.mark.parametrize("ground", Ground)
def test_what_is_carried_arrives(ground: Ground) -> None:
    """Every field of it, until its end."""
    pending = replace(PENDING, ground=ground)
    text = mint_pending(KEY, pending, NOW, NONCE)
    assert read_pending(KEY, text, NOW) == pending
    almost = NOW + PENDING_LIFETIME - timedelta(seconds=1)
    assert read_pending(KEY, text, almost) == pending
    assert read_pending(KEY, text, NOW + PENDING_LIFETIME) is None


def test_nothing_of_it_can_be_read() -> None:
    """Neither the secret nor whose it is."""
    text = mint_pending(KEY, PENDING, NOW, NONCE)
    longer = mint_pending(KEY, replace(PENDING, secret="TERCES"), NOW, NONCE)
    assert len(text) == len(longer)
    assert "anna" not in text
    assert "SECRET" not in text


def test_what_is_not_ours_is_nothing() -> None:
    """Made up, changed by one letter, under another key, or a token of another page."""
    text = mint_pending(KEY, PENDING, NOW, NONCE)
    changed = ("B" if text[30] == "A" else "A").join((text[:30], text[31:]))
    other = mint_token(KEY, Reporter("anna", 7), NOW, NONCE)
    for given in ("", "nonsense", "é", text[:-4], changed, other, "\ud800"):
        assert read_pending(KEY, given, NOW) is None
    assert read_pending(b"l" * 32, text, NOW) is None
    assert read_pending(KEY, text, NOW - timedelta(days=1)) is None


def test_a_secret_of_the_store_is_none() -> None:
    """What is sealed for a person in the store does not open as this."""
    words = [*astuple(PENDING)]
    text = seal_form(KEY, "anna", words, NOW + PENDING_LIFETIME, NONCE)
    assert read_pending(KEY, text, NOW) is None
