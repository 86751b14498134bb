"""The one reader of TOML mappings: typed takers that collect problems and read on.

Whoever mistypes three keys wants to hear of three, not of the first: a taker
records a `Problem` and answers with the default (or `None`), so that reading
goes on to the end. What was read may be used only if no problem was recorded.

    problems: list[Problem] = []
    data = parse_toml(text, "pusterla.toml", problems)
    if data is not None:
        section = Section(data, "pusterla.toml", problems)
        port = section.integer("port", default=8443, minimum=1, maximum=65535)
        section.finish()

Values of wrong type are named by their type and never quoted, as they may be secrets.
"""

import difflib
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import Enum, StrEnum
from typing import Final, TypeVar, cast, overload

from policies.durations import parse_duration, show_duration

T = TypeVar("T")
D = TypeVar("D")
E = TypeVar("E", bound=StrEnum)

_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
_POSITION: Final = re.compile(r"(.*) \(at (line \d+, column \d+|end of document)\)", re.DOTALL)

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


class _Required(Enum):
    """Stands for *no default*, as `None` is a default that callers use."""

    REQUIRED = "required"


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


def parse_toml(text: str, place: str, problems: list[Problem]) -> dict[str, object] | None:
    """Parse *text*, or record why it is not TOML, with line and column, and return `None`."""
    try:
        # Some editors begin a file with a byte order mark, which nobody can see there.
        return tomllib.loads(text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}"))
    except RecursionError:
        problems.append(Problem(place, "not valid TOML: nested too deeply"))
    except ValueError as error:
        # Not TOMLDecodeError alone: a number of 5,000 digits is a plain ValueError.
        if found := _POSITION.fullmatch(str(error)):
            place = f"{place}: {found[2]}"
        what = found[1] if found else str(error)
        problems.append(Problem(place, f"not valid TOML: {what[:1].lower()}{what[1:]}"))
    return None


def item_place(place: str, position: int) -> str:
    """Return the place of the item at *position*, counted from 1, of the list at *place*."""
    return f"{place}[{position}]"


def kind_of(value: object) -> str:
    """Return what *value* is in words, without saying what it contains."""
    for kind, words in _KINDS:
        if isinstance(value, kind):
            return words
    return f"a {type(value).__name__}"


def suggest(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the nearest of *known*, or nothing if none is near."""
    near = difflib.get_close_matches(word.lower(), list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


class Section:
    """One TOML table that is being read.

    Each taker (`text`, `integer`, …) asks for one key. Without *default* the
    key is required; with one, a missing key is no problem and answers the
    default. After a problem the answer is the default too, or `None`. At the
    end `finish` reports the keys that no taker asked for.

    No taker raises for what a file contains. *problems* is the caller's list,
    shared by all sections of all files that are read together.
    """

    __slots__ = ("_asked", "_mapping", "_problems", "place")

    def __init__(self, mapping: Mapping[str, object], place: str, problems: list[Problem]) -> None:
        self._mapping = mapping
        self._problems = problems
        self._asked: dict[str, None] = {}
        self.place: Final = place

    def __contains__(self, key: str) -> bool:
        """Whether the table has *key*. Does not count as asking for it."""
        return key in self._mapping

    def place_of(self, key: str) -> str:
        """Return the place of *key*, for problems that the caller finds itself."""
        shown = key if _BARE_KEY.fullmatch(key) else repr(key)
        # A place without a key yet is a file name alone.
        return f"{self.place}.{shown}" if ": " in self.place else f"{self.place}: {shown}"

    def report(self, key: str, message: str) -> None:
        """Record a problem with *key* that the caller found."""
        self._report(self.place_of(key), message)

    def finish(self) -> None:
        """Report every key that nobody asked for. To be called once, after all takers."""
        for key in self._mapping:
            if key not in self._asked:
                hint = suggest(key, self._asked)
                known = ", ".join(sorted(self._asked)) or "none"
                self.report(key, f"unknown key{hint or f'; the keys here are: {known}'}")

    def raw(self, key: str) -> object:
        """Take the value of *key* as it is, or `None` if it is missing: the caller judges."""
        self._asked[key] = None
        return self._mapping.get(key)

    @overload
    def text(
        self,
        key: str,
        *,
        choices: Iterable[str] | None = ...,
        check: Callable[[str], object] | None = ...,
    ) -> str | None: ...
    @overload
    def text(
        self,
        key: str,
        *,
        default: D,
        choices: Iterable[str] | None = ...,
        check: Callable[[str], object] | None = ...,
    ) -> str | D: ...
    def text(
        self,
        key: str,
        *,
        default: D | _Required = _Required.REQUIRED,
        choices: Iterable[str] | None = None,
        check: Callable[[str], object] | None = None,
    ) -> str | D | None:
        """Take a text that is not blank, is one of *choices* and passes *check*.

        *check* raises `ValueError` with the message for the person; what it
        returns is not used.
        """
        values = None if choices is None else tuple(choices)
        expected = "text" if values is None else _one_of(values)

        def read(value: object, place: str) -> str | None:
            text = self._text(value, place, expected, check)
            return text if values is None else self._chosen(text, place, values)

        return self._take(key, default, expected, read)

    @overload
    def choice(self, key: str, kind: type[E]) -> E | None: ...
    @overload
    def choice(self, key: str, kind: type[E], *, default: D) -> E | D: ...
    def choice(
        self, key: str, kind: type[E], *, default: D | _Required = _Required.REQUIRED
    ) -> E | D | None:
        """Take a text that is the value of a member of *kind*, as that member."""
        values = tuple(member.value for member in kind)
        expected = _one_of(values)

        def read(value: object, place: str) -> E | None:
            text = self._chosen(self._text(value, place, expected, None), place, values)
            return None if text is None else kind(text)

        return self._take(key, default, expected, read)

    @overload
    def integer(
        self, key: str, *, minimum: int | None = ..., maximum: int | None = ...
    ) -> int | None: ...
    @overload
    def integer(
        self, key: str, *, default: D, minimum: int | None = ..., maximum: int | None = ...
    ) -> int | D: ...
    def integer(
        self,
        key: str,
        *,
        default: D | _Required = _Required.REQUIRED,
        minimum: int | None = None,
        maximum: int | None = None,
    ) -> int | D | None:
        """Take a whole number from *minimum* to *maximum*, both included."""
        expected = "a whole number" + _range_in_words(minimum, maximum)

        def read(value: object, place: str) -> int | None:
            if not isinstance(value, int) or isinstance(value, bool):
                self._report(place, f"expected {expected}, found {kind_of(value)}")
                return None
            if (minimum is None or minimum <= value) and (maximum is None or value <= maximum):
                return value
            self._report(place, f"expected {expected}, found {value}")
            return None

        return self._take(key, default, expected, read)

    @overload
    def boolean(self, key: str) -> bool | None: ...
    @overload
    def boolean(self, key: str, *, default: D) -> bool | D: ...
    def boolean(self, key: str, *, default: D | _Required = _Required.REQUIRED) -> bool | D | None:
        """Take `true` or `false`."""
        expected = "true or false"

        def read(value: object, place: str) -> bool | None:
            if isinstance(value, bool):
                return value
            self._report(place, f"expected {expected}, found {kind_of(value)}")
            return None

        return self._take(key, default, expected, read)

    @overload
    def texts(
        self, key: str, *, check: Callable[[str], object] | None = ...
    ) -> tuple[str, ...] | None: ...
    @overload
    def texts(
        self, key: str, *, default: D, check: Callable[[str], object] | None = ...
    ) -> tuple[str, ...] | D: ...
    def texts(
        self,
        key: str,
        *,
        default: D | _Required = _Required.REQUIRED,
        check: Callable[[str], object] | None = None,
    ) -> tuple[str, ...] | D | None:
        """Take a list of distinct texts, none of them blank, all of which pass *check*.

        An empty list is a problem: some would read it as *nobody* and others as *everybody*.
        """
        expected = "a list of texts"

        def read(value: object, place: str) -> tuple[str, ...] | None:
            if not isinstance(value, list):
                hint = "; put it between [ and ]" if isinstance(value, str) else ""
                self._report(place, f"expected {expected}, found {kind_of(value)}{hint}")
                return None
            if not value:
                self._report(place, "an empty list: name at least one, or leave the key out")
                return None
            return self._items(value, place, check)

        return self._take(key, default, expected, read)

    @overload
    def duration(
        self, key: str, *, minimum: timedelta = ..., maximum: timedelta | None = ...
    ) -> timedelta | None: ...
    @overload
    def duration(
        self, key: str, *, default: D, minimum: timedelta = ..., maximum: timedelta | None = ...
    ) -> timedelta | D: ...
    def duration(
        self,
        key: str,
        *,
        default: D | _Required = _Required.REQUIRED,
        minimum: timedelta = timedelta(seconds=1),
        maximum: timedelta | None = None,
    ) -> timedelta | D | None:
        """Take a duration written as `90s`, `30m`, `12h` or `30d`.

        It lies from *minimum* to *maximum*, both included; zero must be allowed by saying so.
        """
        expected = "a duration such as '90s', '30m', '12h' or '30d'"

        def read(value: object, place: str) -> timedelta | None:
            text = self._text(value, place, expected, parse_duration)
            if text is None:
                return None
            duration = parse_duration(text)
            if minimum <= duration and (maximum is None or duration <= maximum):
                return duration
            words = _range_in_words(
                show_duration(minimum), None if maximum is None else show_duration(maximum)
            )
            self._report(place, f"expected a duration{words}, found {text!r}")
            return None

        return self._take(key, default, expected, read)

    def section(self, key: str) -> "Section":
        """Take a table as a section of its own; a missing one is an empty one.

        So its required keys are reported one by one. Ask `key in section`
        first where the table as a whole may be left out.
        """
        value = self.raw(key)
        place = self.place_of(key)
        if value is None:
            return Section({}, place, self._problems)
        return self._section(value, place)

    def sections(self, key: str) -> tuple["Section", ...]:
        """Take an array of tables, `[[key]]`, as sections; a missing one has none."""
        value = self.raw(key)
        place = self.place_of(key)
        if value is None:
            return ()
        if not isinstance(value, list):
            hint = f"; write [[{key}]]" if isinstance(value, dict) else ""
            self._report(place, f"expected a list of tables, found {kind_of(value)}{hint}")
            return ()
        return tuple(
            self._section(item, item_place(place, position))
            for position, item in enumerate(value, start=1)
        )

    def _section(self, value: object, place: str) -> "Section":
        if isinstance(value, dict):
            # The keys of a TOML table are always texts.
            return Section(cast("dict[str, object]", value), place, self._problems)
        self._report(place, f"expected a table, found {kind_of(value)}")
        # One problem is enough: what would be missing in it goes to nobody.
        return Section({}, place, [])

    def _items(
        self, values: list[object], place: str, check: Callable[[str], object] | None
    ) -> tuple[str, ...] | None:
        """Read every item, so that every wrong one is reported."""
        items: dict[str, None] = {}
        for position, value in enumerate(values, start=1):
            where = item_place(place, position)
            item = self._text(value, where, "text", check)
            if item is None:
                continue
            if item in items:
                self._report(where, f"{item!r} is listed twice")
            items[item] = None
        return tuple(items) if len(items) == len(values) else None

    def _text(
        self,
        value: object,
        place: str,
        expected: str,
        check: Callable[[str], object] | None,
    ) -> str | None:
        if not isinstance(value, str):
            self._report(place, f"expected {expected}, found {kind_of(value)}")
            return None
        if not value.strip():
            self._report(place, f"expected {expected}, found an empty text")
            return None
        if check is not None:
            try:
                check(value)
            except ValueError as error:
                self._report(place, str(error))
                return None
        return value

    def _chosen(self, text: str | None, place: str, values: tuple[str, ...]) -> str | None:
        if text is None or text in values:
            return text
        hint = suggest(text, values)
        self._report(place, f"expected {_one_of(values)}, found {text!r}{hint}")
        return None

    def _take(
        self,
        key: str,
        default: D | _Required,
        expected: str,
        read: Callable[[object, str], T | None],
    ) -> T | D | None:
        self._asked[key] = None
        fallback = None if isinstance(default, _Required) else default
        if key in self._mapping:
            value = read(self._mapping[key], self.place_of(key))
            return fallback if value is None else value
        if isinstance(default, _Required):
            self.report(key, f"missing, expected {expected}")
        return fallback

    def _report(self, place: str, message: str) -> None:
        self._problems.append(Problem(place, message))


def _one_of(values: Iterable[str]) -> str:
    return f"one of {', '.join(map(repr, values))}"


def _range_in_words(minimum: object, maximum: object) -> str:
    """Return ` from 1 to 9`, ` of at least 1`, ` of at most 9` or nothing."""
    if minimum is not None and maximum is not None:
        return f" from {minimum} to {maximum}"
    if minimum is not None:
        return f" of at least {minimum}"
    if maximum is not None:
        return f" of at most {maximum}"
    return ""
