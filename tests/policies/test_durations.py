"""Durations as people write them."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.durations import parse_duration, show_duration


@pytest.mark.parametrize(
    "text, duration",
    [
        ("0s", timedelta()),
        ("90s", timedelta(seconds=90)),
        ("30m", timedelta(minutes=30)),
        ("12h", timedelta(hours=12)),
        ("30d", timedelta(days=30)),
        ("999999d", timedelta(days=999_999)),
    ],
)
def test_a_number_and_a_unit(text: str, duration: timedelta) -> None:
    """Seconds, minutes, hours and days."""
    assert parse_duration(text) == duration


@pytest.mark.parametrize(
    "text",
    [
        "",
        "12",
        "h",
        "12 h",
        "12H",
        "-1h",
        "1.5h",
        "1h30m",
        "12h\n",
        "1w",
        "9999999s",
        "\N{ARABIC-INDIC DIGIT ONE}h",
    ],
)
def test_anything_else_is_told_how_to_write_it(text: str) -> None:
    """The message shows all the units."""
    with pytest.raises(ValueError) as caught:
        parse_duration(text)
    assert str(caught.value) == (
        f"expected a duration such as '90s', '30m', '12h' or '30d', found {text!r}"
    )


@pytest.mark.parametrize(
    "seconds, text", [(0, "0s"), (59, "59s"), (90, "90s"), (7200, "2h"), (172_800, "2d")]
)
def test_the_largest_unit_that_fits_is_shown(seconds: int, text: str) -> None:
    """Without remainders: 90 seconds are not one minute and a half."""
    assert show_duration(timedelta(seconds=seconds)) == text


@given(st.integers(0, 999_999), st.sampled_from("smhd"))
def test_what_is_shown_reads_back(count: int, unit: str) -> None:
    """For all that can be written."""
    duration = parse_duration(f"{count}{unit}")
    shown = show_duration(duration)
    assert parse_duration(shown) == duration
