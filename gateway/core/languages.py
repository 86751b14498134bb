"""Which language somebody reads: what they have chosen, or else what their browser prefers.

What was chosen is remembered by a cookie of each host, so that nothing has to be known of
whoever reads: refusals and the page of a lost stick follow it too.
"""

from typing import Final

from gateway.core.refusals import Language, choose_language

LANGUAGES: Final[dict[Language, str]] = {"en": "English", "it": "Italiano"}
"""What each language calls itself."""

LANGUAGE_COOKIE: Final = "__Host-pusterla-language"
_YEAR_SECONDS: Final = 365 * 24 * 60 * 60


def as_language(text: str) -> Language | None:
    """Return *text* as a language of ours, or None."""
    for language in LANGUAGES:
        if text == language:
            return language
    return None


def preferred_language(accept_language: str, cookie: str) -> Language:
    """Return the language in which to answer a request with these two fields."""
    for pair in cookie.split(";") if LANGUAGE_COOKIE in cookie else ():
        name, _, value = pair.partition("=")
        if name.strip() == LANGUAGE_COOKIE and (chosen := as_language(value.strip())):
            return chosen
    return choose_language(accept_language)


def language_cookie(language: Language) -> str:
    """Return the Set-Cookie value that has the browser remember *language* for a year."""
    attributes = f"Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={_YEAR_SECONDS}"
    return f"{LANGUAGE_COOKIE}={language}; {attributes}"
