from dataclasses import replace

from gateway.core.audit import AuditKind
from tests.gateway.edge.site import CRM
from tests.gateway.edge.stage import Stage, application
from tests.gateway.edge.waiting import until


async def test_a_policy_that_no_longer_allows_ends_idle_connections_too(stage: Stage) -> None:
    """Those that were opened for what is denied now; those of others go on."""
    anna = await stage.enter()
    assert (await anna.ask()).status == 200
    elsewhere = await stage.enter(CRM)
    assert (await elsewhere.ask()).status == 200
    apps = stage.applications()
    denied = application("wiki", apps["wiki"].upstream, group="nobody")
    stage.worker.adopt(apps | {"wiki": denied})
    assert await anna.wire.read_all() == b""
    assert (await elsewhere.ask()).status == 200
    await stage.wait_for_audit(AuditKind.CONNECTION_CUT, "session or policy")


async def test_a_policy_that_allows_as_before_ends_nothing(stage: Stage) -> None:
    """Even where it is another object with another name for its rule."""
    anna = await stage.enter()
    await anna.ask()
    apps = stage.applications()
    stage.worker.adopt(apps | {"wiki": replace(apps["wiki"], title="Other words")})
    await until(lambda: not stage.edge._tasks)
    assert (await anna.ask("/after")).body == b"/after"
