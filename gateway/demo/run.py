"""`pusterla demo`: a throwaway site with real applications behind it.

Made with the same functions as the command's, run by the same supervisor as `pusterla serve`.
"""

import asyncio
import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TextIO

from ca.errors import CAError
from gateway.bootstrap.command import CommandRefused
from gateway.bootstrap.folder import FolderError, clock
from gateway.bootstrap.keeper import Program
from gateway.bootstrap.listeners import open_listeners
from gateway.bootstrap.process import ProcessFailed, start_log
from gateway.bootstrap.reloading import Reloading
from gateway.config.settings import default_http_port
from gateway.core.credentials import STEP_SECONDS, totp_code
from gateway.core.ports import StoreUnavailable
from gateway.demo.applications import DEMO_APPS, DemoApp, missing_modules
from gateway.demo.sheet import as_mapping, render
from gateway.demo.site import ADDRESS, Made, free_port, make, sheet_of
from gateway.store import StoreError
from gateway.supervisor import PROCESSES, limit_of, prepare, run_stages

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(port: int, directory: Path | None = None, *, as_json: bool = False) -> int:
    """Run the demo on *port* until Ctrl-C, and return the exit status.

    What somebody needs to get in is printed as a text, or *as_json* as one object; then the
    steps on the way go to stderr.

    Everything is made in a new temporary folder that is removed at the end, however the end
    comes, unless by SIGKILL. With *directory* it is made there, and stays.
    """
    start_log("demo")
    for number in _SIGNALS:
        signal.signal(number, signal.default_int_handler)
    try:
        http_port = _look_before(port)
        with _workplace(directory) as place:
            steps = sys.stderr if as_json else sys.stdout
            _say(f"Making a site in {place}", steps)
            made = asyncio.run(make(place, port, http_port, lambda text: _step(text, steps)))
            _step("starting everything", steps)
            text = _json if as_json else _text
            return _serve(made, lambda: _say(text(made, clock(), contained=directory is None)))
    except KeyboardInterrupt:
        _say("Ended before it began; nothing is left of it.")
        return 0
    except (
        CAError,
        CommandRefused,
        FolderError,
        OSError,
        ProcessFailed,
        StoreError,
        StoreUnavailable,
    ) as error:
        sys.stderr.write(f"pusterla demo: {error}\n")
        return 1


def _look_before(port: int) -> int:
    """Raise `ProcessFailed` for what would be in the way, and return a port for plain http."""
    if missing := missing_modules():
        raise ProcessFailed(
            f"the demo's applications are not installed ({', '.join(missing)}): "
            "start it with make run, or install pusterla[demo]"
        )
    try:
        _probe(port)
    except ProcessFailed as error:
        raise ProcessFailed(f"{error}, as in: make run PORT=9443") from error
    usual = default_http_port(port)
    if usual < 1:
        return free_port()
    try:
        # 8080 is everybody's favourite. Nobody types this port, so any other will do as well.
        _probe(usual)
    except ProcessFailed:
        return free_port()
    return usual


def _probe(port: int) -> None:
    for probe in open_listeners(ADDRESS, port, 1):
        probe.close()


@contextmanager
def _workplace(directory: Path | None) -> Iterator[Path]:
    if directory is not None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        yield directory.absolute()
        return
    place = Path(tempfile.mkdtemp(prefix="pusterla-demo-"))
    try:
        yield place
    finally:
        # Whoever loses patience now would leave keys behind.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        shutil.rmtree(place, ignore_errors=True)
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)


def _serve(made: Made, on_ready: Callable[[], None]) -> int:
    reloading = Reloading(made.folder, made.folder.control_socket)
    processes = prepare(made.folder, reloading.site, PROCESSES, reloading.in_force)
    apps = [_program(made, app) for app in DEMO_APPS.values()]
    return run_stages(
        [apps, *processes.stages],
        limit=limit_of(made.site),
        on_ready=on_ready,
        on_stopping=processes.close,
        reloading=reloading,
    )


def _program(made: Made, app: DemoApp) -> Program:
    place = made.apps
    options = ("--site", str(place.folder), "--app", app.name, "--portal", place.portal)
    command = (sys.executable, "-P", "-m", "gateway.demo.applications", *options)
    return Program(app.name, (*command, "--port", str(made.ports[app.name])))


def _text(made: Made, now: datetime, *, contained: bool) -> str:
    seconds = STEP_SECONDS - int(now.timestamp()) % STEP_SECONDS
    code = totp_code(made.person.secret, now)
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    return render(
        sheet_of(made, contained=contained), code, seconds, unicode=encoding.startswith("utf")
    )


def _json(made: Made, now: datetime, *, contained: bool) -> str:
    code = totp_code(made.person.secret, now)
    return json.dumps(as_mapping(sheet_of(made, contained=contained), code), indent=2)


def _step(text: str, stream: TextIO) -> None:
    _say(f"  {text} ...", stream)


def _say(text: str, stream: TextIO | None = None) -> None:
    stream = stream or sys.stdout
    stream.write(f"{text}\n")
    stream.flush()
