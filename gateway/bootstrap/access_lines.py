"""Finding lines of the access log again, in files of any size and those that were rotated.

Lines stand in the order in which exchanges ended, but for half a second, so a plain file is
searched from the place of a moment on, which bisection finds. A compressed one is read from its
beginning, unless it ends before that moment.
"""

import gzip
import json
import re
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import SEEK_END
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

SLACK: Final = timedelta(minutes=1)
"""How much later than a line that follows it a line may have been written: a disk that waited."""
_BEGINNING: Final = b'{"time":"'
_DATED: Final = re.compile(rb'\n\{"time":"(?P<time>[0-9T:-]{19})')
_MOMENT: Final = "%Y-%m-%dT%H:%M:%S"
_AT_ONCE: Final = 1 << 20
_BLOCK: Final = 1 << 16
_COMPRESSED: Final = ".gz"


@dataclass(frozen=True, slots=True)
class AccessLine:
    """One line; docs/watching.md says what each field means."""

    ended_at: datetime
    id: str
    status: int
    reason: str
    method: str
    target: str
    address: str
    user: str
    serial: str
    device: str
    app: str
    rule: str
    host: str
    tls: str
    upstream: str
    user_agent: str
    received: int
    sent: int
    first_ms: float
    total_ms: float

    @property
    def begun_at(self) -> datetime:
        """When the whole head of the request was there."""
        return self.ended_at - timedelta(milliseconds=self.total_ms)


_TEXTS: Final = (
    *("id", "reason", "method", "target", "address", "user", "serial", "device", "app", "rule"),
    *("host", "tls", "upstream", "user_agent"),
)


def read_line(line: bytes) -> AccessLine | None:
    """Read one line; None where it is torn, or not one of ours."""
    try:
        fields: dict[str, Any] = json.loads(line)
        return AccessLine(
            ended_at=datetime.fromisoformat(fields["time"]),
            status=int(fields["status"]),
            received=int(fields["received"]),
            sent=int(fields["sent"]),
            first_ms=float(fields["first_ms"]),
            total_ms=float(fields["total_ms"]),
            **{name: str(fields[name]) for name in _TEXTS},
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


class AccessLines:
    """The access log of this node, all its files; what could not be read is kept in `unread`."""

    def __init__(self, path: Path) -> None:
        """Read nothing yet; *path* is the file that is written now."""
        self._path = path
        self.unread: list[str] = []

    def files(self) -> list[Path]:
        """Return the files there are, those that were rotated first, by their last change."""
        try:
            found = [
                (entry.stat().st_mtime, entry)
                for entry in self._path.parent.iterdir()
                if entry.name == self._path.name
                or entry.name.startswith((f"{self._path.name}.", f"{self._path.name}-"))
            ]
        except OSError as error:
            self._miss(self._path.parent, error)
            return []
        return [entry for _, entry in sorted(found)]

    def find(self, request: str, made: datetime) -> AccessLine | None:
        """Return the line of *request*, which was *made* then."""
        needle = f'"id":"{request}"'.encode()
        plain = [path for path in self.files() if path.suffix != _COMPRESSED]
        # Where a clock was set back, lines stand before the place where they are looked for.
        for files, since in ((self.files(), made - SLACK), (plain, None)):
            for path in files:
                for line in self._search(path, needle, since):
                    if (found := read_line(line)) is not None and found.id == request:
                        return found
        return None

    def newest(
        self,
        field: str,
        value: str,
        span: tuple[datetime, datetime],
        count: int,
        wanted: Callable[[AccessLine], bool],
    ) -> list[AccessLine]:
        """Return the newest *count* lines of *span* whose *field* is *value* and that are *wanted*.

        *value* is plain: such as an address, a serial number, a name of a user.
        """
        since, until = span
        found: deque[AccessLine] = deque(maxlen=count)
        for path in self.files():
            for line in self._search(path, f'"{field}":"{value}"'.encode(), since - SLACK):
                one = read_line(line)
                if one is None or getattr(one, field) != value or one.ended_at < since:
                    continue
                if one.begun_at <= until and wanted(one):
                    found.append(one)
        return sorted(found, key=lambda one: one.ended_at)

    def since(self, moment: datetime) -> Iterator[AccessLine]:
        """Yield every line from *moment* on, file by file."""
        for path in self.files():
            for line in self._search(path, _BEGINNING, moment - SLACK):
                one = read_line(line)
                if one is not None and one.ended_at >= moment:
                    yield one

    def lacks(self, moment: datetime) -> str:
        """Say how these lines do not reach back to *moment*; "" where they do."""
        begins = self._begins()
        if begins is None:
            return "there is no line in the access log of this node"
        if moment < begins:
            return f"the access log of this node reaches back to {begins:%Y-%m-%d %H:%M:%S} UTC"
        return ""

    def _begins(self) -> datetime | None:
        for path in self.files():
            for line in self._search(path, _BEGINNING, None):
                if (first := read_line(line)) is not None:
                    return first.ended_at
        return None

    def _search(self, path: Path, needle: bytes, since: datetime | None) -> Iterator[bytes]:
        try:
            if since is not None and path.stat().st_mtime < since.timestamp():
                return
            if path.suffix == _COMPRESSED:
                with gzip.open(path, "rb") as packed:
                    yield from _lines_with(cast("BinaryIO", packed), needle)
                return
            with path.open("rb") as file:
                if since is not None:
                    _go_to(file, since)
                yield from _lines_with(file, needle)
        except (OSError, EOFError, zlib.error) as error:
            self._miss(path, error)

    def _miss(self, path: Path, error: Exception) -> None:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        if (words := f"{path} cannot be read: {why}") not in self.unread:
            self.unread.append(words)


def _lines_with(file: BinaryIO, needle: bytes) -> Iterator[bytes]:
    """Yield the lines of *file* from where it stands that have *needle* in them."""
    rest = b""
    while piece := file.read(_AT_ONCE):
        data = rest + piece
        whole = data.rfind(b"\n") + 1
        yield from _cut(data[:whole], needle)
        rest = data[whole:]
    yield from _cut(rest, needle)


def _cut(data: bytes, needle: bytes) -> Iterator[bytes]:
    place = 0
    while (hit := data.find(needle, place)) >= 0:
        begin = data.rfind(b"\n", 0, hit) + 1
        end = data.find(b"\n", hit)
        place = len(data) if end < 0 else end
        yield data[begin:place]


def _go_to(file: BinaryIO, moment: datetime) -> None:
    """Place *file* so that no line before it is as new as *moment*, and few behind it are older."""
    wanted = moment.astimezone(UTC).strftime(_MOMENT).encode()
    low, high = 0, file.seek(0, SEEK_END)
    while high - low > _BLOCK:
        middle = (low + high) // 2
        file.seek(middle)
        # What a full disk tore, or nobody of us wrote, says no time, and the search begins sooner.
        dated = _DATED.search(file.read(_BLOCK))
        if dated is not None and dated["time"] < wanted:
            low = middle + dated.start() + 1
        else:
            high = middle
    file.seek(low)
