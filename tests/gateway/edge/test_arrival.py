"""Connections before it is known whose they are: how many, for how long, and who goes first."""

import asyncio
import socket
import struct
from ipaddress import IPv4Network, ip_network
from pathlib import Path

import pytest

from gateway.core.refusal_kinds import Refusal
from gateway.edge.connections import SWEEP_SECONDS, TOLD
from tests.gateway.edge.hellos import client_hello
from tests.gateway.edge.site import PUBLIC_HOST, WIKI, MadeSite
from tests.gateway.edge.stage import open_stage
from tests.gateway.edge.waiting import until
from tests.gateway.edge.wire import End

GET = f"GET / HTTP/1.1\r\nHost: {WIKI}\r\n\r\n".encode()


async def test_strangers_never_lock_out_whoever_has_a_certificate(
    made: MadeSite, tmp_path: Path
) -> None:
    """Silent ones, such as are half through, and such as have read a page: all make room."""
    async with open_stage(made, tmp_path, {"connections": 6}) as stage:
        holders = [await stage.connect(WIKI, made.anna)]
        for _ in range(10):
            await stage.connect(PUBLIC_HOST)
            await stage.tcp()
            (await stage.tcp()).writer.write(client_hello(WIKI)[:50])
        for _ in range(5):
            holders.append(await stage.connect(WIKI, made.anna))
            assert len(stage.edge.connections) <= 6
        for holder in holders:
            assert (await holder.ask(GET)).refusal == Refusal.SESSION_REQUIRED
        assert stage.arrivals == []
        # Now there is nobody left to go but those who are to be told so, for each other.
        silent = await stage.tcp()
        for _ in range(TOLD):
            await stage.tcp()
        assert await silent.read_all() == b""
        assert len(stage.connections) == 6
        assert len(stage.edge.connections) == 6 + TOLD


async def test_a_new_handshake_ends_the_oldest(made: MadeSite, tmp_path: Path) -> None:
    """As soon as there are as many as may be; whoever goes on quickly is not touched."""
    async with open_stage(made, tmp_path, {"handshakes": 3}) as stage:
        silent = [await stage.tcp() for _ in range(3)]
        await until(lambda: len(stage.arrivals) == 3)
        quick = await stage.connect(WIKI, made.anna)
        assert await silent[0].read_all() == b""
        assert (await quick.ask(GET)).refusal == Refusal.SESSION_REQUIRED
        assert [wire.end for wire in silent[1:]] == [None, None]
        assert len(stage.arrivals) == 2


async def test_one_connection_too_many_of_a_certificate_is_told_so(
    made: MadeSite, tmp_path: Path
) -> None:
    """With 503 and a page; those that were there go on, and another certificate is not touched."""
    async with open_stage(made, tmp_path, {"certificate_connections": 2}) as stage:
        first, second = [await stage.connect(WIKI, made.anna) for _ in range(2)]
        third = await stage.connect(WIKI, made.anna)
        reply = await third.ask(GET)
        assert (reply.status, reply.refusal) == (503, Refusal.OVERLOADED)
        assert await third.read() == b""
        assert third.end is End.CLOSED
        other = await stage.connect(WIKI, made.bruno)
        assert (await other.ask(GET)).refusal == Refusal.NOT_ALLOWED
        for wire in (first, second):
            assert (await wire.ask(GET)).refusal == Refusal.SESSION_REQUIRED
        third.close()
        first.reset()
        await until(lambda: len(stage.connections) == 2)
        again = await stage.connect(WIKI, made.anna)
        assert (await again.ask(GET)).refusal == Refusal.SESSION_REQUIRED


async def test_where_people_hold_all_connections_one_more_is_told_so(
    made: MadeSite, tmp_path: Path
) -> None:
    """With 503 and a page, and nobody has to leave for it; when there is room it is served."""
    async with open_stage(made, tmp_path, {"connections": 2}) as stage:
        first, second = [await stage.connect(WIKI, made.anna) for _ in range(2)]
        await until(lambda: stage.edge.connections.held == 2)
        third = await stage.connect(WIKI, made.bruno)
        reply = await third.ask(GET)
        assert (reply.status, reply.refusal) == (503, Refusal.OVERLOADED)
        assert await third.read() == b""
        third.close()
        for wire in (first, second):
            assert (await wire.ask(GET)).refusal == Refusal.SESSION_REQUIRED
        first.reset()
        await until(lambda: len(stage.connections) == 1)
        again = await stage.connect(WIKI, made.bruno)
        assert (await again.ask(GET)).refusal == Refusal.NOT_ALLOWED


async def test_certificates_that_open_nothing_keep_nobody_out(
    made: MadeSite, tmp_path: Path
) -> None:
    """Whether nobody has looked at them yet, or they are known to be expired."""
    async with open_stage(made, tmp_path, {"connections": 3}) as stage:
        for _ in range(3):
            await stage.connect(WIKI, made.expired)
        anna = await stage.connect(WIKI, made.anna)
        assert (await anna.ask(GET)).refusal == Refusal.SESSION_REQUIRED
        told = await stage.connect(WIKI, made.expired)
        assert (await told.ask(GET)).refusal == Refusal.CERTIFICATE_EXPIRED
        for _ in range(5):
            await stage.connect(WIKI, made.expired)
            assert stage.edge.connections.held == 1
        for _ in range(2):
            again = await stage.connect(WIKI, made.anna)
            assert (await again.ask(GET)).refusal == Refusal.SESSION_REQUIRED
        assert (await anna.ask(GET)).refusal == Refusal.SESSION_REQUIRED


async def test_a_certificate_is_known_at_the_handshake_where_memory_knows_it(
    made: MadeSite, tmp_path: Path
) -> None:
    """Who is good holds the place without a request; who is not has the time of a head to ask."""
    async with open_stage(made, tmp_path) as stage:
        await (await stage.connect(WIKI, made.anna)).ask(GET)
        await (told := await stage.connect(WIKI, made.expired)).ask(GET)
        told.reset()
        await until(lambda: len(stage.connections) == 1)
        asked = [*stage.held.asked]
        await stage.connect(WIKI, made.anna)
        assert stage.edge.connections.held == 2
        expired = await stage.connect(WIKI, made.expired)
        assert (stage.edge.connections.held, len(stage.connections)) == (2, 3)
        assert stage.held.asked == asked
        stage.sweep()
        assert len(stage.connections) == 3
        stage.sweep(after=stage.site.limits.request_head.total_seconds() + 1)
        assert await expired.read() == b""
        assert expired.end is End.CLOSED


async def test_far_too_many_connections_of_a_certificate_are_not_kept(
    made: MadeSite, tmp_path: Path
) -> None:
    """Those that wait to be told why are few, and do not wait for long."""
    async with open_stage(made, tmp_path, {"certificate_connections": 1}) as stage:
        wires = [await stage.connect(WIKI, made.anna) for _ in range(1 + TOLD)]
        last = await stage.connect(WIKI, made.anna)
        assert await last.read() == b""
        assert last.end is End.CLOSED
        assert len(stage.connections) == 1 + TOLD
        stage.sweep(after=stage.site.limits.request_head.total_seconds() + 1)
        for wire in wires[1:]:
            assert await wire.read() == b""
        assert wires[0].end is None


async def test_nobody_has_less_time_than_was_promised(made: MadeSite, tmp_path: Path) -> None:
    """Though the edge looks at its clock twice a second only."""
    async with open_stage(made, tmp_path) as stage:
        loop = asyncio.get_running_loop()
        # Just before the next look, when the last one is longest ago.
        await asyncio.sleep(stage.edge.tick + SWEEP_SECONDS - 0.05 - loop.time())
        before, limits = loop.time(), stage.site.limits
        await stage.tcp()
        await until(lambda: stage.arrivals)
        assert stage.arrivals[0].deadline >= before + limits.handshake.total_seconds()
        wire = await stage.connect(WIKI, made.anna)
        (connection,) = stage.connections
        before = stage.edge.tick + SWEEP_SECONDS
        assert connection.deadline >= before + limits.idle.total_seconds()
        await wire.send(GET[:10])
        await until(lambda: connection._buffer)
        assert connection.deadline >= before + limits.request_head.total_seconds()


@pytest.mark.parametrize("balancers", [(), (ip_network("10.0.0.0/8"),)])
async def test_who_is_gone_before_it_is_looked_at_is_not_taken_in(
    made: MadeSite, tmp_path: Path, balancers: tuple[IPv4Network, ...]
) -> None:
    """A connection that has no other end any more has no address either."""
    async with open_stage(made, tmp_path, balancers=balancers) as stage:
        with socket.create_connection(("127.0.0.1", stage.https_port)) as gone:
            # Reset, and that before the loop has had a turn.
            gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # Connections are accepted in their order.
        await stage.connect(PUBLIC_HOST)
        figures = stage.edge.telemetry.figures.snapshot()
        assert figures["connections_accepted"] == 1
        assert sum(figures["handshakes"].values()) == 1
