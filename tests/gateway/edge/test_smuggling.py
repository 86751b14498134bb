"""Whatever a client sends, applications see whole requests of ours and of nobody else's making.

Messages are taken apart and put together in wrong ways, cut into segments
anywhere, and sent over one connection. h11 reads the same bytes as the client
sent them, for a second opinion: what reaches the application must be among what
h11 finds in them, in the same order, and so must the answers.
"""

import array
import asyncio
import fcntl
import os
import socket
import termios
from contextlib import suppress
from dataclasses import dataclass

import h11
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gateway.core.routes import normalise_target
from gateway.edge.downstream import Downstream
from gateway.edge.stream import State
from tests.gateway.edge.recorder import Line
from tests.gateway.edge.site import CRM, WIKI
from tests.gateway.edge.stage import Stage
from tests.gateway.edge.waiting import until
from tests.gateway.edge.wire import Wire

EXAMPLES = int(os.environ.get("PUSTERLA_EXAMPLES", "150"))
"""How many examples are tried; more where somebody has the time."""
EVIL = f"GET /evil HTTP/1.1\r\nHost: {WIKI}\r\nX-Forwarded-User: root\r\n\r\n".encode()
COOKIE = b"Cookie: placeholder\r\n"


def message(method: bytes, target: bytes, lines: bytes, body: bytes) -> bytes:
    """Return a request of somebody signed in."""
    return (
        b"%b %b HTTP/1.1\r\nHost: %b\r\n" % (method, target, WIKI.encode())
        + COOKIE
        + lines
        + b"\r\n"
        + body
    )


def chunks(*pieces: bytes) -> bytes:
    """Return *pieces* in the chunked coding."""
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


TARGETS = st.sampled_from([b"/a", b"/b?c=d", b"/%41/../e", b"//f", b"/g%2fh"])
BODIES = st.sampled_from([b"x", b"hello", EVIL, b"0\r\n\r\n" + EVIL, b"5\r\nhello\r\n0\r\n\r\n"])
GETS = st.builds(lambda target: message(b"GET", target, b"", b""), TARGETS)
LENGTHS = st.builds(
    lambda target, body: message(b"POST", target, b"Content-Length: %d\r\n" % len(body), body),
    TARGETS,
    BODIES,
)
CHUNKED = st.builds(
    lambda target, one, two: message(
        b"PUT", target, b"Transfer-Encoding: chunked\r\n", chunks(one, two)
    ),
    TARGETS,
    BODIES,
    BODIES,
)
TRICKS = st.sampled_from(
    [
        *(b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b",", b";", b"0", b"\r\n\r\n", b"\n\n"),
        *(b"Content-Length: 0\r\n", b"Content-Length: 3\r\n", b"Content-Length: 3, 3\r\n"),
        *(b"Content-Length : 9\r\n", b"Content_Length: 9\r\n", b"Content-Length: +9\r\n"),
        *(b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding : chunked\r\n"),
        *(b"Transfer-Encoding: identity\r\n", b"Transfer-Encoding:\r\n chunked\r\n"),
        *(b"Transfer-Encoding: x\r\n", b"transfer-encoding:\x0bchunked\r\n"),
        *(b"Connection: close\r\n", b"Connection: Content-Length\r\n", b"Expect: 100-continue\r\n"),
        *(b"Connection: Upgrade\r\nUpgrade: websocket\r\n", b"Connection: keep-alive, cookie\r\n"),
        *(
            b"X-Forwarded-User: root\r\n",
            b"x_forwarded_user: root\r\n",
            b"Pusterla-Assertion: x\r\n",
        ),
        *(b"Transfer-Encoding:\x0bchunked\r\n", b"Transfer-Encoding: chunked;q=1\r\n"),
        *(b"Transfer-Encoding: identity, chunked\r\n", b"Content-Length: 5,5\r\n"),
        *(b"Content-Length:\r\n 3\r\n", b"Content-Length: 0x3\r\n", b"Content-Length: 003\r\n"),
        *(b"0x", b"+", b"_", b"00", b"\x0b", b"\xa0", b'"', b'1;a="\r\n', b"ffffffffffffffff1\r\n"),
        *(b"0\r\n\r\n", b"0\r\nHost: x\r\n\r\n", b"0\r\nContent-Length: 30\r\n\r\n", b"0\n\n"),
        *(
            b"TE: trailers\r\n",
            b"Upgrade: h2c\r\nHTTP2-Settings: AAMA\r\n",
            b"TRACE ",
            b"OPTIONS * ",
        ),
        *(b"HTTP/1.0", b"HTTP/1.2", b"http/1.1", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"#x", b"@"),
        *(b"Host: wiki.pusterla.localhost, x\r\n", b"Host:\r\n", b"Host: a_b\r\n"),
        *(b"Host: crm.pusterla.localhost\r\n", b" folded\r\n", b"1;ext\r\n", b"-1\r\n"),
        *(EVIL, b"HEAD /head HTTP/1.1\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"https://evil.example"),
    ]
)


@dataclass(frozen=True, slots=True)
class Mutation:
    """At *place* (per mille of the message), *removed* bytes give way to *trick*."""

    place: int
    removed: int
    trick: bytes

    def __call__(self, data: bytes) -> bytes:
        at = len(data) * self.place // 1000
        return data[:at] + self.trick + data[at + self.removed :]


def _apply(data: bytes, mutations: list[Mutation]) -> bytes:
    for mutation in mutations:
        data = mutation(data)
    return data


MUTATIONS = st.builds(Mutation, st.integers(0, 1000), st.integers(0, 12), TRICKS | st.just(b""))
FLAWED = st.builds(
    _apply,
    GETS | LENGTHS | CHUNKED,
    st.lists(MUTATIONS, min_size=1, max_size=3),
)
STREAMS = st.lists(GETS | LENGTHS | CHUNKED | FLAWED, min_size=1, max_size=4).map(b"".join)
CUTS = st.lists(st.integers(0, 1000), max_size=6)


def in_segments(data: bytes, cuts: list[int]) -> list[bytes]:
    """Cut *data* at so many per mille of it."""
    places = sorted(len(data) * cut // 1000 for cut in cuts)
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True) if a < b]


Found = tuple[str, bytes, bytes]


def requests_in(data: bytes) -> list[Found]:
    """Return the whole requests that h11 finds at the beginning of *data*."""
    found: list[Found] = []
    with suppress(h11.RemoteProtocolError):
        while True:
            http = h11.Connection(h11.SERVER)
            # h11 does not pass over the empty line that RFC 9112, section 2.2, allows.
            http.receive_data(data.removeprefix(b"\r\n"))
            head = http.next_event()
            body = b""
            while isinstance(event := http.next_event(), h11.Data):
                body += event.data
            if not isinstance(head, h11.Request) or not isinstance(event, h11.EndOfMessage):
                break
            found.append((head.method.decode(), bytes(head.target), body))
            data = http.trailing_data[0]
    return found


def normal(found: Found) -> Found:
    """Return a request as the gate would pass it on, if it did."""
    method, raw, body = found
    # absolute-form; the scheme and the host are what Host says.
    raw = raw.removeprefix(b"https://" + WIKI.encode())
    target = normalise_target(raw)
    return method, raw if target is None else target.wire, body


def summary(found: Found) -> bytes:
    """Tell one request from another, with every byte of it."""
    method, target, body = found
    return b"%b %b %b" % (method.encode(), target, body)


def unread(one: socket.socket, request: int) -> int:
    """Ask the kernel how many bytes wait at a socket."""
    answer = array.array("i", [0])
    fcntl.ioctl(one.fileno(), request, answer)
    return answer[0]


def at_rest(wire: Wire, connection: Downstream) -> bool:
    """Say whether the edge has read everything and waits for the client, or has closed."""
    transport = connection._transport
    if connection._state in {State.LINGER, State.CLOSED} or transport is None:
        return True
    exchange = connection.exchange
    waits = connection._state is State.HEAD or (exchange is not None and exchange.wants_body)
    if not waits or wire.writer.transport.get_write_buffer_size():
        return False
    ours, theirs = (one.get_extra_info("socket") for one in (wire.writer.transport, transport))
    return not unread(ours, termios.TIOCOUTQ) and not unread(theirs, termios.FIONREAD)


def good_answers_in(data: bytes, methods: list[str]) -> list[bytes]:
    """Let h11 read the answers to requests with *methods*; return the bodies of good ones."""
    bodies = []
    for method in methods:
        if not data:
            # To h11 nothing would be the end of the connection.
            break
        http = h11.Connection(h11.CLIENT)
        http.send(h11.Request(method=method, target="/", headers=[("Host", "any")]))
        http.send(h11.EndOfMessage())
        http.receive_data(data)
        while isinstance(head := http.next_event(), h11.InformationalResponse):
            pass
        if not isinstance(head, h11.Response):
            break
        body = b""
        while isinstance(event := http.next_event(), h11.Data):
            body += event.data
        if not isinstance(event, h11.EndOfMessage):
            break
        if head.status_code == 200 and method != "HEAD":
            bodies.append(body)
        data = http.trailing_data[0]
    return bodies


def is_part(some: list[bytes], whole: list[bytes]) -> bool:
    """Say whether *some* are among the *whole*, in the same order."""
    rest = iter(whole)
    return all(one in rest for one in some)


async def echo(line: Line) -> None:
    """Answer with what was asked, so that an answer tells whose it is."""
    while (seen := await line.request()) is not None:
        content = summary((seen.method, seen.target.encode(), seen.body))
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(content)
        line.send(head if seen.method == "HEAD" else head + content)
        line.next_request()


async def play(stage: Stage, stream: bytes, cuts: list[int]) -> tuple[int, int]:
    """Send *stream* over a connection of its own and look at both ends of the edge.

    Returns how many requests have reached the application, and how many answers came back.
    """
    before = len(stage.wiki.requests)
    wire = await stage.connect(WIKI, stage.made.anna)
    (connection,) = stage.connections
    for segment in in_segments(stream, cuts):
        wire.writer.write(wire.seal(segment))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    await until(lambda: at_rest(wire, connection))
    reading = asyncio.ensure_future(wire.read_all())
    await until(lambda: at_rest(wire, connection))
    wire.reset()
    answers = await reading
    await until(lambda: not stage.connections)

    seen = stage.wiki.requests[before:]
    for one in seen:
        assert one.values("x-forwarded-user") == ["anna"], one
        assert one.values("host") == [WIKI]
        assert not any("root" in value for name, value in one.fields)
    reached = [summary((one.method, one.target.encode(), one.body)) for one in seen]
    wanted = [normal(found) for found in requests_in(stream)]
    assert is_part(reached, [summary(found) for found in wanted])
    assert stage.wiki.complaints == []
    assert stage.crm.received == b""
    told = good_answers_in(answers, [method for method, _, _ in wanted])
    assert is_part(told, reached)
    return len(reached), len(told)


HOST_OF_ANOTHER = message(b"GET", b"/", b"", b"").replace(WIKI.encode(), CRM.encode())


@pytest.fixture
async def cookie(stage: Stage) -> bytes:
    """The line that makes a request one of somebody signed in."""
    stage.wiki.script = echo
    return stage.cookie(await stage.sign_in())


async def test_what_is_well_formed_arrives_and_is_answered(stage: Stage, cookie: bytes) -> None:
    """Or else the property below would hold of an edge that refuses everything."""
    get, post = message(b"GET", b"/a", b"", b""), (b"POST", b"/b", b"Content-Length: 3\r\n", b"abc")
    stream = (get + message(*post) + get).replace(COOKIE, cookie)
    for cuts in ([], [1], [40, 200, 300]):
        assert await play(stage, stream, cuts) == (3, 3)


@given(stream=STREAMS, cuts=CUTS)
@example(stream=b"\n\r\n" + message(b"GET", b"/a", b"", b""), cuts=[])
@example(stream=message(b"POST", b"/a", b"Content-Length: 3\r\n", b"abc") + EVIL, cuts=[500])
@example(stream=message(b"GET", b"/a", b"", b"") * 4 + HOST_OF_ANOTHER, cuts=[])
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
async def test_no_bytes_of_one_request_are_ever_part_of_another(
    stage: Stage, cookie: bytes, stream: bytes, cuts: list[int]
) -> None:
    """Requests arrive whole, with our identity, in order, as h11 finds them; so do the answers."""
    await play(stage, stream.replace(COOKIE, cookie), cuts)
