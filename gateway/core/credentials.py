"""Passwords and one-time codes: the rules, without a store or a clock.

Passwords are hashed with argon2id (RFC 9106, section 4, second recommended
option, as argon2-cffi's defaults). One-time codes are TOTP (RFC 6238) with
SHA-1, six digits and steps of 30 seconds, which is what every authenticator
application understands.
"""

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hmac import compare_digest

import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

STEP_SECONDS = 30
WINDOW = 1
"""How many steps before and after the present one are accepted (RFC 6238, section 5.2)."""
DRIFT_STEPS = 20
"""How far we look to tell a clock that is out of step from a wrong code."""
PASSWORD_MINIMUM = 12
PASSWORD_MAXIMUM = 1024

_hasher = PasswordHasher()
_CODE = re.compile(r"[0-9]{6}")


@dataclass(frozen=True, slots=True)
class CodeAccepted:
    """The code is right and belongs to *step*, which must now be burnt."""

    step: int


@dataclass(frozen=True, slots=True)
class CodeWrong:
    """No step near *now* has this code."""


@dataclass(frozen=True, slots=True)
class CodeUsed:
    """The code is right, but it, or a newer one, has been used."""


@dataclass(frozen=True, slots=True)
class ClockOutOfStep:
    """The code belongs to a step some way off; *seconds* > 0: the device is ahead.

    To be told only to somebody whose password held: it says that a guess will
    be right in a while. A guesser who is made to wait (`lockout`) cannot use it.
    """

    seconds: int


CodeResult = CodeAccepted | CodeWrong | CodeUsed | ClockOutOfStep


def hash_password(password: str) -> str:
    """Return the argon2id hash of *password*; takes tens of milliseconds."""
    return _hasher.hash(stable_password(password))


def verify_password(hashed: str, password: str) -> bool:
    """Say whether *password* is the one that was hashed; takes tens of milliseconds.

    Never raises: what is no hash, or no text (half a surrogate pair), is not right.
    """
    try:
        return _hasher.verify(hashed, stable_password(password))
    except (VerificationError, ValueError):
        return False


def stable_password(password: str) -> str:
    """Return the one spelling of *password* that is hashed: what is equal here is one password.

    Two keyboards write one "è" in two ways (NIST SP 800-63B, section 5.1.1.2). What is longer than
    any password stays as it is: of thousands of accents the order alone takes most of a second,
    in which nothing else of the process runs.
    """
    if len(password) > PASSWORD_MAXIMUM:
        return password
    return unicodedata.normalize("NFKC", password)


class PasswordFault(StrEnum):
    """Why a password cannot be taken; the value says it in English."""

    TOO_SHORT = f"a password has at least {PASSWORD_MINIMUM} characters"
    TOO_LONG = f"a password has at most {PASSWORD_MAXIMUM} characters"
    NO_TEXT = "this password is not text in UTF-8"


def fault_of(password: str) -> PasswordFault | None:
    """Return why *password* cannot be taken, or None.

    Only the length counts (NIST SP 800-63B, section 5.1.1.2: no composition rules).
    """
    if len(password) < PASSWORD_MINIMUM:
        return PasswordFault.TOO_SHORT
    if len(password) > PASSWORD_MAXIMUM:
        return PasswordFault.TOO_LONG
    if any("\ud800" <= character <= "\udfff" for character in password):
        return PasswordFault.NO_TEXT
    return None


def password_problem(password: str) -> str | None:
    """Say in an English sentence why *password* cannot be taken, or None."""
    fault = fault_of(password)
    return None if fault is None else fault.value


def new_totp_secret() -> str:
    """Return a new secret: 160 random bits in base32 (RFC 4226, section 4, R6)."""
    return pyotp.random_base32()


def totp_uri(secret: str, user: str, site: str) -> str:
    """Return the `otpauth://` URI that an authenticator application scans."""
    return pyotp.TOTP(secret, interval=STEP_SECONDS).provisioning_uri(name=user, issuer_name=site)


def totp_code(secret: str, now: datetime) -> str:
    """Return the code of this moment."""
    return _code_at(secret, _step(now))


def check_totp(secret: str, code: str, now: datetime, last_step: int) -> CodeResult:
    """Compare *code* with the steps around *now*.

    *last_step* is the newest step ever burnt for this secret: that one and all
    before it are used. The caller must still burn the accepted step in one
    conditional statement, for two requests may ask at the same instant.
    """
    code = code.replace(" ", "")
    if not _CODE.fullmatch(code):
        return CodeWrong()
    present = _step(now)
    for step in range(max(0, present - WINDOW), present + WINDOW + 1):
        if compare_digest(_code_at(secret, step), code):
            return CodeAccepted(step) if step > last_step else CodeUsed()
    for distance in range(WINDOW + 1, DRIFT_STEPS + 1):
        for step in (present - distance, present + distance):
            if step >= 0 and compare_digest(_code_at(secret, step), code):
                return ClockOutOfStep(seconds=(step - present) * STEP_SECONDS)
    return CodeWrong()


def _step(now: datetime) -> int:
    return int(now.timestamp()) // STEP_SECONDS


def _code_at(secret: str, step: int) -> str:
    return pyotp.TOTP(secret, interval=STEP_SECONDS).generate_otp(step)
