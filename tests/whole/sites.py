"""A site as an administrator makes and runs it: by the command, as processes of its own.

What takes long through the command (people and certificates by the dozen) is done through the
functions that the command itself calls.
"""

import asyncio
import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import SystemRandom
from typing import Any, TypeVar

from gateway.bootstrap.command import Command, open_command
from gateway.bootstrap.creation import NewSite, create_site
from gateway.bootstrap.folder import SiteFolder, clock, open_folder
from gateway.core.audit import AuditEvent
from gateway.core.cookies import COOKIE_NAME

PUSTERLA = str(Path(sys.executable).with_name("pusterla"))
HOST = "pusterla.localhost"
PUBLIC_HOST = f"public.{HOST}"

PASSWORD = "correct horse battery staple"
SECRETS = (PASSWORD, COOKIE_NAME, "ticket=")
"""What must be in no log, whatever happened."""

STARTED_WITHIN = 30.0
ENDED_WITHIN = 30.0
COMMAND_WITHIN = 30.0
SEEN_WITHIN = 10.0
_LOOK = 0.02
# Below ip_local_port_range of ip(7) as Linux has it.
_PORTS = range(20_000, 32_000)

T = TypeVar("T")


class NotInTime(AssertionError):
    """Something that was waited for did not come."""


def wait_for(what: str, ask: Callable[[], T | None], *, within: float = SEEN_WITHIN) -> T:
    """Ask until the answer is neither None nor false, and return it; or raise `NotInTime`."""
    end = time.monotonic() + within
    while True:
        if answer := ask():
            return answer
        if time.monotonic() > end:
            raise NotInTime(f"{what}: not within {within:g} s")
        time.sleep(_LOOK)


def free_ports(count: int) -> list[int]:
    """Return *count* ports on which nobody listens at this moment, each a different one.

    None of those that the kernel gives to connections: one might be in use a moment later.
    """
    found: list[int] = []
    for port in SystemRandom().sample(_PORTS, len(_PORTS)):
        with socket.socket() as one, suppress(OSError):
            one.bind(("127.0.0.1", port))
            found.append(port)
        if len(found) == count:
            return found
    raise AssertionError("no port is free")


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command of ours ended."""

    status: int
    out: str
    err: str

    def json(self) -> Any:
        """Read what it printed as JSON."""
        return json.loads(self.out)


@dataclass(slots=True)
class LiveSite:
    """One site folder and, between `start` and `stop`, its processes."""

    folder: SiteFolder
    port: int
    http_port: int
    log: Path
    _supervisor: "subprocess.Popen[bytes] | None" = field(default=None, init=False)

    # Addresses --------------------------------------------------------------

    def url(self, host: str, path: str = "/") -> str:
        """Return the address of *path* on *host*, over TLS."""
        return f"https://{host}:{self.port}{path}"

    def portal(self, path: str = "/") -> str:
        """Return an address of the portal."""
        return self.url(HOST, path)

    def plain(self, path: str, host: str = PUBLIC_HOST) -> str:
        """Return the address of *path* on plain http."""
        return f"http://{host}:{self.http_port}{path}"

    # The command ------------------------------------------------------------

    def command(self, *arguments: str, stdin: str = "", status: int = 0) -> Ran:
        """Run `pusterla --site DIR ARGUMENTS` and expect exit *status*."""
        return run_command("--site", str(self.folder.path), *arguments, stdin=stdin, status=status)

    def work(self, do: Callable[[Command], Awaitable[T]]) -> T:
        """Do what a command does, without a process of its own."""

        async def go() -> T:
            async with open_command(self.folder) as command:
                return await do(command)

        return asyncio.run(go())

    # Processes --------------------------------------------------------------

    def start(self) -> None:
        """Start the site and return when it serves."""
        mark = self.log_size()
        with self.log.open("ab") as log:
            self._supervisor = subprocess.Popen(
                [PUSTERLA, "--site", str(self.folder.path), "serve"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        supervisor = self._supervisor

        def serving() -> bool:
            if supervisor.poll() is not None:
                raise AssertionError(f"serve ended at once:\n{self.log_since(mark)}")
            return f"serving {self.url(HOST).rstrip('/')} with" in self.log_since(mark)

        try:
            wait_for("serve", serving, within=STARTED_WITHIN)
        except NotInTime as error:
            raise NotInTime(f"{error}\n{self.log_since(mark)}") from None

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the supervisor."""
        assert self._supervisor is not None
        self._supervisor.send_signal(number)

    def wait(self) -> int:
        """Wait until the supervisor has ended; return its exit status."""
        assert self._supervisor is not None
        return self._supervisor.wait(ENDED_WITHIN)

    def stop(self) -> int | None:
        """End the site by SIGTERM, if it runs; return the supervisor's exit status."""
        if self._supervisor is None:
            return None
        if self._supervisor.poll() is None:
            self.send(signal.SIGTERM)
            try:
                self.wait()
            except subprocess.TimeoutExpired:
                self._supervisor.kill()
                self._supervisor.wait()
                raise
        status, self._supervisor = self._supervisor.returncode, None
        return status

    def processes(self) -> dict[str, int]:
        """Return the pids of the supervisor's children that run now, by their names in the log."""
        assert self._supervisor is not None
        found = {}
        for pid, command in children(self._supervisor.pid):
            match = re.search(r"gateway\.bootstrap\.(\w+)", command)
            index = re.search(r"--index (\d+)", command)
            if match:
                found[match[1] + (f"-{index[1]}" if index else "")] = pid
        return found

    def workers(self) -> list[int]:
        """Return the pids of the edge's workers."""
        return [pid for name, pid in self.processes().items() if name.startswith("edge-")]

    def worker_of(self, connection: socket.socket) -> int:
        """Return the pid of the worker that serves *connection*, a client's end of it."""
        inode = wait_for("the worker's end", lambda: self._inode_of(connection.getsockname()[1]))
        target = f"socket:[{inode}]"
        for pid in self.workers():
            for descriptor in Path(f"/proc/{pid}/fd").iterdir():
                try:
                    if str(descriptor.readlink()) == target:
                        return pid
                except OSError:
                    continue
        raise AssertionError(f"no worker has the connection from port {connection.getsockname()}")

    def _inode_of(self, client_port: int) -> int | None:
        # Columns of /proc/net/tcp (proc(5)): sl, local, remote, state, …, the tenth is the inode.
        for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
            columns = line.split()
            local, remote = (int(columns[at].rpartition(":")[2], 16) for at in (1, 2))
            if (local, remote) == (self.port, client_port) and (inode := int(columns[9])):
                return inode
        return None

    # Log and audit ----------------------------------------------------------

    def access_lines(self) -> list[dict[str, Any]]:
        """Return the lines of the access log; each must be whole."""
        path = self.folder.log / "access.jsonl"
        data = path.read_bytes() if path.is_file() else b""
        assert not data or data.endswith(b"\n")
        return [json.loads(line) for line in data.splitlines()]

    def wait_for_access(self, number: str) -> dict[str, Any]:
        """Wait for the line of the request *number* in the access log."""

        def look() -> dict[str, Any] | None:
            return next((line for line in self.access_lines() if line["id"] == number), None)

        return wait_for(f"the line of {number}", look)

    def log_size(self) -> int:
        """Return where the log ends now, for `log_since`."""
        return self.log.stat().st_size if self.log.exists() else 0

    def log_since(self, mark: int) -> str:
        """Return what was logged since *mark*."""
        with self.log.open("rb") as log:
            log.seek(mark)
            return log.read().decode()

    def wait_for_log(self, pattern: str, mark: int) -> str:
        """Wait for a line of the log since *mark* in which *pattern* is found; return it."""

        def look() -> str | None:
            lines = self.log_since(mark).splitlines()
            return next((line for line in lines if re.search(pattern, line)), None)

        try:
            return wait_for(f"a log line with {pattern!r}", look)
        except NotInTime as error:
            raise NotInTime(f"{error}; there was:\n{self.log_since(mark)}") from None

    def audit(self) -> list[AuditEvent]:
        """Return the newest events of the audit log, oldest first."""
        lines = self.work(lambda command: command.store.audit_tail(400))
        return [line.event for line in lines]

    def find_audit(self, **wanted: str) -> list[AuditEvent]:
        """Return the events of the audit log whose fields are as *wanted*, oldest first."""
        return [
            event
            for event in self.audit()
            if all(str(getattr(event, name)) == value for name, value in wanted.items())
        ]

    def wait_for_audit(self, **wanted: str) -> AuditEvent:
        """Wait for an event of the audit log whose fields are as *wanted*; return the newest."""
        return wait_for(f"an audit line with {wanted}", lambda: self.find_audit(**wanted))[-1]


def children(parent: int) -> Iterator[tuple[int, str]]:
    """Yield pid and command line of every process whose parent is *parent*."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            # The name, in parentheses, may hold anything; the parent is the second field behind it.
            ppid = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (OSError, ValueError):
            continue
        if ppid == parent:
            yield int(entry.name), command


def run_command(*arguments: str, stdin: str = "", status: int = 0) -> Ran:
    """Run `pusterla ARGUMENTS` and expect exit *status*."""
    ran = subprocess.run(
        [PUSTERLA, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=COMMAND_WITHIN,
        check=False,
    )
    assert ran.returncode == status, f"{arguments}: {ran.returncode}\n{ran.stdout}{ran.stderr}"
    return Ran(ran.returncode, ran.stdout, ran.stderr)


def make_site(directory: Path, *, settings: Iterable[tuple[str, str]] = ()) -> LiveSite:
    """Make a site with two workers by `pusterla init`, on free ports; *settings* are keys to set."""
    port, http_port = free_ports(2)
    run_command("init", str(directory), "--host", HOST, "--port", str(port))
    folder = open_folder(directory)
    choose(folder, ("http_port", str(http_port)), ("workers", "2"), *settings)
    return LiveSite(folder, port, http_port, directory.with_suffix(".log"))


def make_site_in(directory: Path, store_url: str) -> LiveSite:
    """Make a site whose store is the empty database at *store_url*, which `init` has no word for."""
    port, http_port = free_ports(2)
    wished = NewSite(HOST, port, http_port=http_port, workers=2, store_url=store_url)
    folder = asyncio.run(create_site(directory, wished, clock, lambda _: None))
    return LiveSite(folder, port, http_port, directory.with_suffix(".log"))


def choose(folder: SiteFolder, *settings: tuple[str, str]) -> None:
    """Set keys in pusterla.toml, which names every key, behind a # where it is at its default.

    A key that several tables have is named with its table, as in ``metrics.port``.
    """
    text = folder.settings.read_text(encoding="utf-8")
    for name, value in settings:
        table, _, key = name.rpartition(".")
        place = rf"^\[{table}\]\n(?:(?!\[).*\n)*?" if table else ""
        text, count = re.subn(rf"(?m)({place})^# {key} = .*$", rf"\g<1>{key} = {value}", text)
        assert count == 1, f"{name} is not in the settings that init writes"
    folder.settings.write_text(text, encoding="utf-8")


@contextmanager
def running(site: LiveSite) -> Iterator[LiveSite]:
    """Run *site* for the length of a block, and see what its log and audit log came to."""
    site.start()
    try:
        yield site
    finally:
        site.stop()
    said = site.log_since(0)
    assert "Traceback" not in said, said
    access = json.dumps(site.access_lines())
    for secret in SECRETS:
        assert secret not in said, f"{secret} is in the log"
        assert secret not in access, f"{secret} is in the access log"
    assert site.work(lambda command: command.store.audit_break()) is None
