"""Issuing CAs that follow one another."""

from datetime import UTC, datetime, timedelta

import pytest

from ca import issuers, ledger
from ca.errors import LedgerError
from ca.ledger import IssuerState
from ca.trust import RevocationReason
from tests.ca.databases import Begin

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)


async def add(begin: Begin, number: int, now: datetime = NOW) -> str:
    """Let another issuing CA follow."""
    name = f"issuing-{number}"
    async with begin() as connection:
        await issuers.succeed(connection, name=name, der=name.encode(), now=now)
    return name


async def issue(begin: Begin, issuer: str, serial: str, end: datetime) -> None:
    """Record a certificate."""
    async with begin() as connection:
        await ledger.reserve_serial(
            connection, issuer=issuer, serial=serial, username="anna", device="stick-1",
            scope=None, not_before=NOW - DAY, not_after=end, now=NOW,
        )  # fmt: skip
        await ledger.record_certificate(
            connection, issuer=issuer, serial=serial, fingerprint=serial * 4, der=b"", now=NOW
        )


async def test_one_of_them_is_active(begin: Begin) -> None:
    """Each that follows closes the one before; they are told by number, and not by letters."""
    for number in range(1, 11):
        await add(begin, number, NOW + number * DAY)
    async with begin() as connection:
        found = await issuers.known_issuers(connection)
    assert [one.name for one in found] == [f"issuing-{number}" for number in range(1, 11)]
    assert [one.state for one in found] == [*[IssuerState.CLOSING] * 9, IssuerState.ACTIVE]
    assert [one.since for one in found[:2]] == [NOW + 2 * DAY, NOW + 3 * DAY]
    assert found[0].der == b"issuing-1"


async def test_a_name_is_taken_once_and_the_active_one_stays(begin: Begin) -> None:
    """What was refused has changed nothing."""
    await add(begin, 1)
    with pytest.raises(LedgerError, match="already recorded"):
        await add(begin, 1)
    async with begin() as connection:
        (one,) = await issuers.known_issuers(connection)
    assert one.state is IssuerState.ACTIVE


async def test_what_remains(begin: Begin) -> None:
    """Those in force are counted; a revoked one counts no more, but keeps the issuer to its end."""
    name = await add(begin, 1)
    for serial, days in (("aa", 1), ("bb", 2), ("cc", 3), ("dd", 9)):
        await issue(begin, name, serial, NOW + days * DAY)
    async with begin() as connection:
        await ledger.revoke(
            connection, serials=["cc", "dd"], reason=RevocationReason.SUPERSEDED, now=NOW
        )
        await ledger.reserve_serial(
            connection, issuer=name, serial="ee", username="anna", device="stick-1", scope=None,
            not_before=NOW, not_after=NOW + 30 * DAY, now=NOW,
        )  # fmt: skip
    for passed, live, last in ((0, 2, 9), (1.5, 1, 9), (2.5, 0, 9), (9.5, 0, None)):
        async with begin() as connection:
            found = await issuers.remaining(connection, name, NOW + passed * DAY)
        assert found == issuers.Remaining(live, None if last is None else NOW + last * DAY)


async def test_retiring_waits_for_the_last_certificate(begin: Begin) -> None:
    """And for a successor; it is done once."""
    name = await add(begin, 1)
    await issue(begin, name, "aa", NOW + DAY)

    async def retire(now: datetime) -> None:
        async with begin() as connection:
            await issuers.retire(connection, name, now)

    with pytest.raises(LedgerError, match="ends at 2026-11-22 09:00:00 UTC"):
        await retire(NOW)
    with pytest.raises(LedgerError, match="not an issuing CA that is closing"):
        await retire(NOW + 2 * DAY)
    await add(begin, 2)
    await retire(NOW + 2 * DAY)
    with pytest.raises(LedgerError, match="not an issuing CA that is closing"):
        await retire(NOW + 2 * DAY)
    async with begin() as connection:
        states = [one.state for one in await issuers.known_issuers(connection)]
    assert states == [IssuerState.RETIRED, IssuerState.ACTIVE]
