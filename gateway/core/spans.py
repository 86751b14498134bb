"""Days that people ask for: spans of dates, as they are written down."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True, order=True)
class DaySpan:
    """From *first* to *last*, both of which count. Raises `ValueError` where that is before."""

    first: date
    last: date

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise ValueError(f"{self.last} is before {self.first}")

    def __str__(self) -> str:
        """As it is written down: `2026-11-24`, or `2026-12-01/2026-12-03` (ISO 8601-1, 5.5)."""
        return f"{self.first}" if self.first == self.last else f"{self.first}/{self.last}"


def spans_of(days: Iterable[date]) -> tuple[DaySpan, ...]:
    """Put *days* together to as few spans as there can be, in their order."""
    found: list[DaySpan] = []
    for day in sorted(set(days)):
        if found and (day - found[-1].last).days == 1:
            found[-1] = DaySpan(found[-1].first, day)
        else:
            found.append(DaySpan(day, day))
    return tuple(found)


def show_spans(spans: Iterable[DaySpan]) -> str:
    """Write *spans* down; `parse_spans` reads the same."""
    return ",".join(map(str, spans))


def parse_spans(text: str) -> tuple[DaySpan, ...]:
    """Read `2026-11-24,2026-12-01/2026-12-03`, "" for none, or raise `ValueError`."""
    found = []
    for part in filter(None, text.split(",")):
        first, _, last = part.strip().partition("/")
        found.append(DaySpan(date.fromisoformat(first), date.fromisoformat(last or first)))
    return tuple(found)
