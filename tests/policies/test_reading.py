"""Reading whole files: places, unknown keys, and all problems at once."""

import tomllib
from datetime import timedelta
from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.reading import Problem, Section, parse_toml, read_tables


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


class Reading:
    """A section of a file, and what was said about it."""

    def __init__(self, text: str = "") -> None:
        self.problems: list[Problem] = []
        self.section = Section(tomllib.loads(text), "site.toml", self.problems)

    def said(self) -> list[str]:
        """List the problems, as a person sees them."""
        return [str(problem) for problem in self.problems]


GOOD = """
host = "pusterla.localhost"
colour = "red"
port = 8443
open = true
groups = ["a", "b"]
idle = "30m"
"""


def test_every_taker_takes() -> None:
    """A good file is read without a word."""
    reading = Reading(GOOD)
    section = reading.section
    assert section.text("host") == "pusterla.localhost"
    assert section.text("host", choices=["pusterla.localhost"]) == "pusterla.localhost"
    assert section.choice("colour", Colour) is Colour.RED
    assert section.integer("port", minimum=1, maximum=65535) == 8443
    assert section.boolean("open") is True
    assert section.texts("groups") == ("a", "b")
    assert section.duration("idle", maximum=timedelta(hours=1)) == timedelta(minutes=30)
    section.finish()
    assert reading.said() == []


def test_a_missing_key_without_default_is_a_problem() -> None:
    """It says what was expected there."""
    reading = Reading()
    section = reading.section
    assert section.text("host") is None
    assert section.choice("colour", Colour) is None
    assert section.integer("port", minimum=1) is None
    assert section.boolean("open") is None
    assert section.texts("groups") is None
    assert section.duration("idle") is None
    assert reading.said() == [
        "site.toml: host: missing, expected text",
        "site.toml: colour: missing, expected one of 'red', 'green'",
        "site.toml: port: missing, expected a whole number of at least 1",
        "site.toml: open: missing, expected true or false",
        "site.toml: groups: missing, expected a list of texts",
        "site.toml: idle: missing, expected a duration such as '90s', '30m', '12h' or '30d'",
    ]


def test_a_missing_key_with_default_answers_the_default() -> None:
    """`None` is a default like another."""
    reading = Reading()
    section = reading.section
    assert section.text("host", default="x") == "x"
    assert section.text("name", default=None) is None
    assert section.choice("colour", Colour, default=Colour.GREEN) is Colour.GREEN
    assert section.integer("port", default=8443) == 8443
    assert section.boolean("open", default=False) is False
    assert section.texts("groups", default=()) == ()
    assert section.duration("idle", default=timedelta(hours=1)) == timedelta(hours=1)
    section.finish()
    assert reading.said() == []


def test_after_a_problem_the_default_is_the_answer_and_reading_goes_on() -> None:
    """So one reading finds all there is."""
    reading = Reading('host = 1\nport = "x"\nidle = "0s"\n')
    section = reading.section
    assert section.text("host") is None
    assert section.integer("port", default=8443) == 8443
    assert section.duration("idle", default=None) is None
    assert reading.said() == [
        "site.toml: host: expected text, found a whole number",
        "site.toml: port: expected a whole number, found text",
        "site.toml: idle: expected a duration of at least 1s, found '0s'",
    ]


def test_zero_is_a_duration_where_it_is_allowed() -> None:
    """By saying so."""
    assert Reading('grace = "0s"').section.duration("grace", minimum=timedelta()) == timedelta()


def test_the_check_of_the_caller_has_the_last_word() -> None:
    """Its message is the person's message."""

    def check(host: str) -> None:
        raise ValueError(f"{host!r} is not a host name")

    reading = Reading('host = "a b"')
    assert reading.section.text("host", check=check) is None
    assert reading.said() == ["site.toml: host: 'a b' is not a host name"]


def test_unknown_keys_are_problems_and_near_ones_are_suggested() -> None:
    """In the order of the file; where nothing is near, all keys are named."""
    reading = Reading('hots = "x"\nzebra = 1\n"odd key" = 2\n')
    reading.section.text("host", default=None)
    reading.section.integer("port", default=1)
    reading.section.finish()
    assert reading.said() == [
        "site.toml: hots: unknown key; did you mean 'host'?",
        "site.toml: zebra: unknown key; the keys here are: host, port",
        "site.toml: 'odd key': unknown key; the keys here are: host, port",
    ]


def test_where_no_key_belongs_it_is_said() -> None:
    """A section may be empty on purpose."""
    reading = Reading("x = 1")
    reading.section.finish()
    assert reading.said() == ["site.toml: x: unknown key; the keys here are: none"]


def test_sections_have_places_of_their_own() -> None:
    """Down to the item of a list in a table of an array."""
    reading = Reading('[a.b]\nn = "x"\n[[rules]]\n[[rules]]\ngroups = ["a", 1]\n')
    reading.section.section("a").section("b").integer("n")
    for rule in reading.section.sections("rules"):
        rule.texts("groups", default=None)
        rule.finish()
    reading.section.finish()
    assert reading.said() == [
        "site.toml: a.b.n: expected a whole number, found text",
        "site.toml: rules[2].groups[2]: expected text, found a whole number",
    ]


def test_a_missing_section_is_an_empty_one() -> None:
    """Its required keys are missing one by one; whether it is there can be asked."""
    reading = Reading()
    assert "mail" not in reading.section
    reading.section.section("mail").text("host")
    assert reading.section.sections("rules") == ()
    assert reading.said() == ["site.toml: mail.host: missing, expected text"]


def test_what_is_not_a_section_is_one_problem() -> None:
    """What would be missing in it is not told on top."""
    reading = Reading('mail = "x"\nrules = ["y"]\n[apps]\n')
    assert "mail" in reading.section
    reading.section.section("mail").text("host")
    for rule in reading.section.sections("rules"):
        rule.text("effect")
        rule.report(None, "nothing of this is told either")
    reading.section.sections("apps")
    assert reading.said() == [
        "site.toml: mail: expected a table, found text",
        "site.toml: rules[1]: expected a table, found text",
        (
            "site.toml: apps: expected a list of tables, found a table; "
            "write its header in double brackets, [[ ]]"
        ),
    ]
    assert read_tables(1, "site.toml: rules", reading.problems) == ()
    assert reading.said()[-1] == (
        "site.toml: rules: expected a list of tables, found a whole number"
    )


def test_raw_values_and_problems_of_the_caller() -> None:
    """Who reads a key by itself reports it by itself, in the same form."""
    reading = Reading("[a]\nx = [1]\n")
    section = reading.section.section("a")
    assert section.raw("x") == [1]
    assert section.raw("y") is None
    assert section.place == "site.toml: a"
    assert section.place_of("x") == "site.toml: a.x"
    section.report("x", "too odd")
    section.report(None, "odd as a whole")
    section.finish()
    assert reading.said() == ["site.toml: a.x: too odd", "site.toml: a: odd as a whole"]


def test_no_value_of_a_wrong_type_is_quoted() -> None:
    """It may be a secret that was put into the wrong key."""
    reading = Reading('port = "hunter2"\nopen = "hunter2"\ngroups = "hunter2"\nmail = "hunter2"\n')
    reading.section.integer("port")
    reading.section.boolean("open")
    reading.section.texts("groups")
    reading.section.section("mail")
    assert len(reading.problems) == 4
    assert "hunter2" not in "".join(reading.said())


def test_good_toml_is_parsed() -> None:
    """With or without a byte order mark."""
    problems: list[Problem] = []
    assert parse_toml("a = 1", "site.toml", problems) == {"a": 1}
    assert parse_toml("\N{ZERO WIDTH NO-BREAK SPACE}a = 1", "site.toml", problems) == {"a": 1}
    assert problems == []


@pytest.mark.parametrize(
    "text, message",
    [
        ("a = 1\nb = = 2", "site.toml: line 2, column 5: not valid TOML: invalid value"),
        ("a = ", "site.toml: end of document: not valid TOML: invalid value"),
        ("a = 1\na = 2\n", "site.toml: line 2, column 6: not valid TOML: cannot overwrite a value"),
        ("a = " + "[" * 100_000, "site.toml: not valid TOML: nested too deeply"),
    ],
)
def test_bad_toml_has_a_place(text: str, message: str) -> None:
    """Line and column, where the parser knows them."""
    problems: list[Problem] = []
    assert parse_toml(text, "site.toml", problems) is None
    assert [str(problem) for problem in problems] == [message]


def test_a_number_that_python_will_not_read_is_a_problem() -> None:
    """It is the one complaint that tomllib does not make its own."""
    problems: list[Problem] = []
    assert parse_toml("a = " + "1" * 5000, "site.toml", problems) is None
    assert len(problems) == 1
    assert problems[0].place == "site.toml"
    assert problems[0].message.startswith("not valid TOML: ")


@given(st.text())
def test_any_text_is_parsed_or_reported(text: str) -> None:
    """Exactly one of the two."""
    problems: list[Problem] = []
    assert (parse_toml(text, "site.toml", problems) is None) == bool(problems)
