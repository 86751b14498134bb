"""Ask the OCSP responders of one trust: what is known of each certificate, and asking again.

A certificate is asked about at its own responder (AIA) when it is first shown, and again long
before the answer ends. An answer is kept until a newer one comes: whatever goes wrong in between
leaves it in force to its end, and past that the trust's setting decides.
"""

import asyncio
import random
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from weakref import WeakValueDictionary

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from ca.foreign.ocsp import (
    MOST_BYTES,
    NONCE_BYTES,
    AsOf,
    OCSPStatus,
    RefusedResponse,
    read_response,
    request_for,
    responder_urls,
)
from ca.trust import Revocation
from gateway.core.trusts import Trust
from gateway.verifier.addresses import usable_urls
from gateway.verifier.containment import Containment, logged
from gateway.verifier.fetching import Fetcher, FetchFailed
from gateway.verifier.files import FileFailed
from gateway.verifier.kept import KeptAnswer, KeptAnswers

SELDOM: Final = timedelta(hours=1)
"""How old an answer may become before it is asked for again, however long it holds: a revocation
is known here by then."""
OFTEN: Final = timedelta(seconds=30)
"""How young an answer is left alone, however short it holds; and the first pause after a failure,
which doubles up to `SELDOM`."""
_JITTER: Final = 0.1
_AT_ONCE: Final = 8
_MOST_URLS: Final = 4
_NOW: Final = datetime.min.replace(tzinfo=UTC)
_MEDIA_TYPE: Final = "application/ocsp-request"
_OLDER: Final = "an answer that is older than one that came before"


@dataclass(frozen=True, slots=True)
class ResponderStatus:
    """What is known of one certificate, and until when, grace included; *words* say why not.

    *good_until* None: no responder has said anything that can be relied on. What is revoked for
    good stays so without an end.
    """

    revocation: Revocation | None
    good_until: datetime | None
    words: str = ""
    unknown: bool = False
    """Whether the responder says that its CA has never issued it, which weighs more than a list."""


@dataclass(frozen=True, slots=True)
class ResponderEvent:
    """A responder was asked about the certificate with this SHA-256 *fingerprint* (hexadecimal).

    *words* are empty when its answer was taken, else what went wrong.
    """

    fingerprint: str
    serial: int
    words: str


@dataclass(frozen=True, slots=True)
class RespondersHealth:
    """How asking goes: certificates, how many without a newer answer, and the next end."""

    certificates: int
    failing: int
    last_failure: str
    next_end: datetime | None


@dataclass(slots=True)
class _Asked:
    """A certificate that is asked about, and what came of it."""

    certificate: x509.Certificate
    issuer: x509.Certificate
    due: datetime
    status: OCSPStatus | None = None
    unknown: bool = False
    newest: AsOf | None = None
    """Of all that was said of it, also that it is not known: nothing from before counts any more."""
    failures: int = 0
    words: str = ""
    busy: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(frozen=True, slots=True)
class _Silent:
    """A responder of which nothing was had, so that others do not wait for it in vain as well."""

    since: datetime
    failed: FetchFailed


class Responders:
    """What the responders of one trust say."""

    def __init__(
        self,
        directory: Path,
        trust: Trust,
        fetcher: Fetcher,
        *,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """Keep answers in *directory*, of this trust alone; *draw* spreads the times of asking."""
        self._kept = KeptAnswers(directory)
        self._trust = trust
        # As of a CA's lists: its own server may show a certificate of that CA.
        self._fetcher = fetcher.believing(trust.certificates)
        self._draw = draw
        self._asked: dict[str, _Asked] = {}
        # For each responder its own: who waits for one that hangs is in nobody else's way.
        self._rooms = WeakValueDictionary[str, asyncio.Semaphore]()
        self._silent: dict[str, _Silent] = {}
        self._last_failure = ""
        self._tidied = False

    async def ask(
        self, certificate: x509.Certificate, issuer: x509.Certificate, now: datetime
    ) -> ResponderStatus:
        """Return what is known of *certificate* of *issuer*, after asking where that is due.

        That the path is valid is the caller's to know. After a failure nobody is asked again
        before a while, whoever calls: `due` says when.
        """
        fingerprint = fingerprint_of(certificate)
        one = self._asked.get(fingerprint)
        if one is None:
            one = self._asked.setdefault(fingerprint, _Asked(certificate, issuer, now))
        async with one.busy:
            if one.status is None and not one.failures:
                await self._recall(fingerprint, one)
            if _is_due(one, now):
                await self._ask(fingerprint, one, now)
        return self._status_of(one)

    async def recall(
        self, certificate: x509.Certificate, issuer: x509.Certificate, now: datetime
    ) -> None:
        """Take up a certificate that was shown before: `refresh` asks about it when that is due.

        What was kept of it counts; nobody is asked.
        """
        fingerprint = fingerprint_of(certificate)
        one = self._asked.setdefault(fingerprint, _Asked(certificate, issuer, now))
        async with one.busy:
            if one.status is None and not one.failures:
                await self._recall(fingerprint, one)

    def status(self, certificate: x509.Certificate) -> ResponderStatus:
        """Return what is known already; asks nobody."""
        one = self._asked.get(fingerprint_of(certificate))
        if one is None:
            return ResponderStatus(None, None, "no responder has been asked about it yet")
        return self._status_of(one)

    def due(self) -> datetime | None:
        """Return when `refresh` has something to ask, but for what it is asking; None when never."""
        free = (one for one in self._asked.values() if not one.busy.locked())
        return min((one.due for one in free if not _is_final(one)), default=None)

    def hurry(self) -> None:
        """Have `refresh` ask about every certificate the next time: there may be news."""
        for one in self._asked.values():
            one.due = _NOW

    def is_due(self, certificate: x509.Certificate, now: datetime) -> bool:
        """Say whether `ask` would ask somebody about *certificate*, or somebody is being asked."""
        one = self._asked.get(fingerprint_of(certificate))
        return one is None or _is_due(one, now)

    async def refresh(
        self, now: datetime, tell: Callable[[ResponderEvent], None] = lambda _: None
    ) -> tuple[ResponderEvent, ...]:
        """Ask again about every certificate for which that is due; what has ended is forgotten.

        One event for each that was asked about. Its status may be as it was, but holds longer. That
        takes as long as the slowest responder, so *tell* hears of each event when it happens.
        """
        if not self._tidied:
            self._tidied = True
            await asyncio.to_thread(self._kept.tidy, now)
        for fingerprint, one in [*self._asked.items()]:
            if one.certificate.not_valid_after_utc < now:
                await self.forget(fingerprint)
        due = [
            (name, one)
            for name, one in self._asked.items()
            if _is_due(one, now) and not one.busy.locked()
        ]
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(self._ask_again(*one, now, tell)) for one in due]
        return tuple(one.result() for one in asked)

    async def forget(self, fingerprint: str) -> None:
        """Ask no more about the certificate with *fingerprint*, and keep nothing of it."""
        self._asked.pop(fingerprint, None)
        await self._keep(fingerprint, None)

    def health(self) -> RespondersHealth:
        """Say how asking goes."""
        ends = [
            one.status.good_until
            for one in self._asked.values()
            if one.status is not None and not _is_final(one)
        ]
        return RespondersHealth(
            certificates=len(self._asked),
            failing=sum(1 for one in self._asked.values() if one.words),
            last_failure=self._last_failure,
            next_end=min(ends, default=None),
        )

    async def _ask_again(
        self, fingerprint: str, one: _Asked, now: datetime, tell: Callable[[ResponderEvent], None]
    ) -> ResponderEvent:
        async with one.busy:
            if _is_due(one, now):
                await self._ask(fingerprint, one, now)
        event = ResponderEvent(fingerprint, one.certificate.serial_number, one.words)
        tell(event)
        return event

    async def _ask(self, fingerprint: str, one: _Asked, now: datetime) -> None:
        """Ask the certificate's responders in their order until one of them says something."""
        faults = []
        for url in usable_urls(responder_urls(one.certificate))[:_MOST_URLS]:
            # Whatever is answered there keeps nobody else from being asked, nor lists from coming.
            fault: str | None = f"{url}: asking there has failed; the log of the verifier says how"
            with Containment(logged(f"{url}: asking there has failed")):
                fault = await self._ask_at(url, fingerprint, one, now)
            if fault is None:
                return
            faults.append(fault)
            if one.unknown:
                # Said by the CA itself, and not something that asking somebody else mends.
                break
        one.words = "; ".join(faults) or "the certificate names no OCSP responder (AIA)"
        self._last_failure = one.words
        one.due = now + self._pause(min(SELDOM, OFTEN * 2 ** min(one.failures, 10)))
        one.failures += 1

    async def _ask_at(self, url: str, fingerprint: str, one: _Asked, now: datetime) -> str | None:
        """Ask at *url* and take what is said; return what is wrong with it, None if nothing is."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        data = await self._fetch(url, request_for(one.certificate, one.issuer, nonce), now)
        if isinstance(data, FetchFailed):
            return data.words
        found = read_response(data, one.certificate, one.issuer, nonce, now)
        if isinstance(found, RefusedResponse):
            if found.as_of is None:
                return f"{url}: {found.words}"
            if one.newest is not None and found.as_of < one.newest:
                return f"{url}: {_OLDER}"
            await self._take_unknown(fingerprint, one, found.as_of, data, now)
            return f"{url}: {found.words}"
        if _may_follow(found, one):
            one.newest = found.as_of
            self._take(one, found, now)
            await self._keep(fingerprint, _kept(one, found.as_of, data, now))
            return None
        held = one.status
        if (
            held is None
            or one.unknown
            or found.revocation != held.revocation
            or held.good_until <= now
        ):
            return f"{url}: {_OLDER}"
        # Of several responders behind one name, one may be a little behind the others.
        self._take(one, held, now)
        return None

    async def _take_unknown(
        self, fingerprint: str, one: _Asked, as_of: AsOf, data: bytes, now: datetime
    ) -> None:
        """Take that the responder does not know the certificate; what is revoked stays so."""
        one.newest = as_of
        if not _is_revoked(one):
            one.unknown = True
            await self._keep(fingerprint, _kept(one, as_of, data, now))
            return
        # What is revoked is known by the answer before, which must not be lost.
        kept = await asyncio.to_thread(self._kept.read, fingerprint)
        if kept is not None:
            await self._keep(fingerprint, replace(kept, newest=as_of))

    async def _fetch(self, url: str, request: bytes, now: datetime) -> bytes | FetchFailed:
        """Ask at *url*, unless nothing was had there a moment ago, about whatever certificate."""
        async with self._rooms.setdefault(url, asyncio.Semaphore(_AT_ONCE)):
            silent = self._silent.get(url)
            if silent is not None and silent.since <= now < silent.since + OFTEN:
                return silent.failed
            data = await self._fetcher.fetch(
                url, limit=MOST_BYTES, body=request, media_type=_MEDIA_TYPE
            )
            if isinstance(data, FetchFailed):
                self._silent[url] = _Silent(now, data)
            else:
                self._silent.pop(url, None)
            return data

    def _take(self, one: _Asked, status: OCSPStatus, now: datetime) -> None:
        one.status, one.unknown, one.failures, one.words = status, False, 0, ""
        one.due = now + self._pause(min(SELDOM, max(OFTEN, (status.good_until - now) / 2)))

    def _pause(self, longest: timedelta) -> timedelta:
        return longest * (1 - _JITTER * self._draw())

    async def _recall(self, fingerprint: str, one: _Asked) -> None:
        """Take the answer that was kept on disk, if it is one; it is asked for anew when due."""
        kept = await asyncio.to_thread(self._kept.read, fingerprint)
        if kept is None:
            return
        found = read_response(kept.response, one.certificate, one.issuer, None, kept.read_at)
        if found.as_of is None:
            return
        one.newest = max(found.as_of, kept.newest)
        if isinstance(found, OCSPStatus):
            self._take(one, found, kept.read_at)
        else:
            one.unknown, one.words = True, found.words

    async def _keep(self, fingerprint: str, answer: KeptAnswer | None) -> None:
        """Keep *answer* on disk, or nothing; that it cannot be kept stops no certificate."""
        try:
            if answer is None:
                await asyncio.to_thread(self._kept.remove, fingerprint)
            else:
                await asyncio.to_thread(self._kept.write, fingerprint, answer)
        except FileFailed as failed:
            self._last_failure = str(failed)

    def _status_of(self, one: _Asked) -> ResponderStatus:
        if one.unknown:
            # A responder that knows it no more has taken back that it is good.
            return ResponderStatus(None, None, one.words, unknown=True)
        if one.status is None:
            return ResponderStatus(None, None, one.words)
        until = self._trust.good_until(one.status.good_until)
        return ResponderStatus(one.status.revocation, until, one.words)


def fingerprint_of(certificate: x509.Certificate) -> str:
    """Return the SHA-256 of *certificate* in hexadecimal."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def _kept(one: _Asked, as_of: AsOf, data: bytes, now: datetime) -> KeptAnswer:
    return KeptAnswer(data, now, one.certificate.not_valid_after_utc, as_of)


def _may_follow(found: OCSPStatus, one: _Asked) -> bool:
    """Say whether *found* comes after all that was said before; where nobody can tell, no *good*."""
    if one.newest is None or found.as_of > one.newest:
        return True
    frees = found.revocation is None and (one.unknown or _is_revoked(one))
    return found.as_of == one.newest and not frees


def _is_revoked(one: _Asked) -> bool:
    return one.status is not None and one.status.revocation is not None


def _is_final(one: _Asked) -> bool:
    """Say whether the certificate is revoked for good, so that nobody need be asked again."""
    revocation = None if one.status is None else one.status.revocation
    return revocation is not None and revocation.reason.is_final


def _is_due(one: _Asked, now: datetime) -> bool:
    """Say whether to ask; also when that is further off than it ever is: the clock was ahead."""
    return not _is_final(one) and not now < one.due <= now + SELDOM
