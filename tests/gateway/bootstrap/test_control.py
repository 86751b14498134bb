import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.bootstrap.control import Reload, Unanswered, answer, ask
from gateway.bootstrap.control_socket import NobodyListens, ask_at, control_socket
from gateway.bootstrap.outcome import Outcome, Report
from gateway.bootstrap.process import ProcessFailed

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def talking(reload: Reload) -> AsyncIterator[Stream]:
    """Answer by *reload* at one end of a pair of sockets; yield the other."""
    ours, theirs = socket.socketpair()
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        answering = group.create_task(answer(*await asyncio.open_connection(sock=theirs), reload))
        reader, writer = await asyncio.open_connection(sock=ours)
        yield reader, writer
        writer.close()
        await answering


async def test_every_question_is_answered() -> None:
    """One after the other, over the same connection."""
    times = iter(range(3))

    async def reload() -> Report:
        return {"edge-0": Outcome(taken=(str(next(times)),))}

    async with talking(reload) as stream:
        for number in range(3):
            assert await ask(*stream, 5) == {"edge-0": Outcome(taken=(str(number),))}


async def test_an_answer_that_comes_too_late_is_not_taken_for_the_next() -> None:
    """Whoever has given up waiting is not told of that reload when asking again."""
    late, times = asyncio.Event(), iter(range(2))

    async def reload() -> Report:
        await late.wait()
        return {"edge-0": Outcome(taken=(str(next(times)),))}

    async with talking(reload) as stream:
        with pytest.raises(Unanswered, match="no answer within 0 s"):
            await ask(*stream, 0.01)
        late.set()
        assert await ask(*stream, 5) == {"edge-0": Outcome(taken=("1",))}


async def test_who_ends_has_not_answered() -> None:
    """A process that dies meanwhile is no report, and nobody waits for it."""
    ours, theirs = socket.socketpair()
    theirs.close()
    reader, writer = await asyncio.open_connection(sock=ours)
    with pytest.raises(Unanswered):
        await ask(reader, writer, 5)
    writer.close()


async def test_noise_is_not_answered() -> None:
    """Whoever asks for something else, or for ever, is hung up on."""

    async def reload() -> Report:
        raise AssertionError

    for noise in (b"shutdown 1\n", b"x" * 100_000):
        async with talking(reload) as (reader, writer):
            writer.write(noise)
            assert await reader.read() == b""


async def test_the_socket_is_there_for_as_long_as_somebody_listens(tmp_path: Path) -> None:
    """Only its owner may use it; afterwards nobody listens, and that is said."""
    path = tmp_path / "control.sock"

    async def reload() -> Report:
        return {"portal": Outcome()}

    with pytest.raises(NobodyListens):
        await ask_at(path, 5)
    async with control_socket(path, reload):
        assert path.stat().st_mode & 0o777 == 0o600
        assert await ask_at(path, 5) == {"portal": Outcome()}
        with pytest.raises(ProcessFailed, match="another supervisor listens"):
            async with control_socket(path, reload):
                pass
    assert not path.exists()


async def test_a_socket_on_which_nobody_listens_is_nobody(tmp_path: Path) -> None:
    """What a killed supervisor left behind is told from one that runs, and replaced."""
    path = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    with pytest.raises(NobodyListens):
        await ask_at(path, 5)

    async def reload() -> Report:
        return {}

    async with control_socket(path, reload):
        assert await ask_at(path, 5) == {}
