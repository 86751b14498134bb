"""Requests to a site while its verifier takes up a list: how long the slowest had to wait."""

import asyncio
import json
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from gateway.bootstrap.command import open_command
from gateway.bootstrap.folder import SiteFolder, clock
from gateway.bootstrap.trusting import NewTrust, add_trust
from gateway.core.trusts import IdentityMap
from tests.bench.measuring import ALL, load_command, resident_kib, workers
from tests.bench.peers import Peer, application
from tests.bench.sites import BenchSite, make_site, serve_site
from tests.ca.foreign.makers import Holder
from tests.gateway.verifier.web import Asked, answer, open_web

PATH = "/"
ALONE_SECONDS = 3.0
_PATIENCE_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Waits:
    """What some requests had to wait for their answers, in milliseconds."""

    requests: int
    p99: float
    worst: float


@dataclass(frozen=True, slots=True)
class Beside:
    """Requests with nothing beside them, and those beside the list; and what a worker grew by."""

    alone: Waits
    reading: Waits
    seconds: float
    worker_mib: float


async def ask_beside(directory: Path, ca: Holder, data: bytes) -> Beside:
    """Have a site that trusts *ca* take up the list *data*, and ask it all the while."""
    directory.mkdir()
    wanted, told = asyncio.Event(), asyncio.Event()

    async def when_told(asked: Asked, writer: asyncio.StreamWriter) -> None:
        wanted.set()
        await told.wait()
        await answer(data)(asked, writer)

    async with open_web() as web:
        web.answers["/ca.crl"] = when_told
        with application(directory) as upstream:
            site = await make_site(directory / "site", upstream.port)
            await _trust(site.folder, ca, directory / "ca.pem", web.url("/ca.crl"))
            with serve_site(site, *ALL) as gateway:
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    await wanted.wait()
                    return await _measure(site, gateway, told)


async def _trust(folder: SiteFolder, ca: Holder, file: Path, url: str) -> None:
    file.write_bytes(ca.certificate.public_bytes(Encoding.PEM))
    async with open_command(folder, clock) as command:
        await add_trust(command, NewTrust(file, IdentityMap.SAN_EMAIL, "plant", (url,)))


async def _measure(site: BenchSite, gateway: Peer, told: asyncio.Event) -> Beside:
    (worker,) = workers(gateway.pid)
    async with _asking(site, gateway) as process:
        await asyncio.sleep(ALONE_SECONDS)
        alone = await _waits(process)
    before = resident_kib(worker)
    async with _asking(site, gateway) as process:
        begun = time.monotonic()
        told.set()
        await _until_in_force(site.folder)
        seconds = time.monotonic() - begun
        # What follows on it, in the verifier and in the worker, is to be seen as well.
        await asyncio.sleep(1)
        reading = await _waits(process)
    return Beside(alone, reading, seconds, (resident_kib(worker) - before) / 1024)


@asynccontextmanager
async def _asking(site: BenchSite, gateway: Peer) -> AsyncIterator[Process]:
    command = load_command("asking", *site.load_arguments(gateway.port), "--path", PATH)
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
    assert process.stdout is not None
    if not await process.stdout.readline():
        raise SystemExit("the site is not asked")
    yield process


async def _waits(process: Process) -> Waits:
    """End the asking and return what it found."""
    said, _ = await process.communicate(b"")
    if process.returncode:
        raise SystemExit("not every request was answered")
    return Waits(**json.loads(said))


async def _until_in_force(folder: SiteFolder) -> None:
    """Wait until the index of the list has its name, without which it is not in force."""
    while not [*folder.foreign.rglob("*-full.index")]:  # noqa: ASYNC110 - by another process
        await asyncio.sleep(0.01)
