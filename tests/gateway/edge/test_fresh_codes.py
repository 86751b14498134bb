"""Codes that must be fresh, sessions that an application lets get no older, and idle ones."""

import asyncio
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from urllib.parse import quote

from gateway.core.agreements import AgreementText
from gateway.core.audit import AuditKind
from gateway.core.refusal_kinds import Refusal
from gateway.core.sessions import Session
from gateway.store import AttemptReserved, Change, SessionRecord
from policies.model import Effect, Rule
from policies.paths import parse_path_pattern
from tests.gateway.edge.recorder import Line, ok
from tests.gateway.edge.site import CRM, HOST, WIKI
from tests.gateway.edge.stage import Stage, Visitor
from tests.gateway.edge.stores import Question
from tests.gateway.edge.test_agreements import DIGESTS, require, signatory
from tests.gateway.edge.waiting import until

PORTAL = f"https://{HOST}:8443"
PAGE = b"Sec-Fetch-Mode: navigate"
UPGRADE = (b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Key: x")
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


async def echoing(line: Line) -> None:
    """Answer with the target; below /live, be a tunnel."""
    while (head := await line.head()) is not None:
        if head.target.startswith("/live"):
            line.send(SWITCHING)
            while data := await line.read():
                line.send(data)
        else:
            await line.body()
            line.send(ok(head.target.encode()))
            line.next_request()


def step_up(*paths: str, **within: float) -> Rule:
    """Return a rule that wants a code again below *paths*, or everywhere."""
    patterns = tuple(map(parse_path_pattern, paths)) or None
    return Rule(
        *("codes", Effect.STEP_UP),
        users=None,
        groups=None,
        paths=patterns,
        totp_within=timedelta(**within),
    )


def adopt(stage: Stage, *rules: Rule, **policy: Any) -> None:
    """Let the wiki have *rules* besides its own, and what *policy* says of sessions."""
    wiki = stage.applications()["wiki"]
    changed = replace(wiki.policy, rules=(*wiki.policy.rules, *rules), **policy)
    stage.wiki.script = echoing
    stage.worker.adopt(stage.applications(wiki=replace(wiki, policy=changed)))


def put_clock(stage: Stage, **shift: float) -> None:
    """Put the clock forward, with the feed heard at once."""
    stage.clock.shift = timedelta(**shift)
    stage.edge.admission.confirm(stage.clock())


async def confirm(stage: Stage, session: Session, *, password: bool = False) -> None:
    """Give a code again, as at the portal."""
    verified = await stage.store.credentials(session.user)
    reserved = await stage.store.reserve_attempt(session.fingerprint)
    assert verified is not None
    assert isinstance(reserved, AttemptReserved)
    change = Change(SessionRecord(session, "stick-1", stage.made.anna.serial), verified.version)
    await stage.store.prove_again(change, reserved.failures, password=password)
    written = stage.clock()
    # A batch that is being taken in was heard by the clock of then, which may be put forward next.
    await until(lambda: stage.edge.admission.silence(written) <= timedelta())


def asked_at(target: str) -> str:
    """Return the address of the page that asks for a code, on the way to *target* of the wiki."""
    wanted = quote(f"https://{WIKI}:8443{target}", safe="")
    return f"{PORTAL}/confirm?to={wanted}"


async def test_an_old_code_leads_a_person_to_the_portal_and_back(stage: Stage) -> None:
    """As soon as one was given, all of it opens, until that one is too old as well."""
    adopt(stage, step_up("/admin/**", minutes=10))
    anna = await stage.enter()
    assert (await anna.ask("/admin/x?y=z", "GET", PAGE)).status == 200
    put_clock(stage, minutes=10)
    reply = await anna.ask("/admin/x?y=z", "GET", PAGE)
    assert (reply.status, reply.value("location")) == (303, asked_at("/admin/x?y=z"))
    assert reply.value("cache-control") == "no-store"
    assert (await anna.ask("/page", "GET", PAGE)).status == 200
    await confirm(stage, anna.session)
    assert (await anna.ask("/admin/x", "GET", PAGE)).status == 200
    put_clock(stage, minutes=20)
    assert (await anna.ask("/admin/x", "GET", PAGE)).status == 303


async def test_whoever_is_not_signed_in_is_sent_to_the_sign_in(stage: Stage) -> None:
    """There is no session whose code could be too old."""
    adopt(stage, step_up(minutes=10))
    wire = await stage.connect(WIKI, stage.made.anna)
    reply = await wire.ask(f"GET / HTTP/1.1\r\nHost: {WIKI}\r\n".encode() + PAGE + b"\r\n\r\n")
    assert reply.value("location").startswith(f"{PORTAL}/sign-in?to=")


async def test_a_program_is_told_that_a_code_is_required(stage: Stage) -> None:
    """So is a form that is sent, and a WebSocket is not opened."""
    adopt(stage, step_up("/admin/**", "/live", minutes=10))
    anna = await stage.enter()
    put_clock(stage, minutes=11)
    for target, method, fields in (
        ("/admin/x", "GET", ()),
        ("/admin/x", "POST", (PAGE, b"Content-Length: 0")),
        ("/live", "GET", UPGRADE),
    ):
        reply = await anna.ask(target, method, *fields)
        assert reply.status == 401
        assert Refusal.CODE_REQUIRED in reply.body.decode()
    assert "/admin/x" not in [seen.target for seen in stage.wiki.requests]
    assert "/live" not in [seen.target for seen in stage.wiki.requests]


async def test_a_worker_that_has_not_heard_of_a_code_asks_before_it_refuses(stage: Stage) -> None:
    """The feed may be behind whoever comes back from the portal; nobody is sent round twice."""
    adopt(stage, step_up(minutes=10))
    anna = await stage.enter()
    assert (await anna.ask("/", "GET", PAGE)).status == 200
    put_clock(stage, minutes=11)
    stage.held.swallow = True
    assert (await anna.ask("/", "GET", PAGE)).status == 303
    await confirm(stage, anna.session)
    assert (await anna.ask("/", "GET", PAGE)).status == 200
    asked = stage.held.asked.count(Question.SESSION)
    for _ in range(5):
        assert (await anna.ask("/", "GET", PAGE)).status == 200
    assert stage.held.asked.count(Question.SESSION) == asked
    stage.held.swallow = False


async def test_of_papers_and_codes_each_is_asked_for_before_it_refuses(stage: Stage) -> None:
    """Whoever has just accepted a text and given a code is neither refused nor sent round."""
    require(stage, v1=date(2026, 1, 1))
    wiki = stage.edge.gate._by_host[WIKI]
    rules = (*wiki.policy.rules, step_up(minutes=10))
    policy = replace(wiki.policy, rules=rules)
    stage.worker.adopt(stage.applications(wiki=replace(wiki, policy=policy)))
    anna = await stage.enter()
    put_clock(stage, minutes=11)
    assert (await anna.ask("/", "GET", PAGE)).status == 403
    stage.held.swallow = True
    text = AgreementText("1", "en", "# Terms", DIGESTS["1"])
    await stage.store.accept_agreement(signatory(stage, anna), "home", text, lambda _: True)
    await confirm(stage, anna.session)
    assert (await anna.ask("/", "GET", PAGE)).status == 200
    stage.held.swallow = False


async def test_a_page_that_asks_all_the_time_sends_nobody_round(stage: Stage) -> None:
    """What it has the store asked for is not counted against whoever comes back with a code."""
    adopt(stage, step_up(minutes=10))
    anna = await stage.enter()
    put_clock(stage, minutes=11)
    stage.held.swallow = True
    await confirm(stage, anna.session)
    old = replace(anna.session, proved_at=None)
    for _ in range(15):
        stage.edge.admission._sessions[old.id] = old
        stage.edge.admission.may_look(old.id, stage.clock())
    assert (await anna.ask("/")).status == 401
    assert (await anna.ask("/", "GET", PAGE)).status == 200
    stage.held.swallow = False


async def test_two_at_once_each_ask_the_store(stage: Stage) -> None:
    """What was read for one, before the code was given, is no answer for the other."""
    adopt(stage, step_up(minutes=10))
    anna, again = await stage.enter(), await stage.connect(WIKI, stage.made.anna)
    put_clock(stage, minutes=11)
    stage.held.swallow = True
    stage.held.hold(Question.SESSION)
    await anna.wire.send(anna.request("/", "GET", PAGE))
    await stage.held.wait_asked(Question.SESSION)
    await confirm(stage, anna.session)
    await again.send(anna.request("/", "GET", PAGE))
    await stage.held.wait_asked(Question.SESSION, 2)
    stage.held.release(Question.SESSION)
    # That of the first was read before there was a code.
    assert {(await anna.wire.reply()).status, (await again.reply()).status} <= {200, 303}
    assert (await again.ask(anna.request("/", "GET", PAGE))).status == 200
    stage.held.swallow = False


async def test_what_is_under_way_goes_on_when_the_code_is_old(stage: Stage) -> None:
    """An open WebSocket is not cut, nor is an idle connection; nor by another's code."""
    adopt(stage, step_up(minutes=10))
    anna = await stage.enter()
    tunnel = Visitor(await stage.connect(WIKI, stage.made.anna), WIKI, anna.cookie, anna.session)
    await tunnel.wire.send(tunnel.request("/live", "GET", *UPGRADE))
    assert await tunnel.wire.read() == SWITCHING
    assert (await anna.ask("/")).status == 200
    put_clock(stage, minutes=11)
    await asyncio.sleep(1.2)
    await tunnel.wire.send(b"still here")
    assert await tunnel.wire.read() == b"still here"
    assert (await anna.ask("/")).status == 401
    await confirm(stage, anna.session)
    assert (await anna.ask("/")).status == 200
    await tunnel.wire.send(b"and now")
    assert await tunnel.wire.read() == b"and now"


async def test_a_remembered_grant_ends_with_the_code(stage: Stage) -> None:
    """Where a rule wants one everywhere, requests are not decided anew each time."""
    adopt(stage, step_up(seconds=30))
    anna = await stage.enter()
    put_clock(stage, seconds=20)
    for _ in range(3):
        assert (await anna.ask("/")).status == 200
    put_clock(stage, seconds=29)
    assert (await anna.ask("/")).status == 200
    put_clock(stage, seconds=31)
    assert (await anna.ask("/")).status == 401


# The lifetime of a session in one application -----------------------------------


async def test_a_session_that_is_too_old_for_one_application_lives_on_for_others(
    stage: Stage,
) -> None:
    """Its holder is asked for password and code; a code alone is not enough."""
    adopt(stage, lifetime=timedelta(hours=1))
    anna = await stage.enter()
    elsewhere = Visitor(
        await stage.connect(CRM, stage.made.anna),
        CRM,
        stage.cookie(anna.session, CRM),
        anna.session,
    )
    assert (await anna.ask("/", "GET", PAGE)).status == 200
    put_clock(stage, minutes=59)
    assert (await anna.ask("/", "GET", PAGE)).status == 200
    # The sweep cuts what is open at the end of a session, and this one is at its end here.
    put_clock(stage, minutes=60)
    assert await anna.wire.read_all() == b""
    assert (await elsewhere.ask("/")).status == 200
    back = Visitor(await stage.connect(WIKI, stage.made.anna), WIKI, anna.cookie, anna.session)
    reply = await back.ask("/a", "GET", PAGE)
    assert (reply.status, reply.value("location")) == (303, asked_at("/a"))
    await confirm(stage, anna.session)
    assert (await back.ask("/a", "GET", PAGE)).status == 303
    await confirm(stage, anna.session, password=True)
    assert (await back.ask("/a", "GET", PAGE)).status == 200


async def test_a_new_sign_in_gives_what_is_open_a_new_lifetime(stage: Stage) -> None:
    """An open WebSocket is not cut for a sign-in that is no longer the last one."""
    adopt(stage, lifetime=timedelta(hours=1))
    anna = await stage.enter()
    await anna.wire.send(anna.request("/live", "GET", *UPGRADE))
    assert await anna.wire.read() == SWITCHING
    put_clock(stage, minutes=30)
    await confirm(stage, anna.session, password=True)
    await until(lambda: [one.due(stage.clock()) for one in stage.connections] == [False])
    put_clock(stage, minutes=61)
    await asyncio.sleep(1.2)
    await anna.wire.send(b"still here")
    assert await anna.wire.read() == b"still here"
    put_clock(stage, minutes=90)
    assert await anna.wire.read_all() == b""


async def test_a_shorter_lifetime_cuts_what_is_open(stage: Stage) -> None:
    """It acts as a change of rules does."""
    adopt(stage)
    anna = await stage.enter()
    await anna.wire.send(anna.request("/live", "GET", *UPGRADE))
    assert await anna.wire.read() == SWITCHING
    put_clock(stage, minutes=10)
    adopt(stage, lifetime=timedelta(minutes=5))
    assert await anna.wire.read_all() == b""
    reply = [line for line in await stage.access(1) if line["target"] == "/live"]
    assert [line["reason"] for line in reply] == ["session-ended"]


# Idle ---------------------------------------------------------------------------


async def test_an_application_that_nobody_uses_wants_a_code(stage: Stage) -> None:
    """Uses elsewhere are no uses of it; those of it are written down, once a while."""
    adopt(stage, idle=timedelta(minutes=15))
    anna = await stage.enter()
    for minute in range(0, 40, 10):
        put_clock(stage, minutes=minute)
        assert (await anna.ask("/", "GET", PAGE)).status == 200
    used = await stage.store.used_at(anna.session.id, "wiki")
    assert used is not None
    for _ in range(5):
        assert (await anna.ask("/")).status == 200
    assert await stage.store.used_at(anna.session.id, "wiki") == used
    put_clock(stage, minutes=46)
    reply = await anna.ask("/", "GET", PAGE)
    assert (reply.status, reply.value("location")) == (303, asked_at("/"))
    assert (await anna.ask("/")).status == 401
    assert await stage.store.used_at(anna.session.id, "wiki") == used
    await confirm(stage, anna.session)
    assert (await anna.ask("/", "GET", PAGE)).status == 200


async def test_a_use_on_another_node_is_a_use(stage: Stage) -> None:
    """What memory does not know, the store is asked for before anybody is refused."""
    adopt(stage, idle=timedelta(minutes=15))
    anna = await stage.enter()
    assert (await anna.ask("/")).status == 200
    put_clock(stage, minutes=14)
    await stage.store.note_use(anna.session.id, "wiki", stage.clock())
    put_clock(stage, minutes=16)
    assert (await anna.ask("/")).status == 200
    put_clock(stage, minutes=40)
    assert (await anna.ask("/")).status == 401


async def test_an_application_that_was_never_used_is_as_old_as_the_code(stage: Stage) -> None:
    """Nobody comes back to a desk that was left, and opens what was not open."""
    adopt(stage, idle=timedelta(minutes=15))
    anna = await stage.enter()
    put_clock(stage, minutes=16)
    assert (await anna.ask("/", "GET", PAGE)).status == 303


async def test_a_step_up_rule_and_idle_time_each_want_their_code(stage: Stage) -> None:
    """The sooner of both."""
    adopt(stage, step_up("/admin", minutes=5), idle=timedelta(minutes=15))
    anna = await stage.enter()
    put_clock(stage, minutes=6)
    assert (await anna.ask("/")).status == 200
    assert (await anna.ask("/admin")).status == 401
    put_clock(stage, minutes=20)
    assert (await anna.ask("/")).status == 200
    put_clock(stage, minutes=36)
    assert (await anna.ask("/")).status == 401
    events = await stage.audit(AuditKind.ACCESS_DENIED)
    assert events == []


async def test_a_page_that_asks_all_the_time_asks_the_store_a_few_times(stage: Stage) -> None:
    """On a desk that was left, its requests are refused from memory."""
    adopt(stage, idle=timedelta(minutes=15))
    anna = await stage.enter()
    put_clock(stage, minutes=16)
    asked = stage.held.asked.count(Question.SESSION)
    for _ in range(60):
        assert (await anna.ask("/")).status == 401
    assert stage.held.asked.count(Question.SESSION) - asked <= 25
    await confirm(stage, anna.session)
    put_clock(stage, minutes=16, seconds=11)
    assert (await anna.ask("/")).status == 200


# A clock that is put back ----------------------------------------------------------


async def test_a_code_of_a_clock_that_was_ahead_is_no_fresh_one(stage: Stage) -> None:
    """Nor is a use; one that is given by the right clock counts again at once."""
    adopt(stage, step_up("/admin/**", minutes=10), idle=timedelta(minutes=15))
    anna = await stage.enter()
    put_clock(stage, hours=6)
    await confirm(stage, anna.session)
    await stage.store.note_use(anna.session.id, "wiki", stage.clock())
    put_clock(stage, minutes=20)
    assert (await anna.ask("/admin/x", "GET", PAGE)).status == 303
    assert (await anna.ask("/", "GET", PAGE)).status == 303
    generation = stage.edge.admission._generation
    await confirm(stage, anna.session)
    # A batch of the feed that is being taken in was heard by the clock of before.
    await until(lambda: stage.edge.admission._generation > generation)
    assert (await anna.ask("/admin/x", "GET", PAGE)).status == 200
    for minute in range(30, 70, 10):
        await asyncio.sleep(0.05)
        put_clock(stage, minutes=minute)
        assert (await anna.ask("/", "GET", PAGE)).status == 200
    put_clock(stage, minutes=90)
    assert (await anna.ask("/", "GET", PAGE)).status == 303
