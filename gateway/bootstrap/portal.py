"""The portal's process: aiohttp on a unix socket, behind the edge.

It opens the store and the keys that seal and that sign cookies. Of the key of assertions it
reads the public half, and of the CA nothing: OCSP it answers with a key of its own, see
`gateway.portal.responders`.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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
from gateway.bootstrap.listeners import unix_listener
from gateway.bootstrap.mail_server import mail_server
from gateway.bootstrap.outcome import Outcome, refused
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
from gateway.bootstrap.renewal_files import RenewalFiles
from gateway.bootstrap.stores import store_of
from gateway.config import Configuration, Problems
from gateway.mail.postman import Postman
from gateway.portal.app import make_app
from gateway.portal.reminding import remind_for_ever
from gateway.portal.responders import Responders
from gateway.portal.services import Services
from gateway.portal.telling import tell_for_ever

SOCKET_MODE = 0o660
FINISH_SECONDS = 10.0
"""How long a request may go on after the portal was told to end."""

_BACKLOG = 512
_CONCERNS = frozenset({"site", "sessions", "mail", "certificates", "apps", "groups"})


async def serve_portal(site: Path, lifecycle: Lifecycle) -> None:
    """Serve the portal of the site in *site* until *lifecycle* stops."""
    folder = open_folder(site)
    live = LiveConfiguration(folder, lifecycle.in_force)
    async with store_of(folder, live.site) as store:
        postman = Postman(
            lambda: live.site, lambda: mail_server(folder, live.site), store.record, clock
        )
        site_key = read_site_key(folder)
        services = Services(
            configuration=lambda: Configuration(live.site, live.applications, live.agreements),
            store=store,
            site_key=site_key,
            cookie_key=read_cookie_key(folder),
            assertion_key=read_assertion_public(folder),
            responders=Responders(store, clock),
            clock=clock,
            post=postman.take,
            kit_files=RenewalFiles(site_key),
        )
        async with postman.at_work(), _served(make_app(services), folder.portal_socket):

            async def take_up() -> Outcome:
                async with live.reading:
                    # In a thread, as when files are followed.
                    proposal = await asyncio.to_thread(live.propose, _CONCERNS)
                    if isinstance(proposal, Problems):
                        return refused(proposal)
                    live.exchange(proposal)
                return Outcome(taken=proposal.changes)

            lifecycle.on_reload(take_up)
            lifecycle.ready()
            log.info("listens on %s", folder.portal_socket)
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(live.follow()),
                    group.create_task(services.responders.follow()),
                    group.create_task(
                        remind_for_ever(store, lambda: live.site, postman.take, clock)
                    ),
                    group.create_task(
                        tell_for_ever(
                            store, services.configuration, postman.take, lambda: postman.room, clock
                        )
                    ),
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
        with unix_listener(path, SOCKET_MODE, "portal") as listener:
            protocol = runner.server
            if protocol is None:
                raise RuntimeError("an application runner that was set up has a server")
            loop = asyncio.get_running_loop()
            server = await loop.create_unix_server(protocol, sock=listener, backlog=_BACKLOG)
            yield
            server.close()
    finally:
        await runner.cleanup()


def main() -> int:
    """Run the process; return its exit status."""
    arguments = read_arguments(argument_parser("portal", "The portal's process.").parse_args())
    return run_process(
        lambda lifecycle: serve_portal(arguments.site, lifecycle), "portal", arguments
    )


if __name__ == "__main__":
    leave(main())
