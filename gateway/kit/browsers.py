"""What a folder or an archive must be, so that it can be bundled as a browser.

Pure: the caller lists what there is. A program's folder is recognised by `application.ini` beside
it, since a file called firefox may be anything.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from gateway.kit.names import fault_of, same_but_for_case

FOLDER: Final = "browser"
"""Where the browser lies in the kit."""

MOST_FILES: Final = 20_000
LARGEST_FILE: Final = 1 << 30
LARGEST_BROWSER: Final = 2 << 30
"""Firefox has a tenth of that; more is no browser, or an archive that is to fill the disk."""

_MACOS: Final = "Firefox.app/Contents/MacOS/firefox"
_PROGRAMS: Final = ("firefox.exe", "firefox", "firefox-esr")


class BrowserRefused(Exception):
    """This is no browser that could be bundled; the message says why."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file, at *path* (relative, with slashes), of so many octets."""

    path: str
    size: int


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the browser is: its files are below *prefix*, and what is started is *program*.

    Both relative; *policies* is the folder, relative to the browser's, in which it looks for them.
    """

    prefix: str
    program: str
    policies: str

    def inside(self, path: str) -> str | None:
        """Return *path* as seen from the browser's folder; None if it is outside."""
        if not path.startswith(self.prefix):
            return None
        return path[len(self.prefix) :]


def find_layout(entries: Iterable[Entry]) -> Layout:
    """Find the browser among *entries*, or raise `BrowserRefused`.

    The one that is highest counts, wherever it is: an archive may have a folder around it.
    """
    paths = sorted((entry.path for entry in entries), key=lambda path: (path.count("/"), path))
    known = set(paths)
    for path in paths:
        if path.endswith(_MACOS) and path[: -len(_MACOS)][-1:] in {"", "/"}:
            prefix = path[: -len(_MACOS)]
            if f"{prefix}Firefox.app/Contents/Resources/application.ini" in known:
                return Layout(prefix, _MACOS, "Firefox.app/Contents/Resources/distribution")
        folder, slash, name = path.rpartition("/")
        if name in _PROGRAMS and f"{folder}{slash}application.ini" in known:
            return Layout(folder + slash, name, "distribution")
    raise BrowserRefused(
        "there is no Firefox in it: neither firefox.exe nor firefox with an application.ini beside it"
    )


def check_entries(entries: Iterable[Entry]) -> None:
    """Raise `BrowserRefused` when *entries* are too many, too large, or no names for a stick."""
    total, paths = 0, []
    for entry in entries:
        if entry.size > LARGEST_FILE:
            raise BrowserRefused(f"{entry.path!a} has {entry.size} octets: too large for a browser")
        total += entry.size
        paths.append(entry.path)
        if len(paths) > MOST_FILES or total > LARGEST_BROWSER:
            raise BrowserRefused(
                f"it has more than {MOST_FILES} files or {LARGEST_BROWSER >> 30} GiB: that is no browser"
            )
        if fault := fault_of(entry.path):
            raise BrowserRefused(f"{entry.path!a} {fault}")
    if len(set(paths)) < len(paths):
        raise BrowserRefused("it has two files of one name")
    if twins := same_but_for_case(paths):
        raise BrowserRefused(f"{twins[0]!a} and {twins[1]!a} are one file on a stick")
