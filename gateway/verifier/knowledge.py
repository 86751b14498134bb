"""What is known of the certificates of one trust: its lists, and its responders where asked for."""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509

from ca.foreign.certificates import name_in_words
from ca.foreign.coverage import names_lists
from ca.foreign.ocsp import names_responder
from ca.serials import serial_text
from ca.trust import Revocation, RevocationReason
from gateway.core.foreign import ForeignList, ForeignState, Verdict
from gateway.core.trusts import Trust
from gateway.verifier.fetching import Fetcher
from gateway.verifier.findings import Found, issuer_of
from gateway.verifier.list_words import ListEvent, ListEventKind
from gateway.verifier.lists import RevocationLists
from gateway.verifier.responder import ResponderEvent, Responders, ResponderStatus

log = logging.getLogger("pusterla.verifier")

RESPONDER = "OCSP"
"""What stands for the responders of a trust among its lists."""

_LEVELS = {
    ListEventKind.TAKEN: logging.INFO,
    ListEventKind.REFUSED: logging.ERROR,
    ListEventKind.FAILED: logging.WARNING,
    ListEventKind.ENDED: logging.ERROR,
}


@dataclass(frozen=True, slots=True)
class Status:
    """Whether a certificate is revoked, and until when that is known, with the trust's grace."""

    revocation: Revocation | None
    good_until: datetime | None
    words: str


class Knowledge:
    """Lists and responders of one trust. One object at a time works in one directory."""

    def __init__(self, trust: Trust, directory: Path, fetcher: Fetcher) -> None:
        """Take up what *directory* holds from the last time; slow beside an event loop."""
        self.trust = trust
        self._lists = RevocationLists(directory / "lists", trust, fetcher)
        self._responders = Responders(directory / "ocsp", trust, fetcher) if trust.ocsp else None
        self._woken = asyncio.Event()
        self._news = asyncio.Event()
        self._waiting: set[asyncio.Event] = set()

    def wake(self) -> None:
        """Have everything of this trust judged anew soon, and fetched what is due."""
        self._woken.set()
        self.announce()

    @property
    def news(self) -> asyncio.Event:
        """Set as soon as more may be known than at the moment at which it was asked for."""
        return self._news

    def announce(self) -> None:
        """Tell whoever waits for news that there may be some."""
        self._news.set()
        self._news = asyncio.Event()

    def hurry(self) -> None:
        """Have every list fetched, and every responder asked, soon, due or not."""
        self._lists.hurry()
        if self._responders is not None:
            self._responders.hurry()
        self.wake()

    async def wait(self, now: datetime, longest: float) -> None:
        """Wait until something is due, somebody wakes it, or *longest* seconds are over."""
        dues = [self._lists.due(), None if self._responders is None else self._responders.due()]
        left = [(due - now).total_seconds() for due in dues if due is not None]
        try:
            async with asyncio.timeout(max(0.0, min([*left, longest]))):
                await self._woken.wait()
        except TimeoutError:
            return
        finally:
            self._woken.clear()

    async def refresh(self, now: datetime) -> None:
        """Fetch what is due, and tell the log what comes of it, and whoever waits for news.

        Returns when the slowest has answered. Whoever is being asked already is left alone.
        """
        async with asyncio.TaskGroup() as group:
            group.create_task(self._lists.refresh(now, tell=self._hear))
            if self._responders is not None:
                group.create_task(self._responders.refresh(now, tell=self._hear_responder))

    async def refresh_about(
        self, found: Found, now: datetime, told: asyncio.Event | None = None
    ) -> None:
        """Fetch what may speak of a certificate that somebody shows for the first time.

        *told* is set whenever a list has been had, whoever asked for it, or a responder has said
        something of this very certificate: hundreds may wait, each for its own.
        """
        told = asyncio.Event() if told is None else told
        self._waiting.add(told)
        try:
            await self._refresh_about(found, now, told)
        finally:
            self._waiting.discard(told)
            told.set()

    async def _refresh_about(self, found: Found, now: datetime, told: asyncio.Event) -> None:
        above = [authority for authority, _ in found.authorities]
        about = found.certificate
        async with asyncio.TaskGroup() as group:
            group.create_task(self._lists.refresh(now, about=about, above=above, tell=self._hear))
            if self._responders is not None:
                for one, issuer in self._asked_about(found):
                    group.create_task(self._ask(self._responders, one, issuer, now, told))

    async def _ask(
        self,
        responders: Responders,
        certificate: x509.Certificate,
        issuer: x509.Certificate,
        now: datetime,
        told: asyncio.Event,
    ) -> None:
        status = await responders.ask(certificate, issuer, now)
        if status.words:
            log.warning("%s: OCSP: %s", self.trust.name, status.words)
        self.announce()
        told.set()

    def is_enough(self, found: Found, now: datetime) -> bool:
        """Say whether a certificate that is shown for the first time need wait for nobody.

        Some source that speaks of it has been had, and its own responder was asked, whatever lists
        say, and so was every delta of those; what others have still to say is nothing to it.
        """
        until = self.status(found, now).good_until
        if until is None or until <= now:
            return False
        certificates = [found.certificate, *(one for one, _ in found.authorities)]
        if any(self._lists.awaits_news(one) for one in certificates):
            return False
        responders = self._responders
        return responders is None or not any(
            responders.is_due(one, now) for one, _ in self._asked_about(found)
        )

    async def take_up(self, found: Found, now: datetime) -> None:
        """Take up where a certificate says that its lists are, and what was said of it before."""
        for authority, _ in found.authorities:
            self._lists.learn_authority(authority)
        self._lists.learn(found.certificate)
        if self._responders is not None:
            for one, issuer in self._asked_about(found):
                await self._responders.recall(one, issuer, now)

    def status(self, found: Found, now: datetime) -> Status:
        """Say what is known of a certificate, and of the CAs above it; asks nobody.

        It is revoked with any of them, and known for no longer than each of them (RFC 5280, 6.1.3,
        a, 3). A CA of which its issuer says nowhere whether it is revoked is believed, since the
        administrator named it; as the anchor is.
        """
        own = self._status_of(found.certificate, now)
        above = [
            (authority, status)
            for authority, _ in found.authorities
            if (status := self._status_above(authority, now)) is not None
        ]
        return _together(own, above)

    def _status_above(self, authority: x509.Certificate, now: datetime) -> Status | None:
        """Say what is known of a CA; None: nobody says anything of it, nor does it say who does."""
        status = self._status_of(authority, now)
        says = names_lists(authority) or (self.trust.ocsp and names_responder(authority))
        return status if says or status.good_until is not None else None

    def _status_of(self, certificate: x509.Certificate, now: datetime) -> Status:
        """Say what is known of one certificate.

        Each source is as good as the other, so it is known for as long as one of them says; and
        it is revoked as soon as one of them says so, for good if one of them says that. Where the
        responder does not know it, nobody can say: somebody else may sign in the CA's name, of
        which no list speaks.
        """
        lists = self._lists.status(certificate, now)
        responder = self._responder_status(certificate)
        said = [one for one in (lists.revocation, responder.revocation) if one is not None]
        final = [one for one in said if one.reason.is_final]
        ends = [one for one in (lists.good_until, responder.good_until) if one is not None]
        if responder.unknown:
            ends = []
        words = [one for one in (lists.words, responder.words) if one]
        return Status(next(iter([*final, *said]), None), max(ends, default=None), "; ".join(words))

    def _responder_status(self, certificate: x509.Certificate) -> ResponderStatus:
        if self._responders is None:
            return ResponderStatus(None, None)
        return self._responders.status(certificate)

    @staticmethod
    def _asked_about(found: Found) -> Iterator[tuple[x509.Certificate, x509.Certificate]]:
        """Yield of whom responders are asked, each with its issuer: of CAs, where they name one."""
        yield found.certificate, found.authority
        for authority, issuer in found.authorities:
            if names_responder(authority):
                yield authority, issuer

    def health(self) -> tuple[ForeignList, ...]:
        """Say how each source is, for doctor and metrics."""
        lists = self._lists.health()
        if self._responders is None:
            return lists
        asking = self._responders.health()
        return (
            *lists,
            ForeignList(
                self.trust.name,
                RESPONDER,
                next_update=asking.next_end,
                entries=asking.certificates,
                failure=asking.last_failure if asking.failing else "",
            ),
        )

    def _hear(self, event: ListEvent) -> None:
        log.log(_LEVELS[event.kind], "%s", event.words)
        self.announce()
        for told in self._waiting:
            told.set()

    def _hear_responder(self, event: ResponderEvent) -> None:
        if event.words:
            serial = serial_text(event.serial)
            log.warning("%s: OCSP of %s: %s", self.trust.name, serial, event.words)
        self.announce()


def _together(own: Status, above: Sequence[tuple[x509.Certificate, Status]]) -> Status:
    """Return the status of a certificate, whose *own* is known, with those of the CAs *above* it."""
    every = [own, *(status for _, status in above)]
    revoked = [one for one in (own.revocation, *(_handed_down(each) for _, each in above)) if one]
    final = [one for one in revoked if one.reason.is_final]
    ends = [one.good_until for one in every if one.good_until is not None]
    until = min(ends) if len(ends) == len(every) else None
    told = [
        (f"the CA {name_in_words(authority.subject)} above it: {status.words}", status)
        for authority, status in above
    ]
    words = [text for text, status in told if status.revocation is not None]
    if not words or own.revocation is not None:
        # Also of which CA it is not known, or for the shortest time.
        words = [own.words, *(text for text, one in told if one.good_until in {None, until})]
    return Status(next(iter([*final, *revoked]), None), until, "; ".join(filter(None, words)))


def _handed_down(status: Status) -> Revocation | None:
    """Return what the revocation of a CA is for whom it has issued to."""
    found = status.revocation
    if found is not None and found.reason is RevocationReason.KEY_COMPROMISE:
        # It is not the person's key that is known to others.
        return Revocation(found.at, RevocationReason.CA_COMPROMISE)
    return found


def verdict_of(found: Found, status: Status) -> Verdict:
    """Return the verdict on a certificate whose path holds."""
    certificate, until = found.certificate, status.good_until
    if until is not None and found.ends < certificate.not_valid_after_utc:
        # A CA above it ends first: from then on its path must be looked at again.
        until = min(until, found.ends)
    return Verdict(
        fingerprint=found.fingerprint,
        state=ForeignState.ACCEPTED,
        trust=found.trust,
        issuer=issuer_of(certificate),
        serial=serial_text(certificate.serial_number),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        by=found.by,
        identity=found.identity,
        words=found.words or status.words,
        revocation=status.revocation,
        good_until=until,
    )
