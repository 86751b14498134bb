"""Mixed traffic, faults of the application, lost sticks and changed policies, all at once."""

import asyncio
from pathlib import Path

from tests.soak.run import soak
from tests.soak.visitors import ENDINGS

SECONDS = 15.0
VISITORS = 16


def test_under_mixed_traffic_nothing_is_mixed_up_left_behind_or_swollen(tmp_path: Path) -> None:
    """Every request ends as it must, with nothing of another's; no connection, no memory is lost."""
    outcome = asyncio.run(soak(tmp_path, SECONDS, VISITORS, seed=1))
    assert outcome.faults() == [], f"{outcome}"
    asked = {ending.partition(":")[0] for ending in outcome.tally.endings}
    assert asked >= {*ENDINGS, "ambiguous", "before the loss", "behind the loss"}
    assert outcome.losses.seconds
