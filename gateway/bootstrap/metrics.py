"""Metrics for Prometheus: what the workers count, asked for when somebody reads it.

Each worker answers on a unix socket of its own, which the supervisor makes (see `snapshot`). A
reader's thread asks all of them at once: neither the workers nor the supervisor's loop wait for
it, and a worker that does not answer is reported as down.
"""

import json
import platform
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.metadata import version
from math import inf
from threading import Lock
from time import monotonic
from typing import Any, Final

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from gateway.bootstrap.process import ProcessFailed, log
from gateway.edge.figures import REQUEST_BOUNDS

ADDRESS: Final = "127.0.0.1"
ANSWER_SECONDS: Final = 2.0
"""How long a worker may take to say what it has counted."""
SHARED_SECONDS: Final = 1.0
"""For how long whoever reads is shown the same, so that readers cannot keep workers busy."""
_PIECE: Final = 256 * 1024
_AT_ONCE: Final = 16
_BOUNDS: Final = (*map(str, REQUEST_BOUNDS), "+Inf")

Snapshot = Mapping[str, Any]


def open_counting(count: int) -> list[socket.socket]:
    """Return a listening unix socket for each of *count* workers, under names of the kernel's.

    Such a name is in no directory, so it needs no rights and leaves nothing behind.
    Anybody on this machine can connect, but a worker answers its own user alone.
    """
    made = []
    for _ in range(count):
        one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        one.bind("")
        one.listen()
        one.setblocking(False)
        made.append(one)
    return made


@contextmanager
def serving_metrics(port: int, workers: Sequence[socket.socket]) -> Iterator[None]:
    """Serve metrics on *port* of this machine for the length of a block.

    *workers* are of `open_counting`. Raises `ProcessFailed` where the port cannot be had.
    """
    registry = CollectorRegistry()
    registry.register(WorkerMetrics([one.getsockname() for one in workers]))
    try:
        server, thread = start_http_server(port, ADDRESS, registry)
    except OSError as error:
        raise ProcessFailed(
            f"metrics cannot be served on {ADDRESS}:{port}: {error.strerror}; end who is there, "
            "or choose another port under [metrics]"
        ) from error
    log.info("metrics: http://%s:%d/metrics", ADDRESS, port)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class WorkerMetrics(Collector):
    """Makes metrics of what the workers say."""

    def __init__(self, addresses: Sequence[bytes | str]) -> None:
        """*addresses* are those of the workers' sockets, in their order."""
        self._addresses = addresses
        self._asking = Lock()
        self._answers: list[Snapshot | None] = []
        self._asked_at = -inf

    def describe(self) -> Iterable[Metric]:
        """Nothing: asking the workers at the start would only find them starting."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Ask every worker, unless that was done just now, and yield all metrics."""
        answers = self._ask()
        yield InfoMetricFamily(
            "pusterla_build",
            "Which Pusterla this is.",
            {"version": version("pusterla"), "python": platform.python_version()},
        )
        up = GaugeMetricFamily(
            "pusterla_worker_up", "Whether a worker of the edge answers.", labels=["worker"]
        )
        for number, answer in enumerate(answers):
            up.add_metric([str(number)], 0 if answer is None else 1)
        yield up
        found = {str(number): one for number, one in enumerate(answers) if one is not None}
        yield from worker_metrics(found)
        yield from application_metrics(found)
        yield from store_metrics(found)

    def _ask(self) -> list[Snapshot | None]:
        # Each reader has a thread of its own; those that come meanwhile wait for the same answers.
        with self._asking:
            if monotonic() - self._asked_at >= SHARED_SECONDS:
                with ThreadPoolExecutor(_AT_ONCE) as threads:
                    self._answers = [*threads.map(ask, self._addresses)]
                self._asked_at = monotonic()
            return self._answers


def ask(address: bytes | str) -> Snapshot | None:
    """Return what the worker behind *address* has counted, or None where it does not say."""
    answer = b""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as one:
        one.settimeout(ANSWER_SECONDS)
        try:
            one.connect(address)
            while piece := one.recv(_PIECE):
                answer += piece
        except OSError:
            return None
    try:
        read: Snapshot = json.loads(answer)
    except ValueError:
        # It ended in the middle of its answer.
        return None
    return read


def worker_metrics(found: Mapping[str, Snapshot]) -> Iterator[Metric]:
    """Yield what each worker counts for itself."""
    for key, name, kind, words in _OF_WORKERS:
        family = kind(f"pusterla_{name}", words, labels=["worker"])
        for worker, one in found.items():
            family.add_metric([worker], one[key])
        yield family
    for key, name, label, words in _BY_NAME:
        counter = CounterMetricFamily(f"pusterla_{name}", words, labels=["worker", label])
        for worker, one in found.items():
            for which, count in sorted(one[key].items()):
                counter.add_metric([worker, which], count)
        yield counter
    handshakes = HistogramMetricFamily(
        "pusterla_handshake_seconds",
        "From an accepted connection to the end of its TLS handshake.",
        labels=["worker"],
    )
    for worker, one in found.items():
        _observe(handshakes, [worker], one["handshake_seconds"])
    yield handshakes


def application_metrics(found: Mapping[str, Snapshot]) -> Iterator[Metric]:
    """Yield what is counted for each application."""
    labels = ["worker", "app"]
    requests = CounterMetricFamily(
        "pusterla_requests", "Requests that have ended, by status.", labels=[*labels, "code"]
    )
    first = HistogramMetricFamily(
        "pusterla_first_byte_seconds",
        "From the whole head of a request to the whole head of the application's answer.",
        labels=labels,
    )
    connects = CounterMetricFamily(
        "pusterla_upstream_connects",
        "New connections to the application, by outcome.",
        labels=[*labels, "outcome"],
    )
    received = CounterMetricFamily(
        "pusterla_received_bytes", "Bytes of requests that have ended.", labels=labels
    )
    sent = CounterMetricFamily(
        "pusterla_sent_bytes", "Bytes of answers that have ended.", labels=labels
    )
    websockets = GaugeMetricFamily(
        "pusterla_websockets", "WebSockets that are open.", labels=labels
    )
    for worker, one in found.items():
        for app, figures in sorted(one["applications"].items()):
            place = [worker, app]
            for code, count in sorted(figures["statuses"].items()):
                requests.add_metric([*place, code], count)
            _observe(first, place, figures["first_byte"])
            connects.add_metric([*place, "made"], figures["connects"])
            connects.add_metric([*place, "failed"], figures["connects_failed"])
            received.add_metric(place, figures["received"])
            sent.add_metric(place, figures["sent"])
            websockets.add_metric(place, figures["websockets"])
    yield from (requests, first, connects, received, sent, websockets)


def store_metrics(found: Mapping[str, Snapshot]) -> Iterator[Metric]:
    """Yield what the store says of the CAs; any worker that reaches it may say so."""
    up = GaugeMetricFamily(
        "pusterla_store_up", "Whether a worker reaches the store.", labels=["worker"]
    )
    for worker, one in found.items():
        up.add_metric([worker], 0 if one["crls"] is None else 1)
    yield up
    crls = next((one["crls"] for one in found.values() if one["crls"] is not None), ())
    for key, words in _OF_CRLS:
        family = GaugeMetricFamily(f"pusterla_crl_{key}", words, labels=_CRL_LABELS)
        for crl in crls:
            family.add_metric([crl[label] for label in _CRL_LABELS], crl[key])
        yield family
    yield from foreign_metrics(found)


def foreign_metrics(found: Mapping[str, Snapshot]) -> Iterator[Metric]:
    """Yield how the lists of other CAs stand; any worker that reaches the store may say so."""
    lists = next((one["foreign_lists"] for one in found.values() if one["foreign_lists"]), ())
    for key, words in _OF_FOREIGN:
        family = GaugeMetricFamily(f"pusterla_foreign_list_{key}", words, labels=_FOREIGN_LABELS)
        for each in lists:
            if key in each:
                family.add_metric([each[label] for label in _FOREIGN_LABELS], each[key])
        yield family


def _observe(
    family: HistogramMetricFamily, labels: list[str], histogram: Mapping[str, Any]
) -> None:
    total, buckets = 0, []
    for bound, count in zip(_BOUNDS, histogram["buckets"], strict=True):
        total += count
        buckets.append((bound, total))
    family.add_metric(labels, buckets, histogram["seconds"])


_OF_WORKERS: Final[tuple[tuple[str, str, Any, str], ...]] = (
    ("connections", "connections", GaugeMetricFamily, "Connections that are open."),
    (
        "connections_accepted",
        "connections_accepted",
        CounterMetricFamily,
        "Connections that were accepted, in all.",
    ),
    (
        "feed_lag_seconds",
        "feed_lag_seconds",
        GaugeMetricFamily,
        "Since when nothing was heard of the change feed: how old what the worker knows may be.",
    ),
    ("memory_bytes", "worker_memory_bytes", GaugeMetricFamily, "Resident memory."),
    ("cpu_seconds", "worker_cpu_seconds", CounterMetricFamily, "CPU time, user and system."),
    (
        "access_lines_dropped",
        "access_log_lines_dropped",
        CounterMetricFamily,
        "Lines of the access log that the disk did not take.",
    ),
    (
        "audit_waiting",
        "audit_events_waiting",
        GaugeMetricFamily,
        "Refusals that are not in the audit log yet.",
    ),
    (
        "audit_lost",
        "audit_events_lost",
        CounterMetricFamily,
        "Refusals that did not come into the audit log; they are in the log.",
    ),
)
_BY_NAME: Final = (
    ("refusals", "refusals", "reason", "Requests that the edge refused."),
    (
        "connections_refused",
        "connections_refused",
        "reason",
        "Connections that were closed at once, unheard.",
    ),
    ("handshakes", "handshakes", "outcome", "TLS handshakes."),
)
_CRL_LABELS: Final = ("issuer", "kind", "partition")
_OF_CRLS: Final = (
    ("number", "Number of the newest revocation list of its kind."),
    ("age_seconds", "Age of the newest revocation list of its kind."),
    ("seconds_to_next_update", "Until that revocation list ends; negative: it has."),
)
_FOREIGN_LABELS: Final = ("trust", "source")
_OF_FOREIGN: Final = (
    ("age_seconds", "Age of the revocation list of another CA that is gone by."),
    ("seconds_to_next_update", "Until that list ends; negative: it has."),
    ("entries", "How many certificates it revokes."),
    ("failing", "Whether the last attempt to get the next one failed."),
)
