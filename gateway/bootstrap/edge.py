"""The process of one worker of the edge.

It opens the store, the server's certificate and key, the key of assertions and
that of cookies. Of the CA it reads certificates only.
"""

import asyncio
import socket
from pathlib import Path

from gateway.bootstrap.folder import (
    SiteFolder,
    clock,
    open_folder,
    read_assertion_key,
    read_cookie_key,
    read_secret,
)
from gateway.bootstrap.process import (
    Lifecycle,
    ProcessFailed,
    argument_parser,
    leave,
    read_arguments,
    run_process,
)
from gateway.bootstrap.reload import LiveConfiguration
from gateway.bootstrap.renewal import Renewal
from gateway.bootstrap.stores import store_of
from gateway.core.assertion import Asserter
from gateway.core.site import Site
from gateway.edge.access_log import AccessLog
from gateway.edge.descriptors import raise_descriptor_limit
from gateway.edge.worker import Credentials, Worker


async def serve_edge(site: Path, https_fd: int, http_fd: int, lifecycle: Lifecycle) -> None:
    """Serve the site in *site* on the two inherited sockets until *lifecycle* stops."""
    folder = open_folder(site)
    live = LiveConfiguration(folder)
    # OpenSSL reads the file itself; this only refuses a key that others could read.
    read_secret(folder.server_key)
    asserter = Asserter(read_assertion_key(folder), live.site.origin(live.site.host))
    async with store_of(folder, live.site) as store:
        try:
            worker = Worker(
                site=live.site,
                applications=live.applications,
                credentials=Credentials(
                    server_certificate=folder.server_certificate,
                    server_key=folder.server_key,
                    client_trust=folder.client_trust,
                    cookie_key=read_cookie_key(folder),
                    asserter=asserter,
                ),
                portal_socket=folder.portal_socket,
                store=store,
                clock=clock,
                access_log=access_log(folder, live.site),
            )
        except OSError as error:  # ssl.SSLError is one
            raise ProcessFailed(f"{folder.edge}: TLS cannot be set up: {error}") from error
        with socket.socket(fileno=https_fd) as https, socket.socket(fileno=http_fd) as http:
            async with asyncio.TaskGroup() as group:
                watching = group.create_task(live.follow(lambda: worker.adopt(live.applications)))
                lifecycle.on_reload(Renewal(folder, live, worker, clock).take_up)
                await worker.run(https, http, lifecycle.ready, lifecycle.stopping)
                watching.cancel()


def access_log(folder: SiteFolder, site: Site) -> AccessLog | None:
    """Return the access log of *site*, if one is wished for; it opens its file by itself."""
    if site.access_log is None:
        return None
    return AccessLog(folder.path / site.access_log, queries=site.log_queries)


def main() -> int:
    """Run the process; return its exit status."""
    parser = argument_parser("edge", "One worker of the edge.")
    parser.add_argument("--index", type=int, default=0, help="which worker this is, for the log")
    parser.add_argument("--https-fd", type=int, required=True, help="a bound socket for https")
    parser.add_argument("--http-fd", type=int, required=True, help="a bound socket for plain http")
    options = parser.parse_args()
    arguments = read_arguments(options)
    raise_descriptor_limit()
    return run_process(
        lambda lifecycle: serve_edge(arguments.site, options.https_fd, options.http_fd, lifecycle),
        f"edge-{options.index}",
        arguments,
    )


if __name__ == "__main__":
    leave(main())
