import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.bootstrap.folder import locate
from gateway.bootstrap.keeper import (
    FIRST_DELAY,
    HEALTHY_SECONDS,
    LONGEST_DELAY,
    Keeper,
    Program,
    how_it_ended,
    restart_delay,
)
from gateway.bootstrap.listeners import open_listeners
from gateway.bootstrap.process import ProcessFailed
from gateway.bootstrap.reloading import Reloading
from gateway.config import read_site
from gateway.core.site import Site
from gateway.supervisor import PROCESSES, _Supervision, limit_of, prepare, serve

# A stand-in for a process of a site: it says that it serves, and ends when it is told to or
# when the life pipe closes. What else it does stands behind its own options.
CHILD = """
import argparse, os, selectors, signal, socket, sys, time

parser = argparse.ArgumentParser()
parser.add_argument("--ready-fd", type=int)
parser.add_argument("--life-fd", type=int)
parser.add_argument("--name")
parser.add_argument("--journal")
parser.add_argument("--listen-fd", type=int)
parser.add_argument("--fail", action="store_true")
parser.add_argument("--deaf", action="store_true")
parser.add_argument("--mute", action="store_true")
options = parser.parse_args()


def note(event):
    with open(options.journal, "a") as journal:
        journal.write(f"{options.name} {event} {os.getpid()}\\n")


if options.fail:
    note("failed")
    sys.exit(3)


def told(number, frame):
    note("told")
    if not options.deaf:
        sys.exit(0)


signal.signal(signal.SIGTERM, told)
note("started " + ",".join(sorted(os.listdir("/proc/self/fd"))) + " " +
     str("NOTIFY_SOCKET" in os.environ))
selector = selectors.DefaultSelector()
selector.register(options.life_fd, selectors.EVENT_READ, "life")
if options.listen_fd is not None:
    listener = socket.socket(fileno=options.listen_fd)
    listener.listen(16)
    selector.register(listener, selectors.EVENT_READ, "listener")
if not options.mute:
    os.write(options.ready_fd, b"ready\\n")
os.close(options.ready_fd)
while True:
    for key, _ in selector.select():
        if key.data == "life":
            note("orphaned")
            sys.exit(0)
        connection, _ = listener.accept()
        with connection:
            connection.sendall(str(os.getpid()).encode())
"""

# Runs `run_stages` on the table that a test wrote; a program of its own, for signals need one.
PARENT = """
import sys
from pathlib import Path
from gateway.bootstrap.keeper import Program
from gateway.bootstrap.listeners import open_listeners
from gateway.bootstrap.process import start_log
from gateway.supervisor import run_stages

start_log("supervisor")
folder = Path(sys.argv[1])


def child(name, *options, descriptors=()):
    command = (sys.executable, str(folder / "child.py"), "--name", name)
    return Program(name, (*command, "--journal", str(folder / "journal"), *options), descriptors)


(listener,) = open_listeners("127.0.0.1", 0, 1)
fd = str(listener.fileno())
(folder / "port").write_text(str(listener.getsockname()[1]))
secret = open(folder / "secret")
table = {table}
sys.exit(
    run_stages(
        table,
        limit={limit},
        on_ready=lambda: (folder / "ready").touch(),
        on_stopping=listener.close,
    )
)
"""

INNER_AND_WORKER = """[
    [child("portal"), child("authority")],
    [child("edge-0", "--listen-fd", fd, descriptors=(listener.fileno(),))],
]"""


class Supervised:
    """A supervisor in a process of its own, with what its children wrote down."""

    def __init__(self, folder: Path, process: "subprocess.Popen[str]") -> None:
        self.folder = folder
        self.process = process

    def journal(self) -> list[tuple[str, ...]]:
        """Return what the children noted, each as (name, event, ..., pid)."""
        path = self.folder / "journal"
        if not path.exists():
            return []
        return [tuple(line.split()) for line in path.read_text().splitlines()]

    def events(self, event: str) -> list[str]:
        """Return the names of the children that noted *event*, in order."""
        return [line[0] for line in self.journal() if line[1] == event]

    def pids(self, name: str) -> list[int]:
        """Return the process numbers that *name* has had."""
        return [int(line[-1]) for line in self.journal() if line[:2] == (name, "started")]

    def wait_ready(self) -> None:
        """Wait until all of the table serves."""
        until((self.folder / "ready").exists)

    def end(self) -> str:
        """Wait until the supervisor has ended, and return its log."""
        _, log = self.process.communicate(timeout=20)
        return log


def until(holds: Callable[[], bool]) -> None:
    """Wait until *holds*; fail after ten seconds."""
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end, "waited for ten seconds in vain"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    """Say whether the process *pid* runs."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@contextmanager
def supervised(
    folder: Path, table: str = INNER_AND_WORKER, limit: float = 5
) -> Iterator[Supervised]:
    """Run a supervisor over *table* in *folder*; kill it at the end if it still runs."""
    (folder / "child.py").write_text(CHILD)
    (folder / "secret").write_text("not for children")
    (folder / "parent.py").write_text(PARENT.format(table=table, limit=limit))
    process = subprocess.Popen(
        [sys.executable, str(folder / "parent.py"), str(folder)],
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        process_group=0,
        env={**os.environ, "NOTIFY_SOCKET": str(folder / "notify")},
    )
    with process:
        try:
            yield Supervised(folder, process)
        finally:
            process.kill()


class TestRestartDelay:
    def test_the_first_restart_comes_at_once(self) -> None:
        """A first crash costs a tenth of a second."""
        assert restart_delay(None, 0.0) == FIRST_DELAY == 0.1

    def test_it_doubles_up_to_a_ceiling(self) -> None:
        """A process that keeps crashing is started ever more seldom, to every five seconds."""
        delays = [restart_delay(None, 0.0)]
        for _ in range(8):
            delays.append(restart_delay(delays[-1], 1.0))
        assert delays == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]
        assert delays[-1] == LONGEST_DELAY

    def test_a_long_life_is_a_new_beginning(self) -> None:
        """A crash after half a minute has nothing to do with those before."""
        assert restart_delay(5.0, HEALTHY_SECONDS) == FIRST_DELAY
        assert restart_delay(5.0, HEALTHY_SECONDS - 0.1) == LONGEST_DELAY


@pytest.mark.parametrize(
    "status, words",
    [
        (0, "ended with exit status 0"),
        (3, "ended with exit status 3"),
        (-9, "was ended by SIGKILL"),
        (-63, "was ended by signal 63"),
    ],
)
def test_an_exit_status_is_said_in_words(status: int, words: str) -> None:
    """A log line names the signal or the status."""
    assert how_it_ended(status) == words


class TestOrder:
    def test_edges_start_last_and_end_first(self, tmp_path: Path) -> None:
        """Portal and authority serve before a worker starts, and outlive the last one."""
        with supervised(tmp_path) as site:
            site.wait_ready()
            assert sorted(site.events("started")[:2]) == ["authority", "portal"]
            assert site.events("started")[2:] == ["edge-0"]
            site.process.terminate()
            site.end()
            assert site.process.returncode == 0
            assert site.events("told")[0] == "edge-0"
            assert sorted(site.events("told")[1:]) == ["authority", "portal"]
            assert not any(map(alive, site.pids("edge-0") + site.pids("portal")))

    def test_a_first_start_that_fails_ends_everything(self, tmp_path: Path) -> None:
        """A portal that cannot start leaves nothing behind, and the status says so."""
        table = '[[child("portal", "--fail"), child("authority")], [child("edge-0")]]'
        with supervised(tmp_path, table) as site:
            log = site.end()
            assert site.process.returncode == 1
            assert "portal ended with exit status 3 before it served" in log
            assert site.events("started") in (["authority"], [])
            assert not any(map(alive, site.pids("authority")))

    def test_a_program_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        """A command that cannot be run is an error with its name, not a traceback."""
        table = '[[Program("portal", ("/nowhere/portal",))]]'
        with supervised(tmp_path, table) as site:
            log = site.end()
            assert site.process.returncode == 1
            assert "/nowhere/portal" in log
            assert "Traceback" not in log

    def test_a_stop_during_the_start_is_heard(self, tmp_path: Path) -> None:
        """SIGTERM while a process has not yet served ends all and counts as asked for."""
        with supervised(tmp_path, '[[child("portal", "--mute")], [child("edge-0")]]') as site:
            until(lambda: site.events("started") == ["portal"])
            site.process.terminate()
            site.end()
            assert site.process.returncode == 0
            assert site.events("started") == ["portal"]
            assert not any(map(alive, site.pids("portal")))


class TestCrash:
    def test_a_killed_worker_is_started_again(self, tmp_path: Path) -> None:
        """A worker that was killed is replaced, and the log says by what it died."""
        with supervised(tmp_path) as site:
            site.wait_ready()
            (first,) = site.pids("edge-0")
            os.kill(first, signal.SIGKILL)
            until(lambda: len(site.pids("edge-0")) == 2)
            assert len(site.pids("portal")) == 1
            site.process.terminate()
            assert "edge-0 was ended by SIGKILL; starting it again in 0.1 s" in site.end()
            assert site.process.returncode == 0

    def test_connections_wait_for_the_new_worker(self, tmp_path: Path) -> None:
        """A connection made while there is no worker is answered by the next one."""
        with supervised(tmp_path) as site:
            site.wait_ready()
            port = int((tmp_path / "port").read_text())
            (first,) = site.pids("edge-0")
            os.kill(first, signal.SIGSTOP)
            with socket.create_connection(("127.0.0.1", port), timeout=10) as waiting:
                os.kill(first, signal.SIGKILL)
                answer = waiting.recv(100)
            assert int(answer) == site.pids("edge-0")[1] != first
            site.process.terminate()
            site.end()

    def test_after_the_end_nobody_listens(self, tmp_path: Path) -> None:
        """While and after the site ends, new connections are refused, not left hanging."""
        with supervised(tmp_path) as site:
            site.wait_ready()
            port = int((tmp_path / "port").read_text())
            site.process.terminate()
            site.end()
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port), timeout=5)


class TestEnd:
    def test_ctrl_c_reaches_the_supervisor_alone(self, tmp_path: Path) -> None:
        """SIGINT to the terminal's process group ends all in order, without a traceback."""
        with supervised(tmp_path) as site:
            site.wait_ready()
            os.killpg(site.process.pid, signal.SIGINT)
            log = site.end()
            assert site.process.returncode == 0
            assert site.events("told")[0] == "edge-0"
            assert "Traceback" not in log

    def test_who_does_not_end_is_killed(self, tmp_path: Path) -> None:
        """A process that is deaf to SIGTERM is killed when its time is over."""
        with supervised(tmp_path, '[[child("portal", "--deaf")]]', limit=0.3) as site:
            site.wait_ready()
            site.process.terminate()
            assert "portal has not ended in time: killing it" in site.end()
            assert site.process.returncode == 0
            assert not any(map(alive, site.pids("portal")))

    def test_a_second_signal_hastens(self, tmp_path: Path) -> None:
        """Asking twice cuts a long patience short."""
        table = '[[child("portal", "--deaf")], [child("edge-0", "--deaf")]]'
        with supervised(tmp_path, table, limit=60) as site:
            site.wait_ready()
            site.process.send_signal(signal.SIGINT)
            until(lambda: site.events("told") == ["edge-0"])
            site.process.send_signal(signal.SIGINT)
            site.end()
            assert site.process.returncode == 0
            assert not any(map(alive, site.pids("portal") + site.pids("edge-0")))

    def test_nobody_survives_a_killed_supervisor(self, tmp_path: Path) -> None:
        """The life pipe closes with the supervisor, even when SIGKILL took it."""
        with supervised(tmp_path) as site:
            site.wait_ready()
            pids = site.pids("portal") + site.pids("authority") + site.pids("edge-0")
            site.process.kill()
            until(lambda: not any(map(alive, pids)))
            assert sorted(site.events("orphaned")) == ["authority", "edge-0", "portal"]

    def test_a_hangup_of_a_service_changes_nothing(self, tmp_path: Path) -> None:
        """SIGHUP without a terminal is left to reloading, which happens by itself."""
        with supervised(tmp_path) as site:
            site.wait_ready()
            site.process.send_signal(signal.SIGHUP)
            site.process.terminate()
            assert "SIGHUP: nothing to do" in site.end()
            assert site.process.returncode == 0


def test_a_child_inherits_only_what_its_row_names(tmp_path: Path) -> None:
    """Besides 0, 1, 2 and the two pipes, a child has only its descriptors open."""
    with supervised(tmp_path) as site:
        site.wait_ready()
        counts = {
            line[0]: len(line[2].split(",")) for line in site.journal() if line[1] == "started"
        }
        # Looking at /proc/self/fd opens one more.
        assert counts == {"portal": 6, "authority": 6, "edge-0": 7}
        assert {line[3] for line in site.journal() if line[1] == "started"} == {"False"}
        site.process.terminate()
        site.end()


def test_systemd_hears_when_the_site_serves_and_ends(tmp_path: Path) -> None:
    """READY comes once everything serves, STOPPING when the end begins (sd_notify)."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(10)
        with supervised(tmp_path) as site:
            assert systemd.recv(100) == b"READY=1"
            assert len(site.events("started")) == 3
            site.process.terminate()
            assert systemd.recv(100) == b"STOPPING=1"
            site.end()


async def test_systemd_hears_the_end_of_a_reload_that_is_broken_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would wait for that, and end the site when it takes too long."""
    reloading = Reloading(locate(write_site(tmp_path, "[site]\nhost = 'a.example'\n")), None)
    supervision = _Supervision((), 1, reloading)
    keeper = Keeper(Program("edge-0", (), reloads=True), 0)
    ours, theirs = socket.socketpair()
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd, theirs:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(10)
        async with keeper._controlled(ours):
            supervision._running.append([keeper])
            reload = asyncio.get_running_loop().create_task(supervision.reload())
            assert (await asyncio.to_thread(systemd.recv, 100)).startswith(b"RELOADING=1\n")
            reload.cancel()
            await asyncio.gather(reload, return_exceptions=True)
        assert systemd.recv(100) == b"READY=1"


def write_site(folder: Path, settings: str) -> Path:
    """Write a site that has nothing but its files of settings."""
    (folder / "apps").mkdir()
    (folder / "pusterla.toml").write_text(settings)
    return folder


@pytest.fixture
def free_port() -> int:
    """Return a port that nobody had a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class TestServe:
    def test_a_folder_that_is_no_site_is_refused(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Without pusterla.toml nothing starts, and the message says what to do."""
        assert serve(tmp_path) == 1
        assert "pusterla init" in capsys.readouterr().err

    def test_all_problems_are_said_and_nothing_starts(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A wrong configuration is refused with every problem and its place."""
        write_site(tmp_path, "[site]\nhots = 'a.example'\n[listen]\nworkers = 0\n")
        (tmp_path / "apps" / "wiki.toml").write_text("hst = 1\n")
        assert serve(tmp_path) == 1
        said = capsys.readouterr().err
        for place in ("hots", "workers", "hst", "nothing was started"):
            assert place in said
        assert "Traceback" not in said

    def test_a_port_in_use_is_an_error_with_a_way_out(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The port that is taken is named."""
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]
            site = f"[site]\nhost = 'a.example'\nport = {port}\nhttp_port = 1\n"
            write_site(tmp_path, site + "[listen]\naddress = '127.0.0.1'\n")
            assert serve(tmp_path) == 1
        assert f"port {port} on 127.0.0.1 is in use" in capsys.readouterr().err


class TestPrepare:
    @pytest.fixture
    def site(self, tmp_path: Path, free_port: int) -> Site:
        """Return the site of a folder, with two workers."""
        ports = f"port = {free_port}\nhttp_port = {free_port + 1}\n"
        listen = "[listen]\naddress = '127.0.0.1'\nworkers = 2\n"
        write_site(tmp_path, "[site]\nhost = 'a.example'\n" + ports + listen)
        read = read_site(tmp_path / "pusterla.toml")
        assert isinstance(read, Site)
        return read

    def test_the_whole_table(self, tmp_path: Path, site: Site) -> None:
        """Portal, authority and verifier first, then a worker for each pair of sockets."""
        processes = prepare(locate(tmp_path), site, PROCESSES)
        inner, workers = processes.stages
        assert [program.name for program in inner] == ["portal", "authority", "verifier"]
        assert [program.descriptors for program in inner] == [(), (), ()]
        assert [program.name for program in workers] == ["edge-0", "edge-1"]
        inherited = [fd for program in workers for fd in program.descriptors]
        assert len(set(inherited)) == 4
        for program in workers:
            https, http = program.descriptors
            assert f"--https-fd {https} --http-fd {http}" in " ".join(program.command)
        # What they stand still for waits for ever; the others are asked by them.
        assert all(program.pulseless_seconds for program in workers)
        processes.close()
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(inherited[0])

    @pytest.mark.parametrize("name", ["portal", "authority", "verifier"])
    def test_one_process_alone_opens_no_port(self, tmp_path: Path, site: Site, name: str) -> None:
        """`--only portal` is a table of one row and no socket."""
        processes = prepare(locate(tmp_path), site, frozenset({name}))
        assert [[program.name for program in stage] for stage in processes.stages] == [[name]]
        assert processes.stages[0][0].descriptors == ()

    def test_an_unknown_process_is_a_mistake_of_the_caller(
        self, tmp_path: Path, site: Site
    ) -> None:
        """A misspelt name does not run everything or nothing in silence."""
        with pytest.raises(ValueError, match="prtal"):
            prepare(locate(tmp_path), site, frozenset({"prtal"}))

    def test_a_process_is_given_the_time_to_drain(self, site: Site) -> None:
        """Nobody is killed while the edge may still be draining."""
        assert limit_of(site) > site.limits.drain.total_seconds()


class TestListeners:
    def test_workers_share_one_port(self) -> None:
        """Each worker has a socket of its own, all on the same port, closed on exec."""
        sockets = open_listeners("127.0.0.1", 0, 3)
        assert len({made.getsockname() for made in sockets}) == 1
        assert not any(made.get_inheritable() for made in sockets)
        for made in sockets:
            made.close()

    @pytest.mark.parametrize("shared", [True, False])
    def test_a_port_in_use_is_named(self, shared: bool) -> None:
        """Who listens already is met, even where he would share the port with us."""
        with socket.socket() as other:
            if shared:
                other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]
            with pytest.raises(ProcessFailed, match=f"port {port} on 127.0.0.1 is in use"):
                open_listeners("127.0.0.1", port, 2)

    def test_an_address_of_another_machine_is_explained(self) -> None:
        """An address that we do not have is told apart from a port in use."""
        with pytest.raises(ProcessFailed, match="not an address of this machine"):
            open_listeners("192.0.2.1", 0, 1)
