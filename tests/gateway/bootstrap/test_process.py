import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pytest

from gateway.bootstrap.folder import NotASite
from gateway.bootstrap.process import (
    PULSE,
    PULSE_SECONDS,
    READY,
    Lifecycle,
    LineFormatter,
    ProcessFailed,
    log_failure,
)

# Signals, pipes and exit statuses need a process of its own.
PROCESS = """
import asyncio, sys
from gateway.bootstrap.outcome import Outcome
from gateway.bootstrap.process import (
    Lifecycle, ProcessFailed, argument_parser, log, read_arguments, run_process
)


async def take_up() -> Outcome:
    return Outcome(taken=("site.contact",))


async def main(lifecycle: Lifecycle) -> None:
    log.info("loop %s", type(asyncio.get_running_loop()).__module__)
    lifecycle.ready()
    lifecycle.ready()
    lifecycle.on_reload(take_up)
    await lifecycle.stopping.wait()
    match options.how:
        case "fails":
            raise ProcessFailed("the store is gone\\nbring it back")
        case "breaks":
            raise ValueError("broken")
        case "hangs":
            await asyncio.sleep(3600)


parser = argument_parser("portal", "A stand-in.")
parser.add_argument("--how", default="ends")
options = parser.parse_args()
arguments = read_arguments(options)
sys.exit(run_process(main, "portal", arguments))
"""


@dataclass
class Running:
    """A stand-in that serves, and the end of the life pipe that its supervisor would hold."""

    process: "subprocess.Popen[str]"
    life: BinaryIO

    def end(self) -> tuple[int, str]:
        """Wait until it ends, and return its exit status and its log."""
        _, said = self.process.communicate(timeout=10)
        return self.process.returncode, said


@contextmanager
def running(tmp_path: Path, how: str = "ends", pulse: int | None = None) -> Iterator[Running]:
    """Start the stand-in and wait until it says that it serves."""
    (tmp_path / "program.py").write_text(PROCESS)
    ready, ready_child = os.pipe()
    life_child, held = os.pipe()
    pipes = ["--ready-fd", str(ready_child), "--life-fd", str(life_child)]
    ours = [ready_child, life_child]
    if pulse is not None:
        pipes += ["--pulse-fd", str(pulse)]
        ours.append(pulse)
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "program.py"), "--site", ".", "--how", how, *pipes],
        stderr=subprocess.PIPE,
        text=True,
        pass_fds=ours,
    )
    for one in ours:
        os.close(one)
    with process, os.fdopen(ready, "rb") as said, os.fdopen(held, "wb") as life:
        try:
            # Read to the end of the pipe: it was closed, and nothing came behind the word.
            assert said.read() == READY
            yield Running(process, life)
        finally:
            process.kill()


class TestRunProcess:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_a_signal_ends_it_in_order(self, tmp_path: Path, number: signal.Signals) -> None:
        """Each of the two signals lets main finish; the exit status is 0."""
        with running(tmp_path) as one:
            one.process.send_signal(number)
            status, said = one.end()
        assert status == 0
        assert f"portal INFO {number.name}: finishing" in said
        assert "loop uvloop" in said

    def test_a_hangup_asks_for_a_reload(self, tmp_path: Path) -> None:
        """SIGHUP takes up what has changed, also in a process without a supervisor."""
        with running(tmp_path) as one:
            one.process.send_signal(signal.SIGHUP)
            assert one.process.stderr is not None
            assert any("reload: taken up: site.contact" in line for line in one.process.stderr)
            one.process.terminate()
            assert one.end()[0] == 0

    def test_it_ends_with_its_supervisor(self, tmp_path: Path) -> None:
        """When the life pipe closes, the process ends as if it had been told to."""
        with running(tmp_path) as one:
            one.life.close()
            status, said = one.end()
        assert status == 0
        assert "the supervisor is gone: finishing" in said

    def test_it_shows_that_it_goes_on(self, tmp_path: Path) -> None:
        """From the moment at which it serves, every few seconds; stopped, it shows nothing."""
        feeling, beating = os.pipe()
        with os.fdopen(feeling, "rb", 0) as felt:
            with running(tmp_path, pulse=beating) as one:
                assert [felt.read(1) for _ in range(2)] == [PULSE] * 2
                one.process.send_signal(signal.SIGSTOP)
                assert os.waitid(os.P_PID, one.process.pid, os.WSTOPPED) is not None
                os.set_blocking(feeling, False)
                felt.read()
                time.sleep(PULSE_SECONDS + 1)
                assert felt.read() is None
                one.process.send_signal(signal.SIGCONT)
                os.set_blocking(feeling, True)
                assert felt.read(1) == PULSE
                one.process.terminate()
                assert one.end()[0] == 0
            assert felt.read() in {b"", PULSE}

    def test_a_second_signal_does_not_wait(self, tmp_path: Path) -> None:
        """A main that does not finish is cut short by the second signal, and says so."""
        with running(tmp_path, "hangs") as one:
            one.process.terminate()
            # Signals of one number that come at once are one; another number surely is not.
            one.process.send_signal(signal.SIGINT)
            status, said = one.end()
        assert status == 1
        assert "once more: ending now" in said

    def test_what_an_operator_can_correct_has_no_traceback(self, tmp_path: Path) -> None:
        """`ProcessFailed` is exit status 1 and its own lines."""
        with running(tmp_path, "fails") as one:
            one.process.terminate()
            status, said = one.end()
        assert status == 1
        assert "portal ERROR the store is gone\n" in said
        assert "portal ERROR bring it back\n" in said
        assert "Traceback" not in said

    def test_a_fault_of_ours_has_one(self, tmp_path: Path) -> None:
        """Any other exception is exit status 1 and a traceback, indented under its line."""
        with running(tmp_path, "breaks") as one:
            one.process.terminate()
            status, said = one.end()
        assert status == 1
        assert "    Traceback" in said
        assert "    ValueError: broken" in said


def line_of(message: str, *arguments: object) -> str:
    """Return the log line of *message* as a process called `edge-0` writes it."""
    record = logging.LogRecord("x", logging.WARNING, "", 0, message, arguments, None)
    record.created = 1_800_000_000.25
    return LineFormatter("edge-0").format(record)


class TestLogLine:
    def test_it_says_when_who_and_what(self) -> None:
        """Time in UTC, process, level, message."""
        assert line_of("refused %s", "x") == "2027-01-15T08:00:00.250Z edge-0 WARNING refused x"

    def test_a_stranger_cannot_begin_a_line(self) -> None:
        """Line ends and escape sequences in what was sent to us are written out."""
        assert line_of("host %s", "a\r\nb\x1b[2J\u2028c").endswith(r"host a\r\nb\x1b[2J\u2028c")

    def test_letters_of_all_languages_stay(self) -> None:
        """Escaping is for what does not print, not for what is not English."""
        assert line_of("Niccolò").endswith("Niccolò")


class TestLogFailure:
    def test_all_reasons_of_a_group_are_written(self, caplog: pytest.LogCaptureFixture) -> None:
        """Task groups collect failures; each is said."""
        log_failure(ExceptionGroup("", [ProcessFailed("one\ntwo"), NotASite("three")]))
        assert caplog.messages == ["one", "two", "three"]
        assert not any(record.exc_info for record in caplog.records)


class TestLifecycle:
    def test_ready_is_said_once(self) -> None:
        """A process that serves twice has only begun once."""
        said: list[str] = []
        lifecycle = Lifecycle("portal", lambda: said.append("ready"))
        lifecycle.ready()
        lifecycle.ready()
        assert said == ["ready"]

    def test_stop_is_for_good(self) -> None:
        """Stopping is an event that stays set."""
        lifecycle = Lifecycle("portal")
        assert not lifecycle.stopping.is_set()
        lifecycle.stop()
        lifecycle.stop()
        assert lifecycle.stopping.is_set()
