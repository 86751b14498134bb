"""Renewals: what takes whose place, and when the old one ends by itself."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from ca import ledger, renewals
from ca.authority import Authority, Order
from ca.errors import IssuanceRefused, LedgerError
from ca.issue import der
from ca.kinds import make_key
from ca.ledger import CertificateRecord, CertificateState
from ca.renewals import Renewal
from ca.trust import RevocationReason
from tests.ca.databases import Begin
from tests.ca.makers import CA, NOW
from tests.ca.test_authority import authority_of, failing_at

DAY = timedelta(days=1)
OVERLAP = NOW + 14 * DAY
LOST = RevocationReason.KEY_COMPROMISE


@pytest.fixture
async def authority(ca: CA, begin: Begin, tmp_path: Path) -> Authority:
    """Return an authority whose issuer the ledger knows."""
    async with begin() as connection:
        await ledger.record_issuer(
            connection, name=ca.issuing.name, der=der(ca.issuing.certificate)
        )
    return authority_of(ca, begin, tmp_path)


async def issue(authority: Authority, renewal: Renewal | None = None) -> CertificateRecord:
    """Issue a certificate to Anna, for a new key."""
    order = Order("anna", "stick-1", scope=("wiki",), lifetime=30 * DAY, renewal=renewal)
    return (await authority.enrol(order, make_key().public_key(), NOW)).record


def renewal_of(record: CertificateRecord, until: datetime = OVERLAP) -> Renewal:
    """Wish for a renewal of *record*."""
    return Renewal(record.issuer, record.serial, until)


async def now_of(begin: Begin, record: CertificateRecord) -> CertificateRecord:
    """Return *record* as it is now."""
    async with begin() as connection:
        found = await ledger.find_by_serial(connection, record.issuer, record.serial)
    assert found is not None
    return found


async def superseded(begin: Begin, now: datetime) -> list[str]:
    """Supersede what is due at *now*, and return the serials."""
    async with begin() as connection:
        outcome = await renewals.supersede_due(connection, now)
    return [record.serial for record in outcome.newly]


async def revoke(begin: Begin, record: CertificateRecord) -> None:
    """Revoke *record*."""
    async with begin() as connection:
        await ledger.revoke(connection, serials=[record.serial], reason=LOST, now=NOW)


async def test_the_old_one_goes_on_for_the_overlap(authority: Authority, begin: Begin) -> None:
    """Not a moment shorter; then it is revoked as superseded, once."""
    old = await issue(authority)
    new = await issue(authority, renewal_of(old))
    assert (new.renews_issuer, new.renews) == (old.issuer, old.serial)
    assert (await now_of(begin, old)).supersede_at == OVERLAP
    async with begin() as connection:
        assert await renewals.next_due(connection, NOW) == OVERLAP
    assert await superseded(begin, OVERLAP - timedelta(microseconds=1)) == []
    assert await superseded(begin, OVERLAP) == [old.serial]
    assert await superseded(begin, OVERLAP) == []
    ended = await now_of(begin, old)
    assert (ended.reason, ended.revoked_at) == (RevocationReason.SUPERSEDED, OVERLAP)
    assert ended.crl_number is None
    assert (await now_of(begin, new)).state is CertificateState.VALID
    async with begin() as connection:
        assert await renewals.next_due(connection, NOW) is None


async def test_the_overlap_never_goes_beyond_the_old_ones_end(
    authority: Authority, begin: Begin
) -> None:
    """And what has ended by itself is not revoked too."""
    old = await issue(authority)
    await issue(authority, renewal_of(old, NOW + 90 * DAY))
    assert (await now_of(begin, old)).supersede_at == old.not_after
    assert await superseded(begin, old.not_after) == []


async def test_nobody_is_locked_out_when_the_new_one_is_revoked(
    authority: Authority, begin: Begin
) -> None:
    """The old one goes on, is told of, and may be renewed once more."""
    old = await issue(authority)
    new = await issue(authority, renewal_of(old))
    await revoke(begin, new)
    revoked = await now_of(begin, new)
    async with begin() as connection:
        left = await renewals.left_behind(connection, [revoked], NOW)
    assert [one.serial for one in left] == [old.serial]
    assert await superseded(begin, OVERLAP + DAY) == []
    again = await issue(authority, renewal_of(old, OVERLAP + 2 * DAY))
    assert await superseded(begin, OVERLAP + DAY) == []
    assert await superseded(begin, OVERLAP + 2 * DAY) == [old.serial]
    async with begin() as connection:
        chain = await renewals.chain_of(connection, again)
    assert chain[0].serial == old.serial
    # Both were made at the same moment here.
    assert {one.serial for one in chain[1:]} == {new.serial, again.serial}


async def test_it_waits_for_a_successor_that_is_on_hold(authority: Authority, begin: Begin) -> None:
    """Once that is released, the old one ends; one that is on hold itself ends all the same."""
    old = await issue(authority)
    new = await issue(authority, renewal_of(old))
    async with begin() as connection:
        await ledger.hold(connection, serials=[new.serial, old.serial], now=NOW)
    assert await superseded(begin, OVERLAP) == []
    async with begin() as connection:
        await ledger.release(connection, serials=[new.serial])
    assert await superseded(begin, OVERLAP) == [old.serial]


async def test_a_successor_that_has_ended_supersedes_nothing(
    authority: Authority, begin: Begin
) -> None:
    """Whoever is to use it could not."""
    old = await issue(authority)
    order = Order("anna", "stick-1", lifetime=DAY, renewal=renewal_of(old))
    await authority.enrol(order, make_key().public_key(), NOW)
    assert await superseded(begin, OVERLAP) == []


@pytest.mark.parametrize("what", ["renewed", "revoked", "held", "reserved", "ended", "unknown"])
async def test_what_cannot_be_renewed_is_refused(
    authority: Authority, begin: Begin, what: str
) -> None:
    """With the reason, and before a serial is taken."""
    old = await issue(authority)
    renewal = renewal_of(old)
    match what:
        case "renewed":
            await issue(authority, renewal)
        case "revoked":
            await revoke(begin, old)
        case "held":
            async with begin() as connection:
                await ledger.hold(connection, serials=[old.serial], now=NOW)
        case "unknown":
            renewal = Renewal(old.issuer, "4a", OVERLAP)
        case _:
            pass
    words = {
        "renewed": "renewed already, by",
        "revoked": "is revoked",
        "held": "is on hold: release it first",
        "unknown": "there is no certificate 4a",
    }
    if what in words:
        async with begin() as connection:
            before = await ledger.list_certificates(connection)
        with pytest.raises(IssuanceRefused, match=words[what]):
            await issue(authority, renewal)
        async with begin() as connection:
            assert await ledger.list_certificates(connection) == before
    elif what == "ended":
        assert "has ended" in (renewals.why_not(old, [], old.not_after) or "")
    else:
        async with begin() as connection:
            await ledger.reserve_serial(
                connection, issuer=old.issuer, serial="4a", username="anna", device="x",
                scope=None, not_before=NOW, not_after=NOW + DAY, now=NOW,
            )  # fmt: skip
        with pytest.raises(IssuanceRefused, match="was never finished"):
            await issue(authority, Renewal(old.issuer, "4a", OVERLAP))


async def test_of_two_renewals_at_once_one_is_refused(
    ca: CA, authority: Authority, begin: Begin, tmp_path: Path
) -> None:
    """Both have taken a serial by then; one certificate is recorded, the other never handed out."""
    old = await issue(authority)
    both = asyncio.Barrier(2)
    turn, counts = asyncio.Lock(), dict.fromkeys("ab", 0)

    def met(who: str) -> Begin:
        @asynccontextmanager
        async def transaction() -> AsyncIterator[AsyncConnection]:
            counts[who] += 1
            if counts[who] == 2:
                # Each has been told that it may.
                await both.wait()
            # One writer at a time, as the store has it on both databases.
            async with turn, begin() as connection:
                yield connection

        return transaction

    outcomes = await asyncio.gather(
        *(issue(authority_of(ca, met(who), tmp_path), renewal_of(old)) for who in ("a", "b")),
        return_exceptions=True,
    )
    assert sorted(type(one).__name__ for one in outcomes) == ["CertificateRecord", "LedgerError"]
    async with begin() as connection:
        states = [one.state for one in await renewals.successors_of(connection, old)]
        everything = await ledger.list_certificates(connection)
    assert states == [CertificateState.VALID]
    assert [one.state for one in everything].count(CertificateState.RESERVED) == 1


@pytest.mark.parametrize("change", ["revoked", "held"])
async def test_an_old_one_that_is_taken_back_while_the_new_one_is_signed(
    ca: CA, authority: Authority, begin: Begin, tmp_path: Path, change: str
) -> None:
    """Then there is nothing to renew: the new one is not recorded."""
    old = await issue(authority)
    count = 0

    @asynccontextmanager
    async def transaction() -> AsyncIterator[AsyncConnection]:
        nonlocal count
        count += 1
        if count == 2:
            async with begin() as connection:
                if change == "held":
                    await ledger.hold(connection, serials=[old.serial], now=NOW)
                else:
                    await ledger.revoke(connection, serials=[old.serial], reason=LOST, now=NOW)
        async with begin() as connection:
            yield connection

    with pytest.raises(LedgerError, match="must not be handed out"):
        await issue(authority_of(ca, transaction, tmp_path), renewal_of(old))
    assert (await now_of(begin, old)).supersede_at is None


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("step", [1, 2])
async def test_a_crash_at_any_step_leaves_the_old_one_as_it_was(
    ca: CA, authority: Authority, begin: Begin, tmp_path: Path, step: int, before: bool
) -> None:
    """And it can be renewed then; at no step is it to be superseded by nothing."""
    old = await issue(authority)
    crashing = authority_of(ca, failing_at(begin, step, before=before), tmp_path)
    with pytest.raises(ConnectionError, match="the database"):
        await issue(crashing, renewal_of(old))
    assert await now_of(begin, old) == old
    assert await superseded(begin, OVERLAP) == []
    await issue(authority, renewal_of(old))


async def test_a_chain_is_the_same_from_each_of_its_links(
    authority: Authority, begin: Begin
) -> None:
    """The oldest comes first."""
    first = await issue(authority)
    second = await issue(authority, renewal_of(first))
    third = await issue(authority, renewal_of(second))
    for one in (first, second, third):
        async with begin() as connection:
            chain = await renewals.chain_of(connection, one)
        assert [link.serial for link in chain] == [first.serial, second.serial, third.serial]
