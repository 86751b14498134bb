"""A reload as the supervisor does it: look first, then ask every process, and gather the answers."""

import asyncio
from collections.abc import Iterable
from pathlib import Path

from gateway.bootstrap.folder import SiteFolder
from gateway.bootstrap.in_force import SettingsInForce
from gateway.bootstrap.keeper import Keeper
from gateway.bootstrap.outcome import Outcome, Report, refused
from gateway.bootstrap.process import ProcessFailed, log
from gateway.bootstrap.trusted import trusts_of
from gateway.config import Configuration, Problems, read_configuration
from gateway.config.differences import changed_keys, keep_fixed
from gateway.config.files import parse_site
from gateway.core.site import Site

SUPERVISOR = "supervisor"


class Reloading:
    """What a supervisor knows of the site between one reload and the next."""

    def __init__(self, folder: SiteFolder, socket: Path | None) -> None:
        """Read the files of *folder*, or raise `ProcessFailed` with all that is wrong."""
        self._folder = folder
        found = _read(folder)
        if isinstance(found, Problems):
            raise ProcessFailed(f"{found}\nnothing was started: correct this first")
        text, self.configuration = found
        """What the processes are started with."""
        self.site: Site = self.configuration.site
        """What is in force."""
        self.socket = socket
        """Where the command may ask for a reload, if anywhere."""
        self._first = text
        self._latest: dict[str, str] = {}
        """What each process has taken up last, where that is not the first."""

    def in_force(self, name: str) -> SettingsInForce:
        """Return what the process *name* is to begin with if it is started now.

        That is what it had, and not what it has refused, for then it might not start at all.
        """
        return SettingsInForce(self._first, self._latest.get(name, self._first))

    async def run(self, keepers: Iterable[Keeper]) -> Report:
        """Let every process take up what has changed, and return what came of it.

        Files with mistakes are nobody's to take up: then no process is asked.
        """
        found = _read(self._folder)
        if isinstance(found, Problems):
            return self._said({SUPERVISOR: refused(found)})
        text, configuration = found
        # Only the supervisor tells what has to wait: it is the same for all.
        site = keep_fixed(self.site, configuration.site)
        later = changed_keys(site, configuration.site)
        asked = [keeper for keeper in keepers if keeper.program.reloads]
        # Whoever does not run cannot be asked, and begins with what the others take up.
        self._latest |= {one.program.name: text for one in asked if not one.runs}
        report: dict[str, Outcome] = {SUPERVISOR: Outcome(later=later)} if later else {}
        taken = not asked
        for answered in await asyncio.gather(*(keeper.reload() for keeper in asked)):
            report |= answered
            names = [name for name, outcome in answered.items() if not outcome.problems]
            self._latest |= dict.fromkeys(names, text)
            taken = taken or bool(names)
        if taken:
            self.site = site
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


def _read(folder: SiteFolder) -> tuple[str, Configuration] | Problems:
    """Return the text of pusterla.toml, and what all files say."""
    while True:
        found, trusts = read_configuration(folder.path), trusts_of(folder)
        problems = [
            one for each in (found, trusts) if isinstance(each, Problems) for one in each.problems
        ]
        if isinstance(found, Problems) or problems:
            return Problems(tuple(problems))
        try:
            text = folder.settings.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        # Written meanwhile: whoever writes is soon done.
        if parse_site(text) == found.site:
            return text, found
