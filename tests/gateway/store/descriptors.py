"""What this process has open, for tests of what is left behind."""

from contextlib import suppress
from pathlib import Path


def open_files() -> list[str]:
    """Return what the descriptors of this process lead to."""
    links = []
    for entry in Path("/proc/self/fd").iterdir():
        # That of the listing itself is closed by then.
        with suppress(FileNotFoundError):
            links.append(str(entry.readlink()))
    return sorted(links)
