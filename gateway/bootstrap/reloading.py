"""A reload as the supervisor does it: look first, then ask every process, and gather the answers."""

import asyncio
from collections.abc import Iterable
from pathlib import Path

from gateway.bootstrap.folder import SiteFolder
from gateway.bootstrap.keeper import Keeper
from gateway.bootstrap.outcome import Outcome, Report, refused
from gateway.bootstrap.process import log
from gateway.config import Problems, read_configuration
from gateway.config.differences import changed_keys, keep_fixed
from gateway.core.site import Site

SUPERVISOR = "supervisor"


class Reloading:
    """What a supervisor knows of the site between one reload and the next."""

    def __init__(self, folder: SiteFolder, site: Site, socket: Path | None) -> None:
        """Begin with *site*, which is what the processes were started with."""
        self._folder = folder
        self.site = site
        """What is in force."""
        self.socket = socket
        """Where the command may ask for a reload, if anywhere."""

    async def run(self, keepers: Iterable[Keeper]) -> Report:
        """Let every process take up what has changed, and return what came of it.

        Files with mistakes are nobody's to take up: then no process is asked.
        """
        found = read_configuration(self._folder.path)
        if isinstance(found, Problems):
            return self._said({SUPERVISOR: refused(found)})
        # Only the supervisor tells what has to wait: it is the same for all.
        site = keep_fixed(self.site, found.site)
        later = changed_keys(site, found.site)
        self.site = site
        asked = [keeper.reload() for keeper in keepers if keeper.program.reloads]
        report: dict[str, Outcome] = {SUPERVISOR: Outcome(later=later)} if later else {}
        for answered in await asyncio.gather(*asked):
            report |= answered
        return self._said(report)

    def _said(self, report: Report) -> Report:
        for name, outcome in report.items():
            for problem in outcome.problems:
                log.error("reload: %s: %s", name, problem)
            if outcome.later:
                log.warning("reload: takes effect at the next start: %s", ", ".join(outcome.later))
        if any(outcome.problems for outcome in report.values()):
            log.error("reload: not everything was taken up")
        else:
            log.info("reload: done, %d processes", sum(name != SUPERVISOR for name in report))
        return report
