import json
import re
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from gateway.bootstrap import metrics
from gateway.bootstrap.metrics import ADDRESS, open_counting, serving_metrics
from gateway.bootstrap.process import ProcessFailed
from gateway.core.refusal_kinds import Refusal
from gateway.edge.figures import Figures

ROOT = Path(__file__).parents[3]
Samples = dict[str, float]


def snapshot() -> dict[str, Any]:
    """Return what a worker says that has worked a little."""
    figures = Figures()
    wiki = figures.applications["wiki"]
    wiki.statuses.update({200: 3, 404: 1, 799: 2})
    for seconds in (0.0005, 0.02, 99.0):
        wiki.first_byte.observe(seconds)
    wiki.websockets, wiki.connects_failed, wiki.sent = 4, 5, 10_000_000_000
    figures.refusals[Refusal.NOT_ALLOWED] = 6
    figures.handshakes["established"] = 7
    figures.handshake_seconds.observe(0.003)
    others = ("connections", "connections_accepted", "feed_lag_seconds", "memory_bytes")
    more = ("cpu_seconds", "access_lines_dropped", "audit_waiting", "audit_lost")
    crl = {"issuer": "issuing-1", "number": 9, "age_seconds": 10, "seconds_to_next_update": -1.5}
    office = {"trust": "office", "source": "a", "entries": 0, "failing": 1}
    known = {"entries": 3, "failing": 0, "age_seconds": 20, "seconds_to_next_update": -5}
    lists = [
        crl | {"kind": "full", "partition": ""},
        crl | {"kind": "delta", "partition": "2-of-4", "seconds_to_next_update": 60},
    ]
    return (
        figures.snapshot()
        | dict.fromkeys((*others, *more), 0.5)
        | {"crls": lists, "foreign_lists": [office, office | {"source": "b"} | known]}
    )


@contextmanager
def answering(listener: socket.socket, answer: bytes | None) -> Iterator[list[socket.socket]]:
    """Be a worker that gives *answer* to whoever connects, or none and never an end.

    Yields the connections that have been made.
    """
    held: list[socket.socket] = []
    over = threading.Event()

    def work() -> None:
        listener.settimeout(0.01)
        while not over.is_set():
            try:
                one, _ = listener.accept()
            except TimeoutError:
                continue
            held.append(one)
            if answer is not None:
                one.sendall(answer)
                one.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield held
    finally:
        over.set()
        thread.join()
        for one in held:
            one.close()


@contextmanager
def site(*answers: bytes | None) -> Iterator[int]:
    """Serve the metrics of workers that answer so; yield the port."""
    with socket.socket() as free:
        free.bind((ADDRESS, 0))
        port: int = free.getsockname()[1]
    with ExitStack() as stack:
        listeners = open_counting(len(answers))
        for listener, answer in zip(listeners, answers, strict=True):
            stack.enter_context(listener)
            stack.enter_context(answering(listener, answer))
        stack.enter_context(serving_metrics(port, listeners))
        yield port


def fetch(port: int, accept: str = "text/plain") -> str:
    """Read the metrics, as Prometheus does."""
    asked = urllib.request.Request(f"http://{ADDRESS}:{port}/metrics", headers={"Accept": accept})
    with urllib.request.urlopen(asked, timeout=20) as answer:  # noqa: S310 - as above
        text: str = answer.read().decode()
    return text


def samples(text: str) -> Samples:
    """Let Prometheus' own parser read *text*; samples by name and labels, as PromQL writes them."""
    found: Samples = {}
    for family in read_text(text):
        assert family.documentation.endswith("."), family.name
        for sample in family.samples:
            labels = ",".join(f'{name}="{sample.labels[name]}"' for name in sorted(sample.labels))
            key = f"{sample.name}{{{labels}}}"
            assert key not in found
            found[key] = sample.value
    return found


def test_all_that_is_counted_is_shown() -> None:
    """For each worker; what the store says once."""
    answer = json.dumps(snapshot()).encode()
    with site(answer, answer) as port:
        found = samples(fetch(port))
    for worker in "01":
        expected = {
            f'pusterla_worker_up{{worker="{worker}"}}': 1,
            f'pusterla_requests_total{{app="wiki",code="200",worker="{worker}"}}': 3,
            f'pusterla_requests_total{{app="wiki",code="other",worker="{worker}"}}': 2,
            f'pusterla_refusals_total{{reason="not-allowed",worker="{worker}"}}': 6,
            f'pusterla_refusals_total{{reason="internal",worker="{worker}"}}': 0,
            f'pusterla_handshakes_total{{outcome="established",worker="{worker}"}}': 7,
            f'pusterla_handshake_seconds_bucket{{le="0.0025",worker="{worker}"}}': 0,
            f'pusterla_handshake_seconds_bucket{{le="0.005",worker="{worker}"}}': 1,
            f'pusterla_first_byte_seconds_bucket{{app="wiki",le="0.001",worker="{worker}"}}': 1,
            f'pusterla_first_byte_seconds_bucket{{app="wiki",le="30.0",worker="{worker}"}}': 2,
            f'pusterla_first_byte_seconds_bucket{{app="wiki",le="+Inf",worker="{worker}"}}': 3,
            f'pusterla_first_byte_seconds_count{{app="wiki",worker="{worker}"}}': 3,
            f'pusterla_upstream_connects_total{{app="wiki",outcome="failed",worker="{worker}"}}': 5,
            f'pusterla_sent_bytes_total{{app="wiki",worker="{worker}"}}': 10_000_000_000,
            f'pusterla_websockets{{app="wiki",worker="{worker}"}}': 4,
            f'pusterla_feed_lag_seconds{{worker="{worker}"}}': 0.5,
            f'pusterla_store_up{{worker="{worker}"}}': 1,
        }
        assert {key: found.get(key) for key in expected} == expected
    left = "pusterla_crl_seconds_to_next_update"
    assert found[left + '{issuer="issuing-1",kind="full",partition=""}'] == -1.5
    assert found[left + '{issuer="issuing-1",kind="delta",partition="2-of-4"}'] == 60
    foreign, labels = "pusterla_foreign_list_", '{source="%s",trust="office"}'
    assert found[f"{foreign}failing{labels % 'a'}"] == 1
    assert f"{foreign}seconds_to_next_update{labels % 'a'}" not in found
    assert found[f"{foreign}seconds_to_next_update{labels % 'b'}"] == -5
    assert found[f"{foreign}age_seconds{labels % 'b'}"] == 20
    assert found[f"{foreign}entries{labels % 'b'}"] == 3
    assert [key for key in found if key.startswith("pusterla_build_info")]


def test_every_metric_is_explained() -> None:
    """In docs/watching.md, under the name that is read, and no other is there."""
    with site(json.dumps(snapshot()).encode()) as port:
        families = [*read_text(fetch(port))]
    suffix = {"counter": "_total"}
    shown = {f"{family.name}{suffix.get(family.type, '')}" for family in families}
    page = (ROOT / "docs" / "watching.md").read_text().partition("Alerts to begin with")[0]
    assert set(re.findall(r"`(pusterla_\w+)`", page)) == shown


def test_openmetrics_is_spoken_too() -> None:
    """Its stricter parser has nothing to say against it."""
    with site(json.dumps(snapshot()).encode()) as port:
        text = fetch(port, "application/openmetrics-text; version=1.0.0")
    assert text.endswith("# EOF\n")
    families = read_openmetrics(text)  # type: ignore[no-untyped-call]  # theirs has no types
    names = {family.name for family in families}
    assert {"pusterla_requests", "pusterla_first_byte_seconds", "pusterla_build"} <= names


@pytest.mark.parametrize("answer", [b"", b'{"connections": 1', None], ids=["end", "half", "silent"])
def test_a_worker_that_is_down_hides_nobody_else(
    answer: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is reported as down, soon, and the others are shown as ever."""
    monkeypatch.setattr(metrics, "ANSWER_SECONDS", 0.2)
    with site(answer, json.dumps(snapshot()).encode()) as port:
        begun = time.monotonic()
        found = samples(fetch(port))
        assert time.monotonic() - begun < 5
    assert found['pusterla_worker_up{worker="0"}'] == 0
    assert found['pusterla_worker_up{worker="1"}'] == 1
    assert found['pusterla_connections{worker="1"}'] == 0.5
    assert 'pusterla_connections{worker="0"}' not in found


def test_readers_that_come_together_share_what_they_are_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Anybody on this machine may read, and nobody can keep the workers busy by it."""
    (listener,) = open_counting(1)
    said = json.dumps(snapshot()).encode()
    with listener, answering(listener, said) as asked, ThreadPoolExecutor(8) as readers:
        shown = metrics.WorkerMetrics([listener.getsockname()])
        many = [readers.submit(lambda: [*shown.collect()]) for _ in range(8)]
        assert len({str(one.result()) for one in many}) == 1
        assert len(asked) == 1
        monkeypatch.setattr(metrics, "SHARED_SECONDS", 0.0)
        assert str([*shown.collect()]) == str(many[0].result())
        assert len(asked) == 2


def test_a_store_that_does_not_answer_is_told() -> None:
    """Without inventing an age for the CRL."""
    with site(json.dumps(snapshot() | {"crls": None}).encode()) as port:
        found = samples(fetch(port))
    assert found['pusterla_store_up{worker="0"}'] == 0
    assert not [key for key in found if key.startswith("pusterla_crl")]


def test_a_port_in_use_is_told_with_the_way_out() -> None:
    """Before anything has been started."""
    with socket.socket() as taken:
        taken.bind((ADDRESS, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(ProcessFailed, match=f"{port}.*another port under"),
            serving_metrics(port, []),
        ):
            pass
