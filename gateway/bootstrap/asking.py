"""What `pusterla reload` does: look at the files itself, then ask the running supervisor."""

import os
from dataclasses import dataclass

from gateway.bootstrap.command import CommandRefused
from gateway.bootstrap.control import Unanswered
from gateway.bootstrap.control_socket import NobodyListens, ask_at, socket_of_service
from gateway.bootstrap.folder import SiteFolder
from gateway.bootstrap.outcome import Report
from gateway.bootstrap.server_files import ServerFiles, read_server_files
from gateway.bootstrap.trusted import trusts_of
from gateway.config import Problems, read_configuration

PATIENCE_SECONDS = 45.0
"""More than the supervisor has with each of its processes."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of a reload that follows from a command, which has done its work without it too."""

    report: Report
    """What each process made of it; empty where there was no reload."""
    unasked: str = ""
    """Why there was none."""

    @property
    def taken_up(self) -> bool:
        """Whether a running site works with what the command has changed."""
        return bool(self.report) and not any(one.problems for one in self.report.values())


async def let_take_up(folder: SiteFolder) -> Asked:
    """Let the running site take up what a command has changed; that none runs is no failure."""
    try:
        return Asked(await reload_site(folder))
    except CommandRefused as error:
        return Asked({}, str(error))


async def reload_site(folder: SiteFolder) -> Report:
    """Let the running site take up what has changed, and return what came of it.

    Raises `CommandRefused` for problems in the files, all of them, before anybody was asked;
    and when no site runs or it does not answer.
    """
    problems = [
        str(one)
        for found in (read_configuration(folder.path), _files(folder), trusts_of(folder))
        if isinstance(found, Problems)
        for one in found.problems
    ]
    if problems:
        raise CommandRefused("\n".join([*problems, "nothing was reloaded: correct this first"]))
    try:
        # In a unit of deploy/, whose ExecReload= this is, the supervisor of that unit is meant.
        place = socket_of_service() or folder.control_socket
        return await ask_at(place, PATIENCE_SECONDS)
    except NobodyListens as error:
        raise CommandRefused(
            f"{folder.path} is not running: start it with pusterla serve; "
            "where the units of deploy/ run it: systemctl reload 'pusterla-*'"
        ) from error
    except Unanswered as error:
        raise CommandRefused(f"the running site did not say what came of it: {error}") from error


def _files(folder: SiteFolder) -> ServerFiles | Problems | None:
    # Who may not read the keys leaves it to the edge to look at them.
    readable = os.access(folder.edge, os.R_OK | os.X_OK)
    return read_server_files(folder) if readable else None
