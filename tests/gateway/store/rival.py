"""A process of its own that uses a store, for tests of several at once.

`python rival.py ADDRESS race` counts attempts, burns steps and writes audit lines, as fast as it
can, and prints what it got as JSON. `... write` writes audit lines until it is killed, and prints
the number of each once it is durable.
"""

import asyncio
import json
import sys
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count

from gateway.core.audit import AuditEvent, AuditKind
from gateway.core.people import Fingerprint
from gateway.store import AttemptReserved, Store, open_store

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
STEPS = range(100, 130)
ATTEMPTS = 10
EVENT = AuditEvent(AuditKind.ACCESS_ALLOWED, NOW, user="anna")


async def race(store: Store) -> None:
    """Take part in a race with others that do the same."""
    print("ready", flush=True)
    sys.stdin.readline()
    attempts = [await store.reserve_attempt(Fingerprint("ab" * 32)) for _ in range(ATTEMPTS)]
    burnt = []
    for step in STEPS:
        if await store.burn_step("anna", step):
            burnt.append(step)
        await store.record(EVENT)
    reserved = [answer.failures for answer in attempts if isinstance(answer, AttemptReserved)]
    print(json.dumps({"reserved": reserved, "burnt": burnt}), flush=True)


async def write(store: Store) -> None:
    """Write lines without end."""
    for number in count(1):
        await store.record(replace(EVENT, detail={"number": str(number)}))
        print(number, flush=True)


async def main(address: str, part: str) -> None:
    """Open the store and play *part*."""
    async with open_store(address, lambda: NOW) as store:
        await (race if part == "race" else write)(store)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
