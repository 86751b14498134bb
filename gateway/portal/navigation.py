"""The way between the pages for those who are signed in: one row at the top of each."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from gateway.core.site import Application


@dataclass(frozen=True, slots=True)
class Place:
    """One entry; *key* is its sentence in `messages`, and how a template says that it is there."""

    path: str
    key: str


REQUESTS: Final = Place("/requests", "requests")
PLACES: Final = (
    Place("/", "applications"),
    REQUESTS,
    Place("/devices", "devices"),
    Place("/account", "account"),
)
"""In their order. Each path is in `doors.PORTAL`; a template names its own with `place`."""


def places_of(applications: Iterable[Application]) -> tuple[Place, ...]:
    """Return the places that there are on a site with *applications*."""
    asked = any(one.policy.asks_approval for one in applications)
    return tuple(one for one in PLACES if one is not REQUESTS or asked)
