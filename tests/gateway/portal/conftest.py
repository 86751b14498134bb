"""Fixtures of the portal's tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gateway.portal.house import House, open_house


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """Yield a portal on a real store, with anna and her stick."""
    async with open_house(tmp_path) as house:
        yield house
