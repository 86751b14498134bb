"""What somebody has chosen goes before what their browser prefers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.languages import (
    LANGUAGE_COOKIE,
    LANGUAGES,
    as_language,
    language_cookie,
    preferred_language,
)
from gateway.core.refusals import Language


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_was_chosen_is_read_again(language: Language) -> None:
    """The cookie that is set is the one that is found, whatever the browser prefers."""
    pair = language_cookie(language).partition(";")[0]
    for accepted in ("it", "en", "de", ""):
        assert preferred_language(accepted, f"a=b; {pair}; c=d") == language


@pytest.mark.parametrize(
    "cookie",
    [
        "",
        f"{LANGUAGE_COOKIE}=",
        f"{LANGUAGE_COOKIE}=de",
        f"{LANGUAGE_COOKIE}=en-GB",
        f"x{LANGUAGE_COOKIE}=en",
        f"{LANGUAGE_COOKIE}x=en",
        f"a={LANGUAGE_COOKIE}=en",
        LANGUAGE_COOKIE,
        "__Host-pusterla=en",
    ],
)
def test_without_a_choice_the_browser_says(cookie: str) -> None:
    """A cookie that names no language of ours is none."""
    assert preferred_language("it", cookie) == "it"


@given(st.text(), st.text())
def test_no_fields_are_an_error(accepted: str, cookie: str) -> None:
    """Strangers write both of them."""
    assert preferred_language(accepted, f"{cookie};{LANGUAGE_COOKIE}={cookie}") in LANGUAGES


def test_the_cookie_is_of_its_host_alone() -> None:
    """`__Host-` wants Secure and Path=/ and no Domain (RFC 6265bis, section 4.1.3.2)."""
    name, _, attributes = language_cookie("it").partition("=it; ")
    assert name.startswith("__Host-")
    assert {"Path=/", "Secure", "HttpOnly", "SameSite=Lax"} < set(attributes.split("; "))
    assert "Domain" not in attributes


def test_only_what_we_speak_is_a_language() -> None:
    """Letter by letter."""
    assert [as_language(text) for text in ("en", "it", "IT", "", "de", "en ")] == [
        *("en", "it"),
        *(None,) * 4,
    ]
