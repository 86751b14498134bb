"""apps/NAME.toml → `Application`. Every key is explained in docs/configuration.md."""

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

from gateway.config.icons import read_icon
from gateway.config.reaching import (
    LARGEST_BUFFER,
    check_authority,
    read_app_limits,
    read_health_check,
    read_upstream_tls,
    read_upstreams,
)
from gateway.config.settings import check_host, check_line
from gateway.core.headers import HOP_BY_HOP
from gateway.core.routes import normalise_host
from gateway.core.site import Application, Icon, Site
from policies.parse import parse_rules
from policies.reading import Problem, Section
from policies.times import Almanac

RESERVED_NAMES: Final = frozenset({"portal", "public", "pusterla"})
"""Names with which logs and audit lines speak of Pusterla itself."""

_SHORTEST_LIFETIME: Final = timedelta(minutes=5)
_SHORTEST_IDLE: Final = timedelta(minutes=1)
_LONGEST_LIFETIME: Final = timedelta(days=30)

_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
# A token of RFC 9110, section 5.6.2, as far as names of fields go in the wild.
_FIELD: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
# Fields that frame or route a message, or that we write ourselves: overwritten, they would
# change what is sent or what it says.
_NEVER_USER: Final = HOP_BY_HOP | {
    "host",
    "content-length",
    "content-type",
    "transfer-encoding",
    "upgrade",
    "expect",
    "cookie",
    "authorization",
    "date",
    "origin",
    "forwarded",
    "client-cert",
    "client-cert-chain",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-user",
    "x-forwarded-email",
    "x-forwarded-groups",
}


def check_app_name(text: str) -> str:
    """Return *text* if an application can be called so, or raise `ValueError`."""
    if not _NAME.fullmatch(text):
        message = (
            f"{text!r} cannot be the name of an application: use 1 to 63 of a-z, 0-9 and '-', "
            "with a letter or a digit at both ends"
        )
        raise ValueError(message)
    if text in RESERVED_NAMES:
        raise ValueError(f"{text!r} cannot be the name of an application: it stands for ourselves")
    return text


class ApplicationReader:
    """Reads the applications of one site, which must not get in each other's way.

    Without a *site* (its own file has problems) everything is checked but
    what depends on the site's hosts. Rules go by the zone and the calendars of *almanac*.
    """

    def __init__(
        self, site: Site | None, folder: Path, almanac: Almanac, problems: list[Problem]
    ) -> None:
        self._folder = folder
        self._almanac = almanac
        self._problems = problems
        self._taken: dict[str, str] = {}
        if site is not None:
            self._taken[site.host] = "the portal's own host"
            self._taken[site.public_host] = "the public host"

    def read(self, name: str, place: str, document: Section) -> Application | None:
        """Make the application *name* of *document*, which is the file *place*.

        Records every problem; after any of them the answer is `None`.
        """
        before = len(self._problems)
        try:
            check_app_name(name)
        except ValueError as error:
            self._problems.append(Problem(place, f"{error}; rename the file"))
        host = document.text("host", check=check_host)
        upstreams = read_upstreams(document)
        upstream_host = document.text("upstream_host", default=None, check=check_authority)
        buffer_body = document.integer(
            "buffer_body", default=None, minimum=1, maximum=LARGEST_BUFFER
        )
        title = document.text("title", default=name, check=check_line)
        description = document.text("description", default="", check=check_line)
        # Places are named from the site's folder on.
        icon = _read_icon(document, (self._folder / place).parent)
        user_header = document.text("user_header", default=None, check=_check_user_header)
        client_certificate = document.boolean("client_certificate", default=False)
        limits = read_app_limits(document.section("limits"))
        tls = read_upstream_tls(document.section("upstream_tls"), upstreams, self._folder)
        health = read_health_check(document.section("health"))
        lifetime, idle = _read_session(document.section("session"))
        policy = parse_rules(
            name,
            document.raw("rules"),
            document.place_of("rules"),
            self._problems,
            self._almanac,
        )
        self._claim(document, place, host)
        document.finish()
        if len(self._problems) > before or host is None or policy is None:
            return None
        return Application(
            name=name,
            host=host,
            upstreams=upstreams,
            policy=replace(policy, lifetime=lifetime, idle=idle),
            title=title,
            description=description,
            icon=icon,
            user_header=user_header,
            client_certificate=client_certificate,
            limits=limits,
            tls=tls,
            health=health,
            upstream_host=upstream_host,
            buffer_body=buffer_body,
        )

    def _claim(self, document: Section, place: str, host: str | None) -> None:
        """Take the host for this file. A host that is faulty otherwise still counts as taken."""
        if host is None:
            given = document.raw("host")
            host = normalise_host(given) if isinstance(given, str) else None
        if host is None:
            return
        if host in self._taken:
            document.report("host", f"{host!r} is already {self._taken[host]}")
        self._taken.setdefault(host, f"the host of {place}")


def _read_session(section: Section) -> tuple[timedelta | None, timedelta | None]:
    """Read how old a session may get here, and how long nobody may use it."""
    lifetime = section.duration(
        "lifetime", default=None, minimum=_SHORTEST_LIFETIME, maximum=_LONGEST_LIFETIME
    )
    idle = section.duration("idle", default=None, minimum=_SHORTEST_IDLE, maximum=_LONGEST_LIFETIME)
    if lifetime is not None and idle is not None and idle >= lifetime:
        section.report("idle", "not shorter than lifetime, so nobody would ever be asked for it")
    section.finish()
    return lifetime, idle


def _read_icon(document: Section, folder: Path) -> Icon | None:
    """Read the picture that *document* names, which lies beside it in *folder*; None for none."""
    found: list[Icon] = []
    document.text("icon", default=None, check=lambda name: found.append(read_icon(folder, name)))
    return found[0] if found else None


def _check_user_header(text: str) -> None:
    if not _FIELD.fullmatch(text):
        raise ValueError(f"{text!r} is not the name of a header; write one such as X-Remote-User")
    if text.lower() in _NEVER_USER or text.lower().startswith(("sec-", "pusterla-")):
        raise ValueError(f"{text!r} has a meaning of its own; write one such as X-Remote-User")
