import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import as_file, files
from pathlib import Path

import pytest

from gateway.bootstrap.process import Lifecycle, ProcessFailed
from gateway.config.icons import SVG, read_icon
from gateway.demo.applications import DEMO_APPS, DemoApp, Place, missing_modules, serve_app


@pytest.fixture(autouse=True)
def applications() -> None:
    """Skip where the applications are not installed."""
    if missing := missing_modules():
        pytest.skip(f"the demo's applications are not installed: {', '.join(missing)}")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Return a folder in which the applications can live."""
    place = Place(tmp_path / "applications", "https://pusterla.localhost:8443/")
    place.make()
    return place


@pytest.fixture
def port() -> int:
    """Return a port that nobody had a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def running(app: DemoApp, place: Place, port: int) -> AsyncIterator[Lifecycle]:
    """Run *app* until the block ends; it must then have ended too."""
    app.prepare(place)
    ready = asyncio.Event()
    lifecycle = Lifecycle(app.name, ready.set)
    async with asyncio.timeout(40), asyncio.TaskGroup() as group:
        group.create_task(serve_app(app, place, port, lifecycle))
        await ready.wait()
        yield lifecycle
        lifecycle.stop()


async def ask(port: int, path: str, *fields: str) -> str:
    """Return what the application on *port* answers to a GET of *path*."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = [f"GET {path} HTTP/1.0", f"Host: 127.0.0.1:{port}", *fields, "", ""]
    writer.write("\r\n".join(head).encode())
    answer = await reader.read()
    writer.close()
    return answer.decode(errors="replace")


def child_of(port: int) -> int:
    """Return the process that was started for *port*."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if str(port).encode() in words:
                return int(entry.name)
    raise AssertionError("no process has this port on its command line")


@pytest.mark.parametrize(
    "name, path, words",
    [
        ("bench", "/", "Test bench"),
        ("files", "/?ls", "welcome.txt"),
        ("parts", "/spare_part/content/", "Bearing 6204"),
    ],
)
async def test_each_serves_what_it_is_for(
    place: Place, port: int, name: str, path: str, words: str
) -> None:
    """The application is ready when it says so, and is gone when it was told to end."""
    async with running(DEMO_APPS[name], place, port):
        assert words in await ask(
            port, path, "X-Forwarded-User: anna", "X-Forwarded-For: 127.0.0.1"
        )
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


@pytest.mark.parametrize("name", DEMO_APPS)
def test_each_has_a_tile_worth_looking_at(name: str) -> None:
    """A name for people, a sentence, and a picture that the portal takes."""
    app = DEMO_APPS[name]
    assert app.label
    assert app.description
    with as_file(files("gateway.demo").joinpath("files")) as folder:
        assert read_icon(folder, f"{name}.svg").content_type == SVG


async def test_files_shows_nothing_to_nobody(place: Place, port: int) -> None:
    """Without a name from the gateway there is nothing to see."""
    async with running(DEMO_APPS["files"], place, port):
        assert "welcome.txt" not in await ask(port, "/?ls")


async def test_one_that_dies_is_told_of(place: Place, port: int) -> None:
    """An application that ends by itself ends its process, so that it is started again."""

    async def crash() -> None:
        async with running(DEMO_APPS["parts"], place, port):
            os.kill(child_of(port), signal.SIGKILL)
            await asyncio.sleep(10)

    with pytest.raises(ExceptionGroup) as raised:
        await crash()
    assert raised.group_contains(ProcessFailed, match=r"parts ended with -9; see .*parts\.log")


def test_an_application_learns_nothing_of_ours(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of our environment it gets the paths of programs, and a home below its folder."""
    monkeypatch.setenv("PUSTERLA_SITE", "/somewhere")
    environment = place.environment()
    assert not [name for name in environment if name.startswith("PUSTERLA")]
    homes = [path for name, path in environment.items() if name.endswith("HOME")]
    assert len(homes) == 5
    assert all(path.startswith(str(place.folder)) for path in homes)
