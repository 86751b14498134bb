"""The way between the pages for those who are signed in: one row at the top of each."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Place:
    """One entry; *key* is its sentence in `messages`, and how a template says that it is there."""

    path: str
    key: str


PLACES: Final = (
    Place("/", "applications"),
    Place("/devices", "devices"),
    Place("/account", "account"),
)
"""In their order. Each path is in `doors.PORTAL`; a template names its own with `place`."""
