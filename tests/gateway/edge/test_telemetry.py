import re
import secrets
import ssl
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway.core.audit import AuditKind
from gateway.core.refusal_kinds import Refusal
from gateway.core.request_ids import is_request_id, made_at
from gateway.core.site import Demand, Upstream
from gateway.edge.cut_reasons import CutReason
from gateway.edge.telemetry import Telemetry
from tests.gateway.edge.recorder import Line, ok
from tests.gateway.edge.site import HOST, PUBLIC_HOST, WIKI, MadeSite
from tests.gateway.edge.stage import Stage, open_stage
from tests.gateway.edge.stores import Question
from tests.gateway.edge.waiting import until

ROOT = Path(__file__).parents[3]
UPGRADE = (
    b"Connection: Upgrade",
    b"Upgrade: websocket",
    b"Sec-WebSocket-Version: 13",
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)


async def test_every_request_has_one_line_and_counts_once(stage: Stage) -> None:
    """Of the memo or not, with a body or not; with the fields that an auditor asks for."""
    visitor = await stage.enter()
    for number in range(4):
        await visitor.ask(f"/page?n={number}", "GET", b'User-Agent: T\xc3\xa4st "1"')
    await visitor.ask("/post", "POST", b"Content-Length: 5", body=b"12345")
    lines = await stage.access(5)
    assert [line["target"] for line in lines] == [
        *("/page?n=0", "/page?n=1", "/page?n=2", "/page?n=3", "/post")
    ]
    first, *_, post = lines
    sizes = len(visitor.request("/page?n=0", "GET", b'User-Agent: T\xc3\xa4st "1"'))
    expected = {
        "status": 200,
        "reason": "",
        "method": "GET",
        "address": "127.0.0.1",
        "user": "anna",
        "serial": stage.made.anna.serial,
        "app": "wiki",
        "rule": "technicians",
        "host": WIKI,
        "tls": "TLSv1.3",
        "upstream": f"http://127.0.0.1:{stage.wiki.port}",
        "user_agent": 'Täst "1"',
        "received": sizes,
    }
    assert {name: first[name] for name in expected} == expected
    assert first["sent"] > len(b"/page?n=0")
    assert 0 < first["first_ms"] <= first["total_ms"]
    assert post["received"] == len(visitor.request("/post", "POST", b"Content-Length: 5")) + 5
    figures = stage.edge.telemetry.figures.applications["wiki"]
    assert figures.statuses == {200: 5}
    assert sum(figures.first_byte.buckets) == 5
    assert figures.received == sum(line["received"] for line in lines)
    assert figures.connects == 1


async def test_pipelined_requests_each_have_their_own_bytes(stage: Stage) -> None:
    """What was read ahead belongs to the next line."""
    visitor = await stage.enter()
    requests = [visitor.request(f"/{'x' * count}") for count in (1, 50, 3)]
    await visitor.wire.send(b"".join(requests))
    for _ in requests:
        await visitor.wire.reply()
    lines = await stage.access(3)
    assert [line["received"] for line in lines] == [len(request) for request in requests]


async def test_applications_hear_the_id_and_no_claim_of_it(stage: Stage) -> None:
    """The edge's own, on a remembered request too; and nobody is blamed for having one."""
    visitor = await stage.enter()
    for _ in range(3):
        await visitor.ask("/", "GET", b"X-Request-Id: forged", b"X_Request_ID: forged")
    lines = await stage.access(3)
    seen = [request.values("x-request-id") for request in stage.wiki.requests]
    assert seen == [[line["id"]] for line in lines]
    assert all(request.values("x_request_id") == [] for request in stage.wiki.requests)
    assert await stage.audit(AuditKind.IDENTITY_CLAIMED) == []


async def test_a_refusal_is_found_by_its_id_everywhere(stage: Stage) -> None:
    """On the page, in the access log and in the audit log."""
    visitor = await stage.enter()
    bruno = await stage.connect(WIKI, stage.made.bruno)
    reply = await bruno.ask(f"GET /x HTTP/1.1\r\nHost: {WIKI}\r\n\r\n".encode())
    (line,) = await stage.access(1)
    assert reply.value("x-request-id") == line["id"]
    assert is_request_id(line["id"])
    assert line["id"].encode() in reply.body
    assert (line["status"], line["reason"], line["user"], line["app"]) == (
        *(403, Refusal.NOT_ALLOWED, "bruno", "wiki"),
    )
    event = await stage.wait_for_audit(AuditKind.ACCESS_DENIED, "no-rule-matches")
    assert event.detail["request"] == line["id"]
    assert stage.edge.telemetry.figures.refusals[Refusal.NOT_ALLOWED] == 1
    assert stage.edge.telemetry.figures.applications["wiki"].statuses == {403: 1}
    visitor.wire.close()


async def test_what_was_no_request_has_a_line_too(stage: Stage) -> None:
    """Without method and target, for nobody could read them; it counts for no application."""
    wire = await stage.connect(WIKI, stage.made.anna)
    reply = await wire.ask(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
    (line,) = await stage.access(1)
    assert (line["status"], line["reason"]) == (400, Refusal.BAD_REQUEST)
    assert (line["method"], line["target"], line["app"]) == ("", "", "")
    assert line["id"] == reply.value("x-request-id")


async def test_redirects_and_other_doors(stage: Stage) -> None:
    """The sign-in's redirect carries the id; portal, public host and plain http are told apart."""
    wire = await stage.connect(WIKI, stage.made.anna)
    page = "Sec-Fetch-Mode: navigate\r\n"
    reply = await wire.ask(f"GET /a HTTP/1.1\r\nHost: {WIKI}\r\n{page}\r\n".encode())
    anna = await stage.enter(HOST)
    await anna.ask("/home")
    public = await stage.connect(PUBLIC_HOST)
    await public.ask(f"GET /crl HTTP/1.1\r\nHost: {PUBLIC_HOST}\r\n\r\n".encode())
    plain = await stage.plain()
    await plain.ask(b"GET /crl HTTP/1.1\r\nHost: any.example\r\n\r\n")
    lines = await stage.access(4)
    assert lines[0]["id"] == reply.value("x-request-id")
    assert [(line["app"], line["status"], line["tls"]) for line in lines] == [
        *(("wiki", 303, "TLSv1.3"), ("portal", 200, "TLSv1.3")),
        *(("public", 200, "TLSv1.3"), ("plain_http", 200, "")),
    ]
    assert lines[1]["upstream"].startswith("unix:")


async def test_a_ticket_is_not_written(stage: Stage) -> None:
    """Not even one that is no good."""
    anna = await stage.enter()
    await anna.ask("/.pusterla/enter?ticket=secret&to=/")
    await anna.ask("/%2epusterla/enter?ticket=secret&to=/")
    lines = await stage.access(2)
    assert {line["target"] for line in lines} == {"/.pusterla/enter?..."}
    assert b"secret" not in stage.access_path.read_bytes()


async def test_a_tunnel_has_its_line_at_its_end(stage: Stage) -> None:
    """With all bytes that it carried; while it is open it is counted as open."""

    async def script(line: Line) -> None:
        await line.request()
        line.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n")
        line.send(b"Upgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n")
        await line.wait_ended()

    stage.wiki.script = script
    visitor = await stage.enter()
    request = visitor.request("/ws", "GET", *UPGRADE)
    await visitor.wire.send(request)
    figures = stage.edge.telemetry.figures.applications["wiki"]
    await until(lambda: figures.websockets == 1)
    assert stage.access_lines() == []
    await visitor.wire.send(b"x" * 1000)
    await until(lambda: stage.wiki.received.endswith(b"x" * 1000))
    visitor.wire.reset()
    (line,) = await stage.access(1)
    assert (line["status"], line["reason"]) == (101, "")
    assert line["received"] == len(request) + 1000
    assert figures.websockets == 0


async def test_whoever_goes_away_leaves_a_line(stage: Stage) -> None:
    """While the application thinks; and one that is cut says why."""

    async def script(line: Line) -> None:
        await line.request()
        await line.wait_ended()

    stage.wiki.script = script
    gone, cut = await stage.enter(), await stage.enter()
    for visitor in (gone, cut):
        await visitor.wire.send(visitor.request("/slow"))
    await until(lambda: len(stage.wiki.requests) == 2)
    gone.wire.reset()
    await until(lambda: len(stage.connections) == 1)
    stage.connections[0].cut(Refusal.CERTIFICATE_REVOKED)
    lines = await stage.access(2)
    assert [(line["status"], line["reason"]) for line in lines] == [
        *((499, "client-gone"), (499, "certificate-revoked")),
    ]


async def test_whoever_waits_in_vain_for_the_store_has_not_gone_away(stage: Stage) -> None:
    """The line says what was to blame."""
    stage.held.hold(Question.HOLDER)
    wire = await stage.connect(WIKI, stage.made.anna)
    await wire.send(f"GET / HTTP/1.1\r\nHost: {WIKI}\r\n\r\n".encode())
    await stage.held.wait_asked(Question.HOLDER)
    stage.sweep(after=stage.site.limits.upstream_response.total_seconds() + 1)
    assert await wire.read_all() == b""
    stage.held.release(Question.HOLDER)
    (line,) = await stage.access(1)
    assert (line["status"], line["reason"]) == (499, Refusal.STORE_UNAVAILABLE)


async def test_a_line_names_who_the_grant_was_given_to(stage: Stage) -> None:
    """Also where memory has lost whose certificate it is, and was not asked again."""
    anna = await stage.enter()
    await anna.ask("/before")
    stage.edge.admission._holders.clear()
    wire = await stage.connect(WIKI, stage.made.anna)
    assert (await wire.ask(anna.request("/after"))).status == 200
    before, after = await stage.access(2)
    assert after["target"] == "/after"
    for key in ("user", "serial", "device"):
        assert after[key] == before[key] != ""


async def test_every_reason_for_a_cut_is_described() -> None:
    """In docs/watching.md, and no other is there."""
    page = (ROOT / "docs" / "watching.md").read_text()
    table = page.partition("| The connection was cut because |")[2].partition("\n\n")[0]
    described = re.findall(r"^\| `([a-z-]+)` \| \S", table, re.MULTILINE)
    assert sorted(described) == sorted(CutReason)


async def test_an_answer_cut_short_says_so(stage: Stage) -> None:
    """Its status was sent; the reason tells that it was not all."""

    async def script(line: Line) -> None:
        await line.request()
        line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        line.close()

    stage.wiki.script = script
    visitor = await stage.enter()
    await visitor.wire.send(visitor.request("/half"))
    await visitor.wire.read_all()
    (line,) = await stage.access(1)
    assert (line["status"], line["reason"]) == (200, Refusal.UPSTREAM_BROKEN)


async def test_an_application_that_is_not_there_is_counted(made: MadeSite, tmp_path: Path) -> None:
    """As a failed connection, and its refusal as one of the application's."""
    async with open_stage(made, tmp_path) as stage:
        visitor = await stage.enter()
        await stage.wiki.close()
        reply = await visitor.ask("/")
        (line,) = await stage.access(1)
        assert (reply.status, line["status"], line["app"]) == (502, 502, "wiki")
        figures = stage.edge.telemetry.figures.applications["wiki"]
        assert (figures.connects, figures.connects_failed) == (0, 1)


async def test_the_log_names_the_request(stage: Stage) -> None:
    """The line for the operator and the page for the person lead to each other."""
    wire = await stage.connect(WIKI, None)
    reply = await wire.ask(f"GET / HTTP/1.1\r\nHost: {WIKI}\r\n\r\n".encode())
    (line,) = await stage.access(1)
    assert re.fullmatch(r"403 no-certificate: .* \(Request id (.*)\)\n", reply.body.decode())
    assert line["id"] == reply.value("x-request-id")
    assert (line["user"], line["serial"]) == ("", "")


async def test_every_field_of_a_line_is_explained(stage: Stage) -> None:
    """In docs/watching.md, and no other is there."""
    visitor = await stage.enter()
    await visitor.ask("/")
    (line,) = await stage.access()
    page = (ROOT / "docs" / "watching.md").read_text()
    table = page.partition("| field | meaning |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| (`.*?`) \|", table, re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == line.keys()


async def test_the_last_lines_are_written_at_the_end(stage: Stage) -> None:
    """A worker that is told to end writes what still waits, and what is cut meanwhile."""
    visitor = await stage.enter()
    await visitor.ask("/last")
    await stage.stop()
    assert [line["target"] for line in stage.access_lines()] == ["/last"]


async def test_queries_are_written_as_the_site_wishes_it_now(stage: Stage) -> None:
    """A reload changes it, and connections that are there go by it too."""
    visitor = await stage.enter()
    await visitor.ask("/page?secret=1")
    stage.edge.telemetry.adopt(replace(stage.site, log_queries=False))
    await visitor.ask("/page?secret=2")
    lines = await stage.access(2)
    assert [line["target"] for line in lines] == ["/page?secret=1", "/page?..."]


async def test_handshakes_are_counted_by_how_they_end(made: MadeSite, tmp_path: Path) -> None:
    """Made, refused, left by the client, too late, cut; and connections that there is no room for."""
    async with open_stage(made, tmp_path) as stage:
        figures = stage.edge.telemetry.figures
        await stage.connect(WIKI, stage.made.anna)
        await until(lambda: figures.handshakes["established"] == 1)
        assert sum(figures.handshake_seconds.buckets) == 1
        refused = await stage.tcp()
        await refused.send(b"\x16\x03\x01\x00\x05nonsense")
        await until(lambda: figures.handshakes["refused"] == 1)
        left = await stage.tcp()
        await until(lambda: figures.connections_accepted == 3)
        left.reset()
        await until(lambda: figures.handshakes["abandoned"] == 1)
        late = await stage.tcp()
        await until(lambda: figures.connections_accepted == 4)
        stage.sweep(after=stage.site.limits.handshake.total_seconds() + 1)
        assert figures.handshakes["timed-out"] == 1
        assert await late.read_all() == b""
        plain = await stage.plain()
        await until(lambda: figures.connections_accepted == 5)
        plain.reset()
        stage.edge.draining = True
        await (await stage.tcp()).read_all()
        assert figures.connections_refused == {"full": 0, "draining": 1, "certificate": 0}
        ends = {"established": 1, "refused": 1, "abandoned": 1, "timed-out": 1, "cut": 0}
        assert figures.handshakes == ends


async def test_what_waits_for_the_audit_log_is_counted(stage: Stage) -> None:
    """And what does not get there."""
    stage.held.fail(Question.RECORD)
    wire = await stage.connect(WIKI, stage.made.unrecorded)
    await wire.ask(f"GET / HTTP/1.1\r\nHost: {WIKI}\r\n\r\n".encode())
    await until(lambda: stage.edge.audit_lost == 1)
    assert stage.edge.audit_waiting == 0
    assert stage.errors.pop().startswith("not in the audit log")
    stage.held.heal()


async def test_certificates_refused_in_the_handshake_count_by_reason(
    made: MadeSite, tmp_path: Path
) -> None:
    """As those that meet a page do, where it was we who refused and not OpenSSL."""
    async with open_stage(made, tmp_path, certificate=Demand.HANDSHAKE) as stage:
        figures = stage.edge.telemetry.figures
        with suppress(ssl.SSLError, ConnectionError):
            await stage.connect(WIKI, stage.made.unrecorded)
        await until(lambda: figures.refusals[Refusal.CERTIFICATE_UNKNOWN] == 1)
        await until(lambda: figures.handshakes["refused"] == 1)
        assert figures.handshakes["established"] == 0


async def test_of_several_upstreams_the_one_is_named_that_had_the_request(stage: Stage) -> None:
    """Another for the next request, though all else is the same."""
    wiki = stage.applications()["wiki"]
    both = tuple(Upstream("127.0.0.1", each.port) for each in (stage.wiki, stage.crm))
    stage.edge.adopt(stage.applications(wiki=replace(wiki, upstreams=both)))
    first, second = await stage.enter(), await stage.enter()

    async def script(line: Line) -> None:
        await line.request()
        await until(lambda: stage.wiki.requests and stage.crm.requests)
        line.send(ok(b"at last"))

    stage.wiki.script = stage.crm.script = script
    await first.wire.send(first.request("/"))
    await second.wire.send(second.request("/"))
    lines = await stage.access(2)
    assert {line["upstream"] for line in lines} == {*map(str, both)}


def test_an_id_says_when_its_request_came() -> None:
    """By the clock as of the last sweep; and no id comes twice, though the clock be set back."""
    begun = datetime(2026, 11, 22, 9, 0, 0, 900_000, tzinfo=UTC)
    telemetry = Telemetry(secrets.token_bytes, None, begun)
    seen = []
    for after in (0.0, 0.5, 1.0, -3600.0, 1.5, 2.5):
        telemetry.sweep(begun + timedelta(seconds=after))
        seen += [next(telemetry.ids).decode() for _ in range(3)]
    assert len({*seen}) == len(seen)
    seconds = [(made_at(request) - begun.replace(microsecond=0)).seconds for request in seen[::3]]
    assert seconds == [0, 1, 1, 1, 2, 3]
