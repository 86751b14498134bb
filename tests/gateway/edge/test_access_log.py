import asyncio
import json
import logging
import os
import resource
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.edge import access_log
from gateway.edge.access_log import (
    AGENT_SHOWN,
    TARGET_SHOWN,
    AccessLog,
    constant_part,
    quoted,
    shown_target,
)
from gateway.edge.meter import Meter
from tests.gateway.edge.waiting import until

NOW = datetime(2026, 3, 29, 1, 59, 59, 987_654, tzinfo=UTC)
CONSTANT = constant_part({"user": "anna", "user_agent": b"curl/8"})


def add(log: AccessLog, target: bytes = b"/", number: bytes = b"bvqflyq-k3v7qh2-1f") -> None:
    """Add a line."""
    meter = Meter()
    meter.id, meter.begun, meter.answered = number, 1.0, 1.25
    log.add(meter, 1.5, (10, 20), 200, b"", (b"GET", target, b""), CONSTANT)


def lines(path: Path) -> list[dict[str, Any]]:
    """Read a log, all of whose lines must be whole."""
    data = path.read_bytes()
    assert data.endswith(b"\n")
    return [json.loads(line) for line in data.splitlines()]


# Lines ----------------------------------------------------------------------


@given(st.binary(max_size=400))
def test_whatever_bytes_there_are_make_a_string(value: bytes) -> None:
    """One line of ASCII, from which UTF-8 comes back as it was."""
    text = quoted(value, 1000)
    assert text.isascii()
    assert b"\n" not in text
    read = json.loads(b'"%b"' % text)
    assert read == value.decode(errors="backslashreplace")


@given(
    st.binary(max_size=400), st.binary(max_size=400), st.text(max_size=300), st.binary(max_size=9)
)
async def test_every_line_is_an_object(
    target: bytes, agent: bytes, user: str, reason: bytes
) -> None:
    """Whatever strangers and certificates hold."""
    log = AccessLog(Path("/nonexistent"))
    meter = Meter()
    log.add(
        *(meter, 2.0, (1, 2), 404, reason, (b"GET", target, b"")),
        constant_part({"user": user, "user_agent": agent}),
    )
    line = bytes(log._lines)
    assert line.endswith(b"}\n")
    assert line.count(b"\n") == 1
    read = json.loads(line)
    assert (read["status"], read["received"], read["sent"]) == (404, 1, 2)


async def test_a_line_says_all_of_an_exchange(tmp_path: Path) -> None:
    """Under names that stay."""
    path = tmp_path / "access.jsonl"
    log = AccessLog(path)
    log.set_time(NOW)
    log._offset = NOW.timestamp() - 1.5
    add(log, b"/page?x=1")
    await log.close()
    assert lines(path) == [
        {
            "time": "2026-03-29T01:59:59.987Z",
            "id": "bvqflyq-k3v7qh2-1f",
            "status": 200,
            "reason": "",
            "method": "GET",
            "target": "/page?x=1",
            "upstream": "",
            "user": "anna",
            "user_agent": "curl/8",
            "received": 10,
            "sent": 20,
            "first_ms": 250.0,
            "total_ms": 500.0,
        }
    ]


async def test_time_goes_on_between_two_tellings(tmp_path: Path) -> None:
    """As the monotonic clock does, across the second too."""
    log = AccessLog(tmp_path / "access.jsonl")
    log._offset = NOW.timestamp() - 1.5
    for ended in (1.5, 1.512, 1.513, 2.6):
        log.add(Meter(), ended, (0, 0), 200, b"", (b"GET", b"/", b""), CONSTANT)
    await log.close()
    times = [line["time"] for line in lines(tmp_path / "access.jsonl")]
    assert [time[11:] for time in times] == [
        *("01:59:59.987Z", "01:59:59.999Z", "02:00:00.000Z", "02:00:01.087Z")
    ]


@pytest.mark.parametrize(
    "target, queries, expected",
    [
        (b"/a?b=c", True, b"/a?b=c"),
        (b"/a?b=c", False, b"/a?..."),
        (b"/a", False, b"/a"),
        (b"/.pusterla/enter", True, b"/.pusterla/enter"),
        (b"/.pusterla", True, b"/.pusterla"),
        (b'/a?"\\', True, b'/a?\\"\\\\'),
        (b"/.pusterla/enter?ticket=secret&to=/", True, b"/.pusterla/enter?..."),
    ],
)
def test_tickets_are_never_written(target: bytes, queries: bool, expected: bytes) -> None:
    """Nor any query, where it is so wished."""
    assert shown_target(target, queries=queries) == expected


@given(
    st.sampled_from([b"/", b"/.pusterla/enter", b"/a" * 1022, b"/a" * 1024]),
    st.binary(max_size=20),
    st.booleans(),
)
async def test_the_short_way_through_a_line_writes_the_same(
    path: bytes, rest: bytes, queries: bool
) -> None:
    """Most targets need no work, and those that do are never taken for such."""
    log = AccessLog(Path("/nonexistent"), queries=queries)
    add(log, path + rest)
    line = bytes(log._lines)
    expected = shown_target(path + rest, queries=queries)
    assert b'"target":"%b","upstream"' % expected in line


def test_what_is_long_is_cut() -> None:
    """A stranger decides about the bytes of a line, but not about how many."""
    assert (
        shown_target(b"/" + b"a" * 9000, queries=True) == b"/" + b"a" * (TARGET_SHOWN - 1) + b"..."
    )
    part = constant_part({"user_agent": b"a" * 9000})
    assert len(part) == AGENT_SHOWN + len(b'"user_agent":"..."')


# The file -------------------------------------------------------------------


async def test_the_file_is_for_owner_and_group(tmp_path: Path) -> None:
    """It says who did what; its folder is made where it is missing."""
    path = tmp_path / "log" / "access.jsonl"
    log = AccessLog(path)
    add(log)
    await log.close()
    assert stat.S_IMODE(path.stat().st_mode) & 0o037 == 0
    assert stat.S_IMODE(path.parent.stat().st_mode) & 0o027 == 0


async def test_a_renamed_file_is_left_for_a_new_one_and_no_line_is_lost(tmp_path: Path) -> None:
    """As logrotate does it, again and again, under load, with two workers and no signal."""
    path = tmp_path / "access.jsonl"
    logs = [AccessLog(path), AccessLog(path)]
    for turn in range(20):
        for number in range(300):
            for which, log in enumerate(logs):
                add(log, number=b"%d-%d-%d" % (which, turn, number))
                if number % 50 == 0:
                    log.flush()
        await asyncio.sleep(0.002)
        if path.exists():
            path.rename(tmp_path / f"access.jsonl.{turn}")
    for log in logs:
        await log.close()
        assert log.dropped == 0
    found = [line["id"] for file in tmp_path.iterdir() for line in lines(file)]
    assert len([*tmp_path.iterdir()]) > 10
    assert sorted(found) == sorted(
        f"{which}-{turn}-{number}"
        for which in range(2)
        for turn in range(20)
        for number in range(300)
    )


async def test_lines_go_out_in_batches_before_the_sweep_when_there_are_many(tmp_path: Path) -> None:
    """What waits is bounded by what comes together while one batch is written."""
    path = tmp_path / "access.jsonl"
    log = AccessLog(path)
    while log._writing is None:
        add(log, b"/" + b"a" * 1000)
    await until(path.exists)
    assert path.stat().st_size == 0 or path.stat().st_size >= access_log.BATCH_BYTES
    await log.close()


async def test_a_full_disk_loses_lines_and_nothing_else(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """It is said once, the lost are counted, and when there is room again it goes on."""
    link = tmp_path / "access.jsonl"
    link.symlink_to("/dev/full")
    log = AccessLog(link)
    caplog.set_level(logging.INFO, "pusterla.edge")
    for _ in range(3):
        add(log)
        add(log)
        log.flush()
        await until(lambda: log._writing is None)
    assert log.dropped == 6
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "No space left on device" in caplog.text
    link.unlink()
    add(log, number=b"again")
    await log.close()
    assert [line["id"] for line in lines(link)] == ["again"]
    assert "is written again; 6 lines were lost" in caplog.text


@contextmanager
def file_limit(size: int) -> Iterator[None]:
    """Let files of this process grow to *size* bytes only."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_a_line_that_the_disk_cut_off_spoils_no_other(tmp_path: Path) -> None:
    """The next one begins a line of its own."""
    path = tmp_path / "access.jsonl"
    log = AccessLog(path)
    add(log, number=b"first")
    log.flush()
    await until(lambda: log._writing is None)
    size = path.stat().st_size
    with file_limit(size + size // 2):
        for _ in range(2):
            add(log, number=b"torn")
            add(log, number=b"lost")
            log.flush()
            await until(lambda: log._writing is None)
    assert log.dropped == 4
    assert path.stat().st_size == size + size // 2
    add(log, number=b"after")
    await log.close()
    first, torn, after = path.read_bytes().splitlines()
    assert (json.loads(first)["id"], json.loads(after)["id"]) == ("first", "after")
    with pytest.raises(ValueError):
        json.loads(torn)


@pytest.mark.interpreted
async def test_a_disk_that_does_not_answer_makes_nobody_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lines are kept up to a limit, and then dropped; the end comes all the same."""
    path = tmp_path / "access.jsonl"
    os.mkfifo(path)
    monkeypatch.setattr(access_log, "WAITING_MAXIMUM", 1000)
    monkeypatch.setattr(access_log, "CLOSE_SECONDS", 0.05)
    log = AccessLog(path)
    # Opening a pipe that nobody reads waits, as a lost NFS server makes one wait.
    add(log)
    log.flush()
    begun = asyncio.get_running_loop().time()
    for _ in range(10):
        add(log)
        log.flush()
    assert log.dropped > 0
    await log.close()
    assert asyncio.get_running_loop().time() - begun < 1
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    await asyncio.sleep(0.05)
    os.close(reader)
