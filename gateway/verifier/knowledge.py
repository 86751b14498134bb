"""What is known of the certificates of one trust: its lists, and its responders where asked for."""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ca.serials import serial_text
from ca.trust import Revocation
from gateway.core.foreign import ForeignList, ForeignState, Verdict
from gateway.core.trusts import Trust
from gateway.verifier.fetching import Fetcher
from gateway.verifier.findings import Found, issuer_of
from gateway.verifier.list_words import ListEvent, ListEventKind
from gateway.verifier.lists import RevocationLists
from gateway.verifier.responder import Responders, ResponderStatus

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

    def wake(self) -> None:
        """Have everything of this trust judged anew soon, and fetched what is due."""
        self._woken.set()

    def hurry(self) -> None:
        """Have every list fetched soon, due or not."""
        self._lists.hurry()
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
        """Fetch what is due, and tell the log what came of it."""
        self._tell(await self._lists.refresh(now))
        if self._responders is None:
            return
        for event in await self._responders.refresh(now):
            if event.words:
                serial = serial_text(event.serial)
                log.warning("%s: OCSP of %s: %s", self.trust.name, serial, event.words)

    async def refresh_about(self, found: Found, now: datetime) -> None:
        """Fetch what may speak of a certificate that somebody shows for the first time."""
        self._tell(await self._lists.refresh(now, about=found.certificate))
        if self._responders is not None:
            status = await self._responders.ask(found.certificate, found.authority, now)
            if status.words:
                log.warning("%s: OCSP: %s", self.trust.name, status.words)

    async def take_up(self, found: Found, now: datetime) -> None:
        """Take up where a certificate says that its lists are, and what was said of it before."""
        self._lists.learn(found.certificate)
        if self._responders is not None:
            await self._responders.recall(found.certificate, found.authority, now)

    def status(self, found: Found, now: datetime) -> Status:
        """Say what is known of a certificate; asks nobody.

        Each source is as good as the other, so it is known for as long as one of them says; and
        it is revoked as soon as one of them says so, for good if one of them says that. Where the
        responder does not know it, nobody can say: somebody else may sign in the CA's name, of
        which no list speaks.
        """
        lists = self._lists.status(found.certificate, now)
        responder = self._responder_status(found)
        said = [one for one in (lists.revocation, responder.revocation) if one is not None]
        final = [one for one in said if one.reason.is_final]
        ends = [one for one in (lists.good_until, responder.good_until) if one is not None]
        if responder.unknown:
            ends = []
        words = [one for one in (lists.words, responder.words) if one]
        return Status(next(iter([*final, *said]), None), max(ends, default=None), "; ".join(words))

    def _responder_status(self, found: Found) -> ResponderStatus:
        if self._responders is None:
            return ResponderStatus(None, None)
        return self._responders.status(found.certificate)

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

    @staticmethod
    def _tell(events: Iterable[ListEvent]) -> None:
        for event in events:
            log.log(_LEVELS[event.kind], "%s", event.words)


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
