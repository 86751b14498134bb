import asyncio
import os
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from gateway.bootstrap.creation import NewSite, create_site
from gateway.bootstrap.folder import KeyFileRefused, SiteFolder, clock
from gateway.bootstrap.listeners import unix_listener
from gateway.bootstrap.portal import SOCKET_MODE, serve_portal
from gateway.bootstrap.process import Lifecycle, ProcessFailed
from gateway.core.headers import EDGE_LISTENER, Listener

WIKI = """
host = "wiki.pusterla.localhost"
upstream = "http://127.0.0.1:9000"

[[rules]]
effect = "allow"
groups = ["technicians"]
"""


@pytest.fixture
async def folder(tmp_path: Path) -> SiteFolder:
    """Make a site as `pusterla init` does."""
    return await create_site(tmp_path / "site", NewSite("pusterla.localhost", 8443), clock, print)


@asynccontextmanager
async def portal_of(
    folder: SiteFolder,
) -> AsyncIterator[tuple[aiohttp.ClientSession, Lifecycle]]:
    """Run the portal of *folder*, and return a client on its socket, as the edge is one."""
    ready = asyncio.Event()
    lifecycle = Lifecycle("portal", ready.set)
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(serve_portal(folder.path, lifecycle))
        await ready.wait()
        connector = aiohttp.UnixConnector(str(folder.portal_socket))
        async with aiohttp.ClientSession(connector=connector) as client:
            yield client, lifecycle
        lifecycle.stop()


@asynccontextmanager
async def running(folder: SiteFolder) -> AsyncIterator[aiohttp.ClientSession]:
    """Run the portal of *folder*, and return a client alone."""
    async with portal_of(folder) as (client, _):
        yield client


async def ask(client: aiohttp.ClientSession, host: str, door: Listener) -> int:
    """Return the status with which `/` of *host* answers."""
    address, fields = f"http://{host}/", {EDGE_LISTENER: door.value}
    async with client.get(address, headers=fields, allow_redirects=False) as response:
        return response.status


class TestServePortal:
    async def test_it_serves_on_its_socket_until_it_is_stopped(self, folder: SiteFolder) -> None:
        """The edge gets an answer while the portal runs; afterwards the socket is gone."""
        async with running(folder) as client:
            assert await ask(client, "public.pusterla.localhost", Listener.PUBLIC) == 200
        assert not folder.portal_socket.exists()

    async def test_it_takes_up_an_application_while_it_runs(self, folder: SiteFolder) -> None:
        """A file in apps/ is in force within a second, without a restart."""
        async with running(folder) as client:
            assert await ask(client, "wiki.pusterla.localhost", Listener.PLAIN_HTTP) == 404
            folder.app_file("wiki").write_text(WIKI)
            await asyncio.sleep(0.6)
            assert await ask(client, "wiki.pusterla.localhost", Listener.PLAIN_HTTP) == 308

    async def test_what_a_reload_took_up_is_not_taken_back(self, folder: SiteFolder) -> None:
        """Files that were read before it, and are still being read, do not come after it."""
        file = folder.app_file("wiki")
        file.write_text(WIKI)
        async with portal_of(folder) as (client, lifecycle):
            file.unlink()
            os.mkfifo(file)
            # Opened by whoever looks at the files, who now waits for what they say.
            pipe = await asyncio.to_thread(file.open, "w")
            newest = file.with_name(".newest")
            newest.write_text(WIKI.replace("wiki.", "newest."))
            newest.rename(file)
            reloading = asyncio.create_task(lifecycle.reload())
            await asyncio.sleep(0.3)
            with pipe:
                pipe.write(WIKI.replace("wiki.", "older."))
            assert (await reloading).taken == ("wiki changed",)
            for _ in range(20):
                assert await ask(client, "older.pusterla.localhost", Listener.PLAIN_HTTP) == 404
                assert await ask(client, "newest.pusterla.localhost", Listener.PLAIN_HTTP) == 308
                await asyncio.sleep(0.01)

    async def test_a_second_portal_is_refused(self, folder: SiteFolder) -> None:
        """Two portals of one site would each serve half of the requests."""
        async with running(folder) as client:
            with pytest.raises(ProcessFailed, match="another portal listens"):
                await serve_portal(folder.path, Lifecycle("portal"))
            assert await ask(client, "public.pusterla.localhost", Listener.PUBLIC) == 200

    async def test_without_its_keys_it_does_not_start(self, folder: SiteFolder) -> None:
        """Each file that it cannot do without is named when it is missing or open to others."""
        folder.assertion_public.rename(folder.path / "aside")
        with pytest.raises(ProcessFailed, match=r"assertion\.pub"):
            await serve_portal(folder.path, Lifecycle("portal"))
        (folder.path / "aside").rename(folder.assertion_public)
        folder.site_key.chmod(0o644)
        with pytest.raises(KeyFileRefused, match=r"site\.key"):
            await serve_portal(folder.path, Lifecycle("portal"))

    async def test_without_a_store_it_does_not_start(self, folder: SiteFolder) -> None:
        """A store that is missing is an error that names it, never a new and empty one."""
        folder.database.unlink()
        with pytest.raises(ProcessFailed, match="store"):
            await serve_portal(folder.path, Lifecycle("portal"))
        assert not folder.database.exists()

    async def test_it_does_not_need_the_keys_of_edge_and_authority(
        self, folder: SiteFolder
    ) -> None:
        """The portal runs where neither the CA's nor the edge's keys are to be seen."""
        (folder.path / "keys" / "ca").rename(folder.path / "elsewhere-ca")
        (folder.path / "keys" / "edge").rename(folder.path / "elsewhere-edge")
        async with running(folder) as client:
            assert await ask(client, "public.pusterla.localhost", Listener.PUBLIC) == 200


class TestListeningSocket:
    def test_group_and_owner_may_connect(self, tmp_path: Path) -> None:
        """The socket is 0660: the edge is let in by its group, others are not."""
        path = tmp_path / "portal.sock"
        with unix_listener(path, SOCKET_MODE, "portal"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert not path.exists()

    def test_what_a_crash_left_is_removed(self, tmp_path: Path) -> None:
        """A socket on which nobody listens does not keep the next portal from starting."""
        path = tmp_path / "portal.sock"
        with socket.socket(socket.AF_UNIX) as crashed:
            crashed.bind(str(path))
        with unix_listener(path, SOCKET_MODE, "portal") as listener:
            listener.listen()
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))

    def test_who_listens_is_left_alone(self, tmp_path: Path) -> None:
        """The socket of a living portal is neither removed nor taken over."""
        path = tmp_path / "portal.sock"
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(path))
            other.listen()
            with (
                pytest.raises(ProcessFailed, match="another portal"),
                unix_listener(path, SOCKET_MODE, "portal"),
            ):
                pass
            assert path.exists()

    def test_a_file_in_its_place_is_left_alone(self, tmp_path: Path) -> None:
        """What is no socket was put there by somebody, and is theirs to remove."""
        path = tmp_path / "portal.sock"
        path.write_text("mine")
        with (
            pytest.raises(ProcessFailed, match="no socket"),
            unix_listener(path, SOCKET_MODE, "portal"),
        ):
            pass
        assert path.read_text() == "mine"

    def test_a_path_that_is_too_long_is_explained(self, tmp_path: Path) -> None:
        """A socket's path has a limit that nobody knows by heart."""
        path = tmp_path / ("x" * 100) / "portal.sock"
        with (
            pytest.raises(ProcessFailed, match="shorter path"),
            unix_listener(path, SOCKET_MODE, "portal"),
        ):
            pass
