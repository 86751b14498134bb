"""Files of the verifier: new ones, whole or not at all. Nothing here is for the event loop."""

import hashlib
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

TEMPORARY: Final = "new-"
"""How the names of files begin that are not finished; left behind only by a crash."""
_CHUNK: Final = 2**18


class FileFailed(Exception):
    """A file cannot be read or written; the message names it and says why."""


class NewFile:
    """A file that is being written, for nobody else to read; `discard` unless `finish` was had."""

    def __init__(self, path: Path) -> None:
        """Make it; raises `FileFailed`, where there is one by that name too."""
        self._path = path
        try:
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise FileFailed(f"{path}: cannot be written: {error.strerror}") from error
        self._open = True
        # Discarded in the loop while a thread may still be writing: the descriptor must be ours.
        self._lock = threading.Lock()
        self.size = 0

    def write(self, data: bytes) -> None:
        """Write all of *data*; raises `FileFailed`."""
        rest = memoryview(data)
        try:
            with self._lock:
                while rest and self._open:
                    rest = rest[os.write(self._descriptor, rest) :]
        except OSError as error:
            raise FileFailed(f"{self._path}: cannot be written: {error.strerror}") from error
        self.size += len(data)

    def finish(self) -> None:
        """Close it, when everything is on the disk."""
        try:
            with self._lock:
                if self._open:
                    os.fsync(self._descriptor)
                self._close()
        except OSError as error:
            raise FileFailed(f"{self._path}: cannot be written: {error.strerror}") from error

    def discard(self) -> None:
        """Take it away again."""
        with self._lock:
            self._close()
        self._path.unlink(missing_ok=True)

    def _close(self) -> None:
        if self._open:
            self._open = False
            os.close(self._descriptor)


def replace_file(path: Path, data: bytes) -> None:
    """Let *path* hold *data* from now on, or what it held before; raises `FileFailed`."""
    new = path.with_name(f"{TEMPORARY}{path.name}")
    new.unlink(missing_ok=True)
    file = NewFile(new)
    try:
        file.write(data)
        file.finish()
        move(new, path)
    except BaseException:
        file.discard()
        raise


def move(source: Path, target: Path) -> None:
    """Put the finished file *source* in the place of *target*, durably; raises `FileFailed`."""
    try:
        source.replace(target)
        folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise FileFailed(f"{target}: cannot be written: {error.strerror}") from error


def remove(*paths: Path) -> None:
    """Take *paths* away, as far as they are there."""
    for path in paths:
        path.unlink(missing_ok=True)


def digest_of(path: Path) -> str:
    """Return the SHA-256 of the file *path*; raises `FileFailed`."""
    digest = hashlib.sha256()
    for piece in read_pieces(path):
        digest.update(piece)
    return digest.hexdigest()


def signature_of(path: Path) -> str:
    """Return what changes when the file *path* does; raises `FileFailed`."""
    try:
        found = path.stat()
    except OSError as error:
        raise FileFailed(f"{path}: {error.strerror}") from error
    return f"{found.st_mtime_ns} {found.st_size} {found.st_ino}"


def read_pieces(path: Path) -> Iterator[bytes]:
    """Read the file *path* piece by piece; raises `FileFailed`, of what is no file too."""
    try:
        # A pipe in its place would keep us waiting for somebody to write to it.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise FileFailed(f"{path}: is no file")
            while piece := os.read(descriptor, _CHUNK):
                yield piece
        finally:
            os.close(descriptor)
    except OSError as error:
        raise FileFailed(f"{path}: {error.strerror}") from error
