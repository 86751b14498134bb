"""An application that lives on a WebSocket: the server of the PyPI package `websockets`.

It also serves one page, `/`, which opens a WebSocket to its own host and shows what comes back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

SUBPROTOCOLS = (Subprotocol("echo.v2"), Subprotocol("echo.v1"))

PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>Echo</title>
<h1>Echo</h1>
<p>The WebSocket says: <output id="said">nothing yet</output></p>
<script>
const socket = new WebSocket(`wss://${location.host}/socket`, ["echo.v1"]);
socket.onopen = () => socket.send("hello from the page");
socket.onmessage = (event) => { document.getElementById("said").textContent = event.data; };
socket.onclose = () => { document.getElementById("said").textContent = "closed"; };
</script>
"""


@dataclass(frozen=True, slots=True)
class Opened:
    """The request with which a WebSocket was opened."""

    target: str
    fields: tuple[tuple[str, str], ...]

    def values(self, name: str) -> list[str]:
        """Return every value of the field *name*."""
        return [value for key, value in self.fields if key.lower() == name.lower()]


class Echo:
    """The application: it sends back whatever comes, `ping` and `close` of the protocol included."""

    def __init__(self) -> None:
        self.port = 0
        self.opened: list[Opened] = []
        self._live: list[str] = []

    @property
    def upstream(self) -> str:
        """Where it listens, as the configuration says it."""
        return f"http://127.0.0.1:{self.port}"

    def count(self, target: str) -> int:
        """Return how many WebSockets to *target* are open."""
        return self._live.count(target)

    async def serve(self) -> Server:
        """Begin to listen on a free port."""
        server = await serve(
            self._echo,
            "127.0.0.1",
            0,
            select_subprotocol=_choose,
            process_request=_page,
            max_size=4 * 1024 * 1024,
        )
        self.port = next(iter(server.sockets)).getsockname()[1]
        return server

    async def _echo(self, connection: ServerConnection) -> None:
        request = connection.request
        assert request is not None
        self.opened.append(Opened(request.path, tuple(request.headers.raw_items())))
        self._live.append(request.path)
        try:
            async for message in connection:
                await connection.send(message)
        except ConnectionClosed:
            pass
        finally:
            self._live.remove(request.path)


def _choose(connection: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    return next((name for name in SUBPROTOCOLS if name in offered), None)


def _page(connection: ServerConnection, request: Request) -> Response | None:
    if request.headers.get("Upgrade", "").lower() == "websocket":
        return None
    body = PAGE.encode()
    fields = [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(body)))]
    return Response(HTTPStatus.OK, "OK", Headers([*fields, ("Connection", "close")]), body)
