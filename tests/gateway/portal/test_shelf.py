"""Lists kept in memory, and sent in slices."""

from datetime import timedelta

import pytest
from aiohttp import hdrs

from ca import lists
from ca.lists import CRLRecord
from ca.scopes import CRLKind, ListName
from gateway.core.headers import Listener
from gateway.portal.shelf import SLICE_BYTES, Shelf
from tests.gateway.portal.house import ISSUER, NOW, House

LONG = bytes(range(256)) * (SLICE_BYTES // 100)
WEEK = timedelta(days=7)


async def publish(
    house: House, number: int, der: bytes, scope: str = "", kind: CRLKind = CRLKind.FULL
) -> ListName:
    """Write a list into the ledger."""
    record = CRLRecord(ISSUER, number, NOW, NOW + WEEK, der, kind, scope, base=0)
    async with house.store.begin() as connection:
        await lists.record_crl(connection, record)
    return ListName(ISSUER, scope, kind)


class TestShelf:
    async def test_the_newest_is_read_once(self, house: House) -> None:
        """The same bytes for everybody, until there are others."""
        shelf = Shelf(house.store)
        name = await publish(house, 1, LONG)
        first, again = await shelf.take(name), await shelf.take(name)
        assert first is not None
        assert again is first
        await publish(house, 2, LONG + b"2")
        newer = await shelf.take(name)
        assert newer is not None
        assert (newer.number, newer.tag != first.tag) == (2, True)
        assert await shelf.take(ListName("issuing-0")) is None

    async def test_what_was_asked_for_least_lately_goes(self, house: House) -> None:
        """Memory has a limit, but the list that is being served always fits."""
        shelf = Shelf(house.store, limit=2 * len(LONG))
        names = [
            await publish(house, 1, LONG),
            await publish(house, 2, LONG, "1-of-2"),
            await publish(house, 3, LONG, kind=CRLKind.DELTA),
        ]
        first = [await shelf.take(name) for name in names]
        # Both that are left, and then the one that has gone.
        again = [await shelf.take(name) for name in (names[1], names[2], names[0])]
        assert again[0] is first[1]
        assert again[1] is first[2]
        assert again[2] is not first[0]


class TestSending:
    @pytest.mark.parametrize(
        "path, scope, kind",
        [
            ("/crl/issuing-1.crl", "", CRLKind.FULL),
            ("/crl/issuing-1~delta.crl", "", CRLKind.DELTA),
            ("/crl/issuing-1~2-of-4.crl", "2-of-4", CRLKind.FULL),
            ("/crl/issuing-1~2-of-4~delta.crl", "2-of-4", CRLKind.DELTA),
        ],
    )
    @pytest.mark.parametrize("listener", [Listener.PUBLIC, Listener.PLAIN_HTTP])
    async def test_each_list_has_its_place(
        self, house: House, path: str, scope: str, kind: CRLKind, listener: Listener
    ) -> None:
        """All in one folder, on both doors, whole however long."""
        await publish(house, 1, LONG, scope, kind)
        response = await house.ask("GET", path, listener=listener)
        assert response.status == 200
        assert await response.read() == LONG

    @pytest.mark.parametrize(
        "asked, status, part",
        [
            ("bytes=0-9", 206, slice(0, 10)),
            ("bytes=70000-", 206, slice(70000, None)),
            ("bytes=-5", 206, slice(-5, None)),
            ("bytes=9-99999999", 206, slice(9, None)),
            ("bytes=99999999-", 416, slice(0)),
            ("bytes=0-1,5-6", 200, slice(None)),
            ("lines=1-2", 200, slice(None)),
        ],
    )
    async def test_ranges(self, house: House, asked: str, status: int, part: slice) -> None:
        """A broken download is taken up where it broke; what is no range gets everything."""
        await publish(house, 1, LONG)
        fields = {"Range": asked}
        path = "/crl/issuing-1.crl"
        response = await house.ask("GET", path, listener=Listener.PUBLIC, headers=fields)
        assert (response.status, await response.read()) == (status, LONG[part])
        if status == 206:
            start, stop, _ = part.indices(len(LONG))
            expected = f"bytes {start}-{stop - 1}/{len(LONG)}"
            assert response.headers[hdrs.CONTENT_RANGE] == expected

    async def test_a_range_of_an_older_list_is_the_whole_new_one(self, house: House) -> None:
        """Two halves of different lists would make none."""
        await publish(house, 1, LONG)
        path = "/crl/issuing-1.crl"
        first = await house.ask("HEAD", path, listener=Listener.PUBLIC)
        fields = {"Range": "bytes=5-", "If-Range": first.headers["ETag"]}
        same = await house.ask("GET", path, listener=Listener.PUBLIC, headers=fields)
        await publish(house, 2, LONG + b"2")
        other = await house.ask("GET", path, listener=Listener.PUBLIC, headers=fields)
        assert (same.status, other.status) == (206, 200)
        assert await other.read() == LONG + b"2"
