"""The files as the command writes them: every key there is, with what it means.

A key that nobody chose is written as a comment with its default, or with an
example where there is none: so a later, better default reaches such sites.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from gateway.config.settings import (
    DEFAULT_ADDRESS,
    DEFAULT_FEED_GRACE,
    DEFAULT_LIFETIMES,
    DEFAULT_LIMITS,
    DEFAULT_LISTS,
    DEFAULT_NAME,
    DEFAULT_SESSION_LIFETIME,
    default_http_port,
)
from gateway.core.site import (
    DEFAULT_ACCESS_LOG,
    DEFAULT_TICKET_LIFETIME,
    DEFAULT_TIME_ZONE,
    MAIL_PORTS,
    Demand,
    Encryption,
    HealthCheck,
)
from policies.durations import show_duration
from policies.parse import SubjectKind, SubjectTerm

_EXAMPLE_BODY: Final = 1024**3


@dataclass(frozen=True, slots=True)
class Setting:
    """One key in a file that is being written: *value* as TOML, and the words before it."""

    key: str
    value: str
    words: str
    chosen: bool = False

    def __str__(self) -> str:
        """The words as a comment, then the key: itself a comment unless it was *chosen*."""
        comment = "".join(f"# {line}\n" for line in self.words.splitlines())
        return f"{comment}{'' if self.chosen else '# '}{self.key} = {self.value}\n"


def settings_text(
    host: str,
    port: int,
    *,
    http_port: int | None = None,
    name: str | None = None,
    contact: str | None = None,
    address: str | None = None,
    workers: int | None = None,
    store_url: str | None = None,
) -> str:
    """Return a pusterla.toml for *host* and *port*; what is `None` stays at its default."""
    sections = (
        ("site", _site_settings(host, port, http_port, name, contact)),
        ("listen", _listen_settings(address, workers)),
        ("sessions", _session_settings()),
        ("sign_in", _sign_in_settings()),
        ("store", _store_settings(store_url)),
        ("ca", _ca_settings()),
        ("certificates", _certificate_settings()),
        ("crl", _crl_settings()),
        ("limits", _limit_settings()),
        ("log", _log_settings()),
        ("metrics", _metrics_settings()),
        ("mail", _mail_settings()),
        ("groups", _group_settings()),
    )
    head = (
        f"# The settings of the Pusterla at {host}; docs/configuration.md explains them too.\n"
        "# A key behind a # is not set: take the # away to choose. `pusterla app check` reads\n"
        "# this file as `pusterla serve` does, and `pusterla reload` has a running site take it up.\n"
    )
    return head + "".join(
        f"\n[{title}]\n" + "\n".join(map(str, settings)) for title, settings in sections
    )


def application_text(
    name: str,
    host: str,
    upstreams: tuple[str, ...],
    allow: Iterable[SubjectTerm],
    *,
    title: str | None = None,
    description: str | None = None,
    icon: str | None = None,
) -> str:
    """Return an apps/NAME.toml that lets *allow* in, each term by a rule of its own."""
    settings = (
        Setting("host", toml_text(host), "The host under which people reach it.", chosen=True),
        Setting(
            "upstream",
            toml_text(upstreams[0]) if len(upstreams) == 1 else _texts(upstreams),
            "Where it listens: http://HOST:PORT, https://HOST:PORT or unix:/path/of.sock\n"
            'Several that do the same: ["http://10.0.0.1:80", "http://10.0.0.2:80"]',
            chosen=True,
        ),
        Setting(
            "upstream_host",
            toml_text("wiki.internal"),
            "The name on which it insists: it is called so, and where its answers say that\n"
            "name, ours is put. Left out: it is called as people call it.",
        ),
        Setting(
            "buffer_body",
            "1048576",
            "For an application that needs a body's length before it reads it: up to how many\n"
            "bytes a body of unknown length is held until it is whole. Left out: not at all.",
        ),
        _optional("title", title, toml_text(name), "What people read in the list at the portal."),
        _optional(
            "description",
            description,
            toml_text("Everything we know, and where"),
            "A sentence about it, below the title. Left out: none.",
        ),
        _optional(
            "icon",
            icon,
            toml_text(f"{name}.svg"),
            "A picture of it: a file beside this one, SVG, PNG or WebP, up to 64 KiB.\n"
            "Left out: its first letter.",
        ),
        Setting(
            "user_header",
            toml_text("X-Remote-User"),
            "One more header with the user's name, for an application that wants its own\n"
            "(X-Forwarded-User is always sent). Left out: none.",
        ),
        Setting(
            "client_certificate",
            "false",
            "Whether to hand on the person's certificate (Client-Cert, RFC 9440).",
        ),
    )
    head = (
        f"# The application {name}: this file's name is its name. It is read again when it\n"
        "# changes; `pusterla app check` says beforehand whether it is right.\n\n"
    )
    tables = "".join(
        f"[{title}]\n" + "\n".join(map(str, table)) + "\n"
        for title, table in (
            ("session", _app_session_settings()),
            ("limits", _app_limit_settings()),
            ("health", _health_settings()),
            ("upstream_tls", _upstream_tls_settings()),
        )
    )
    return head + "\n".join(map(str, settings)) + "\n" + tables + _rules_text(allow)


def toml_text(text: str) -> str:
    """Write *text* as a basic string of TOML."""
    # JSON's escapes are TOML's; only DEL is allowed there and not here.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")


def _texts(texts: tuple[str, ...]) -> str:
    return f"[{', '.join(map(toml_text, texts))}]"


def _rules_text(allow: Iterable[SubjectTerm]) -> str:
    head = (
        "# Who may reach it. Within a rule everything must hold, between rules one is enough;\n"
        '# a rule with effect = "deny" beats every other, and whom no rule allows is refused.\n'
        '# A rule names groups = ["technicians"], users = ["anna"] or everybody = true, and may\n'
        "# ask for more; docs/policies.md explains it all:\n"
        '#   hours = "08:00-19:00"          weekdays = "mon-fri"\n'
        "#   valid_from = 2026-11-01        valid_until = 2026-12-31\n"
        '#   except_holidays = ["it"]       only_holidays = ["it"]\n'
        '#   methods = ["GET"]              paths = ["/reports/**"]\n'
        '#   networks = ["10.0.0.0/8"]      devices = ["stick-1"]\n'
        '#   issuers = ["own"]              certificate = "limited"\n'
        '#   requires = ["approval"]        days = { per_month = 3, consecutive = false }\n'
        '# and one with effect = "step-up" wants a code again: totp_within = "10m"\n'
    )
    keys = {SubjectKind.USER: "users", SubjectKind.GROUP: "groups"}
    rules = [
        f"[[rules]]\nname = {toml_text(str(term))}\n"
        f'effect = "allow"\n{keys[term.kind]} = [{toml_text(term.name)}]\n'
        for term in allow
    ]
    nobody = ["# There is no rule yet, so nobody gets in.\n"]
    return head + "\n".join(rules or nobody)


def _site_settings(
    host: str, port: int, http_port: int | None, name: str | None, contact: str | None
) -> tuple[Setting, ...]:
    return (
        Setting(
            "host",
            toml_text(host),
            f"The portal's host, where people sign in. public.{host} asks for no\n"
            "certificate: revocation lists, keys and help are there.",
            chosen=True,
        ),
        Setting("port", str(port), "The port for https, as people see it.", chosen=True),
        _optional(
            "http_port",
            http_port,
            str(default_http_port(port)),
            "The port for plain http: revocation lists, and the way to https.\n"
            "Left out: port - 363, so 8443 has 8080 and 443 has 80.",
        ),
        _optional(
            "name",
            name,
            toml_text(DEFAULT_NAME),
            "What people call it: on pages and in the authenticator application.",
        ),
        _optional(
            "contact",
            contact,
            toml_text("help@example.org"),
            "Whom people turn to when they are refused, shown on every refusal: an\n"
            "address, a number, a room. Left out: none.",
        ),
        Setting(
            "time_zone",
            toml_text(DEFAULT_TIME_ZONE.key),
            "Whose clock people read, as the tz database calls it (Europe/Rome): dates and\n"
            "times on pages and in letters.",
        ),
    )


def _listen_settings(address: str | None, workers: int | None) -> tuple[Setting, ...]:
    return (
        _optional(
            "address",
            address,
            toml_text(DEFAULT_ADDRESS),
            'The address to listen on: "0.0.0.0" all of IPv4, "::" all of both,\n'
            '"127.0.0.1" this machine alone.',
        ),
        _optional(
            "workers", workers, "2", "How many workers the edge has. Left out: one for each core."
        ),
        Setting(
            "certificate",
            toml_text(Demand.PAGE),
            'What becomes of whoever has no good certificate: "page", they read what is wrong\n'
            'and what to do; "handshake", the TLS connection fails, with the alert that says it.',
        ),
        Setting(
            "proxy_protocol_from",
            '["10.0.0.5", "10.1.0.0/24"]',
            "Balancers in front of this site, by address or network. Every connection from\n"
            "there must begin with a PROXY header, version 2, and what it says of the client\n"
            "is believed.",
        ),
    )


def _session_settings() -> tuple[Setting, ...]:
    return (
        _duration("lifetime", DEFAULT_SESSION_LIFETIME, "How long a sign-in lasts at the most."),
    )


def _sign_in_settings() -> tuple[Setting, ...]:
    return (
        _duration(
            "ticket_lifetime",
            DEFAULT_TICKET_LIFETIME,
            "How long a ticket is good for with which somebody sets up their sign-in, 10m to 90d.\n"
            "`user add --ticket` and `user ticket` make them, and take another time with --lifetime.",
        ),
    )


def _store_settings(url: str | None) -> tuple[Setting, ...]:
    return (
        _optional(
            "url",
            url,
            toml_text("postgresql+asyncpg://pusterla@db.example.org/pusterla"),
            "A PostgreSQL, for a site of several nodes. Left out: an SQLite file in store/.",
        ),
        _duration(
            "feed_grace",
            DEFAULT_FEED_GRACE,
            "How long the edge goes on without a sign of life of the store before it\n"
            "refuses everybody. At least 2s.",
        ),
    )


def _ca_settings() -> tuple[Setting, ...]:
    return (
        Setting(
            "passphrase_file",
            toml_text("/etc/pusterla/ca-passphrase"),
            "The file whose first line is the passphrase of the CA's keys: mode 0600, and the\n"
            "authority's own. Or a folder with such a file for each key that has a passphrase of\n"
            "its own: issuing-1, issuing-2, root. A relative path is one in this folder.\n"
            "Left out: a credential of systemd, or whoever runs a command is asked.",
        ),
        Setting(
            "pin_file",
            toml_text("/etc/pusterla/ca-pin"),
            "The same for the PIN, where a key is in a token.",
        ),
    )


def _certificate_settings() -> tuple[Setting, ...]:
    return (
        _duration(
            "lifetime",
            DEFAULT_LIFETIMES.lifetime,
            "How long a person's certificate lasts when `cert issue` is not told with --days.",
        ),
        _duration(
            "longest",
            DEFAULT_LIFETIMES.longest,
            "The longest that --days may ask for.",
        ),
        _duration(
            "renew_before",
            DEFAULT_LIFETIMES.renew_before,
            "How long before its end people may renew a certificate at the portal by themselves;\n"
            '"0s" for not at all. They are written to 30, 7 and 1 days before.',
        ),
        _duration(
            "overlap",
            DEFAULT_LIFETIMES.overlap,
            "How long the old certificate goes on after the first sign-in with the new one, at the most\n"
            "until its own end.",
        ),
    )


def _crl_settings() -> tuple[Setting, ...]:
    return (
        _duration(
            "lifetime",
            DEFAULT_LISTS.lifetime,
            "How long a certificate revocation list is good for. A new one is signed\n"
            "after a quarter of it, and with every revocation.",
        ),
        Setting(
            "delta",
            "false",
            "Whether to sign delta lists too: what has changed since the full list, for\n"
            "who would rather not fetch all of it again.",
        ),
        _duration(
            "delta_lifetime",
            DEFAULT_LISTS.delta_lifetime,
            "How long a delta list is good for; no longer than lifetime.",
        ),
        Setting(
            "partitions",
            str(DEFAULT_LISTS.partitions),
            "In how many lists the certificates are that are issued from now on; each names\n"
            "its own. 1: one list for all, which there always is besides.",
        ),
    )


def _log_settings() -> tuple[Setting, ...]:
    return (
        Setting(
            "access",
            toml_text(DEFAULT_ACCESS_LOG),
            "The access log, a JSON object for each request: a path, from the site folder on.\n"
            'It is appended to, and made anew when it was renamed. "off": none.',
        ),
        Setting(
            "queries",
            "true",
            "Whether it shows what stands behind the ? of an address. Applications that put\n"
            "secrets there ask for false.",
        ),
    )


def _metrics_settings() -> tuple[Setting, ...]:
    return (
        Setting(
            "port",
            "9464",
            "Where Prometheus reads metrics: http://127.0.0.1:PORT/metrics, on this machine\n"
            "alone. Left out: nowhere.",
        ),
    )


def _mail_settings() -> tuple[Setting, ...]:
    return (
        Setting(
            "server",
            toml_text("mail.example.org"),
            "The mail server by which administrators and people are told, for example of a\n"
            "stick that was reported lost. Left out: nobody is. `pusterla mail test` tries it.",
        ),
        Setting(
            "encryption",
            toml_text(Encryption.STARTTLS),
            '"starttls" or "tls" (from the first byte on); "none" for a server on this machine.',
        ),
        Setting(
            "port",
            str(MAIL_PORTS[Encryption.STARTTLS]),
            "Its port. Left out: 587 for starttls, 465 for tls, 25 for none.",
        ),
        Setting(
            "ca",
            toml_text("keys/mail-ca.pem"),
            "Who signs for it, in PEM. Left out: whom this machine believes.",
        ),
        Setting("user", toml_text("pusterla"), "As whom to sign in there. Left out: not at all."),
        Setting(
            "password_file",
            toml_text("/etc/pusterla/mail-password"),
            "The file whose first line is the password for it, mode 0600 or 0640. A relative\n"
            "path is one in this folder.",
        ),
        Setting("from", toml_text("pusterla@example.org"), "From which address letters come."),
        Setting(
            "administrators",
            '["helpdesk@example.org"]',
            "Who is told of what concerns administrators.",
        ),
    )


def _group_settings() -> tuple[Setting, ...]:
    return (
        Setting(
            "technicians",
            '{ managers = ["berta"] }',
            'Who approves what the people of a group ask for (requires = ["approval"]): user\n'
            "names. Left out: `pusterla request approve` alone does.",
        ),
    )


def _limit_settings() -> tuple[Setting, ...]:
    limits = DEFAULT_LIMITS
    return (
        _duration("handshake", limits.handshake, "How long a TLS handshake may take."),
        _duration("request_head", limits.request_head, "How long the head of a request may take."),
        _duration(
            "request_body",
            limits.request_body,
            "The longest pause in a request's body.",
        ),
        _duration(
            "response_taken",
            limits.response_taken,
            "How long a client may take nothing of what waits for it.",
        ),
        _duration(
            "idle",
            limits.idle,
            "How long a connection stays open without a request. Long is good: a\n"
            "handshake costs more than anything else.",
        ),
        _duration(
            "upstream_connect",
            limits.upstream_connect,
            "How long an application may take to accept a connection.",
        ),
        _duration(
            "upstream_response",
            limits.upstream_response,
            "How long an application may take to begin its answer.",
        ),
        _duration(
            "drain",
            limits.drain,
            "How long open requests may go on when the service is being stopped.",
        ),
        Setting("head_bytes", str(limits.head_bytes), "The largest head of a request, in bytes."),
        Setting(
            "head_fields",
            str(limits.head_fields),
            "How many fields the head of a request may have.",
        ),
        Setting(
            "target_bytes",
            str(limits.target_bytes),
            "The longest target (path and query) of a request, in bytes.",
        ),
        Setting(
            "body_bytes",
            str(_EXAMPLE_BODY),
            "The largest body of a request, in bytes. Left out: any.",
        ),
        Setting(
            "body_rate",
            str(limits.body_rate),
            "At how many bytes a second a request's body must come, averaged over 30 s, until\n"
            "the answer begins. 0: any.",
        ),
        Setting(
            "connections",
            str(limits.connections),
            "How many connections one worker serves at once. When all are taken, those\n"
            "without a good certificate go first.",
        ),
        Setting(
            "certificate_connections",
            str(limits.certificate_connections),
            "How many of them one certificate may have.",
        ),
        Setting(
            "handshakes",
            str(limits.handshakes),
            "How many handshakes may be under way at once; the oldest goes for a new one.",
        ),
    )


def _app_session_settings() -> tuple[Setting, ...]:
    return (
        Setting(
            "lifetime",
            toml_text("8h"),
            "How long after password and code it may be used; then both are asked for again.\n"
            "Left out: as long as the session lasts.",
        ),
        Setting(
            "idle",
            toml_text("15m"),
            "How long nobody may use it; then a code is asked for. Left out: for any time.",
        ),
    )


def _app_limit_settings() -> tuple[Setting, ...]:
    limits = DEFAULT_LIMITS
    return (
        _duration(
            "upstream_connect",
            limits.upstream_connect,
            "How long it may take to accept a connection. Left out: as pusterla.toml says.",
        ),
        _duration(
            "upstream_response",
            limits.upstream_response,
            "How long it may take to begin its answer. Left out: as pusterla.toml says.",
        ),
        Setting(
            "upstream_idle",
            toml_text("5m"),
            "How long an answer that has begun may stop coming. Left out: for ever, as\n"
            "answers that go on all day (event streams) need it.",
        ),
        Setting(
            "body_bytes",
            "1073741824",
            "The largest body of a request, in bytes. Left out: as pusterla.toml says.",
        ),
    )


def _health_settings() -> tuple[Setting, ...]:
    default = HealthCheck("/healthz")
    return (
        Setting(
            "path",
            toml_text(default.path),
            "What is asked of each upstream to see whether it is well: it is where the\n"
            "answer is 2xx or 3xx. Left out: nothing is asked.",
        ),
        _duration("interval", default.interval, "How often each worker asks."),
        _duration("timeout", default.timeout, "How long an answer may take."),
    )


def _upstream_tls_settings() -> tuple[Setting, ...]:
    return (
        Setting(
            "ca",
            toml_text("upstream-ca.pem"),
            "For https:// upstreams. Who signs for them, in PEM; paths are relative to the\n"
            "site's folder. Left out: whom this machine believes.",
        ),
        Setting(
            "name",
            toml_text("wiki.internal"),
            "What they are called in their certificates. Left out: the host of the upstream.",
        ),
        Setting(
            "certificate",
            toml_text("upstream-client.pem"),
            "The certificate that we show them. Left out: none.",
        ),
        Setting("key", toml_text("upstream-client.key"), "Its key. Left out: in the same file."),
    )


def _optional(key: str, value: str | int | None, default: str, words: str) -> Setting:
    if value is None:
        return Setting(key, default, words)
    return Setting(
        key, toml_text(value) if isinstance(value, str) else str(value), words, chosen=True
    )


def _duration(key: str, default: timedelta, words: str) -> Setting:
    return Setting(key, toml_text(show_duration(default)), words)
