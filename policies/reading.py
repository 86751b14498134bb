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

Values of a wrong type are named by their type and never quoted, as they may be secrets.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from enum import Enum, StrEnum
from typing import Final, TypeVar, cast, overload

from policies import values
from policies.values import Check, Problem, Reader, item_place, kind_of, suggest

__all__ = ["Problem", "Section", "parse_toml", "read_tables"]

T = TypeVar("T")
D = TypeVar("D")
E = TypeVar("E", bound=StrEnum)

_SECOND: Final = timedelta(seconds=1)
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
_POSITION: Final = re.compile(r"(.*) \(at (line \d+, column \d+|end of document)\)", re.DOTALL)


class _Required(Enum):
    """Stands for *no default*, as `None` is a default that callers use."""

    REQUIRED = "required"


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

    def __iter__(self) -> Iterator[str]:
        """Yield the keys of the table, for one whose keys are names. Asks for none of them."""
        return iter(self._mapping)

    def place_of(self, key: str) -> str:
        """Return the place of *key*, for problems that the caller finds itself."""
        shown = key if _BARE_KEY.fullmatch(key) else repr(key)
        # A place without a key yet is a file name alone.
        return f"{self.place}.{shown}" if ": " in self.place else f"{self.place}: {shown}"

    def report(self, key: str | None, message: str) -> None:
        """Record a problem that the caller found with *key*, or with the whole section."""
        place = self.place if key is None else self.place_of(key)
        self._problems.append(Problem(place, message))

    @property
    def problem_count(self) -> int:
        """How many problems there are by now, in all that is read together."""
        return len(self._problems)

    def finish(self) -> None:
        """Report every key that nobody asked for. To be called once, after all takers."""
        for key in self._mapping:
            if key not in self._asked:
                known = ", ".join(sorted(self._asked)) or "none"
                hint = suggest(key, self._asked) or f"; the keys here are: {known}"
                self.report(key, f"unknown key{hint}")

    def raw(self, key: str) -> object:
        """Take the value of *key* as it is, or `None` if it is missing: the caller judges."""
        self._asked[key] = None
        return self._mapping.get(key)

    @overload
    def text(
        self, key: str, *, choices: Iterable[str] | None = ..., check: Check | None = ...
    ) -> str | None: ...
    @overload
    def text(
        self,
        key: str,
        *,
        default: D,
        choices: Iterable[str] | None = ...,
        check: Check | None = ...,
    ) -> str | D: ...
    def text(
        self,
        key: str,
        *,
        default: D | _Required = _Required.REQUIRED,
        choices: Iterable[str] | None = None,
        check: Check | None = None,
    ) -> str | D | None:
        """Take a text that is not blank: one of *choices*, or else one that passes *check*.

        *check* raises `ValueError` with the message for the person; what it
        returns is not used.
        """
        reader = values.text(check=check) if choices is None else values.one_of(choices)
        return self._take(key, default, reader)

    @overload
    def choice(self, key: str, kind: type[E]) -> E | None: ...
    @overload
    def choice(self, key: str, kind: type[E], *, default: D) -> E | D: ...
    def choice(
        self, key: str, kind: type[E], *, default: D | _Required = _Required.REQUIRED
    ) -> E | D | None:
        """Take a text that is the value of a member of *kind*, as that member."""
        return self._take(key, default, values.member(kind))

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
        return self._take(key, default, values.integer(minimum, maximum))

    @overload
    def boolean(self, key: str) -> bool | None: ...
    @overload
    def boolean(self, key: str, *, default: D) -> bool | D: ...
    def boolean(self, key: str, *, default: D | _Required = _Required.REQUIRED) -> bool | D | None:
        """Take `true` or `false`."""
        return self._take(key, default, values.boolean())

    @overload
    def texts(self, key: str, *, check: Check | None = ...) -> tuple[str, ...] | None: ...
    @overload
    def texts(self, key: str, *, default: D, check: Check | None = ...) -> tuple[str, ...] | D: ...
    def texts(
        self,
        key: str,
        *,
        default: D | _Required = _Required.REQUIRED,
        check: Check | None = None,
    ) -> tuple[str, ...] | D | None:
        """Take a list of distinct texts, none of them blank, all of which pass *check*.

        An empty list is a problem.
        """
        return self._take(key, default, values.texts(check))

    def one_or_more(self, key: str, *, check: Check | None = None) -> tuple[str, ...]:
        """Take a text, or a list of them as `texts` does; nothing where it is missing."""
        nothing: tuple[str, ...] = ()
        return self._take(key, nothing, values.one_or_more(check)) or nothing

    @overload
    def date(self, key: str) -> date | None: ...
    @overload
    def date(self, key: str, *, default: D) -> date | D: ...
    def date(self, key: str, *, default: D | _Required = _Required.REQUIRED) -> date | D | None:
        """Take a date, as TOML writes it or as the same in a text."""
        return self._take(key, default, values.day())

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
        minimum: timedelta = _SECOND,
        maximum: timedelta | None = None,
    ) -> timedelta | D | None:
        """Take a duration written as `90s`, `30m`, `12h` or `30d`.

        It lies from *minimum* to *maximum*, both included; zero must be allowed by saying so.
        """
        return self._take(key, default, values.duration(minimum, maximum))

    def section(self, key: str) -> "Section":
        """Take a table as a section of its own; a missing one is an empty one.

        So its required keys are reported one by one. Ask `key in section`
        first where the table as a whole may be left out.
        """
        value = self.raw(key)
        return _read_table({} if value is None else value, self.place_of(key), self._problems)

    def sections(self, key: str) -> tuple["Section", ...]:
        """Take an array of tables, `[[key]]`, as sections; a missing one has none."""
        return read_tables(self.raw(key), self.place_of(key), self._problems)

    def _take(self, key: str, default: D | _Required, reader: Reader[T]) -> T | D | None:
        self._asked[key] = None
        fallback = None if isinstance(default, _Required) else default
        if key in self._mapping:
            value = reader.read(self._mapping[key], self.place_of(key), self._problems)
            return fallback if value is None else value
        if isinstance(default, _Required):
            self.report(key, f"missing, expected {reader.expected}")
        return fallback


def read_tables(value: object, place: str, problems: list[Problem]) -> tuple[Section, ...]:
    """Read *value*, which stands at *place*, as an array of tables; `None` is a missing one."""
    if value is None:
        return ()
    if not isinstance(value, list):
        hint = "; write its header in double brackets, [[ ]]" if isinstance(value, dict) else ""
        message = f"expected a list of tables, found {kind_of(value)}{hint}"
        problems.append(Problem(place, message))
        return ()
    return tuple(
        _read_table(item, item_place(place, position), problems)
        for position, item in enumerate(value, start=1)
    )


def _read_table(value: object, place: str, problems: list[Problem]) -> Section:
    if isinstance(value, dict):
        # The keys of a TOML table are always texts.
        return Section(cast(dict[str, object], value), place, problems)
    problems.append(Problem(place, f"expected a table, found {kind_of(value)}"))
    # One problem is enough: what would be missing in it goes to nobody.
    return Section({}, place, [])
