"""Publishing: which lists of one issuer are due, and signing them in the right order.

A round signs deltas first, since they are small and say at once what has changed; then full
lists, of everything and of each partition; then the deltas that the new full lists want.

A number is taken, and durable, before anything is signed under it, and what a list tells is read
afterwards in one snapshot: a higher number never knows less than a lower one did when it was
taken. A crash leaves a number unused, and the last list in force.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from ca import lists
from ca.issue import Issuer
from ca.keys import SignerLock
from ca.lists import CRLRecord
from ca.scopes import WHOLE, CRLKind, Line, ListName, partition_names, partition_of
from ca.status import CRLHead, encode_lines, sign_crl
from ca.trust import CLOCK_SLACK

Begin = Callable[[], AbstractAsyncContextManager[AsyncConnection]]
"""Opens a transaction that commits when the block ends well, and is undone otherwise."""

CRL_LIFETIME = timedelta(days=7)
_SHORT = 20_000
"""A list of so many lines is signed in a blink."""
_LINES_A_SECOND = 10_000
"""How many lines of full list are signed for each second that passes, where deltas tell the news;
a processor signs a hundred thousand."""


@dataclass(frozen=True, slots=True)
class Publication:
    """What is published, and where.

    *address* is that of the folder of all lists. *delta_lifetime* None means that there are no
    deltas. *partitions* is for certificates that are yet to be issued; 1 means that they name
    the list of everything.
    """

    address: str
    lifetime: timedelta = CRL_LIFETIME
    delta_lifetime: timedelta | None = None
    partitions: int = 1

    def point(self, issuer: str, serial: int) -> tuple[str | None, str]:
        """Return the partition of a certificate that is to be issued, and its list's address."""
        scope = partition_of(serial, self.partitions)
        return scope or None, self.address + str(ListName(issuer, scope))


class Due(StrEnum):
    """Why a CRL is to be signed now."""

    NONE_YET = "there is no CRL yet"
    UNLISTED = "a revocation is not listed yet"
    AGE = "a quarter of the CRL's life is over"
    FUTURE = "the CRL begins in the future: a clock was or is wrong"
    SUPERSEDED = "a full CRL has followed the delta CRL"
    ASKED = "somebody has asked for it"


def why_due(last: CRLRecord | None, *, unlisted: bool, now: datetime) -> Due | None:
    """Say why the next CRL is to be signed at *now*, or None when *last* will do.

    A quarter of the life leaves three more for whatever keeps the next one from being signed.
    """
    if last is None:
        return Due.NONE_YET
    if last.this_update > now + CLOCK_SLACK:
        return Due.FUTURE
    if now >= due_at(last):
        return Due.AGE
    return Due.UNLISTED if unlisted else None


def due_at(last: CRLRecord) -> datetime:
    """Return when *last* is to be followed by the next CRL, if nothing is revoked before."""
    return last.this_update + (last.next_update - last.this_update) / 4


def may_wait(last: CRLRecord, now: datetime) -> bool:
    """Say whether a long list that lacks only what its delta tells is left for a while.

    A million lines take seconds to sign; this keeps revocations in a row from taking a processor
    for themselves.
    """
    if last.entries <= _SHORT:
        return False
    return now < last.this_update + timedelta(seconds=last.entries / _LINES_A_SECOND)


class Publishes(Protocol):
    """Told of every list inside the transaction that records it."""

    async def published(self, connection: AsyncConnection, crl: CRLRecord) -> None:
        """A CRL is being recorded."""
        ...


class Publisher:
    """Signs the lists of one issuer."""

    def __init__(
        self,
        *,
        begin: Begin,
        read: Begin,
        issuer: Issuer,
        lock: SignerLock,
        witness: Publishes,
        publication: Publication,
    ) -> None:
        """Take what it works with; what *read* opens sees one state and holds nobody up."""
        self._begin = begin
        self._read = read
        self._issuer = issuer
        self._lock = lock
        self._witness = witness
        self._publication = publication

    async def publish(self, now: datetime) -> tuple[CRLRecord, ...]:
        """Sign and record every list there is to be, due or not; that of everything comes first.

        Raises `SignerBusy` when another signer does not come to an end.
        """
        async with self._lock.hold():
            scopes = await self._scopes(now)
            full = [await self._full(scope, Due.ASKED, now) for scope in scopes]
            if self._publication.delta_lifetime is None:
                return tuple(full)
            return (*full, *[await self._delta(scope, now) for scope in scopes])

    async def publish_if_due(self, now: datetime) -> tuple[CRLRecord, ...]:
        """Sign what is due: a change waits for it, or the last one is no longer young.

        Returns nothing when nothing was due, or somebody else has signed meanwhile.
        """
        signed = [*await self.publish_deltas_if_due(now)]
        scopes = await self._scopes(now)
        if not [scope for scope in scopes if await self._full_due(scope, now)]:
            return tuple(signed)
        async with self._lock.hold():
            for scope in scopes:
                due = await self._full_due(scope, now)
                if due is not None:
                    signed.append(await self._full(scope, due, now))
        return (*signed, *await self.publish_deltas_if_due(now))

    async def publish_deltas_if_due(self, now: datetime) -> tuple[CRLRecord, ...]:
        """Sign the deltas that are due.

        Waits for no other signer: two that sign the same at once do so under two numbers, and
        both are right.
        """
        if self._publication.delta_lifetime is None:
            return ()
        return tuple(
            [
                await self._delta(scope, now)
                for scope in await self._scopes(now)
                if await self._delta_due(scope, now)
            ]
        )

    async def _scopes(self, now: datetime) -> tuple[str, ...]:
        """Return everything, and the partitions: of certificates there are, and those to come."""
        ended = now - self._publication.lifetime
        async with self._read() as connection:
            named = await lists.partitions(connection, self._issuer.name, ended)
        wanted = partition_names(self._publication.partitions)
        return WHOLE, *dict.fromkeys((*wanted, *named))

    async def _full_due(self, scope: str, now: datetime) -> Due | None:
        async with self._read() as connection:
            last = await lists.latest_head(connection, self._issuer.name, scope)
            unlisted = last is not None and await self._lacks(connection, last)
        due = why_due(last, unlisted=unlisted, now=now)
        told = self._publication.delta_lifetime is not None
        if due is Due.UNLISTED and told and last is not None and may_wait(last, now):
            return None
        return due

    async def _delta_due(self, scope: str, now: datetime) -> Due | None:
        name = self._issuer.name
        async with self._read() as connection:
            base = await lists.delta_base(connection, name, scope, now)
            full = await lists.latest_number(connection, name, scope)
            last = await lists.latest_head(connection, name, scope, CRLKind.DELTA)
            unlisted = last is not None and await self._lacks(connection, last)
        if base is None or full is None:
            # A delta to nothing; the full list comes first.
            return None
        due = why_due(last, unlisted=unlisted, now=now)
        if due is None and last is not None and last.number < full:
            return Due.SUPERSEDED
        return due

    async def _lacks(self, connection: AsyncConnection, last: CRLRecord) -> bool:
        if await lists.changes(connection, last.issuer) <= last.covers:
            return False
        return await lists.has_changed(connection, last.issuer, last.scope, last.covers)

    async def _full(self, scope: str, due: Due, now: datetime) -> CRLRecord:
        """Sign the next full list; the caller holds the lock, so nobody does the same."""
        name, publication = self._issuer.name, self._publication
        number = await self._number(now)
        scheduled = due is not Due.UNLISTED
        async with self._read() as connection:
            covers = await lists.changes(connection, name)
            base = await lists.last_scheduled(connection, name, scope)
            if base is None:
                floor, floor_covers = None, None
            elif scheduled:
                floor, floor_covers = base.this_update, base.covers
            else:
                floor, floor_covers = base.floor, base.floor_covers
            if floor is not None:
                # A list from the future, of a clock that was wrong, says nothing of what ends
                # before it: that goes on being valid, and revoked.
                floor = min(floor, now)
            lines = lists.full_lines(connection, name, scope, floor, floor_covers)
            body, entries = await _encoded(lines)
        head = CRLHead(
            number,
            now.replace(microsecond=0),
            now.replace(microsecond=0) + publication.lifetime,
            point=self._address(scope) if scope else None,
            fresh=self._address(scope, CRLKind.DELTA) if publication.delta_lifetime else None,
        )
        draft = CRLRecord(
            name,
            number,
            head.this_update,
            head.next_update,
            b"",
            scope=scope,
            covers=covers,
            scheduled=scheduled,
            entries=entries,
            floor=floor,
            floor_covers=floor_covers,
        )
        return await self._sign(draft, head, body)

    async def _delta(self, scope: str, now: datetime) -> CRLRecord:
        """Sign the next delta list; there is a full one."""
        name, lifetime = self._issuer.name, self._publication.delta_lifetime
        number = await self._number(now)
        async with self._read() as connection:
            covers = await lists.changes(connection, name)
            base = await lists.delta_base(connection, name, scope, now)
            if base is None or lifetime is None:
                raise RuntimeError("a delta begins at a full list")
            lines = lists.delta_lines(connection, name, scope, base.covers, now)
            body, entries = await _encoded(lines)
        head = CRLHead(
            number,
            now.replace(microsecond=0),
            now.replace(microsecond=0) + lifetime,
            base=base.number,
            point=self._address(scope) if scope else None,
        )
        draft = CRLRecord(
            name,
            number,
            head.this_update,
            head.next_update,
            b"",
            kind=CRLKind.DELTA,
            scope=scope,
            covers=covers,
            entries=entries,
            base=base.number,
        )
        return await self._sign(draft, head, body)

    async def _number(self, now: datetime) -> int:
        async with self._begin() as connection:
            return await lists.take_number(connection, self._issuer.name, now)

    async def _sign(self, draft: CRLRecord, head: CRLHead, body: Sequence[bytes]) -> CRLRecord:
        record = replace(draft, der=await asyncio.to_thread(sign_crl, self._issuer, head, body))
        async with self._begin() as connection:
            await lists.record_crl(connection, record)
            await self._witness.published(connection, record)
        return record

    def _address(self, scope: str, kind: CRLKind = CRLKind.FULL) -> str:
        return self._publication.address + str(ListName(self._issuer.name, scope, kind))


async def _encoded(slices: AsyncIterator[Sequence[Line]]) -> tuple[list[bytes], int]:
    """Encode lines beside the event loop, each slice while the next one is being read.

    Returns them, and how many they are.
    """
    body: list[bytes] = []
    entries = 0
    loop = asyncio.get_running_loop()
    encoding: asyncio.Future[bytes] | None = None
    try:
        async for lines in slices:
            if encoding is not None:
                body.append(await encoding)
            encoding = loop.run_in_executor(None, encode_lines, lines)
            entries += len(lines)
    finally:
        # Also where reading fails: no thread is left behind.
        if encoding is not None:
            body.append(await encoding)
    return body, entries
