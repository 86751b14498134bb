"""A reload in a worker of the edge: settings, applications, certificates and keys, all or nothing."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from gateway.bootstrap.folder import SiteFolder
from gateway.bootstrap.outcome import Outcome, refused
from gateway.bootstrap.reload import LiveConfiguration, Proposal
from gateway.bootstrap.server_files import ServerFiles, read_server_files, refuse_dates
from gateway.bootstrap.trusted import trusts_of
from gateway.config import Problems
from gateway.core.trusts import Trust
from gateway.edge.worker import Identity, Worker, read_identity

_CONCERNS = frozenset({"site", "listen", "store", "limits", "log", "apps"})


def authorities_of(trusts: Mapping[str, Trust]) -> tuple[bytes, ...]:
    """Return the CAs of all *trusts* in DER."""
    return tuple(der for trust in trusts.values() for der in trust.certificates)


@dataclass(frozen=True, slots=True)
class _Found:
    """What all files say, and fits together."""

    proposal: Proposal
    files: ServerFiles
    identity: Identity


class Renewal:
    """Exchanges what a worker serves, and remembers with which files it does."""

    def __init__(
        self,
        folder: SiteFolder,
        live: LiveConfiguration,
        worker: Worker,
        clock: Callable[[], datetime],
    ) -> None:
        """Begin with what *worker* was made with."""
        self._folder = folder
        self._live = live
        self._worker = worker
        self._clock = clock
        self._files = read_server_files(folder)

    async def take_up(self) -> Outcome:
        """Let what the files say be in force, or say why nothing of it is."""
        async with self._live.reading:
            # In a thread, as when files are followed.
            found = await asyncio.to_thread(self._read)
            if isinstance(found, Outcome):
                return found
            proposal = found.proposal
            changes = [*proposal.changes, *self._changes(found.files)]
            self._live.exchange(proposal)
            self._files = found.files
            reloading = self._worker.reload(proposal.site, proposal.applications, found.identity)
            if cut := await reloading:
                changes.append(f"{cut} connections cut, whose CA was removed")
        return Outcome(taken=tuple(changes))

    def _read(self) -> _Found | Outcome:
        """Read all files; return what fits together, or all that does not."""
        proposal, files = self._live.propose(_CONCERNS), read_server_files(self._folder)
        trusts = trusts_of(self._folder)
        found = (proposal, files, trusts, self._dates(files))
        problems = [one for each in found if isinstance(each, Problems) for one in each.problems]
        if isinstance(proposal, Problems) or isinstance(files, Problems) or problems:
            return refused(Problems(tuple(problems)))
        foreign = () if isinstance(trusts, Problems) else authorities_of(trusts)
        try:
            identity = read_identity(self._worker.credentials, proposal.site, foreign)
        except (OSError, ValueError) as error:
            # What OpenSSL alone finds, or what has changed since we looked.
            return refused(f"{self._folder.edge}: TLS cannot be set up: {error}")
        return _Found(proposal, files, identity)

    def _dates(self, files: ServerFiles | Problems) -> Problems | None:
        before = self._files
        if isinstance(files, Problems) or (
            isinstance(before, ServerFiles) and files.certificate == before.certificate
        ):
            # One that has ended while it was in force is no reason against other changes.
            return None
        return refuse_dates(self._folder, files, self._clock())

    def _changes(self, files: ServerFiles) -> list[str]:
        before = self._files
        # Files that were no good at the start can only have become better.
        return [] if isinstance(before, Problems) else [*files.difference(before)]
