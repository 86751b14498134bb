"""Read a list in a process of its own, whose time and memory are bounded.

A list is up to 100 MiB of what a stranger has written. It is read by a program that is started
for it, can open what this process can and no socket is handed to it, is killed when it takes too
long, and leaves an index file (`ca.foreign.revoked`). The event loop never parses one.
"""

import asyncio
import base64
import json
import mmap
import resource
import signal
import subprocess
import sys
from asyncio.subprocess import Process
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from ca.foreign.crls import CRLFault, RefusedCRL, read_crl
from ca.foreign.revoked import IndexDamaged, RevokedIndex, encode_index
from gateway.verifier.files import FileFailed, NewFile, read_pieces, remove


@dataclass(frozen=True, slots=True)
class ReadingLimits:
    """What reading one list may cost: seconds on the clock and of the processor, octets."""

    elapsed: float = 120
    processor: int = 60
    memory: int = 2**30


LIMITS: Final = ReadingLimits()
"""A list of a million entries takes less than five seconds, nearly all of the processor, and a third
of the memory."""


async def read_list(
    source: Path,
    target: Path,
    issuers: Sequence[bytes],
    now: datetime,
    limits: ReadingLimits = LIMITS,
) -> RevokedIndex | RefusedCRL:
    """Read the list in the file *source* into the new index file *target*, and open that.

    Raises `FileFailed` when a file cannot be read or written. After a refusal and a failure
    there is no *target*.
    """
    order = {
        "source": str(source),
        "target": str(target),
        "issuers": [base64.b64encode(one).decode() for one in issuers],
        "now": now.isoformat(),
        "limits": asdict(limits),
    }
    process = await _start(source)
    try:
        async with asyncio.timeout(limits.elapsed):
            said, _ = await process.communicate(json.dumps(order).encode())
    except TimeoutError:
        said = b""
    finally:
        await _end(process)
    refused = _outcome(said, process.returncode or 0, source)
    if refused is not None:
        remove(target)
        return refused
    return await asyncio.to_thread(open_index, target)


async def _start(source: Path) -> Process:
    """Start a reader; whoever gives up meanwhile leaves none behind that nobody knows of."""
    starting = asyncio.create_task(  # noqa: TID251 - waited for below, whatever comes
        asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "gateway.verifier.reading"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Ctrl-C at a terminal is for who has started it. (uvloop knows no process_group.)
            start_new_session=True,
        )
    )
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        # It may run already, while its pipes are still being laid.
        with suppress(OSError):
            await _end(await starting)
        raise
    except OSError as error:
        # No process or descriptor is left, or this Python was exchanged for another.
        raise FileFailed(f"{source}: its reader cannot be started: {error.strerror}") from error


async def _end(process: Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def open_index(path: Path) -> RevokedIndex:
    """Map the index file *path*; raises `FileFailed`, and `IndexDamaged`."""
    try:
        with path.open("rb") as file:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        # ValueError: it is empty.
        raise FileFailed(f"{path}: cannot be read: {error}") from error
    try:
        return RevokedIndex(memoryview(data))
    except IndexDamaged as damaged:
        raise IndexDamaged(f"{path}: {damaged}") from None


def _outcome(said: bytes, status: int, source: Path) -> RefusedCRL | None:
    """Say what came of it, by the word and the exit status of who was told to read."""
    # The last is how native code says that there is no more memory.
    if status in (-signal.SIGKILL, -signal.SIGXCPU, -signal.SIGABRT):
        return RefusedCRL(CRLFault.COSTLY, "takes more time or memory to read than a list may")
    if status or not said:
        raise FileFailed(f"{source}: its reader has failed, with status {status}")
    word = json.loads(said)
    if "failure" in word:
        raise FileFailed(word["failure"])
    return RefusedCRL(CRLFault(word["reason"]), word["words"]) if "reason" in word else None


def main() -> None:
    """Do what the order on standard input says, and say on standard output what came of it."""
    order = json.load(sys.stdin)
    limits = ReadingLimits(**order["limits"])
    resource.setrlimit(resource.RLIMIT_CPU, (limits.processor, limits.processor))
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory, limits.memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        word = _read(
            Path(order["source"]),
            Path(order["target"]),
            [base64.b64decode(one) for one in order["issuers"]],
            datetime.fromisoformat(order["now"]),
        )
    except MemoryError:
        word = {"reason": CRLFault.COSTLY, "words": "takes more memory to read than a list may"}
    except FileFailed as failed:
        word = {"failure": str(failed)}
    json.dump(word, sys.stdout)


def _read(source: Path, target: Path, issuers: Sequence[bytes], now: datetime) -> dict[str, str]:
    read = read_crl(b"".join(read_pieces(source)), issuers, now)
    if isinstance(read, RefusedCRL):
        return {"reason": read.reason, "words": read.words}
    file = NewFile(target)
    try:
        for piece in encode_index(read.facts, read.records):
            file.write(piece)
        file.finish()
    except BaseException:
        file.discard()
        raise
    return {}


if __name__ == "__main__":
    main()
