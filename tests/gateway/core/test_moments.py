"""When something opens again."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from gateway.core.moments import days_in_words, opening_in_words
from gateway.core.refusal_words import Language
from gateway.core.spans import parse_spans

ROME = ZoneInfo("Europe/Rome")


@pytest.mark.parametrize(
    "language, words",
    [
        ("en", "Friday 3 July at 07:05 (CEST)"),
        ("it", "venerdì 3 luglio alle ore 07:05 (CEST)"),
    ],
)
def test_is_said_in_both_languages(language: Language, words: str) -> None:
    """Weekday, day, month, hour, and the zone that it is meant in."""
    assert opening_in_words(datetime(2026, 7, 3, 7, 5, tzinfo=ROME), language) == words


@pytest.mark.parametrize(
    "moment, words",
    [
        (datetime(2026, 12, 1, tzinfo=ROME), "Tuesday 1 December"),
        (datetime(2018, 11, 4, 1, tzinfo=ZoneInfo("America/Sao_Paulo")), "Sunday 4 November"),
        (datetime(2018, 11, 5, 1, tzinfo=ZoneInfo("America/Sao_Paulo")), "Monday 5 November at 01"),
    ],
)
def test_what_begins_with_its_day_is_said_by_the_day(moment: datetime, words: str) -> None:
    """Also where a change of clocks has left out midnight."""
    said = opening_in_words(moment, "en")
    assert said.startswith(words)
    assert (said == words) is not words.endswith("01")


def test_the_hour_that_comes_twice_is_told_apart() -> None:
    """When clocks are set back, the name of the zone says which of the two is meant."""
    first = datetime(2026, 10, 25, 2, 30, tzinfo=ROME)
    second = first.replace(fold=1)
    assert opening_in_words(first, "en").endswith("at 02:30 (CEST)")
    assert opening_in_words(second, "en").endswith("at 02:30 (CET)")


@pytest.mark.parametrize(
    "spans, english, italian",
    [
        ("2026-11-24", "Tuesday 24 November 2026", "martedì 24 novembre 2026"),
        ("2026-12-01/2026-12-03", "1–3 December 2026", "1–3 dicembre 2026"),
        (
            "2026-11-30/2026-12-02",
            "30 November – 2 December 2026",
            "30 novembre – 2 dicembre 2026",
        ),
        (
            "2026-12-31/2027-01-01",
            "31 December 2026 – 1 January 2027",
            "31 dicembre 2026 – 1 gennaio 2027",
        ),
        (
            "2026-11-24,2026-11-26",
            "Tuesday 24 November 2026; Thursday 26 November 2026",
            "martedì 24 novembre 2026; giovedì 26 novembre 2026",
        ),
    ],
)
def test_days_are_told_as_shortly_as_is_clear(spans: str, english: str, italian: str) -> None:
    """A single day with its weekday; a span names month and year once where it can."""
    assert days_in_words(parse_spans(spans), "en") == english
    assert days_in_words(parse_spans(spans), "it") == italian
