"""A WebSocket client that is not ours: that of the PyPI package `websockets`."""

import ssl
from collections.abc import Sequence

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.whole.guests import Guest
from tests.whole.people import client_context
from tests.whole.wire import PATIENCE
from tests.whole.wire import connect as connect_plain


def open_socket(
    guest: Guest,
    host: str,
    path: str = "/socket",
    subprotocols: Sequence[str] = (),
    *,
    cookie: bool = True,
) -> ClientConnection:
    """Open a WebSocket with certificate and cookie of *guest*; to be used in a `with`."""
    root = guest.site.folder.root_certificate
    context: ssl.SSLContext = (
        client_context(root) if guest.stick is None else guest.stick.context(root)
    )
    raw = connect_plain(guest.site.port, guest.address)
    try:
        connection = connect(
            f"wss://{host}:{guest.site.port}{path}",
            sock=raw,
            ssl=context,
            server_hostname=host,
            additional_headers=[guest.cookie_field(host)] if cookie else [],
            subprotocols=[Subprotocol(name) for name in subprotocols] or None,
            open_timeout=PATIENCE,
            close_timeout=1,
            ping_interval=None,
            max_size=4 * 1024 * 1024,
        )
        assert isinstance(connection, ClientConnection)
    except BaseException:
        raw.close()
        raise
    return connection


def echoes(connection: ClientConnection, text: str = "are you there?") -> bool:
    """Say whether what is sent comes back."""
    try:
        connection.send(text)
        return connection.recv(timeout=PATIENCE) == text
    except ConnectionClosed:
        return False


def closed_within(connection: ClientConnection, seconds: float) -> bool:
    """Say whether the other side closes within *seconds*, and nothing comes before."""
    try:
        connection.recv(timeout=seconds)
    except TimeoutError:
        return False
    except ConnectionClosed:
        return True
    return False
