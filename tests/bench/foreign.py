"""Part 8: a list of a million entries of another CA: fetched, read, looked up in, and not felt."""

import asyncio
import os
import random
import resource
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from ca.issue import Issuer
from ca.status import CRLHead, encode_lines, sign_crl
from ca.trust import RevocationReason
from gateway.bootstrap.folder import clock
from gateway.core.trusts import IdentityMap, Trust
from gateway.verifier.fetching import Fetcher
from gateway.verifier.lists import RevocationLists
from tests.bench.beside import Beside, ask_beside
from tests.bench.measuring import percentile, resident_kib
from tests.bench.report import Section, at_most
from tests.ca.foreign.crl_makers import NOW, WEEK
from tests.ca.foreign.makers import Holder, certify
from tests.gateway.verifier.big import make_identified_ca
from tests.gateway.verifier.web import answer, open_web

GAP_MS = 20.0
READ_SECONDS = 20.0
READ_MIB = 1024.0
INDEX_MIB = 80.0
_MIB = 2**20
_REASONS = tuple(map(str, RevocationReason))


@dataclass(slots=True)
class _Measured:
    """What one list has cost."""

    size: int = 0
    elapsed: float = 0.0
    processor: float = 0.0
    reader_mib: float = 0.0
    index_mib: float = 0.0
    here_mib: float = 0.0
    pauses: list[float] = field(default_factory=list)
    start_ms: float = 0.0
    look_up_us: float = 0.0


def measure_foreign(directory: Path, *, quick: bool) -> Section:
    """Have a long list from a server on loopback, and ask about certificates."""
    count = 100_000 if quick else 1_000_000
    found = asyncio.run(_measure(directory, count))
    print(f"foreign: {count:,} entries in {found.elapsed:.1f} s", flush=True)
    beside = asyncio.run(_ask_beside(directory / "beside", count))
    print(f"foreign: {beside.reading.requests:,} requests meanwhile", flush=True)
    rows = [
        ("the list", f"{found.size / _MIB:.1f} MiB", f"{count:,} entries, most with a reason"),
        (
            "fetched, verified, read and in force",
            f"{found.elapsed:.1f} s",
            f"{found.processor:.1f} s of CPU and {found.reader_mib:.0f} MiB in the reader",
        ),
        (
            "the longest that the verifier's loop stood still",
            f"{max(found.pauses) * 1e3:.0f} ms",
            f"{percentile(found.pauses, 0.99) * 1e3:.0f} ms the 99th of 100",
        ),
        (
            "the index",
            f"{found.index_mib:.1f} MiB on disk",
            f"{found.here_mib:.0f} MiB more resident in the verifier, mapped from the file",
        ),
        ("taken up by a process that starts", f"{found.start_ms:.0f} ms", ""),
        ("one certificate looked up", f"{found.look_up_us:.0f} µs", "its own points read too"),
        (
            "the slowest answer while a list is taken up",
            f"{beside.reading.worst:.1f} ms",
            f"{beside.alone.worst:.1f} ms before",
        ),
        ("… the 99th of 100", f"{beside.reading.p99:.1f} ms", f"{beside.alone.p99:.1f} ms before"),
        ("memory of the worker meanwhile", f"{beside.worker_mib:+.1f} MiB", "it has no list"),
    ]
    figures = [
        at_most(f"a list of {count:,} read", found.elapsed, READ_SECONDS, " s", 1),
        at_most("memory for that", found.reader_mib, READ_MIB, " MiB", 0),
        at_most("its index", found.index_mib, INDEX_MIB, " MiB", 1),
        at_most("longest wait for an answer meanwhile", beside.reading.worst, GAP_MS, " ms", 1),
    ]
    return Section(
        "foreign",
        "Lists of other CAs",
        f"`{Path(sys.executable).name}` reads the list in a process of its own. Resident memory "
        "of the verifier is that of the bench, before and after. Requests are asked of a site that "
        "runs on all processors, one after the other on one connection, from a process that shares "
        "one of them with the application and the server of the list.",
        ("what", "figure", "besides"),
        rows,
        figures,
    )


async def _measure(directory: Path, count: int) -> _Measured:
    ca, found = make_identified_ca(), _Measured()
    data = _make_list(ca, count)
    found.size = len(data)
    people = [certify("anna", ca, NOW).certificate for _ in range(100)]
    trust = Trust("plant", (ca.certificate.public_bytes(Encoding.DER),), IdentityMap.SAN_EMAIL)
    async with open_web() as web:
        web.answers["/ca.crl"] = answer(data)
        del data
        told = Trust(trust.name, trust.certificates, trust.identity, (web.url("/ca.crl"),))
        lists = RevocationLists(directory / "lists", told, Fetcher())
        before = resident_kib(os.getpid())
        began, used = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        async with _watching(found.pauses):
            (event,) = await lists.refresh(NOW)
        print(f"foreign: {event.words}", flush=True)
    found.elapsed = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    found.processor = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
    found.reader_mib = after.ru_maxrss / 1024
    found.here_mib = (resident_kib(os.getpid()) - before) / 1024
    (index,) = (directory / "lists").glob("*.index")
    found.index_mib = index.stat().st_size / _MIB
    began = time.monotonic()
    lists = RevocationLists(directory / "lists", told, Fetcher())
    found.start_ms = (time.monotonic() - began) * 1e3
    began = time.process_time()
    for person in people:
        if lists.status(person, NOW).good_until is None:
            raise SystemExit("the list in force is not asked")
    found.look_up_us = (time.process_time() - began) / len(people) * 1e6
    return found


async def _ask_beside(directory: Path, count: int) -> Beside:
    # A site goes by the clock.
    now = clock()
    ca = make_identified_ca(now)
    return await ask_beside(directory, ca, _make_list(ca, count, now))


def _make_list(ca: Holder, count: int, now: datetime = NOW) -> bytes:
    chance = random.Random(4)
    second = int(datetime.timestamp(now)) * 1_000_000
    lines = encode_lines(
        (f"{chance.getrandbits(126) | 1 << 126:x}", second, chance.choice(_REASONS))
        for _ in range(count)
    )
    head = CRLHead(1, now - timedelta(hours=1), now + WEEK)
    return sign_crl(Issuer("foreign", ca.certificate, ca.key), head, [lines])


@asynccontextmanager
async def _watching(pauses: list[float]) -> AsyncIterator[None]:
    """Write into *pauses* by how much a loop that is wanted each 5 ms comes late."""

    async def watch() -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.005)
            pauses.append(time.monotonic() - before - 0.005)

    async with asyncio.TaskGroup() as group:
        watching = group.create_task(watch())
        yield
        watching.cancel()


if __name__ == "__main__":
    import tempfile

    from tests.bench import report

    with tempfile.TemporaryDirectory() as place:
        print(report.text(measure_foreign(Path(place), quick="--quick" in sys.argv)))
