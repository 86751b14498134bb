"""What a site is: its hosts, its limits and its applications.

Only values; `gateway.config` reads them from pusterla.toml and apps/*.toml.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Address, IPv6Network
from pathlib import PurePath
from typing import Final
from zoneinfo import ZoneInfo

from policies.model import AppPolicy

# Not urllib's idea of an address: that one drops line ends and takes blanks in a host.
_UPSTREAM = re.compile(
    r"(?P<scheme>https?)://(?:(?P<name>[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?)|\[(?P<literal>[^\]]+)\])"
    r"(?::(?P<port>[0-9]{1,9}))?/?",
    re.IGNORECASE | re.ASCII,
)
_PORT_MAXIMUM = 65535
_NAME_MAXIMUM = 253
_LABEL_MAXIMUM = 63
DEFAULT_ACCESS_LOG = "log/access.jsonl"
DEFAULT_TIME_ZONE: Final = ZoneInfo("UTC")
DEFAULT_TICKET_LIFETIME = timedelta(days=7)
LOST_PATH = "/lost"
"""Where a lost stick is reported, on the public host."""
REQUESTS_PATH = "/requests"
"""Where access is asked for, on the portal's host."""
AGREEMENTS_PATH = "/agreements"
"""Where people read and accept texts, on the portal's host."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where one application listens: `http://HOST:PORT`, `https://HOST:PORT` or `unix:/path`."""

    host: str
    port: int
    unix_path: str | None = None
    tls: bool = False

    def __str__(self) -> str:
        """Write it as the configuration does."""
        if self.unix_path is not None:
            return f"unix:{self.unix_path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"


def parse_upstream(text: str) -> Upstream:
    """Read an upstream; raise `ValueError` that says what is expected.

    A path is refused: an application is passed the path that was asked for.
    """
    if text.startswith("unix:"):
        path = text.removeprefix("unix:")
        if not PurePath(path).is_absolute() or "\0" in path:
            message = f"the socket path in {text!r} must be absolute, as in unix:/run/wiki.sock"
            raise ValueError(message)
        return Upstream(host="localhost", port=0, unix_path=path)
    match = _UPSTREAM.match(text)
    if match is None:
        message = (
            f"{text!r} is not an upstream; write http://127.0.0.1:9000, https://wiki.internal "
            "or unix:/run/wiki.sock"
        )
        raise ValueError(message)
    if match.end() != len(text):
        message = f"an upstream is only a scheme, a host and a port: {text!r} has more"
        raise ValueError(message)
    tls = match["scheme"].lower() == "https"
    port = int(match["port"] or (HTTPS_PORT if tls else HTTP_PORT))
    if not 0 < port <= _PORT_MAXIMUM:
        message = f"the port in {text!r} must be from 1 to {_PORT_MAXIMUM}"
        raise ValueError(message)
    if match["name"]:
        try:
            check_length(match["name"])
        except ValueError as error:
            message = f"{text!r} cannot be looked up: {error}"
            raise ValueError(message) from error
        return Upstream(host=match["name"].lower(), port=port, tls=tls)
    try:
        return Upstream(host=str(IPv6Address(match["literal"])), port=port, tls=tls)
    except ValueError as error:
        message = f"{match['literal']!r} in {text!r} is not an IPv6 address"
        raise ValueError(message) from error


def check_length(name: str) -> None:
    """Raise `ValueError` where *name* is longer than DNS allows (RFC 1035, section 2.3.4)."""
    name = name.removesuffix(".")
    if len(name) > _NAME_MAXIMUM or max(map(len, name.split("."))) > _LABEL_MAXIMUM:
        message = (
            f"a host has at most {_NAME_MAXIMUM} characters, "
            f"{_LABEL_MAXIMUM} from one dot to the next"
        )
        raise ValueError(message)


@dataclass(frozen=True, slots=True)
class UpstreamTLS:
    """How the https upstreams of one application are verified, and what they are shown.

    Paths of files in PEM. *ca*: who signs for them, None for whom this machine
    believes. *name*: what they are called, None for the host of the upstream.
    """

    ca: str | None = None
    name: str | None = None
    certificate: str | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """What an application's upstreams are asked, over and over, to see whether they are well."""

    path: str
    interval: timedelta = timedelta(seconds=10)
    timeout: timedelta = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class AppLimits:
    """What one application is held to, and those who talk to it; None is what the site says."""

    upstream_connect: timedelta | None = None
    upstream_response: timedelta | None = None
    upstream_idle: timedelta | None = None
    """How long an answer may stop coming once it has begun; None is for ever."""
    body_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Icon:
    """A small picture of an application: the file *path*, whose bytes have the SHA-256 *digest*."""

    path: str
    content_type: str
    digest: str


@dataclass(frozen=True, slots=True)
class Application:
    """One application behind the edge, as apps/NAME.toml says."""

    name: str
    host: str
    upstreams: tuple[Upstream, ...]
    """Where it listens; several are one application, and each request goes to one of them."""
    policy: AppPolicy
    title: str
    description: str = ""
    icon: Icon | None = None
    user_header: str | None = None
    """A further header that carries the user's name, for applications that want their own."""
    client_certificate: bool = False
    """Whether the application is sent the certificate itself (RFC 9440)."""
    limits: AppLimits = AppLimits()
    tls: UpstreamTLS = UpstreamTLS()
    health: HealthCheck | None = None
    upstream_host: str | None = None
    """The name on which the application insists, perhaps with a port; None: it takes ours."""
    buffer_body: int | None = None
    """Up to how many bytes a body in chunks is held, to be sent with its length; None: not."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one worker of the edge bears, in seconds, bytes and counts."""

    handshake: timedelta = timedelta(seconds=10)
    request_head: timedelta = timedelta(seconds=20)
    request_body: timedelta = timedelta(minutes=1)
    """The longest pause in a request's body."""
    response_taken: timedelta = timedelta(minutes=2)
    """How long a client may take nothing while something waits for it."""
    idle: timedelta = timedelta(minutes=5)
    upstream_connect: timedelta = timedelta(seconds=5)
    upstream_response: timedelta = timedelta(minutes=2)
    drain: timedelta = timedelta(seconds=15)
    head_bytes: int = 32 * 1024
    head_fields: int = 128
    target_bytes: int = 8 * 1024
    body_bytes: int | None = None
    """The largest body of a request; None for any."""
    body_rate: int = 240
    """At how many bytes a second a request's body must come at least; 0 for any."""
    connections: int = 10_000
    certificate_connections: int = 250
    handshakes: int = 1000


class Demand(StrEnum):
    """How a client certificate is demanded, and what becomes of whoever has no good one."""

    PAGE = "page"
    """It is requested; a page says what is wrong, and what to do."""
    HANDSHAKE = "handshake"
    """It is required; the TLS handshake fails with the alert that says what is wrong."""


@dataclass(frozen=True, slots=True)
class Lists:
    """Which certificate revocation lists are signed, and how long they are good for."""

    lifetime: timedelta = timedelta(days=7)
    delta: bool = False
    """Whether delta lists are signed besides the full ones."""
    delta_lifetime: timedelta = timedelta(days=1)
    partitions: int = 1
    """In how many lists the certificates are that are issued from now on."""


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long the certificates of people last: *lifetime* unless said, never beyond *longest*.

    *renew_before* its end a person may renew one; once the new one is used, the old one goes on for
    *overlap*.
    """

    lifetime: timedelta = timedelta(days=365)
    longest: timedelta = timedelta(days=825)
    renew_before: timedelta = timedelta(days=30)
    overlap: timedelta = timedelta(days=14)

    def opens_in(self, not_after: datetime, now: datetime) -> timedelta:
        """Return how long until its person may renew what ends at *not_after*; nothing: they may."""
        return max(timedelta(), not_after - now - self.renew_before)


class Encryption(StrEnum):
    """How the conversation with the mail server is kept from others."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"
    """Not at all: for a server on this machine."""


MAIL_PORTS: Final = {Encryption.STARTTLS: 587, Encryption.TLS: 465, Encryption.NONE: 25}
"""Where a mail server takes letters (RFC 6409; RFC 8314, section 3.3; RFC 5321)."""


@dataclass(frozen=True, slots=True)
class Mail:
    """How letters go out, and who gets those for administrators; without *server* none does.

    *ca* is the file of who signs for the server, None whom this machine believes; it and
    *password_file* are relative to the site's folder.
    """

    server: str | None = None
    port: int = MAIL_PORTS[Encryption.STARTTLS]
    encryption: Encryption = Encryption.STARTTLS
    ca: str | None = None
    user: str | None = None
    password_file: str | None = None
    from_: str = ""
    administrators: tuple[str, ...] = ()


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
    crl: Lists
    feed_grace: timedelta
    """How long the edge goes on without a sign of life of the store before it refuses."""
    limits: Limits
    certificates: Lifetimes = Lifetimes()
    ca_passphrase_file: PurePath | None = None
    """Holds the passphrase of the CA's keys, or is a folder with a file for each of them.

    Relative to the site's folder.
    """
    ca_pin_file: PurePath | None = None
    """The same for the PIN of the token that a key is in."""
    certificate: Demand = Demand.PAGE
    balancers: tuple[IPv4Network | IPv6Network, ...] = ()
    """From where connections begin with a PROXY header, which says who the client is."""
    access_log: str | None = DEFAULT_ACCESS_LOG
    """Where the access log is, relative to the site folder; None: none is written."""
    log_queries: bool = True
    """Whether the access log shows what stands behind the ? of a target."""
    metrics_port: int | None = None
    """The port on 127.0.0.1 where metrics are read; None: they are not."""
    mail: Mail = Mail()
    time_zone: ZoneInfo = DEFAULT_TIME_ZONE
    """Whose clock people read: on pages, in letters, and in what policies say of hours."""
    ticket_lifetime: timedelta = DEFAULT_TICKET_LIFETIME
    """How long an enrolment ticket is good for, unless the command is told otherwise."""
    managers: Mapping[str, frozenset[str]] = field(default_factory=dict, hash=False)
    """Who decides what the people of a group ask for: user names, by the names of groups."""

    @property
    def public_host(self) -> str:
        """The only host that asks for no certificate: CRLs, keys of assertions, help."""
        return f"public.{self.host}"

    @property
    def lost_page(self) -> str:
        """The address at which people report a lost stick; it asks for no certificate."""
        return f"{self.origin(self.public_host)}{LOST_PATH}"

    def origin(self, host: str) -> str:
        """Return the origin (RFC 6454) under which *host* of this site is reached."""
        return f"https://{self.authority(host)}"

    def authority(self, host: str) -> str:
        """Return *host* of this site as a Host field names it, with the port where it needs one."""
        return host if self.port == HTTPS_PORT else f"{host}:{self.port}"


HTTP_PORT = 80
HTTPS_PORT = 443
