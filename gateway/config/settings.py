"""pusterla.toml → `Site`. Every key is explained in docs/configuration.md."""

from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import PurePath
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from gateway.core.addresses import check_address
from gateway.core.routes import normalise_host
from gateway.core.site import (
    DEFAULT_ACCESS_LOG,
    DEFAULT_TICKET_LIFETIME,
    DEFAULT_TIME_ZONE,
    MAIL_PORTS,
    Demand,
    Encryption,
    Lifetimes,
    Limits,
    Lists,
    Mail,
    Site,
)
from policies.model import check_name
from policies.reading import Section
from policies.values import suggest

DEFAULT_PORT: Final = 8443
DEFAULT_NAME: Final = "Pusterla"
DEFAULT_ADDRESS: Final = "0.0.0.0"
DEFAULT_SESSION_LIFETIME: Final = timedelta(hours=12)
DEFAULT_FEED_GRACE: Final = timedelta(seconds=5)
DEFAULT_LISTS: Final = Lists()
DEFAULT_LIFETIMES: Final = Lifetimes()
DEFAULT_LIMITS: Final = Limits()
SHORTEST_TICKET: Final = timedelta(minutes=10)
LONGEST_TICKET: Final = timedelta(days=90)
OFF: Final = "off"

# 8443 → 8080 and 443 → 80: the pairs that people know.
_HTTP_DISTANCE: Final = 363
_HIGHEST_PORT: Final = 65535
_MOST_WORKERS: Final = 256
_MOST_PARTITIONS: Final = 1024
_LONGEST_LABEL: Final = 63
# `public.` goes before it, and a name has at most 253 characters.
_LONGEST_HOST: Final = 253 - len("public.")
_POSTGRESQL: Final = "postgresql+asyncpg://"
_LONGEST_WAIT: Final = timedelta(hours=1)
_SMALLEST_HEAD: Final = 4 * 1024
_LARGEST_HEAD: Final = 1024 * 1024
# A browser sends some twenty fields, and a way back from the sign-in is a long target.
_FEWEST_FIELDS: Final = 32
_MOST_FIELDS: Final = 10_000
_SHORTEST_TARGET: Final = 1024


def read_settings(document: Section, cores: int) -> Site | None:
    """Make the `Site` of *document*, or `None` after recording every problem.

    *cores* is how many workers there are when the file does not say.
    """
    named = document.section("site")
    time_zone = _read_time_zone(named)
    host, port, http_port, name, contact = _read_site(named)
    listen = _read_listen(document.section("listen"), cores)
    sessions = document.section("sessions")
    session_lifetime = sessions.duration(
        "lifetime",
        default=DEFAULT_SESSION_LIFETIME,
        minimum=timedelta(minutes=1),
        maximum=timedelta(days=30),
    )
    sessions.finish()
    ticket_lifetime = _read_sign_in(document.section("sign_in"))
    store_url, feed_grace = _read_store(document.section("store"))
    certificates = _read_certificates(document.section("certificates"))
    crl = _read_crl(document.section("crl"))
    passphrase_file, pin_file = _read_ca(document.section("ca"))
    limits = _read_limits(document.section("limits"))
    access_log, log_queries = _read_log(document.section("log"))
    metrics_port = _read_metrics(document.section("metrics"), (port, http_port))
    mail = _read_mail(document.section("mail"))
    managers = _read_groups(document.section("groups"))
    document.finish()
    if host is None:
        return None
    return Site(
        host=host,
        port=port,
        http_port=http_port,
        name=name,
        contact=contact,
        listen=listen.address,
        workers=listen.workers,
        store_url=store_url,
        session_lifetime=session_lifetime,
        certificates=certificates,
        crl=crl,
        feed_grace=feed_grace,
        limits=limits,
        ca_passphrase_file=passphrase_file,
        ca_pin_file=pin_file,
        certificate=listen.certificate,
        balancers=listen.balancers,
        access_log=access_log,
        log_queries=log_queries,
        metrics_port=metrics_port,
        mail=mail,
        time_zone=time_zone,
        ticket_lifetime=ticket_lifetime,
        managers=managers,
    )


def default_http_port(port: int) -> int:
    """Return the port for plain http that goes with *port*; below 1 there is none."""
    return port - _HTTP_DISTANCE


def check_host(text: str) -> str:
    """Return *text* if it is the name of a host as we serve it, or raise `ValueError`.

    It must be written in the form in which requests are compared with it.
    """
    plain = normalise_host(text)
    if plain is None:
        message = (
            f"{text!r} is not the name of a host; write one such as wiki.example.org "
            "(xn--… for letters beyond a-z)"
        )
        raise ValueError(message)
    if plain != text:
        raise ValueError(f"write the host as {plain!r}: small letters, no port, no dot at the end")
    if _is_address(plain) or plain.rpartition(".")[2].isdigit():
        message = f"{text!r} is an address; give a name, for addresses are not asked for in TLS"
        raise ValueError(message)
    if len(plain) > _LONGEST_HOST or max(map(len, plain.split("."))) > _LONGEST_LABEL:
        raise ValueError(f"a host has at most {_LONGEST_HOST} characters, {_LONGEST_LABEL} a label")
    return text


def check_line(text: str) -> str:
    """Return *text* if it is one printable line, or raise `ValueError`."""
    if not text.isprintable():
        raise ValueError("expected one line of printable text")
    return text


def _read_site(section: Section) -> tuple[str | None, int, int, str, str]:
    host = section.text("host", check=check_host)
    port = section.integer("port", default=DEFAULT_PORT, minimum=1, maximum=_HIGHEST_PORT)
    derived = default_http_port(port)
    http_port = section.integer("http_port", default=derived, minimum=1, maximum=_HIGHEST_PORT)
    if http_port < 1:
        section.report("http_port", f"missing, and port {port} leaves no room below it: choose one")
    elif http_port == port:
        section.report("http_port", f"the same as port: {port} cannot speak both https and http")
    name = section.text("name", default=DEFAULT_NAME, check=check_line)
    contact = section.text("contact", default="", check=check_line)
    section.finish()
    return host, port, http_port, name, contact


def _read_time_zone(section: Section) -> ZoneInfo:
    name = section.text("time_zone", default=DEFAULT_TIME_ZONE.key, check=_check_time_zone)
    return ZoneInfo(name)


@dataclass(frozen=True, slots=True)
class _Listen:
    address: str
    workers: int
    certificate: Demand
    balancers: tuple[IPv4Network | IPv6Network, ...]


def _read_listen(section: Section, cores: int) -> _Listen:
    address = section.text("address", default=DEFAULT_ADDRESS, check=_check_address)
    workers = section.integer("workers", default=cores, minimum=1, maximum=_MOST_WORKERS)
    certificate = section.choice("certificate", Demand, default=Demand.PAGE)
    nothing: tuple[str, ...] = ()
    balancers = section.texts("proxy_protocol_from", default=nothing, check=_check_network)
    section.finish()
    return _Listen(address, workers, certificate, tuple(map(ip_network, balancers)))


def _read_sign_in(section: Section) -> timedelta:
    lifetime = section.duration(
        "ticket_lifetime",
        default=DEFAULT_TICKET_LIFETIME,
        minimum=SHORTEST_TICKET,
        maximum=LONGEST_TICKET,
    )
    section.finish()
    return lifetime


def _read_store(section: Section) -> tuple[str | None, timedelta]:
    url = section.text("url", default=None, check=_check_store_url)
    grace = section.duration(
        "feed_grace",
        default=DEFAULT_FEED_GRACE,
        # The store gives a sign of life each second.
        minimum=timedelta(seconds=2),
        maximum=timedelta(minutes=10),
    )
    section.finish()
    return url, grace


def _read_certificates(section: Section) -> Lifetimes:
    """Read how long people's certificates last; `ca.profiles` has the same limits once more."""
    day = timedelta(days=1)
    longest = section.duration(
        "longest",
        default=DEFAULT_LIFETIMES.longest,
        minimum=day,
        maximum=DEFAULT_LIFETIMES.longest,
    )
    lifetime = section.duration(
        "lifetime",
        default=min(DEFAULT_LIFETIMES.lifetime, longest),
        minimum=day,
        maximum=DEFAULT_LIFETIMES.longest,
    )
    if lifetime > longest:
        section.report("lifetime", "beyond longest, which no certificate may outlast")
    renew_before = section.duration(
        "renew_before",
        default=DEFAULT_LIFETIMES.renew_before,
        minimum=timedelta(),
        maximum=DEFAULT_LIFETIMES.longest,
    )
    overlap = section.duration(
        "overlap",
        default=DEFAULT_LIFETIMES.overlap,
        minimum=timedelta(),
        maximum=DEFAULT_LIFETIMES.longest,
    )
    section.finish()
    return Lifetimes(lifetime, longest, renew_before, overlap)


def _read_crl(section: Section) -> Lists:
    lifetime = section.duration(
        "lifetime",
        default=DEFAULT_LISTS.lifetime,
        minimum=timedelta(hours=1),
        maximum=timedelta(days=90),
    )
    delta = section.boolean("delta", default=DEFAULT_LISTS.delta)
    delta_lifetime = section.duration(
        "delta_lifetime",
        default=min(DEFAULT_LISTS.delta_lifetime, lifetime),
        minimum=timedelta(minutes=10),
        maximum=timedelta(days=90),
    )
    if delta_lifetime > lifetime:
        section.report(
            "delta_lifetime", "longer than lifetime: a delta list would outlive its base"
        )
    partitions = section.integer(
        "partitions", default=DEFAULT_LISTS.partitions, minimum=1, maximum=_MOST_PARTITIONS
    )
    section.finish()
    return Lists(lifetime, delta, delta_lifetime, partitions)


def _read_ca(section: Section) -> tuple[PurePath | None, PurePath | None]:
    def path(key: str) -> PurePath | None:
        text = section.text(key, default=None, check=check_line)
        return None if text is None else PurePath(text)

    files = path("passphrase_file"), path("pin_file")
    section.finish()
    return files


def _read_limits(section: Section) -> Limits:
    def duration(key: str) -> timedelta:
        default: timedelta = getattr(DEFAULT_LIMITS, key)
        return section.duration(key, default=default, maximum=_LONGEST_WAIT)

    def count(key: str) -> int:
        return section.integer(key, default=getattr(DEFAULT_LIMITS, key), minimum=1)

    limits = Limits(
        handshake=duration("handshake"),
        request_head=duration("request_head"),
        request_body=duration("request_body"),
        response_taken=duration("response_taken"),
        idle=duration("idle"),
        upstream_connect=duration("upstream_connect"),
        upstream_response=duration("upstream_response"),
        drain=duration("drain"),
        head_bytes=section.integer(
            "head_bytes",
            default=DEFAULT_LIMITS.head_bytes,
            minimum=_SMALLEST_HEAD,
            maximum=_LARGEST_HEAD,
        ),
        head_fields=section.integer(
            "head_fields",
            default=DEFAULT_LIMITS.head_fields,
            minimum=_FEWEST_FIELDS,
            maximum=_MOST_FIELDS,
        ),
        target_bytes=section.integer(
            "target_bytes",
            default=DEFAULT_LIMITS.target_bytes,
            minimum=_SHORTEST_TARGET,
            maximum=_LARGEST_HEAD,
        ),
        body_bytes=section.integer("body_bytes", default=DEFAULT_LIMITS.body_bytes, minimum=0),
        body_rate=section.integer("body_rate", default=DEFAULT_LIMITS.body_rate, minimum=0),
        connections=count("connections"),
        certificate_connections=count("certificate_connections"),
        handshakes=count("handshakes"),
    )
    section.finish()
    return limits


def _read_log(section: Section) -> tuple[str | None, bool]:
    access = section.text("access", default=DEFAULT_ACCESS_LOG, check=_check_path)
    queries = section.boolean("queries", default=True)
    section.finish()
    return None if access == OFF else access, queries


def _read_metrics(section: Section, taken: tuple[int, int]) -> int | None:
    port = section.integer("port", default=None, minimum=1, maximum=_HIGHEST_PORT)
    if port in taken:
        section.report("port", f"{port} is the site's own port: metrics are not for everybody")
    section.finish()
    return port


def _read_mail(section: Section) -> Mail:
    server = section.text("server", default=None, check=_check_mail_server)
    encryption = section.choice("encryption", Encryption, default=Encryption.STARTTLS)
    port = section.integer("port", default=MAIL_PORTS[encryption], minimum=1, maximum=_HIGHEST_PORT)
    ca = section.text("ca", default=None, check=check_line)
    user = section.text("user", default=None, check=check_line)
    password_file = section.text("password_file", default=None, check=check_line)
    from_ = section.text("from", default="", check=check_address)
    nobody: tuple[str, ...] = ()
    administrators = section.texts("administrators", default=nobody, check=check_address)
    if server is None and (from_ or administrators or user or password_file or ca):
        section.report("server", "missing, and without it no letter goes out")
    if server is not None and not from_:
        section.report("from", "missing, expected the address from which letters come")
    if (user is None) != (password_file is None):
        section.report("user", "user and password_file belong together: give both, or neither")
    if server is not None and encryption is Encryption.NONE and not _is_this_machine(server):
        section.report(
            "encryption",
            f"letters to {server} could be read and changed on the way: only a server on this "
            "machine (127.0.0.1, ::1, localhost) may do without",
        )
    section.finish()
    return Mail(server, port, encryption, ca, user, password_file, from_, administrators)


def _read_groups(section: Section) -> dict[str, frozenset[str]]:
    """Read `[groups.NAME]`; which groups there are, the store knows, and they come and go."""
    found = {}
    for name in section:
        group = section.section(name)
        try:
            check_name(name)
        except ValueError as error:
            section.report(name, str(error))
        managers = group.texts("managers", check=check_name)
        group.finish()
        found[name] = frozenset(managers or ())
    section.finish()
    return found


def _is_this_machine(server: str) -> bool:
    return server == "localhost" or (_is_address(server) and ip_address(server).is_loopback)


def _check_time_zone(text: str) -> None:
    known = available_timezones()
    if text not in known:
        hint = suggest(text, known) or "; write one such as Europe/Rome or UTC"
        raise ValueError(f"{text!r} is not a time zone of the tz database{hint}")


def _check_mail_server(text: str) -> None:
    if not _is_address(text) and normalise_host(text) != text:
        raise ValueError(f"{text!r} is not the name of a mail server; write mail.example.org")


def _check_path(text: str) -> None:
    if not text.isprintable() or text.endswith("/"):
        raise ValueError(f"{text!r} is not the path of a file; write log/access.jsonl, or {OFF}")


def _check_address(text: str) -> None:
    if not _is_address(text):
        raise ValueError(f"{text!r} is no address of a machine; write 0.0.0.0, 127.0.0.1 or ::")


def _check_network(text: str) -> None:
    try:
        network = ip_network(text)
    except ValueError as error:
        message = f"{text!r} is no address and no network; write 10.0.0.5 or 10.1.0.0/24"
        raise ValueError(message) from error
    if not network.prefixlen:
        raise ValueError(f"{text!r} is everybody: whoever comes could say that they are anybody")


def _check_store_url(text: str) -> None:
    # Never quoted: there may be a password in it.
    if text.startswith("sqlite"):
        raise ValueError("leave the key out for SQLite: its file is in the site folder")
    database = text.removeprefix(_POSTGRESQL).partition("?")[0].partition("/")[2]
    if not text.startswith(_POSTGRESQL) or not database:
        raise ValueError(f"expected {_POSTGRESQL}USER@HOST/DATABASE")


def _is_address(text: str) -> bool:
    try:
        ip_address(text.strip("[]"))
    except ValueError:
        return False
    return True
