import asyncio
import gzip
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from gateway.edge.access_log import AccessLog
from gateway.edge.meter import Meter

CONFIGURATION = Path(__file__).parents[2] / "deploy" / "logrotate.conf"
SITE = "/var/lib/pusterla"


def adapted(directory: Path) -> Path:
    """Copy the configuration for a log in *directory*, which belongs to whoever runs the test."""
    text = CONFIGURATION.read_text().replace(f"{SITE}/log", str(directory))
    path = directory.parent / "logrotate.conf"
    path.write_text(text.replace("    su pusterla-edge pusterla\n", ""))
    path.chmod(0o644)
    return path


def content(path: Path) -> bytes:
    """Read a file, compressed or not."""
    data = path.read_bytes()
    return gzip.decompress(data) if path.suffix == ".gz" else data


async def rotate(directory: Path) -> None:
    """Let logrotate take a turn, as if the day were over."""
    program = shutil.which("logrotate", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("logrotate is not installed")
    state = directory.parent / "state"
    command = [program, "--force", "--state", str(state), str(adapted(directory))]
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


async def test_logrotate_loses_no_line_and_needs_no_signal(tmp_path: Path) -> None:
    """Three turns while lines come; what is two turns old is compressed."""
    directory = tmp_path / "log"
    log = AccessLog(directory / "access.jsonl")
    meter = Meter()
    for number in range(300):
        meter.id = b"%d" % number
        log.add(meter, 1.0, (0, 0), 200, b"", (b"GET", b"/", b""), b'"app":"wiki"')
        log.flush()
        await asyncio.sleep(0.001)
        if number % 100 == 50:
            await rotate(directory)
    await log.close()
    names = sorted(path.name for path in directory.iterdir())
    assert names == [f"access.jsonl{end}" for end in ("", ".1", ".2.gz", ".3.gz")]
    texts = [content(directory / name) for name in names]
    found = [int(json.loads(line)["id"]) for text in texts for line in text.splitlines()]
    assert sorted(found) == [*range(300)]
