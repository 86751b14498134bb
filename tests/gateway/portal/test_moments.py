"""Dates and spans of time in words."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.refusals import Language
from gateway.portal.moments import date_in_words, moment_in_words, span_in_words


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


ROME = ZoneInfo("Europe/Rome")


@pytest.mark.parametrize("language,words", [("en", "21 November 2026"), ("it", "21 novembre 2026")])
def test_dates_are_those_of_the_zone(language: Language, words: str) -> None:
    """Half an hour before midnight in UTC the next day has begun in Rome, whatever the value's."""
    late = datetime(2026, 11, 20, 23, 30, tzinfo=UTC)
    for value in (late, late.astimezone(ZoneInfo("America/Sao_Paulo"))):
        assert date_in_words(value, language, ROME) == words
        assert date_in_words(value, language, UTC) != words


@pytest.mark.parametrize(
    "moment,words",
    [
        (datetime(2026, 11, 21, 8, 5, tzinfo=UTC), "21 November 2026, 09:05"),
        (datetime(2026, 7, 21, 22, 5, tzinfo=UTC), "22 July 2026, 00:05"),
        (datetime(2026, 3, 29, 0, 59, tzinfo=UTC), "29 March 2026, 01:59"),
        (datetime(2026, 3, 29, 1, 0, tzinfo=UTC), "29 March 2026, 03:00"),
        (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), "25 October 2026, 02:30 (CEST)"),
        (datetime(2026, 10, 25, 1, 30, tzinfo=UTC), "25 October 2026, 02:30 (CET)"),
        (datetime(2026, 10, 25, 2, 0, tzinfo=UTC), "25 October 2026, 03:00"),
    ],
)
def test_times_are_those_of_the_zone(moment: datetime, words: str) -> None:
    """Summer and winter, and of the hour that comes twice, which one."""
    assert moment_in_words(moment, "en", ROME) == words


@given(st.datetimes(timezones=st.timezones()), st.timezones())
def test_every_moment_has_words(moment: datetime, zone: ZoneInfo) -> None:
    """No zone and no moment is too odd, but where the calendar ends."""
    if 2 < moment.year < 9998:
        assert f"{moment.astimezone(zone):%H:%M}" in moment_in_words(moment, "it", zone)
