"""Whatever an application answers, nobody is given bytes of an answer to somebody else.

Answers are taken apart and put together in wrong ways, and sent in pieces. Every answer
carries a mark of the request it was made for, and so does what is hidden in it; a client
may see its own mark and no other. After each odd answer comes an even one, which must
arrive as if nothing had happened.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass

import h11
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.gateway.edge.recorder import Line, ok
from tests.gateway.edge.site import WIKI
from tests.gateway.edge.stage import Stage, Visitor
from tests.gateway.edge.test_smuggling import EXAMPLES, Mutation, in_segments
from tests.gateway.edge.wire import Reply

MARK = b"@"
"""Stands in an answer for the mark of the request that it answers."""
MARKS = [bytes([octet]) for octet in range(0xF8, 0x100)]
"""In no text of ours: no byte of UTF-8 is one of these."""
PATIENCE = 0.05
LATE = 0.004
HIDDEN = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n@@@@@"

ANSWERS = st.sampled_from(
    [
        b"HTTP/1.1 200 OK\r\nX-Of: @\r\nContent-Length: 5\r\n\r\n@@@@@",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n@@@\r\n2;@\r\n@@\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n@@@\r\n0\r\nX-Of: @\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n@@@@@",
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\n@@@@@",
        b"HTTP/1.1 204 No Content\r\nX-Of: @\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n@@@@@",
        b"HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n@\r\n0\r\n\r\n",
        b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-4/9\r\nContent-Length: 5\r\n\r\n@@@@@",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 3 + HIDDEN,
        b"HTTP/1.1 103 Early Hints\r\nLink: <@>\r\n\r\n" * 40 + HIDDEN,
        b"HTTP/1.1 102 Processing\r\nContent-Length: 5\r\n\r\n@@@@@" + HIDDEN,
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n@@",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 3\r\n\r\n@@@@@",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n@@@@@",
        b"@@@@@ without a head\r\n\r\n",
        b"",
    ]
)
TRICKS = st.sampled_from(
    [
        *(b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b"\r\n\r\n", b"\n\n", b"@", b"0", b"5"),
        *(b"Content-Length: 0\r\n", b"Content-Length: 3\r\n", b"Content-Length: 5, 5\r\n"),
        *(b"Content-Length : 3\r\n", b"Content-Length: +5\r\n", b"Content-Length: 99\r\n"),
        *(b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding : chunked\r\n"),
        *(b"Transfer-Encoding: identity\r\n", b"Transfer-Encoding:\x0bchunked\r\n", b" folded\r\n"),
        *(b"Connection: close\r\n", b"Connection: Content-Length\r\n", b"Connection: Upgrade\r\n"),
        *(b"Upgrade: websocket\r\n", b"0\r\n\r\n", b"1\r\n@\r\n", b"-1\r\n", b"0x5\r\n", b"5;"),
        *(HIDDEN, b"\r\n" + HIDDEN, b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 204 No\r\n\r\n"),
        *(b"HTTP/2 200\r\n", b"1.0", b"99", b"101", b"103", b"204", b"304", b"Trailer: @\r\n"),
    ]
)
MUTATIONS = st.lists(
    st.builds(Mutation, st.integers(0, 1000), st.integers(0, 12), TRICKS | st.just(b"")),
    max_size=3,
)


@dataclass(frozen=True, slots=True)
class Odd:
    """What the application answers to a request with *method*, cut at *cuts*."""

    method: str
    answer: bytes
    cuts: list[int]
    closes: bool


def _mutated(answer: bytes, mutations: list[Mutation], behind: bytes) -> bytes:
    for mutation in mutations:
        answer = mutation(answer)
    return answer + behind


ODD = st.builds(
    Odd,
    st.sampled_from(["GET", "HEAD", "POST", "OPTIONS"]),
    st.builds(_mutated, ANSWERS, MUTATIONS, st.sampled_from([b"", b"", HIDDEN, b"\r\n", b"@"])),
    st.lists(st.integers(0, 1000), max_size=4),
    st.booleans(),
)


def settled(answer: bytes, method: str) -> bool:
    """Say whether *answer* is whole and announces no more: what came behind it, nobody could tell.

    To whoever reads it later it is the answer to the next request, in HTTP/1.1.
    """
    http = h11.Connection(h11.CLIENT)
    http.send(h11.Request(method=method, target="/", headers=[("Host", "any")]))
    http.send(h11.EndOfMessage())
    http.receive_data(answer)
    announces = False
    try:
        while not isinstance(event := http.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA or event is h11.PAUSED:
                return False
            if isinstance(event, h11.Response):
                names = {name for name, _ in event.headers}
                bodiless = method == "HEAD" or event.status_code in {204, 304}
                announces = bodiless and bool(names & {b"content-length", b"transfer-encoding"})
    except h11.RemoteProtocolError:
        return False
    return not announces


@dataclass(slots=True)
class Application:
    """Answers `/odd` as it is told, and everything else with the mark that was asked for."""

    odd: Odd | None = None

    async def __call__(self, line: Line) -> None:
        while (seen := await line.request()) is not None:
            mark = MARKS[int(seen.target.rpartition("-")[2])]
            line.next_request()
            if self.odd is None or not seen.target.startswith("/odd"):
                line.send(ok(mark * 5))
                continue
            sent = b""
            for piece in in_segments(self.odd.answer.replace(MARK, mark), self.odd.cuts):
                if sent and not settled(sent, seen.method):
                    # So long that somebody else may have the connection meanwhile.
                    await asyncio.sleep(LATE)
                if line.writer.transport.is_closing():
                    return
                line.send(piece)
                sent += piece
            if self.odd.closes:
                line.close()
                return


async def look(visitor: Visitor, method: str) -> tuple[Reply | None, bytes]:
    """Read the answer to a request, as far as one comes; return it with every byte of it."""
    seen: list[bytes] = []
    read = visitor.wire.read

    async def noting() -> bytes:
        data = await read()
        seen.append(data)
        return data

    visitor.wire.read = noting  # type: ignore[method-assign]
    reply: Reply | None = None
    with suppress(TimeoutError, h11.RemoteProtocolError):
        async with asyncio.timeout(PATIENCE):
            reply = await visitor.wire.reply(method)
    visitor.wire.read = read  # type: ignore[method-assign]
    return reply, b"".join(seen)


async def play(stage: Stage, visitor: Visitor, application: Application, odd: Odd) -> None:
    """Let somebody get *odd*, and then them and somebody else an answer as it should be."""
    application.odd = odd
    number = 0
    for at, method in ((f"/odd-{number}", odd.method), (f"/odd-{number + 1}", "GET")):
        fresh = await connected(stage, visitor)
        await fresh.wire.send(fresh.request(at, method))
        reply, seen = await look(fresh, method)
        own = MARKS[int(at[-1])]
        assert foreign(seen, own) == [], (at, seen)
        ended = reply is None or ("close" in reply.values("connection"))
        for turn in range(2):
            following = f"/even-{2 + 2 * int(at[-1]) + turn}"
            asking = await connected(stage, visitor) if ended or turn else fresh
            await asking.wire.send(asking.request(following))
            mark = MARKS[int(following[-1])]
            assert (await asking.wire.reply()).body == mark * 5
            asking.wire.reset()
        fresh.wire.reset()


def foreign(seen: bytes, own: bytes) -> list[bytes]:
    """Return the marks in *seen* that are not the *own* one."""
    return [mark for mark in MARKS if mark != own and mark in seen]


async def connected(stage: Stage, visitor: Visitor) -> Visitor:
    """Return the visitor on a connection of their own."""
    wire = await stage.connect(WIKI, stage.made.anna)
    return Visitor(wire, WIKI, visitor.cookie, visitor.session)


@pytest.fixture
async def application(stage: Stage) -> Application:
    """The application, at its post."""
    application = Application()
    stage.wiki.script = application
    return application


@pytest.fixture
async def visitor(stage: Stage) -> Visitor:
    """Somebody who is signed in."""
    return await stage.enter()


@given(odd=ODD)
@example(odd=Odd("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n@@@@@" + HIDDEN, [], False))
@example(odd=Odd("GET", b"HTTP/1.1 204 No\r\n\r\n" + HIDDEN, [500], False))
@example(odd=Odd("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" + HIDDEN, [480], False))
@example(odd=Odd("GET", b"HTTP/1.1 304 No\r\nContent-Length: 5\r\n\r\n@@@@@", [900], False))
@settings(
    max_examples=EXAMPLES // 5,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
async def test_no_bytes_of_one_answer_are_ever_part_of_another(
    stage: Stage, visitor: Visitor, application: Application, odd: Odd
) -> None:
    """A client sees its own answer or none, and the next one is as it should be."""
    await play(stage, visitor, application, odd)
