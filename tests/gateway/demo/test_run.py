import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.demo.applications import missing_modules
from gateway.demo.sheet import END_WORDS

RUN = (
    "import sys; from gateway.demo.run import run;"
    "sys.exit(run(int(sys.argv[1]), as_json=sys.argv[2:] == ['--json']))"
)


@dataclass
class Demo:
    """A demo in a process group of its own, as a terminal would start it."""

    process: "subprocess.Popen[bytes]"
    output: Path
    temporary: Path

    def said(self) -> str:
        """Return everything that it has printed."""
        return self.output.read_text()

    def wait_for(self, words: str, seconds: float = 40) -> str:
        """Wait until it has printed *words*, and return everything that it printed."""
        end = time.monotonic() + seconds
        while words not in (said := self.said()):
            assert self.process.poll() is None, said
            assert time.monotonic() < end, said
            time.sleep(0.05)
        return said

    def line(self, beginning: str) -> str:
        """Return the line that begins with *beginning*, as somebody would copy it."""
        return next(line for line in self.said().splitlines() if line.startswith(beginning))

    def family(self) -> set[int]:
        """Return all processes that work in its temporary folder."""
        needle = str(self.temporary).encode()
        found = set()
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                try:
                    if needle in (entry / "cmdline").read_bytes():
                        found.add(int(entry.name))
                except OSError:
                    continue
        return found


def free_port() -> int:
    """Return a port that nobody had a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def demo(folder: Path, port: int, *options: str) -> Iterator[Demo]:
    """Start a demo whose temporary folder is below *folder*."""
    temporary = folder / "tmp"
    temporary.mkdir()
    output = folder / "output"
    with output.open("wb") as written:
        process = subprocess.Popen(
            [sys.executable, "-c", RUN, str(port), *options],
            stdout=written,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            process_group=0,
            env={**os.environ, "TMPDIR": str(temporary), "PYTHONUTF8": "1"},
        )
    with process:
        try:
            yield Demo(process, output, temporary)
        finally:
            # Its children end with it, even now.
            process.kill()


@pytest.fixture(autouse=True)
def applications() -> None:
    """Skip where the applications are not installed."""
    if missing := missing_modules():
        pytest.skip(f"the demo's applications are not installed: {', '.join(missing)}")


@pytest.fixture
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a short path: a socket has to be named below it."""
    return tmp_path_factory.mktemp("d")


def curl(line: str) -> str:
    """Paste *line* into a shell and return what it printed."""
    done = subprocess.run(
        ["sh", "-c", line], capture_output=True, text=True, timeout=60, check=False
    )
    return done.stdout + done.stderr


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_from_nothing_to_an_application_and_cut_off(short: Path) -> None:
    """What is printed works when pasted: sign in with curl, revoke, be refused; then Ctrl-C."""
    with demo(short, free_port()) as shown:
        said = shown.wait_for(END_WORDS)
        # Twice in a row: a code works once, and the line makes a new one each time.
        for _ in range(2):
            assert '"acct": "anna"' in curl(shown.line("curl "))
        assert len(shown.family()) >= 9
        revoked = curl(shown.line(str(Path(sys.executable).parent)))
        assert "revoked" in revoked
        # No code is needed for a refusal, and the next one would have to be waited for.
        without_code = re.sub(r"\$\(.*?\)", "000000", shown.line("curl "))
        assert '"acct"' not in (refused := curl(without_code))
        assert "revoked" in refused
        for expected in ("portal", "bench.pusterla.localhost", "one-time code", "root.pem"):
            assert expected in said
        os.killpg(shown.process.pid, signal.SIGINT)
        assert shown.process.wait(timeout=30) == 0
        assert "Traceback" not in shown.said()
        assert shown.family() == set()
        assert list(shown.temporary.iterdir()) == []


def test_a_program_is_told_how_to_get_in(short: Path) -> None:
    """With --json one object says everything, and its curl line works like the printed one."""
    with demo(short, free_port(), "--json") as shown:
        said = shown.wait_for("\n}\n")
        told = json.loads(said[said.index("\n{") : said.index("\n}\n") + 2])
        assert '"acct": "anna"' in curl(told["curl"])
        assert Path(told["p12"]).exists()
        assert told["apps"].keys() >= {"bench", "files"}
        assert "█" not in said


def test_ctrl_c_before_it_serves_leaves_nothing(short: Path) -> None:
    """Interrupted while the site is being made: no traceback, no folder, no process."""
    with demo(short, free_port()) as shown:
        shown.wait_for("making the store")
        os.killpg(shown.process.pid, signal.SIGINT)
        assert shown.process.wait(timeout=30) == 0
        assert "Traceback" not in shown.said()
        assert shown.family() == set()
        assert list(shown.temporary.iterdir()) == []


def test_ctrl_c_while_it_starts_leaves_nothing(short: Path) -> None:
    """Interrupted while processes are being started: those that run end too."""
    with demo(short, free_port()) as shown:
        shown.wait_for("starting everything")
        os.killpg(shown.process.pid, signal.SIGINT)
        assert shown.process.wait(timeout=30) == 0
        assert "Traceback" not in shown.said()
        assert shown.family() == set()
        assert list(shown.temporary.iterdir()) == []


def test_nothing_survives_when_it_is_killed(short: Path) -> None:
    """SIGKILL leaves the folder behind, but no process, neither ours nor an application's."""
    with demo(short, free_port()) as shown:
        shown.wait_for("files (pid")
        shown.process.kill()
        end = time.monotonic() + 20
        while shown.family():
            assert time.monotonic() < end, shown.said()
            time.sleep(0.05)


def test_a_port_in_use_is_explained(short: Path) -> None:
    """The port is named, with the command that takes another one; nothing was made."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with demo(short, port) as shown:
            assert shown.process.wait(timeout=30) == 1
            assert f"port {port} on 127.0.0.1 is in use" in shown.said()
            assert "make run PORT=" in shown.said()
            assert "Traceback" not in shown.said()
            assert list(shown.temporary.iterdir()) == []
