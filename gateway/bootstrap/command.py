"""What the `pusterla` command opens: settings and store; keys only where something needs one.

The applications' files are not read: whoever must revoke a certificate at once
is not kept from it by a mistake in some file.
"""

import os
import pwd
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime

from ca.keys import KeyRing
from gateway.bootstrap import folder as folders
from gateway.bootstrap.folder import SiteFolder
from gateway.bootstrap.passphrases import Source, passphrases
from gateway.config import Problems, read_site
from gateway.core.audit import AuditEvent, AuditKind
from gateway.core.people import Person
from gateway.core.site import Site
from gateway.store import Store, open_store
from policies.values import suggest

NO_SOURCE = Source()


class CommandRefused(Exception):
    """What was asked of the command cannot be done; the message says why, and what can."""


@dataclass(frozen=True, slots=True)
class Command:
    """A site that a command works on.

    *by* says in the audit log who did it; *say* tells the person at the
    command what takes its time; *keys* opens those of the CA.
    """

    folder: SiteFolder
    site: Site
    store: Store
    clock: Callable[[], datetime]
    by: str
    say: Callable[[str], None]
    keys: KeyRing
    source: Source = NO_SOURCE
    """Of what *keys* opens them with."""

    def today(self) -> date:
        """Say which day it is by the clock of the site's zone."""
        return self.clock().astimezone(self.site.time_zone).date()

    async def record(
        self,
        kind: AuditKind,
        *,
        user: str = "",
        app: str = "",
        detail: Mapping[str, str] | None = None,
    ) -> None:
        """Write to the audit log what this command did; returns when that is durable."""
        event = AuditEvent(
            kind, self.clock(), user=user, app=app, detail={"by": self.by, **(detail or {})}
        )
        await self.store.record(event)

    async def person(self, user: str) -> Person:
        """Return the person called *user*, or raise `CommandRefused` that names the nearest."""
        found = await self.store.person(user)
        if found is not None:
            return found
        known = [person.user for person in await self.store.people()]
        hint = suggest(user, known) or "; `pusterla user list` names them all"
        raise CommandRefused(f"no user {user!r}{hint}")


@asynccontextmanager
async def open_command(
    folder: SiteFolder,
    clock: Callable[[], datetime] = folders.clock,
    say: Callable[[str], None] = lambda _: None,
    source: Source = NO_SOURCE,
) -> AsyncIterator[Command]:
    """Open the site in *folder* for a command.

    Raises `CommandRefused` when its settings have problems, and what
    `gateway.store.open_store` raises.
    """
    site = settings_of(folder)
    async with open_store(folder.store_url(site.store_url), clock) as store:
        keys = KeyRing(passphrases(folder, site, source))
        yield Command(folder, site, store, clock, who(), say, keys, source)


def settings_of(folder: SiteFolder) -> Site:
    """Read the settings of *folder*, or raise `CommandRefused` with every problem."""
    site = read_site(folder.settings)
    if isinstance(site, Problems):
        raise CommandRefused(f"the settings are wrong, so nothing was done:\n{site}")
    return site


def who() -> str:
    """Return who is at the command, for the audit log: `command:giulia`.

    Behind sudo both are named, as `command:root(giulia)`. Only root is
    believed about it: anybody could set the variable.
    """
    user = _account(os.geteuid())
    origin = os.environ.get("SUDO_UID", "")
    if os.geteuid() != 0 or not origin.isdecimal():
        return f"command:{user}"
    return f"command:{user}({_account(int(origin))})"


def _account(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except (KeyError, OverflowError):
        return str(number)
