import asyncio
import logging
import socket
import ssl
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import h11
import pytest

from gateway.core.refusal_kinds import Refusal
from gateway.core.site import Upstream, UpstreamTLS
from gateway.edge.balancing import FAILURES
from gateway.edge.service import WatchedPool
from gateway.edge.upstream import Pool
from gateway.edge.upstream_tls import UpstreamContext
from tests.gateway.edge.authority import Authority, make_authority
from tests.gateway.edge.recorder import Line, Recorder, Script, ok, polite
from tests.gateway.edge.stage import LOG, Stage, Visitor, application
from tests.gateway.edge.test_exchange import SWITCHING, UPGRADE, echo
from tests.gateway.edge.test_upstream import Customer
from tests.gateway.edge.waiting import soon, until
from tests.gateway.edge.wire import End, Wire

NAME = "wiki.internal"
LOCAL = "127.0.0.1"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """The authority of the applications."""
    return make_authority(tmp_path / "applications")


@asynccontextmanager
async def secure(
    context: ssl.SSLContext | None, script: Script = polite
) -> AsyncIterator[Recorder]:
    """Yield an application that speaks TLS, unless there is no *context*."""
    recorder = Recorder()
    recorder.script = script
    await recorder.listen(tls=context)
    try:
        yield recorder
    finally:
        await recorder.close()


async def answer_in_plain(line: Line) -> None:
    """Say what a server without TLS says to a ClientHello."""
    await line.read()
    line.received.clear()
    line.send(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
    line.close()


def serve(stage: Stage, recorder: Recorder, host: str = LOCAL, **tls: Any) -> None:
    """Serve the wiki from *recorder* by TLS, with these settings."""
    upstream = Upstream(host, recorder.port, tls=True)
    settings = UpstreamTLS(**{key: str(value) for key, value in tls.items()})
    stage.edge.adopt(stage.applications(wiki=application("wiki", upstream, tls=settings)))


async def refused(stage: Stage, refusal: Refusal = Refusal.UPSTREAM_UNREACHABLE) -> None:
    """Ask once, and be refused for *refusal*."""
    visitor = await stage.enter()
    await visitor.wire.send(visitor.request())
    reply = await visitor.wire.reply()
    assert (reply.status, reply.refusal) == (502, refusal)


async def test_an_application_is_reached_by_tls(stage: Stage, authority: Authority) -> None:
    """Under the host of the upstream; the connection is kept, and HTTP/1.1 agreed upon."""
    async with secure(authority.server(LOCAL)) as wiki:
        serve(stage, wiki, ca=authority.file)
        visitor = await stage.enter()
        for number in range(3):
            assert (await visitor.ask(f"/{number}")).body == f"/{number}".encode()
        (line,) = wiki.lines
        tls = line.writer.get_extra_info("ssl_object")
        assert tls.selected_alpn_protocol() == "http/1.1"
        assert tls.version() == "TLSv1.3"
        large = b"x" * 1_000_000
        length = b"Content-Length: %d" % len(large)
        assert (await visitor.ask("/up", "PUT", length, body=large)).status == 200
        assert wiki.requests[-1].body == large


async def test_an_application_is_verified_by_the_name_it_is_given(
    stage: Stage, authority: Authority
) -> None:
    """That name is asked for too (SNI)."""
    asked: list[str | None] = []
    context = authority.server(NAME)
    context.sni_callback = lambda _, name, __: asked.append(name)
    async with secure(context) as wiki:
        serve(stage, wiki, ca=authority.file, name=NAME)
        visitor = await stage.enter()
        assert (await visitor.ask()).status == 200
    assert asked == [NAME]


@pytest.mark.parametrize(
    "trouble, why",
    [
        ("name", "IP address mismatch"),
        ("expired", "certificate has expired"),
        ("stranger", "certificate verify failed"),
        ("system", "certificate verify failed"),
        ("plain", "SSL"),
    ],
)
async def test_an_application_that_cannot_be_verified_gets_nothing(
    stage: Stage,
    authority: Authority,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    trouble: str,
    why: str,
) -> None:
    """502, and the log says what is wrong with it."""
    caplog.set_level(logging.INFO, LOG)
    stranger = make_authority(tmp_path / "strangers")
    left = -timedelta(hours=1) if trouble == "expired" else timedelta(days=1)
    name = NAME if trouble == "name" else LOCAL
    signer = stranger if trouble == "stranger" else authority
    context = None if trouble == "plain" else signer.server(name, left=left)
    async with secure(context, polite if context else answer_in_plain) as wiki:
        if trouble == "system":
            serve(stage, wiki)
        else:
            serve(stage, wiki, ca=authority.file)
        await refused(stage)
        assert wiki.received == b""
    assert any(why in line and "upstream-unreachable" in line for line in caplog.messages)


async def test_an_application_learns_who_asks(stage: Stage, authority: Authority) -> None:
    """By our certificate; where it shows none, it is refused."""
    async with secure(authority.server(LOCAL, client=True)) as wiki:
        serve(stage, wiki, ca=authority.file)
        await refused(stage, Refusal.UPSTREAM_BROKEN)
        assert wiki.received == b""
        serve(stage, wiki, ca=authority.file, certificate=authority.issue("edge"))
        visitor = await stage.enter()
        assert (await visitor.ask()).status == 200
        shown = wiki.lines[-1].writer.get_extra_info("peercert")
        assert ("DNS", "edge") in shown["subjectAltName"]


async def test_files_that_have_changed_are_read_again(authority: Authority, tmp_path: Path) -> None:
    """And only those: a certificate is renewed without anybody being told."""
    certificate = tmp_path / "edge.pem"
    certificate.write_bytes(authority.issue("one").read_bytes())
    certificate.chmod(0o600)
    settings = UpstreamTLS(ca=str(authority.file), certificate=str(certificate))
    context = UpstreamContext(settings)
    first = context.current()
    assert context.current() is first
    certificate.write_bytes(authority.issue("another-name").read_bytes())
    assert context.current() is not first
    certificate.unlink()
    with pytest.raises(FileNotFoundError):
        context.current()


async def test_files_that_are_no_use_are_named(
    authority: Authority, tmp_path: Path, stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """A CA that is none, a key that everybody can read, one of another certificate."""
    caplog.set_level(logging.INFO, LOG)
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("nonsense")
    nonsense.chmod(0o600)
    public = authority.issue("edge")
    public.chmod(0o644)
    one, other = authority.issue("one"), authority.issue("other")
    async with secure(authority.server(LOCAL)) as wiki:
        for settings, named in (
            ({"ca": nonsense}, f"{nonsense}: not a CA certificate"),
            ({"certificate": public}, f"{public}: everybody can read this key"),
            ({"certificate": one, "key": other}, f"{one}, {other}: no certificate with its key"),
            ({"ca": tmp_path / "gone.pem"}, "gone.pem"),
        ):
            serve(stage, wiki, LOCAL, **settings)
            await refused(stage)
            assert named in caplog.messages[-1]


async def test_an_answer_that_is_cut_short_never_looks_whole(
    stage: Stage, authority: Authority
) -> None:
    """Whoever is on the way can close a connection, but not say goodbye in TLS."""

    def script(*, goodbye: bool) -> Script:
        async def say(line: Line) -> None:
            await line.request()
            line.send(b"HTTP/1.1 200 OK\r\n\r\nhello")
            await line.writer.drain()
            if goodbye:
                line.close()
            else:
                line.writer.get_extra_info("socket").shutdown(2)
                line.reset()

        return say

    async with secure(authority.server(LOCAL)) as wiki:
        serve(stage, wiki, ca=authority.file)
        wiki.script = script(goodbye=True)
        visitor = await stage.enter()
        assert (await visitor.ask()).body == b"hello"
        wiki.script = script(goodbye=False)
        other = await stage.enter()
        await other.wire.send(other.request())
        with pytest.raises(h11.RemoteProtocolError):
            await other.wire.reply()
        assert other.wire.end is not End.CLOSED


@pytest.mark.parametrize("odd", ["excess", "close", "unasked"])
async def test_a_connection_on_which_anything_was_odd_is_not_used_again(
    stage: Stage, authority: Authority, odd: str
) -> None:
    """In TLS as without."""

    async def script(line: Line) -> None:
        if len(wiki.lines) > 1:
            await polite(line)
            return
        await line.request()
        fields = (b"Connection: close",) if odd == "close" else ()
        line.send(ok(b"hello", *fields) + (b"HTTP/1.1 200 OK\r\n\r\n" * (odd == "excess")))
        if odd == "unasked":
            await until(lambda: stage.edge.services.of(app).pools[0]._idle)
            line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await line.wait_ended()

    async with secure(authority.server(LOCAL), script) as wiki:
        serve(stage, wiki, ca=authority.file)
        app = next(iter(stage.edge.services._entries.values())).app
        assert app.name == "wiki"
        visitor = await stage.enter()
        assert (await visitor.ask()).body == b"hello"
        await until(lambda: wiki.lines[0].ended)
        assert (await visitor.ask("/second")).body == b"/second"
        assert len(wiki.lines) == 2


async def test_an_idle_connection_that_was_closed_is_not_used(
    stage: Stage, authority: Authority
) -> None:
    """A safe request is made again on a new one; another is never made twice."""

    async def script(line: Line) -> None:
        await line.request()
        line.send(ok(b"hello"))
        line.next_request()
        await line.head()
        line.reset()

    async def ask(visitor: Visitor, method: str) -> int:
        await visitor.wire.send(visitor.request("/", method))
        return (await soon(visitor.wire.reply(method))).status

    async with secure(authority.server(LOCAL), script) as wiki:
        serve(stage, wiki, ca=authority.file)
        visitor = await stage.enter()
        assert await ask(visitor, "GET") == 200
        assert await ask(visitor, "GET") == 200
        assert await ask(visitor, "POST") == 502
        assert wiki.received.count(b"POST") == 1


async def test_an_upstream_whose_connections_break_is_put_aside_by_tls_too(
    stage: Stage, authority: Authority
) -> None:
    """With a body or without: what it had said would have been heard."""

    async def break_off(line: Line) -> None:
        await line.head()
        line.reset()

    async with secure(authority.server(LOCAL), break_off) as wiki:
        nowhere = Upstream("localhost", 0, unix_path="/nowhere/at.all")
        upstreams = (Upstream(LOCAL, wiki.port, tls=True), nowhere)
        app = application("wiki", upstreams, tls=UpstreamTLS(ca=str(authority.file)))
        stage.edge.adopt(stage.applications(wiki=app))
        pool = stage.edge.services.of(app).pools[0]
        assert isinstance(pool, WatchedPool)
        for octets in range(FAILURES):
            assert not pool.standing.aside
            visitor = await stage.enter()
            length = b"Content-Length: %d" % octets
            await visitor.wire.send(visitor.request("/", "POST", length, body=b"x" * octets))
            assert (await soon(visitor.wire.reply("POST"))).status == 502
        assert pool.standing.aside


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize("held", [True, False])
@pytest.mark.parametrize("tls", [True, False])
async def test_what_an_application_said_before_it_broke_off_is_heard(
    authority: Authority, *, tls: bool, held: bool, early: bool
) -> None:
    """It refuses a body and closes with the rest unread, while that is still being written.

    Also where reading was held, for a client that takes little, be it that the answer came
    early, before the break was noticed.
    """
    context = authority.server(LOCAL)
    answer = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno"
    connected, sent, over = threading.Event(), threading.Event(), threading.Event()

    def refuse(server: socket.socket) -> None:
        plain, _ = server.accept()
        # Or it would keep the answer back until its first session ticket is acknowledged.
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line = context.wrap_socket(plain, server_side=True) if tls else plain
        connected.set()
        sent.wait()
        line.recv(10)
        line.sendall(answer)
        over.wait()
        line.close()

    customer = Customer()
    with socket.create_server((LOCAL, 0)) as server:
        refusing = threading.Thread(target=refuse, args=(server,))
        refusing.start()
        upstream = Upstream(LOCAL, server.getsockname()[1], tls=tls)
        pool = Pool(upstream, UpstreamContext(UpstreamTLS(ca=str(authority.file))))
        connection = await soon(pool.connect(5))
        await asyncio.to_thread(connected.wait)
        connection.customer = customer
        transport = connection.transport
        assert transport is not None
        transport.write(b"x" * 100_000)
        await asyncio.sleep(0.05)
        connection.hold_reading(held)
        sent.set()
        if early:
            await asyncio.sleep(0.05)
        over.set()
        # The loop has no turn in between, so it writes to what is broken before it reads.
        refusing.join()
        transport.write(b"x" * 1_000_000)
        await until(lambda: customer.ended)
    assert customer.data == answer
    assert customer.ended == [False]
    assert pool.count == 0


async def test_a_handshake_that_stands_still_has_its_limit(authority: Authority) -> None:
    """And nothing of it is left."""

    async def listen_only(line: Line) -> None:
        await line.wait_ended()

    async with secure(None, listen_only) as wiki:
        upstream = Upstream(LOCAL, wiki.port, tls=True)
        pool = Pool(upstream, UpstreamContext(UpstreamTLS(ca=str(authority.file))))
        with pytest.raises(TimeoutError):
            await soon(pool.connect(0.1))
        await until(lambda: wiki.lines and not wiki.open_lines)
        assert pool.count == 0


async def test_who_speaks_before_the_handshake_is_no_upstream_of_tls(authority: Authority) -> None:
    """It is told from one that is slow, whoever reads its first bytes."""

    async def greet(line: Line) -> None:
        line.send(b"220 mail.internal ESMTP\r\n")
        await line.wait_ended()

    async with secure(None, greet) as mail:
        upstream = Upstream(LOCAL, mail.port, tls=True)
        pool = Pool(upstream, UpstreamContext(UpstreamTLS(ca=str(authority.file))))
        for _ in range(5):
            with pytest.raises(OSError, match=r"nobody asked|WRONG_VERSION") as caught:
                await soon(pool.connect(5))
            assert not isinstance(caught.value, TimeoutError)
        await until(lambda: not mail.open_lines)
        assert pool.count == 0


@pytest.mark.parametrize("kind", ["tls", "unix"])
async def test_a_websocket_goes_to_an_application_by_tls_and_by_unix_socket(
    stage: Stage, authority: Authority, tmp_path: Path, kind: str
) -> None:
    """Much of it both ways, as over TCP, and its end passes whoever makes it."""
    wiki, path = Recorder(), tmp_path / "wiki.sock"
    wiki.script = echo
    try:
        if kind == "unix":
            await wiki.listen(path)
            upstream = Upstream("localhost", 0, unix_path=str(path))
        else:
            await wiki.listen(tls=authority.server(LOCAL))
            upstream = Upstream(LOCAL, wiki.port, tls=True)
        app = application("wiki", upstream, tls=UpstreamTLS(ca=str(authority.file)))
        stage.edge.adopt(stage.applications(wiki=app))
        much = bytes(range(250)) * 2000
        for ends in ("application", "client"):
            visitor = await stage.enter()
            await visitor.wire.send(visitor.request("/ws", "GET", *UPGRADE) + b"early")
            answer = await soon(read_until(visitor.wire, b"EARLY"))
            assert answer == SWITCHING + b"welcomeEARLY"
            visitor.wire.writer.write(visitor.wire.seal(much + b"end"))
            assert await soon(read_until(visitor.wire, b"END")) == much.upper() + b"END"
            if ends == "application":
                await visitor.wire.send(b"quit")
                assert await soon(visitor.wire.read_all()) == b""
                assert visitor.wire.end is End.CLOSED
            else:
                visitor.wire.close()
            await until(lambda: not wiki.open_lines)
    finally:
        await wiki.close()


async def read_until(wire: Wire, end: bytes) -> bytes:
    """Read until what was read ends like that, or until the end."""
    answer = b""
    while not answer.endswith(end) and (data := await wire.read()):
        answer += data
    return answer
