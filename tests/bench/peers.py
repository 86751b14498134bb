"""The programs beside which the gateway is measured."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.bench.sites import BenchSite

WAIT_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Peer:
    """A running server: its first process, and the port it listens on."""

    pid: int
    port: int


def on_processor(number: int) -> tuple[str, ...]:
    """Return the words before a command that keep it to one processor."""
    return ("taskset", "--cpu-list", str(number))


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


_COMMON = """
daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    keepalive_requests 100000000;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
{server}
}}
"""


@contextmanager
def nginx_upstream(directory: Path, processor: int) -> Iterator[Peer]:
    """Run the application: an nginx that serves a file of 1 KiB."""
    port = free_port()
    directory.mkdir()
    directory.chmod(0o755)
    (directory / "1k.txt").write_bytes(b"x" * 1024)
    server = f"server {{ listen 127.0.0.1:{port}; root {directory}; etag off; }}"
    with _nginx(directory, port, server, processor) as peer:
        yield peer


@contextmanager
def nginx_front(
    directory: Path, site: "BenchSite", upstream: int, processor: int
) -> Iterator[Peer]:
    """Run the reference: nginx with mTLS and a CRL, that authorises nothing."""
    port = free_port()
    directory.mkdir()
    edge = site.folder
    server = f"""
    upstream app {{
        server 127.0.0.1:{upstream};
        keepalive 64;
        keepalive_requests 100000000;
    }}
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {edge.server_certificate};
        ssl_certificate_key {edge.server_key};
        ssl_client_certificate {edge.client_trust};
        ssl_crl {site.crls};
        ssl_verify_client on;
        ssl_verify_depth 2;
        ssl_protocols TLSv1.3;
        ssl_session_tickets off;
        location / {{
            proxy_pass http://app;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto https;
        }}
    }}"""
    with _nginx(directory, port, server, processor) as peer:
        yield peer


@contextmanager
def _nginx(directory: Path, port: int, server: str, processor: int) -> Iterator[Peer]:
    config = directory / "nginx.conf"
    config.write_text(_COMMON.format(directory=directory, server=server))
    log = directory / "error.log"
    log.touch()
    with subprocess.Popen(
        [
            *on_processor(processor),
            *("nginx", "-p", str(directory), "-e", str(log), "-c", str(config)),
        ]
    ) as process:
        try:
            wait_for_port(port, log)
            yield Peer(process.pid, port)
        finally:
            process.terminate()
