"""What a command prints: tables and local times for people, JSON and UTC for programs."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import click

Json = Mapping[str, Any] | Sequence[Any]

json_option: Final[Callable[[Callable[..., None]], Callable[..., None]]] = click.option(
    "--json", "as_json", is_flag=True, help="Answer with JSON, for programs."
)

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_GAP: Final = "  "
_NOTHING: Final = "-"
_SECOND: Final = timedelta(seconds=1)


class ExampleCommand(click.Command):
    """A command whose help ends with an example, which cannot be forgotten."""

    def __init__(
        self, name: str | None, *, example: str, table: str = "", **attributes: Any
    ) -> None:
        """*example* is one command line, without the word `pusterla`; *table* comes before it.

        The paragraphs of *table* keep their lines.
        """
        before = "".join(f"\b\n{part}\n\n" for part in table.split("\n\n") if part)
        attributes["epilog"] = f"{before}\b\nExample:\n  pusterla {example}"
        super().__init__(name, **attributes)


def say(text: str = "") -> None:
    """Print *text* for people; what strangers wrote cannot move their cursor."""
    click.echo("\n".join(map(printable, text.split("\n"))))


def say_json(value: Json) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def say_json_line(value: Json) -> None:
    """Print one JSON document on one line, for a stream of them."""
    click.echo(json.dumps(value, ensure_ascii=False))


def note(text: str) -> None:
    """Tell people on stderr how things go, beside what was asked for."""
    click.echo(printable(text), err=True)


def warn(text: str) -> None:
    """Tell people on stderr what they should know though it stops nothing."""
    click.echo(f"pusterla: warning: {printable(text)}", err=True)


def say_table(head: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """Print *rows* in columns below *head*, or the words *empty* to stderr if there are none."""
    found = list(rows)
    if not found:
        note(empty)
        return
    say(table([head, *found]))


def table(rows: Sequence[Sequence[object]]) -> str:
    """Align *rows* in columns; nothing is cut off, and an empty cell shows as a dash."""
    cells = [[printable(str(cell)) or _NOTHING for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        _GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )


def csv_text(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write *rows* below *head* as CSV (RFC 4180), such as a spreadsheet takes for text alone."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(head)
    writer.writerows([_harmless(cell) for cell in row] for row in rows)
    return text.getvalue()


def _harmless(cell: str) -> str:
    """Keep a spreadsheet from taking a name for a formula."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def say_facts(facts: Iterable[tuple[str, object]]) -> None:
    """Print *facts* as aligned lines of `name  value`."""
    say(table(list(facts)))


def printable(text: str) -> str:
    """Escape what is not printable: names of people come from people."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


def local(moment: datetime | None) -> str:
    """Write *moment* in the zone of this machine, with its offset; nothing for None.

    In UTC where it is in no year here: what never ends, ends in the last second of 9999.
    """
    if moment is None:
        return ""
    try:
        here = moment.astimezone()
    except OverflowError:
        here = moment.astimezone(UTC)
    return here.isoformat(" ", "seconds")


def utc(moment: datetime | None) -> str | None:
    """Write *moment* as ISO 8601 in UTC, for JSON."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def spell(duration: timedelta) -> str:
    """Write *duration* in words with its two largest units: `6 days 3 hours`."""
    seconds = max(0, duration // _SECOND)
    units = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))
    parts: list[tuple[int, str]] = []
    for name, size in units:
        count, seconds = divmod(seconds, size)
        if count or parts or size == 1:
            parts.append((count, name))
    return " ".join(f"{count} {name}{'' if count == 1 else 's'}" for count, name in parts[:2])


def names(values: Iterable[str] | None, *, everything: str) -> str:
    """Write *values* in a fixed order; *everything* stands for None."""
    return everything if values is None else ", ".join(sorted(values))
