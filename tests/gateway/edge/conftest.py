"""Fixtures of the edge's tests."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path

import pytest
import uvloop

from tests.gateway.edge.site import MadeSite, make_site
from tests.gateway.edge.stage import Stage, open_stage

NARROW = 16 * 1024


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run the edge's tests in the loop that the edge runs in."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MadeSite]:
    """Make a site, once for all tests."""
    yield asyncio.run(make_site(tmp_path_factory.mktemp("edge") / "made"))
    # Workers have frozen what there was when they began.
    gc.unfreeze()


@pytest.fixture
async def stage(made: MadeSite, tmp_path: Path) -> AsyncIterator[Stage]:
    """Yield a worker that serves."""
    async with open_stage(made, tmp_path) as stage:
        yield stage


@pytest.fixture
async def narrow(made: MadeSite, tmp_path: Path) -> AsyncIterator[Stage]:
    """Yield a worker between which and its neighbours hardly anything is on the way."""
    async with open_stage(made, tmp_path, buffers=NARROW) as stage:
        yield stage
