"""What one worker says of itself to its own user: one JSON object, then the end."""

import asyncio
import json
import os
import resource
import socket
import struct
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from ca.scopes import CRLKind
from gateway.core.foreign import ForeignList
from gateway.core.ports import StoreUnavailable
from gateway.edge.edge import Edge
from gateway.store import Store

STORE_SECONDS: Final = 1.0
"""How long the store may take; the rest is told without it."""
_SECOND: Final = timedelta(seconds=1)
_PEER: Final = "iII"  # struct ucred of unix(7): process, user, group


@asynccontextmanager
async def answering(
    listener: socket.socket | None, edge: Edge, store: Store, clock: Callable[[], datetime]
) -> AsyncIterator[None]:
    """Answer on *listener* for the length of a block; nowhere without one."""
    if listener is None:
        yield
        return

    async def answer(reader: StreamReader, writer: StreamWriter) -> None:
        del reader
        if not _is_ours(writer.get_extra_info("socket")):
            writer.close()
            return
        with suppress(ConnectionError):
            crls = await crl_snapshot(store, clock(), deltas=edge.site.crl.delta)
            foreign = await foreign_snapshot(store, clock())
            said = worker_snapshot(edge) | {"crls": crls, "foreign_lists": foreign}
            writer.write(json.dumps(said).encode())
            await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(answer, sock=listener)
    try:
        yield
    finally:
        server.close()


def _is_ours(connection: socket.socket) -> bool:
    """Say whether this user, or root, is at the other end: the socket has a name but no mode."""
    size = struct.calcsize(_PEER)
    said = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    _, user, _ = struct.unpack(_PEER, said)
    return user in {0, os.geteuid()}


def worker_snapshot(edge: Edge) -> dict[str, Any]:
    """Return what *edge* has counted, and how it is."""
    log = edge.telemetry.log
    used = resource.getrusage(resource.RUSAGE_SELF)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return edge.telemetry.figures.snapshot() | {
        "connections": len(edge.connections),
        "feed_lag_seconds": edge.admission.silence(edge.clock()) / _SECOND,
        "memory_bytes": pages * os.sysconf("SC_PAGE_SIZE"),
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "access_lines_dropped": 0 if log is None else log.dropped,
        "audit_waiting": edge.audit_waiting,
        "audit_lost": edge.audit_lost,
    }


async def crl_snapshot(store: Store, now: datetime, *, deltas: bool) -> list[dict[str, Any]] | None:
    """Return number and ages of every CRL that is kept up, or None where the store does not say.

    Without *deltas* the site signs none any more, so those that there are do not count.
    """
    try:
        async with asyncio.timeout(STORE_SECONDS):
            found = await store.crl_dates()
    except (StoreUnavailable, TimeoutError):
        return None
    return [
        {
            "issuer": one.issuer,
            "kind": one.kind.value,
            "partition": one.scope,
            "number": one.number,
            "age_seconds": (now - one.this_update) / _SECOND,
            "seconds_to_next_update": (one.next_update - now) / _SECOND,
        }
        for one in found
        if deltas or one.kind is not CRLKind.DELTA
    ]


async def foreign_snapshot(store: Store, now: datetime) -> list[dict[str, Any]]:
    """Return how the lists of other CAs stand; of what is not known there is no key."""
    try:
        async with asyncio.timeout(STORE_SECONDS):
            found = await store.foreign_lists()
    except (StoreUnavailable, TimeoutError):
        return []
    return [_foreign_facts(one, now) for one in found]


def _foreign_facts(one: ForeignList, now: datetime) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "trust": one.trust,
        "source": one.source,
        "entries": one.entries,
        "failing": int(bool(one.failure)),
    }
    if one.this_update is not None:
        facts["age_seconds"] = (now - one.this_update) / _SECOND
    if one.next_update is not None:
        facts["seconds_to_next_update"] = (one.next_update - now) / _SECOND
    return facts
