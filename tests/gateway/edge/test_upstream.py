import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from gateway.core.site import Upstream, UpstreamTLS
from gateway.edge import upstream as module
from gateway.edge.upstream import Pool, UpstreamConnection
from gateway.edge.upstream_tls import UpstreamContext
from tests.gateway.edge.recorder import Line, Recorder
from tests.gateway.edge.waiting import soon, until

PLAIN = UpstreamContext(UpstreamTLS())


@dataclass
class Customer:
    """Somebody who only writes down what is told to them."""

    data: bytes = b""
    ended: list[bool] = field(default_factory=list)
    writable: list[bool] = field(default_factory=list)

    def response_data(self, data: bytes | memoryview) -> None:
        self.data += data

    def response_end(self, *, clean: bool) -> None:
        self.ended.append(clean)

    def upstream_writable(self, writable: bool) -> None:
        self.writable.append(writable)


async def listen_only(line: Line) -> None:
    """Keep what comes, and say nothing."""
    await line.wait_ended()


@pytest.fixture
async def recorder() -> AsyncIterator[Recorder]:
    """Yield an application that says nothing by itself."""
    recorder = Recorder()
    recorder.script = listen_only
    await recorder.listen(buffers=16 * 1024)
    yield recorder
    await recorder.close()


@pytest.fixture
async def pool(recorder: Recorder) -> AsyncIterator[Pool]:
    """Yield the pool to the application."""
    pool = Pool(Upstream("127.0.0.1", recorder.port), PLAIN)
    yield pool
    pool.close()


async def connected(pool: Pool, recorder: Recorder) -> tuple[UpstreamConnection, Line]:
    """Return both ends of a new connection."""
    count = len(recorder.lines)
    connection = await pool.connect(5)
    return connection, await recorder.line(count)


def is_open(connection: UpstreamConnection) -> bool:
    """Say whether a connection is not closed, nor about to be."""
    return connection.transport is not None and not connection.transport.is_closing()


async def test_bytes_and_the_end_go_to_the_customer(pool: Pool, recorder: Recorder) -> None:
    """A close is told from a break."""
    for broken in (False, True):
        connection, line = await connected(pool, recorder)
        customer = Customer()
        connection.customer = customer
        line.send(b"hello")
        await until(lambda: customer.data == b"hello")  # noqa: B023 - of this turn
        if broken:
            connection.transport._force_close(ConnectionResetError())  # type: ignore[union-attr]
        else:
            line.close()
        await until(lambda: customer.ended)  # noqa: B023 - of this turn
        assert customer.ended == [not broken]


async def test_backpressure_goes_to_the_customer(pool: Pool, recorder: Recorder) -> None:
    """When the application does not read, and when it does again."""
    connection, line = await connected(pool, recorder)
    line.writer.transport.pause_reading()  # type: ignore[attr-defined]
    customer = Customer()
    connection.customer = customer
    assert connection.transport is not None
    while not customer.writable:
        connection.transport.write(bytes(100_000))
    line.writer.transport.resume_reading()  # type: ignore[attr-defined]
    await until(lambda: customer.writable == [False, True])


async def test_backpressure_without_a_customer_is_nobodys_business(
    pool: Pool, recorder: Recorder
) -> None:
    """Nothing is told, and nothing fails."""
    connection, _ = await connected(pool, recorder)
    connection.pause_writing()
    connection.resume_writing()
    connection.discard()


async def test_a_connection_that_is_given_back_is_used_again(
    pool: Pool, recorder: Recorder
) -> None:
    """The one that was given back last, so that the others grow old."""
    first, _ = await connected(pool, recorder)
    second, _ = await connected(pool, recorder)
    assert pool.take() is None
    first.release()
    second.release()
    assert second.used
    assert pool.take() is second
    assert pool.take() is first
    assert pool.take() is None
    first.discard()
    second.discard()


async def test_a_connection_that_has_ended_is_not_given_out(pool: Pool, recorder: Recorder) -> None:
    """Whether the pool has heard of it or not."""
    told, line = await connected(pool, recorder)
    told.release()
    line.close()
    await until(lambda: not pool._idle)
    untold, _ = await connected(pool, recorder)
    untold.release()
    assert untold.transport is not None
    untold.transport.abort()
    assert pool.take() is None


async def test_bytes_that_nobody_asked_for_end_a_connection(pool: Pool, recorder: Recorder) -> None:
    """It is never given out again."""
    connection, line = await connected(pool, recorder)
    connection.release()
    line.send(b"HTTP/1.1 200 OK\r\n\r\n")
    await until(lambda: not is_open(connection))
    assert pool.take() is None


async def test_a_connection_reads_again_once_it_is_given_back(
    pool: Pool, recorder: Recorder
) -> None:
    """A slow client may have stopped it; otherwise its end would go unseen."""
    connection, line = await connected(pool, recorder)
    connection.hold_reading(True)
    connection.release()
    line.close()
    await until(lambda: not pool._idle)


async def test_what_is_closed_already_is_not_kept(pool: Pool, recorder: Recorder) -> None:
    """Nor what was never connected."""
    connection, _ = await connected(pool, recorder)
    assert connection.transport is not None
    connection.transport.abort()
    connection.release()
    UpstreamConnection(pool).release()
    UpstreamConnection(pool).discard()
    assert pool.take() is None


async def test_only_so_many_idle_connections_are_kept(pool: Pool, recorder: Recorder) -> None:
    """One more is closed."""
    pool._idle = [UpstreamConnection(pool)] * module.IDLE_MAXIMUM
    connection, _ = await connected(pool, recorder)
    connection.release()
    assert not is_open(connection)
    pool._idle.clear()


async def test_idle_connections_grow_old(pool: Pool, recorder: Recorder) -> None:
    """Only those that were not used for long are closed."""
    old, _ = await connected(pool, recorder)
    young, _ = await connected(pool, recorder)
    old.release()
    young.release()
    now = asyncio.get_running_loop().time()
    old.idle_since = now - module.IDLE_SECONDS - 1
    young.idle_since = now
    pool.sweep(now)
    assert (is_open(old), is_open(young)) == (False, True)
    assert pool.take() is young
    young.discard()
    pool._idle = [UpstreamConnection(pool)]
    pool.sweep(now + 2 * module.IDLE_SECONDS)
    assert pool.take() is None


async def test_a_connection_in_use_does_not_come_back_to_a_closed_pool(
    pool: Pool, recorder: Recorder
) -> None:
    """The application has moved meanwhile: nobody would ever close it."""
    connection, _ = await connected(pool, recorder)
    pool.close()
    connection.release()
    assert not is_open(connection)


async def test_connecting_has_a_limit_and_fails_as_the_system_says(tmp_path: object) -> None:
    """By name, by number and by path."""
    nobody = Recorder()
    await nobody.listen()
    port = nobody.port
    await nobody.close()
    for upstream in (
        Upstream("127.0.0.1", port),
        Upstream("localhost", 0, unix_path=f"{tmp_path}/nobody.sock"),
    ):
        with pytest.raises(OSError):
            await soon(Pool(upstream, PLAIN).connect(5))


async def test_a_pool_counts_what_is_in_use(pool: Pool, recorder: Recorder) -> None:
    """Neither what is idle nor what has ended, however it has."""
    first, _ = await connected(pool, recorder)
    second, line = await connected(pool, recorder)
    assert (pool.count, pool.busy) == (2, 2)
    first.release()
    assert (pool.count, pool.busy) == (2, 1)
    assert pool.take() is first
    assert pool.busy == 2
    first.discard()
    second.customer = Customer()
    line.close()
    await until(lambda: (pool.count, pool.busy) == (0, 0))


async def test_bytes_that_wait_unread_keep_a_connection_from_its_next_user(
    pool: Pool, caplog: pytest.LogCaptureFixture
) -> None:
    """What came behind an answer is not the next one, though nobody has read it yet."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        pool.upstream = Upstream("127.0.0.1", server.getsockname()[1])
        connection = await pool.connect(5)
        application, _ = server.accept()
        with application:
            connection.release()
            assert pool.take() is connection
            connection.release()
            application.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            # The loop has no turn in between, so its transport cannot have read it.
            assert connection._news.poll(5000)
            assert pool.take() is None
    assert "bytes that nobody asked for" in caplog.text


@pytest.mark.parametrize("how", [b"\0\0\0\0\0\0\0\0", b"\1\0\0\0\0\0\0\0"], ids=["end", "reset"])
async def test_an_end_that_waits_unread_keeps_a_connection_from_its_next_user(
    pool: Pool, caplog: pytest.LogCaptureFixture, how: bytes
) -> None:
    """What is sent behind it would be lost; and there is nothing to complain of."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        pool.upstream = Upstream("127.0.0.1", server.getsockname()[1])
        connections = [await pool.connect(5) for _ in range(2)]
        kept, closed = (server.accept()[0] for _ in connections)
        with kept, closed:
            for connection in connections:
                connection.release()
            closed.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, how)
            closed.close()
            # The loop has no turn in between, so its transport cannot have seen it.
            assert connections[1]._news.poll(5000)
            assert pool.take() is connections[0]
            assert pool.take() is None
        connections[0].discard()
    assert caplog.text == ""
