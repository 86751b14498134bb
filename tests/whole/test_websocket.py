"""WebSockets through the gateway, by a client and a server that are not ours."""

from socket import SHUT_RDWR

import pytest
from websockets.exceptions import InvalidStatus

from tests.whole.applications import Applications
from tests.whole.guests import Guest
from tests.whole.people import Person
from tests.whole.recorder import BLOB
from tests.whole.sites import HOST, LiveSite, wait_for
from tests.whole.sockets import echoes, open_socket
from tests.whole.wire import PATIENCE

CHAT, WIKI = f"chat.{HOST}", f"wiki.{HOST}"


def test_messages_of_all_kinds_come_back(inside: Guest) -> None:
    """Text, bytes, a large message and a ping pass both ways, and the closing handshake too."""
    with open_socket(inside, CHAT) as socket:
        for message in ("città", b"\x00\xff", BLOB[: 1024 * 1024], "x" * 70_000):
            socket.send(message)
            assert socket.recv(timeout=PATIENCE) == message
        assert socket.ping().wait(PATIENCE)
    assert socket.close_code == 1000


def test_the_subprotocol_is_the_applications_choice(inside: Guest) -> None:
    """What the client offers arrives in its order, and what the server chooses comes back."""
    with open_socket(inside, CHAT, subprotocols=["unknown", "echo.v1"]) as socket:
        assert socket.subprotocol == "echo.v1"
    with open_socket(inside, CHAT) as socket:
        assert socket.subprotocol is None


def test_the_application_is_told_who_opened_it(
    applications: Applications, inside: Guest, resident: Person
) -> None:
    """The request that opens a WebSocket carries the identity fields, and not our cookie."""
    with open_socket(inside, CHAT, "/told") as socket:
        assert echoes(socket)
    opened = next(one for one in applications.chat.opened if one.target == "/told")
    assert opened.values("X-Forwarded-User") == [resident.user]
    assert opened.values("Pusterla-Assertion")
    assert opened.values("Cookie") == []
    assert opened.values("Host") == [f"{CHAT}:{inside.site.port}"]


def test_without_a_session_no_websocket_opens(
    site: LiveSite, applications: Applications, inside: Guest, stranger: Person
) -> None:
    """It gets 401: nobody could type a password into it."""
    with applications.untouched(), pytest.raises(InvalidStatus) as refused:
        open_socket(inside, CHAT, cookie=False)
    assert refused.value.response.status_code == 401


def test_an_application_that_speaks_no_websocket_answers_for_itself(
    applications: Applications, inside: Guest
) -> None:
    """Where the application does not switch protocols, its plain answer comes back."""
    with pytest.raises(InvalidStatus) as refused:
        open_socket(inside, WIKI, "/no-socket")
    assert refused.value.response.status_code == 200
    assert applications.wiki.last("/no-socket").values("Upgrade") == ["websocket"]


def test_a_client_that_drops_its_websocket_is_noticed(
    site: LiveSite, applications: Applications, inside: Guest
) -> None:
    """A broken connection of the client ends the one to the application."""
    with open_socket(inside, CHAT, "/dropped") as socket:
        assert echoes(socket)
        assert applications.chat.count("/dropped") == 1
        socket.socket.shutdown(SHUT_RDWR)
        wait_for("the application to notice", lambda: applications.chat.count("/dropped") == 0)
