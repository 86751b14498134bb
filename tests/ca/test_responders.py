"""Who asks to answer OCSP, in the ledger."""

from datetime import UTC, datetime, timedelta

import pytest

from ca import ledger, responders
from ca.errors import LedgerError
from ca.responders import FORGOTTEN, Request
from tests.ca.databases import Begin

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
ISSUER = "issuing-1"
ONE, TWO, THREE, FOUR = (Request(ISSUER, digit * 64, digit.encode()) for digit in "1234")


@pytest.fixture(autouse=True)
async def issuing(begin: Begin) -> None:
    """Record the issuing CA, which every request refers to."""
    async with begin() as connection:
        await ledger.record_issuer(connection, name=ISSUER, der=b"issuing")


async def test_from_the_request_to_the_certificate(begin: Begin) -> None:
    """Asked, reserved by one signer only, recorded, and had by whoever asked."""
    async with begin() as connection:
        await responders.ask(connection, ONE, NOW)
        await responders.ask(connection, TWO, NOW + timedelta(seconds=1))
        assert await responders.unanswered(connection, ISSUER) == [ONE, TWO]
        assert await responders.unanswered(connection, "issuing-0") == []
        assert await responders.reserve(connection, ONE, "4a")
        assert not await responders.reserve(connection, ONE, "4b")
        assert await responders.unanswered(connection, ISSUER) == [TWO]
        assert await responders.certificate_of(connection, ISSUER, ONE.key) is None
        assert not await responders.is_responder(connection, ISSUER, "4a")
        await responders.record(connection, ONE, "4a", b"der", NOW)
        assert await responders.certificate_of(connection, ISSUER, ONE.key) == b"der"
        assert await responders.is_responder(connection, ISSUER, "4a")
        assert not await responders.is_responder(connection, "issuing-0", "4a")


async def test_what_could_not_be_signed_is_begun_again(begin: Begin) -> None:
    """It waits as before, under another serial; what was signed is not taken back."""
    async with begin() as connection:
        await responders.ask(connection, ONE, NOW)
        await responders.reserve(connection, ONE, "4a")
        await responders.release(connection, ONE, "4b")
        assert await responders.unanswered(connection, ISSUER) == []
        await responders.release(connection, ONE, "4a")
        assert await responders.unanswered(connection, ISSUER) == [ONE]
        assert await responders.reserve(connection, ONE, "4b")
        await responders.record(connection, ONE, "4b", b"der", NOW)
        await responders.release(connection, ONE, "4b")
        assert await responders.certificate_of(connection, ISSUER, ONE.key) == b"der"
        assert await responders.unanswered(connection, ISSUER) == []


async def test_nothing_is_recorded_that_was_not_reserved(begin: Begin) -> None:
    """A certificate under another serial is nobody's."""
    async with begin() as connection:
        await responders.ask(connection, ONE, NOW)
        with pytest.raises(LedgerError, match="no responder"):
            await responders.record(connection, ONE, "4a", b"der", NOW)


async def kept(begin: Begin) -> list[str]:
    """Return the keys of which there are rows."""
    async with begin() as connection:
        keys = await connection.scalars(
            ledger.responder.select().with_only_columns(ledger.responder.c.key)
        )
        return sorted(keys)


async def test_what_came_to_nothing_is_forgotten(begin: Begin) -> None:
    """Those who asked are long gone, whether or not a signature was begun."""
    async with begin() as connection:
        await responders.ask(connection, ONE, NOW)
        await responders.ask(connection, TWO, NOW)
        await responders.reserve(connection, TWO, "4a")
        await responders.ask(connection, THREE, NOW + FORGOTTEN)
    assert await kept(begin) == [ONE.key, TWO.key, THREE.key]
    async with begin() as connection:
        await responders.ask(connection, FOUR, NOW + FORGOTTEN + timedelta(seconds=1))
        assert await responders.unanswered(connection, ISSUER) == [THREE, FOUR]
    assert await kept(begin) == [THREE.key, FOUR.key]


async def test_who_has_ended_is_forgotten(begin: Begin) -> None:
    """Years of a responder a day are no rows for ever; one that still answers stays."""
    end = NOW + timedelta(days=7)
    async with begin() as connection:
        for number, one in enumerate((ONE, TWO)):
            await responders.ask(connection, one, NOW)
            await responders.reserve(connection, one, f"4{number}")
        await responders.record(connection, ONE, "40", b"der", end - timedelta(seconds=1))
        await responders.record(connection, TWO, "41", b"der", end)
        await responders.ask(connection, THREE, end)
    assert await kept(begin) == [TWO.key, THREE.key]
