"""The old one of a renewed certificate ends by itself, in the real process of the authority."""

import asyncio
from datetime import timedelta

import pytest
from cryptography import x509

from ca.authority import Order
from ca.keys import KeyRing
from ca.kinds import make_key
from ca.ledger import CertificateRecord, CertificateState
from ca.renewals import Renewal
from ca.trust import RevocationReason
from gateway.bootstrap.folder import SiteFolder, clock
from gateway.bootstrap.signing import open_authority
from gateway.config import read_site
from gateway.core.audit import AuditKind
from gateway.core.site import Site
from gateway.store import Store
from tests.gateway.bootstrap.test_authority import crl, folder, issue, new_site, running, store

__all__ = ["folder", "new_site", "store"]  # fixtures


async def renew(
    folder: SiteFolder, store: Store, serial: str, overlap: timedelta
) -> CertificateRecord:
    """Renew what is called *serial* as the command does; return the new one."""
    site = read_site(folder.settings)
    assert isinstance(site, Site)
    authority = open_authority(folder, site, store, "test", KeyRing())
    renewal = Renewal("issuing-1", serial, clock() + overlap)
    order = Order("anna", "stick-1", lifetime=timedelta(days=30), renewal=renewal)
    return (await authority.enrol(order, make_key().public_key(), clock())).record


async def ended(store: Store, serial: str) -> CertificateRecord:
    """Wait until *serial* is revoked, and a list says so."""
    async with asyncio.timeout(10):
        while True:
            record = await store.certificate(serial)
            assert record is not None
            if record.crl_number is not None:
                return record
            await asyncio.sleep(0.02)


async def test_it_ends_on_time_in_a_process_that_was_running_before(
    folder: SiteFolder, store: Store
) -> None:
    """Also while that was asleep for longer; the list that says so follows by itself."""
    serial = await issue(folder, store)
    async with running(folder):
        # Its first look finds nothing, and nothing to wait for.
        await asyncio.sleep(0.3)
        new = await renew(folder, store, serial, timedelta(seconds=1))
        old = await store.certificate(serial)
        assert old is not None
        assert old.state is CertificateState.VALID
        superseded = await ended(store, serial)
    assert superseded.reason is RevocationReason.SUPERSEDED
    assert superseded.revoked_at is not None
    assert superseded.supersede_at is not None
    late = superseded.revoked_at - superseded.supersede_at
    assert timedelta() <= late < timedelta(seconds=1)
    listed = {entry.serial_number for entry in x509.load_der_x509_crl((await crl(store)).der)}
    assert listed == {int(serial, 16)}
    after = await store.certificate(new.serial)
    assert after is not None
    assert after.state is CertificateState.VALID
    (event,) = [
        line.event
        for line in await store.audit_tail(20)
        if line.event.kind is AuditKind.CERTIFICATE_REVOKED
    ]
    assert (event.serial, event.reason, event.detail) == (
        serial,
        "superseded",
        {"by": "authority"},
    )


async def test_what_came_due_while_it_was_away_is_caught_up(
    folder: SiteFolder, store: Store
) -> None:
    """The first list that it signs says so, before it says that it serves."""
    serial = await issue(folder, store)
    await renew(folder, store, serial, timedelta())
    async with running(folder):
        listed = {entry.serial_number for entry in x509.load_der_x509_crl((await crl(store)).der)}
    assert listed == {int(serial, 16)}


async def test_what_waits_for_a_release_ends_with_it(folder: SiteFolder, store: Store) -> None:
    """The successor is on hold when the overlap ends."""
    serial = await issue(folder, store)
    new = await renew(folder, store, serial, timedelta())
    await store.hold_certificates(serial=new.serial, by="test")
    async with running(folder):
        await asyncio.sleep(0.5)
        old = await store.certificate(serial)
        assert old is not None
        assert old.state is CertificateState.VALID
        await store.release_certificates(serial=new.serial, by="test")
        assert (await ended(store, serial)).reason is RevocationReason.SUPERSEDED


async def test_it_outlives_a_store_that_goes_away(
    folder: SiteFolder, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """What comes due meanwhile is superseded when the store is back."""
    serial = await issue(folder, store)
    async with running(folder):
        await renew(folder, store, serial, timedelta(seconds=0.5))
        aside = folder.path / "aside.sqlite3"
        folder.database.rename(aside)
        while "nothing could be superseded" not in caplog.text:  # noqa: ASYNC110 - a log has no event
            await asyncio.sleep(0.01)
        aside.rename(folder.database)
        await ended(store, serial)
