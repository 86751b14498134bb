"""A process of its own that writes to a store when it is told to, for tests of who follows it.

`python scribe.py ADDRESS` reads lines. `soon KEY` announces a change of the user KEY and commits
at once. `late KEY` does so in a transaction so large that most of it is in the -wal file long
before it is committed. Either is answered with when the commit had returned (`time.monotonic`,
which processes share), and by how many bytes -wal had grown before.
"""

import asyncio
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from gateway.core.changes import ChangeKind
from gateway.store import Store, open_store
from gateway.store.address import file_of, parse_address

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
AHEAD_SECONDS = 0.5
"""How long before the commit most of a late transaction is written."""


async def write(store: Store, wal: Path, key: str, late: bool) -> None:
    """Announce a change, and say when it was committed."""
    before = wal.stat().st_size
    async with store.begin() as connection:
        if late:
            await connection.exec_driver_sql("PRAGMA cache_size=4")
            ballast = ((ChangeKind.SESSION, f"{number:0500}") for number in range(200))
            await store.announce(connection, *ballast)
        await store.announce(connection, (ChangeKind.USER, key))
        ahead = wal.stat().st_size - before
        if late:
            await asyncio.sleep(AHEAD_SECONDS)
    print(json.dumps({"committed": time.monotonic(), "ahead": ahead}), flush=True)


async def main(address: str) -> None:
    """Do as told until there is nobody who tells."""
    file = file_of(parse_address(address))
    assert file is not None
    async with open_store(address, lambda: NOW) as store:
        print("ready", flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            how, key = line.split()
            await write(store, file.with_name(f"{file.name}-wal"), key, how == "late")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
