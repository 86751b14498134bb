"""What Prometheus reads of a running site, set against what curl has done to it."""

import os
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families as read_text

from gateway.bootstrap.metrics import SHARED_SECONDS
from tests.whole.applications import Applications
from tests.whole.conftest import put_behind
from tests.whole.guests import Guest, signed_in
from tests.whole.people import add_person
from tests.whole.sites import HOST, LiveSite, choose, free_ports, make_site, running, wait_for

WIKI = f"wiki.{HOST}"
ROUNDS = 30
NOBODY = 65534
# What a worker says to whoever connects.
ASK = """
import socket, sys
with socket.socket(socket.AF_UNIX) as one:
    one.connect("\\0" + sys.argv[1])
    while piece := one.recv(1 << 16):
        sys.stdout.write(piece.decode())
"""


@pytest.fixture(scope="module")
def measured(
    tmp_path_factory: pytest.TempPathFactory, applications: Applications
) -> Iterator[tuple[LiveSite, int]]:
    """Run a site of two workers that shows metrics, on the port that comes with it."""
    site = make_site(tmp_path_factory.mktemp("measured") / "site")
    (port,) = free_ports(1)
    choose(site.folder, ("metrics.port", str(port)))
    put_behind(site, wiki=applications.wiki.upstream)
    with running(site):
        yield site, port


def scrape(port: int) -> Counter[str]:
    """Read the metrics by curl, and add up what the workers say of each.

    Whoever reads within a second is shown the same, so this waits for that first.
    """
    time.sleep(SHARED_SECONDS)
    address = f"http://127.0.0.1:{port}/metrics"
    ran = subprocess.run(["curl", "-sSf", address], capture_output=True, text=True, check=True)
    found: Counter[str] = Counter()
    for family in read_text(ran.stdout):
        for sample in family.samples:
            labels = [f"{name}={value}" for name, value in sorted(sample.labels.items())]
            kept = ",".join(label for label in labels if not label.startswith("worker="))
            found[f"{sample.name}({kept})"] += sample.value  # type: ignore[assignment]  # floats add up as well
    return found


def test_counts_are_those_of_the_requests_that_were_made(
    measured: tuple[LiveSite, int], guests: Path
) -> None:
    """On both workers together: requests, refusals, handshakes, and a line of the log for each."""
    site, port = measured
    guest = signed_in(site, add_person(site, "anna"), guests, "wiki")
    before = scrape(port)
    for number in range(ROUNDS):
        assert guest.get(site.url(WIKI, f"/{number}")).status == 200
    for _ in range(5):
        assert Guest(site, None, guests).get(site.url(WIKI)).status == 403
    after = scrape(port)
    requests = sum(after[name] for name in after if name.startswith("pusterla_requests_total"))
    wait_for("a line for each", lambda: len(site.access_lines()) >= requests)
    assert len(site.access_lines()) == requests
    risen = {name: after[name] - before[name] for name in after}
    assert after["pusterla_worker_up()"] == 2
    assert risen["pusterla_requests_total(app=wiki,code=200)"] == ROUNDS
    assert risen["pusterla_requests_total(app=wiki,code=403)"] == 5
    assert risen["pusterla_refusals_total(reason=no-certificate)"] == 5
    assert risen["pusterla_first_byte_seconds_count(app=wiki)"] == ROUNDS
    assert risen["pusterla_handshakes_total(outcome=established)"] == ROUNDS + 5
    assert risen["pusterla_connections_accepted_total()"] == ROUNDS + 5
    crl = "(issuer=issuing-1,kind=full,partition=)"
    assert 0 < after[f"pusterla_crl_seconds_to_next_update{crl}"] <= 7 * 86400
    assert after["pusterla_feed_lag_seconds()"] < 2 * 3
    assert after["pusterla_worker_memory_bytes()"] > 2 * 20e6


def test_a_worker_that_was_killed_counts_anew(measured: tuple[LiveSite, int]) -> None:
    """Its socket is the same; what it had written of the access log is whole."""
    site, port = measured
    accepted = "pusterla_connections_accepted_total()"
    before = scrape(port)[accepted]
    pid = site.workers()[0]
    subprocess.run(["kill", "-9", str(pid)], check=True)
    wait_for("two workers", lambda: len({*site.workers()} - {pid}) == 2)
    wait_for("both up", lambda: scrape(port)["pusterla_worker_up()"] == 2)
    assert scrape(port)[accepted] < before
    site.access_lines()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start processes as other users")
def test_a_worker_tells_its_own_user_alone(measured: tuple[LiveSite, int]) -> None:
    """The name of its socket is in no directory, so anybody can connect there."""
    site, _ = measured
    listed = subprocess.run(["ss", "-xlpnH"], capture_output=True, text=True, check=True)
    for pid in site.workers():
        lines = [line.split() for line in listed.stdout.splitlines() if f"pid={pid}," in line]
        (name,) = [line[4].removeprefix("@") for line in lines if line[4].startswith("@")]
        said = [
            subprocess.run(
                # Debian's, for the user may not be allowed to where this one lies.
                ["/usr/bin/python3", "-c", ASK, name],
                capture_output=True,
                check=False,
                user=user,
            ).stdout
            for user in (0, NOBODY)
        ]
        assert b"connections_accepted" in said[0]
        assert said[1] == b""
