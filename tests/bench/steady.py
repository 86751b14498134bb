"""Processor time of a request while nothing but requests happens.

Connections are open and all is warm before the first look at the clock, and are closed behind
the second. Load and application are `counterpart`, the same process for all who are measured.
"""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.bench.counterpart import CONNECTIONS, Unlike
from tests.bench.measuring import cpu_seconds, load_command
from tests.bench.peers import Peer
from tests.bench.sites import BenchSite

WARMING = 64
"""Requests on each connection before anything is measured."""
REST_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Spent:
    """What a request has cost; *busy* is the share of the time in which the server worked."""

    microseconds: float
    busy: float


class Counterpart:
    """The process, as the bench drives it."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        """Take *process*, which has just been started."""
        self._process = process
        self._heard()

    def _say(self, **told: object) -> float:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(told) + "\n")
        self._process.stdin.flush()
        return self._heard()

    def _heard(self) -> float:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("load and application have failed")
        return float(line)

    @contextmanager
    def load(self, site: BenchSite, port: int, path: str, unlike: Unlike) -> Iterator[None]:
        """Open connections to the server on *port*, and warm it and them up."""
        stick = site.sticks[0]
        files = {"ca": site.root, "certificate": stick.certificate, "key": stick.key}
        self._say(
            **{name: str(file) for name, file in files.items()},
            host=site.app_host,
            port=port,
            path=path,
            cookie=stick.cookies,
            unlike=unlike,
        )
        self.run(CONNECTIONS * WARMING)
        yield
        self._say(close=True)

    def run(self, requests: int) -> float:
        """Make so many *requests* and return how many seconds that took."""
        return self._say(requests=requests)


@contextmanager
def standing_by(port: int) -> Iterator[Counterpart]:
    """Run load and application, the latter on *port*, on the processor that is theirs."""
    command = load_command("counterpart", "--port", port)
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        yield Counterpart(process)


def spend(
    counterpart: Counterpart, site: BenchSite, peer: Peer, path: str, requests: int, unlike: Unlike
) -> Spent:
    """Return what a request costs *peer*, all its processes together."""
    with counterpart.load(site, peer.port, path, unlike):
        before = cpu_seconds(peer.pids)
        seconds = counterpart.run(requests)
        spent = cpu_seconds(peer.pids) - before
    return Spent(spent / requests * 1e6, spent / seconds)


def at_rest(peer: Peer) -> float:
    """Return the milliseconds of processor time that *peer* takes in a second without requests."""
    before = cpu_seconds(peer.pids)
    time.sleep(REST_SECONDS)
    return (cpu_seconds(peer.pids) - before) / REST_SECONDS * 1e3
