"""How many connections the open files of this process are enough for.

A request takes two, the client's connection and the application's; one that is
only told that there is no room takes one. When they run out, libuv takes what
comes and closes it at once, so the worker neither turns in circles nor dies;
but applications and the store could not be reached either, for anybody. So a
worker takes no more than it can serve.
"""

import resource
import sys
from dataclasses import replace
from typing import Final

from gateway.core.site import Limits
from gateway.edge.connections import TOLD

RESERVED: Final = 100
"""For the store, logs, listening sockets, and connections to applications that wait in pools."""
_PER_CONNECTION: Final = 2


def raise_descriptor_limit() -> None:
    """Let this process open as many files as the system lets it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def descriptor_limit() -> int:
    """Return how many files this process may open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft


def bearable(limits: Limits, descriptors: int) -> Limits:
    """Return *limits* with no more connections than so many *descriptors* are enough for."""
    most = max(1, (descriptors - RESERVED - TOLD) // _PER_CONNECTION)
    return limits if limits.connections <= most else replace(limits, connections=most)
