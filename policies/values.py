"""What one value of a setting may be: readers that record problems and never raise."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from difflib import get_close_matches
from enum import StrEnum
from typing import Final, Generic, TypeVar

from policies.durations import parse_duration, show_duration

_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

T_co = TypeVar("T_co", covariant=True)
E = TypeVar("E", bound=StrEnum)

Check = Callable[[str], object]
"""Raises `ValueError` with a message for people; what it returns is not used."""

# In the order of asking: bool is an int and datetime is a date in Python.
_KINDS: Final[tuple[tuple[type, str], ...]] = (
    (bool, "a boolean"),
    (int, "a whole number"),
    (float, "a decimal number"),
    (str, "text"),
    (list, "a list"),
    (dict, "a table"),
    (datetime, "a date with a time"),
    (date, "a date"),
    (time, "a time of day"),
)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a file.

    *place* is the file and the key in it, as in `apps/wiki.toml: rules[2].groups`;
    items are counted from 1, as people count them.
    """

    place: str
    message: str

    def __str__(self) -> str:
        """Place and message, as one line."""
        return f"{self.place}: {self.message}"


@dataclass(frozen=True, slots=True)
class Reader(Generic[T_co]):
    """Reads one kind of value.

    *expected* is what it takes, in words. *read* gets a value, its place and
    the list of problems; it returns `None` after recording at least one.
    """

    expected: str
    read: Callable[[object, str, list[Problem]], T_co | None]


def kind_of(value: object) -> str:
    """Return what *value* is in words, without saying what it contains."""
    for kind, words in _KINDS:
        if isinstance(value, kind):
            return words
    return f"a {type(value).__name__}"


def suggest(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the nearest of *known*, or nothing if none is near."""
    near = get_close_matches(word.lower(), list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def item_place(place: str, position: int) -> str:
    """Return the place of the item at *position*, counted from 1, of the list at *place*."""
    return f"{place}[{position}]"


def text(expected: str = "text", check: Check | None = None) -> Reader[str]:
    """Read a text that is not blank and passes *check*."""

    def read(value: object, place: str, problems: list[Problem]) -> str | None:
        if not isinstance(value, str):
            problems.append(Problem(place, f"expected {expected}, found {kind_of(value)}"))
        elif not value.strip():
            problems.append(Problem(place, f"expected {expected}, found an empty text"))
        elif message := _objection(check, value):
            problems.append(Problem(place, message))
        else:
            return value
        return None

    return Reader(expected, read)


def one_of(choices: Iterable[str]) -> Reader[str]:
    """Read a text that is one of *choices*."""
    allowed = tuple(choices)
    expected = f"one of {', '.join(map(repr, allowed))}"

    def check(found: str) -> None:
        if found not in allowed:
            raise ValueError(f"expected {expected}, found {found!r}{suggest(found, allowed)}")

    return text(expected, check)


def member(kind: type[E]) -> Reader[E]:
    """Read the value of a member of *kind* as that member."""
    word = one_of(each.value for each in kind)

    def read(value: object, place: str, problems: list[Problem]) -> E | None:
        found = word.read(value, place, problems)
        return None if found is None else kind(found)

    return Reader(word.expected, read)


def integer(minimum: int | None = None, maximum: int | None = None) -> Reader[int]:
    """Read a whole number from *minimum* to *maximum*, both included."""
    expected = "a whole number" + _range_in_words(minimum, maximum)

    def read(value: object, place: str, problems: list[Problem]) -> int | None:
        if not isinstance(value, int) or isinstance(value, bool):
            problems.append(Problem(place, f"expected {expected}, found {kind_of(value)}"))
        elif (minimum is not None and value < minimum) or (maximum is not None and value > maximum):
            problems.append(Problem(place, f"expected {expected}, found {_shortened(value)}"))
        else:
            return value
        return None

    return Reader(expected, read)


def boolean() -> Reader[bool]:
    """Read `true` or `false`."""
    expected = "true or false"

    def read(value: object, place: str, problems: list[Problem]) -> bool | None:
        if isinstance(value, bool):
            return value
        problems.append(Problem(place, f"expected {expected}, found {kind_of(value)}"))
        return None

    return Reader(expected, read)


def texts(check: Check | None = None) -> Reader[tuple[str, ...]]:
    """Read a list of distinct texts, at least one, none of them blank, all passing *check*."""
    expected = "a list of texts"
    item = text(check=check)

    def read(value: object, place: str, problems: list[Problem]) -> tuple[str, ...] | None:
        if not isinstance(value, list):
            hint = "; put it between [ and ]" if isinstance(value, str) else ""
            problems.append(Problem(place, f"expected {expected}, found {kind_of(value)}{hint}"))
            return None
        if not value:
            # Some would read it as nobody and others as everybody.
            message = "an empty list: name at least one, or leave the key out"
            problems.append(Problem(place, message))
            return None
        found: dict[str, None] = {}
        for position, each in enumerate(value, start=1):
            where = item_place(place, position)
            word = item.read(each, where, problems)
            if word is None:
                continue
            if word in found:
                problems.append(Problem(where, f"{word!r} is listed twice"))
            found[word] = None
        return tuple(found) if len(found) == len(value) else None

    return Reader(expected, read)


def one_or_more(check: Check | None = None) -> Reader[tuple[str, ...]]:
    """Read a text, or a list of them as `texts` does."""
    expected = "a text or a list of texts"
    one, several = text(expected, check), texts(check)

    def read(value: object, place: str, problems: list[Problem]) -> tuple[str, ...] | None:
        if isinstance(value, list):
            return several.read(value, place, problems)
        word = one.read(value, place, problems)
        return None if word is None else (word,)

    return Reader(expected, read)


def day() -> Reader[date]:
    """Read a date: TOML's own, or the same as a text."""
    expected = "a date such as 2026-12-31"

    def read(value: object, place: str, problems: list[Problem]) -> date | None:
        if isinstance(value, str):
            try:
                # Python also takes weeks and days without dashes; people would wonder.
                if _DATE.fullmatch(value):
                    return date.fromisoformat(value)
            except ValueError:
                pass
            problems.append(Problem(place, f"expected {expected}, found {value!r}"))
            return None
        if isinstance(value, date) and not isinstance(value, datetime):
            return value
        problems.append(Problem(place, f"expected {expected}, found {kind_of(value)}"))
        return None

    return Reader(expected, read)


def duration(minimum: timedelta, maximum: timedelta | None = None) -> Reader[timedelta]:
    """Read `90s`, `30m`, `12h` or `30d`, from *minimum* to *maximum*, both included."""
    word = text("a duration such as '90s', '30m', '12h' or '30d'", parse_duration)
    limits = _range_in_words(
        show_duration(minimum), None if maximum is None else show_duration(maximum)
    )

    def read(value: object, place: str, problems: list[Problem]) -> timedelta | None:
        found = word.read(value, place, problems)
        if found is None:
            return None
        length = parse_duration(found)
        if minimum <= length and (maximum is None or length <= maximum):
            return length
        problems.append(Problem(place, f"expected a duration{limits}, found {found!r}"))
        return None

    return Reader(word.expected, read)


def _objection(check: Check | None, value: str) -> str | None:
    """Return what *check* has against *value*."""
    if check is None:
        return None
    try:
        check(value)
    except ValueError as error:
        return str(error) or "not a value that can stand here"
    return None


def _shortened(number: int) -> str:
    """Write *number*, unless Python would refuse to write one so long."""
    return str(number) if abs(number) < 10**30 else "a number far beyond that"


def _range_in_words(minimum: object, maximum: object) -> str:
    """Return ` from 1 to 9`, ` of at least 1`, ` of at most 9` or nothing."""
    if minimum is not None and maximum is not None:
        return f" from {minimum} to {maximum}"
    if minimum is not None:
        return f" of at least {minimum}"
    if maximum is not None:
        return f" of at most {maximum}"
    return ""
