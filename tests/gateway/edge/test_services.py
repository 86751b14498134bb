from dataclasses import replace
from datetime import timedelta

from gateway.core.site import AppLimits, HealthCheck, Upstream, UpstreamTLS
from gateway.edge.balancing import FAILURES
from gateway.edge.service import WatchedPool
from gateway.edge.services import Services
from gateway.edge.upstream import Pool
from tests.gateway.edge.stage import Stage, application
from tests.gateway.edge.test_service import (
    PORTAL,
    SITE,
    at,
    closed_port,
    is_aside,
    recorders,
    several,
    taken,
    watched,
)
from tests.gateway.edge.waiting import turns, until


async def test_settings_change_while_connections_and_standing_stay() -> None:
    """Of the upstreams that stay; what is gone is closed, what is new begins."""
    async with recorders(3) as found:
        one, two, three = map(at, found)
        known = Services(SITE, PORTAL)
        app = application("wiki", (one, two))
        service = known.of(app)
        assert known.of(app) is service
        connections = [await taken(service) for _ in range(2)]
        for connection in connections:
            connection.release()
        watched(service, 0).standing.refuse(0.0)
        changed = replace(app, upstreams=(three, one), limits=AppLimits(timedelta(seconds=1)))
        known.adopt({"wiki": changed})
        after = known.of(changed)
        assert after.pools[1] is service.pools[0]
        assert after.take() in {None, connections[0]}
        await until(lambda: service.pools[1].count == 0)
        known.adopt({})
        await until(lambda: service.pools[0].count in {0, 1})
        assert known._all() == [known.portal]
        known.sweep(0.0)
        known.close()


async def test_what_an_upstream_needs_otherwise_is_another_pool() -> None:
    """TLS of another kind, or being watched; a change of the policy alone is none of it."""
    one, two = Upstream("127.0.0.1", 1), Upstream("127.0.0.1", 2)
    known = Services(SITE, PORTAL)
    app = application("wiki", (one,))
    (plain,) = known.of(app).pools
    assert known.of(application("wiki", (one,), "guests")).pools == (plain,)
    for changed in (
        replace(app, tls=UpstreamTLS(name="wiki.internal")),
        replace(app, health=HealthCheck("/")),
        replace(app, upstreams=(one, two)),
        app,
    ):
        before = known.of(app).pools
        after = known.of(changed).pools
        assert (after[0] is before[0]) is (changed is app)
        assert isinstance(after[0], WatchedPool) is (changed.health is not None or len(after) > 1)
        assert type(known.of(app).pools[0]) is Pool


async def test_a_policy_that_changes_keeps_connections_and_standing(stage: Stage) -> None:
    """The upstreams are the same: nothing begins anew with them."""
    nobody = Upstream("127.0.0.1", await closed_port())
    several(stage, nobody, at(stage.wiki))
    visitor = await stage.enter()
    for _ in range(2 * FAILURES):
        assert (await visitor.ask()).status == 200
    before = stage.edge.services.of(application("wiki", (nobody, at(stage.wiki))))
    assert is_aside(watched(before, 0))
    lines = len(stage.wiki.open_lines)
    several(stage, nobody, at(stage.wiki), group="guests")
    after = stage.edge.services.of(application("wiki", (nobody, at(stage.wiki))))
    assert after.pools == before.pools
    await turns()
    assert len(stage.wiki.open_lines) == lines > 0
