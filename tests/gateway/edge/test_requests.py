"""Requests on one connection: cut into segments, too large, judged, remembered, cut off."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.core.audit import AuditKind
from gateway.core.cookies import COOKIE_NAME, mint_ticket
from gateway.core.people import Fingerprint
from gateway.core.refusal_kinds import Refusal
from gateway.core.site import Limits
from gateway.edge.connections import LINGER_SECONDS
from gateway.edge.stream import State
from tests.gateway.edge.recorder import Line, ok, saying
from tests.gateway.edge.site import HOST, WIKI, MadeSite
from tests.gateway.edge.stage import Stage, open_stage
from tests.gateway.edge.stores import Question
from tests.gateway.edge.waiting import turns, until
from tests.gateway.edge.wire import End, Wire

LIMITS = Limits()
NAVIGATION = b"Sec-Fetch-Mode: navigate"


def bare(target: str = "/", *lines: str, host: str = WIKI, method: str = "GET") -> bytes:
    """Return a request without a session."""
    return "\r\n".join([f"{method} {target} HTTP/1.1", f"Host: {host}", *lines, "", ""]).encode()


async def ended(wire: Wire) -> None:
    """See that the connection ends in good order, with nothing more said."""
    assert await wire.read() == b""
    assert wire.end is End.CLOSED


# Segments -------------------------------------------------------------------


async def test_a_head_may_be_cut_anywhere(stage: Stage) -> None:
    """Also between the two line ends at its end."""
    visitor = await stage.enter()
    length = len(visitor.request("/000"))
    for cut in range(1, length):
        request = visitor.request(f"/{cut:03}")
        await visitor.wire.send_in_pieces([request[:cut], request[cut:]])
        assert (await visitor.wire.reply()).body == f"/{cut:03}".encode()
    assert len(stage.wiki.lines) == 1


async def test_pipelined_requests_are_served_in_their_order(stage: Stage) -> None:
    """Good ones, refused ones and redirects; however they are cut."""
    visitor = await stage.enter()
    stream = b"".join(
        [
            visitor.request("/1"),
            bare("/2"),
            visitor.request("/3", "POST", b"Content-Length: 4", body=b"GET "),
            visitor.request("/chunks", "POST", b"Transfer-Encoding: chunked"),
            b"8\r\nGET\r\n\r\n\r\r\n0\r\nX: y\r\n\r\n",
            bare("/4", NAVIGATION.decode()),
            visitor.request("/.pusterla/nothing"),
            visitor.request("/6", "HEAD"),
            visitor.request("/7"),
        ]
    )
    for size in (1, 7, 100, len(stream)):
        pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
        await visitor.wire.send_in_pieces(pieces)
        replies = [
            await visitor.wire.reply(method)
            for method in ("GET", "GET", "POST", "POST", "GET", "GET", "HEAD", "GET")
        ]
        assert [reply.status for reply in replies] == [200, 401, 200, 200, 303, 404, 200, 200]
        bodies = [replies[at].body for at in (0, 2, 3, 6, 7)]
        assert bodies == [b"/1", b"/3", b"/chunks", b"", b"/7"]
        bodies = [seen.body for seen in stage.wiki.requests if seen.target == "/chunks"]
        assert bodies[-1] == b"GET\r\n\r\n\r"


async def test_requests_that_come_while_one_is_judged_wait(stage: Stage) -> None:
    """In bounds: more than so much is not read."""
    visitor = await stage.enter()
    stage.held.hold(Question.SESSION)
    await visitor.wire.send(visitor.request("/first"))
    await stage.held.wait_asked(Question.SESSION)
    (connection,) = stage.connections
    count = 1000
    visitor.wire.writer.write(visitor.wire.seal(visitor.request("/more") * count))
    await until(lambda: connection._held)
    stage.held.release(Question.SESSION)
    assert (await visitor.wire.reply()).body == b"/first"
    for _ in range(count):
        assert (await visitor.wire.reply()).body == b"/more"


async def test_requests_that_come_while_one_is_answered_wait(stage: Stage) -> None:
    """In bounds too."""
    proceed = asyncio.Event()

    async def script(line: Line) -> None:
        while (seen := await line.request()) is not None:
            await proceed.wait()
            line.send(ok(seen.target.encode()))
            line.next_request()

    stage.wiki.script = script
    visitor = await stage.enter()
    await visitor.wire.send(visitor.request("/first"))
    await until(lambda: stage.wiki.requests)
    (connection,) = stage.connections
    visitor.wire.writer.write(visitor.wire.seal(visitor.request("/more") * 1000))
    await until(lambda: connection._held)
    proceed.set()
    for target in [b"/first"] + [b"/more"] * 1000:
        assert (await visitor.wire.reply()).body == target


# What is refused ------------------------------------------------------------


@pytest.mark.parametrize(
    "request_bytes, status, refusal",
    [
        (b"GARBAGE\r\n\r\n", 501, Refusal.METHOD_UNKNOWN),
        (b"GET / HTTP/1.1\r\n\r\n", 400, Refusal.BAD_REQUEST),
        (bare().replace(b"Host:", b"Host :"), 400, Refusal.BAD_REQUEST),
        (bare("/" + "a" * LIMITS.target_bytes), 414, Refusal.TARGET_TOO_LONG),
        (bare("/", *["X: y"] * LIMITS.head_fields), 431, Refusal.HEAD_TOO_LARGE),
        (bare("/" + "a" * 40_000), 414, Refusal.TARGET_TOO_LONG),
        (bare("/", "X: " + "y" * 33_000), 431, Refusal.HEAD_TOO_LARGE),
        (bare("/", "X: " + "y" * 33_000)[:33_000], 431, Refusal.HEAD_TOO_LARGE),
        (b"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil\r\n\r\n", 501, Refusal.METHOD_UNKNOWN),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, Refusal.BAD_REQUEST),
    ],
)
async def test_what_is_no_request_is_refused_and_ends_the_connection(
    stage: Stage, request_bytes: bytes, status: int, refusal: Refusal
) -> None:
    """Nobody can say where the next one would begin."""
    wire = await stage.connect(WIKI, stage.made.anna)
    await wire.send(request_bytes + bare("/second"))
    reply = await wire.reply()
    assert (reply.status, reply.refusal) == (status, refusal)
    assert reply.value("connection") == "close"
    await ended(wire)


@pytest.mark.parametrize("lines", [("Content-Length: 5",), ("Transfer-Encoding: chunked",)])
async def test_a_refused_request_with_a_body_ends_the_connection(
    stage: Stage, lines: tuple[str, ...]
) -> None:
    """A body that nobody reads cannot be told from the next request."""
    wire = await stage.connect(WIKI, stage.made.anna)
    await wire.send(bare("/", *lines, method="POST") + b"5\r\nhello\r\n0\r\n\r\n" + bare("/second"))
    reply = await wire.reply("POST")
    assert (reply.refusal, reply.value("connection")) == (Refusal.SESSION_REQUIRED, "close")
    await ended(wire)


async def test_a_refused_request_leaves_the_connection_where_nothing_is_wrong_with_it(
    stage: Stage,
) -> None:
    """A person may sign in meanwhile; nothing of the application was asked for."""
    wire = await stage.connect(WIKI, stage.made.anna)
    for _ in range(2):
        assert (await wire.ask(bare())).refusal == Refusal.SESSION_REQUIRED
        reply = await wire.ask(bare("/page", NAVIGATION.decode()))
        assert reply.status == 303
        assert reply.value("location").startswith(f"https://{HOST}:8443/sign-in?to=https%3A%2F%2F")
    assert stage.wiki.lines == []


async def test_the_hand_over_sets_the_cookie_of_the_host(stage: Stage) -> None:
    """And with it the application opens."""
    session = await stage.sign_in()
    key = stage.edge.gate._cookie_key
    fingerprint = Fingerprint(stage.made.anna.fingerprint)
    ticket = mint_ticket(key, session.id, WIKI, fingerprint, "/a", stage.clock())
    wire = await stage.connect(WIKI, stage.made.anna)
    reply = await wire.ask(bare(f"/.pusterla/enter?ticket={ticket}&to=/a"))
    assert (reply.status, reply.value("location")) == (303, f"https://{WIKI}:8443/a")
    cookie = reply.value("set-cookie").partition(";")[0]
    assert cookie.startswith(COOKIE_NAME)
    assert (await wire.ask(bare("/a", f"Cookie: {cookie}"))).body == b"/a"


async def test_a_stolen_cookie_opens_nothing_with_another_certificate(stage: Stage) -> None:
    """And the attempt is in the audit log, with the thief's name."""
    anna = await stage.enter()
    await anna.ask("/mine")
    thief = await stage.connect(WIKI, stage.made.second)
    assert (await thief.ask(anna.request("/stolen"))).refusal in {
        Refusal.SESSION_REQUIRED,
        Refusal.OUTSIDE_CERTIFICATE_SCOPE,
    }
    stage.edge.adopt(stage.applications())
    assert [seen.target for seen in stage.wiki.requests] == ["/mine"]
    bruno = await stage.connect(HOST, stage.made.bruno)
    await bruno.ask(anna.request("/").replace(WIKI.encode(), HOST.encode()))
    events = await stage.audit(AuditKind.SESSION_REFUSED)
    assert {event.user for event in events} <= {"anna", "bruno"}
    assert stage.portal.requests[-1].values("pusterla-session") == []


# The store ------------------------------------------------------------------


async def test_nobody_is_let_in_while_the_store_cannot_say(stage: Stage) -> None:
    """503, with a page for a person; whom memory knows is served."""
    anna = await stage.enter()
    await anna.ask("/before")
    stage.held.fail(Question.HOLDER)
    stage.held.fail(Question.SESSION)
    bruno = await stage.connect(WIKI, stage.made.bruno)
    reply = await bruno.ask(bare("/", NAVIGATION.decode()))
    assert (reply.status, reply.value("content-type")) == (503, "text/html; charset=utf-8")
    await ended(bruno)
    assert (await anna.ask("/after")).body == b"/after"


async def test_nobody_is_let_in_without_a_line_in_the_audit_log(stage: Stage) -> None:
    """P8: no record, no access."""
    stage.held.fail(Question.RECORD)
    anna = await stage.enter()
    reply = await anna.ask("/unrecorded")
    assert (reply.status, reply.refusal) == (503, Refusal.STORE_UNAVAILABLE)
    assert stage.wiki.received == b""


async def test_whoever_is_asked_for_again_and_again_is_refused(stage: Stage) -> None:
    """What is learnt may be forgotten before it is of use; there is an end to asking."""
    anna = await stage.enter()
    admission = stage.edge.admission
    learn = admission.learn

    class Forgetful:
        def __init__(self) -> None:
            self.judged = 0

        async def learn(self, missing: object) -> None:
            await learn(missing)  # type: ignore[arg-type]
            self.judged += 1
            admission.forget_everything()

    forgetful = Forgetful()
    admission.learn = forgetful.learn  # type: ignore[method-assign]
    reply = await anna.ask("/never")
    assert (reply.status, reply.refusal) == (503, Refusal.STORE_UNAVAILABLE)
    assert forgetful.judged > 3
    assert stage.wiki.received == b""


@pytest.mark.parametrize("how", ["reset", "close"])
async def test_a_client_that_leaves_while_it_is_judged_is_forgotten(stage: Stage, how: str) -> None:
    """Nothing of its request goes out."""
    anna = await stage.enter()
    stage.held.hold(Question.RECORD)
    await anna.wire.send(anna.request("/gone"))
    await stage.held.wait_asked(Question.RECORD)
    getattr(anna.wire, how)()
    await until(lambda: not stage.connections)
    stage.held.release(Question.RECORD)
    await stage.settle()
    assert stage.wiki.received == b""


# Memory of header blocks ----------------------------------------------------


async def test_a_block_that_comes_again_is_judged_by_its_grant(stage: Stage) -> None:
    """The third time it is not read any more; other targets and HEAD are served by it too."""
    anna = await stage.enter()
    for _ in range(2):
        await anna.ask("/first")
    asked = list(stage.held.asked)
    for method, target in (("GET", "/second?x=1"), ("HEAD", "/second"), ("GET", "/a/b/")):
        reply = await anna.ask(target, method)
        assert reply.status == 200
        assert reply.body == (b"" if method == "HEAD" else target.encode())
    assert stage.held.asked == asked
    assert {tuple(seen.values("x-forwarded-user")) for seen in stage.wiki.requests} == {("anna",)}


@pytest.mark.parametrize(
    "line, status",
    [
        ("GET /%41/../b HTTP/1.1", 200),
        ("GET /.pusterla/enter HTTP/1.1", 403),
        ("GET /%2Epusterla/x HTTP/1.1", 404),
        (f"GET https://{WIKI}/b HTTP/1.1", 200),
        ("GET /a#b HTTP/1.1", 400),
        ("GET  /b HTTP/1.1", 400),
        ("GET /b HTTP/1.0", 200),
        ("POST /b HTTP/1.1", 200),
        ("GET /" + "a" * LIMITS.target_bytes + " HTTP/1.1", 414),
        ("GET /b\x00 HTTP/1.1", 400),
        ("\nGET /b HTTP/1.1", 400),
    ],
)
async def test_a_request_line_that_is_not_plain_is_read_though_its_block_is_known(
    stage: Stage, line: str, status: int
) -> None:
    """The quick way is for what has one reading only."""
    anna = await stage.enter()
    for _ in range(3):
        await anna.ask("/known")
    block = anna.request("/known").partition(b"\r\n")[2]
    await anna.wire.send(line.encode() + b"\r\n" + block)
    reply = await anna.wire.reply()
    assert reply.status == status
    if status == 200:
        assert reply.body == b"/b"


async def test_a_remembered_block_is_worth_nothing_without_its_grant(stage: Stage) -> None:
    """Ended by a policy, or too old: then it is judged anew."""
    anna = await stage.enter()
    for _ in range(3):
        await anna.ask("/known")
    stage.clock.shift = timedelta(seconds=40)
    stage.edge.admission.confirm(stage.clock())
    first = stage.wiki.requests[-1].values("pusterla-assertion")
    assert (await anna.ask("/older")).status == 200
    assert stage.wiki.requests[-1].values("pusterla-assertion") != first
    stage.edge.adopt({"crm": stage.applications()["crm"]})
    reply = await anna.ask("/gone")
    assert (reply.status, reply.refusal) == (421, Refusal.UNKNOWN_HOST)


async def test_memory_is_of_one_connection(stage: Stage) -> None:
    """The same bytes from somebody else are judged for themselves."""
    anna = await stage.enter()
    for _ in range(3):
        await anna.ask("/known")
    thief = await stage.connect(WIKI, stage.made.bruno)
    for _ in range(3):
        assert (await thief.ask(anna.request("/stolen"))).status in {401, 403}
    assert all(seen.target == "/known" for seen in stage.wiki.requests)


async def test_what_is_remembered_ends_where_its_head_ends(stage: Stage) -> None:
    """In one piece with the next request, cut anywhere, or with another line before it."""
    anna = await stage.enter()
    for _ in range(3):
        await anna.ask("/known")
    first, second = anna.request("/first"), anna.request("/second", "HEAD")
    for cut in (1, 20, len(first) - 3, len(first) - 1, len(first), len(first) + 30):
        await anna.wire.send((first + second)[:cut])
        await asyncio.sleep(0.01)
        await anna.wire.send((first + second)[cut:])
        assert (await anna.wire.reply()).body == b"/first"
        assert (await anna.wire.reply("HEAD")).status == 200
    assert (await anna.ask("/")).body == b"/"
    assert (await anna.ask("/%2e%2e/x")).status == 400
    targets = [seen.target for seen in stage.wiki.requests]
    assert targets == ["/known"] * 3 + ["/first", "/second"] * 6 + ["/"]


async def test_a_request_with_a_body_is_not_remembered(stage: Stage) -> None:
    """Its body would be taken for the next request."""
    anna = await stage.enter()
    for _ in range(4):
        reply = await anna.ask("/post", "POST", b"Content-Length: 5", body=b"hello")
        assert reply.body == b"/post"
    assert [seen.body for seen in stage.wiki.requests] == [b"hello"] * 4


# Time-outs and ends ---------------------------------------------------------


async def test_half_a_request_and_silence_is_a_request_time_out(stage: Stage) -> None:
    """Counted from its first byte; a byte now and then does not help."""
    wire = await stage.connect(WIKI, stage.made.anna)
    (connection,) = stage.connections
    await wire.send(bare()[:10])
    await until(lambda: connection._buffer)
    deadline = connection.deadline
    stage.edge.tick += 5
    await wire.send(bare()[10:12])
    await until(lambda: len(connection._buffer) == 12)
    assert connection.deadline == deadline
    stage.sweep(after=stage.site.limits.request_head.total_seconds())
    reply = await wire.reply()
    assert (reply.status, reply.refusal) == (408, Refusal.REQUEST_TIMEOUT)
    await ended(wire)


async def test_an_idle_connection_is_closed_in_good_order(stage: Stage) -> None:
    """After a while, and not before."""
    anna = await stage.enter()
    await anna.ask()
    idle = stage.site.limits.idle.total_seconds()
    stage.sweep(after=idle - 1)
    assert (await anna.ask()).status == 200
    stage.sweep(after=idle + 1)
    await ended(anna.wire)


async def test_whoever_does_not_close_after_the_last_answer_is_cut_off(stage: Stage) -> None:
    """Everything was said."""
    wire = await stage.connect(WIKI)
    assert (await wire.ask(bare())).refusal == Refusal.NO_CERTIFICATE
    (connection,) = stage.connections
    assert connection._state is State.LINGER
    stage.sweep(after=LINGER_SECONDS + 1)
    await until(lambda: not stage.connections)


async def test_a_request_that_is_judged_for_too_long_is_broken_off(stage: Stage) -> None:
    """A store that hangs holds nobody for ever."""
    anna = await stage.enter()
    stage.held.hold(Question.SESSION)
    await anna.wire.send(anna.request())
    await stage.held.wait_asked(Question.SESSION)
    stage.sweep(after=stage.site.limits.upstream_response.total_seconds() + 1)
    assert await anna.wire.read_all() == b""
    assert anna.wire.end is not End.CLOSED
    stage.held.release(Question.SESSION)


async def test_a_cut_does_not_wait_for_whoever_has_closed_already(narrow: Stage) -> None:
    """What lies in our buffer for them is theirs no longer; and a cut may come late."""
    narrow.wiki.script = saying(ok(b"x" * 3_000_000))
    anna = await narrow.enter(receive_buffer=4096)
    await anna.wire.send(anna.request())
    (connection,) = narrow.connections
    transport = connection._transport
    assert transport is not None
    await until(transport.get_write_buffer_size)
    anna.wire.writer.write_eof()
    await until(lambda: connection._state is State.CLOSED)
    assert narrow.connections == [connection]
    connection.cut(Refusal.CERTIFICATE_REVOKED)
    await turns(10)
    assert narrow.connections == []
    connection.cut(Refusal.CERTIFICATE_REVOKED)
    connection.time_out()
    connection.drain()


async def test_plain_http_is_served_without_tls(stage: Stage) -> None:
    """The same protocol, and the same limits."""
    wire = await stage.plain()
    await wire.send_in_pieces([b"GET /crl HT", b"TP/1.1\r\nHost: x\r\n\r", b"\n"])
    assert (await wire.reply()).body == b"/crl"
    await wire.send(b"GARBAGE\r\n\r\n")
    assert (await wire.reply()).status == 501
    await ended(wire)
    other = await stage.plain()
    await until(lambda: len(stage.connections) == 2)
    stage.sweep(after=stage.site.limits.idle.total_seconds() + 1)
    await ended(other)


async def test_plain_http_takes_addresses_of_its_own_scheme(stage: Stage) -> None:
    """RFC 9112, section 3.2.2; and from HTTP/1.0, which may have no Host, a path alone."""
    host = stage.site.public_host
    wire = await stage.plain()
    await wire.send(f"GET http://{host}/crl HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    assert (await wire.reply()).body == b"/crl"
    await wire.send(b"GET /crl HTTP/1.0\r\n\r\n")
    assert (await wire.reply()).body == b"/crl"
    await ended(wire)
    assert [seen.values("host") for seen in stage.portal.requests] == [[host]] * 2
    refused = await stage.plain()
    await refused.send(f"GET https://{host}/crl HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    assert (await refused.reply()).status == 400


async def test_http_1_0_without_a_host_is_for_the_name_of_the_handshake(stage: Stage) -> None:
    """That is the one host it can be for; where there was no name it is for none."""
    visitor = await stage.enter()
    await visitor.wire.send(b"GET /page HTTP/1.0\r\n" + visitor.cookie + b"\r\n")
    assert (await visitor.wire.reply()).body == b"/page"
    (seen,) = stage.wiki.requests
    assert seen.values("host") == [stage.site.authority(WIKI)]
    nameless = await stage.connect(None, stage.made.anna)
    await nameless.send(b"GET /page HTTP/1.0\r\n\r\n")
    assert (await nameless.reply()).refusal == Refusal.BAD_REQUEST


@pytest.mark.parametrize("method", ["VERSION-CONTROL", "DESCRIBE", "MKREDIRECTREF", "EVICT"])
async def test_a_method_that_nobody_here_knows_reaches_the_application(
    stage: Stage, method: str
) -> None:
    """With its body and no more, so that the next request is the next; the portal has no such."""
    visitor = await stage.enter()
    body = visitor.request("/x", method, b"Content-Length: 4", body=b"GET ")
    chunks = visitor.request("/y", method, b"Transfer-Encoding: chunked")
    await visitor.wire.send(body + visitor.request("/second") + chunks)
    assert [(await visitor.wire.reply()).body for _ in range(2)] == [b"/x", b"/second"]
    await visitor.wire.send(b"4\r\nGET \r\n0\r\n\r\n")
    assert (await visitor.wire.reply()).body == b"/y"
    assert [(one.method, one.target, one.body) for one in stage.wiki.requests] == [
        (method, "/x", b"GET "),
        ("GET", "/second", b""),
        (method, "/y", b"GET "),
    ]
    portal = await stage.enter(HOST)
    assert (await portal.ask("/", method)).refusal == Refusal.METHOD_UNKNOWN
    assert (await portal.ask("/after")).status == 200
    assert [one.target for one in stage.portal.requests] == ["/after"]


async def test_large_answers_arrive_whole_over_both_ports(made: MadeSite, tmp_path: Path) -> None:
    """In records of TLS as in the clear."""
    content = bytes(range(256)) * 8_000

    async def script(line: Line) -> None:
        while await line.request() is not None:
            line.send(ok(content))
            line.next_request()

    async with open_stage(made, tmp_path) as stage:
        stage.wiki.script = stage.portal.script = script
        anna, plain = await stage.enter(), await stage.plain()
        assert (await anna.ask()).body == content
        assert (await plain.ask(bare(host="x"))).body == content


async def test_options_of_the_whole_application_passes(stage: Stage) -> None:
    """RFC 9112, section 3.2.4: it is the application's to answer, to whom it is open."""
    visitor = await stage.enter()
    assert (await visitor.ask("*", "OPTIONS")).body == b"*"
    stranger = await stage.connect(WIKI, stage.made.anna)
    assert (await stranger.ask(bare("*", method="OPTIONS"))).status == 401
    assert len(stage.wiki.requests) == 1
