"""Certificates in the ledger, without the trouble of signing them."""

from datetime import UTC, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from ca import ledger
from ca.ledger import CertificateRecord
from ca.serials import serial_text

ISSUER = "issuing-1"
NOW = datetime(2026, 11, 21, 9, 0, 0, 123456, tzinfo=UTC)
YEAR = timedelta(days=365)


def serial_of(number: int) -> str:
    """Make a serial that looks like a real one."""
    return serial_text((1 << 126) + number)


def number_of(serial: str) -> int:
    """Return what `serial_of` was given."""
    return int(serial, 16) - (1 << 126)


async def issue_to(
    connection: AsyncConnection,
    number: int,
    *,
    user: str = "anna",
    not_after: datetime = NOW + YEAR,
    partition: str | None = None,
) -> CertificateRecord:
    """Reserve and record the certificate *number*."""
    await ledger.reserve_serial(
        connection,
        issuer=ISSUER,
        serial=serial_of(number),
        username=user,
        device="stick-1",
        scope=None,
        not_before=NOW - YEAR,
        not_after=not_after,
        now=NOW,
        crl_partition=partition,
    )
    return await ledger.record_certificate(
        connection,
        issuer=ISSUER,
        serial=serial_of(number),
        fingerprint=f"{number:064x}",
        der=b"der",
        now=NOW,
    )
