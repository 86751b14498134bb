"""Dates and spans of time in words."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.refusals import Language
from gateway.portal.moments import date_in_words, span_in_words


@pytest.mark.parametrize(
    "seconds,english,italian",
    [
        (0, "1 second", "1 secondo"),
        (-5, "1 second", "1 secondo"),
        (0.2, "1 second", "1 secondo"),
        (29.1, "30 seconds", "30 secondi"),
        (60, "1 minute", "1 minuto"),
        (61, "1 minute and 1 second", "1 minuto e 1 secondo"),
        (3600, "1 hour", "1 ora"),
        (3605, "1 hour", "1 ora"),
        (7 * 3600 + 40 * 60 + 5, "7 hours and 40 minutes", "7 ore e 40 minuti"),
        (86_400, "1 day", "1 giorno"),
        (2 * 86_400 + 3600, "2 days and 1 hour", "2 giorni e 1 ora"),
        (2 * 86_400 + 5, "2 days", "2 giorni"),
    ],
)
def test_spans(seconds: float, english: str, italian: str) -> None:
    """Two neighbouring units at most, rounded up to a second."""
    span = timedelta(seconds=seconds)
    assert span_in_words(span, "en") == english
    assert span_in_words(span, "it") == italian


@given(st.timedeltas())
def test_every_span_has_words(span: timedelta) -> None:
    """No span is nothing."""
    assert span_in_words(span, "en")[0].isdigit()


@pytest.mark.parametrize("language,words", [("en", "21 November 2026"), ("it", "21 novembre 2026")])
def test_dates_are_those_of_the_certificate(language: Language, words: str) -> None:
    """A date is said in UTC, whatever the zone of the value."""
    midnight = datetime(2026, 11, 21, 0, 30, tzinfo=UTC)
    assert date_in_words(midnight, language) == words
    assert date_in_words(midnight.astimezone(timezone(timedelta(hours=-8))), language) == words
