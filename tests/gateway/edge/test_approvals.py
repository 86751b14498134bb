"""What was approved for somebody, at the edge: what it opens, and what ends with it."""

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from gateway.core.audit import AuditKind
from gateway.core.refusals import Refusal
from gateway.core.requests import AccessRequest, Ruling, Wish
from gateway.core.spans import DaySpan
from gateway.store import Actor
from policies.model import AppPolicy
from policies.papers import LocalDays
from tests.gateway.edge.stage import Stage, Visitor
from tests.gateway.edge.waiting import until

ROME = ZoneInfo("Europe/Rome")
DAY = timedelta(days=1)


def require(stage: Stage) -> None:
    """Have the wiki require an approval."""
    wiki = stage.applications()["wiki"]
    rule = replace(wiki.policy.rules[0], approval=True, local=LocalDays(ROME))
    stage.worker.adopt(stage.applications(wiki=replace(wiki, policy=AppPolicy("wiki", (rule,)))))


def today(stage: Stage) -> date:
    """Return the day it is in Rome."""
    return stage.clock().astimezone(ROME).date()


async def approve(
    stage: Stage, anna: Visitor, first: date, last: date, app: str = "wiki"
) -> AccessRequest:
    """Let anna ask for days, and approve them; return when the edge has heard of it."""
    actor = Actor(anna.session, stage.made.anna.serial, "stick-1", "127.0.0.1")
    spans = (DaySpan(first, last),)
    wish = Wish(app, spans, "a sick child", today(stage))
    asked = await stage.store.ask_access(actor, wish)
    assert isinstance(asked, AccessRequest), asked
    generation = stage.edge.admission._generation
    ruling = Ruling(spans, "", today(stage))
    found = await stage.store.rule_on_access(asked.number, ruling, by="test")
    assert isinstance(found, AccessRequest), found
    async with asyncio.timeout(1):
        await until(lambda: stage.edge.admission._generation > generation)
    return found


async def test_it_opens_with_the_approval_and_is_cut_with_its_end(stage: Stage) -> None:
    """No byte passes before; within a second of either, without a restart."""
    require(stage)
    anna = await stage.enter()
    answer = await anna.ask("/", "GET", b"Accept: text/html")
    assert answer.status == 403
    assert b"403 approval-missing" in answer.body
    assert b'/requests">Ask for access</a>' in answer.body
    assert stage.wiki.received == b""
    event = await stage.wait_for_audit(AuditKind.ACCESS_DENIED, "approval-missing")
    assert event.app == "wiki"
    request = await approve(stage, anna, today(stage), today(stage))
    assert (await anna.ask("/open")).body == b"/open"
    await stage.store.end_access(request.number, today(stage), by="test")
    async with asyncio.timeout(1):
        while await anna.wire.read():
            pass
    again = await stage.connect(anna.host, stage.made.anna)
    assert (await again.ask(anna.request())).refusal == Refusal.APPROVAL_MISSING


async def test_asking_opens_nothing(stage: Stage) -> None:
    """Nor does an approval of another application, or of other days."""
    require(stage)
    anna = await stage.enter()
    actor = Actor(anna.session, stage.made.anna.serial, "stick-1", "127.0.0.1")
    wish = Wish("wiki", (DaySpan(today(stage), today(stage)),), "please", today(stage))
    assert isinstance(await stage.store.ask_access(actor, wish), AccessRequest)
    await approve(stage, anna, today(stage), today(stage), app="crm")
    await approve(stage, anna, today(stage) + DAY, today(stage) + 7 * DAY)
    assert (await anna.ask()).refusal == Refusal.APPROVAL_MISSING
    assert stage.wiki.received == b""


async def test_it_is_over_at_midnight_of_its_last_day(stage: Stage) -> None:
    """By the site's clock, open connections too; not before."""
    tomorrow = today(stage) + DAY
    midnight = datetime.combine(tomorrow, time(), ROME).astimezone(UTC)
    stage.clock.shift = midnight - timedelta(seconds=4) - datetime.now(UTC)
    require(stage)
    anna = await stage.enter()
    await approve(stage, anna, today(stage), today(stage))
    assert (await anna.ask("/open")).body == b"/open"
    [connection] = stage.connections
    assert connection.grant is not None
    assert connection.grant.turn == midnight
    async with asyncio.timeout(10):
        while await anna.wire.read():
            pass
    assert stage.clock() >= midnight, "cut before its time"
    wire = await stage.connect(anna.host, stage.made.anna)
    later = Visitor(wire, anna.host, anna.cookie, anna.session)
    assert (await later.ask()).refusal == Refusal.APPROVAL_MISSING


async def test_a_second_day_that_was_approved_goes_on_at_midnight(stage: Stage) -> None:
    """Nobody is interrupted in the middle of their span."""
    tomorrow = today(stage) + DAY
    midnight = datetime.combine(tomorrow, time(), ROME).astimezone(UTC)
    stage.clock.shift = midnight - timedelta(seconds=4) - datetime.now(UTC)
    require(stage)
    anna = await stage.enter()
    await approve(stage, anna, today(stage), tomorrow)
    assert (await anna.ask("/before")).body == b"/before"
    [connection] = stage.connections
    await until(lambda: stage.clock() > midnight and not connection.due(stage.clock()))
    assert (await anna.ask("/after")).body == b"/after"
