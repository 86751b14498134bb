"""Has anything changed? For processes that go on running while files are edited."""

from pathlib import Path

from gateway.config.agreements import AGREEMENTS_DIRECTORY, agreement_files
from gateway.config.calendars import HOLIDAYS_DIRECTORY, calendar_files
from gateway.config.files import (
    APPS_DIRECTORY,
    SETTINGS_FILE,
    Configuration,
    Problems,
    application_files,
    read_configuration,
)
from gateway.config.icons import icon_files

FileState = tuple[str, int, int, int, int]
Signature = tuple[FileState, ...]


def signature(directory: Path) -> Signature:
    """Return what the site's files in *directory* look like from outside; reads none of them.

    Two equal signatures mean that no file was added, taken away, replaced or
    written to, unless one was written twice within a tick of the file
    system's clock (milliseconds). A file that cannot be looked at is left out.
    """
    settings = directory / SETTINGS_FILE
    try:
        applications = application_files(directory / APPS_DIRECTORY)
    except OSError:
        applications = []
    calendars = calendar_files(directory / HOLIDAYS_DIRECTORY)
    agreements = agreement_files(directory / AGREEMENTS_DIRECTORY)
    icons = icon_files(directory / APPS_DIRECTORY)
    files = (settings, *applications, *calendars, *agreements, *icons)
    return tuple(state for path in files if (state := _state(path)))


class ConfigurationWatcher:
    """Tells a running process when it has something new to take up.

    What to do with `Problems` is the caller's: keep what is in force, and say so.
    """

    def __init__(self, directory: Path) -> None:
        """Watch the site in *directory*; the first `poll` reads it."""
        self._directory = directory
        self._seen: Signature | None = None

    def poll(self) -> Configuration | Problems | None:
        """Return what the files say if they changed since the last call, otherwise `None`.

        Costs one `stat` a file as long as nothing changes.
        """
        # Taken before reading, so that what is written meanwhile is seen next time.
        found = signature(self._directory)
        if found == self._seen:
            return None
        self._seen = found
        return read_configuration(self._directory)


def _state(path: Path) -> FileState | None:
    try:
        found = path.stat()
    except OSError:
        return None
    # The change time as well: a chmod can make a file readable that was not.
    return (
        f"{path.parent.name}/{path.name}",
        found.st_ino,
        found.st_size,
        found.st_mtime_ns,
        found.st_ctime_ns,
    )
