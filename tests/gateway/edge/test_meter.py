import secrets
from itertools import islice

from gateway.core.request_ids import NODE_BYTES, is_request_id, node_part
from gateway.edge.meter import Meter, request_ids


def test_ids_are_unique_among_workers_and_starts() -> None:
    """Each start of each worker has random bytes of its own, each request a number."""
    nodes = [node_part(secrets.token_bytes(NODE_BYTES)) for _ in range(50)]
    workers = [request_ids(second, node) for node in nodes for second in (7, 8)]
    numbers = [number.decode() for worker in workers for number in islice(worker, 100)]
    assert len({*numbers}) == len(numbers)
    assert all(is_request_id(number) for number in numbers)


def test_bytes_are_those_of_the_request_under_way() -> None:
    """What came before it, and what came behind it, is not its own."""
    meter = Meter()
    meter.received, meter.sent = 100, 1000
    meter.received += 30
    meter.begin(b"a", waiting=30)
    meter.sent += 7
    assert meter.moved(unread=12) == (18, 7)
    meter.begin(b"b", waiting=12)
    assert (meter.id, meter.answered) == (b"b", 0.0)
    assert meter.moved(unread=0) == (12, 0)
