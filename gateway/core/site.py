"""What a site is: its hosts, its limits and its applications.

Only values; `gateway.config` reads them from pusterla.toml and apps/*.toml.
"""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import PurePath
from urllib.parse import urlsplit

from policies.model import AppPolicy


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where one application listens: `http://HOST:PORT` or `unix:/path`."""

    host: str
    port: int
    unix_path: str | None = None

    def __str__(self) -> str:
        """Write it as the configuration does."""
        if self.unix_path is not None:
            return f"unix:{self.unix_path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


def parse_upstream(text: str) -> Upstream:
    """Read an upstream; raise `ValueError` that says what is expected.

    A path is refused: an application is passed the path that was asked for.
    """
    if text.startswith("unix:"):
        path = text.removeprefix("unix:")
        if not PurePath(path).is_absolute():
            message = f"the socket path in {text!r} must be absolute, as in unix:/run/wiki.sock"
            raise ValueError(message)
        return Upstream(host="localhost", port=0, unix_path=path)
    parts = urlsplit(text)
    if parts.scheme != "http" or not parts.hostname:
        message = f"{text!r} is not an upstream; write http://127.0.0.1:9000 or unix:/run/wiki.sock"
        raise ValueError(message)
    if parts.path not in {"", "/"} or parts.query or parts.fragment or parts.username is not None:
        message = f"an upstream is only a scheme, a host and a port: {text!r} has more"
        raise ValueError(message)
    return Upstream(host=parts.hostname, port=parts.port or 80)


@dataclass(frozen=True, slots=True)
class Application:
    """One application behind the edge, as apps/NAME.toml says."""

    name: str
    host: str
    upstream: Upstream
    policy: AppPolicy
    title: str
    description: str = ""
    user_header: str | None = None
    """A further header that carries the user's name, for applications that want their own."""
    client_certificate: bool = False
    """Whether the application is sent the certificate itself (RFC 9440)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one worker of the edge bears, in seconds, bytes and counts."""

    handshake: timedelta = timedelta(seconds=10)
    request_head: timedelta = timedelta(seconds=20)
    idle: timedelta = timedelta(minutes=5)
    upstream_connect: timedelta = timedelta(seconds=5)
    upstream_response: timedelta = timedelta(minutes=2)
    drain: timedelta = timedelta(seconds=15)
    head_bytes: int = 32 * 1024
    connections: int = 10_000


@dataclass(frozen=True, slots=True)
class Site:
    """One Pusterla: everything in pusterla.toml.

    *host* is the portal; the public host, which asks for no certificate, is
    `public.` before it. *port* is the port that people see in addresses.
    """

    host: str
    port: int
    http_port: int
    name: str
    contact: str
    listen: str
    workers: int
    store_url: str | None
    """An SQLAlchemy URL of a PostgreSQL, or None for the SQLite file of the site folder."""
    session_lifetime: timedelta
    crl_lifetime: timedelta
    feed_grace: timedelta
    """How long the edge goes on without a sign of life of the store before it refuses."""
    limits: Limits

    @property
    def public_host(self) -> str:
        """The only host that asks for no certificate: CRLs, keys of assertions, help."""
        return f"public.{self.host}"

    def origin(self, host: str) -> str:
        """Return the origin (RFC 6454) under which *host* of this site is reached."""
        return f"https://{host}" if self.port == HTTPS_PORT else f"https://{host}:{self.port}"


HTTPS_PORT = 443
