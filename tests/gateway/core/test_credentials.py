"""Passwords and one-time codes."""

from base64 import b32decode, b32encode
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from argon2 import PasswordHasher
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.credentials import (
    DRIFT_STEPS,
    PASSWORD_MAXIMUM,
    PASSWORD_MINIMUM,
    STEP_SECONDS,
    WINDOW,
    ClockOutOfStep,
    CodeAccepted,
    CodeResult,
    CodeUsed,
    CodeWrong,
    check_totp,
    hash_password,
    new_totp_secret,
    password_problem,
    stable_password,
    totp_code,
    totp_uri,
    verify_password,
)

PASSWORD = "una porta stretta"
SECRET = b32encode(b"12345678901234567890").decode()
NOW = datetime(2026, 11, 24, 19, 40, 12, tzinfo=UTC)
PRESENT = int(NOW.timestamp()) // STEP_SECONDS
NEVER = 0

# The same rules with little memory, so that hypothesis can ask often.
cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def at_step(distance: int) -> datetime:
    """Return the moment that is *distance* steps from now."""
    return NOW + timedelta(seconds=distance * STEP_SECONDS)


def check(code: str, last_step: int = NEVER) -> CodeResult:
    """Check *code* now."""
    return check_totp(SECRET, code, NOW, last_step)


def test_a_password_is_the_one_that_was_hashed() -> None:
    """Argon2id with the second recommended option of RFC 9106, and a salt of its own each time."""
    hashed = hash_password(PASSWORD)
    assert hashed.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert verify_password(hashed, PASSWORD)
    assert not verify_password(hashed, PASSWORD.upper())
    assert hash_password(PASSWORD) != hashed


def test_a_password_is_the_same_from_every_keyboard() -> None:
    """An accented letter may come as one character or as two."""
    hashed = hash_password("perch\u00e9 no, perci\u00f2")
    assert verify_password(hashed, "perche\u0301 no, percio\u0300")
    assert not verify_password(hashed, "perche no, percio")


def test_what_is_longer_than_any_password_costs_nothing_to_compare() -> None:
    """Ten thousand accents in the wrong order are not put in order: that would take a second."""
    accents = "\u0301" * PASSWORD_MAXIMUM + "\u0316" * PASSWORD_MAXIMUM
    assert stable_password(accents) == accents
    assert stable_password("\u0301\u0316" * 100) == "\u0316" * 100 + "\u0301" * 100


@given(st.text(st.characters(), max_size=40), st.text(st.characters(), max_size=40))
@settings(deadline=None)
def test_verifying_never_raises(hashed: str, password: str) -> None:
    """What is no hash is nobody's password, and what is no text is not the right one."""
    assert verify_password(hashed, password) is False
    assert verify_password("$argon2id$" + hashed, password) is False
    assert verify_password(cheap.hash("x" + PASSWORD), password) is False


@pytest.mark.parametrize(
    "password, complaint",
    [
        ("x" * (PASSWORD_MINIMUM - 1), "at least 12"),
        ("x" * (PASSWORD_MAXIMUM + 1), "at most 1024"),
        ("\ud800" * PASSWORD_MINIMUM, "not text"),
    ],
)
def test_a_password_that_cannot_be_taken(password: str, complaint: str) -> None:
    """Too short, too long, or bytes of the terminal that are no UTF-8."""
    problem = password_problem(password)
    assert problem is not None
    assert complaint in problem


@pytest.mark.parametrize("password", ["x" * PASSWORD_MINIMUM, " " * PASSWORD_MAXIMUM, "è" * 12])
def test_only_the_length_of_a_password_counts(password: str) -> None:
    """No rule asks for a digit or a capital."""
    assert password_problem(password) is None


@given(st.text(st.characters(), min_size=PASSWORD_MINIMUM, max_size=PASSWORD_MINIMUM + 8))
@settings(max_examples=10, deadline=None)
def test_a_password_without_a_problem_can_be_hashed(password: str) -> None:
    """Whatever is accepted opens the door afterwards."""
    if password_problem(password) is None:
        assert verify_password(hash_password(password), password)


def test_a_secret_is_160_random_bits() -> None:
    """RFC 4226, section 4, R6; two secrets differ."""
    secret = new_totp_secret()
    assert len(b32decode(secret)) == 20
    assert new_totp_secret() != secret


@pytest.mark.parametrize(
    "seconds, code",
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
def test_the_vectors_of_rfc_6238(seconds: int, code: str) -> None:
    """Appendix B with SHA-1, the last six of its eight digits."""
    now = datetime.fromtimestamp(seconds, UTC)
    assert totp_code(SECRET, now) == code[-6:]
    assert check_totp(SECRET, code[-6:], now, -1) == CodeAccepted(seconds // STEP_SECONDS)
    assert check_totp(SECRET, code, now, -1) == CodeWrong()


@pytest.mark.parametrize("distance", range(-WINDOW, WINDOW + 1))
def test_a_code_within_the_window_is_accepted(distance: int) -> None:
    """With the step that must be burnt: the code's own, not the present one."""
    assert check(totp_code(SECRET, at_step(distance))) == CodeAccepted(PRESENT + distance)


@pytest.mark.parametrize("distance", range(-WINDOW, WINDOW + 1))
@pytest.mark.parametrize("burnt", range(-WINDOW, WINDOW + 1))
def test_a_burnt_step_and_all_before_it_are_used(distance: int, burnt: int) -> None:
    """Only a greater step than the last one is accepted."""
    result = check(totp_code(SECRET, at_step(distance)), PRESENT + burnt)
    accepted = CodeAccepted(PRESENT + distance)
    assert result == (accepted if distance > burnt else CodeUsed())


@pytest.mark.parametrize("distance", [-DRIFT_STEPS, -WINDOW - 1, WINDOW + 1, DRIFT_STEPS])
def test_a_clock_out_of_step_is_told_from_a_wrong_code(distance: int) -> None:
    """A device that is ahead has positive seconds, one that is behind negative ones."""
    code = totp_code(SECRET, at_step(distance))
    assert check(code) == ClockOutOfStep(seconds=distance * STEP_SECONDS)


@pytest.mark.parametrize("distance", [-DRIFT_STEPS - 1, DRIFT_STEPS + 1])
def test_a_code_from_far_away_is_wrong(distance: int) -> None:
    """Ten minutes to either side, and no further."""
    assert check(totp_code(SECRET, at_step(distance))) == CodeWrong()


def test_a_code_may_be_typed_with_spaces() -> None:
    """As authenticator applications show it."""
    code = totp_code(SECRET, NOW)
    assert check(f" {code[:3]} {code[3:]} ") == CodeAccepted(PRESENT)


def test_digits_of_other_alphabets_are_wrong() -> None:
    """A code is six ASCII digits and nothing else."""
    code = totp_code(SECRET, NOW)
    for zero in "\u0660", "\uff10", "\U0001d7ce":
        assert check("".join(chr(ord(zero) + int(digit)) for digit in code)) == CodeWrong()
    for other in code + "\n", "\n" + code, code[:5], code + "0", "+" + code[1:], "", " ":
        assert check(other) == CodeWrong()


@given(st.text(st.characters(), max_size=12))
def test_checking_a_code_never_raises(code: str) -> None:
    """Whatever is typed is wrong, not an error."""
    assert check(f"x{code}") == CodeWrong()


@pytest.mark.parametrize("seconds", [0, 29, 30, 59, 599])
def test_a_clock_near_its_beginning_is_no_error(seconds: int) -> None:
    """A machine without a battery starts in 1970, where some of the steps do not exist."""
    now = datetime.fromtimestamp(seconds, UTC)
    wrong = totp_code(SECRET, NOW)
    assert check_totp(SECRET, wrong, now, -1) == CodeWrong()
    assert check_totp(SECRET, totp_code(SECRET, now), now, -1) == CodeAccepted(seconds // 30)


@pytest.mark.parametrize("site", ["Pusterla", "Rossi & Figli: cantiere", "è/casa?x=1"])
def test_the_address_that_a_device_scans(site: str) -> None:
    """Label, issuer and secret, each encoded so that no name breaks the address."""
    parts = urlsplit(totp_uri(SECRET, "anna", site))
    assert (parts.scheme, parts.netloc) == ("otpauth", "totp")
    assert unquote(parts.path) == f"/{site}:anna"
    assert parse_qs(parts.query) == {"secret": [SECRET], "issuer": [site]}
