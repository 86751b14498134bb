"""Names that every file system of a stick takes: FAT32 and exFAT, under Windows, Linux and macOS."""

import re
from collections.abc import Iterable

# Reserved by Windows, with and without an extension (Naming Files, Paths, and Namespaces).
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)
_FORBIDDEN = re.compile(r'[<>:"|?*\\\x00-\x1f\x7f]')
_LONGEST_NAME = 255
_LONGEST_PATH = 180
"""Windows takes 260 for the whole path, and the stick's own part is not ours to know."""


def fault_of(path: str) -> str | None:
    """Say why *path*, relative and with slashes, cannot be on a stick; None if it can."""
    parts = path.split("/")
    if "" in parts or "." in parts or ".." in parts:
        return "leads out of its folder"
    for part in parts:
        if found := _FORBIDDEN.search(part):
            return f"has {found[0]!a} in a name"
        if part.endswith((".", " ")):
            return "has a name that ends with a dot or a space"
        if _DEVICES.fullmatch(part):
            return f"has the name {part}, which is a device for Windows"
        if len(part.encode("utf-16-le")) // 2 > _LONGEST_NAME:
            return "has a name that is too long"
    if len(path) > _LONGEST_PATH:
        return f"is longer than {_LONGEST_PATH} characters"
    return None


def as_found(path: str) -> str:
    """Return *path* in the form by which a stick finds it: FAT32 and exFAT know no case."""
    return path.casefold()


def same_but_for_case(paths: Iterable[str]) -> tuple[str, str] | None:
    """Return two of *paths* that are one file on a stick, or None."""
    seen: dict[str, str] = {}
    for path in paths:
        other = seen.setdefault(as_found(path), path)
        if other != path:
            return other, path
    return None
