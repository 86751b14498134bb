"""What a sign-in leaves behind."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from gateway.core.people import Fingerprint
from gateway.core.sessions import SESSION_ID_BYTES, Session, SessionId
from policies.model import Level

BEGAN = datetime(2026, 11, 24, 19, 40, tzinfo=UTC)
ENDS = BEGAN + timedelta(hours=8)
SESSION = Session(
    id=SessionId("00" * SESSION_ID_BYTES),
    user="anna",
    fingerprint=Fingerprint("ab" * 32),
    level=Level.PASSWORD_TOTP,
    created_at=BEGAN,
    expires_at=ENDS,
    address="127.0.0.1",
)


def test_a_session_is_128_bits() -> None:
    """Nobody guesses one, and two never meet."""
    assert SESSION_ID_BYTES * 8 == 128


@pytest.mark.parametrize(
    "now, live",
    [
        (BEGAN - timedelta(milliseconds=50), True),  # another machine's clock, a little behind
        (BEGAN, True),
        (ENDS - timedelta(microseconds=1), True),
        (ENDS, False),
        (ENDS + timedelta(days=1), False),
        (ENDS.astimezone(timezone(timedelta(hours=1))), False),
    ],
)
def test_a_session_lives_until_it_expires(now: datetime, live: bool) -> None:
    """The last moment is not part of it."""
    assert SESSION.live(now) is live


@pytest.mark.parametrize("now", [BEGAN, ENDS - timedelta(seconds=1)])
def test_an_ended_session_opens_nothing(now: datetime) -> None:
    """Whenever it was ended."""
    assert not replace(SESSION, ended_at=BEGAN).live(now)
    assert not replace(SESSION, ended_at=ENDS).live(now)
