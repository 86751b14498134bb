"""Requests with two readings, hosts that do not fit, broken TLS, half a request, silence."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from uuid import uuid4

import pytest

from tests.whole.applications import Applications
from tests.whole.conftest import put_behind
from tests.whole.guests import HTML, CurlFailed, Guest, next_address, signed_in
from tests.whole.people import add_person
from tests.whole.sites import HOST, PUBLIC_HOST, LiveSite, make_site, running, wait_for
from tests.whole.sockets import closed_within, echoes, open_socket
from tests.whole.wire import PATIENCE, Wire, connect, wire_of

WIKI, CRM, CHAT = f"wiki.{HOST}", f"crm.{HOST}", f"chat.{HOST}"


# Hosts ---------------------------------------------------------------------


@pytest.mark.parametrize("host", [f"nobody.{HOST}", f"x.{WIKI}", "evil.example", "127.0.0.1"])
def test_a_host_that_is_not_served_is_misdirected(
    site: LiveSite, applications: Applications, inside: Guest, host: str
) -> None:
    """Handshake and Host agree on a host that is none of ours: 421 and the end, and a log line."""
    mark = site.log_size()
    with applications.untouched(), unverified(site, inside, host) as wire:
        reply = wire.ask("GET", "/", ("Accept", "text/html"))
        assert reply.status == 421
        assert wire.closed_within(5)
    # An address is no name, so none was said in TLS.
    expected = "misdirected" if host == "127.0.0.1" else "unknown-host"
    assert f"421 {expected}" in reply.text
    site.wait_for_log(f"{inside.address}: {expected}", mark)


def unverified(site: LiveSite, guest: Guest, name: str) -> Wire:
    """Open a connection under *name*, for which the server's certificate need not hold."""
    return Wire(site, name, guest.stick, address=guest.address, check_hostname=False)


@pytest.mark.parametrize(
    "name, host",
    [(WIKI, CRM), (WIKI, HOST), (HOST, WIKI), (WIKI, PUBLIC_HOST), (CRM, f"nobody.{HOST}")],
)
def test_a_host_other_than_that_of_the_handshake_is_misdirected(
    site: LiveSite, applications: Applications, inside: Guest, name: str, host: str
) -> None:
    """What was said in TLS holds for the whole connection, whatever cookie comes with the request."""
    mark = site.log_size()
    with applications.untouched(), wire_of(inside, name) as wire:
        wire.host = host
        reply = wire.ask("GET", "/", inside.cookie_field(name))
        assert (reply.status, reply.values("connection")) == (421, ["close"])
        assert wire.closed_within(5)
    site.wait_for_log(f"{inside.address}: misdirected", mark)


def test_a_second_request_cannot_change_the_host(
    site: LiveSite, applications: Applications, inside: Guest
) -> None:
    """Not on a connection that has served a good one before, either."""
    with wire_of(inside, WIKI) as wire:
        assert wire.ask("GET", "/first", inside.cookie_field(WIKI)).status == 200
        wire.host = CRM
        with applications.untouched():
            assert wire.ask("GET", "/second", inside.cookie_field(CRM)).status == 421


def test_without_a_server_name_nothing_is_served(
    site: LiveSite, applications: Applications, inside: Guest
) -> None:
    """A client that names no host in TLS is answered 421."""
    with applications.untouched(), unverified(site, inside, "") as wire:
        wire.host = WIKI
        assert wire.ask("GET", "/", inside.cookie_field(WIKI)).status == 421


@pytest.mark.parametrize("host", [WIKI.upper(), f"{WIKI}.", f"{WIKI.title()}:443"])
def test_a_host_that_is_spelt_otherwise_is_the_same_host(
    site: LiveSite, applications: Applications, inside: Guest, host: str
) -> None:
    """Capitals, the dot at the end and the port make no difference, to us or the application."""
    with wire_of(inside, WIKI) as wire:
        wire.host = host
        assert wire.ask("GET", "/spelt", inside.cookie_field(WIKI)).status == 200
    (seen,) = applications.wiki.last("/spelt").values("Host")
    assert seen.partition(":")[0] == WIKI


def test_our_own_paths_never_reach_an_application(
    site: LiveSite, applications: Applications, inside: Guest
) -> None:
    """Not after good requests with the same fields, and not in any spelling."""
    name, value = inside.cookie_field(WIKI)
    with wire_of(inside, WIKI) as wire:
        for _ in range(2):
            assert wire.ask("GET", "/good", (name, value)).status == 200
        with applications.untouched():
            for path in ("/.pusterla/x", "/%2Epusterla/x", "/a/../.pusterla/x", "/.pusterl%61/x"):
                assert wire.ask("GET", path, (name, value)).status == 404, path
        assert wire.ask("GET", "/good", (name, value)).status == 200


# Heads with two readings ----------------------------------------------------

BAD_HEADS = {
    "two-hosts": f"GET / HTTP/1.1\r\nHost: {WIKI}\r\nHost: {CRM}\r\n",
    "no-host": "GET / HTTP/1.1\r\n",
    "host-with-user": f"GET / HTTP/1.1\r\nHost: a@{WIKI}\r\n",
    "two-lengths": f"POST / HTTP/1.1\r\nHost: {WIKI}\r\nContent-Length: 1\r\nContent-Length: 2\r\n",
    "length-and-chunked": (
        f"POST / HTTP/1.1\r\nHost: {WIKI}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n"
    ),
    "unknown-coding": f"POST / HTTP/1.1\r\nHost: {WIKI}\r\nTransfer-Encoding: gzip, chunked\r\n",
    "chunked-spelt": f"POST / HTTP/1.1\r\nHost: {WIKI}\r\nTransfer-Encoding: xchunked\r\n",
    "signed-length": f"POST / HTTP/1.1\r\nHost: {WIKI}\r\nContent-Length: +5\r\n",
    "space-before-colon": f"GET / HTTP/1.1\r\nHost: {WIKI}\r\nX-Thing : 1\r\n",
    "folded-line": f"GET / HTTP/1.1\r\nHost: {WIKI}\r\nX-Thing: 1\r\n 2\r\n",
    "bare-line-feed": f"GET / HTTP/1.1\nHost: {WIKI}\r\n",
    "nul": f"GET / HTTP/1.1\r\nHost: {WIKI}\r\nX-Thing: a\0b\r\n",
    "climbing-path": f"GET /../etc/passwd HTTP/1.1\r\nHost: {WIKI}\r\n",
    "encoded-climb": f"GET /a/..%2f..%2fetc HTTP/1.1\r\nHost: {WIKI}\r\n",
    "encoded-nul": f"GET /a%00b HTTP/1.1\r\nHost: {WIKI}\r\n",
    "backslash": f"GET /a\\b HTTP/1.1\r\nHost: {WIKI}\r\n",
    "fragment": f"GET /a#b HTTP/1.1\r\nHost: {WIKI}\r\n",
    "other-authority": f"GET https://{CRM}/ HTTP/1.1\r\nHost: {WIKI}\r\n",
    "http-2": f"GET / HTTP/2.0\r\nHost: {WIKI}\r\n",
    "prior-knowledge": "PRI * HTTP/2.0\r\n",
}


@pytest.mark.parametrize("head", BAD_HEADS.values(), ids=BAD_HEADS.keys())
def test_a_head_with_two_readings_is_refused(
    site: LiveSite, applications: Applications, inside: Guest, head: str
) -> None:
    """400, though certificate and session are good, and the end: nobody knows what would follow."""
    name, value = inside.cookie_field(WIKI)
    mark = site.log_size()
    with applications.untouched(), wire_of(inside, WIKI) as wire:
        wire.send(f"{head}{name}: {value}\r\n\r\nGET /next HTTP/1.1\r\n".encode("latin-1"))
        reply = wire.read_reply()
        assert (reply.status, reply.values("connection")) == (400, ["close"])
        assert wire.closed_within(5)
    site.wait_for_log(f"{inside.address}: bad-request", mark)


@pytest.mark.parametrize(
    "line, status",
    [
        ("CONNECT {host}:443 HTTP/1.1", 405),
        ("TUNNEL / HTTP/1.1", 405),
        ("hello", 405),
        ("GET /{long} HTTP/1.1", 414),
    ],
    ids=["connect", "unknown-method", "no-http", "long-target"],
)
def test_other_requests_that_are_not_passed_on(
    site: LiveSite, applications: Applications, inside: Guest, line: str, status: int
) -> None:
    """Methods that nobody serves, targets beyond measure."""
    name, value = inside.cookie_field(WIKI)
    line = line.format(host=WIKI, long="x" * 9000)
    with applications.untouched(), wire_of(inside, WIKI) as wire:
        wire.send(f"{line}\r\nHost: {WIKI}\r\n{name}: {value}\r\n\r\n".encode())
        assert wire.read_reply().status == status


@pytest.mark.parametrize("complete", [True, False])
def test_a_head_without_end_is_refused(
    site: LiveSite, applications: Applications, inside: Guest, complete: bool
) -> None:
    """Beyond 32 KiB nothing more is read: 431."""
    with applications.untouched(), wire_of(inside, WIKI) as wire:
        fields = "".join(f"X-{number}: {'y' * 1000}\r\n" for number in range(40))
        end = "\r\n" if complete else ""
        wire.send(f"GET / HTTP/1.1\r\nHost: {WIKI}\r\n{fields}{end}".encode())
        assert wire.read_reply().status == 431
        assert wire.closed_within(5)


def test_a_broken_chunk_ends_the_request(
    site: LiveSite, applications: Applications, inside: Guest
) -> None:
    """What is not chunked coding is not passed on, and the application's connection is dropped."""
    name, value = inside.cookie_field(WIKI)
    with wire_of(inside, WIKI) as wire:
        wire.send(
            f"POST /chunks HTTP/1.1\r\nHost: {WIKI}\r\n{name}: {value}\r\n"
            "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nZZ\r\nnot a chunk\r\n".encode()
        )
        assert wire.read_reply("POST").status == 400
        assert wire.closed_within(5)
    assert b"not a chunk" not in applications.wiki.everything()
    assert not [one for one in applications.wiki.requests if one.target == "/chunks"]


def test_an_upgrade_to_http_2_is_not_passed_on(
    site: LiveSite, applications: Applications, inside: Guest
) -> None:
    """`Upgrade: h2c` would carry requests that nobody judges; the request goes on without it."""
    fields = ("-H", "Connection: Upgrade, HTTP2-Settings", "-H", "Upgrade: h2c")
    answer = inside.get(site.url(WIKI, "/h2c"), *fields, "-H", "HTTP2-Settings: AAMAAABk")
    assert answer.status == 200
    received = applications.wiki.last("/h2c")
    assert received.values("Upgrade") == received.values("HTTP2-Settings") == []


# Broken TLS, half a request, silence ----------------------------------------


@pytest.fixture(scope="module")
def hasty(
    tmp_path_factory: pytest.TempPathFactory, applications: Applications
) -> Iterator[LiveSite]:
    """Run a second site whose patience is short."""
    limits = {
        "handshake": "1s",
        "request_head": "1s",
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
        try:
            assert wire.closed_within(2 + 1 + SLACK)
            with applications.untouched():
                page = waiting.get(hasty.url(WIKI), *HTML)
                assert page.status == 503
                assert "certificate-status-stale" in page.text
                assert page.value("Retry-After") == "30"
                assert waiting.get(hasty.url(WIKI), "-X", "POST").status == 503
            assert not database.exists(), "nobody made a new store in its place"
        finally:
            away.rename(hasty.folder.store)
    wait_for("everything to be as before", lambda: waiting.get(hasty.url(WIKI)).status == 200)


def test_an_application_that_is_not_there_is_said_to_be_away(
    hasty: LiveSite, waiting: Guest
) -> None:
    """502 at once."""
    page = waiting.visit(hasty.url(CRM))
    assert (page.status, "502 upstream-unreachable" in page.text) == (502, True)


def test_beyond_the_limit_of_connections_nobody_is_answered(
    hasty: LiveSite, waiting: Guest
) -> None:
    """What is over the limit is dropped and logged; when the others are gone, all is well."""
    mark = hasty.log_size()
    with ExitStack() as stack:
        for _ in range(2 * CONNECTIONS + 20):
            stack.enter_context(closing(connect(hasty.port, waiting.address)))
        hasty.wait_for_log(f"connection refused: {CONNECTIONS} are open", mark)
    wait_for("room again", lambda: answered(waiting, hasty.url(WIKI)))


def answered(guest: Guest, url: str) -> bool:
    """Say whether there is an answer at all."""
    try:
        return guest.get(url).status == 200
    except CurlFailed:
        return False


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
