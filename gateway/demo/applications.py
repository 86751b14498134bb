"""The applications of the demo: real ones, unmodified, that nobody here wrote.

Run as a program this is one of them in the clothes of a process of ours: it says when the
application serves, ends it when it is told to, and never outlives the demo. So the supervisor
keeps them like everything else.
"""

import asyncio
import os
import signal
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO

from gateway.bootstrap.process import (
    Lifecycle,
    ProcessFailed,
    argument_parser,
    leave,
    read_arguments,
    run_process,
)

END_SECONDS = 3.0
"""How long an application may take to end before it is killed."""

_ASK_SECONDS = 0.1
_BIG_FILE = 300 * 1024 * 1024
_PARTS = (
    ("Bearing 6204", "A-03", 42),
    ("V-belt 13x1250", "B-11", 7),
    ("Relay 24 V", "C-02", 120),
    ("Seal ring 35x52x7", "A-07", 0),
)


@dataclass(frozen=True, slots=True)
class DemoApp:
    """One application. *group* may reach it; *health* answers 200 once it serves.

    *title* is what the sheet says of it, *label* and *description* what the portal does; its
    picture there is files/NAME.svg.
    """

    name: str
    module: str
    title: str
    label: str
    description: str
    group: str
    health: str
    prepare: Callable[["Place"], None]
    arguments: Callable[["Place", int], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Place:
    """The folder of the applications: everything that they write is below it.

    *portal* is where somebody who signs out in an application is sent.
    """

    folder: Path
    portal: str

    @property
    def data(self) -> Path:
        """What the applications show."""
        return self.folder / "data"

    @property
    def home(self) -> Path:
        """What they take for the home of whoever runs them."""
        return self.folder / "home"

    def log(self, name: str) -> Path:
        """Where the application *name* writes what it has to say."""
        return self.folder / "logs" / f"{name}.log"

    def make(self) -> None:
        """Make the folders that all of them need."""
        for folder in (self.data, self.home / "config", self.log("any").parent):
            folder.mkdir(parents=True, exist_ok=True)

    def environment(self) -> dict[str, str]:
        """Return the environment of an application: of ours nothing but the paths of programs."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
        folders = {
            f"XDG_{kind.upper()}_HOME": str(self.home / kind)
            for kind in ("config", "cache", "state", "data")
        }
        return kept | folders | {"HOME": str(self.home), "PYTHONDONTWRITEBYTECODE": "1"}


def _prepare_bench(place: Place) -> None:
    text = files("gateway.demo").joinpath("files/bench.txt").read_text(encoding="utf-8")
    (place.data / "bench.py").write_text(text, encoding="utf-8")


def _bench(place: Place, port: int) -> tuple[str, ...]:
    # `run` and not `edit`: that would run the code of everybody who finds the port.
    options = "--headless --no-token --no-check --no-sandbox --session-ttl 10 --host 127.0.0.1"
    notebook = str(place.data / "bench.py")
    return ("--quiet", "--yes", "run", notebook, *options.split(), "--port", str(port))


def _prepare_files(place: Place) -> None:
    shared = place.data / "files"
    shared.mkdir(exist_ok=True)
    (place.home / "hist").mkdir(exist_ok=True)
    (shared / "welcome.txt").write_text("Behind the narrow door.\n", encoding="utf-8")
    with (shared / "big.bin").open("wb") as big:
        # Takes no room on the disk, and long enough to be cut while it comes.
        big.truncate(_BIG_FILE)


def _files(place: Place, port: int) -> tuple[str, ...]:
    options = (
        "-q --http-only --rproxy 1 --xff-src 127.0.0.1/32 --idp-store 0 --no-bauth --name files "
        "--idp-h-usr x-forwarded-user --idp-h-grp x-forwarded-groups --du-who no "
        "--ban-403 no --ban-404 no --ban-422 no --ban-url no --ban-pw no -i 127.0.0.1"
    )
    history = ("--hist", str(place.home / "hist"))
    # @acct: everybody whose name the gateway tells.
    volume = ("-v", f"{place.data / 'files'}::rwmd,@acct")
    return (*options.split(), "-p", str(port), *history, "--idp-logout", place.portal, *volume)


def _prepare_parts(place: Place) -> None:
    with closing(sqlite3.connect(place.data / "parts.db")) as database, database:
        database.execute(
            "CREATE TABLE IF NOT EXISTS spare_part"
            " (id INTEGER PRIMARY KEY, name TEXT, shelf TEXT, stock INTEGER)"
        )
        insert = "INSERT INTO spare_part (name, shelf, stock) VALUES (?, ?, ?)"
        database.executemany(insert, _PARTS)


def _parts(place: Place, port: int) -> tuple[str, ...]:
    options = ("--quiet", "--no-browser", "--host", "127.0.0.1", "--port", str(port))
    return (*options, str(place.data / "parts.db"))


DEMO_APPS = {
    app.name: app
    for app in (
        DemoApp(
            name="bench",
            module="marimo",
            title="a live notebook (marimo): all that it shows comes over a WebSocket",
            label="Test bench",
            description="Measurements, live, in a notebook",
            group="technicians",
            health="/health",
            prepare=_prepare_bench,
            arguments=_bench,
        ),
        DemoApp(
            name="files",
            module="copyparty",
            title="a file server (copyparty): knows you by the header of the gateway",
            label="Files",
            description="Drawings and manuals, to read and to leave",
            group="technicians",
            health="/",
            prepare=_prepare_files,
            arguments=_files,
        ),
        DemoApp(
            name="parts",
            module="sqlite_web.sqlite_web",
            title="a database in the browser (sqlite-web)",
            label="Spare parts",
            description="What is in stock, and on which shelf",
            group="storekeepers",
            health="/",
            prepare=_prepare_parts,
            arguments=_parts,
        ),
    )
}


def missing_modules() -> list[str]:
    """Return what is not installed of the applications."""
    packages = (app.module.partition(".")[0] for app in DEMO_APPS.values())
    return [package for package in packages if find_spec(package) is None]


async def serve_app(app: DemoApp, place: Place, port: int, lifecycle: Lifecycle) -> None:
    """Run *app* on *port* of the loopback until *lifecycle* stops; `ProcessFailed` if it ends."""
    with place.log(app.name).open("ab") as log:
        process = await _start(app, place, port, log)
        with _ended_with_us(process):
            async with asyncio.TaskGroup() as group:
                ended = group.create_task(process.wait())
                asking = group.create_task(_tell_when_it_answers(port, app.health, lifecycle))
                stopping = group.create_task(lifecycle.stopping.wait())
                await asyncio.wait({ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
                asking.cancel()
                stopping.cancel()
                if not lifecycle.stopping.is_set():
                    raise ProcessFailed(
                        f"{app.name} ended with {process.returncode}; see {place.log(app.name)}"
                    )
                _signal(process, signal.SIGTERM)
                with suppress(TimeoutError):
                    async with asyncio.timeout(END_SECONDS):
                        await asyncio.shield(ended)
                _signal(process, signal.SIGKILL)


async def _start(
    app: DemoApp, place: Place, port: int, log: BinaryIO
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", app.module, *app.arguments(place, port)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        cwd=place.data,
        env=place.environment(),
        # Its own children are in its group, and end with it.
        start_new_session=True,
    )


@contextmanager
def _ended_with_us(process: asyncio.subprocess.Process) -> Iterator[None]:
    try:
        yield
    finally:
        _signal(process, signal.SIGKILL)


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


async def _tell_when_it_answers(port: int, path: str, lifecycle: Lifecycle) -> None:
    request = f"GET {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
    while True:
        with suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(request)
                line = await reader.readline()
            finally:
                writer.close()
            if line.split()[1:2] == [b"200"]:
                lifecycle.ready()
                return
        await asyncio.sleep(_ASK_SECONDS)


def main() -> int:
    """Run one application; return the exit status."""
    parser = argument_parser("applications", "One of the demo's applications.")
    parser.prog = "python -m gateway.demo.applications"
    parser.add_argument("--app", choices=sorted(DEMO_APPS), required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--portal", required=True)
    options = parser.parse_args()
    arguments = read_arguments(options)
    app, place = DEMO_APPS[options.app], Place(arguments.site, options.portal)
    return run_process(
        lambda lifecycle: serve_app(app, place, options.port, lifecycle), app.name, arguments
    )


if __name__ == "__main__":
    leave(main())
