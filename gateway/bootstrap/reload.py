"""The configuration in force: read at the start, exchanged whole when the files change.

Only applications are taken up while a process runs. What pusterla.toml says (hosts, ports, the
store) is what the process was built with, and takes effect at the next start.
"""

import asyncio
from collections.abc import Callable, Mapping

from gateway.bootstrap.folder import SiteFolder
from gateway.bootstrap.process import ProcessFailed, log
from gateway.config import Configuration, ConfigurationWatcher, Problems, read_applications
from gateway.core.site import Application, Site

LOOK_SECONDS = 0.25
"""How often the files are looked at (not read): a policy that says no takes effect in this time."""


class LiveConfiguration:
    """What the files said when they were last without a mistake."""

    def __init__(self, folder: SiteFolder) -> None:
        """Read the files of *folder*, or raise `ProcessFailed` with all that is wrong."""
        self._folder = folder
        self._watcher = ConfigurationWatcher(folder.path)
        found = self._watcher.poll()
        if not isinstance(found, Configuration):
            raise ProcessFailed(f"{found}")
        self.site: Site = found.site
        self.applications: Mapping[str, Application] = found.applications
        self._latest = found.site

    async def follow(self, on_change: Callable[[], None] = lambda: None) -> None:
        """Look at the files for ever; after an exchange call *on_change*.

        Files with mistakes leave what is in force; all of the mistakes are logged, once.
        """
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if self.look():
                on_change()

    def look(self) -> bool:
        """Take up what has changed in the files; say whether anything was taken up."""
        found = self._watcher.poll()
        if found is None:
            return False
        applications = self._fitting(found)
        if isinstance(applications, Problems):
            for line in str(applications).splitlines():
                log.error("%s", line)
            log.error("the files have mistakes: what was in force stays in force")
            return False
        if applications == self.applications:
            return False
        log.info("applications changed: %s", _difference(self.applications, applications))
        self.applications = applications
        return True

    def _fitting(self, found: Configuration | Problems) -> Mapping[str, Application] | Problems:
        if isinstance(found, Problems):
            return found
        if found.site != self._latest:
            self._latest = found.site
            log.warning("pusterla.toml has changed: it takes effect at the next start")
        if found.site == self.site:
            return found.applications
        # They must fit the site that is served, not the one of the next start.
        return read_applications(self._folder.apps, self.site)


def _difference(old: Mapping[str, Application], new: Mapping[str, Application]) -> str:
    words = [
        *(f"{name} added" for name in new if name not in old),
        *(f"{name} removed" for name in old if name not in new),
        *(f"{name} changed" for name in new if name in old and new[name] != old[name]),
    ]
    return ", ".join(words)
