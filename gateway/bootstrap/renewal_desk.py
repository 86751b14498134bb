"""The authority's desk: renewals that people have asked for at the portal are worked off here.

In the order and on the conditions of `cert renew`. A request is settled in the transaction that
records its certificate: a process that dies leaves the request as it was, and at the most a serial
that nobody has; of two processes that sign at once the second one records nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_public_key

from ca import renewals
from ca.authority import Authority, Order, Witness
from ca.errors import CAError, IssuanceRefused, LedgerError, LintFailed, Refused
from ca.keys import pem_of
from ca.kinds import PUBLIC_KEYS, PublicKey, kind_of
from gateway.bootstrap.process import log
from gateway.bootstrap.renewal_orders import order_of_renewal
from gateway.core.ports import StoreUnavailable
from gateway.core.renewals import Renewal, Way
from gateway.core.site import Site
from gateway.store import Store, StoreError
from gateway.store.witness import SettlingWitness

LOOK_SECONDS = 60.0
"""How often it looks when nothing calls."""
AGAIN_SECONDS = 5.0
"""How long it waits after something has failed."""

Open = Callable[[Witness], Awaitable[Authority]]


class RenewalDesk:
    """Signs what people have asked for, and sees what they do with it."""

    def __init__(
        self,
        store: Store,
        site: Callable[[], Site],
        clock: Callable[[], datetime],
        open_: Open,
        by: str,
    ) -> None:
        """*open_* opens the CA that issues now, and has it tell a witness what it does."""
        self._store = store
        self._site = site
        self._clock = clock
        self._open = open_
        self._by = by
        self._called = asyncio.Event()

    def look(self) -> None:
        """Look again: something may have been asked for."""
        self._called.set()

    async def work_for_ever(self) -> None:
        """Settle what is asked for as soon as the feed calls, whatever goes wrong meanwhile."""
        while True:
            # Cleared before it looks: what is asked for meanwhile calls for another look.
            self._called.clear()
            try:
                await self.work()
                pause = LOOK_SECONDS
            except (CAError, StoreError, StoreUnavailable) as error:
                log.error("a renewal could not be signed, again soon: %s", error)
                pause = AGAIN_SECONDS
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._called.wait()

    async def work(self) -> None:
        """Settle all that waits, and follow what has become of the rest; raise what `_open` raises.

        What was not fetched is taken back; where the new certificate is used, the overlap begins.
        """
        for gone in await self._store.lapse_renewals(by=self._by):
            log.info("nobody has fetched the renewal of %s: it is taken back", gone.serial)
        overlap = self._site().certificates.overlap
        for used in await self._store.follow_renewals_used(overlap, by=self._by):
            log.info("the renewal of %s is in use: that one ends after the overlap", used.serial)
        for renewal in await self._store.waiting_renewals():
            await self._sign(renewal)

    async def _sign(self, renewal: Renewal) -> None:
        try:
            await self._settle(renewal)
        except Refused as error:
            log.warning("the renewal of %s is refused: %s", renewal.serial, error)
            await self._store.refuse_renewal(renewal, str(error), by=self._by)
        except LintFailed as error:
            # Our fault, and the same at the next try: those behind it must not wait for that.
            log.error("the renewal of %s would break the rules: %s", renewal.serial, error)
            await self._store.refuse_renewal(renewal, str(error), by=self._by)
        except LedgerError as error:
            # Somebody else was faster, or it is asked for no more: the next look tells.
            log.info("the renewal of %s came second: %s", renewal.serial, error)

    async def _settle(self, renewal: Renewal) -> None:
        order, key = await self._order(renewal), await self._key(renewal)
        witness = SettlingWitness(self._clock, self._by, renewal.id)
        authority = await self._open(witness)
        witness.chain = pem_of(authority.chain)
        # What is handed in may be reported as compromised meanwhile; that we have just made
        # in the portal nobody has.
        enrolled = await authority.enrol(
            order, key, self._clock(), handed_in=renewal.way is Way.SAME_KEY
        )
        log.info("%s of %s is renewed by %s", renewal.serial, order.user, enrolled.record.serial)

    async def _order(self, renewal: Renewal) -> Order:
        """Say what is to be issued, or raise `IssuanceRefused`."""
        person = await self._store.person(renewal.user)
        old = await self._store.certificate(renewal.serial)
        if old is None or old.issuer != renewal.issuer or old.username != renewal.user:
            raise IssuanceRefused([f"there is no certificate {renewal.serial} to renew"])
        if person is None or not person.enabled:
            raise IssuanceRefused([f"{renewal.user} is disabled, or gone"])
        now, times = self._clock(), self._site().certificates
        if times.opens_in(old.not_after, now):
            raise IssuanceRefused([f"{old.serial} has more than {times.renew_before} to go"])
        reason = renewals.why_not(old, await self._store.successors(old), now)
        if reason is not None:
            raise IssuanceRefused([f"{old.serial} {reason}"])
        return order_of_renewal(person, old, times.lifetime, times.overlap, now, once_used=True)

    async def _key(self, renewal: Renewal) -> PublicKey:
        """Return the key to certify: the old one as the ledger has it, or the one handed in."""
        if renewal.way is Way.NEW_KEY:
            try:
                key = load_der_public_key(renewal.public_key)
            except (ValueError, UnsupportedAlgorithm) as error:
                raise IssuanceRefused(["what was handed in is no public key"]) from error
        else:
            der = await self._store.certificate_der(renewal.issuer, renewal.serial)
            if der is None:
                raise IssuanceRefused([f"there is no certificate {renewal.serial} to renew"])
            key = x509.load_der_x509_certificate(der).public_key()
        if not isinstance(key, PUBLIC_KEYS) or kind_of(key) is None:
            raise IssuanceRefused(["its key is of no kind that is certified here"])
        return key
