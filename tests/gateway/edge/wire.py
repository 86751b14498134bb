"""A client that is in command of every byte and of the TLS underneath; h11 reads the answers."""

import asyncio
import ctypes
import socket
import ssl
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum, auto

import h11

from gateway.edge.openssl import find_library
from tests.gateway.edge.waiting import soon

READ = 64 * 1024


class End(Enum):
    """How a connection ended."""

    CLOSED = auto()
    """With close_notify, or on plain http with FIN: nothing was cut off."""
    TRUNCATED = auto()
    """Without close_notify."""
    RESET = auto()


@dataclass(frozen=True, slots=True)
class Reply:
    """A response; names of fields in lower case."""

    status: int
    fields: tuple[tuple[str, str], ...]
    body: bytes

    def values(self, name: str) -> list[str]:
        """Return every value of the field *name*."""
        return [value for key, value in self.fields if key == name.lower()]

    def value(self, name: str) -> str:
        """Return the one value of the field *name*."""
        (value,) = self.values(name)
        return value

    @property
    def refusal(self) -> str:
        """The name of the refusal in a short body."""
        return self.body.decode().split(" ")[1].rstrip(":")


@dataclass(eq=False)
class Wire:
    """One connection to the edge, with TLS where there is a context."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    incoming: ssl.MemoryBIO = field(default_factory=ssl.MemoryBIO)
    outgoing: ssl.MemoryBIO = field(default_factory=ssl.MemoryBIO)
    tls: ssl.SSLObject | None = None
    end: End | None = None
    informational: list[int] = field(default_factory=list)
    """The interim responses that came."""
    _plain: bytes = b""

    @classmethod
    async def connect(cls, port: int, *, receive_buffer: int | None = None) -> "Wire":
        """Connect without TLS; a small *receive_buffer* makes a client that takes little."""
        raw = socket.socket()
        raw.setblocking(False)
        if receive_buffer is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        try:
            await soon(asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", port)))
        except OSError:
            raw.close()
            raise
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        limit = READ if receive_buffer is None else receive_buffer
        return cls(*await asyncio.open_connection(sock=raw, limit=limit))

    # TLS --------------------------------------------------------------------

    def begin_tls(self, context: ssl.SSLContext, server_name: str | None, **how: object) -> bytes:
        """Begin TLS and return the ClientHello, unsent."""
        session = how.get("session")
        assert session is None or isinstance(session, ssl.SSLSession)
        self.tls = context.wrap_bio(
            self.incoming, self.outgoing, server_hostname=server_name, session=session
        )
        with suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()
        return self.outgoing.read()

    async def shake_hands(self) -> None:
        """Finish the handshake; raise `ssl.SSLError` at an alert of the server's."""
        assert self.tls is not None
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                self._flush()
                await self._fill()
                if self.end is not None:
                    raise ConnectionResetError(self.end.name) from None
                continue
            self._flush()
            return

    def _flush(self) -> None:
        if data := self.outgoing.read():
            self.writer.write(data)

    async def _fill(self) -> None:
        try:
            data = await soon(self.reader.read(READ))
        except ConnectionError:
            self.end = End.RESET
            return
        if self.tls is None:
            self._plain += data
            self.end = None if data else End.CLOSED
        elif data:
            self.incoming.write(data)
        else:
            self.end = self.end or End.TRUNCATED

    # Bytes ------------------------------------------------------------------

    def seal(self, plain: bytes) -> bytes:
        """Return the records that carry *plain*, unsent."""
        if self.tls is None:
            return plain
        self.tls.write(plain)
        return self.outgoing.read()

    def ask_for_keys(self, count: int = 1) -> bytes:
        """Return so many KeyUpdates (RFC 8446, section 4.6.3), unsent, each of which asks for one."""
        assert self.tls is not None
        for _ in range(count):
            update_key(self.tls, asking=True)
        return self.outgoing.read()

    async def send(self, plain: bytes) -> None:
        """Send *plain*."""
        await self.send_sealed(self.seal(plain))

    async def send_sealed(self, records: bytes) -> None:
        """Send what was sealed already."""
        self.writer.write(records)
        await soon(self.writer.drain())

    async def send_in_pieces(self, pieces: Iterable[bytes]) -> None:
        """Send each of *pieces* in segments of its own, giving the edge time to read each."""
        for piece in pieces:
            await self.send(piece)
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    async def read(self) -> bytes:
        """Read what comes next; empty at the end, which is then in `end`."""
        while not self._plain and self.end is None:
            if self.tls is not None and self._decrypt():
                break
            await self._fill()
        data, self._plain = self._plain, b""
        return data

    def _decrypt(self) -> bool:
        assert self.tls is not None
        try:
            while data := self.tls.read(READ):
                self._plain += data
        except ssl.SSLWantReadError:
            return bool(self._plain)
        except ssl.SSLZeroReturnError:
            pass
        # SSLObject.read also says with nothing that close_notify came.
        self.end = End.CLOSED
        return True

    async def read_all(self) -> bytes:
        """Read until the end."""
        data = b""
        while piece := await self.read():
            data += piece
        return data

    def close(self) -> None:
        """Close without a word."""
        self.writer.close()

    def reset(self) -> None:
        """Break the connection off."""
        self.writer.transport.abort()

    # HTTP -------------------------------------------------------------------

    async def reply(self, method: str = "GET") -> Reply:
        """Read the response to a request with *method* that was sent byte by byte."""
        head, http = await self.reply_head(method)
        body = b""
        while isinstance(event := await self._event(http), h11.Data):
            body += event.data
        assert isinstance(event, h11.EndOfMessage), event
        # What was read behind the response belongs to the next one.
        self._plain = http.trailing_data[0] + self._plain
        return Reply(head.status, head.fields, body)

    async def reply_head(self, method: str = "GET") -> tuple[Reply, h11.Connection]:
        """Read the head of a response; the body can be had of the connection beside it."""
        http = h11.Connection(h11.CLIENT)
        http.send(h11.Request(method=method, target="/", headers=[("Host", "any")]))
        http.send(h11.EndOfMessage())
        while not isinstance(event := await self._event(http), h11.Response):
            assert isinstance(event, h11.InformationalResponse), event
            self.informational.append(event.status_code)
        fields = tuple((name.decode(), value.decode("latin-1")) for name, value in event.headers)
        return Reply(event.status_code, fields, b""), http

    async def _event(self, http: h11.Connection) -> object:
        while (event := http.next_event()) is h11.NEED_DATA:
            http.receive_data(await self.read())
        return event

    async def ask(self, request: bytes) -> Reply:
        """Send the bytes of *request* and read the response to it."""
        await self.send(request)
        return await self.reply(request.split(b" ", 1)[0].decode())


def update_key(client: ssl.SSLObject, *, asking: bool = False) -> None:
    """Send a KeyUpdate; *asking* for one in return."""
    # The second field of CPython's PySSLSocket, behind its header.
    place = id(client._sslobj) + object.__basicsize__ + ctypes.sizeof(ctypes.c_void_p)  # type: ignore[attr-defined]
    session = ctypes.c_void_p.from_address(place)
    assert find_library().SSL_key_update(session, int(asking)) == 1
    client.do_handshake()
