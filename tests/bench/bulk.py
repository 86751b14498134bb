"""Many certificates revoked by one command, and who has to wait for it meanwhile."""

import asyncio
import sqlite3
import sys
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from ca.hierarchy import ISSUER_NAME
from gateway.bootstrap.command import Command, open_command
from gateway.bootstrap.creation import NewSite, create_site
from gateway.bootstrap.folder import SiteFolder, clock
from gateway.core.audit import AuditKind
from tests.bench.measuring import FIRST, on_processor
from tests.bench.sites import HOST

_DAY = 86_400_000_000
_PAUSE_SECONDS = 0.01


async def revoke_in_bulk(directory: Path, count: int, people: int) -> tuple[float, float]:
    """Revoke *count* certificates of *people*; return the seconds, and the longest wait.

    From the start of `pusterla cert revoke` to its end, the signed list included. The wait is that
    of another writer, who writes a line of the audit log a hundred times a second.
    """
    folder = await create_site(directory, NewSite(host=HOST, port=8443), clock, lambda _: None)
    _record(folder, count, people)
    program = (sys.executable, "-c", "from gateway.cli import main; main()")
    tomorrow = f"{clock() + timedelta(days=1):%Y-%m-%d}"
    async with open_command(folder, clock) as command:
        await _write(command)
        begun = time.perf_counter()
        process = await asyncio.create_subprocess_exec(
            *(*on_processor(FIRST), *program, "--site", str(folder.path), "cert", "revoke"),
            *("--issued-before", tomorrow, "--reason", "superseded", "--yes"),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        ended = asyncio.get_running_loop().create_task(process.wait())
        longest = 0.0
        while not ended.done():
            longest = max(longest, await _write(command))
            await asyncio.sleep(_PAUSE_SECONDS)
        took = time.perf_counter() - begun
    revoked = _count_revoked(folder)
    if await ended or revoked != count:
        raise SystemExit(f"pusterla cert revoke has revoked {revoked} of {count}")
    return took, longest


async def _write(command: Command) -> float:
    begun = time.perf_counter()
    await command.record(AuditKind.BULK_REVOCATION, detail={"stage": "beside it"})
    return time.perf_counter() - begun


def _record(folder: SiteFolder, count: int, people: int) -> None:
    now = int(clock().timestamp() * 1e6)
    with closing(sqlite3.connect(folder.database)) as connection:
        connection.executemany(
            "INSERT INTO certificate (issuer, serial, fingerprint, username, device, not_before,"
            " not_after, der, state, reserved_at, issued_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'valid', ?, ?)",
            [
                (
                    *(ISSUER_NAME, f"4a{number:030x}", f"{number:064x}"),
                    *(f"person-{number % people}", f"stick-{number // people}"),
                    *(now - _DAY, now + 300 * _DAY, bytes(700), now, now),
                )
                for number in range(count)
            ],
        )
        connection.commit()


def _count_revoked(folder: SiteFolder) -> int:
    with closing(sqlite3.connect(folder.database)) as connection:
        (count,) = connection.execute(
            "SELECT count(*) FROM certificate WHERE state = 'revoked'"
        ).fetchone()
    return int(count)
