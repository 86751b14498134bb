"""The settings in force, which a process is handed when it is started.

Whoever edits pusterla.toml has not asked for a reload yet, and may be half-way. A process that
ended meanwhile is to come back as one of those that run, so it begins with what they have, and
not with the file.
"""

import json
import os
from dataclasses import dataclass

from gateway.config import Problems
from gateway.config.differences import keep_fixed
from gateway.config.files import parse_site
from gateway.core.site import Site

_LONGEST = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class SettingsInForce:
    """Texts of pusterla.toml."""

    first: str
    """What the site was started with: what cannot change at run time is as it says."""
    latest: str
    """What was taken up last."""

    def site(self) -> Site | Problems:
        """Return the settings in force."""
        first, latest = parse_site(self.first), parse_site(self.latest)
        if isinstance(first, Problems) or isinstance(latest, Problems):
            # Of a version that read them otherwise, and was exchanged under a running site.
            return first if isinstance(first, Problems) else latest
        return keep_fixed(first, latest)

    def lay_down(self) -> int:
        """Write this into a file that is nowhere but in memory, and return its descriptor."""
        descriptor = os.memfd_create("pusterla.toml")
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(json.dumps([self.first, self.latest]).encode())
        return descriptor


def pick_up(descriptor: int) -> SettingsInForce:
    """Read what was laid down in *descriptor*, and close it."""
    with os.fdopen(descriptor, "rb") as file:
        first, latest = json.loads(os.pread(file.fileno(), _LONGEST, 0))
    return SettingsInForce(first, latest)
