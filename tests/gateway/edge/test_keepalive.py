"""Ends without a word: noticed by probes, on both sides."""

import socket
from collections.abc import Callable
from typing import Any

import pytest

from gateway.edge.keepalive import IDLE_SECONDS, INTERVAL_SECONDS, PROBES
from tests.gateway.edge.recorder import Line
from tests.gateway.edge.site import PUBLIC_HOST, WIKI
from tests.gateway.edge.stage import Stage
from tests.gateway.edge.waiting import until

WANTED = {
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE): 1,
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE): IDLE_SECONDS,
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL): INTERVAL_SECONDS,
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT): PROBES,
}


def options(transport: Any) -> dict[tuple[int, int], int]:
    """Return how the socket of *transport* is probed."""
    sock = transport.get_extra_info("socket")
    return {option: sock.getsockopt(*option) for option in WANTED}


def transport_of(client: Any) -> Any:
    """Return the transport of a connection, whatever it is in the middle of."""
    return client._transport


CLIENTS: dict[str, Callable[[Stage], Any]] = {
    "handshake": lambda stage: stage.tcp(),
    "public": lambda stage: stage.connect(PUBLIC_HOST),
    "protected": lambda stage: stage.connect(WIKI, stage.made.anna),
    "plain": lambda stage: stage.plain(),
}


@pytest.mark.parametrize("how", CLIENTS)
async def test_clients_are_probed(stage: Stage, how: str) -> None:
    """From the moment at which they are accepted, on both ports."""
    await CLIENTS[how](stage)
    await until(lambda: len(stage.edge.connections))
    (client,) = [*map(transport_of, stage.connections), *map(transport_of, stage.arrivals)]
    assert options(client) == WANTED


async def test_applications_are_probed(stage: Stage) -> None:
    """While an answer comes as well: it may be silent for hours."""

    async def begin(line: Line) -> None:
        await line.head()
        line.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        await line.wait_ended()

    stage.wiki.script = begin
    anna = await stage.enter()
    await anna.wire.send(anna.request("/events"))
    await anna.wire.reply_head()
    (client,) = stage.connections
    exchange: Any = client.exchange
    assert options(exchange._connection.transport) == WANTED
