"""The verifier's process: it judges certificates of CAs that are not ours.

It reads the settings, the trusts and the store, keeps lists in DIR/foreign, and has neither a key
nor a socket that listens. Without a trust it waits for one, and loads nothing of what it needs
then.
"""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.bootstrap.folder import SECRET_DIRECTORY_MODE, SiteFolder, clock, open_folder
from gateway.bootstrap.outcome import Outcome, refused
from gateway.bootstrap.process import (
    Lifecycle,
    ProcessFailed,
    argument_parser,
    leave,
    log,
    read_arguments,
    run_process,
)
from gateway.bootstrap.stores import store_of
from gateway.config import Problems, read_site
from gateway.config.trusts import read_trusts
from gateway.core.ports import StoreUnavailable
from gateway.core.trusts import Trust
from gateway.store import Store, StoreError

if TYPE_CHECKING:
    from gateway.verifier.desk import Desk

_NO_STORE: Final = (StoreError, StoreUnavailable)
_UNASKED: Final = "the store cannot be asked for our own CAs"
_FIRST_WAIT: Final = 0.5
_LONGEST_WAIT: Final = 30.0


async def serve_verifier(site: Path, lifecycle: Lifecycle) -> None:
    """Judge what is shown at the site in *site* until *lifecycle* stops."""
    folder = open_folder(site)
    in_force = lifecycle.in_force
    settings = read_site(folder.settings) if in_force is None else in_force.site()
    if isinstance(settings, Problems):
        raise ProcessFailed(str(settings))
    async with store_of(folder, settings) as store:
        judging = Judging(folder, store)
        await judging.begin()
        lifecycle.on_reload(judging.take_up)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(judging.run())
            lifecycle.ready()
            await lifecycle.stopping.wait()
            running.cancel()


class Judging:
    """Judges by the trusts that there are, from the first one on."""

    def __init__(self, folder: SiteFolder, store: Store) -> None:
        """Begin without a trust."""
        self._folder = folder
        self._store = store
        self._desk: Desk | None = None
        self._needed = asyncio.Event()
        self._begun = False
        self._changing = asyncio.Lock()

    async def begin(self) -> None:
        """Take up the trusts that there are; with mistakes in their files, none of them.

        Whoever starts a site has looked at the files. That they have mistakes by now must not
        end a process of one that runs: whom they let in waits until they are corrected. Where the
        store cannot say which CAs are our own, `run` tries again: nothing is judged before, for
        one of ours might be taken for somebody else's.
        """
        async with self._changing:
            if self._begun:
                return
            try:
                found = await self._read()
            except _NO_STORE as error:
                log.error("no certificate of another CA is judged yet: %s: %s", _UNASKED, error)
                return
            self._begun = True
            if isinstance(found, Problems):
                for line in str(found).splitlines():
                    log.error("%s", line)
                log.error("no certificate of another CA is judged until this is corrected")
                return
            await self._believe(found)

    async def take_up(self) -> Outcome:
        """Go on with the trusts that there are now."""
        async with self._changing:
            try:
                found = await self._read()
            except _NO_STORE as error:
                return refused(f"{_UNASKED}: {error}")
            if isinstance(found, Problems):
                return refused(found)
            self._begun = True
            return Outcome(taken=tuple(await self._believe(found)))

    async def _believe(self, trusts: Mapping[str, Trust]) -> list[str]:
        if not trusts and self._desk is None and not await self._has_judged():
            return []
        if self._desk is None:
            from gateway.verifier.desk import Desk
            from gateway.verifier.fetching import Fetcher

            self._folder.foreign.mkdir(mode=SECRET_DIRECTORY_MODE, exist_ok=True)
            self._desk = Desk(self._store, self._folder.foreign, Fetcher(), clock)
        changes = await self._desk.believe(trusts)
        self._needed.set()
        return changes

    async def _has_judged(self) -> bool:
        """Say whether there may be verdicts of trusts that have been taken away."""
        try:
            return bool(await self._store.foreign_lists()) or await self._store.has_presented()
        except _NO_STORE:
            return True

    async def _read(self) -> dict[str, Trust] | Problems:
        own = [issuer.der for issuer in await self._store.issuers()]
        return await asyncio.to_thread(read_trusts, self._folder.trust, own)

    async def run(self) -> None:
        """Judge for ever."""
        wait = _FIRST_WAIT
        while not self._begun:
            await asyncio.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT)
            await self.begin()
        await self._needed.wait()
        assert self._desk is not None  # noqa: S101 - the event says so
        await self._desk.run(lambda: log.info("judges certificates of other CAs"))


def main() -> int:
    """Run the process; return its exit status."""
    parser = argument_parser("verifier", "Judges certificates of CAs that are not the site's.")
    arguments = read_arguments(parser.parse_args())
    return run_process(
        lambda lifecycle: serve_verifier(arguments.site, lifecycle), "verifier", arguments
    )


if __name__ == "__main__":
    leave(main())
