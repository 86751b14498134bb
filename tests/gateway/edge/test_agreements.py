"""What somebody has accepted, at the edge: what it opens, and what ends with it."""

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from gateway.core.agreements import Accepting, AgreementText
from gateway.core.audit import AuditKind
from gateway.core.refusals import Refusal
from gateway.store import Actor
from policies.model import AppPolicy
from policies.papers import Agreement, AgreementVersion, LocalDays, mark_of
from tests.gateway.edge.stage import Stage, Visitor
from tests.gateway.edge.stores import Question
from tests.gateway.edge.waiting import soon, until

ROME = ZoneInfo("Europe/Rome")
DIGESTS = {"1": "a" * 64, "2": "b" * 64}


def require(stage: Stage, **due: date) -> None:
    """Have the wiki require an agreement; *due* are the days of versions, with v before."""
    versions = {name.removeprefix("v"): day for name, day in due.items()}
    agreement = Agreement(
        "home",
        tuple(
            AgreementVersion(name, day, frozenset({mark_of("home", name, DIGESTS[name])}))
            for name, day in versions.items()
        ),
    )
    wiki = stage.applications()["wiki"]
    rule = replace(wiki.policy.rules[0], agreements=(agreement,), local=LocalDays(ROME))
    stage.worker.adopt(stage.applications(wiki=replace(wiki, policy=AppPolicy("wiki", (rule,)))))


def shortly_before_midnight(stage: Stage) -> datetime:
    """Put the clock some seconds before the next midnight in Rome, and return that."""
    tomorrow = stage.clock().astimezone(ROME).date() + timedelta(days=1)
    midnight = datetime.combine(tomorrow, time(), ROME).astimezone(UTC)
    stage.clock.shift = midnight - timedelta(seconds=4) - datetime.now(UTC)
    return midnight


def signatory(stage: Stage, anna: Visitor) -> Actor:
    """Let anna act, as the portal does."""
    return Actor(anna.session, stage.made.anna.serial, "stick-1", "127.0.0.1")


async def accept(stage: Stage, anna: Visitor, version: str) -> None:
    """Let anna accept a version; she is let in as soon as the edge has heard of it."""
    text = AgreementText(version, "en", "# Terms", DIGESTS[version])
    generation = stage.edge.admission._generation
    outcome = await stage.store.accept_agreement(
        signatory(stage, anna), "home", text, lambda _: True
    )
    assert outcome is Accepting.ACCEPTED
    async with asyncio.timeout(1):
        await until(lambda: stage.edge.admission._generation > generation)
    assert (await anna.ask("/accepted")).body == b"/accepted"


async def test_it_opens_with_the_acceptance_and_is_cut_with_the_withdrawal(stage: Stage) -> None:
    """No byte passes before; what is open is closed within a second, and refused from then on."""
    require(stage, v1=date(2026, 1, 1))
    anna = await stage.enter()
    answer = await anna.ask("/", "GET", b"Accept: text/html")
    assert answer.status == 403
    assert b"403 agreement-missing" in answer.body
    assert b'/agreements">Read and accept</a>' in answer.body
    assert stage.wiki.received == b""
    event = await stage.wait_for_audit(AuditKind.ACCESS_DENIED, "agreement-missing")
    assert event.app == "wiki"
    await accept(stage, anna, "1")
    await stage.store.withdraw_own_agreement(signatory(stage, anna), "home")
    async with asyncio.timeout(1):
        while await anna.wire.read():
            pass
    again = await stage.connect(anna.host, stage.made.anna)
    reply = await again.ask(anna.request())
    assert reply.refusal == Refusal.AGREEMENT_MISSING


async def test_it_opens_before_the_feed_says_so(stage: Stage) -> None:
    """Whoever comes from the portal may be faster; so the store is asked once before refusing."""
    require(stage, v1=date(2026, 1, 1))
    anna = await stage.enter()
    assert (await anna.ask()).refusal == Refusal.AGREEMENT_MISSING
    stage.held.swallow = True
    text = AgreementText("1", "en", "# Terms", DIGESTS["1"])
    await stage.store.accept_agreement(signatory(stage, anna), "home", text, lambda _: True)
    assert (await anna.ask("/at-once")).body == b"/at-once"
    stage.held.swallow = False


async def test_a_new_version_closes_it_at_midnight_of_its_day(stage: Stage) -> None:
    """By the site's clock, open connections too; accepting it brings access back."""
    midnight = shortly_before_midnight(stage)
    require(stage, v1=date(2026, 1, 1), v2=midnight.astimezone(ROME).date())
    anna = await stage.enter()
    await accept(stage, anna, "1")
    [connection] = stage.connections
    assert connection.grant is not None
    assert connection.grant.turn == midnight
    async with asyncio.timeout(10):
        while await anna.wire.read():
            pass
    assert stage.clock() >= midnight, "cut before its time"
    wire = await stage.connect(anna.host, stage.made.anna)
    later = Visitor(wire, anna.host, anna.cookie, anna.session)
    assert (await later.ask()).refusal == Refusal.AGREEMENT_MISSING
    await accept(stage, later, "2")


async def test_who_has_accepted_it_early_is_not_interrupted(stage: Stage) -> None:
    """Not at midnight either: the connection goes on with the next version."""
    midnight = shortly_before_midnight(stage)
    require(stage, v1=date(2026, 1, 1), v2=midnight.astimezone(ROME).date())
    anna = await stage.enter()
    await accept(stage, anna, "2")
    [connection] = stage.connections
    await until(lambda: stage.clock() > midnight and not connection.due(stage.clock()))
    assert (await soon(anna.ask("/after"))).body == b"/after"


async def test_whoever_asks_again_and_again_asks_the_store_a_few_times(stage: Stage) -> None:
    """Refusing costs a read where somebody may be back from the portal, and not each time."""
    require(stage, v1=date(2026, 1, 1))
    anna = await stage.enter()
    asked = stage.held.asked.count(Question.HOLDER)
    for _ in range(60):
        assert (await anna.ask("/")).status == 403
    assert stage.held.asked.count(Question.HOLDER) - asked <= 25
    stage.clock.shift = timedelta(seconds=11)
    stage.edge.admission.confirm(stage.clock())
    asked = stage.held.asked.count(Question.HOLDER)
    assert (await anna.ask("/")).status == 403
    assert stage.held.asked.count(Question.HOLDER) == asked + 1
