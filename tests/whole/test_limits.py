"""Broken TLS, half a request, silence: what takes too long or is too much comes to an end."""

import os
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from uuid import uuid4

import pytest

from tests.whole.applications import Applications
from tests.whole.conftest import put_behind
from tests.whole.guests import HTML, Guest, next_address, signed_in
from tests.whole.people import add_person
from tests.whole.sites import HOST, LiveSite, make_site, running, wait_for
from tests.whole.sockets import closed_within, echoes, open_socket
from tests.whole.wire import PATIENCE, connect, wire_of

WIKI, CRM, CHAT = f"wiki.{HOST}", f"crm.{HOST}", f"chat.{HOST}"


@pytest.fixture(scope="module")
def hasty(
    tmp_path_factory: pytest.TempPathFactory, applications: Applications
) -> Iterator[LiveSite]:
    """Run a second site whose patience is short."""
    limits = {
        "handshake": "1s",
        "request_head": "1s",
        "request_body": "1s",
        "idle": "2s",
        "upstream_connect": "1s",
        "upstream_response": "1s",
        "drain": "1s",
        "feed_grace": "2s",
    }
    settings = [(key, f'"{value}"') for key, value in limits.items()]
    settings.append(("connections", str(CONNECTIONS)))
    site = make_site(tmp_path_factory.mktemp("hasty") / "site", settings=settings)
    # Nobody listens on port 9 of this machine.
    nobody = "http://127.0.0.1:9"
    put_behind(site, wiki=applications.wiki.upstream, chat=applications.chat.upstream, crm=nobody)
    with running(site):
        yield site


@pytest.fixture(scope="module")
def waiting(hasty: LiveSite, tmp_path_factory: pytest.TempPathFactory) -> Guest:
    """Be signed in there."""
    person = add_person(hasty, "waiting")
    return signed_in(hasty, person, tmp_path_factory.mktemp("waiting"), "wiki", "chat")


CONNECTIONS = 40
SLACK = 2.0
"""Time-outs are looked after twice a second, and this machine may be busy."""

ALERT = b"\x15"
HELLO = bytes.fromhex("16030100c8010000c40303")
NO_HANDSHAKES = {
    "silence": b"",
    "half-a-record": HELLO,
    "no-tls": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "noise": bytes(range(256)),
    "empty-record": b"\x16\x03\x01\x00\x00",
    "huge-record": b"\x16\x03\x01\xff\xff" + b"\x01" * 600,
    "wrong-message": b"\x16\x03\x01\x00\x04\x0e\x00\x00\x00",
}


@pytest.mark.parametrize("data", NO_HANDSHAKES.values(), ids=NO_HANDSHAKES.keys())
def test_what_is_no_handshake_is_closed_in_time(
    hasty: LiveSite, applications: Applications, data: bytes
) -> None:
    """Noise is closed at once, silence and half a ClientHello after the limit; both are logged."""
    mark, address, begun = hasty.log_size(), next_address(), time.monotonic()
    with applications.untouched(), closing(connect(hasty.port, address)) as raw:
        raw.sendall(data)
        received = read_all(raw)
    took = time.monotonic() - begun
    quiet = data in {b"", HELLO}
    assert 0.4 < took < 1 + SLACK if quiet else took < SLACK
    assert received[:1] in {b"", ALERT}
    hasty.wait_for_log(f"{address}: handshake (refused|took too long)", mark)


def read_all(raw: socket.socket) -> bytes:
    """Read until the other side closes."""
    parts = []
    try:
        while part := raw.recv(65536):
            parts.append(part)
    except ConnectionError:
        pass
    return b"".join(parts)


def test_half_a_request_is_answered_in_time(
    hasty: LiveSite, applications: Applications, waiting: Guest
) -> None:
    """A head that stops coming gets 408, counted from its first byte: dripping helps nobody."""
    mark = hasty.log_size()
    name, value = waiting.cookie_field(WIKI)
    with applications.untouched(), wire_of(waiting, WIKI) as wire:
        begun = time.monotonic()
        wire.send(f"GET / HTTP/1.1\r\nHost: {WIKI}\r\n{name}: {value}\r\n".encode())
        for _ in range(4):
            time.sleep(0.2)
            wire.send(b"X-Drip: 1\r\n")
        assert wire.read_reply().status == 408
        assert wire.closed_within(SLACK)
        assert time.monotonic() - begun < 1 + 2 * SLACK
    hasty.wait_for_log(f"{waiting.address}: request-timeout", mark)


def test_half_a_body_is_answered_in_time(
    hasty: LiveSite, applications: Applications, waiting: Guest
) -> None:
    """A body that stops coming gets 408, and the application sees its connection end."""
    name, value = waiting.cookie_field(WIKI)
    with wire_of(waiting, WIKI) as wire:
        wire.send(
            f"POST /half HTTP/1.1\r\nHost: {WIKI}\r\n{name}: {value}\r\n"
            "Content-Length: 100\r\n\r\nonly this".encode()
        )
        assert wire.read_reply("POST").status == 408
        assert wire.closed_within(SLACK)
    assert not [one for one in applications.wiki.requests if one.target == "/half"]


def test_silence_between_requests_is_ended_in_time(hasty: LiveSite, waiting: Guest) -> None:
    """An idle connection is closed after the limit, and not before."""
    with wire_of(waiting, WIKI) as wire:
        assert wire.ask("GET", "/x", waiting.cookie_field(WIKI)).status == 200
        assert not wire.closed_within(1.0)
        assert wire.closed_within(1 + SLACK)


def test_who_is_quiet_in_the_middle_is_left_alone(
    hasty: LiveSite, applications: Applications, waiting: Guest
) -> None:
    """A WebSocket without messages and a stream without events are no idle connections."""
    token = uuid4().hex
    with open_socket(waiting, CHAT) as quiet, wire_of(waiting, WIKI) as stream:
        assert echoes(quiet)
        stream.begin("GET", f"/events?token={token}", waiting.cookie_field(WIKI))
        stream.read_head()
        pieces = stream.pieces()
        assert next(pieces) == b"data: one\n\n"
        assert not closed_within(quiet, 2 + 1.5)
        assert echoes(quiet)
        applications.wiki.release(token)
        assert b"".join(pieces) == b"data: two\n\n"


def test_an_application_that_never_answers_is_not_waited_for(
    hasty: LiveSite, waiting: Guest
) -> None:
    """504 after the limit, and a page for a person."""
    page = waiting.get(hasty.url(WIKI, "/silence"), *HTML)
    assert (page.status, "504 upstream-timeout" in page.text) == (504, True)


def test_when_the_store_is_away_nobody_is_let_in(
    hasty: LiveSite, applications: Applications, waiting: Guest
) -> None:
    """Who cannot hear of revocations any more refuses everybody, cuts what is open, and recovers."""
    database = hasty.folder.database
    away = hasty.folder.store.with_name("away")
    with wire_of(waiting, WIKI) as wire:
        cookie = waiting.cookie_field(WIKI)
        wire.begin("GET", "/endless", cookie)
        assert wire.read_head().status_code == 200
        hasty.folder.store.rename(away)
        gone = time.monotonic()
        try:
            assert wire.closed_within(2 + 1 + SLACK)
            # The other worker may have heard of the store half a second later than this one's.
            time.sleep(max(0.0, gone + 2.1 - time.monotonic()))
            with applications.untouched():
                page = waiting.get(hasty.url(WIKI), *HTML)
                assert page.status == 503
                assert "certificate-status-stale" in page.text
                assert page.value("Retry-After") == "30"
                assert waiting.get(hasty.url(WIKI), "-X", "POST").status == 503
            assert not database.exists(), "nobody made a new store in its place"
        finally:
            away.rename(hasty.folder.store)
    # Several times on end, since each answer may be that of another worker.
    wait_for(
        "everything to be as before",
        lambda: {waiting.get(hasty.url(WIKI)).status for _ in range(8)} == {200},
    )


def test_an_application_that_is_not_there_is_said_to_be_away(
    hasty: LiveSite, waiting: Guest
) -> None:
    """502 at once."""
    page = waiting.visit(hasty.url(CRM))
    assert (page.status, "502 upstream-unreachable" in page.text) == (502, True)


def test_strangers_lock_nobody_out(hasty: LiveSite, waiting: Guest) -> None:
    """However many connections strangers hold, a holder of a certificate comes in, and it is logged."""
    mark = hasty.log_size()
    with ExitStack() as stack:
        for _ in range(2 * CONNECTIONS + 20):
            stack.enter_context(closing(connect(hasty.port, waiting.address)))
        hasty.wait_for_log("handshake cut: another one needs the room", mark)
        assert waiting.get(hasty.url(WIKI)).status == 200


def test_a_worker_without_a_file_to_open_goes_on(
    hasty: LiveSite, applications: Applications, waiting: Guest
) -> None:
    """It closes what comes, neither turning in circles nor dying, and is well again afterwards."""
    before = hasty.workers()
    limits = {pid: resource.prlimit(pid, resource.RLIMIT_NOFILE) for pid in before}
    with wire_of(waiting, WIKI) as wire:
        cookie = waiting.cookie_field(WIKI)
        assert wire.ask("GET", "/before", cookie).status == 200
        try:
            for pid, (_, hard) in limits.items():
                used = max(int(entry.name) for entry in Path(f"/proc/{pid}/fd").iterdir()) + 1
                resource.prlimit(pid, resource.RLIMIT_NOFILE, (used, hard))
            with ExitStack() as stack:
                for _ in range(CONNECTIONS):
                    stack.enter_context(closing(connect(hasty.port, waiting.address)))
                began = sum(map(cpu_seconds, before))
                time.sleep(1.0)
                assert sum(map(cpu_seconds, before)) - began < 0.5
                assert wire.ask("GET", "/meanwhile", cookie).status == 200
        finally:
            for pid, both in limits.items():
                resource.prlimit(pid, resource.RLIMIT_NOFILE, both)
    assert hasty.workers() == before
    assert waiting.get(hasty.url(WIKI)).status == 200


def cpu_seconds(pid: int) -> float:
    """Return how long the process *pid* has computed (proc(5): utime and stime of stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_broken_record_ends_the_connection(
    site: LiveSite, applications: Applications, inside: Guest
) -> None:
    """Bytes that do not decrypt end a connection that was good, and nobody else's."""
    with wire_of(inside, WIKI) as wire, wire_of(inside, WIKI) as other:
        cookie = inside.cookie_field(WIKI)
        assert wire.ask("GET", "/whole", cookie).status == 200
        with applications.untouched():
            raw = socket.socket(fileno=wire.socket.detach())
            with closing(raw):
                raw.settimeout(PATIENCE)
                raw.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))
                read_all(raw)
        assert other.ask("GET", "/other", cookie).status == 200


def test_who_only_knocks_leaves_no_trace(site: LiveSite, inside: Guest) -> None:
    """A hundred connections opened and dropped disturb nobody: browsers do the like."""
    for _ in range(100):
        connect(site.port, inside.address).close()
    assert inside.get(site.url(WIKI)).status == 200
