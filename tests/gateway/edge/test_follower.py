import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, timedelta

import pytest

from ca import ledger
from ca.trust import RevocationReason
from gateway.core.audit import AuditKind
from gateway.core.changes import Batch, ChangeKind
from gateway.core.people import Fingerprint, Holder
from gateway.core.refusal_kinds import Refusal
from gateway.core.site import Application
from gateway.edge import follower
from gateway.edge.connections import SWEEP_SECONDS
from gateway.edge.follower import recheck
from gateway.edge.stream import State
from policies.calendar import Span, Timetable
from policies.model import AppPolicy
from policies.paths import parse_path_pattern
from tests.gateway.edge.recorder import Line, ok
from tests.gateway.edge.site import CRM, HOST, WIKI
from tests.gateway.edge.stage import Stage, Visitor, application
from tests.gateway.edge.stores import Question
from tests.gateway.edge.waiting import soon, until
from tests.gateway.edge.wire import End, Wire

SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
UPGRADE = (b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Key: x")


async def application_of_all_kinds(line: Line) -> None:
    """Answer at once, or with half a body, or never, or become a tunnel."""
    while (head := await line.head()) is not None:
        match head.target:
            case "/download":
                line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
                await line.wait_ended()
            case "/tunnel":
                line.send(SWITCHING)
                while data := await line.read():
                    line.send(data)
            case "/waiting" | "/upload":
                await line.wait_ended()
            case _:
                await line.body()
                line.send(ok(head.target.encode()))
                line.next_request()


@dataclass(eq=False)
class Crowd:
    """Connections of one person in every state in which one can be."""

    wires: list[Wire]

    async def all_ended(self) -> None:
        """Wait until each has been cut, and see that none was let end in good order."""
        for wire in self.wires:
            while await soon(wire.read()):
                pass
            assert wire.end in {End.TRUNCATED, End.RESET}


async def crowd(stage: Stage, session_of: Visitor) -> Crowd:
    """Open connections with the session of somebody: idle, and in the middle of everything."""
    stage.wiki.script = application_of_all_kinds
    before = len(stage.connections)
    wires: list[Wire] = [session_of.wire]

    async def visit(request: bytes) -> Wire:
        wire = await stage.connect(WIKI, stage.made.anna)
        await wire.send(request)
        wires.append(wire)
        return wire

    await session_of.ask("/idle")
    await (await visit(session_of.request("/idle"))).reply()
    download = await visit(session_of.request("/download"))
    await download.reply_head()
    tunnel = await visit(session_of.request("/tunnel", "GET", *UPGRADE))
    assert await tunnel.read() == SWITCHING
    await visit(session_of.request("/waiting"))
    await visit(session_of.request("/upload", "POST", b"Content-Length: 100", body=b"x"))
    await visit(session_of.request("/idle")[:20])
    await until(lambda: b"/waiting" in stage.wiki.received and b"/upload" in stage.wiki.received)
    await until(lambda: len(stage.connections) == before + len(wires) - 1)
    return Crowd(wires)


async def change(stage: Stage, what: str, visitor: Visitor) -> None:
    """Change something in the store by which *visitor* loses their right."""
    store = stage.store
    match what:
        case "revoke":
            reason = RevocationReason.KEY_COMPROMISE
            await store.revoke_certificates(serial=stage.made.anna.serial, reason=reason, by="test")
        case "hold":
            await store.hold_certificates(serial=stage.made.anna.serial, by="test")
        case "disable":
            await store.set_enabled("anna", False, by="test")
        case "remove":
            await store.remove_person("anna", stage.clock().date(), by="test")
        case "end session":
            await store.end_sessions(
                session=visitor.session.id, kind=AuditKind.SESSION_ENDED, by="test"
            )
        case "policy":
            upstream = stage.applications()["wiki"].upstreams
            stage.worker.adopt(stage.applications(wiki=application("wiki", upstream, "nobody")))


CHANGES = {
    "revoke": "certificate-revoked",
    "hold": "certificate-held",
    "disable": "person-disabled",
    "remove": "certificate-revoked",
    "end session": "session or policy",
    "policy": "session or policy",
}


def guests_in(stage: Stage) -> dict[str, Application]:
    """Return the applications of the site, the CRM open to guests."""
    guests = application("crm", stage.applications()["crm"].upstreams, "guests")
    return stage.applications(crm=guests)


async def bruno_inside(stage: Stage) -> Visitor:
    """Let Bruno sign in and use the CRM, which is open to guests on this stage."""
    stage.edge.adopt(guests_in(stage))
    session = await stage.sign_in(stage.made.bruno, "bruno")
    wire = await stage.connect(CRM, stage.made.bruno)
    bruno = Visitor(wire, CRM, stage.cookie(session, CRM), session)
    assert (await bruno.ask("/before")).status == 200
    return bruno


# Changes --------------------------------------------------------------------


@pytest.mark.parametrize("what", CHANGES)
async def test_whoever_loses_their_right_loses_their_connections(stage: Stage, what: str) -> None:
    """All of them, whatever they are in the middle of, and nobody else's."""
    bruno = await bruno_inside(stage)
    anna = await stage.enter()
    people = await crowd(stage, anna)
    if what == "end session":
        # Where nothing was asked with a session yet, nothing rests on one.
        people.wires.pop().reset()
    if what == "policy":
        people.wires.pop().reset()
        guests = application("crm", stage.applications()["crm"].upstreams, "guests")
        upstream = stage.applications()["wiki"].upstreams
        stage.worker.adopt({"crm": guests, "wiki": application("wiki", upstream, "nobody")})
    else:
        await change(stage, what, anna)
    await people.all_ended()
    assert not stage.wiki.open_lines or what in {"end session", "policy"}
    event = await stage.wait_for_audit(AuditKind.CONNECTION_CUT, CHANGES[what])
    assert event.detail == {"connections": str(len(people.wires))}
    assert (await bruno.ask("/after")).body == b"/after"


@pytest.mark.parametrize(
    "what, refusal",
    [
        ("revoke", Refusal.CERTIFICATE_REVOKED),
        ("hold", Refusal.CERTIFICATE_HELD),
        ("disable", Refusal.PERSON_DISABLED),
        ("remove", Refusal.CERTIFICATE_REVOKED),
        ("end session", Refusal.SESSION_REQUIRED),
        ("policy", Refusal.NOT_ALLOWED),
    ],
)
async def test_whoever_has_lost_their_right_is_told_why(
    stage: Stage, what: str, refusal: Refusal
) -> None:
    """At the next connection, with the cookie they still have."""
    anna = await stage.enter()
    await anna.ask("/before")
    await change(stage, what, anna)
    await anna.wire.read_all()
    wire = await stage.connect(WIKI, stage.made.anna)
    assert (await wire.ask(anna.request("/after"))).refusal == refusal
    assert [seen.target for seen in stage.wiki.requests] == ["/before"]


def on_hold(stage: Stage) -> bool:
    """Say whether the edge remembers that Anna's certificate is on hold."""
    holder = stage.edge.admission.holder(Fingerprint(stage.made.anna.fingerprint))
    return isinstance(holder, Holder) and holder.held


async def test_whoever_is_released_is_let_in_at_once_and_signs_in_again(stage: Stage) -> None:
    """The very certificate works; the session of before the hold stays ended."""
    anna = await stage.enter()
    await anna.ask("/before")
    await change(stage, "hold", anna)
    await anna.wire.read_all()
    wire = await stage.connect(WIKI, stage.made.anna)
    assert (await wire.ask(anna.request("/held"))).refusal == Refusal.CERTIFICATE_HELD
    await stage.store.release_certificates(serial=stage.made.anna.serial, by="test")
    await until(lambda: not on_hold(stage))
    wire = await stage.connect(WIKI, stage.made.anna)
    assert (await wire.ask(anna.request("/after"))).refusal == Refusal.SESSION_REQUIRED
    again = await stage.enter()
    assert (await again.ask("/again")).status == 200


@pytest.mark.parametrize("target", ["/idle", "/download", "/tunnel"])
async def test_whose_a_connection_is_is_known_of_a_grant_too(stage: Stage, target: str) -> None:
    """Memory may have lost the holder, for it is full at times, and still have the grant."""
    anna = await stage.enter()
    await anna.ask("/before")
    stage.edge.admission._holders.clear()
    stage.held.asked.clear()
    stage.wiki.script = application_of_all_kinds
    wire = await stage.connect(WIKI, stage.made.anna)
    await wire.send(anna.request(target, "GET", *(UPGRADE if target == "/tunnel" else ())))
    await wire.reply_head()
    assert stage.held.asked == []
    assert all(one.ends_at() for one in stage.connections)
    await change(stage, "disable", anna)
    while await soon(wire.read()):
        pass
    assert wire.end in {End.TRUNCATED, End.RESET}


async def test_of_many_revoked_at_once_only_theirs_are_cut(stage: Stage) -> None:
    """A feed of a thousand rows is no reason to judge everybody anew, nor to forget them."""
    bruno, anna = await bruno_inside(stage), await stage.enter()
    assert (await anna.ask("/before")).status == 200
    now, serials = stage.clock(), [stage.made.anna.serial]
    async with stage.store.begin() as connection:
        for number in range(1100):
            serials.append(f"4a{number:06x}")
            await ledger.reserve_serial(
                connection, issuer="issuing-1", serial=serials[-1], username="anna",
                device=f"x-{number}", scope=None, not_before=now, not_after=now + timedelta(1),
                now=now,
            )  # fmt: skip
            await ledger.record_certificate(
                connection, issuer="issuing-1", serial=serials[-1],
                fingerprint=f"{number:064x}", der=b"der", now=now,
            )  # fmt: skip
    asked = len(stage.held.asked)
    await stage.store.revoke_chosen(serials, reason=RevocationReason.SUPERSEDED, by="test")
    assert await anna.wire.read_all() == b""
    event = await stage.wait_for_audit(AuditKind.CONNECTION_CUT, "certificate-revoked")
    assert event.detail == {"connections": "1"}
    assert (await bruno.ask("/after")).body == b"/after"
    # Anna's certificate was asked for again; Bruno's was not, nor that of anybody who is not here.
    assert stage.held.asked[asked:].count(Question.HOLDER) == 1


async def test_a_policy_that_no_longer_allows_ends_idle_connections_too(stage: Stage) -> None:
    """Those that were opened for what is denied now; those of others go on."""
    anna, elsewhere = await stage.enter(), await stage.enter(CRM)
    for visitor in (anna, elsewhere):
        assert (await visitor.ask()).status == 200
    await change(stage, "policy", anna)
    assert await anna.wire.read_all() == b""
    assert (await elsewhere.ask()).status == 200


async def test_a_policy_that_allows_as_before_ends_nothing(stage: Stage) -> None:
    """Even where it is another object with another name for its rule."""
    anna = await stage.enter()
    await anna.ask()
    apps = stage.applications()
    stage.worker.adopt(apps | {"wiki": replace(apps["wiki"], title="Other words")})
    await until(lambda: not stage.edge._tasks)
    assert (await anna.ask("/after")).body == b"/after"


async def test_a_policy_is_enforced_though_the_store_says_nothing(stage: Stage) -> None:
    """Somebody of whom it must be asked does not keep others from being cut."""
    anna = await stage.enter()
    stage.wiki.script = application_of_all_kinds
    await anna.wire.send(anna.request("/tunnel", "GET", *UPGRADE))
    assert await anna.wire.read() == SWITCHING
    for stick in (stage.made.bruno, stage.made.second, stage.made.unrecorded):
        await stage.connect(WIKI, stick)
    stage.held.fail(Question.HOLDER)
    await change(stage, "policy", anna)
    await anna.wire.read_all()
    assert anna.wire.end is not End.CLOSED


async def test_a_policy_is_enforced_as_soon_as_the_store_answers_again(stage: Stage) -> None:
    """Where memory has been lost it must be asked, and is asked until it answers."""
    anna = await stage.enter()
    stage.wiki.script = application_of_all_kinds
    await anna.wire.send(anna.request("/tunnel", "GET", *UPGRADE))
    assert await anna.wire.read() == SWITCHING
    stage.edge.admission.forget_everything()
    stage.held.fail(Question.HOLDER, times=1)
    await change(stage, "policy", anna)
    await anna.wire.read_all()
    assert anna.wire.end is not End.CLOSED


async def two_people(stage: Stage) -> tuple[Visitor, Visitor]:
    """Let Anna into the wiki and Bruno into the CRM; whose certificate sorts first is first."""
    anna, bruno = await stage.enter(), await bruno_inside(stage)
    assert (await anna.ask("/before")).status == 200
    people = {stage.made.anna.fingerprint: anna, stage.made.bruno.fingerprint: bruno}
    first, second = sorted(people)
    return people[first], people[second]


def forget_who_holds(stage: Stage, visitor: Visitor) -> None:
    """Take out of memory whose certificate *visitor* shows, as happens when it is full."""
    del stage.edge.admission._holders[Fingerprint(visitor.session.fingerprint)]


async def test_nobody_stays_open_for_what_the_store_does_not_say_of_others(stage: Stage) -> None:
    """Where somebody has to be asked for, all others are judged by memory first."""
    first, second = await two_people(stage)
    forget_who_holds(stage, first)
    stage.held.fail(Question.HOLDER)
    stage.worker.adopt({})
    assert await second.wire.read_all() == b""
    assert len(stage.connections) == 1
    stage.held.heal()
    assert await first.wire.read_all() == b""


async def test_hours_end_while_the_store_is_asked_for_those_of_others(stage: Stage) -> None:
    """Whoever is due later does not wait for it."""
    first, second = await two_people(stage)
    apps = {app.host: app for app in guests_in(stage).values()}
    ends = {first.host: 2, second.host: 3}
    changed = [during(stage, apps[host], seconds=ends[host]) for host in ends]
    stage.worker.adopt({app.name: app for app in changed})
    await until(lambda: not stage.edge._tasks)
    forget_who_holds(stage, first)
    stage.held.fail(Question.HOLDER)
    assert await second.wire.read_all() == b""
    assert len(stage.connections) == 1
    stage.held.heal()
    assert await first.wire.read_all() == b""


async def test_thousands_are_judged_a_few_at_a_time(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between certificates others have their turn."""
    monkeypatch.setattr(follower, "_AT_ONCE", 1)
    await two_people(stage)
    stage.edge.adopt({})
    judging = asyncio.ensure_future(recheck(stage.edge, stage.edge.connections))
    await asyncio.sleep(0)
    assert [one._state is State.CLOSED for one in stage.connections].count(True) == 1
    await judging
    await until(lambda: not len(stage.connections))


async def test_the_end_of_hours_ends_everything_that_is_open(stage: Stage) -> None:
    """Idle, waiting, a download, a tunnel; and whoever comes back is told when it opens."""
    stage.worker.adopt(stage.applications(wiki=during(stage, seconds=3)))
    anna, elsewhere = await stage.enter(), await stage.enter(CRM)
    people = await crowd(stage, anna)
    # Of a half request nobody knows yet what it will ask for.
    people.wires.pop().reset()
    assert (await elsewhere.ask()).status == 200
    await people.all_ended()
    event = await stage.wait_for_audit(AuditKind.CONNECTION_CUT, "session or policy")
    assert event.detail == {"connections": str(len(people.wires))}
    back = await stage.connect(WIKI, stage.made.anna)
    answer = await back.ask(anna.request("/again"))
    assert answer.status == 403
    assert b"outside-hours" in answer.body
    assert b"It opens to you again" in answer.body
    assert (await elsewhere.ask()).status == 200
    reasons = {line["reason"] for line in await stage.access(len(people.wires))}
    assert "outside-hours" in reasons


async def test_what_was_said_of_an_idle_connection_is_not_said_of_its_next_request(
    stage: Stage,
) -> None:
    """Where rules look at what is asked for, nothing is cut as long as nothing is asked."""
    hours = during(stage, seconds=3)
    rule = replace(hours.policy.rules[0], paths=(parse_path_pattern("/**"),))
    stage.worker.adopt(stage.applications(wiki=replace(hours, policy=AppPolicy("wiki", (rule,)))))
    stage.wiki.script = application_of_all_kinds
    anna = await stage.enter()
    assert (await anna.ask("/before")).status == 200
    [connection] = stage.connections
    assert connection.grant is not None
    # As a reload says it that comes between.
    connection.settle(connection.grant, None)
    await anna.wire.send(anna.request("/tunnel", "GET", *UPGRADE))
    assert (await anna.wire.read()).startswith(b"HTTP/1.1 101")
    async with asyncio.timeout(6):
        while await anna.wire.read():
            pass


async def test_hours_that_go_on_end_nothing(stage: Stage) -> None:
    """A rule may end where another begins: what is open stays open, under the other."""
    hours, later = during(stage, seconds=2), during(stage, hours=1)
    rules = (*hours.policy.rules, replace(later.policy.rules[0], name="later"))
    stage.worker.adopt(stage.applications(wiki=replace(hours, policy=AppPolicy("wiki", rules))))
    stage.wiki.script = application_of_all_kinds
    anna = await stage.enter()
    await anna.wire.send(anna.request("/tunnel", "GET", *UPGRADE))
    assert await anna.wire.read() == SWITCHING
    (connection,) = stage.connections
    assert connection.grant is not None
    turn = connection.grant.turn
    assert turn is not None
    await until(lambda: stage.clock() > turn and not connection.due(stage.clock()))
    await anna.wire.send(b"still here")
    assert await anna.wire.read() == b"still here"


@pytest.mark.parametrize("hours", [None, 1])
async def test_hours_that_a_reload_brings_end_what_was_opened_before(
    stage: Stage, hours: int | None
) -> None:
    """Under rules without hours, or with later ones: the rules of now say when it ends."""
    if hours is not None:
        stage.worker.adopt(stage.applications(wiki=during(stage, hours=hours)))
    stage.wiki.script = application_of_all_kinds
    anna = await stage.enter()
    await anna.wire.send(anna.request("/tunnel", "GET", *UPGRADE))
    assert await anna.wire.read() == SWITCHING
    stage.worker.adopt(stage.applications(wiki=during(stage, seconds=3)))
    await until(lambda: not stage.edge._tasks)
    await anna.wire.send(b"still here")
    assert await anna.wire.read() == b"still here"
    while await soon(anna.wire.read()):
        pass
    assert anna.wire.end in {End.TRUNCATED, End.RESET}
    (line,) = await stage.access(1)
    assert line["reason"] == "outside-hours"


async def test_hours_that_a_reload_takes_away_end_nothing(stage: Stage) -> None:
    """The rules of now never end it, and it is not judged again and again."""
    stage.worker.adopt(stage.applications(wiki=during(stage, seconds=2)))
    stage.wiki.script = application_of_all_kinds
    anna = await stage.enter()
    await anna.wire.send(anna.request("/tunnel", "GET", *UPGRADE))
    assert await anna.wire.read() == SWITCHING
    stage.worker.adopt(stage.applications())
    await until(lambda: not stage.edge._tasks)
    (connection,) = stage.connections
    assert not connection.due(stage.clock() + timedelta(days=1))


async def test_a_clock_that_is_put_back_ends_what_has_not_begun(stage: Stage) -> None:
    """And what was granted by the other clock is granted no more."""
    stage.worker.adopt(stage.applications(wiki=during(stage, hours=1)))
    anna = await stage.enter()
    assert (await anna.ask()).status == 200
    stage.clock.shift = -timedelta(minutes=10)
    assert await anna.wire.read_all() == b""
    back = await stage.connect(WIKI, stage.made.anna)
    assert (await back.ask(anna.request())).status == 403


def during(stage: Stage, app: Application | None = None, **length: float) -> Application:
    """Return *app*, or the wiki, open from a minute ago on and for so long."""
    app = app or stage.applications()["wiki"]
    now = stage.clock()
    begin, end = now - timedelta(minutes=1), now + timedelta(**length)
    seconds = [each.hour * 3600 + each.minute * 60 + each.second for each in (begin, end)]
    (rule,) = app.policy.rules
    open_then = replace(rule, when=Timetable(UTC, (Span(*seconds),)))
    return replace(app, policy=AppPolicy(app.name, (open_then,)))


async def test_changes_that_touch_nobody_cut_nobody(stage: Stage) -> None:
    """Somebody else's password, a list of revocations, a certificate that is not connected."""
    anna = await stage.enter()
    await anna.ask()
    generation = stage.edge.admission._generation
    async with stage.store.begin() as connection:
        await stage.store.announce(
            connection, (ChangeKind.CRL, "issuing-1"), (ChangeKind.CERTIFICATE, "0" * 64)
        )
    await stage.store.set_password("bruno", "$argon2id$", by="test")
    await until(lambda: stage.edge.admission._generation > generation)
    assert (await anna.ask("/after")).body == b"/after"
    assert await stage.audit(AuditKind.CONNECTION_CUT) == []


async def test_signing_out_ends_after_the_portal_has_said_so(stage: Stage) -> None:
    """The session ends while the portal answers, and the answer still arrives."""
    said = asyncio.Event()

    async def portal(line: Line) -> None:
        await line.request()
        await said.wait()
        line.send(ok(b"signed out"))
        await line.wait_ended()

    stage.portal.script = portal
    anna = await stage.enter(HOST)
    await anna.wire.send(anna.request("/sign-out", "POST"))
    await until(lambda: stage.portal.requests)
    await change(stage, "end session", anna)
    (connection,) = stage.connections
    await until(lambda: connection.closing)
    said.set()
    reply = await anna.wire.reply("POST")
    assert (reply.body, reply.value("connection")) == (b"signed out", "close")
    assert await anna.wire.read() == b""
    assert anna.wire.end is End.CLOSED


# Who asks nothing -------------------------------------------------------------


async def test_a_certificate_is_judged_though_nothing_is_asked(stage: Stage) -> None:
    """So a good one holds its place, and its end ends the connection."""
    wire = await stage.connect(WIKI, stage.made.anna)
    await until(lambda: stage.edge.connections.held)
    (connection,) = stage.connections
    ends = connection.ends_at()
    assert ends is not None
    assert connection.user == "anna"
    stage.clock.shift = ends - stage.clock() + timedelta(seconds=1)
    assert await wire.read_all() == b""
    assert wire.end is not End.CLOSED
    assert stage.held.asked.count(Question.HOLDER) == 1


@pytest.mark.parametrize("what", ["revoke", "hold", "disable", "remove"])
async def test_who_was_refused_before_and_asks_nothing_does_not_stay(
    stage: Stage, what: str
) -> None:
    """The certificate opened nothing before it came: it is cut, and the next one is told."""
    anna = await stage.enter()
    await change(stage, what, anna)
    assert await anna.wire.read_all() == b""
    await until(lambda: not stage.connections)
    stage.edge.admission.forget_everything()
    wire = await stage.connect(WIKI, stage.made.anna)
    assert await wire.read_all() == b""
    assert wire.end is not End.CLOSED
    again = await stage.connect(WIKI, stage.made.anna)
    assert (await again.ask(anna.request())).refusal == CHANGES[what]


async def test_a_page_is_not_cut_by_a_verdict_on_who_asks_nothing(stage: Stage) -> None:
    """Both have come with the same certificate, which is expired."""
    silent = await stage.connect(WIKI, stage.made.expired)
    told = await stage.connect(WIKI, stage.made.expired)
    reply = await told.ask(f"GET / HTTP/1.1\r\nHost: {WIKI}\r\n\r\n".encode())
    assert reply.refusal == Refusal.CERTIFICATE_EXPIRED
    assert await silent.read_all() == b""
    assert silent.end is not End.CLOSED
    stage.sweep()
    assert await told.read_all() == b""
    assert told.end is End.CLOSED
    event = await stage.wait_for_audit(AuditKind.CONNECTION_CUT, "certificate-expired")
    assert event.detail == {"connections": "1"}


async def test_who_takes_a_moment_to_ask_is_told_by_a_page(stage: Stage) -> None:
    """The way from the handshake to the request may be long, and a reset would say nothing."""
    wire = await stage.connect(WIKI, stage.made.expired)
    await asyncio.sleep(3 * SWEEP_SECONDS)
    reply = await wire.ask(f"GET / HTTP/1.1\r\nHost: {WIKI}\r\n\r\n".encode())
    assert reply.refusal == Refusal.CERTIFICATE_EXPIRED


async def test_who_asks_nothing_is_judged_when_the_store_answers_again(stage: Stage) -> None:
    """Until then it stays, and goes before anybody is turned away."""
    stage.held.fail(Question.HOLDER)
    wire = await stage.connect(WIKI, stage.made.expired)
    await until(lambda: stage.held.asked.count(Question.HOLDER) > 1)
    assert wire.end is None
    assert len(stage.edge.connections.unjudged()) == 1
    stage.held.heal()
    assert await wire.read_all() == b""


# Races ----------------------------------------------------------------------


@pytest.mark.parametrize("question", [Question.HOLDER, Question.SESSION, Question.RECORD])
@pytest.mark.parametrize("what", ["revoke", "disable", "remove"])
async def test_a_change_overtakes_a_request_that_is_being_judged(
    stage: Stage, question: Question, what: str
) -> None:
    """What the store has said before it does not count, however late it arrives."""
    anna = await stage.enter()
    stage.held.hold(question)
    await anna.wire.send(anna.request("/late"))
    await stage.held.wait_asked(question)
    generation = stage.edge.admission._generation
    await change(stage, what, anna)
    await until(lambda: stage.edge.admission._generation > generation)
    stage.held.release(question)
    while await soon(anna.wire.read()):
        pass
    assert stage.wiki.received == b""


@pytest.mark.parametrize("question", [Question.SESSION, Question.RECORD])
async def test_the_end_of_a_session_overtakes_a_request_that_is_being_judged(
    stage: Stage, question: Question
) -> None:
    """The certificate is still good, so the client is told."""
    anna = await stage.enter()
    stage.held.hold(question)
    await anna.wire.send(anna.request("/late"))
    await stage.held.wait_asked(question)
    generation = stage.edge.admission._generation
    await change(stage, "end session", anna)
    await until(lambda: stage.edge.admission._generation > generation)
    stage.held.release(question)
    assert (await anna.wire.reply()).refusal == Refusal.SESSION_REQUIRED
    assert stage.wiki.received == b""


async def test_a_policy_overtakes_a_request_that_is_being_judged(stage: Stage) -> None:
    """Judged from the top, by what is in force when the answer comes."""
    anna = await stage.enter()
    stage.held.hold(Question.RECORD)
    await anna.wire.send(anna.request("/late"))
    await stage.held.wait_asked(Question.RECORD)
    await change(stage, "policy", anna)
    stage.held.release(Question.RECORD)
    assert (await anna.wire.reply()).refusal == Refusal.NOT_ALLOWED
    assert stage.wiki.received == b""


async def test_connections_that_come_while_the_store_is_asked_are_cut_too(stage: Stage) -> None:
    """The certificate was revoked before they came."""
    anna = await stage.enter()
    await anna.ask()
    stage.held.hold(Question.HOLDER)
    await change(stage, "revoke", anna)
    await stage.held.wait_asked(Question.HOLDER)
    late = await stage.connect(WIKI, stage.made.anna)
    await late.send(anna.request("/late"))
    await stage.held.wait_asked(Question.HOLDER, 2)
    stage.held.release(Question.HOLDER)
    for wire in (anna.wire, late):
        while await soon(wire.read()):
            pass
    assert b"/late" not in stage.wiki.received


# A feed that is silent ------------------------------------------------------


async def test_after_a_gap_everything_is_asked_anew(stage: Stage) -> None:
    """What was missed is found."""
    bruno, anna = await bruno_inside(stage), await stage.enter()
    await anna.ask("/before")
    stage.held.swallow = True
    await change(stage, "revoke", anna)
    await asyncio.sleep(0.1)
    assert (await anna.ask("/unnoticed")).status == 200
    stage.held.put(Batch((), gap=True))
    assert await anna.wire.read_all() == b""
    assert (await bruno.ask("/after")).body == b"/after"


async def test_a_broken_feed_is_followed_anew_and_what_was_missed_is_found(stage: Stage) -> None:
    """Within the grace nobody notices but who has lost their right."""
    bruno, anna = await bruno_inside(stage), await stage.enter()
    await anna.ask("/before")
    stage.held.silence()
    await change(stage, "revoke", anna)
    assert (await anna.ask("/unnoticed")).status == 200
    stage.held.heal()
    assert await anna.wire.read_all() == b""
    assert (await bruno.ask("/after")).body == b"/after"
    assert stage.held.followers == 2


async def test_a_feed_that_stays_silent_refuses_and_cuts(stage: Stage) -> None:
    """After the grace nobody can say who has been revoked; and then all is well again."""
    anna = await stage.enter()
    public = await stage.connect(f"public.{HOST}")
    await anna.ask("/before")
    stage.held.silence()
    await until(lambda: stage.edge.admission._generation >= 0)
    stage.clock.shift = stage.site.feed_grace + timedelta(seconds=1)
    late = await stage.connect(WIKI, stage.made.anna)
    reply = await late.ask(anna.request("/refused"))
    assert (reply.status, reply.refusal) == (503, Refusal.CERTIFICATE_STATUS_STALE)
    assert await anna.wire.read_all() == b""
    request = f"GET / HTTP/1.1\r\nHost: public.{HOST}\r\n\r\n".encode()
    assert (await public.ask(request)).status == 200
    stage.held.heal()
    await until(lambda: stage.edge.admission.reliable(stage.clock()))
    again = await stage.connect(WIKI, stage.made.anna)
    assert (await again.ask(anna.request("/again"))).body == b"/again"
    assert [seen.target for seen in stage.wiki.requests] == ["/before", "/again"]


async def test_a_remembered_block_is_not_served_by_a_stale_worker(stage: Stage) -> None:
    """The quick way asks too."""
    anna = await stage.enter()
    for _ in range(3):
        assert (await anna.ask("/before")).status == 200
    stage.held.silence()
    stage.edge.admission.confirm(stage.clock() - 2 * stage.site.feed_grace)
    await anna.wire.send(anna.request("/refused"))
    data = await anna.wire.read()
    assert data == b"" or b" 503 " in data
    assert b"/refused" not in stage.wiki.received


async def test_a_store_that_fails_while_connections_are_judged_is_asked_again(
    stage: Stage,
) -> None:
    """The feed counts as broken then, and nothing as confirmed."""
    anna = await stage.enter()
    await anna.ask("/before")
    stage.held.fail(Question.HOLDER, times=1)
    await change(stage, "revoke", anna)
    assert await anna.wire.read_all() == b""
    assert stage.held.followers == 2
