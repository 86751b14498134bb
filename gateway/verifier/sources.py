"""Where lists are had from, and how it went the last time; kept on disk for the next start."""

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePath
from typing import Any, Final

from gateway.verifier.addresses import usable_urls
from gateway.verifier.fetching import Mark
from gateway.verifier.files import replace_file
from gateway.verifier.schedule import LONGEST

_AT_ONCE: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class Source:
    """One distribution point: a file, or URLs of which any will do.

    *delta*: whether a delta is expected there. *scope* is that of the list that it has brought
    (`ListFacts.scope`), empty when it has brought none, and *digest* the SHA-256 of what came, so
    that it is not read again. *due* is when it is asked again.
    """

    urls: tuple[str, ...] = ()
    file: PurePath | None = None
    delta: bool = False
    scope: str = ""
    digest: str = ""
    due: datetime = _AT_ONCE
    mark: Mark = field(default_factory=Mark)
    marked: str = ""
    """By which of the URLs the mark was given."""
    fetched_at: datetime | None = None
    failures: int = 0
    failed_at: datetime | None = None
    failure: str = ""
    asking: asyncio.Lock = field(default_factory=asyncio.Lock, compare=False)

    @property
    def name(self) -> str:
        """What it is called in sentences: the address that is asked first."""
        return str(self.file) if self.file is not None else self.asked[0]

    @property
    def asked(self) -> tuple[str, ...]:
        """Those of the URLs that are asked at all; the first, to be refused with words, if none."""
        return usable_urls(self.urls)

    @property
    def key(self) -> str:
        """What tells it from others."""
        return " ".join(self.urls) if self.file is None else f"file {self.file}"

    def is_due(self, now: datetime) -> bool:
        """Say whether it is asked at *now*: when it is due, or was planned by a wrong clock."""
        return not now < self.due <= now + LONGEST

    def forget(self) -> None:
        """Ask for everything the next time, changed or not, and read it."""
        self.mark, self.digest = Mark(), ""

    def hurry(self) -> None:
        """Be due at once."""
        self.due = _AT_ONCE

    def begin_again(self) -> None:
        """Be due at once, as one that was never asked."""
        self.forget()
        self.scope, self.due, self.fetched_at = "", _AT_ONCE, None

    def succeed(self, now: datetime, due: datetime) -> None:
        """Keep that it was asked well at *now*, and is asked again when *due*."""
        self.fetched_at, self.due = now, due
        self.failures, self.failed_at, self.failure = 0, None, ""

    def fail(self, now: datetime, words: str, due: datetime) -> None:
        """Keep that and why nothing was had at *now*, and is asked again when *due*."""
        self.failures, self.failed_at, self.failure = self.failures + 1, now, words
        self.due = due


def write_sources(path: Path, sources: Iterable[Source]) -> None:
    """Keep *sources* in the file *path*; raises `FileFailed`."""
    packed = {source.key: _pack(source) for source in sources}
    replace_file(path, json.dumps(packed, indent=1).encode())


def read_sources(path: Path) -> dict[str, Source]:
    """Read what `write_sources` has kept, by their keys; nothing where that cannot be read.

    What is lost then is when they are due, which is now, and is learnt again.
    """
    try:
        packed = json.loads(path.read_bytes())
        return {key: _unpack(one) for key, one in packed.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _pack(source: Source) -> dict[str, Any]:
    return {
        "urls": source.urls,
        "file": None if source.file is None else str(source.file),
        "delta": source.delta,
        "scope": source.scope,
        "digest": source.digest,
        "due": source.due.isoformat(),
        "mark": [source.mark.etag, source.mark.modified],
        "marked": source.marked,
        "fetched_at": source.fetched_at and source.fetched_at.isoformat(),
        "failures": source.failures,
        "failed_at": source.failed_at and source.failed_at.isoformat(),
        "failure": source.failure,
    }


def _unpack(packed: dict[str, Any]) -> Source:
    return Source(
        urls=tuple(packed["urls"]),
        file=packed["file"] and PurePath(packed["file"]),
        delta=packed["delta"],
        scope=packed["scope"],
        digest=packed["digest"],
        due=datetime.fromisoformat(packed["due"]),
        mark=Mark(*packed["mark"]),
        marked=packed["marked"],
        fetched_at=packed["fetched_at"] and datetime.fromisoformat(packed["fetched_at"]),
        failures=packed["failures"],
        failed_at=packed["failed_at"] and datetime.fromisoformat(packed["failed_at"]),
        failure=packed["failure"],
    )
