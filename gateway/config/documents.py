"""The files of one folder of a site, and reading one in TOML, with the problems that people see."""

import os
from pathlib import Path
from typing import Final

from policies.reading import Problem, Section, parse_toml

LARGEST: Final = 8 * 1024 * 1024
"""Ten thousand rules are a fifth of it; what is larger was put there by mistake, or to hurt."""


def visible_files(directory: Path, suffix: str = "") -> list[Path]:
    """List what is in *directory* with *suffix*, by name; raise `OSError` if that fails.

    Hidden files are left out: editors and rsync keep unfinished ones so.
    """
    with os.scandir(directory) as entries:
        names = sorted(
            entry.name
            for entry in entries
            if entry.name.endswith(suffix) and not entry.name.startswith(".")
        )
    return [directory / name for name in names]


def read_document(path: Path, place: str, problems: list[Problem]) -> Section | None:
    """Read the TOML file *path*, which problems are to call *place*; None after one."""
    try:
        if path.stat().st_size > LARGEST:
            problems.append(Problem(place, f"larger than {LARGEST // 1024**2} MiB, so not read"))
            return None
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        problems.append(Problem(place, f"cannot be read: {error.strerror}"))
        return None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        problems.append(Problem(f"{place}: line {line}", "not UTF-8: save the file as UTF-8"))
        return None
    data = parse_toml(text, place, problems)
    return None if data is None else Section(data, place, problems)
