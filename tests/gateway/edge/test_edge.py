import asyncio
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.core.audit import AuditEvent, AuditKind
from gateway.core.refusal_kinds import Refusal
from gateway.edge import edge as module
from tests.gateway.edge.site import WIKI
from tests.gateway.edge.stage import LOG, Stage
from tests.gateway.edge.stores import Question
from tests.gateway.edge.waiting import turns, until
from tests.gateway.edge.wire import End

REFUSED = AuditEvent(
    AuditKind.CERTIFICATE_REFUSED,
    datetime(2026, 11, 24, tzinfo=UTC),
    user="anna",
    reason="certificate-revoked",
    address="192.0.2.7",
)


async def recorded(stage: Stage) -> int:
    """Return how many refusals of certificates the audit log holds, once all are written."""
    await until(lambda: not stage.edge._tasks)
    return len(await stage.audit(AuditKind.CERTIFICATE_REFUSED))


# What is told ---------------------------------------------------------------


async def test_the_same_refusal_is_told_once_a_minute(stage: Stage) -> None:
    """A program that tries again and again fills no log; another refusal is another line."""
    edge = stage.edge
    for _ in range(3):
        edge.tell(REFUSED)
    edge.tell(None)
    assert await recorded(stage) == 1
    for other in (
        replace(REFUSED, user="bruno"),
        replace(REFUSED, address="192.0.2.8"),
        replace(REFUSED, reason="certificate-expired"),
        replace(REFUSED, detail={"fingerprint": "f" * 64}),
    ):
        edge.tell(other)
    assert await recorded(stage) == 5
    edge.tick += 61
    edge.tell(REFUSED)
    assert await recorded(stage) == 6


async def test_memory_of_what_was_told_is_bounded(stage: Stage) -> None:
    """It is emptied when it is full."""
    stage.edge._told = {(str(n),): 0.0 for n in range(module._AUDIT_REMEMBERED)}
    stage.edge.tell(REFUSED)
    assert len(stage.edge._told) == 1
    assert await recorded(stage) == 1


async def test_a_refusal_that_cannot_be_recorded_is_in_the_log(stage: Stage) -> None:
    """It is refused all the same."""
    stage.held.fail(Question.RECORD)
    stage.edge.tell(REFUSED)
    await until(lambda: stage.errors)
    (line,) = stage.errors
    assert "not in the audit log" in line
    assert "certificate-revoked" in line
    stage.errors.clear()


async def test_a_flood_of_log_lines_is_cut_short(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """Some of each half second, and how many were left out."""
    caplog.set_level(logging.INFO, LOG)
    for number in range(100):
        stage.edge.note("a stranger did %d", number)
    assert sum("a stranger did" in line for line in caplog.messages) == module._LOG_LINES_PER_SWEEP
    left_out = f"{100 - module._LOG_LINES_PER_SWEEP} further lines left out"
    await until(lambda: left_out in caplog.messages)
    stage.edge.note("and again")
    assert "and again" in caplog.messages


async def test_a_task_that_fails_is_never_lost(stage: Stage) -> None:
    """Its error is logged; one that is broken off is no error."""

    async def fail() -> None:
        raise ZeroDivisionError("a mistake")

    stage.edge.spawn(fail())
    stage.edge.spawn(asyncio.sleep(60)).cancel()
    await until(lambda: not stage.edge._tasks)
    (line,) = stage.errors
    assert "a mistake" in line
    stage.errors.clear()


# Sweeping -------------------------------------------------------------------


async def test_the_end_of_a_certificate_ends_its_connections(stage: Stage) -> None:
    """While it is connected, and by itself."""
    anna = await stage.enter()
    await anna.ask("/before")
    holder = stage.connections[0].ends_at()
    assert holder is not None
    stage.clock.shift = holder - stage.clock() + timedelta(seconds=1)
    assert await anna.wire.read_all() == b""
    late = await stage.connect(WIKI, stage.made.anna)
    await until(lambda: stage.edge.admission.reliable(stage.clock()))
    assert (await late.ask(anna.request())).refusal == Refusal.CERTIFICATE_EXPIRED


async def test_the_end_of_a_session_ends_what_is_under_way(stage: Stage) -> None:
    """A tunnel rests on the session; an idle connection on the certificate alone."""
    from tests.gateway.edge.test_follower import SWITCHING, UPGRADE, application_of_all_kinds

    stage.wiki.script = application_of_all_kinds
    anna = await stage.enter()
    await anna.wire.send(anna.request("/tunnel", "GET", *UPGRADE))
    assert await anna.wire.read() == SWITCHING
    idle = await stage.connect(WIKI, stage.made.anna)
    assert (await idle.ask(anna.request("/idle"))).status == 200
    stage.clock.shift = timedelta(hours=9)
    stage.edge.admission.confirm(stage.clock())
    await anna.wire.read_all()
    assert anna.wire.end is not End.CLOSED
    assert (await idle.ask(anna.request("/after"))).refusal == Refusal.SESSION_REQUIRED


async def test_the_sweep_goes_on_in_its_own_time(stage: Stage) -> None:
    """Time-outs are counted from its last look."""
    before = stage.edge.tick
    await until(lambda: stage.edge.tick > before)


async def test_applications_that_are_gone_keep_no_connections(stage: Stage) -> None:
    """Those that stay, and the portal, do."""
    anna = await stage.enter()
    await anna.ask()
    portal = await stage.enter("pusterla.localhost")
    await portal.ask()
    assert (len(stage.wiki.open_lines), len(stage.portal.open_lines)) == (1, 1)
    stage.edge.adopt({"crm": stage.applications()["crm"]})
    await until(lambda: not stage.wiki.open_lines)
    await turns()
    assert len(stage.portal.open_lines) == 1
