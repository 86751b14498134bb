"""What the ledger says must stand in CRLs, on real databases."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from ca import issuers, ledger, lists
from ca.errors import LedgerError
from ca.lists import CRLRecord
from ca.scopes import REMOVE_FROM_CRL, CRLKind, Line
from ca.trust import RevocationReason
from tests.ca.databases import Begin
from tests.ca.ledgers import ISSUER, NOW, issue_to, number_of, serial_of

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
STOLEN = RevocationReason.KEY_COMPROMISE


@pytest.fixture(autouse=True)
async def issuing(begin: Begin) -> None:
    """Record the issuing CA, which every list refers to."""
    async with begin() as connection:
        await ledger.record_issuer(connection, name=ISSUER, der=b"issuing")


def crl(number: int, now: datetime = NOW, **facts: Any) -> CRLRecord:
    """Make a CRL without lines."""
    return CRLRecord(ISSUER, number, now, now + 7 * DAY, b"crl %d" % number, **facts)


async def all_of(slices: AsyncIterator[Sequence[Line]]) -> list[tuple[int, str]]:
    """Return all lines: which certificate, and why."""
    return [(number_of(serial), reason) async for lines in slices for serial, _, reason in lines]


async def revoke(connection: AsyncConnection, *numbers: int) -> None:
    """Revoke certificates."""
    serials = [serial_of(number) for number in numbers]
    await ledger.revoke(connection, serials=serials, reason=STOLEN, now=NOW)


class TestNumbers:
    async def test_they_rise_for_ever(self, begin: Begin) -> None:
        """One by one within a millisecond, and with the clock otherwise; never back with it."""
        async with begin() as connection:
            first = await lists.take_number(connection, ISSUER, NOW)
            again = await lists.take_number(connection, ISSUER, NOW)
            back = await lists.take_number(connection, ISSUER, NOW - DAY)
            later = await lists.take_number(connection, ISSUER, NOW + DAY)
        assert first == 1795251600123
        assert (again, back) == (first + 1, first + 2)
        assert later == first + 86_400_000

    async def test_a_number_above_the_clock_is_followed(self, begin: Begin) -> None:
        """What was given once is never given again, wherever it came from."""
        async with begin() as connection:
            await connection.execute(ledger.issuer.update().values(last_number=10**15))
            assert await lists.take_number(connection, ISSUER, NOW) == 10**15 + 1

    async def test_there_is_none_for_strangers(self, begin: Begin) -> None:
        """An issuer that is not recorded has no lists."""
        with pytest.raises(LedgerError, match="no issuer"):
            async with begin() as connection:
                await lists.take_number(connection, "issuing-0", NOW)

    async def test_a_number_is_used_once(self, begin: Begin) -> None:
        """Two signers cannot both publish the same number."""
        async with begin() as connection:
            await lists.record_crl(connection, crl(1))
        with pytest.raises(LedgerError, match="already taken"):
            async with begin() as connection:
                await lists.record_crl(connection, crl(1, NOW + HOUR))


class TestFullLines:
    async def test_at_three_dates(self, begin: Begin) -> None:
        """Nothing revoked, one, two: ordered by serial, with date and reason."""
        async with begin() as connection:
            for number in (2, 1, 3):
                await issue_to(connection, number)
            seen = []
            for wanted in ((), (2,), (1,)):
                await revoke(connection, *wanted)
                seen.append(await all_of(lists.full_lines(connection, ISSUER, "")))
            (lines,) = [one async for one in lists.full_lines(connection, ISSUER, "")]
        assert seen == [[], [(2, STOLEN)], [(1, STOLEN), (2, STOLEN)]]
        assert lines[0] == (serial_of(1), 1795251600123456, STOLEN)

    async def test_a_hold_is_listed_until_it_is_released(self, begin: Begin) -> None:
        """With the reason certificateHold, and then not at all."""
        async with begin() as connection:
            await issue_to(connection, 1)
            await ledger.hold(connection, user="anna", now=NOW)
            held = await all_of(lists.full_lines(connection, ISSUER, ""))
            await ledger.release(connection, user="anna")
            released = await all_of(lists.full_lines(connection, ISSUER, ""))
        assert (held, released) == ([(1, "certificateHold")], [])

    async def test_more_than_one_slice(self, begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
        """However a list is cut, each line comes once."""
        monkeypatch.setattr(lists, "AT_ONCE", 3)
        async with begin() as connection:
            for number in range(7):
                await issue_to(connection, number)
            await ledger.revoke(connection, user="anna", reason=STOLEN, now=NOW)
            sizes = [len(one) async for one in lists.full_lines(connection, ISSUER, "")]
            every = await all_of(lists.full_lines(connection, ISSUER, ""))
        assert sizes == [3, 3, 1]
        assert [number for number, _ in every] == [*range(7)]

    async def test_a_partition_lists_its_own(self, begin: Begin) -> None:
        """What names another, or the whole, is not in it; the whole has everything."""
        async with begin() as connection:
            await issue_to(connection, 1)
            await issue_to(connection, 2, partition="1-of-2")
            await issue_to(connection, 3, partition="2-of-2")
            await revoke(connection, 1, 2, 3)
            found = {
                scope: [one for one, _ in await all_of(lists.full_lines(connection, ISSUER, scope))]
                for scope in ("", "1-of-2", "2-of-2", "1-of-3")
            }
        assert found == {"": [1, 2, 3], "1-of-2": [2], "2-of-2": [3], "1-of-3": []}

    async def test_what_ended_before_the_floor_has_left(self, begin: Begin) -> None:
        """Only what the list of that date has told; a later revocation of it comes once more."""
        async with begin() as connection:
            for number, end in ((1, NOW - HOUR), (2, NOW + HOUR), (3, NOW - HOUR)):
                await issue_to(connection, number, not_after=end)
            await revoke(connection, 1, 2)
            covers = await lists.changes(connection, ISSUER)
            await revoke(connection, 3)
            found = await all_of(lists.full_lines(connection, ISSUER, "", NOW, covers))
        assert [number for number, _ in found] == [2, 3]


class TestDeltaLines:
    async def test_only_what_has_changed(self, begin: Begin) -> None:
        """Revoked, held, released, held and then revoked; nothing that was told before."""
        async with begin() as connection:
            for number in range(6):
                await issue_to(connection, number)
            await revoke(connection, 0)
            await ledger.hold(connection, serials=[serial_of(1), serial_of(2)], now=NOW)
            covers = await lists.changes(connection, ISSUER)
            await revoke(connection, 2, 3)
            await ledger.release(connection, serials=[serial_of(1)])
            await ledger.hold(connection, serials=[serial_of(4)], now=NOW)
            found = sorted(await all_of(lists.delta_lines(connection, ISSUER, "", covers, NOW)))
        hold = RevocationReason.CERTIFICATE_HOLD
        assert found == [(1, REMOVE_FROM_CRL), (2, STOLEN), (3, STOLEN), (4, hold)]


class TestChanges:
    async def test_each_change_is_counted_and_waits_for_a_list(self, begin: Begin) -> None:
        """Revoked, held and released each ask for another list; asking in vain does not."""
        async with begin() as connection:
            await issue_to(connection, 1)
            await issue_to(connection, 2, partition="1-of-2")
            counts = [await lists.changes(connection, ISSUER)]
            await ledger.hold(connection, serials=[serial_of(1)], now=NOW)
            counts.append(await lists.changes(connection, ISSUER))
            await ledger.release(connection, serials=[serial_of(1)])
            counts.append(await lists.changes(connection, ISSUER))
            await ledger.release(connection, serials=[serial_of(1)])
            counts.append(await lists.changes(connection, ISSUER))
            assert counts == [0, 1, 2, 2]
            assert await lists.has_changed(connection, ISSUER, "", 1)
            assert not await lists.has_changed(connection, ISSUER, "", 2)
            assert not await lists.has_changed(connection, ISSUER, "1-of-2", 0)

    async def test_the_first_list_is_remembered(self, begin: Begin) -> None:
        """A change waits for a list, and keeps the number of the first that tells it."""
        async with begin() as connection:
            await issue_to(connection, 1)
            numbers = []

            async def number() -> int | None:
                record = await ledger.find_by_serial(connection, ISSUER, serial_of(1))
                assert record is not None
                return record.crl_number

            await revoke(connection, 1)
            for record in (crl(6, covers=0), crl(7, covers=1), crl(8, covers=1)):
                numbers.append(await number())
                await lists.record_crl(connection, record)
            numbers.append(await number())
        assert numbers == [None, None, 7, 7]

    async def test_a_change_while_signing_waits_for_the_next(self, begin: Begin) -> None:
        """What came after the lines were read is not taken for told."""
        async with begin() as connection:
            for number in (1, 2):
                await issue_to(connection, number)
            await revoke(connection, 1)
            covers = await lists.changes(connection, ISSUER)
        async with begin() as connection:
            await revoke(connection, 2)
        async with begin() as connection:
            await lists.record_crl(connection, crl(1, covers=covers))
            record = await ledger.find_by_serial(connection, ISSUER, serial_of(2))
            assert await lists.has_changed(connection, ISSUER, "", covers)
        assert record is not None
        assert record.crl_number is None


class TestPartitions:
    async def test_a_partition_lives_as_long_as_its_longest(self, begin: Begin) -> None:
        """Whoever is in it may ask for it to their last day, whatever was issued after them."""
        async with begin() as connection:
            await issue_to(connection, 1, partition="1-of-2", not_after=NOW + 2 * DAY)
            await issue_to(connection, 2, partition="1-of-2", not_after=NOW + DAY)
            await issue_to(connection, 3, partition="2-of-3", not_after=NOW + DAY)
            found = [
                await lists.partitions(connection, ISSUER, NOW + days * DAY) for days in (0, 1, 2)
            ]
        assert found == [("1-of-2", "2-of-3"), ("1-of-2",), ()]


class TestLatest:
    async def test_the_latest_is_the_highest(self, begin: Begin) -> None:
        """CRLs are ordered by number, not by date or the order of writing."""
        async with begin() as connection:
            assert await lists.latest_crl(connection, ISSUER) is None
            assert await lists.latest_number(connection, ISSUER) is None
            await lists.record_crl(connection, crl(10))
            await lists.record_crl(connection, crl(9, NOW + HOUR))
            latest = await lists.latest_crl(connection, ISSUER)
            assert await lists.latest_crl(connection, "issuing-0") is None
            assert await lists.latest_number(connection, ISSUER) == 10
        assert latest == crl(10)

    async def test_each_scope_and_kind_has_its_own(self, begin: Begin) -> None:
        """And the bytes of one go when another of the same has followed."""
        written = [
            crl(1),
            crl(2, kind=CRLKind.DELTA, base=1),
            crl(3, scope="1-of-2"),
            crl(4),
            crl(5, kind=CRLKind.DELTA, base=1),
        ]
        async with begin() as connection:
            for record in written:
                await lists.record_crl(connection, record)
            found = await lists.list_crls(connection, ISSUER)
            kept = await connection.scalars(
                ledger.crl.select()
                .with_only_columns(ledger.crl.c.number)
                .where(ledger.crl.c.der.is_not(None))
                .order_by(ledger.crl.c.number)
            )
        assert found == [replace(written[each], der=b"") for each in (3, 4, 2)]
        assert [*kept] == [3, 4, 5]

    async def test_sizes(self, begin: Begin) -> None:
        """In octets, of those that are published: no other has any left."""
        async with begin() as connection:
            for number in (9, 10):
                await lists.record_crl(connection, crl(number))
            await lists.record_crl(connection, crl(11, kind=CRLKind.DELTA, base=9))
            assert await lists.sizes(connection, ISSUER) == {10: 6, 11: 6}
            assert await lists.sizes(connection, "issuing-2") == {}

    async def test_a_delta_begins_at_the_oldest_list_in_use(self, begin: Begin) -> None:
        """So it serves whoever has fetched any list that has not ended."""
        async with begin() as connection:
            assert await lists.delta_base(connection, ISSUER, "", NOW) is None
            for number, days in ((1, -8), (2, -5), (3, -1)):
                await lists.record_crl(connection, crl(number, NOW + days * DAY))
            base = await lists.delta_base(connection, ISSUER, "", NOW)
            later = await lists.delta_base(connection, ISSUER, "", NOW + 3 * DAY)
        assert (base and base.number, later and later.number) == (2, 3)

    async def test_scheduled_lists_are_told_from_others(self, begin: Begin) -> None:
        """The newest that was signed because of its age."""
        async with begin() as connection:
            assert await lists.last_scheduled(connection, ISSUER, "") is None
            await lists.record_crl(connection, crl(1))
            await lists.record_crl(connection, crl(2, scheduled=False))
            found = await lists.last_scheduled(connection, ISSUER, "")
        assert found is not None
        assert (found.number, found.der) == (1, b"")

    async def test_dates_are_told_of_what_somebody_may_want(self, begin: Begin) -> None:
        """The newest of each kind and scope; not of partitions whose certificates have ended."""
        written = [
            crl(1),
            crl(2, kind=CRLKind.DELTA, base=1),
            crl(3, scope="1-of-2"),
            crl(4, scope="2-of-2"),
            crl(5, NOW + HOUR),
            crl(6, scope="3-of-3"),
        ]
        async with begin() as connection:
            await issue_to(connection, 1, partition="1-of-2", not_after=NOW + DAY)
            await issue_to(connection, 2, partition="2-of-2", not_after=NOW + 2 * DAY)
            for record in written:
                await lists.record_crl(connection, record)
            found = await lists.crl_dates(connection, NOW + DAY)
        assert [(one.scope, one.kind.value, one.number) for one in found] == [
            ("", "full", 5),
            ("", "delta", 2),
            ("2-of-2", "full", 4),
        ]
        newest = written[4]
        assert (found[0].this_update, found[0].next_update) == (
            newest.this_update,
            newest.next_update,
        )

    async def test_no_dates_are_told_of_who_is_retired(self, begin: Begin) -> None:
        """Its last list ends, and nobody is to be woken up by that."""
        async with begin() as connection:
            await lists.record_crl(connection, crl(1))
            await issuers.succeed(connection, name="issuing-2", der=b"next", now=NOW)
            assert [one.issuer for one in await lists.crl_dates(connection, NOW)] == [ISSUER]
            await issuers.retire(connection, ISSUER, NOW)
            assert await lists.crl_dates(connection, NOW) == []
