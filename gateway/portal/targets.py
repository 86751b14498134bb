"""Where somebody goes once they have signed in: only to this site, whatever was asked for.

`to` is an address that came with a request, so it is anybody's word. It is not
repaired: either it is one of our origins, letter by letter, followed by a path
in normal characters, or the person goes to the start page. So there is no
second reading of it in a browser that ends on another site.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from gateway.core.routes import RESERVED_PREFIX, normalise_target
from gateway.core.site import Application, Site

ENTER_PATH = f"{RESERVED_PREFIX}enter"
"""Where the edge takes a hand-over ticket, on the host of each application."""
TO_MAXIMUM = 4096
ENROL_PATH = "/enrol"
"""Where somebody sets up what they sign in with."""

FORM_PATH = "/requests/new"
"""Where somebody asks for access; `?app=` names the application."""

# No userinfo, no control or non-ASCII character and no fragment gets past this, and a
# backslash, which browsers take for a slash, only behind the question mark.
_PATH_AND_QUERY = r"/[!\"$->@-\[\]-~]*(?:\?[!\"$-~]*)?"
_TARGET = re.compile(_PATH_AND_QUERY)
_URL = re.compile(rf"(?P<origin>https://[a-z0-9.:\[\]-]+)(?P<target>{_PATH_AND_QUERY})")
# Paths of the portal that lead back here, or that are not pages.
_NO_DESTINATION = (
    *("/sign-in", "/sign-in/recovery", "/sign-out", "/signed-out", "/continue", "/language"),
    *("/enrol", "/enrol/confirm", "/account/sign-out", "/confirm"),
)


@dataclass(frozen=True, slots=True)
class PortalTarget:
    """A page of the portal: *target* is path and query."""

    target: str


@dataclass(frozen=True, slots=True)
class ApplicationTarget:
    """A page of *application*: *target* is path and query, as they were asked for."""

    application: Application
    target: str


Target = PortalTarget | ApplicationTarget

START = PortalTarget("/")


def find_target(to: str, site: Site, applications: Mapping[str, Application]) -> Target:
    """Return the place of this site that *to* names; the start page for anything else.

    Whether the person may go there is not asked: the edge does, on arrival.
    """
    match = _URL.fullmatch(to) if len(to) <= TO_MAXIMUM else None
    if match is None:
        return START
    origin, target = match["origin"], match["target"]
    path = _path_of(target)
    if path is None:
        return START
    if origin == site.origin(site.host):
        return START if path in _NO_DESTINATION else PortalTarget(target)
    for application in applications.values():
        if origin == site.origin(application.host) and not path.startswith(RESERVED_PREFIX):
            return ApplicationTarget(application, target)
    return START


def local_target(text: str) -> str:
    """Return *text* if it is path and query of a page on the very host that it came from, or "/"."""
    if len(text) > TO_MAXIMUM or not _TARGET.fullmatch(text) or _path_of(text) is None:
        return START.target
    return text


def _path_of(target: str) -> str | None:
    """Return the normal form of the path of *target*; None where it has none, or two readings."""
    normal = normalise_target(target.encode())
    # Two slashes at the start would be read as the name of another host.
    if normal is None or target.startswith("//") or normal.path.startswith(b"//"):
        return None
    return normal.path.decode()


def address_of(target: Target, site: Site) -> str:
    """Return the absolute address of *target*, which `find_target` reads as *target* again."""
    host = target.application.host if isinstance(target, ApplicationTarget) else site.host
    return site.origin(host) + target.target


def enter_address(target: ApplicationTarget, site: Site, ticket: str) -> str:
    """Return where the edge takes *ticket* and sends the person on to *target*."""
    query = urlencode({"ticket": ticket, "to": target.target})
    return f"{site.origin(target.application.host)}{ENTER_PATH}?{query}"
