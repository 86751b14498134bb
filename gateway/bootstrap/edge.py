"""The process of one worker of the edge.

It opens the store, the server's certificate and key, the key of assertions and
that of cookies. Of the CA it reads certificates only.
"""

import asyncio
import socket
from dataclasses import dataclass
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
    log,
    read_arguments,
    run_process,
)
from gateway.bootstrap.reload import LiveConfiguration
from gateway.bootstrap.renewal import Renewal, authorities_of
from gateway.bootstrap.snapshot import answering
from gateway.bootstrap.stores import store_of
from gateway.bootstrap.trusted import trusts_of
from gateway.config import Problems
from gateway.core.assertion import Asserter
from gateway.core.site import Site
from gateway.edge.access_log import AccessLog
from gateway.edge.descriptors import raise_descriptor_limit
from gateway.edge.worker import Credentials, Worker


@dataclass(frozen=True, slots=True)
class Inherited:
    """The descriptors of sockets that the supervisor has made; that of *metrics* is optional."""

    https: int
    http: int
    metrics: int | None = None


async def serve_edge(site: Path, inherited: Inherited, lifecycle: Lifecycle) -> None:
    """Serve the site in *site* on *inherited* sockets until *lifecycle* stops."""
    folder = open_folder(site)
    live = LiveConfiguration(folder, lifecycle.in_force)
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
                foreign=foreign_authorities(folder),
            )
        except OSError as error:  # ssl.SSLError is one
            raise ProcessFailed(f"{folder.edge}: TLS cannot be set up: {error}") from error
        metrics = None if inherited.metrics is None else socket.socket(fileno=inherited.metrics)
        with (
            socket.socket(fileno=inherited.https) as https,
            socket.socket(fileno=inherited.http) as http,
        ):
            async with (
                answering(metrics, worker.edge, store, clock),
                asyncio.TaskGroup() as group,
            ):
                watching = group.create_task(live.follow(lambda: worker.adopt(live.applications)))
                lifecycle.on_reload(Renewal(folder, live, worker, clock).take_up)
                await worker.run(https, http, lifecycle.ready, lifecycle.stopping)
                watching.cancel()


def foreign_authorities(folder: SiteFolder) -> tuple[bytes, ...]:
    """Return the CAs (DER) of the trusts; none of them where their files have mistakes.

    For whoever starts a site has looked at the files, and a worker that is started again later
    is not to fail for an editor's mistake.
    """
    trusts = trusts_of(folder)
    if isinstance(trusts, Problems):
        for line in str(trusts).splitlines():
            log.error("%s", line)
        log.error("no other CA is believed until this is corrected, and the site reloaded")
        return ()
    return authorities_of(trusts)


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
    parser.add_argument("--metrics-fd", type=int, help="a bound socket for what is counted")
    options = parser.parse_args()
    arguments = read_arguments(options)
    raise_descriptor_limit()
    inherited = Inherited(options.https_fd, options.http_fd, options.metrics_fd)
    return run_process(
        lambda lifecycle: serve_edge(arguments.site, inherited, lifecycle),
        f"edge-{options.index}",
        arguments,
    )


if __name__ == "__main__":
    leave(main())
