"""Each kind of value: what it takes, and what it says to anything else."""

from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies import values
from policies.values import Problem, Reader, kind_of, suggest

PLACE = "pusterla.toml: key"


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


def reject(_: str) -> None:
    """Raise without a word."""
    raise ValueError


def said(reader: Reader[object], value: object) -> list[str]:
    """Read a *value* that is wrong, and return what is said about it."""
    problems: list[Problem] = []
    assert reader.read(value, PLACE, problems) is None
    return [str(problem).removeprefix(PLACE) for problem in problems]


@pytest.mark.parametrize(
    "value, kind",
    [
        (True, "a boolean"),
        (1, "a whole number"),
        (1.5, "a decimal number"),
        ("x", "text"),
        ([], "a list"),
        ({}, "a table"),
        (datetime(2026, 1, 1, tzinfo=UTC), "a date with a time"),
        (date(2026, 1, 1), "a date"),
        (time(12), "a time of day"),
        (b"", "a bytes"),
    ],
)
def test_every_kind_has_its_words(value: object, kind: str) -> None:
    """All that TOML has, and the rest by its Python name."""
    assert kind_of(value) == kind


def test_the_nearest_word_is_suggested() -> None:
    """Capitals do not hide it, and nothing is suggested where nothing is near."""
    assert suggest("GROUPZ", ["users", "groups"]) == "; did you mean 'groups'?"
    assert suggest("zebra", ["users", "groups"]) == ""


@pytest.mark.parametrize(
    "reader, value, result",
    [
        (values.text(), " x ", " x "),
        (values.text(check=int), "12", "12"),
        (values.one_of(["a", "b"]), "b", "b"),
        (values.member(Colour), "red", Colour.RED),
        (values.integer(), -5, -5),
        (values.integer(1, 3), 1, 1),
        (values.integer(1, 3), 3, 3),
        (values.boolean(), False, False),
        (values.texts(), ["b", "a"], ("b", "a")),
        (values.duration(timedelta(hours=1), timedelta(hours=2)), "1h", timedelta(hours=1)),
        (values.duration(timedelta(hours=1), timedelta(hours=2)), "120m", timedelta(hours=2)),
    ],
)
def test_good_values(reader: Reader[object], value: object, result: object) -> None:
    """They are read without a problem; limits belong to what they limit."""
    problems: list[Problem] = []
    assert reader.read(value, PLACE, problems) == result
    assert problems == []


@pytest.mark.parametrize(
    "reader, value, message",
    [
        (values.text(), 1, "expected text, found a whole number"),
        (values.text(), "", "expected text, found an empty text"),
        (values.text(), " \t", "expected text, found an empty text"),
        (values.text(check=reject), "x", "not a value that can stand here"),
        (
            values.one_of(["allow", "deny"]),
            "allov",
            "expected one of 'allow', 'deny', found 'allov'; did you mean 'allow'?",
        ),
        (values.member(Colour), "blue", "expected one of 'red', 'green', found 'blue'"),
        (values.member(Colour), 1, "expected one of 'red', 'green', found a whole number"),
        (values.integer(), "8443", "expected a whole number, found text"),
        (values.integer(), True, "expected a whole number, found a boolean"),
        (values.integer(), 1.0, "expected a whole number, found a decimal number"),
        (values.integer(1, 9), 0, "expected a whole number from 1 to 9, found 0"),
        (values.integer(1, 9), 10, "expected a whole number from 1 to 9, found 10"),
        (values.integer(minimum=1), -3, "expected a whole number of at least 1, found -3"),
        (values.integer(maximum=9), 12, "expected a whole number of at most 9, found 12"),
        pytest.param(
            values.integer(maximum=9),
            10**5000,
            "expected a whole number of at most 9, found a number far beyond that",
            id="longer than Python writes",
        ),
        (values.boolean(), "true", "expected true or false, found text"),
        (values.boolean(), 1, "expected true or false, found a whole number"),
        (values.texts(), "anna", "expected a list of texts, found text; put it between [ and ]"),
        (values.texts(), {}, "expected a list of texts, found a table"),
        (values.texts(), [], "an empty list: name at least one, or leave the key out"),
        (
            values.duration(timedelta(hours=1)),
            12,
            "expected a duration such as '90s', '30m', '12h' or '30d', found a whole number",
        ),
        (
            values.duration(timedelta(hours=1)),
            "1 hour",
            "expected a duration such as '90s', '30m', '12h' or '30d', found '1 hour'",
        ),
        (
            values.duration(timedelta(hours=1)),
            "5m",
            "expected a duration of at least 1h, found '5m'",
        ),
        (
            values.duration(timedelta(hours=1), timedelta(days=2)),
            "3d",
            "expected a duration from 1h to 2d, found '3d'",
        ),
    ],
)
def test_bad_values(reader: Reader[object], value: object, message: str) -> None:
    """Each is answered with what was expected and what was found."""
    assert said(reader, value) == [f": {message}"]


def test_every_wrong_item_of_a_list_is_reported() -> None:
    """With its place, counted from 1."""

    def check(text: str) -> None:
        if text == "bad":
            raise ValueError("not this one")

    assert said(values.texts(check), ["a", "bad", 3, "a", " "]) == [
        "[2]: not this one",
        "[3]: expected text, found a whole number",
        "[4]: 'a' is listed twice",
        "[5]: expected text, found an empty text",
    ]


TOML = st.recursive(
    st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.datetimes()
    | st.dates()
    | st.times(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@pytest.mark.parametrize(
    "reader",
    [
        values.text(),
        values.one_of(["a"]),
        values.member(Colour),
        values.integer(1, 9),
        values.boolean(),
        values.texts(),
        values.duration(timedelta(hours=1)),
    ],
)
@given(value=TOML)
def test_a_reader_answers_or_reports_and_never_raises(
    reader: Reader[object], value: object
) -> None:
    """Whatever a file contains, exactly one of the two."""
    problems: list[Problem] = []
    result = reader.read(value, PLACE, problems)
    assert (result is None) == bool(problems)
