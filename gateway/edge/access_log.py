"""The access log: one JSON object a line, one line a request.

Lines wait in memory until the next sweep, and are appended in batches by a thread of their
own: a slow disk makes no request wait. What the disk does not take is dropped and counted.
"""

import asyncio
import json
import logging
import os
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Final

from gateway.core.routes import RESERVED_PREFIX
from gateway.edge.meter import Meter

log = logging.getLogger("pusterla.edge")

BATCH_BYTES: Final = 128 * 1024
WAITING_MAXIMUM: Final = 8 * 1024 * 1024
"""What may wait for a disk that does not answer; further lines are dropped."""
FILE_MODE: Final = 0o640
FOLDER_MODE: Final = 0o750
CLOSE_SECONDS: Final = 2.0
AGENT_SHOWN: Final = 256
OTHER_SHOWN: Final = 256

_LINE_END: Final = b"\n"[0]
_RESERVED: Final = RESERVED_PREFIX.encode()
_PLAIN = re.compile(rb"[ !#-\[\]-~]*")
TARGET_SHOWN: Final = 2048
# What `shown_target` would leave as it is, asked in one question, since it is asked each time.
_PLAIN_TARGET = re.compile(rb"(?!%b)[ !#-\[\]-~]{0,%d}" % (re.escape(_RESERVED), TARGET_SHOWN))
# Unusual first: most lines are read by eye from the left.
_LINE: Final = (
    b'{"time":"%b.%03dZ","id":"%b","status":%d,"reason":"%b","method":"%b","target":"%b","upstream":"%b",%b,'
    b'"received":%d,"sent":%d,"first_ms":%.3f,"total_ms":%.3f}\n'
)


def quoted(value: bytes, longest: int) -> bytes:
    r"""Return *value* as it stands between the quotes of a JSON string.

    What is no UTF-8 is shown as `\\xff`, and what is longer than *longest* cut, with `...`.
    """
    if len(value) > longest:
        value = value[:longest] + b"..."
    if _PLAIN.fullmatch(value):
        return value
    return json.dumps(value.decode(errors="backslashreplace"))[1:-1].encode()


def constant_part(fields: Mapping[str, str | bytes]) -> bytes:
    """Return *fields* as the part of a line that many requests have in common."""
    parts = []
    for name, value in fields.items():
        octets = value.encode(errors="surrogatepass") if isinstance(value, str) else value
        longest = AGENT_SHOWN if name == "user_agent" else OTHER_SHOWN
        parts.append(b'"%b":"%b"' % (name.encode(), quoted(octets, longest)))
    return b",".join(parts)


def shown_target(target: bytes, *, queries: bool) -> bytes:
    """Return what may be written of a request's *target*, escaped.

    The tickets of our own hand-over are keys while they live, so below our prefix no
    query is written; without *queries* none is anywhere.
    """
    path, mark, _ = target.partition(b"?")
    if mark and (not queries or path.startswith(_RESERVED)):
        target = path + b"?..."
    return quoted(target, TARGET_SHOWN)


class AccessLog:
    """The access log of one worker; other workers append to the same file."""

    def __init__(self, path: Path, *, queries: bool = True) -> None:
        """Open nothing yet."""
        self.dropped = 0
        """Lines that the disk did not take."""
        self.queries = queries
        self._file = _LogFile(path)
        self._writer = ThreadPoolExecutor(1, "access-log")
        # Not a list of lines: that many objects, once each in the cache, cost more than the copy.
        self._lines = bytearray()
        self._writing: asyncio.Future[int] | None = None
        self._second, self._second_text, self._offset = 0, b"", 0.0

    def set_time(self, now: datetime) -> None:
        """Tell the wall-clock time; between two tellings it goes on as the monotonic one does."""
        self._offset = now.timestamp() - perf_counter()

    def add(
        self,
        meter: Meter,
        ended: float,
        moved: tuple[int, int],
        status: int,
        reason: bytes,
        request: tuple[bytes, bytes, bytes],
        constant: bytes,
    ) -> None:
        """Add the line of the exchange on *meter*, which has *ended* and *moved* so many bytes.

        *reason* is a name or a few words of ours, *request* a method, a target and an
        upstream, the last as `quoted` gives it, *constant* a `constant_part`.
        """
        if len(self._lines) > WAITING_MAXIMUM:
            self.dropped += 1
            return
        moment = self._offset + ended
        second = int(moment)
        if second != self._second:
            self._second = second
            self._second_text = (
                b"%d-%02d-%02dT%02d:%02d:%02d"
                % (datetime.fromtimestamp(second, UTC).timetuple()[:6])
            )
        method, target, upstream = request
        if not _PLAIN_TARGET.fullmatch(target) or (not self.queries and b"?" in target):
            target = shown_target(target, queries=self.queries)
        if reason:
            reason = quoted(reason, OTHER_SHOWN)
        self._lines += _LINE % (
            self._second_text,
            int((moment - second) * 1000),
            meter.id,
            status,
            reason,
            method,
            target,
            upstream,
            constant,
            *moved,
            (meter.answered - meter.begun) * 1000 if meter.answered else 0.0,
            (ended - meter.begun) * 1000,
        )
        if len(self._lines) >= BATCH_BYTES and self._writing is None:
            self.flush()

    def flush(self) -> None:
        """Begin to write what waits, unless the last batch is still under way."""
        if self._writing is not None or not self._lines:
            return
        batch, self._lines = self._lines, bytearray()
        loop = asyncio.get_running_loop()
        self._writing = loop.run_in_executor(self._writer, self._file.append, batch)
        self._writing.add_done_callback(self._written)

    def _written(self, writing: "asyncio.Future[int]") -> None:
        self._writing = None
        if not writing.cancelled():
            self.dropped += writing.result()

    async def close(self) -> None:
        """Write what is left, as far as the disk takes it within `CLOSE_SECONDS`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                while self._writing is not None or self._lines:
                    self.flush()
                    if self._writing is not None:
                        await asyncio.wait([self._writing])
        self._writer.shutdown(wait=False)
        self._file.close()


class _LogFile:
    """A file that is appended to in whole lines, by one thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1
        self._opened: tuple[int, int] | None = None
        self._failing = False
        self._lost = 0
        self._torn = False

    def append(self, lines: bytearray) -> int:
        """Append *lines* and return how many were lost."""
        # What a full disk cut off is no line; the next one shall not be part of it.
        mend = b"\n" if self._torn else b""
        batch = mend + lines if mend else lines
        written = 0
        try:
            self._follow_name()
            # One write, in all but the rarest cases: lines of two workers do not mix.
            while written < len(batch):
                written += os.write(self._descriptor, batch[written:] if written else batch)
        except OSError as error:
            lost = batch.count(b"\n", max(written, len(mend)))
            self._lose(lost, error)
            return lost
        else:
            self._recover()
            return 0
        finally:
            if written:
                self._torn = batch[written - 1] != _LINE_END

    def _follow_name(self) -> None:
        """Open the file where its name leads to another one, or to none, since the last batch.

        So whoever rotates the log renames it and is done.
        """
        try:
            found = self._path.stat()
            if self._opened == (found.st_dev, found.st_ino):
                return
        except FileNotFoundError:
            self._path.parent.mkdir(FOLDER_MODE, exist_ok=True)
        self.close()
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._descriptor = os.open(self._path, flags, FILE_MODE)
        status = os.fstat(self._descriptor)
        self._opened = (status.st_dev, status.st_ino)

    def _lose(self, count: int, error: OSError) -> None:
        if not self._failing:
            log.error(
                "%s cannot be written: %s; requests are served, their lines are lost until it can",
                self._path,
                error.strerror,
            )
        self._failing = True
        self._lost += count

    def _recover(self) -> None:
        if self._failing:
            log.warning("%s is written again; %d lines were lost", self._path, self._lost)
        self._failing, self._lost = False, 0

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor, self._opened = -1, None
