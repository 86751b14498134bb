"""What a part of the bench has found, and how it is written: on a terminal, and as Markdown."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

_WRITTEN = (
    'Written by `make bench ARGS="--write --date ..."`. Every figure was measured on this machine, '
    "none is an estimate:"
)
_TAKEN = (
    "What is measured runs on one processor; load and application run on the other. Processor "
    "time is read from `/proc/PID/task/*/schedstat` and covers all processes of what is "
    "measured. Cases take turns within a round, ratios are taken round by round, and what is "
    "given is the median, with the lowest and the highest in brackets. Everybody speaks "
    "TLS 1.3 with a P-256 client certificate that is asked for and verified. The edge comes in two "
    "forms: compiled, as the image and every installation with a C compiler has it "
    "(`deploy/README.md`), and in plain Python, as it runs where there is none. Figures are of the "
    "latter where they do not say compiled."
)


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure beside its target; *met* None where there is nothing to hold it to."""

    what: str
    value: str
    target: str
    met: bool | None

    @property
    def verdict(self) -> str:
        """Say in a word how it stands."""
        if self.met is None:
            return "–"
        return "met" if self.met else "**missed**"


@dataclass(frozen=True, slots=True)
class Section:
    """All that one part has found; *taken* says how."""

    name: str
    title: str
    taken: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    figures: Sequence[Figure]
    remarks: Sequence[str] = field(default=())


def at_most(what: str, value: float, limit: float, unit: str, digits: int = 2) -> Figure:
    """Make a figure that is to be no higher than *limit*."""
    return Figure(what, f"{value:.{digits}f}{unit}", f"at most {limit:g}{unit}", value <= limit)


def at_least(what: str, value: float, limit: float, unit: str, digits: int = 2) -> Figure:
    """Make a figure that is to be no lower than *limit*."""
    return Figure(what, f"{value:.{digits}f}{unit}", f"at least {limit:g}{unit}", value >= limit)


def text(section: Section) -> str:
    """Write *section* for a terminal."""
    rows = [section.columns, *section.rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(section.columns))]
    lines = [
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    figures = [
        f"{one.verdict.strip('*').upper() if one.met is False else one.verdict}: "
        f"{one.what}: {one.value} ({one.target})"
        for one in section.figures
    ]
    return "\n".join(["", section.title, *lines, "", *figures, *section.remarks])


def markdown(sections: Iterable[Section], where: Sequence[str], date: str) -> str:
    """Write docs/performance.md."""
    sections = [*sections]
    lines = ["# Performance", "", _WRITTEN, "", *(f"- {line}" for line in where), f"- {date}"]
    lines += ["", _TAKEN, "", "| figure | measured | target | |", "|---|---|---|---|"]
    lines += [
        f"| {one.what} | {one.value} | {one.target} | {one.verdict} |"
        for section in sections
        for one in section.figures
    ]
    for section in sections:
        lines += ["", f"## {section.title}", "", section.taken, ""]
        lines.append("| " + " | ".join(section.columns) + " |")
        lines.append("|" + "---|" * len(section.columns))
        lines += ["| " + " | ".join(row) + " |" for row in section.rows]
        lines += ["", *(_sentence(one) for one in section.figures)]
        for remark in section.remarks:
            lines += ["", remark]
    return "\n".join(lines) + "\n"


def _sentence(figure: Figure) -> str:
    verdicts = {True: "the target is met", False: "the target is **missed**", None: ""}
    said = f"{figure.target}: {verdicts[figure.met]}" if figure.met is not None else figure.target
    return f"- {figure.what}: {figure.value} ({said})."


def save(section: Section, folder: Path) -> None:
    """Keep *section* in *folder*, so that parts may be measured one by one."""
    folder.mkdir(exist_ok=True, parents=True)
    (folder / f"{section.name}.json").write_text(json.dumps(asdict(section), ensure_ascii=False))


def load(name: str, folder: Path) -> Section | None:
    """Return the section that was kept, if there is one."""
    path = folder / f"{name}.json"
    if not path.is_file():
        return None
    kept = json.loads(path.read_text())
    kept["figures"] = [Figure(**one) for one in kept["figures"]]
    return Section(**kept)
