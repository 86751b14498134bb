"""The lists that were asked for lately, kept in memory: a long one is read once, and not copied.

The store is asked for the newest number with every request, so nothing here is ever old.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final

from aiohttp import hdrs, web

from ca.scopes import ListName
from gateway.store import Store

KEPT_BYTES: Final = 128 * 1024 * 1024
"""How much is kept at most, unless a single list is longer: three lists of a million entries."""
SLICE_BYTES: Final = 64 * 1024
"""How much of a list waits for one client at a time; one that reads slowly costs no more."""


@dataclass(frozen=True, slots=True)
class ShelvedList:
    """One list as it is served."""

    number: int
    this_update: datetime
    next_update: datetime
    der: bytes
    tag: str


class Shelf:
    """The newest lists, those that were asked for last."""

    def __init__(self, store: Store, limit: int = KEPT_BYTES) -> None:
        """Keep what is read from *store*, up to *limit* bytes."""
        self._store = store
        self._limit = limit
        self._kept: OrderedDict[ListName, ShelvedList] = OrderedDict()
        # Many may ask for a new list at once: one reads it, the others wait.
        self._reading = asyncio.Lock()

    async def take(self, name: ListName) -> ShelvedList | None:
        """Return the newest list called *name*, or None when there is none."""
        number = await self._store.latest_crl_number(name)
        if number is None:
            return None
        async with self._reading:
            kept = self._kept.get(name)
            if kept is None or kept.number < number:
                kept = await self._read(name)
        return kept

    async def _read(self, name: ListName) -> ShelvedList | None:
        self._kept.pop(name, None)
        record = await self._store.latest_crl(name.issuer, name.scope, name.kind)
        if record is None:
            return None
        tag = (await asyncio.to_thread(sha256, record.der)).hexdigest()[:32]
        read = ShelvedList(record.number, record.this_update, record.next_update, record.der, tag)
        self._kept[name] = read
        while (
            len(self._kept) > 1 and sum(len(one.der) for one in self._kept.values()) > self._limit
        ):
            self._kept.popitem(last=False)
        return read


async def send_slices(
    request: web.Request, response: web.StreamResponse, body: bytes
) -> web.StreamResponse:
    """Send *body*, or the one range of it that is asked for, as fast as it is read.

    A range is for whoever fetches on after a broken connection (RFC 9110, section 14); more than
    one, or one behind the end of another list (If-Range), is answered with the whole.
    """
    part = _range(request, response, len(body))
    if part is None:
        response.set_status(416)
        response.headers[hdrs.CONTENT_RANGE] = f"bytes */{len(body)}"
        part = range(0)
    elif len(part) < len(body):
        response.set_status(206)
        response.headers[hdrs.CONTENT_RANGE] = f"bytes {part.start}-{part.stop - 1}/{len(body)}"
    response.content_length = len(part)
    await response.prepare(request)
    if request.method != "HEAD":
        view = memoryview(body)
        for start in range(part.start, part.stop, SLICE_BYTES):
            await response.write(view[start : min(part.stop, start + SLICE_BYTES)])
    await response.write_eof()
    return response


def _range(request: web.Request, response: web.StreamResponse, size: int) -> range | None:
    """Return what is to be sent; None where nothing of what is asked for exists."""
    whole = range(size)
    tag = response.etag.value if response.etag else ""
    if request.method != "GET" or request.headers.get(hdrs.IF_RANGE, f'"{tag}"') != f'"{tag}"':
        return whole
    try:
        asked = request.http_range
    except ValueError:
        return whole
    if asked.start is None and asked.stop is None:
        return whole
    part = whole[asked]
    return part or None


SHELF: web.AppKey[Shelf] = web.AppKey("shelf", Shelf)
