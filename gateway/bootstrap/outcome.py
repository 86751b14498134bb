"""What came of a reload: one value for each process, and how it is written on the way.

A reload is all or nothing for each process: either what changed is in force, or `problems` says
why everything stayed as it was.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one process made of a reload, in the words of an operator; all empty: nothing new."""

    taken: tuple[str, ...] = ()
    """What is in force from now on: keys of pusterla.toml, applications, certificates."""
    later: tuple[str, ...] = ()
    """Keys that have changed, and are taken up at the next start only."""
    problems: tuple[str, ...] = ()
    """Why nothing was taken up."""

    def lines(self) -> Iterator[str]:
        """Yield what there is to say, a line each; at least one."""
        if self.problems:
            yield from self.problems
            yield "nothing was taken up: what was in force stays in force"
            return
        if self.taken:
            yield f"taken up: {', '.join(self.taken)}"
        if self.later:
            yield f"takes effect at the next start: {', '.join(self.later)}"
        if not self.taken and not self.later:
            yield "nothing new"


Report = Mapping[str, Outcome]
"""The outcome of each process, by its name."""


class NoReport(Exception):
    """What was read is no report."""


def write_report(report: Report) -> bytes:
    """Write *report* as one line."""
    return json.dumps({name: asdict(outcome) for name, outcome in report.items()}).encode() + b"\n"


def read_report(line: bytes) -> Report:
    """Read what `write_report` has written, or raise `NoReport`."""
    try:
        found = json.loads(line)
        return {
            str(name): Outcome(**{key: tuple(map(str, words)) for key, words in outcome.items()})
            for name, outcome in found.items()
        }
    except (ValueError, TypeError, AttributeError) as error:
        raise NoReport(f"not a report of a reload: {line[:80]!r}") from error


def refused(problem: object) -> Outcome:
    """Return the outcome in which nothing was taken up because of *problem*, a line or more."""
    return Outcome(problems=tuple(str(problem).splitlines()))
