"""Answers of OCSP responders on disk, so that a restart asks nobody again and keeps a grace.

They are kept as they came, with the moment at which they were read, and are verified again when
they are read back: a file that was written by somebody else, or was cut off, says nothing.
Nothing here is for the event loop.
"""

import json
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from ca.foreign.ocsp import AsOf
from gateway.verifier.files import FileFailed, NewFile, read_pieces

_SUFFIX: Final = ".json"


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """A response as it came, when it was read, and when the certificate that it is about ends.

    *newest* is the place of the newest answer about that certificate, be it another than this.
    """

    response: bytes
    read_at: datetime
    not_after: datetime
    newest: AsOf


class KeptAnswers:
    """A directory of answers, each by the fingerprint of the certificate that it is about."""

    def __init__(self, directory: Path) -> None:
        """Take the directory, which is made when there is something to keep."""
        self._directory = directory

    def read(self, fingerprint: str) -> KeptAnswer | None:
        """Return what is kept; None where there is nothing, or nothing that can be read."""
        return _read(self._path(fingerprint))

    def write(self, fingerprint: str, answer: KeptAnswer) -> None:
        """Keep *answer* in place of the last one; raises `FileFailed`, and that one is left."""
        path = self._path(fingerprint)
        new = path.with_suffix(".new")
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            new.unlink(missing_ok=True)
            file = NewFile(new)
            try:
                file.write(_encode(answer))
                file.finish()
            except FileFailed:
                file.discard()
                raise
            new.replace(path)
        except OSError as error:
            raise FileFailed(f"{path}: cannot be written: {error.strerror}") from error

    def remove(self, fingerprint: str) -> None:
        """Keep nothing of *fingerprint*; raises `FileFailed`."""
        path = self._path(fingerprint)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise FileFailed(f"{path}: cannot be taken away: {error.strerror}") from error

    def tidy(self, now: datetime) -> None:
        """Take away what is about certificates that have ended, or cannot be read."""
        for path in self._directory.glob("*"):
            kept = _read(path) if path.suffix == _SUFFIX else None
            if kept is None or kept.not_after < now:
                # What cannot be taken away takes room, and nothing else.
                with suppress(OSError):
                    path.unlink(missing_ok=True)

    def _path(self, fingerprint: str) -> Path:
        return self._directory / f"{fingerprint}{_SUFFIX}"


def _encode(answer: KeptAnswer) -> bytes:
    return json.dumps(
        {
            "read_at": answer.read_at.timestamp(),
            "not_after": answer.not_after.timestamp(),
            "newest": [one.timestamp() for one in answer.newest],
            "response": b64encode(answer.response).decode(),
        }
    ).encode()


def _read(path: Path) -> KeptAnswer | None:
    try:
        kept = json.loads(b"".join(read_pieces(path)))
        this_update, produced_at = kept["newest"]
        return KeptAnswer(
            b64decode(kept["response"], validate=True),
            datetime.fromtimestamp(kept["read_at"], UTC),
            datetime.fromtimestamp(kept["not_after"], UTC),
            (
                datetime.fromtimestamp(this_update, UTC),
                datetime.fromtimestamp(produced_at, UTC),
            ),
        )
    except (FileFailed, ValueError, KeyError, TypeError, OverflowError, OSError, NotBase64):
        return None
