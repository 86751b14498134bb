import asyncio

from gateway.edge.untaken import untaken_octets
from tests.gateway.edge.recorder import bound_socket
from tests.gateway.edge.waiting import soon, until


async def test_what_waits_is_counted_in_our_buffer_and_in_the_kernels() -> None:
    """Nothing at first, then everything, and less with each byte that is taken."""
    accepted: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await accepted.put((reader, writer))

    listening = bound_socket(receive=4096)
    async with await asyncio.start_server(accept, sock=listening, limit=1024):
        _, writer = await asyncio.open_connection(*listening.getsockname())
        reader, other = await soon(accepted.get())
        transport = writer.transport
        assert untaken_octets(transport) == 0
        writer.write(b"x" * 10_000_000)
        buffered = transport.get_write_buffer_size()
        assert 0 < buffered < untaken_octets(transport) <= 10_000_000
        before = untaken_octets(transport)
        for _ in range(500):
            await soon(reader.read(1024))
        await until(lambda: untaken_octets(transport) < before)
        transport.abort()
        other.close()
