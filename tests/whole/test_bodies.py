"""Bodies on their way through: large ones, endless ones, none; HTTP/1.1 in all its forms, and 1.0."""

import json
import time
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import pytest

from tests.whole.applications import Applications
from tests.whole.guests import Guest
from tests.whole.recorder import BLOB, HALF, HELD, Recorder
from tests.whole.sites import HOST, LiveSite, wait_for
from tests.whole.wire import Wire, wire_of

WIKI = f"wiki.{HOST}"
LARGE = 11 * 1024 * 1024


def digest(data: bytes) -> str:
    """Return the SHA-256 of *data*."""
    return sha256(data).hexdigest()


@pytest.mark.parametrize("path", ["/bytes", "/chunked", "/until-close"])
def test_a_large_download_arrives_whole(site: LiveSite, inside: Guest, path: str) -> None:
    """11 MiB come through with the right checksum, however the application frames them."""
    answer = inside.get(site.url(WIKI, f"{path}?n={LARGE}"))
    assert answer.status == 200
    assert digest(answer.body) == digest(BLOB[:LARGE])


@pytest.mark.parametrize(
    "options",
    [(), ("-H", "Transfer-Encoding: chunked"), ("-H", "Expect: 100-continue")],
    ids=["length", "chunked", "expect"],
)
def test_a_large_upload_arrives_whole(
    site: LiveSite, inside: Guest, tmp_path: Path, options: tuple[str, ...]
) -> None:
    """11 MiB arrive at the application with the right checksum, however the client frames them."""
    file = tmp_path / "upload"
    file.write_bytes(BLOB[:LARGE])
    answer = inside.get(
        site.url(WIKI, "/upload"), "-X", "PUT", "--data-binary", f"@{file}", *options
    )
    assert answer.status == 200
    report = json.loads(answer.body)
    assert (report["length"], report["sha256"]) == (LARGE, digest(BLOB[:LARGE]))


def test_who_expects_100_continue_is_told_to_go_on(site: LiveSite, inside: Guest) -> None:
    """The go-ahead comes before any of the body has been sent."""
    with wire_of(inside, WIKI) as wire:
        name, value = inside.cookie_field(WIKI)
        wire.send(
            f"POST /expect HTTP/1.1\r\nHost: {WIKI}\r\n{name}: {value}\r\n"
            "Content-Length: 4\r\nExpect: 100-continue\r\n\r\n".encode()
        )
        assert wire.socket.recv(1024) == b"HTTP/1.1 100 Continue\r\n\r\n"
        wire.send(b"body")
        assert json.loads(wire.read_reply("POST").body)["sha256"] == digest(b"body")


def test_nobody_uninvited_is_told_to_send_a_body(
    site: LiveSite, applications: Applications, inside: Guest
) -> None:
    """Without a session the refusal comes at once, and never 100 Continue."""
    with applications.untouched(), wire_of(inside, WIKI) as wire:
        wire.send(
            f"POST /expect HTTP/1.1\r\nHost: {WIKI}\r\n"
            "Content-Length: 4\r\nExpect: 100-continue\r\n\r\n".encode()
        )
        assert wire.read_reply("POST").status == 401


def test_a_head_has_the_length_and_no_body(site: LiveSite, inside: Guest) -> None:
    """HEAD tells what GET would bring; the next request of the connection is served."""
    with wire_of(inside, WIKI) as wire:
        cookie = inside.cookie_field(WIKI)
        reply = wire.ask("HEAD", "/bytes?n=5000", cookie)
        assert (reply.status, reply.values("content-length"), reply.body) == (200, ["5000"], b"")
        assert wire.ask("GET", "/bytes?n=10", cookie).body == BLOB[:10]


def test_204_has_no_body(site: LiveSite, inside: Guest) -> None:
    """204 passes with its fields and without framing; the connection goes on."""
    with wire_of(inside, WIKI) as wire:
        cookie = inside.cookie_field(WIKI)
        reply = wire.ask("GET", "/empty", cookie)
        assert (reply.status, reply.values("x-application")) == (204, ["recorder"])
        assert reply.values("content-length") == reply.values("transfer-encoding") == []
        assert wire.ask("GET", "/bytes?n=10", cookie).body == BLOB[:10]


def test_pipelined_requests_are_answered_in_their_order(
    site: LiveSite, applications: Applications, inside: Guest
) -> None:
    """Three requests in one piece, one of them with a body, get three answers in order."""
    name, value = inside.cookie_field(WIKI)
    common = f" HTTP/1.1\r\nHost: {WIKI}\r\n{name}: {value}\r\n"
    with wire_of(inside, WIKI) as wire:
        wire.send(
            f"GET /bytes?n=7{common}\r\n"
            f"POST /piped{common}Content-Length: 5\r\n\r\nhello"
            f"GET /bytes?n=9{common}\r\n".encode()
        )
        assert wire.read_reply().body == BLOB[:7]
        assert json.loads(wire.read_reply("POST").body)["sha256"] == digest(b"hello")
        assert wire.read_reply().body == BLOB[:9]


@pytest.mark.parametrize("keep", [True, False])
def test_http_1_0_is_served(site: LiveSite, inside: Guest, keep: bool) -> None:
    """A client of HTTP/1.0 gets no chunks; its connection is kept only where it asks for it."""
    name, value = inside.cookie_field(WIKI)
    kept = "Connection: keep-alive\r\n" if keep else ""
    head = f"HTTP/1.0\r\nHost: {WIKI}\r\n{name}: {value}\r\n{kept}\r\n"
    with wire_of(inside, WIKI) as wire:
        wire.send(f"GET /bytes?n=20 {head}".encode())
        reply = wire.read_reply()
        assert reply.body == BLOB[:20]
        assert reply.values("connection") == ["keep-alive" if keep else "close"]
        assert wire.closed_within(0.3) is not keep
    with wire_of(inside, WIKI) as wire:
        wire.send(f"GET /chunked?n=70000 {head}".encode())
        reply = wire.read_reply()
        assert reply.values("transfer-encoding") == []
        assert reply.body == BLOB[:70000]
        assert wire.closed_within(5), "only the end of the connection can end such a body"


def test_events_are_not_held_back(
    site: LiveSite, applications: Applications, inside: Guest
) -> None:
    """A Server-Sent Event arrives while the application still holds the next one."""
    token = uuid4().hex
    with wire_of(inside, WIKI) as wire:
        wire.begin("GET", f"/events?token={token}", inside.cookie_field(WIKI))
        wire.read_head()
        pieces = wire.pieces()
        assert next(pieces) == b"data: one\n\n"
        applications.wiki.release(token)
        assert b"".join(pieces) == b"data: two\n\n"


def test_the_beginning_of_a_slow_answer_is_not_held_back(
    site: LiveSite, applications: Applications, inside: Guest
) -> None:
    """What the application has sent of a response of known length arrives at once."""
    token = uuid4().hex
    with wire_of(inside, WIKI) as wire:
        wire.begin("GET", f"/hold?token={token}", inside.cookie_field(WIKI))
        wire.read_head()
        pieces = wire.pieces()
        assert next(pieces) == HELD[:HALF]
        applications.wiki.release(token)
        assert b"".join(pieces) == HELD[HALF:]


def test_who_goes_away_lets_the_application_go(
    site: LiveSite, applications: Applications, inside: Guest
) -> None:
    """When the client leaves in the middle, so does the gateway's connection to the application."""
    before = len(applications.wiki.connections)
    with wire_of(inside, WIKI) as wire:
        wire.begin("GET", "/endless", inside.cookie_field(WIKI))
        wire.read_head()
        next(wire.pieces())
    new = applications.wiki.connections[before:] or applications.wiki.connections
    wait_for("the application's connection to end", lambda: any(one.ended for one in new))


def test_an_early_answer_is_passed_on_and_nothing_of_the_body_reaches_the_next(
    site: LiveSite, applications: Applications, inside: Guest
) -> None:
    """After an answer that came before the body was read, no connection is used again."""
    name, value = inside.cookie_field(WIKI)
    poison = b"GET /poison HTTP/1.1\r\nHost: x\r\n\r\n"
    with wire_of(inside, WIKI) as wire:
        wire.send(
            f"POST /early HTTP/1.1\r\nHost: {WIKI}\r\n{name}: {value}\r\n"
            "Content-Length: 1000\r\n\r\n".encode()
        )
        wire.send(poison)
        reply = wire.read_reply("POST")
        assert (reply.body, reply.values("connection")) == (b"early", ["close"])
        assert wire.closed_within(5)
    for number in range(3):
        assert inside.get(site.url(WIKI, f"/after-{number}")).status == 200
    assert not [one for one in applications.wiki.requests if one.target == "/poison"]


def _kernel_holds() -> int:
    """Return how many bytes the kernel may hold between two ends, as it tunes itself."""
    limits = Path("/proc/sys/net/ipv4")
    return sum(int((limits / name).read_text().split()[2]) for name in ("tcp_rmem", "tcp_wmem"))


BUFFERED = 2 * _kernel_holds() + 8 * 1024 * 1024
"""More than all buffers on the way may hold: those of four sockets, and a little of ours."""


def test_a_client_that_does_not_read_holds_the_application_back(
    site: LiveSite, applications: Applications, inside: Guest
) -> None:
    """What nobody takes is not collected: the application is made to wait, and then goes on."""
    recorder = applications.wiki
    with wire_of(inside, WIKI) as wire:
        wire.begin("GET", "/flood", inside.cookie_field(WIKI))
        wire.read_head()
        stopped = wait_for("the application to be stopped", lambda: unchanged(recorder))
        assert stopped < BUFFERED
        pieces = wire.pieces()
        wait_for("the application to go on", lambda: next(pieces) and recorder.flooded > stopped)


def unchanged(recorder: Recorder) -> int | None:
    """Return how much the application has got rid of, if that is no more than a while ago."""
    before = recorder.flooded
    time.sleep(0.3)
    return before if before == recorder.flooded else None


def test_an_application_that_does_not_read_holds_the_client_back(
    site: LiveSite, inside: Guest
) -> None:
    """An upload that nobody takes stops at the client; no memory is filled with it."""
    name, value = inside.cookie_field(WIKI)
    with wire_of(inside, WIKI) as wire:
        wire.send(
            f"POST /stall HTTP/1.1\r\nHost: {WIKI}\r\n{name}: {value}\r\n"
            f"Content-Length: {10 * BUFFERED}\r\n\r\n".encode()
        )
        wire.socket.settimeout(1)
        assert sent_until_held_back(wire, 10 * BUFFERED) < BUFFERED


def sent_until_held_back(wire: Wire, most: int) -> int:
    """Send until the other side takes no more; return how much it took."""
    piece = BLOB[: 64 * 1024]
    for sent in range(0, most, len(piece)):
        try:
            wire.send(piece)
        except TimeoutError:
            return sent
    return most
