"""Hosts that do not fit, and requests that can be read in two ways."""

import pytest

from tests.whole.applications import Applications
from tests.whole.guests import Guest
from tests.whole.sites import HOST, PUBLIC_HOST, LiveSite
from tests.whole.wire import Wire, wire_of

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
        ("CONNECT {host}:443 HTTP/1.1", 501),
        ("TRACE / HTTP/1.1", 501),
        ("tunnel / HTTP/1.1", 501),
        ("hello", 501),
        ("GET /{long} HTTP/1.1", 414),
    ],
    ids=["connect", "trace", "no-method", "no-http", "long-target"],
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
