"""The authority's process: the only one that runs with the CA's key.

It has no socket that listens. The store's feed tells it that a certificate was revoked, and it
signs a new CRL at once; and it looks each minute, since a CRL must be followed by the next one
long before its end, whether anything was revoked or not.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing, suppress
from pathlib import Path

from ca.ages import Age
from ca.authority import Authority, Witness
from ca.errors import CAError, FileRefused
from ca.keys import KeyRing
from ca.lists import CRLRecord
from ca.scopes import ListName
from gateway.bootstrap.folder import SiteFolder, clock, open_folder
from gateway.bootstrap.outcome import Outcome, refused
from gateway.bootstrap.passphrases import Source, passphrases
from gateway.bootstrap.process import (
    Lifecycle,
    ProcessFailed,
    argument_parser,
    leave,
    log,
    read_arguments,
    run_process,
)
from gateway.bootstrap.published import PublishedList, published_lists
from gateway.bootstrap.renewal_desk import RenewalDesk
from gateway.bootstrap.signing import (
    NoIssuer,
    active_issuer,
    open_authority,
    publication_of,
    signing_issuers,
)
from gateway.bootstrap.stores import store_of
from gateway.bootstrap.superseding import Superseder
from gateway.config import Problems, read_site
from gateway.config.differences import changed_keys, keep_fixed
from gateway.core.changes import Batch, ChangeKind
from gateway.core.ports import StoreUnavailable
from gateway.core.site import Site
from gateway.store import Store, StoreError

LOOK_SECONDS = 60.0
"""How often it looks for something to sign when the feed says nothing."""
FIRST_WAIT = 0.5
LONGEST_WAIT = 30.0
BY = "authority"
_AGES = {
    Age.LATE: "past half of its life",
    Age.ENDED: "over",
    Age.FUTURE: "of the future, by this clock",
}

_CONCERNS = frozenset({"site", "ca", "crl", "certificates"})


def wait_after(previous: float | None) -> float:
    """Return the seconds to wait after a failure; *previous* is the wait before it, if any."""
    return FIRST_WAIT if previous is None else min(LONGEST_WAIT, previous * 2)


def calls_for_a_look(batch: Batch) -> bool:
    """Say whether *batch* may mean that a CRL is due: a certificate changed, or nobody knows."""
    return batch.gap or any(change.kind is ChangeKind.CERTIFICATE for change in batch.changes)


async def serve_authority(site: Path, lifecycle: Lifecycle) -> None:
    """Keep the CRL of the site in *site* up to date until *lifecycle* stops."""
    folder = open_folder(site)
    in_force = lifecycle.in_force
    settings = read_site(folder.settings) if in_force is None else in_force.site()
    if isinstance(settings, Problems):
        raise ProcessFailed(str(settings))
    async with store_of(folder, settings) as store:
        publisher = Publisher(folder, settings, store)
        await publisher.begin()
        lifecycle.on_reload(publisher.take_up)
        lifecycle.ready()
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(publisher.follow_feed()),
                group.create_task(publisher.publish_for_ever()),
                group.create_task(publisher.publish_deltas_for_ever()),
                group.create_task(publisher.superseder.supersede_for_ever()),
                group.create_task(publisher.desk.work_for_ever()),
            ]
            await lifecycle.stopping.wait()
            # What is being signed is brought to its end; a CRL half-way is nobody's.
            await publisher.settle()
            for task in tasks:
                task.cancel()


class Publisher:
    """Signs the CRL when it is due; outlives every trouble of store and files."""

    def __init__(self, folder: SiteFolder, site: Site, store: Store) -> None:
        """Publish for the site in *folder*."""
        self._folder = folder
        self._site = site
        self._store = store
        self._due = asyncio.Event()
        self._deltas_due = asyncio.Event()
        self._signing = asyncio.Lock()
        self._warned: dict[ListName, tuple[int, Age]] = {}
        self._keys = KeyRing(passphrases(folder, site, Source()))
        self.superseder = Superseder(store, clock, BY)
        self.desk = RenewalDesk(store, lambda: self._site, clock, self._open_to_renew, BY)

    async def _open_to_renew(self, witness: Witness) -> Authority:
        name = await active_issuer(self._store)
        return open_authority(self._folder, self._site, self._store, BY, self._keys, name, witness)

    async def begin(self) -> None:
        """Publish for the first time; raise `ProcessFailed` when this can never succeed.

        A store that is away for the moment is no reason not to begin.
        """
        try:
            name = await active_issuer(self._store)
            open_authority(self._folder, self._site, self._store, BY, self._keys, name)
        except (FileRefused, NoIssuer) as error:
            raise ProcessFailed(str(error)) from error
        except (StoreError, StoreUnavailable) as error:
            log.error("the store cannot be asked yet: %s", error)
            self._due.set()
            return
        try:
            # First, so that the first list says so.
            await self.superseder.supersede()
            await self._publish()
        except (CAError, StoreError, StoreUnavailable) as error:
            log.error("the CRL could not be brought up to date: %s", error)
            self._due.set()

    async def take_up(self) -> Outcome:
        """Go on with what pusterla.toml says now, as far as it can change while this runs."""
        found = read_site(self._folder.settings)
        if isinstance(found, Problems):
            return refused(found)
        site = keep_fixed(self._site, found)
        keys = changed_keys(self._site, site)
        try:
            # The CA's key and certificates are opened whenever something is signed: whether
            # that can be done, with the passphrase there is now, is better known at once.
            ring = KeyRing(passphrases(self._folder, site, Source()))
            name = await active_issuer(self._store)
            open_authority(self._folder, site, self._store, BY, ring, name)
        except CAError as error:
            return refused(error)
        except (StoreError, StoreUnavailable) as error:
            # Which key that is, it says as soon as it is back; the settings need not wait.
            log.error("the store cannot be asked which CA issues: %s", error)
        self._site, self._keys = site, ring
        self._due.set()
        return Outcome(taken=tuple(key for key in keys if key.partition(".")[0] in _CONCERNS))

    async def follow_feed(self) -> None:
        """Hear of revocations for ever; a broken feed is taken up again."""
        wait: float | None = None
        while True:
            try:
                async with aclosing(self._store.follow()) as batches:
                    # What came before the feed is followed may have been missed.
                    self.look()
                    async for batch in batches:
                        wait = None
                        if calls_for_a_look(batch):
                            self.look()
            except (StoreError, StoreUnavailable) as error:
                wait = wait_after(wait)
                log.error("the feed is broken, again in %.1f s: %s", wait, error)
            else:
                wait = wait_after(wait)
            await asyncio.sleep(wait)

    async def publish_for_ever(self) -> None:
        """Publish what is due, whenever the feed calls for it and at least each minute."""
        wait: float | None = None
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._due.wait()
            # Cleared before it looks: what is revoked meanwhile calls for another look.
            self._due.clear()
            try:
                await self._publish()
            except (CAError, StoreError, StoreUnavailable) as error:
                wait = wait_after(wait)
                log.error("no CRL could be signed, again in %.1f s: %s", wait, error)
                await self._warn()
                await asyncio.sleep(wait)
                self._due.set()
            else:
                wait = None
                await self._warn()

    async def publish_deltas_for_ever(self) -> None:
        """Publish deltas as soon as the feed calls, also while a long list is being signed."""
        while True:
            await self._deltas_due.wait()
            self._deltas_due.clear()
            if not self._signing.locked():
                # The round that is about to begin signs them first.
                continue
            try:
                await self._for_each("no delta CRL", self._publish_deltas)
            except (CAError, StoreError, StoreUnavailable) as error:
                # That round signs them too, at its end.
                log.error("no delta CRL could be signed: %s", error)

    async def _warn(self) -> None:
        """Tell of each list that is past half of its life, and once more when it has ended.

        It goes on when the store is away, of which the log tells already.
        """
        publication = publication_of(self._site)
        with suppress(StoreError, StoreUnavailable):
            for issuer in await signing_issuers(self._store):
                for found in await published_lists(self._store, publication, issuer, clock()):
                    if found.kept and found.age is not Age.GOOD:
                        self._warn_once(found)

    def _warn_once(self, found: PublishedList) -> None:
        if self._warned.get(found.name) == (found.record.number, found.age):
            return
        self._warned[found.name] = (found.record.number, found.age)
        level = logging.ERROR if found.age is Age.ENDED else logging.WARNING
        log.log(
            level,
            "CRL %s with %d entries is %s: good until %s, and no other has followed",
            found.words,
            found.record.entries,
            _AGES[found.age],
            found.record.next_update.isoformat(),
        )

    def look(self) -> None:
        """See soon whether anything is to be signed."""
        self._due.set()
        self._deltas_due.set()
        self.superseder.look()
        self.desk.look()

    async def settle(self) -> None:
        """Return when nothing is being signed, and see to it that nothing begins to be."""
        await self._signing.acquire()

    async def _publish(self) -> None:
        async with self._signing:
            # Opened for each look, so the key of a CA that was repaired or replaced
            # is taken up, and one that others may read is noticed, while we run.
            await self._for_each("no CRL", self._publish_one)

    async def _for_each(
        self, what: str, publish: Callable[[Authority], Awaitable[Iterable[CRLRecord]]]
    ) -> None:
        """Let every issuing CA *publish* that has lists; raise the first error, after the last."""
        failed: CAError | None = None
        for name in await signing_issuers(self._store):
            try:
                authority = open_authority(
                    self._folder, self._site, self._store, BY, self._keys, name
                )
                self._tell(await publish(authority))
            except CAError as error:
                # What keeps one from signing, a key that is away, does not keep the others.
                log.error("%s of %s could be signed: %s", what, name, error)
                failed = failed or error
        if failed is not None:
            raise failed

    @staticmethod
    async def _publish_one(authority: Authority) -> Iterable[CRLRecord]:
        published = await authority.publish_if_due(clock())
        for certificate in await authority.certify_responders(clock()):
            log.info(
                "an OCSP responder is certified until %s",
                certificate.not_valid_after_utc.isoformat(),
            )
        return published

    @staticmethod
    async def _publish_deltas(authority: Authority) -> Iterable[CRLRecord]:
        return await authority.publish_deltas_if_due(clock())

    @staticmethod
    def _tell(published: Iterable[CRLRecord]) -> None:
        for crl in published:
            log.info(
                "CRL %s number %d signed with %d entries, good until %s",
                ListName(crl.issuer, crl.scope, crl.kind),
                crl.number,
                crl.entries,
                crl.next_update.isoformat(),
            )


def main() -> int:
    """Run the process; return its exit status."""
    parser = argument_parser("authority", "Signs certificate revocation lists.")
    arguments = read_arguments(parser.parse_args())
    return run_process(
        lambda lifecycle: serve_authority(arguments.site, lifecycle), "authority", arguments
    )


if __name__ == "__main__":
    leave(main())
