"""A client that is in command of every byte, and of when it sends it; h11 reads the answers."""

import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import h11

from gateway.core.cookies import COOKIE_NAME
from tests.whole.guests import Guest, next_address
from tests.whole.people import Stick, client_context
from tests.whole.sites import LiveSite

PATIENCE = 15.0
READ = 64 * 1024


@dataclass(frozen=True, slots=True)
class Reply:
    """A response; names of fields in lower case."""

    status: int
    fields: tuple[tuple[str, str], ...]
    body: bytes

    def values(self, name: str) -> list[str]:
        """Return every value of the field *name*."""
        return [value for key, value in self.fields if key == name.lower()]

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()


class Wire:
    """One connection over TLS to *host*, or under the *server_name* given."""

    def __init__(
        self,
        site: LiveSite,
        host: str,
        stick: Stick | None = None,
        *,
        server_name: str | None = None,
        check_hostname: bool = True,
        address: str | None = None,
    ) -> None:
        self.host = host
        self.address = address or next_address()
        root = site.folder.root_certificate
        context = stick.context(root) if stick else client_context(root)
        context.check_hostname = check_hostname
        raw = connect(site.port, self.address)
        try:
            self.socket = context.wrap_socket(raw, server_hostname=server_name or host or None)
        except BaseException:
            raw.close()
            raise
        self._http = h11.Connection(h11.CLIENT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send *data* as it is."""
        self.socket.sendall(data)

    def ask(self, method: str, target: str, *fields: tuple[str, str], body: bytes = b"") -> Reply:
        """Send a request and read the whole of its response."""
        self.begin(method, target, *fields, body=body)
        return self.read_rest(self.read_head())

    def begin(self, method: str, target: str, *fields: tuple[str, str], body: bytes = b"") -> None:
        """Send a request, written by h11."""
        self._http = self._next(self._http)
        length = [("Content-Length", str(len(body)))] if body else []
        lines = [("Host", self.host), *length, *fields]
        headers = [(name.encode(), value.encode("latin-1")) for name, value in lines]
        request = h11.Request(method=method, target=target, headers=headers)
        data = [self._http.send(request)]
        if body:
            data.append(self._http.send(h11.Data(body)))
        data.append(self._http.send(h11.EndOfMessage()))
        self.send(b"".join(part or b"" for part in data))

    def expect(self, method: str = "GET") -> None:
        """Make ready to read the answer to a request with *method* that was sent byte by byte."""
        self._http = self._next(self._http)
        self._http.send(h11.Request(method=method, target="/", headers=[("Host", "any")]))
        self._http.send(h11.EndOfMessage())

    def read_head(self) -> h11.Response:
        """Read a response's head; interim responses are passed over."""
        while not isinstance(event := self._event(), h11.Response):
            assert isinstance(event, h11.InformationalResponse), event
        return event

    def pieces(self) -> Iterator[bytes]:
        """Yield the body of the response as it comes."""
        while isinstance(event := self._event(), h11.Data):
            yield bytes(event.data)
        assert isinstance(event, h11.EndOfMessage), event

    def read_rest(self, head: h11.Response) -> Reply:
        """Read the body that belongs to *head*."""
        fields = tuple((name.decode(), value.decode("latin-1")) for name, value in head.headers)
        return Reply(head.status_code, fields, b"".join(self.pieces()))

    def read_reply(self, method: str = "GET") -> Reply:
        """Read the answer to a request that was sent byte by byte."""
        self.expect(method)
        return self.read_rest(self.read_head())

    def closed_within(self, seconds: float) -> bool:
        """Say whether the other side closes within *seconds*; what it still sends is dropped."""
        end = time.monotonic() + seconds
        try:
            while (left := end - time.monotonic()) > 0:
                self.socket.settimeout(left)
                if not self.socket.recv(READ):
                    return True
        except TimeoutError:
            return False
        except OSError:  # ssl.SSLError is one: cut in the middle of a record
            return True
        finally:
            self.socket.settimeout(PATIENCE)
        return False

    def _event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(self.socket.recv(READ))
        return event

    @staticmethod
    def _next(http: h11.Connection) -> h11.Connection:
        # What was read behind the last response belongs to the next one.
        following = h11.Connection(h11.CLIENT)
        if http.trailing_data[0]:
            following.receive_data(http.trailing_data[0])
        return following


def connect(port: int, address: str) -> socket.socket:
    """Open a plain connection to *port* from *address*."""
    return socket.create_connection(
        ("127.0.0.1", port), timeout=PATIENCE, source_address=(address, 0)
    )


def wire_of(guest: Guest, host: str) -> Wire:
    """Open a connection with the certificate of *guest*."""
    return Wire(guest.site, host, guest.stick, address=guest.address)


def cookie_field(value: str) -> tuple[str, str]:
    """Return the Cookie field that carries *value* as our cookie."""
    return ("Cookie", f"{COOKIE_NAME}={value}")
