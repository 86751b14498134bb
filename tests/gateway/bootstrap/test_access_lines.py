"""Lines of the access log, found again."""

import gzip
import json
import os
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.bootstrap.access_lines import AccessLine, AccessLines, read_line
from gateway.core.request_ids import made_at, second_part
from gateway.edge.access_log import AccessLog, constant_part
from gateway.edge.meter import Meter, request_ids

BEGIN = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
NODE = "k3v7qh2"


def line_of(number: int, **changes: object) -> bytes:
    """Make the line of a request that came *number* seconds after the beginning."""
    at = BEGIN + timedelta(seconds=number)
    fields: dict[str, object] = {
        "time": f"{at:%Y-%m-%dT%H:%M:%S}.500Z",
        "id": request_at(number),
        "status": 200,
        "reason": "",
        "method": "GET",
        "target": f"/{number}",
        "upstream": "",
        "address": f"192.0.2.{number % 5}",
        "user": f"user{number % 3}",
        "serial": "4a",
        "device": "stick-1",
        "app": "wiki",
        "rule": "",
        "host": "wiki.pusterla.localhost",
        "tls": "TLSv1.3",
        "user_agent": "x" * (number % 200),
        "received": 1,
        "sent": 2,
        "first_ms": 0.5,
        "total_ms": 100.0,
        **changes,
    }
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"


def request_at(number: int) -> str:
    """Return the id of that request."""
    return f"{second_part(int(BEGIN.timestamp()) + number)}-{NODE}-1"


def write(path: Path, numbers: range, pack: Callable[[bytes], bytes] = bytes) -> None:
    """Write a file of the log whose last change was when its last line came."""
    path.write_bytes(pack(b"".join(map(line_of, numbers))))
    end = (BEGIN + timedelta(seconds=numbers[-1] + 1)).timestamp()
    os.utime(path, (end, end))


@pytest.fixture
def log(tmp_path: Path) -> AccessLines:
    """A log of three files: two were rotated, the older is compressed."""
    write(tmp_path / "access.jsonl.2.gz", range(1000), gzip.compress)
    write(tmp_path / "access.jsonl.1", range(1000, 5000))
    write(tmp_path / "access.jsonl", range(5000, 9000))
    (tmp_path / "other.jsonl").write_bytes(line_of(1, id="other"))
    return AccessLines(tmp_path / "access.jsonl")


@pytest.mark.parametrize("number", [0, 1, 999, 1000, 1001, 4999, 5000, 7777, 8999])
def test_a_line_is_found_in_whichever_file_it_is(log: AccessLines, number: int) -> None:
    """Compressed, rotated or written now; the first line and the last."""
    request = request_at(number)
    found = log.find(request, made_at(request))
    assert found is not None
    assert (found.id, found.target) == (request, f"/{number}")
    assert found.begun_at == found.ended_at - timedelta(milliseconds=100)
    assert log.unread == []


def test_what_was_never_written_is_not_found(log: AccessLines) -> None:
    """An id of that second with another number, and one of another day."""
    for request in (f"{request_at(7000)[:-1]}2", request_at(100_000)):
        assert log.find(request, made_at(request)) is None


def test_a_long_exchange_is_found_though_its_line_came_hours_later(tmp_path: Path) -> None:
    """A WebSocket is written down when it closes, perhaps in a later file."""
    write(tmp_path / "access.jsonl.1", range(20, 5000))
    path = tmp_path / "access.jsonl"
    path.write_bytes(line_of(6000) + line_of(9000, id=request_at(10)) + line_of(9001))
    found = AccessLines(path).find(request_at(10), made_at(request_at(10)))
    assert found is not None
    assert found.target == "/9000"


def test_a_line_is_found_where_the_clock_was_set_back(tmp_path: Path) -> None:
    """Its id says an hour that the lines around it have not come to."""
    path = tmp_path / "access.jsonl"
    late = line_of(200, id=request_at(3800))
    path.write_bytes(b"".join(map(line_of, range(200))) + late + line_of(201) + line_of(9000))
    assert AccessLines(path).find(request_at(3800), made_at(request_at(3800))) is not None


def test_lines_out_of_order_and_torn_ones_hide_nothing(tmp_path: Path) -> None:
    """Workers write in batches, and a full disk leaves half a line."""
    chance = random.Random(7)
    numbers = sorted(range(20_000), key=lambda number: number + chance.random() * 20)
    lines = [line_of(number) for number in numbers]
    for place in chance.sample(range(len(lines)), 300):
        lines[place] = lines[place][:40] + b"\n" + lines[place]
    path = tmp_path / "access.jsonl"
    path.write_bytes(b"".join(lines) + line_of(20_001)[:60])
    log = AccessLines(path)
    for number in chance.sample(range(20_000), 100):
        found = log.find(request_at(number), made_at(request_at(number)))
        assert found is not None
        assert found.id == request_at(number)


def test_nothing_that_a_stranger_sent_is_taken_for_an_id(tmp_path: Path) -> None:
    """Who names the id in a path or as a browser is not that request."""
    request = request_at(3)
    path = tmp_path / "access.jsonl"
    path.write_bytes(line_of(2, target=f'/"id":"{request}"', user_agent=f'"id":"{request}"'))
    assert AccessLines(path).find(request, made_at(request)) is None


def test_what_the_edge_writes_is_read(tmp_path: Path) -> None:
    """The writer and the reader agree on every field, whatever strangers send."""
    path = tmp_path / "access.jsonl"
    writer, meter = AccessLog(path), Meter()
    meter.id = next(request_ids(int(BEGIN.timestamp()), NODE))
    constant = {"address": "192.0.2.7", "user": "anna", "serial": "4a", "device": "stick"}
    constant |= {"app": "wiki", "rule": "r", "host": "h", "tls": "", "user_agent": '\x1b[31m"\xff'}
    request = (b"GET", b'/\x1b]0;"\xff', b"http://127.0.0.1:9000")
    writer.add(meter, 1.0, (3, 4), 403, b"not-allowed", request, constant_part(constant))
    path.write_bytes(bytes(writer._lines))
    line = AccessLines(path).find(meter.id.decode(), made_at(meter.id.decode()))
    assert line is not None
    assert (line.user, line.status, line.reason) == ("anna", 403, "not-allowed")
    assert line.user_agent == '\x1b[31m"\xff'
    assert line.target == '/\x1b]0;"\\xff'


@pytest.mark.parametrize(
    "line", [b"", b"{}", b"[]", b"nonsense", line_of(1)[:50], line_of(1, status="x"), b"[" * 9999]
)
def test_what_is_no_line_is_none(line: bytes) -> None:
    """A torn line, and whatever else somebody put into the file."""
    assert read_line(line) is None


def newest(log: AccessLines, field: str, value: str, count: int = 3) -> list[str]:
    """Return the targets of what is found from 08:59 to 12:00."""
    span = (BEGIN - timedelta(minutes=1), BEGIN + timedelta(hours=3))
    return [line.target for line in log.newest(field, value, span, count, wanted)]


def wanted(line: AccessLine) -> bool:
    """Want every other line."""
    return int(line.target[1:]) % 2 == 0


def test_the_newest_of_somebody_are_found(log: AccessLines) -> None:
    """Those that are wanted, oldest first, and of nobody else."""
    assert newest(log, "user", "user1") == ["/8986", "/8992", "/8998"]
    assert newest(log, "address", "192.0.2.4") == ["/8974", "/8984", "/8994"]
    assert newest(log, "user", "user") == []


def test_a_span_has_two_ends(log: AccessLines) -> None:
    """What came before it and after it is left out."""
    span = (BEGIN + timedelta(seconds=4990), BEGIN + timedelta(seconds=5010))
    found = [line.target for line in log.newest("serial", "4a", span, 1000, lambda _: True)]
    assert found == [f"/{number}" for number in range(4990, 5010)]


def test_all_lines_since_a_moment_are_read(log: AccessLines) -> None:
    """Of every file, and none of before."""
    found = [line.target for line in log.since(BEGIN + timedelta(seconds=990))]
    assert found == [f"/{number}" for number in range(990, 9000)]


def test_the_log_says_how_far_back_it_reaches(log: AccessLines, tmp_path: Path) -> None:
    """To its oldest line; a log without lines to no moment."""
    reach = f"the access log of this node reaches back to {BEGIN:%Y-%m-%d %H:%M:%S} UTC"
    assert log.lacks(BEGIN) == log.lacks(BEGIN - timedelta(days=9)) == reach
    assert log.lacks(BEGIN + timedelta(seconds=1)) == ""
    (tmp_path / "empty").mkdir()
    empty = AccessLines(tmp_path / "empty" / "access.jsonl")
    assert empty.lacks(BEGIN) == "there is no line in the access log of this node"


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    """A folder that is not there, a file that is not what its name says; the others are read."""
    missing = AccessLines(tmp_path / "gone" / "access.jsonl")
    assert missing.find(request_at(1), made_at(request_at(1))) is None
    assert missing.unread == [f"{tmp_path / 'gone'} cannot be read: No such file or directory"]
    (tmp_path / "access.jsonl.1.gz").write_bytes(b"this is not gzip")
    (tmp_path / "access.jsonl").write_bytes(line_of(1))
    log = AccessLines(tmp_path / "access.jsonl")
    assert log.find(request_at(1), made_at(request_at(1))) is not None
    [said] = log.unread or [""]
    assert "access.jsonl.1.gz" in said or said == ""
