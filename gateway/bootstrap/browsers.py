"""Reading a browser from a folder or an archive, and copying it into a kit."""

import os
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import IO, Protocol

from gateway.kit.browsers import (
    MOST_FILES,
    BrowserRefused,
    Entry,
    Layout,
    check_entries,
    find_layout,
)

_CHUNK = 1 << 20
_ENCRYPTED = 1
"""The bit of a ZIP entry's flags that says so (APPNOTE, section 4.4.4)."""

# All that reading an archive can raise over bytes that somebody else wrote.
_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
)


class _Source(Protocol):
    def entries(self) -> list[Entry]: ...

    def open(self, path: str) -> IO[bytes]: ...


@dataclass(frozen=True, slots=True)
class Browser:
    """A browser that can be bundled: what of it is copied, and where it is in its *source*."""

    layout: Layout
    entries: tuple[Entry, ...]
    _source: _Source = field(repr=False)

    @property
    def size(self) -> int:
        """Return how many octets there are to copy."""
        return sum(entry.size for entry in self.entries)

    def copy(self, target: Path, digests: dict[str, str]) -> Iterator[int]:
        """Copy everything below *target*, yielding how many octets are done; fill *digests*.

        Raises `BrowserRefused` where the archive turns out to be damaged, and `OSError`.
        """
        done = 0
        for entry in self.entries:
            path = target / entry.path
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            digest = sha256()
            try:
                with (
                    self._source.open(self.layout.prefix + entry.path) as source,
                    open(path, "xb", opener=_private) as copy,
                ):
                    for chunk in _chunks(source, entry):
                        digest.update(chunk)
                        copy.write(chunk)
                        done += len(chunk)
                        yield done
                    copy.flush()
                    os.fsync(copy.fileno())
            except _UNREADABLE as error:
                raise BrowserRefused(f"{entry.path!a} cannot be unpacked: {error}") from error
            digests[entry.path] = digest.hexdigest()


def _private(path: str, flags: int) -> int:
    """Open for the owner alone, who may start it: which file is a program is not known here."""
    return os.open(path, flags, 0o700)


def _chunks(source: IO[bytes], entry: Entry) -> Iterator[bytes]:
    """Read what the entry said there would be, and no more."""
    left = entry.size
    while chunk := source.read(min(_CHUNK, left + 1)):
        left -= len(chunk)
        if left < 0:
            break
        yield chunk
    if left:
        raise BrowserRefused(
            f"{entry.path!a} is not as long as was said: it changes, or is damaged"
        )


@contextmanager
def open_browser(path: Path) -> Iterator[Browser]:
    """Open the folder or ZIP archive *path*, or raise `BrowserRefused`."""
    if path.is_dir():
        yield _browser_of(path, _Folder(path))
        return
    try:
        archive = zipfile.ZipFile(path)
    except OSError as error:
        raise BrowserRefused(f"{path} cannot be read: {error.strerror}") from error
    except _UNREADABLE as error:
        raise BrowserRefused(
            f"{path} is neither a folder nor a ZIP archive: unpack what else it is first"
        ) from error
    with archive:
        yield _browser_of(path, _Archive(archive))


def _browser_of(path: Path, source: _Source) -> Browser:
    try:
        everything = source.entries()
        check_entries(everything)
        layout = find_layout(everything)
    except BrowserRefused as error:
        raise BrowserRefused(f"{path} cannot be bundled: {error}") from error
    except OSError as error:
        raise BrowserRefused(f"{path} cannot be read: {error}") from error
    inside = [
        Entry(name, entry.size)
        for entry in everything
        if (name := layout.inside(entry.path)) is not None
        # Ours comes in its place.
        and name != f"{layout.policies}/policies.json"
    ]
    return Browser(layout, tuple(inside), source)


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder, links resolved: what a link points to is copied, for a stick has no links."""

    path: Path

    def entries(self) -> list[Entry]:
        found: list[Entry] = []
        self._walk(self.path, "", frozenset(), found)
        return found

    def open(self, path: str) -> IO[bytes]:
        return (self.path / path).open("rb")

    def _walk(
        self, folder: Path, name: str, above: frozenset[tuple[int, int]], found: list[Entry]
    ) -> None:
        state = folder.stat()
        mine = (state.st_dev, state.st_ino)
        if mine in above:
            raise BrowserRefused(f"{name.rstrip('/')!a} is a link that leads back to where it is")
        for child in sorted(folder.iterdir()):
            if child.is_symlink() and not child.exists():
                # Of a package that is not installed: there is nothing to copy.
                continue
            status = child.stat()
            if stat.S_ISDIR(status.st_mode):
                self._walk(child, f"{name}{child.name}/", above | {mine}, found)
            elif stat.S_ISREG(status.st_mode):
                found.append(Entry(f"{name}{child.name}", status.st_size))
            else:
                raise BrowserRefused(f"{name}{child.name} is neither a file nor a folder")
            if len(found) > MOST_FILES:
                raise BrowserRefused(f"it has more than {MOST_FILES} files: that is no browser")


@dataclass(frozen=True, slots=True)
class _Archive:
    archive: zipfile.ZipFile

    def entries(self) -> list[Entry]:
        found = []
        for info in self.archive.infolist():
            if info.is_dir():
                continue
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in {0, stat.S_IFREG}:
                raise BrowserRefused(
                    f"{info.filename!a} is no plain file: unpack the archive, and give the folder"
                )
            if info.flag_bits & _ENCRYPTED:
                raise BrowserRefused(f"{info.filename!a} is encrypted")
            found.append(Entry(info.filename, info.file_size))
        return found

    def open(self, path: str) -> IO[bytes]:
        return self.archive.open(path)
