import subprocess
import sys
from pathlib import Path

import pytest

from gateway.core.site import Limits
from gateway.edge.connections import TOLD
from gateway.edge.descriptors import RESERVED, bearable
from tests.gateway.edge.site import MadeSite
from tests.gateway.edge.stage import open_stage

# What a worker does first, in a process with few files to open.
_RAISE = """\
import resource
from gateway.edge.descriptors import descriptor_limit, raise_descriptor_limit
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 700))
assert descriptor_limit() == 64
raise_descriptor_limit()
print(descriptor_limit())
"""


@pytest.mark.parametrize(
    "descriptors, connections",
    [
        (1 << 20, 1000),
        (2000 + TOLD + RESERVED, 1000),
        (1998 + TOLD + RESERVED, 999),
        (2000 + RESERVED, 1000 - TOLD // 2),
        (RESERVED, 1),
        (10, 1),
    ],
)
def test_no_more_connections_are_taken_than_files_are_enough_for(
    descriptors: int, connections: int
) -> None:
    """Two for each, one for each that is only told so, and some for the rest; no more changes."""
    limits = Limits(connections=1000, handshakes=7)
    found = bearable(limits, descriptors)
    assert (found.connections, found.handshakes) == (connections, 7)


def test_a_worker_opens_as_many_files_as_it_may() -> None:
    """As the system allows, and not as the shell that started it has set."""
    ran = subprocess.run([sys.executable, "-c", _RAISE], capture_output=True, check=True)
    assert ran.stdout == b"700\n"


async def test_a_worker_that_may_not_open_enough_says_so(
    made: MadeSite, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """And takes what it can serve."""
    async with open_stage(made, tmp_path, {"connections": 1 << 40}) as stage:
        taken = stage.edge.room.connections
        assert taken < 1 << 40
        assert f"{taken} connections at once and not {1 << 40}: only" in caplog.text
