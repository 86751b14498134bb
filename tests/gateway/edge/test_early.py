"""Answers that come before the request is whole, and applications that go away at any moment.

The client uploads in pieces; the application does one thing after so many bytes of the body. What
the client gets is the whole answer, a page of ours, or an answer that is seen to be broken.
"""

import asyncio
from dataclasses import dataclass
from enum import Enum, auto

import h11
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.gateway.edge.recorder import Line, ok
from tests.gateway.edge.stage import Stage, Visitor
from tests.gateway.edge.test_smuggling import EXAMPLES
from tests.gateway.edge.wire import Reply

PIECE = 20_000
ANSWER = ok(b"early enough", b"X-From: application")


class End(Enum):
    """What the application does with its connection behind the answer."""

    KEEPS = auto()
    READS_ON = auto()
    CLOSES = auto()
    """With bytes unread, which makes the kernel reset the connection."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A body of *pieces*, *answered* by so many bytes of `ANSWER` after *read* bytes of it."""

    pieces: int
    chunked: bool
    read: int
    answered: int
    end: End


UPLOADS = st.builds(
    Upload,
    pieces=st.integers(1, 20),
    chunked=st.booleans(),
    read=st.integers(0, 3 * PIECE),
    answered=st.just(len(ANSWER)) | st.integers(0, len(ANSWER)),
    end=st.sampled_from(End),
)


@dataclass(slots=True)
class Application:
    """Does with each connection what its *upload* says."""

    upload: Upload | None = None

    async def __call__(self, line: Line) -> None:
        while (head := await line.head()) is not None:
            if head.method == "POST":
                if not await self._answer(line):
                    return
            else:
                await line.body()
                line.send(ok(b"next"))
            line.next_request()

    async def _answer(self, line: Line) -> bool:
        """Answer an upload, and say whether the connection goes on."""
        upload = self.upload
        assert upload is not None
        begun = line.received.index(b"\r\n\r\n", line.received.rindex(b"POST / ")) + 4
        while len(line.received) - begun < min(upload.read, upload.pieces * PIECE):
            data = await line.read()
            if not data:
                return False
            line._http.receive_data(data)
        line.send(ANSWER[: upload.answered])
        await line.writer.drain()
        if upload.end is End.CLOSES:
            line.close()
        elif upload.end is End.READS_ON:
            return await line.body() is not None
        else:
            line.writer.transport.pause_reading()  # type: ignore[attr-defined]
            await asyncio.sleep(0.02)
            line.reset()
        return False


async def send(visitor: Visitor, upload: Upload) -> None:
    """Send the request and its body, for as long as the other side takes it."""
    size = upload.pieces * PIECE
    field = b"Transfer-Encoding: chunked" if upload.chunked else b"Content-Length: %d" % size
    data = b"%x\r\n" % PIECE + b"x" * PIECE + b"\r\n" if upload.chunked else b"x" * PIECE
    await visitor.wire.send(visitor.request("/", "POST", field))
    for _ in range(upload.pieces):
        visitor.wire.writer.write(visitor.wire.seal(data))
        await asyncio.sleep(0)
    if upload.chunked:
        visitor.wire.writer.write(visitor.wire.seal(b"0\r\n\r\n"))


async def answer_to(visitor: Visitor) -> Reply | None:
    """Read the answer; None where it is seen to be broken."""
    try:
        async with asyncio.timeout(10):
            return await visitor.wire.reply("POST")
    except h11.RemoteProtocolError:
        return None


@pytest.fixture
def application(narrow: Stage) -> Application:
    """The application, at its post."""
    narrow.wiki.script = application = Application()
    return application


@given(upload=UPLOADS)
@example(upload=Upload(20, True, 0, len(ANSWER), End.CLOSES))
@example(upload=Upload(20, False, 0, len(ANSWER), End.CLOSES))
@settings(
    max_examples=EXAMPLES // 5,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
async def test_an_answer_is_whole_ours_or_seen_to_be_broken(
    narrow: Stage, application: Application, upload: Upload
) -> None:
    """And whoever comes next, on this connection or another, gets their own."""
    application.upload = upload
    visitor = await narrow.enter()
    await send(visitor, upload)
    if upload.end is End.READS_ON and upload.answered < len(ANSWER):
        visitor.wire.reset()
        return
    reply = await answer_to(visitor)
    if upload.answered == len(ANSWER):
        assert reply is not None
        assert (reply.status, reply.body) == (200, b"early enough")
    elif reply is not None:
        assert (reply.status, reply.refusal) == (502, "upstream-broken")
    visitor.wire.reset()
    other = await narrow.enter()
    assert (await other.ask("/next")).body == b"next"
    other.wire.reset()
