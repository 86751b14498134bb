"""Days of a quota at the edge: counted once, before anything is forwarded, and never one too many."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta, timezone
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest

from gateway.core.audit import AuditKind
from gateway.core.days import DayUse
from gateway.core.refusal_kinds import Refusal
from gateway.core.site import AppLimits, HealthCheck
from gateway.edge.balancing import FAILED_CHECKS
from gateway.edge.ruling import refusal_of
from gateway.edge.service import WatchedPool
from policies.calendar import Span, Timetable
from policies.decide import decide
from policies.model import AppPolicy, Deny, Effect, Level, RequestFacts, Rule, Spend, Subject
from policies.papers import Approval, DayQuota, LocalDays, Papers
from tests.gateway.edge.recorder import Line
from tests.gateway.edge.site import CRM, HOST, WIKI, MadeSite
from tests.gateway.edge.stage import Stage, Visitor, open_stage
from tests.gateway.edge.stores import Question
from tests.gateway.edge.waiting import until

NAVIGATION = b"Sec-Fetch-Mode: navigate"
APART = DayQuota(3, consecutive=False)
DAY = timedelta(days=1)


def zone_where_it_is(moment: time) -> timezone:
    """Return the zone of a site in which it is *moment* now, on the wall."""
    now = datetime.now(UTC)
    offset = (datetime.combine(now, moment, UTC) - now.replace(microsecond=0)) % DAY
    return timezone(offset if offset <= timedelta(hours=14) else offset - DAY)


def counting(
    stage: Stage, quota: DayQuota = APART, wall: time = time(12), **more: Any
) -> LocalDays:
    """Let wiki and crm want a day of *quota*, on a site where it is *wall*; return its days."""
    local, found = LocalDays(zone_where_it_is(wall)), {}
    for name, app in stage.applications().items():
        both = frozenset({"technicians", "guests"})
        rules = tuple(
            replace(rule, groups=both, days=quota, local=local) for rule in app.policy.rules
        )
        policy = AppPolicy(name, rules, app.policy.required)
        found[name] = replace(app, policy=policy, **more)
    stage.worker.adopt(found)
    return local


async def used(stage: Stage) -> list[tuple[date, str]]:
    """Return the days that count, with the application of each."""
    return [(one.day, one.app) for one in await stage.store.used_days()]


async def spend(stage: Stage, visitor: Visitor, day: date, quota: DayQuota = APART) -> None:
    """Let *day* count, as another node does."""
    use = DayUse(visitor.session, Spend(quota, day), "crm", "1f", "stick-1", "192.0.2.7")
    await stage.store.spend_day(use)


async def test_a_day_counts_once_and_before_the_request_passes(stage: Stage) -> None:
    """Of many requests at the same instant, on two applications, one day counts, and all pass."""
    local = counting(stage)
    today = local.look(stage.clock())[0]
    anna = await stage.enter()
    others = [await stage.connect(WIKI, stage.made.anna) for _ in range(4)]
    crm = await stage.connect(CRM, stage.made.anna)
    at_crm = Visitor(crm, CRM, stage.cookie(anna.session, CRM), anna.session)
    replies = await asyncio.gather(
        *(wire.ask(anna.request("/")) for wire in (anna.wire, *others)), at_crm.ask()
    )
    assert [reply.status for reply in replies] == [200] * 6
    [(day, _)] = await used(stage)
    assert day == today
    [line] = await stage.audit(AuditKind.DAY_COUNTED)
    assert (line.user, line.detail["used"]) == ("anna", "1 of 3")
    asked = stage.held.asked.count(Question.DAY)
    assert (await anna.ask("/again")).status == 200
    assert stage.held.asked.count(Question.DAY) == asked


async def test_a_day_that_another_node_has_taken_is_refused(stage: Stage) -> None:
    """Though the feed has not told of it: the store says no, and what it says then is believed."""
    local = counting(stage)
    today = local.look(stage.clock())[0]
    anna = await stage.enter(HOST)
    assert (await anna.ask()).status == 200
    stage.held.swallow = True
    await spend(stage, anna, today - DAY)
    wiki = await stage.connect(WIKI, stage.made.anna)
    reply = await Visitor(wiki, WIKI, stage.cookie(anna.session), anna.session).ask()
    assert (reply.status, reply.refusal) == (403, Refusal.DAYS_SPENT)
    assert Question.DAY in stage.held.asked
    assert await used(stage) == [(today - DAY, "crm")]
    assert stage.wiki.received == b""


async def test_two_days_of_which_one_may_count_at_two_nodes_at_once(stage: Stage) -> None:
    """Whoever is first has it, and the other is refused: never both."""
    local = counting(stage)
    today = local.look(stage.clock())[0]
    anna = await stage.enter()
    _, reply = await asyncio.gather(spend(stage, anna, today + DAY), anna.ask())
    days = await used(stage)
    assert len(days) == 1
    assert (reply.status == 200) is (days == [(today, "wiki")])


async def test_what_a_browser_fetches_in_advance_uses_nothing_up(stage: Stage) -> None:
    """Whoever types an address has not gone there yet; once the day has begun it passes."""
    counting(stage)
    anna = await stage.enter()
    for purpose in (b"prefetch", b"prefetch;prerender", b"prefetch;anonymous-client-ip"):
        ahead = (NAVIGATION, b"Sec-Purpose: " + purpose)
        assert (await anna.ask("/", "GET", *ahead)).status == 403
    assert await used(stage) == []
    assert (await anna.ask("/", "GET", NAVIGATION)).status == 200
    assert (await anna.ask("/", "GET", *ahead)).status == 200


async def test_refused_for_another_reason_uses_nothing_up(stage: Stage) -> None:
    """Nor does what is sent to the sign-in, the portal, or has a body that is too large."""
    counting(stage, limits=AppLimits(body_bytes=10))
    anna = await stage.enter()
    bare = await stage.connect(WIKI, stage.made.anna)
    line = f"GET / HTTP/1.1\r\nHost: {WIKI}\r\n"
    reply = await bare.ask(f"{line}Sec-Fetch-Mode: navigate\r\n\r\n".encode())
    assert reply.status == 303
    assert (await bare.ask(f"{line}\r\n".encode())).status == 401
    portal = await stage.connect(HOST, stage.made.anna)
    cookie = stage.cookie(anna.session, HOST).decode()
    page = f"GET / HTTP/1.1\r\nHost: {HOST}\r\n{cookie}\r\n"
    assert (await portal.ask(page.encode())).status == 200
    large = anna.request("/", "POST", b"Content-Length: 11", body=b"hello world")
    assert (await anna.wire.ask(large)).status == 413
    assert Question.DAY not in stage.held.asked
    apps = stage.applications()
    deny = replace(apps["wiki"].policy.rules[0], name="no", effect=Effect.DENY)
    counted = replace(apps["wiki"].policy.rules[0], days=APART)
    policy = AppPolicy("wiki", (counted, deny), apps["wiki"].policy.required)
    stage.worker.adopt(stage.applications(wiki=replace(apps["wiki"], policy=policy)))
    again = await stage.connect(WIKI, stage.made.anna)
    assert (await again.ask(anna.request("/"))).refusal == Refusal.NOT_ALLOWED
    assert await used(stage) == []


async def test_an_application_that_is_down_uses_nothing_up(stage: Stage) -> None:
    """Where the checks say so; when it is there again, the next request does."""
    counting(stage, health=HealthCheck("/", timedelta(hours=1)))
    anna = await stage.enter()
    service = stage.edge.services.of(stage.edge.gate._by_host[WIKI])
    [pool] = service.pools
    assert isinstance(pool, WatchedPool)
    # The first check is made at once, the next in an hour.
    await until(lambda: stage.wiki.requests and not stage.edge.services._checking)
    for _ in range(FAILED_CHECKS):
        pool.standing.check(good=False)
    reply = await anna.ask()
    assert (reply.status, reply.refusal) == (503, Refusal.NO_UPSTREAM)
    assert await used(stage) == []
    pool.standing.check(good=True)
    assert (await anna.ask()).status == 200
    assert len(await used(stage)) == 1


async def test_a_session_that_is_over_uses_nothing_up(stage: Stage) -> None:
    """Though the edge has not heard of its end: the store knows better, and the page is right."""
    counting(stage)
    anna = await stage.enter(HOST)
    # Memory knows the session; the feed will tell of its end too late.
    assert (await anna.ask()).status == 200
    stage.held.swallow = True
    await stage.store.end_sessions(session=anna.session.id, kind=AuditKind.SESSION_ENDED, by="test")
    wiki = await stage.connect(WIKI, stage.made.anna)
    late = Visitor(wiki, WIKI, stage.cookie(anna.session), anna.session)
    assert (await late.ask()).refusal == Refusal.SESSION_REQUIRED
    assert await used(stage) == []
    stage.held.swallow = False


async def test_a_store_that_cannot_say_refuses(stage: Stage) -> None:
    """And what could not be written does not count."""
    counting(stage)
    stage.held.fail(Question.DAY)
    anna = await stage.enter()
    reply = await anna.ask()
    assert (reply.status, reply.refusal) == (503, Refusal.STORE_UNAVAILABLE)
    assert stage.wiki.received == b""
    assert await used(stage) == []
    stage.held.heal()
    again = await stage.connect(WIKI, stage.made.anna)
    assert (await again.ask(anna.request())).status == 200


async def test_nobody_waits_for_the_day_of_another(stage: Stage) -> None:
    """Each person's first request asks by itself, and what they send beside it waits for that."""
    counting(stage)
    anna = await stage.enter()
    beside = await stage.connect(WIKI, stage.made.anna)
    session = await stage.sign_in(stage.made.bruno, "bruno")
    wire = await stage.connect(WIKI, stage.made.bruno)
    bruno = Visitor(wire, WIKI, stage.cookie(session), session)
    stage.held.hold(Question.DAY)
    for visitor, its in ((anna, anna.wire), (anna, beside), (bruno, bruno.wire)):
        await its.send(visitor.request())
    await stage.held.wait_asked(Question.DAY, 2)
    assert stage.held.asked.count(Question.DAY) == 2
    stage.held.release(Question.DAY)
    replies = [await its.reply() for its in (anna.wire, beside, bruno.wire)]
    assert [reply.status for reply in replies] == [200] * 3
    assert len(await used(stage)) == 2
    assert len(stage.edge.admission._spending) == 0


async def test_a_client_that_leaves_meanwhile_gets_nothing_forwarded(stage: Stage) -> None:
    """The day counts all the same: it was asked for."""
    counting(stage)
    anna = await stage.enter()
    stage.held.hold(Question.DAY)
    await anna.wire.send(anna.request("/gone"))
    await stage.held.wait_asked(Question.DAY)
    anna.wire.reset()
    await until(lambda: not stage.connections)
    stage.held.release(Question.DAY)
    await stage.settle()
    assert stage.wiki.received == b""
    assert len(await used(stage)) == 1


async def waiting(line: Line) -> None:
    """Answer at once, but for what waits."""
    while (head := await line.head()) is not None:
        if head.target == "/waiting":
            line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
            await line.wait_ended()
        line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        line.next_request()


@pytest.fixture
async def patient(made: MadeSite, tmp_path: Path) -> AsyncIterator[Stage]:
    """Yield a worker that does not take a clock that is put forward for a silent feed."""
    async with open_stage(made, tmp_path, feed_grace=timedelta(minutes=5)) as stage:
        yield stage


async def test_at_midnight_by_the_wall_of_the_site_another_day_begins(patient: Stage) -> None:
    """What is open is cut, and the next request needs a day that is left: in a row it is none."""
    stage = patient
    stage.wiki.script = waiting
    local = counting(stage, wall=time(23, 59, 40))
    today, midnight = local.look(stage.clock())
    anna = await stage.enter()
    await anna.ask()
    await anna.wire.send(anna.request("/waiting"))
    assert b"half" in await anna.wire.read()
    stage.clock.shift = midnight - stage.clock() + timedelta(seconds=1)
    assert await anna.wire.read_all() == b""
    cut = await stage.wait_for_audit(AuditKind.CONNECTION_CUT, "session or policy")
    assert cut.user == "anna"
    await until(lambda: stage.edge.admission.reliable(stage.clock()))
    late = await stage.connect(WIKI, stage.made.anna)
    reply = await late.ask(anna.request())
    assert (reply.status, reply.refusal) == (403, Refusal.DAYS_SPENT)
    assert await used(stage) == [(today, "wiki")]
    stage.clock.shift += DAY
    await until(lambda: stage.edge.admission.reliable(stage.clock()))
    session = await stage.sign_in()
    later = await stage.connect(WIKI, stage.made.anna)
    visitor = Visitor(later, WIKI, stage.cookie(session), session)
    assert (await visitor.ask()).status == 200
    assert await used(stage) == [(today, "wiki"), (today + 2 * DAY, "wiki")]


async def test_a_clock_that_is_put_back_uses_no_second_day(patient: Stage) -> None:
    """What was counted for the day that begins later stays; the day before it is in a row."""
    stage = patient
    local = counting(stage, wall=time(0, 0, 30))
    today = local.look(stage.clock())[0]
    anna = await stage.enter()
    await anna.ask()
    assert await used(stage) == [(today, "wiki")]
    stage.clock.shift = -timedelta(minutes=2)
    # The sweep finds it, and what was decided by the other clock is decided anew.
    assert await anna.wire.read_all() == b""
    await until(lambda: stage.edge.admission.reliable(stage.clock()))
    assert local.look(stage.clock())[0] == today - DAY
    back = await stage.connect(WIKI, stage.made.anna)
    assert (await back.ask(anna.request())).refusal == Refusal.DAYS_SPENT
    stage.clock.shift = timedelta()
    again = await stage.connect(WIKI, stage.made.anna)
    assert (await again.ask(anna.request())).status == 200
    assert await used(stage) == [(today, "wiki")]


@pytest.mark.parametrize(
    "rule, papers, refusal",
    [
        (
            Rule("r", Effect.ALLOW, None, None, approval=True),
            Papers(approvals=(Approval("wiki", date(2026, 12, 3), date(2026, 12, 4)),)),
            Refusal.APPROVAL_MISSING,
        ),
        (
            Rule("r", Effect.ALLOW, None, None, days=DayQuota(1)),
            Papers(days={"remote-days": frozenset({date(2026, 11, 2)})}),
            Refusal.DAYS_SPENT,
        ),
    ],
)
def test_days_to_come_are_told_on_the_page_of_what_is_missing(
    rule: Rule, papers: Papers, refusal: Refusal
) -> None:
    """Also over the end of the month, and with the hour where there are hours."""
    now = datetime(2026, 11, 24, 12, tzinfo=UTC)
    facts = RequestFacts("GET", "/")
    anna = Subject("anna", frozenset(), None, Level.PASSWORD_TOTP, papers=papers)
    first = date(2026, 12, 3 if rule.approval else 1)
    for when, moment in ((None, time()), (Timetable(UTC, (Span(8 * 3600, 9 * 3600),)), time(8))):
        policy = AppPolicy("wiki", (replace(rule, when=when),))
        denied = decide(policy, anna, facts, now)
        assert isinstance(denied, Deny)
        found = refusal_of(policy, anna, facts, denied, now)
        assert found == (refusal, datetime.combine(first, moment, UTC))


async def test_the_page_says_the_next_day_and_no_hour(stage: Stage) -> None:
    """Its own page, and not that of hours; a program is told too."""
    local = counting(stage)
    today = local.look(stage.clock())[0]
    anna = await stage.enter()
    await spend(stage, anna, today - DAY)
    # Names of zones are of whole hours, and the day that is told is that of the site.
    stage.edge.gate.site = replace(stage.site, time_zone=cast("ZoneInfo", local.zone))
    reply = await anna.ask("/", "GET", NAVIGATION)
    words = f"{today + DAY:%A} {(today + DAY).day} {today + DAY:%B}"
    assert f"It opens to you again on {words}." in reply.body.decode()
    assert "No day is left for this now" in reply.body.decode()
    assert f"again on {words}." in (await anna.ask()).body.decode()


async def test_a_day_given_back_cuts_what_rests_on_it(stage: Stage) -> None:
    """And counts anew with the next request, if there is one."""
    local = counting(stage)
    today = local.look(stage.clock())[0]
    anna = await stage.enter()
    await anna.ask()
    await stage.store.give_day_back("anna", today)
    assert await anna.wire.read_all() == b""
    assert await used(stage) == []
    again = await stage.connect(WIKI, stage.made.anna)
    assert (await again.ask(anna.request())).status == 200
    assert await used(stage) == [(today, "wiki")]
