"""The portal's process: aiohttp on a unix socket, behind the edge.

It opens the store and the keys that seal and that sign cookies. Of the key of assertions it
reads the public half, and of the CA nothing: OCSP it answers with a key of its own, see
`gateway.portal.responders`.
"""

import asyncio
import os
import socket
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from gateway.bootstrap.folder import (
    SiteFolder,
    clock,
    open_folder,
    read_cookie_key,
    read_site_key,
)
from gateway.bootstrap.process import (
    Lifecycle,
    ProcessFailed,
    argument_parser,
    leave,
    log,
    read_arguments,
    run_process,
)
from gateway.bootstrap.reload import LiveConfiguration
from gateway.bootstrap.stores import store_of
from gateway.portal.app import make_app
from gateway.portal.responders import Responders
from gateway.portal.services import Services

SOCKET_MODE = 0o660
FINISH_SECONDS = 10.0
"""How long a request may go on after the portal was told to end."""

_BACKLOG = 512
# sun_path of unix(7) has 108 bytes, the last of them zero.
_LONGEST_PATH = 107


async def serve_portal(site: Path, lifecycle: Lifecycle) -> None:
    """Serve the portal of the site in *site* until *lifecycle* stops."""
    folder = open_folder(site)
    live = LiveConfiguration(folder)
    async with store_of(folder, live.site) as store:
        services = Services(
            site=live.site,
            applications=lambda: live.applications,
            store=store,
            site_key=read_site_key(folder),
            cookie_key=read_cookie_key(folder),
            assertion_key=read_assertion_public(folder),
            responders=Responders(store, clock),
            clock=clock,
        )
        async with _served(make_app(services), folder.portal_socket):
            lifecycle.ready()
            log.info("listens on %s", folder.portal_socket)
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(live.follow()),
                    group.create_task(services.responders.follow()),
                ]
                await lifecycle.stopping.wait()
                for task in tasks:
                    task.cancel()


def read_assertion_public(folder: SiteFolder) -> EllipticCurvePublicKey:
    """Return the public half of the key of assertions, or raise `ProcessFailed`."""
    path = folder.assertion_public
    try:
        key = load_pem_public_key(path.read_bytes())
    except OSError as error:
        raise ProcessFailed(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ProcessFailed(f"{path} is not a public key in PEM") from error
    if not isinstance(key, EllipticCurvePublicKey):
        raise ProcessFailed(f"{path} is not a key on an elliptic curve")
    return key


@asynccontextmanager
async def _served(app: web.Application, path: Path) -> AsyncIterator[None]:
    # No access log: the edge writes one, and knows more.
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=FINISH_SECONDS)
    await runner.setup()
    try:
        with listening_socket(path) as listener:
            protocol = runner.server
            if protocol is None:
                raise RuntimeError("an application runner that was set up has a server")
            loop = asyncio.get_running_loop()
            server = await loop.create_unix_server(protocol, sock=listener, backlog=_BACKLOG)
            yield
            server.close()
    finally:
        await runner.cleanup()


@contextmanager
def listening_socket(path: Path) -> Iterator[socket.socket]:
    """Bind the unix socket *path* (0660) and take its name away at the end.

    What a crashed portal left there is removed; where somebody listens, `ProcessFailed`.
    """
    if len(os.fsencode(path)) > _LONGEST_PATH:
        raise ProcessFailed(
            f"{path} is too long for a socket (at most {_LONGEST_PATH} bytes): "
            "give the site a folder with a shorter path"
        )
    _remove_stale(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        try:
            # The umask keeps others out from the first moment; this only takes more away.
            listener.bind(str(path))
            path.chmod(SOCKET_MODE)
        except OSError as error:
            raise ProcessFailed(f"{path} cannot be made: {error.strerror}") from error
        listener.setblocking(False)
        try:
            yield listener
        finally:
            path.unlink(missing_ok=True)


def _remove_stale(path: Path) -> None:
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise ProcessFailed(f"{path} is in the way and is no socket: look at it, and remove it")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.connect(str(path))
    except FileNotFoundError:
        return
    except ConnectionRefusedError:
        log.info("removing %s, on which nobody listens any more", path)
        path.unlink(missing_ok=True)
    except OSError as error:
        raise ProcessFailed(f"{path} cannot be looked at: {error.strerror}") from error
    else:
        raise ProcessFailed(f"another portal listens on {path}: end that one first")


def main() -> int:
    """Run the process; return its exit status."""
    arguments = read_arguments(argument_parser("portal", "The portal's process.").parse_args())
    return run_process(
        lambda lifecycle: serve_portal(arguments.site, lifecycle), "portal", arguments
    )


if __name__ == "__main__":
    leave(main())
