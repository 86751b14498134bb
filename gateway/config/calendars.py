"""holidays/NAME.toml → calendars by name, with those that are there without being written."""

from pathlib import Path
from typing import Final

import policies
from gateway.config.documents import read_document, visible_files
from policies.calendars import read_calendar
from policies.days import Calendar
from policies.reading import Problem

HOLIDAYS_DIRECTORY: Final = "holidays"
CALENDAR_SUFFIX: Final = ".toml"

_OURS: Final = Path(policies.__file__).parent / HOLIDAYS_DIRECTORY


def read_calendars(folder: Path, problems: list[Problem]) -> dict[str, Calendar]:
    """Read the calendars of the site in *folder*; a file of ours is not read where it has one too.

    A folder without calendars is no problem.
    """
    files = {path.name: path for path in calendar_files(_OURS)}
    files |= {path.name: path for path in calendar_files(folder / HOLIDAYS_DIRECTORY)}
    found: dict[str, Calendar] = {}
    for file, path in files.items():
        name = file.removesuffix(CALENDAR_SUFFIX)
        document = read_document(path, f"{HOLIDAYS_DIRECTORY}/{file}", problems)
        calendar = None if document is None else read_calendar(name, document)
        if calendar is not None:
            found[name] = calendar
    return found


def calendar_files(directory: Path) -> list[Path]:
    """List the calendars in *directory*, by name; none where it cannot be looked into.

    Whoever names a calendar that is not found is told so.
    """
    try:
        return visible_files(directory, CALENDAR_SUFFIX)
    except OSError:
        return []
