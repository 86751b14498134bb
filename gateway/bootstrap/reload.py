"""The configuration in force: read at the start, exchanged whole when the files change.

Applications are taken up by themselves when their files change. pusterla.toml is taken up when
somebody asks for it (`pusterla reload`, SIGHUP), as far as it can change while a process runs.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.bootstrap.folder import SiteFolder
from gateway.bootstrap.in_force import SettingsInForce
from gateway.bootstrap.process import ProcessFailed, log
from gateway.config import (
    Configuration,
    ConfigurationWatcher,
    Problems,
    read_configuration,
)
from gateway.config.differences import changed_keys, keep_fixed
from gateway.config.files import read_sound_configuration
from gateway.core.agreements import AgreementDocument
from gateway.core.site import Application, Site

LOOK_SECONDS = 0.25
"""How often the files are looked at (not read): a policy that says no takes effect in this time."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What the files say now, as far as it can be taken up; nothing has been exchanged yet."""

    site: Site
    applications: Mapping[str, Application]
    agreements: Mapping[str, AgreementDocument]
    written: Site
    """pusterla.toml itself, with what takes effect at the next start only."""
    changes: tuple[str, ...]
    """Keys of pusterla.toml and words about applications and agreements: what is new in this proposal."""


class LiveConfiguration:
    """What the files said when they were last without a mistake."""

    def __init__(self, folder: SiteFolder, in_force: SettingsInForce | None = None) -> None:
        """Read the files of *folder*, or raise `ProcessFailed` with all that is wrong.

        With *in_force* the settings are those, whatever pusterla.toml says by now, and an
        application whose file has mistakes is left out until it is corrected: a site that
        runs does not lose a process because somebody edits its files.
        """
        self._folder = folder
        self.reading = asyncio.Lock()
        """Held from before files are read, in a thread, until what they say is in force."""
        self._watcher = ConfigurationWatcher(folder.path)
        found = self._watcher.poll()
        if in_force is not None:
            found = self._begin_with(in_force, found)
        if not isinstance(found, Configuration):
            raise ProcessFailed(f"{found}")
        self.site: Site = found.site
        self.applications: Mapping[str, Application] = found.applications
        self.agreements: Mapping[str, AgreementDocument] = found.agreements
        self._latest = found.site

    def _begin_with(
        self, in_force: SettingsInForce, found: Configuration | Problems | None
    ) -> Configuration | Problems:
        site = in_force.site()
        if isinstance(site, Problems):
            return site
        if isinstance(found, Configuration) and found.site == site:
            return found
        sound, problems = read_sound_configuration(self._folder.path, site)
        for problem in problems.problems:
            log.error("%s; the application is left out", problem)
        return sound

    async def follow(self, on_change: Callable[[], None] = lambda: None) -> None:
        """Look at the files of applications for ever; after an exchange call *on_change*.

        Files with mistakes leave what is in force; all of the mistakes are logged, once.
        """
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            async with self.reading:
                # In a thread: a thousand files take a second, in which others want to be served.
                taken = self._take_up(await asyncio.to_thread(self._watcher.poll))
            if taken:
                on_change()

    def look(self) -> bool:
        """Take up what has changed of the applications; say whether anything was taken up."""
        return self._take_up(self._watcher.poll())

    def _take_up(self, found: Configuration | Problems | None) -> bool:
        if found is None:
            return False
        found = self._fitting(found)
        if isinstance(found, Problems):
            for line in str(found).splitlines():
                log.error("%s", line)
            log.error("the files have mistakes: what was in force stays in force")
            return False
        changes = self._changes(found.applications, found.agreements)
        if not changes:
            return False
        log.info("applications changed: %s", ", ".join(changes))
        self.applications, self.agreements = found.applications, found.agreements
        return True

    def _changes(
        self,
        applications: Mapping[str, Application],
        agreements: Mapping[str, AgreementDocument],
    ) -> tuple[str, ...]:
        texts = _difference(self.agreements, agreements)
        return (
            *_difference(self.applications, applications),
            *(f"agreement {change}" for change in texts),
        )

    def propose(self, concerns: frozenset[str]) -> Proposal | Problems:
        """Read all files anew; nothing is exchanged until `exchange`.

        *concerns* are the sections of pusterla.toml whose changes are worth a word to whoever
        asked; "apps" stands for the applications.
        """
        found = read_configuration(self._folder.path)
        if isinstance(found, Problems):
            return found
        written = found.site
        site = keep_fixed(self.site, written)
        if site != written:
            # All must fit the site that is served, not the one of the next start.
            found = read_configuration(self._folder.path, site)
        if isinstance(found, Problems):
            return found
        keys = changed_keys(self.site, site)
        changes = [key for key in keys if key.partition(".")[0] in concerns]
        if "apps" in concerns:
            changes += self._changes(found.applications, found.agreements)
        return Proposal(site, found.applications, found.agreements, written, tuple(changes))

    def exchange(self, proposal: Proposal) -> None:
        """Let *proposal* be in force from now on."""
        self.site, self.applications = proposal.site, proposal.applications
        self.agreements = proposal.agreements
        self._latest = proposal.written

    def _fitting(self, found: Configuration | Problems) -> Configuration | Problems:
        if isinstance(found, Problems):
            return found
        if found.site != self._latest:
            self._latest = found.site
            log.info("pusterla.toml has changed: `pusterla reload` takes it up")
        if found.site == self.site:
            return found
        # All must fit the site that is served, not the one of the next reload.
        return read_configuration(self._folder.path, self.site)


def _difference(old: Mapping[str, object], new: Mapping[str, object]) -> tuple[str, ...]:
    return (
        *(f"{name} added" for name in new if name not in old),
        *(f"{name} removed" for name in old if name not in new),
        *(f"{name} changed" for name in new if name in old and new[name] != old[name]),
    )
