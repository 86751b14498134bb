"""Which lists are signed and when, on real databases; read by openssl and the library."""

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from sqlalchemy.ext.asyncio import AsyncConnection

from ca import ledger, lists
from ca.errors import SignerBusy
from ca.issue import der
from ca.keys import SignerLock
from ca.lists import CRLRecord
from ca.publishing import (
    CRL_LIFETIME,
    Due,
    Publication,
    Publisher,
    due_at,
    may_wait,
    why_due,
)
from ca.trust import RevocationReason
from tests.ca.databases import Begin, sqlite_engine
from tests.ca.ledgers import ISSUER, issue_to, number_of, serial_of
from tests.ca.makers import CA, NOW

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
FOLDER = "http://public.pusterla.localhost:8080/crl/"
FULL = Publication(FOLDER)
DELTA = Publication(FOLDER, delta_lifetime=DAY)
STOLEN = RevocationReason.KEY_COMPROMISE


class Told:
    """A witness that notes which lists were published; and fails if asked to."""

    def __init__(self, *, failing: bool = False) -> None:
        self.failing = failing
        self.lists: list[CRLRecord] = []

    async def published(self, connection: AsyncConnection, crl: CRLRecord) -> None:
        """A CRL was published."""
        # The witness sees, in the same transaction, what is being recorded.
        assert await lists.latest_crl(connection, crl.issuer, crl.scope, crl.kind) == crl
        if self.failing:
            raise RuntimeError("cannot write")
        self.lists.append(crl)


class Press:
    """Publishers of one issuer, and short words for what a test does."""

    def __init__(self, ca: CA, begin: Begin, folder: Path) -> None:
        self.ca = ca
        self.begin = begin
        self.folder = folder
        self.told = Told()

    def publisher(
        self, publication: Publication = FULL, patience: float = 30.0, told: Told | None = None
    ) -> Publisher:
        """Make one more publisher on the same ledger."""
        return Publisher(
            begin=self.begin,
            read=self.begin,
            issuer=self.ca.issuing,
            lock=SignerLock(self.folder / "lock", patience=patience),
            witness=told or self.told,
            publication=publication,
        )

    async def issue(
        self, *numbers: int, ends: datetime = NOW + 365 * DAY, partition: str | None = None
    ) -> None:
        """Record certificates."""
        async with self.begin() as connection:
            for number in numbers:
                await issue_to(connection, number, not_after=ends, partition=partition)

    async def revoke(self, *numbers: int) -> None:
        """Revoke certificates, as portal and command do, without any key."""
        async with self.begin() as connection:
            serials = [serial_of(number) for number in numbers]
            await ledger.revoke(connection, serials=serials, reason=STOLEN, now=NOW)

    async def hold(self, *numbers: int) -> None:
        """Put certificates on hold."""
        async with self.begin() as connection:
            await ledger.hold(connection, serials=[*map(serial_of, numbers)], now=NOW)

    async def release(self, *numbers: int) -> None:
        """Take certificates off hold."""
        async with self.begin() as connection:
            await ledger.release(connection, serials=[*map(serial_of, numbers)])


@pytest.fixture
async def press(ca: CA, begin: Begin, tmp_path: Path) -> Press:
    """Return publishers whose issuer the ledger knows."""
    async with begin() as connection:
        await ledger.record_issuer(connection, name=ISSUER, der=der(ca.issuing.certificate))
    return Press(ca, begin, tmp_path)


def listed(crl: CRLRecord) -> dict[int, str]:
    """Return what a list says: which certificates, and why; its row must say the same."""
    read = x509.load_der_x509_crl(crl.der)
    assert len(read) == crl.entries
    found = {}
    for one in read:
        reason = one.extensions.get_extension_for_class(x509.CRLReason).value.reason
        found[number_of(f"{one.serial_number:x}")] = reason.value
    return found


def shape(crls: tuple[CRLRecord, ...]) -> list[tuple[str, str, list[int]]]:
    """Return kind, scope and serials of each list."""
    return [(crl.kind.value, crl.scope, [*listed(crl)]) for crl in crls]


class TestDue:
    LAST = CRLRecord(ISSUER, 1, NOW, NOW + timedelta(days=8), b"")

    @pytest.mark.parametrize(
        "now, expected",
        [
            (NOW, None),
            (NOW + timedelta(days=2, seconds=-1), None),
            (NOW + timedelta(days=2), Due.AGE),
            (NOW + timedelta(days=80), Due.AGE),
            (NOW - timedelta(minutes=5), None),
            (NOW - timedelta(minutes=6), Due.FUTURE),
        ],
    )
    def test_by_age(self, now: datetime, expected: Due | None) -> None:
        """A CRL is followed after a quarter of its life, or when it comes from the future."""
        assert why_due(self.LAST, unlisted=False, now=now) == expected
        assert why_due(self.LAST, unlisted=True, now=now) == (expected or Due.UNLISTED)

    def test_when(self) -> None:
        """The next one is due while three quarters of the life are left."""
        assert due_at(self.LAST) == NOW + timedelta(days=2)

    @pytest.mark.parametrize("unlisted", [True, False])
    def test_the_first(self, unlisted: bool) -> None:
        """Without any CRL one is due at once, though nobody is revoked."""
        assert why_due(None, unlisted=unlisted, now=NOW) == Due.NONE_YET

    def test_a_long_list_takes_its_time(self) -> None:
        """One of twenty thousand follows each change; one of a million comes every 100 s."""
        short = CRLRecord(ISSUER, 1, NOW, NOW + DAY, b"", entries=20_000)
        long = CRLRecord(ISSUER, 1, NOW, NOW + DAY, b"", entries=1_000_000)
        assert not may_wait(short, NOW)
        assert may_wait(long, NOW + timedelta(seconds=99))
        assert not may_wait(long, NOW + timedelta(seconds=100))


class TestFull:
    async def test_at_three_dates(self, press: Press) -> None:
        """Empty at first, then with the revocation, and again on schedule: 0, 1, 1 entries."""
        publisher = press.publisher()
        await press.issue(1)
        (first,) = await publisher.publish_if_due(NOW)
        assert await publisher.publish_if_due(NOW + HOUR) == ()
        await press.revoke(1)
        (second,) = await publisher.publish_if_due(NOW + 2 * HOUR)
        assert await publisher.publish_if_due(NOW + 3 * HOUR) == ()
        (third,) = await publisher.publish_if_due(NOW + 2 * HOUR + CRL_LIFETIME / 4)
        stolen = {1: "keyCompromise"}
        assert [listed(crl) for crl in (first, second, third)] == [{}, stolen, stolen]
        assert first.number < second.number < third.number
        assert [crl.scheduled for crl in (first, second, third)] == [True, False, True]
        assert press.told.lists == [first, second, third]

    async def test_the_record_says_what_the_list_says(self, press: Press) -> None:
        """Number and dates of the row are those inside the signed bytes."""
        (record,) = await press.publisher().publish(NOW + timedelta(microseconds=999))
        crl = x509.load_der_x509_crl(record.der)
        assert crl.issuer == press.ca.issuing.certificate.subject
        number = crl.extensions.get_extension_for_class(x509.CRLNumber).value
        assert number.crl_number == record.number
        assert (crl.last_update_utc, crl.next_update_utc) == (NOW, NOW + CRL_LIFETIME)
        assert (record.this_update, record.next_update) == (NOW, NOW + CRL_LIFETIME)

    async def test_holds_come_and_go(self, press: Press) -> None:
        """Each is a change that asks for a list, and the last one lists nobody."""
        publisher = press.publisher()
        await press.issue(1)
        await press.hold(1)
        (held,) = await publisher.publish_if_due(NOW)
        await press.release(1)
        (released,) = await publisher.publish_if_due(NOW)
        assert (listed(held), listed(released)) == ({1: "certificateHold"}, {})

    async def test_many_at_once(self, press: Press) -> None:
        """Signers at the same moment take turns: a number each, or nothing left to do."""
        others = [press.publisher() for _ in range(4)]
        async with asyncio.TaskGroup() as group:
            forced = [group.create_task(one.publish(NOW)) for one in others]
        numbers = sorted(task.result()[0].number for task in forced)
        assert numbers == [*range(numbers[0], numbers[0] + 4)]
        await press.issue(1)
        await press.revoke(1)
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(one.publish_if_due(NOW)) for one in others]
        assert len([crl for task in asked for crl in task.result()]) == 1

    async def test_a_signer_that_does_not_end(self, press: Press) -> None:
        """Whoever waits in vain is told so, and nothing is published."""
        hurried = press.publisher(patience=0.05)
        async with SignerLock(press.folder / "lock").hold():
            with pytest.raises(SignerBusy):
                await hurried.publish(NOW)
        assert press.told.lists == []

    async def test_a_failure_leaves_the_last_one_in_force(self, press: Press) -> None:
        """What could not be recorded was not published; its number is never used again."""
        (last,) = await press.publisher().publish(NOW)
        await press.issue(1)
        await press.revoke(1)
        with pytest.raises(RuntimeError, match="cannot write"):
            await press.publisher(told=Told(failing=True)).publish(NOW)
        async with press.begin() as connection:
            assert await lists.latest_crl(connection, ISSUER) == last
        (following,) = await press.publisher().publish_if_due(NOW)
        assert following.number == last.number + 2
        assert listed(following) == {1: "keyCompromise"}


class TestLeaving:
    async def test_an_expired_one_leaves_after_appearing_once_more(self, press: Press) -> None:
        """Listed on the first scheduled list beyond its end, and on none that follows."""
        publisher = press.publisher()
        await press.issue(1, ends=NOW + DAY)
        await press.issue(2)
        await press.revoke(1, 2)
        seen = []
        for days in (0, 2, 4, 6):
            (crl,) = await publisher.publish_if_due(NOW + days * DAY)
            seen.append([*listed(crl)])
        assert seen == [[1, 2], [1, 2], [2], [2]]

    async def test_nothing_leaves_between_scheduled_lists(self, press: Press) -> None:
        """A list that is signed for a revocation takes nobody off."""
        publisher = press.publisher()
        await press.issue(1, ends=NOW + DAY)
        await press.issue(2, 3)
        await press.revoke(1)
        await publisher.publish_if_due(NOW)
        await publisher.publish_if_due(NOW + 2 * DAY)
        seen = []
        for number in (2, 3):
            await press.revoke(number)
            (crl,) = await publisher.publish_if_due(NOW + 2 * DAY + HOUR)
            seen.append([*listed(crl)])
        (crl,) = await publisher.publish_if_due(NOW + 4 * DAY)
        assert seen == [[1, 2], [1, 2, 3]]
        assert [*listed(crl)] == [2, 3]

    async def test_a_clock_that_was_ahead_takes_nobody_off(self, press: Press) -> None:
        """A list from the future is followed by one with all that is revoked and not over."""
        publisher = press.publisher()
        await press.issue(1, ends=NOW + 300 * DAY)
        await press.issue(2, ends=NOW + 2 * DAY)
        await press.revoke(1, 2)
        await publisher.publish_if_due(NOW)
        await publisher.publish_if_due(NOW + 700 * DAY)
        (crl,) = await publisher.publish_if_due(NOW + HOUR)
        assert [*listed(crl)] == [1, 2]
        await press.issue(3)
        await press.revoke(3)
        (crl,) = await publisher.publish_if_due(NOW + 2 * HOUR)
        assert [*listed(crl)] == [1, 2, 3]

    async def test_what_is_revoked_after_its_end_appears_once(self, press: Press) -> None:
        """It was never on a list before, so it is on the next scheduled one."""
        publisher = press.publisher()
        await press.issue(1, ends=NOW - DAY)
        await publisher.publish_if_due(NOW)
        await press.revoke(1)
        seen = []
        for days in (0, 2, 4):
            (crl,) = await publisher.publish_if_due(NOW + days * DAY)
            seen.append([*listed(crl)])
        assert seen == [[1], [1], []]


class TestDeltas:
    async def test_a_base_points_at_its_delta(self, press: Press) -> None:
        """freshestCRL in the full list, deltaCRLIndicator in the other, one row of numbers."""
        full, delta = await press.publisher(DELTA).publish_if_due(NOW)
        base, change = x509.load_der_x509_crl(full.der), x509.load_der_x509_crl(delta.der)
        (point,) = base.extensions.get_extension_for_class(x509.FreshestCRL).value
        assert point.full_name is not None
        assert point.full_name[0].value == f"{FOLDER}issuing-1~delta.crl"
        indicator = change.extensions.get_extension_for_class(x509.DeltaCRLIndicator)
        assert (indicator.critical, indicator.value.crl_number) == (True, full.number)
        assert delta.number > full.number
        assert (full.next_update, delta.next_update) == (NOW + 7 * DAY, NOW + DAY)
        assert listed(delta) == {}

    async def test_without_deltas_nothing_points_at_one(self, press: Press) -> None:
        """A base whose delta is not published would send people to nowhere."""
        (full,) = await press.publisher().publish_if_due(NOW)
        with pytest.raises(x509.ExtensionNotFound):
            x509.load_der_x509_crl(full.der).extensions.get_extension_for_class(x509.FreshestCRL)

    async def test_what_a_delta_says(self, press: Press) -> None:
        """Added, held, and taken off hold, each since the base; the rest is in the base."""
        publisher = press.publisher(DELTA)
        await press.issue(1, 2, 3, 4)
        await press.revoke(1)
        await press.hold(2)
        await publisher.publish_if_due(NOW)
        await press.release(2)
        await press.revoke(3)
        await press.hold(4)
        deltas = await publisher.publish_deltas_if_due(NOW + HOUR)
        assert [listed(delta) for delta in deltas] == [
            {2: "removeFromCRL", 3: "keyCompromise", 4: "certificateHold"}
        ]
        assert await publisher.publish_deltas_if_due(NOW + HOUR) == ()

    async def test_a_round(self, press: Press) -> None:
        """The news first, then the full list, and a delta that fits that one too."""
        publisher = press.publisher(DELTA)
        await press.issue(1)
        await publisher.publish_if_due(NOW)
        await press.revoke(1)
        crls = await publisher.publish_if_due(NOW + HOUR)
        assert shape(crls) == [("delta", "", [1]), ("full", "", [1]), ("delta", "", [1])]
        assert [crl.number for crl in crls] == sorted(crl.number for crl in crls)
        assert crls[0].base == crls[2].base
        assert await publisher.publish_if_due(NOW + HOUR) == ()

    async def test_deltas_have_a_schedule_of_their_own(self, press: Press) -> None:
        """Signed anew after a quarter of their life, with nothing changed."""
        publisher = press.publisher(DELTA)
        await publisher.publish_if_due(NOW)
        crls = await publisher.publish_if_due(NOW + 6 * HOUR)
        assert shape(crls) == [("delta", "", [])]

    async def test_a_delta_serves_every_list_that_has_not_ended(self, press: Press) -> None:
        """Its base is the oldest of them, so what came between is said again."""
        publisher = press.publisher(DELTA)
        await press.issue(1, 2)
        first, *_ = await publisher.publish_if_due(NOW)
        await press.revoke(1)
        await publisher.publish_if_due(NOW + 2 * DAY)
        await press.revoke(2)
        delta, *_ = await publisher.publish_if_due(NOW + 3 * DAY)
        assert (delta.base, [*listed(delta)]) == (first.number, [1, 2])
        delta, *_ = await publisher.publish_deltas_if_due(NOW + 8 * DAY)
        assert delta.base is not None
        assert delta.base > first.number
        assert [*listed(delta)] == [2]

    async def test_a_delta_is_signed_while_another_signs_a_long_list(self, press: Press) -> None:
        """It waits for no lock."""
        publisher = press.publisher(DELTA)
        await publisher.publish_if_due(NOW)
        await press.issue(1)
        await press.revoke(1)
        async with SignerLock(press.folder / "lock").hold():
            deltas = await publisher.publish_deltas_if_due(NOW)
        assert [*listed(deltas[0])] == [1]


class TestPartitions:
    async def test_each_certificate_is_in_its_own_and_in_the_whole(self, press: Press) -> None:
        """Every partition says critically which it is, as its certificates name it."""
        await press.issue(1)
        await press.issue(2, partition="1-of-2")
        await press.issue(3, partition="2-of-2")
        await press.revoke(1, 2, 3)
        crls = await press.publisher(Publication(FOLDER, partitions=2)).publish_if_due(NOW)
        assert shape(crls) == [
            ("full", "", [1, 2, 3]),
            ("full", "1-of-2", [2]),
            ("full", "2-of-2", [3]),
        ]
        for crl in crls[1:]:
            point = x509.load_der_x509_crl(crl.der).extensions.get_extension_for_class(
                x509.IssuingDistributionPoint
            )
            assert point.critical
            assert point.value.full_name is not None
            name = f"{FOLDER}issuing-1~{crl.scope}.crl"
            assert [one.value for one in point.value.full_name] == [name]
        whole = x509.load_der_x509_crl(crls[0].der)
        with pytest.raises(x509.ExtensionNotFound):
            whole.extensions.get_extension_for_class(x509.IssuingDistributionPoint)

    async def test_only_what_has_changed_is_signed(self, press: Press) -> None:
        """A revocation in one partition leaves the others alone."""
        publisher = press.publisher(Publication(FOLDER, partitions=3))
        await press.issue(1, partition="2-of-3")
        await publisher.publish_if_due(NOW)
        await press.revoke(1)
        crls = await publisher.publish_if_due(NOW)
        assert shape(crls) == [("full", "", [1]), ("full", "2-of-3", [1])]

    async def test_old_partitions_are_published_to_their_last_day(self, press: Press) -> None:
        """Another number of partitions is for certificates to come."""
        await press.issue(1, partition="2-of-3", ends=NOW + 30 * DAY)
        await press.revoke(1)
        publisher = press.publisher(Publication(FOLDER, partitions=1))
        crls = await publisher.publish_if_due(NOW)
        assert shape(crls) == [("full", "", [1]), ("full", "2-of-3", [1])]
        crls = await publisher.publish_if_due(NOW + 38 * DAY)
        assert [crl.scope for crl in crls] == [""]

    async def test_partitions_have_deltas_too(self, press: Press) -> None:
        """Each with the scope of its base."""
        publication = Publication(FOLDER, delta_lifetime=DAY, partitions=2)
        publisher = press.publisher(publication)
        await press.issue(1, partition="1-of-2")
        await publisher.publish_if_due(NOW)
        await press.revoke(1)
        crls = await publisher.publish_deltas_if_due(NOW)
        assert shape(crls) == [("delta", "", [1]), ("delta", "1-of-2", [1])]
        full = await publisher.publish(NOW)
        (point,) = (
            x509.load_der_x509_crl(full[1].der)
            .extensions.get_extension_for_class(x509.FreshestCRL)
            .value
        )
        assert point.full_name is not None
        assert point.full_name[0].value == f"{FOLDER}issuing-1~1-of-2~delta.crl"


@pytest.fixture
async def restorable(ca: CA, tmp_path: Path) -> AsyncIterator[Press]:
    """Return publishers on a file that a test may put another in the place of."""
    path = tmp_path / "restorable.sqlite3"
    engine = sqlite_engine(path)
    async with engine.begin() as connection:
        await connection.run_sync(ledger.metadata.create_all)
        await ledger.record_issuer(connection, name=ISSUER, der=der(ca.issuing.certificate))
    yield Press(ca, engine.begin, tmp_path)
    await engine.dispose()


async def test_a_restored_backup_gives_no_number_again(restorable: Press, tmp_path: Path) -> None:
    """Whatever was published after the backup was made, what follows has a higher number."""
    await restorable.publisher(DELTA).publish(NOW)
    path = tmp_path / "restorable.sqlite3"
    backup = tmp_path / "backup.sqlite3"
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(backup)) as copy:
        source.backup(copy)
    lost: list[CRLRecord] = []
    for second in range(30):
        lost += await restorable.publisher(DELTA).publish(NOW + timedelta(seconds=second))
    shutil.copy(backup, tmp_path / "restored.sqlite3")
    engine = sqlite_engine(tmp_path / "restored.sqlite3")
    press = Press(restorable.ca, engine.begin, tmp_path)
    restored = await press.publisher(DELTA).publish(NOW + timedelta(seconds=31))
    await engine.dispose()
    assert min(crl.number for crl in restored) > max(crl.number for crl in lost)
