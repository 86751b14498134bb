"""The ledger, on real databases."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from sqlalchemy import select, text
from sqlalchemy.exc import StatementError
from sqlalchemy.ext.asyncio import AsyncConnection

from ca import ledger
from ca.errors import LedgerError
from ca.ledger import CertificateRecord, CertificateState
from ca.serials import serial_text
from ca.trust import (
    Expired,
    Good,
    RevocationReason,
    Revoked,
    Unknown,
    judge,
)
from tests.ca.databases import Begin, sqlite_engine

NOW = datetime(2026, 11, 21, 9, 0, 0, 123456, tzinfo=UTC)
HOUR = timedelta(hours=1)
YEAR = timedelta(days=365)
ISSUER = "issuing-1"
KEY_COMPROMISE = RevocationReason.KEY_COMPROMISE


OF_A_LIST = {"kind": "full", "scope": "", "covers": 0, "scheduled": True, "entries": 0}


def serial_of(number: int) -> str:
    """Make a serial that looks like a real one."""
    return serial_text((1 << 126) + number)


def fingerprint_of(number: int) -> str:
    """Make a fingerprint of the right length."""
    return f"{number:064x}"


@pytest.fixture(autouse=True)
async def issuing(begin: Begin) -> None:
    """Record the issuing CA, which every certificate refers to."""
    async with begin() as connection:
        await ledger.record_issuer(connection, name=ISSUER, der=b"issuing")


async def reserve(
    connection: AsyncConnection,
    number: int,
    user: str = "anna",
    device: str = "stick-1",
    scope: tuple[str, ...] | None = None,
    now: datetime = NOW,
) -> None:
    """Reserve the serial *number*."""
    await ledger.reserve_serial(
        connection,
        issuer=ISSUER,
        serial=serial_of(number),
        username=user,
        device=device,
        scope=scope,
        not_before=now - HOUR,
        not_after=now + YEAR,
        now=now,
    )


async def issue(
    connection: AsyncConnection,
    number: int,
    user: str = "anna",
    device: str = "stick-1",
    scope: tuple[str, ...] | None = None,
    now: datetime = NOW,
    der: bytes | None = None,
) -> CertificateRecord:
    """Reserve and record a certificate, whose bytes are nobody's unless *der* gives them."""
    await reserve(connection, number, user, device, scope, now)
    return await ledger.record_certificate(
        connection,
        issuer=ISSUER,
        serial=serial_of(number),
        fingerprint=fingerprint_of(number),
        der=der or b"der %d" % number,
        now=now + timedelta(seconds=1),
    )


def certificate_of(number: int, key: ec.EllipticCurvePrivateKey) -> bytes:
    """Make a certificate of *key*."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "anna")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), number + 1, NOW, NOW + YEAR)
    return builder.sign(key, SHA256()).public_bytes(Encoding.DER)


class TestInstant:
    async def test_any_zone_comes_back_as_utc(self, begin: Begin) -> None:
        """A moment is kept to the microsecond, whatever zone it was told in."""
        rome = timezone(timedelta(hours=1))
        async with begin() as connection:
            await issue(connection, 1, now=NOW.astimezone(rome))
            record = await ledger.find_by_serial(connection, ISSUER, serial_of(1))
            stored = await connection.scalar(text("select reserved_at from certificate"))
        assert record is not None
        assert record.reserved_at == NOW
        assert record.reserved_at.tzinfo is UTC
        assert stored == 1795251600123456

    @pytest.mark.parametrize("year", [1, 1969, 9999])
    async def test_far_dates(self, begin: Begin, year: int) -> None:
        """Dates before 1970 and in the far future are exact too."""
        far = datetime(year, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
        async with begin() as connection:
            await connection.execute(
                ledger.crl.insert().values(
                    issuer=ISSUER, number=1, this_update=far, next_update=far, **OF_A_LIST
                )
            )
            assert await connection.scalar(select(ledger.crl.c.next_update)) == far

    async def test_no_moment(self, begin: Begin) -> None:
        """None stays None, both ways."""
        async with begin() as connection:
            await issue(connection, 1)
            await connection.execute(ledger.certificate.update().values(issued_at=None))
            record = await ledger.find_by_serial(connection, ISSUER, serial_of(1))
        assert record is not None
        assert record.issued_at is None

    async def test_naive_moments_are_refused(self, begin: Begin) -> None:
        """A moment without a zone is a mistake, not UTC by luck."""
        with pytest.raises(StatementError, match="no time zone"):
            async with begin() as connection:
                await reserve(connection, 1, now=NOW.replace(tzinfo=None))


class TestIssuers:
    async def test_a_name_is_taken_once(self, begin: Begin) -> None:
        """A second issuer of the same name is refused."""
        with pytest.raises(LedgerError, match="already recorded"):
            async with begin() as connection:
                await ledger.record_issuer(connection, name=ISSUER, der=b"other")


async def der_of(connection: AsyncConnection, serial: str) -> bytes | None:
    """Return the bytes that are kept of a certificate."""
    found: bytes | None = await connection.scalar(
        select(ledger.certificate.c.der).where(ledger.certificate.c.serial == serial)
    )
    return found


class TestIssuing:
    async def test_from_reservation_to_certificate(self, begin: Begin) -> None:
        """A reservation has no fingerprint; recording gives it one, and the bytes."""
        async with begin() as connection:
            await reserve(connection, 1, scope=("wiki", "crm", "wiki"))
            reserved = await ledger.find_by_serial(connection, ISSUER, serial_of(1))
            assert reserved is not None
            assert reserved.state is CertificateState.RESERVED
            assert reserved.fingerprint is None
            assert await der_of(connection, serial_of(1)) is None
        async with begin() as connection:
            issued = await ledger.record_certificate(
                connection,
                issuer=ISSUER,
                serial=serial_of(1),
                fingerprint=fingerprint_of(1),
                der=b"der",
                now=NOW + HOUR,
            )
            assert issued.state is CertificateState.VALID
            assert issued.scope == ("crm", "wiki")
            assert issued.issued_at == NOW + HOUR
            assert issued.fingerprint == fingerprint_of(1)
            assert await ledger.find_by_serial(connection, ISSUER, serial_of(1)) == issued
            assert await der_of(connection, serial_of(1)) == b"der"

    async def test_unknown_ones_are_not_found(self, begin: Begin) -> None:
        """No serial is found that was not recorded."""
        async with begin() as connection:
            assert await ledger.find_by_serial(connection, ISSUER, serial_of(1)) is None

    async def test_a_serial_is_reserved_once(self, begin: Begin) -> None:
        """A serial that was used before is refused."""
        async with begin() as connection:
            await reserve(connection, 1)
        with pytest.raises(LedgerError, match="cannot be reserved"):
            async with begin() as connection:
                await reserve(connection, 1, user="bruno")

    async def test_recording_needs_a_reservation(self, begin: Begin) -> None:
        """Neither an unreserved serial nor one recorded before is accepted."""
        async with begin() as connection:
            await issue(connection, 1)
        for number in (1, 2):
            with pytest.raises(LedgerError, match="must not be handed out"):
                async with begin() as connection:
                    await ledger.record_certificate(
                        connection,
                        issuer=ISSUER,
                        serial=serial_of(number),
                        fingerprint=fingerprint_of(9),
                        der=b"",
                        now=NOW,
                    )


class TestListing:
    async def test_filters(self, begin: Begin) -> None:
        """Each filter narrows; all of them together must fit; the oldest comes first."""
        async with begin() as connection:
            one = await issue(connection, 1, now=NOW + HOUR)
            two = await issue(connection, 2, device="laptop", now=NOW)
            three = await issue(connection, 3, user="Łukasz", now=NOW + 2 * HOUR)
            await ledger.revoke(
                connection, user="Łukasz", reason=KEY_COMPROMISE, now=NOW + 3 * HOUR
            )

            async def serials(**filters: object) -> list[str]:
                found = await ledger.list_certificates(connection, **filters)  # type: ignore[arg-type]
                return [record.serial for record in found]

            assert await serials() == [two.serial, one.serial, three.serial]
            assert await serials(user="anna") == [two.serial, one.serial]
            assert await serials(user="anna", device="laptop") == [two.serial]
            assert await serials(state=CertificateState.REVOKED) == [three.serial]
            assert await serials(expiring_before=one.not_after) == [two.serial]
            assert await serials(user="nobody") == []


class TestRevoking:
    async def test_by_each_criterion(self, begin: Begin) -> None:
        """A user's, a device's, a serial's and a fingerprint's certificates are found."""
        async with begin() as connection:
            for number, device in enumerate(["a", "a", "b", "c", "d"]):
                await issue(connection, number, device=device)

            async def revoke(**criteria: object) -> list[int]:
                outcome = await ledger.revoke(
                    connection,
                    reason=KEY_COMPROMISE,
                    now=NOW,
                    **criteria,  # type: ignore[arg-type]
                )
                return sorted(int(record.serial, 16) - (1 << 126) for record in outcome.newly)

            assert await revoke(user="anna", device="a") == [0, 1]
            assert await revoke(serials=[serial_of(2)], user="bruno") == []
            assert await revoke(serials=[serial_of(2)]) == [2]
            assert await revoke(fingerprints=[fingerprint_of(3)]) == [3]
            assert await revoke(fingerprints=[], serials=[]) == []
            assert await revoke(user="anna") == [4]

    @pytest.mark.parametrize("device", [None, "stick-1"])
    async def test_nothing_named_is_not_everything(self, begin: Begin, device: str | None) -> None:
        """Without a criterion, or with a device of nobody, nothing is revoked."""
        with pytest.raises(ValueError, match="name the certificates"):
            async with begin() as connection:
                await ledger.revoke(connection, device=device, reason=KEY_COMPROMISE, now=NOW)

    async def test_the_first_date_and_reason_stand(self, begin: Begin) -> None:
        """Revoking again changes nothing and says since when and why."""
        async with begin() as connection:
            await issue(connection, 1)
            first = await ledger.revoke(connection, user="anna", reason=KEY_COMPROMISE, now=NOW)
        async with begin() as connection:
            again = await ledger.revoke(
                connection, user="anna", reason=RevocationReason.SUPERSEDED, now=NOW + HOUR
            )
        assert (first.already, again.newly) == ((), ())
        assert again.already == first.newly
        assert again.already[0].revoked_at == NOW
        assert again.already[0].reason is KEY_COMPROMISE

    async def test_a_compromised_key_is_so_wherever_it_is(self, begin: Begin) -> None:
        """Also in what has another device; what another key has is not touched."""
        stolen, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        async with begin() as connection:
            for number, key in enumerate([stolen, stolen, other, stolen]):
                await issue(
                    connection, number, device=f"stick-{number}", der=certificate_of(number, key)
                )
            await reserve(connection, 9)
            known = await ledger.list_certificates(connection, user="anna")
            left = [record for record in known if record.serial == serial_of(0)]
            shared = await ledger.sharing_keys(connection, left)
            assert {record.serial for record in shared} == {serial_of(1), serial_of(3)}
            reason = RevocationReason.SUPERSEDED
            await ledger.revoke(connection, serials=[serial_of(1)], reason=reason, now=NOW)
            # Its reason is going to be another.
            shared = await ledger.sharing_keys(connection, left)
            assert {record.serial for record in shared} == {serial_of(1), serial_of(3)}
        async with begin() as connection:
            outcome = await ledger.revoke(
                connection, user="anna", device="stick-0", reason=KEY_COMPROMISE, now=NOW + HOUR
            )
            assert await ledger.sharing_keys(connection, left) == []
        assert {record.serial: record.revoked_at for record in outcome.newly} == {
            serial_of(0): NOW + HOUR,
            serial_of(1): NOW,
            serial_of(3): NOW + HOUR,
        }
        assert {record.reason for record in outcome.newly} == {KEY_COMPROMISE}
        assert {record.crl_number for record in outcome.newly} == {None}

    async def test_what_is_being_signed_is_revoked_too(self, begin: Begin) -> None:
        """A certificate signed while its user was revoked cannot be recorded any more."""
        async with begin() as connection:
            await reserve(connection, 1)
        async with begin() as connection:
            outcome = await ledger.revoke(connection, user="anna", reason=KEY_COMPROMISE, now=NOW)
            assert [record.state for record in outcome.newly] == [CertificateState.REVOKED]
        with pytest.raises(LedgerError, match="must not be handed out"):
            async with begin() as connection:
                await ledger.record_certificate(
                    connection,
                    issuer=ISSUER,
                    serial=serial_of(1),
                    fingerprint=fingerprint_of(1),
                    der=b"",
                    now=NOW,
                )

    async def test_a_transaction_that_fails_revokes_nothing(self, begin: Begin) -> None:
        """The caller's transaction decides: rolled back, the certificate is as before."""
        async with begin() as connection:
            await issue(connection, 1)

        async def revoke_and_fail() -> None:
            async with begin() as connection:
                await ledger.revoke(connection, user="anna", reason=KEY_COMPROMISE, now=NOW)
                raise RuntimeError("the feed cannot be written")

        with pytest.raises(RuntimeError, match="the feed cannot be written"):
            await revoke_and_fail()
        async with begin() as connection:
            record = await ledger.find_by_serial(connection, ISSUER, serial_of(1))
        assert record is not None
        assert record.state is CertificateState.VALID


class TestLength:
    """A certificate among many is found at once; others wait while one is being revoked."""

    @pytest.fixture
    async def crowd(self, tmp_path: Path) -> AsyncIterator[AsyncConnection]:
        """Yield a transaction on a ledger of many, half of them revoked."""
        engine = sqlite_engine(tmp_path / "crowd.sqlite3")
        async with engine.begin() as connection:
            await connection.run_sync(ledger.metadata.create_all)
            await ledger.record_issuer(connection, name=ISSUER, der=b"issuing")
            common = {"issuer": ISSUER, "device": "stick", "reserved_at": NOW, "not_before": NOW}
            states = (CertificateState.VALID, CertificateState.REVOKED)
            await connection.execute(
                ledger.certificate.insert(),
                [
                    {
                        **common,
                        "serial": serial_of(number),
                        "fingerprint": fingerprint_of(number),
                        "username": f"user-{number}",
                        "not_after": NOW + YEAR,
                        "state": states[number % 2],
                        "revoked_at": NOW if number % 2 else None,
                    }
                    for number in range(1, 10_001)
                ],
            )
            yield connection
        await engine.dispose()

    @pytest.mark.parametrize("by", ["serial", "user"])
    async def test_nothing_else_is_read(self, crowd: AsyncConnection, by: str) -> None:
        """Held, released, revoked and revoked again, by serial or by user."""
        driver = (await crowd.get_raw_connection()).driver_connection
        assert driver is not None
        serials = [serial_of(5_000)] if by == "serial" else None
        user = "user-5000" if by == "user" else None
        thousands: list[int] = []
        await driver.set_progress_handler(lambda: thousands.append(1), 1000)
        assert len(await ledger.hold(crowd, serials=serials, user=user, now=NOW)) == 1
        assert len(await ledger.release(crowd, serials=serials, user=user)) == 1
        for newly in (1, 0):
            found = await ledger.revoke(
                crowd,
                serials=serials,
                user=user,
                reason=RevocationReason.KEY_COMPROMISE,
                now=NOW,
            )
            assert (len(found.newly), len(found.already)) == (newly, 1 - newly)
        # Steps of SQLite's machine; each certificate that is looked at takes some of them.
        assert len(thousands) <= 2


class TestStanding:
    async def test_the_same_record_at_three_dates(self, begin: Begin) -> None:
        """Reserved is unknown, issued is good until it ends, revoked is revoked."""
        async with begin() as connection:
            await reserve(connection, 1)
            reserved = await ledger.find_by_serial(connection, ISSUER, serial_of(1))
            issued = await issue(connection, 2)
            outcome = await ledger.revoke(
                connection, serials=[serial_of(2)], reason=KEY_COMPROMISE, now=NOW + HOUR
            )
        assert reserved is not None
        assert judge(reserved.validity, reserved.standing, NOW) == Unknown()
        assert judge(issued.validity, issued.standing, NOW) == Good()
        late = NOW + 2 * YEAR
        assert judge(issued.validity, issued.standing, late) == Expired(issued.not_after)
        (revoked,) = outcome.newly
        assert judge(revoked.validity, revoked.standing, late) == Revoked(
            NOW + HOUR, KEY_COMPROMISE
        )


class TestHolding:
    async def test_there_and_back(self, begin: Begin) -> None:
        """Held is refused with a date and a reason, released is good again."""
        async with begin() as connection:
            await issue(connection, 1)
            (held,) = await ledger.hold(connection, user="anna", now=NOW + HOUR)
            assert held.state is CertificateState.HELD
            assert judge(held.validity, held.standing, NOW + HOUR) == Revoked(
                NOW + HOUR, RevocationReason.CERTIFICATE_HOLD
            )
            (released,) = await ledger.release(connection, serials=[serial_of(1)])
            assert released.state is CertificateState.VALID
            assert judge(released.validity, released.standing, NOW + HOUR) == Good()

    async def test_only_what_is_valid_is_held_and_only_what_is_held_is_released(
        self, begin: Begin
    ) -> None:
        """A revocation has no way back, and a reservation is nobody's yet."""
        async with begin() as connection:
            await reserve(connection, 1)
            await issue(connection, 2)
            await ledger.revoke(connection, serials=[serial_of(2)], reason=KEY_COMPROMISE, now=NOW)
            assert await ledger.hold(connection, user="anna", now=NOW) == ()
            assert await ledger.release(connection, user="anna") == ()
            await issue(connection, 3)
            assert len(await ledger.hold(connection, user="anna", now=NOW)) == 1
            assert await ledger.hold(connection, user="anna", now=NOW) == ()

    async def test_a_held_one_can_be_revoked(self, begin: Begin) -> None:
        """Then it is for good, since then and for that reason."""
        async with begin() as connection:
            await issue(connection, 1)
            await ledger.hold(connection, user="anna", now=NOW)
            outcome = await ledger.revoke(
                connection, user="anna", reason=KEY_COMPROMISE, now=NOW + HOUR
            )
            assert await ledger.release(connection, user="anna") == ()
        (revoked,) = outcome.newly
        assert (revoked.revoked_at, revoked.reason) == (NOW + HOUR, KEY_COMPROMISE)

    async def test_nothing_named_is_not_everything(self, begin: Begin) -> None:
        """As in revoking."""
        async with begin() as connection:
            with pytest.raises(ValueError, match="name the certificates"):
                await ledger.hold(connection, device="stick-1", now=NOW)
            with pytest.raises(ValueError, match="name the certificates"):
                await ledger.release(connection)

    def test_a_hold_is_the_only_reason_with_a_way_back(self) -> None:
        """The others are final."""
        open_ended = [reason for reason in RevocationReason if not reason.is_final]
        assert open_ended == [RevocationReason.CERTIFICATE_HOLD]

    async def test_nothing_is_revoked_for_a_while(self, begin: Begin) -> None:
        """What is to come back is put on hold."""
        hold = RevocationReason.CERTIFICATE_HOLD
        async with begin() as connection:
            with pytest.raises(ValueError, match="hold it"):
                await ledger.revoke(connection, user="anna", reason=hold, now=NOW)
