"""Certificates, their holders and their revocation, on both databases."""

import asyncio
from datetime import timedelta

import pytest

from ca import ledger, lists, renewals
from ca.errors import LedgerError
from ca.ledger import CertificateRecord, CertificateState
from ca.lists import CRLDates, CRLRecord
from ca.renewals import Renewal
from ca.scopes import WHOLE, CRLKind
from ca.trust import RevocationReason
from gateway.bootstrap.superseding import Superseder
from gateway.core.audit import AuditKind
from gateway.core.people import Fingerprint, Holder
from gateway.store import IssuerRecord, NoSuchCertificate, SignInOvertaken, Store, feed
from tests.gateway.store.scenes import (
    DAY,
    ISSUER,
    NOON,
    Clock,
    fingerprint_of,
    issue,
    new_person,
    reserve,
    sign_in,
)

STOLEN = RevocationReason.KEY_COMPROMISE


async def test_a_certificate_leads_to_its_holder(store: Store) -> None:
    """Everything the edge decides on comes in one answer."""
    await store.add_person(new_person())
    record = await issue(store)
    person = await store.person("anna")
    assert await store.holder(fingerprint_of(record.serial)) == Holder(
        fingerprint=fingerprint_of(record.serial),
        issuer=ISSUER,
        serial=record.serial,
        device="stick-1",
        scope=frozenset({"crm", "wiki"}),
        not_before=NOON,
        not_after=NOON + 365 * DAY,
        revoked_at=None,
        reason=None,
        user="anna",
        person=person,
    )


async def test_a_certificate_that_we_never_issued_has_no_holder(store: Store) -> None:
    """Unknown and merely reserved certificates are nobody's."""
    await store.add_person(new_person())
    serial = await reserve(store, "anna", "stick-1")
    assert await store.holder(fingerprint_of(serial)) is None
    assert await store.holder(Fingerprint("")) is None


async def test_certificates_are_listed_and_found_by_serial(store: Store) -> None:
    """Filters are joined by *and*; a serial is found under any of our issuers."""
    await store.add_person(new_person())
    first, second = await issue(store, device="stick-1"), await issue(store, device="stick-2")
    assert await store.certificates(user="anna") == [first, second]
    assert await store.certificates(user="anna", device="stick-2") == [second]
    assert await store.certificates(state=CertificateState.REVOKED) == []
    assert await store.certificate(second.serial) == second
    assert await store.certificate("abcdef") is None


@pytest.mark.parametrize("choice", ["serial", "user", "device"])
async def test_revocation_takes_what_was_named(store: Store, clock: Clock, choice: str) -> None:
    """By serial, by user, or by user and device; the others stay as they are."""
    await store.add_person(new_person("anna"))
    await store.add_person(new_person("bruno"))
    first = await issue(store, "anna", "stick-1")
    second = await issue(store, "anna", "stick-2")
    other = await issue(store, "bruno", "stick-1")
    match choice:
        case "serial":
            wanted = {"serial": first.serial}
        case "user":
            wanted = {"user": "anna"}
        case _:
            wanted = {"user": "anna", "device": "stick-1"}
    revoked = await store.revoke_certificates(**wanted, reason=STOLEN, by="admin")
    expected = [first, second] if choice == "user" else [first]
    assert {record.serial for record in revoked} == {record.serial for record in expected}
    for record in revoked:
        holder = await store.holder(Fingerprint(record.fingerprint or ""))
        assert holder is not None
        assert (holder.revoked_at, holder.reason) == (clock.now, "keyCompromise")
    untouched = await store.holder(fingerprint_of(other.serial))
    assert untouched is not None
    assert untouched.revoked_at is None


async def test_revocation_ends_the_sessions_bound_to_it(store: Store) -> None:
    """Sessions of the revoked certificate end, those of the same person's other one do not."""
    await store.add_person(new_person())
    lost, kept = await issue(store, device="stick-1"), await issue(store, device="stick-2")
    mine, other = await sign_in(store, lost), await sign_in(store, kept)
    await store.revoke_certificates(serial=lost.serial, reason=STOLEN, by="admin")
    assert await store.sessions() == [other]
    revoked, ended = await store.audit_tail(2)
    assert revoked.event.kind is AuditKind.CERTIFICATE_REVOKED
    assert (revoked.event.serial, revoked.event.user) == (lost.serial, "anna")
    assert (revoked.event.reason, revoked.event.detail) == ("keyCompromise", {"by": "admin"})
    assert ended.event.kind is AuditKind.SESSION_ENDED
    assert ended.event.detail == {"by": "admin", "session": mine.id}


async def test_a_revocation_stands_as_it_was(store: Store, clock: Clock) -> None:
    """Revoking again changes neither date nor reason, and says that nothing was new."""
    await store.add_person(new_person())
    record = await issue(store)
    await store.revoke_certificates(serial=record.serial, reason=STOLEN, by="admin")
    then, lines = clock.now, await store.audit_tail(100)
    clock.now += DAY
    again = await store.revoke_certificates(
        serial=record.serial, reason=RevocationReason.SUPERSEDED, by="admin"
    )
    assert again == []
    holder = await store.holder(fingerprint_of(record.serial))
    assert holder is not None
    assert (holder.revoked_at, holder.reason) == (then, "keyCompromise")
    assert await store.audit_tail(100) == lines


async def test_a_certificate_revoked_while_it_is_signed_is_not_recorded(store: Store) -> None:
    """The reservation is revoked too, so the authority cannot hand the certificate out."""
    await store.add_person(new_person())
    serial = await reserve(store, "anna", "stick-1")
    await store.revoke_certificates(user="anna", reason=STOLEN, by="admin")
    with pytest.raises(LedgerError):
        async with store.begin() as connection:
            await ledger.record_certificate(
                connection,
                issuer=ISSUER,
                serial=serial,
                fingerprint=fingerprint_of(serial),
                der=b"",
                now=NOON,
            )
    assert await store.holder(fingerprint_of(serial)) is None


async def test_what_does_not_exist_cannot_be_revoked(store: Store) -> None:
    """Nothing that fits is an error that names what was asked for."""
    await store.add_person(new_person())
    await issue(store, device="stick-1")
    with pytest.raises(NoSuchCertificate, match="serial '4a0f'"):
        await store.revoke_certificates(serial="4a0f", reason=STOLEN, by="admin")
    with pytest.raises(NoSuchCertificate, match="user 'anna', device 'stick-9'"):
        await store.revoke_certificates(user="anna", device="stick-9", reason=STOLEN, by="x")
    with pytest.raises(ValueError, match="name the certificates"):
        await store.revoke_certificates(device="stick-1", reason=STOLEN, by="admin")


async def test_what_the_authority_does_is_told(store: Store, clock: Clock) -> None:
    """Issuing and publishing leave a line in the audit log, in their own transaction."""
    await store.add_person(new_person())
    record = await issue(store)
    crl = CRLRecord(ISSUER, 7, NOON, NOON + 7 * DAY, b"crl")
    async with store.begin() as connection:
        await lists.record_crl(connection, crl)
        await store.witness("authority").published(connection, crl)
    issued, published = await store.audit_tail(2)
    assert issued.event.kind is AuditKind.CERTIFICATE_ISSUED
    assert (issued.event.serial, issued.event.device) == (record.serial, "stick-1")
    assert issued.event.detail["scope"] == "crm wiki"
    assert published.event.kind is AuditKind.CRL_PUBLISHED
    assert published.event.detail["number"] == "7"
    assert published.event.detail["by"] == "authority"
    assert await store.latest_crl(ISSUER) == crl
    assert await store.latest_crl("another") is None
    assert await store.crl_dates() == [
        CRLDates(ISSUER, WHOLE, CRLKind.FULL, 7, NOON, NOON + 7 * DAY)
    ]
    assert await store.issuers() == [IssuerRecord(ISSUER, b"certificate")]


async def test_a_certificate_that_is_taken_back_is_told(store: Store) -> None:
    """What the authority revokes by itself has its line, and its sessions end."""
    await store.add_person(new_person())
    record = await issue(store)
    await sign_in(store, record)
    async with store.begin() as connection:
        outcome = await ledger.revoke(connection, serials=[record.serial], reason=STOLEN, now=NOON)
        await store.witness("authority").revoked(connection, outcome)
    assert await store.sessions() == []
    assert [line.event.kind for line in await store.audit_tail(2)] == [
        AuditKind.CERTIFICATE_REVOKED,
        AuditKind.SESSION_ENDED,
    ]


async def test_a_hold_ends_sessions_and_a_release_does_not_bring_them_back(
    store: Store, clock: Clock
) -> None:
    """Both are told to feed and audit log; the date of the hold is gone with it."""
    await store.add_person(new_person())
    record, kept = await issue(store), await issue(store, device="stick-2")
    session, other = await sign_in(store, record), await sign_in(store, kept)
    (held,) = await store.hold_certificates(serial=record.serial, by="admin")
    assert (held.state, held.revoked_at) == (CertificateState.HELD, clock.now)
    holder = await store.holder(fingerprint_of(record.serial))
    assert holder is not None
    assert holder.held
    assert await store.sessions() == [other]
    (released,) = await store.release_certificates(serial=record.serial, by="admin")
    assert (released.state, released.revoked_at) == (CertificateState.VALID, None)
    assert session not in await store.sessions()
    kinds = [(one.event.kind, one.event.reason) for one in await store.audit_tail(3)]
    assert kinds == [
        (AuditKind.CERTIFICATE_HELD, "certificateHold"),
        (AuditKind.SESSION_ENDED, "certificate-held"),
        (AuditKind.CERTIFICATE_RELEASED, ""),
    ]
    async with store.read() as connection:
        keys = [change.key for change in await feed.rows_after(connection, 0)]
    # Issued, held, released.
    assert keys.count(fingerprint_of(record.serial)) == 3


async def test_nobody_signs_in_with_what_is_on_hold(store: Store) -> None:
    """Also when it is put there while they sign in."""
    await store.add_person(new_person())
    record = await issue(store)
    await store.hold_certificates(user="anna", by="admin")
    with pytest.raises(SignInOvertaken):
        await sign_in(store, record)


async def test_what_is_revoked_cannot_be_held_nor_released(store: Store) -> None:
    """And what is on hold can be revoked for good."""
    await store.add_person(new_person())
    first, second = await issue(store), await issue(store, device="stick-2")
    await store.revoke_certificates(serial=first.serial, reason=STOLEN, by="admin")
    assert [one.serial for one in await store.hold_certificates(user="anna", by="a")] == [
        second.serial
    ]
    assert await store.hold_certificates(user="anna", by="a") == []
    await store.revoke_certificates(serial=second.serial, reason=STOLEN, by="admin")
    assert await store.release_certificates(user="anna", by="a") == []
    assert {one.reason for one in await store.certificates()} == {STOLEN}


async def test_of_a_hold_and_a_revocation_at_once_the_revocation_stays(store: Store) -> None:
    """Whichever comes first."""
    await store.add_person(new_person())
    for number in range(6):
        record = await issue(store, device=f"stick-{number}")
        await asyncio.gather(
            store.hold_certificates(serial=record.serial, by="one"),
            store.revoke_certificates(serial=record.serial, reason=STOLEN, by="two"),
            store.release_certificates(serial=record.serial, by="three"),
        )
        found = await store.certificate(record.serial)
        assert found is not None
        assert (found.state, found.reason) == (CertificateState.REVOKED, STOLEN)


async def test_two_authorities_supersede_each_certificate_once(store: Store, clock: Clock) -> None:
    """With one line in the audit log each; its sessions end, those of its successor do not."""
    await store.add_person(new_person())
    new_sessions = []
    for number in range(4):
        old, new = (
            await issue(store, device=f"s-{number}"),
            await issue(store, device=f"s-{number}"),
        )
        async with store.begin() as connection:
            renewal = Renewal(ISSUER, old.serial, clock.now + DAY)
            await renewals.succeed(connection, renewal, new, clock.now)
        lasting = {"expires_at": clock.now + 2 * DAY}
        await sign_in(store, old, **lasting)
        new_sessions.append(await sign_in(store, new, **lasting))
    assert await store.next_superseding(clock.now) == clock.now + DAY
    assert await store.supersede_due(by="authority") == []
    clock.now += DAY
    found = await asyncio.gather(*(store.supersede_due(by=f"authority-{n}") for n in range(3)))
    assert sorted(map(len, found)) == [0, 0, 4]
    told = [line.event for line in await store.audit_tail(100)]
    revoked = [one for one in told if one.kind is AuditKind.CERTIFICATE_REVOKED]
    assert {one.reason for one in revoked} == {"superseded"}
    assert len(revoked) == 4
    assert {one.id for one in await store.sessions()} == {one.id for one in new_sessions}
    assert await store.next_superseding(clock.now) is None


async def test_what_comes_due_between_two_looks_is_superseded_at_once(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A moment too late to be found due, and too early to be what comes next, is not passed over."""
    await store.add_person(new_person())
    old, new = await issue(store), await issue(store)
    due = clock.now + DAY
    async with store.begin() as connection:
        await renewals.succeed(connection, Renewal(ISSUER, old.serial, due), new, clock.now)
    supersede_due = store.supersede_due

    async def passing(*, by: str) -> list[CertificateRecord]:
        # As at the end of a sleep that was a little too short.
        found = await supersede_due(by=by)
        clock.now = due + timedelta(milliseconds=1)
        return found

    clock.now = due - timedelta(milliseconds=1)
    monkeypatch.setattr(store, "supersede_due", passing)
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        task = group.create_task(Superseder(store, clock, "authority").supersede_for_ever())
        while await store.certificates(user=old.username, state=CertificateState.REVOKED) == []:  # noqa: ASYNC110 - a row has no event
            await asyncio.sleep(0.01)
        task.cancel()


async def test_the_last_of_many_says_that_all_are_revoked(store: Store) -> None:
    """In the transaction that revokes it; what was revoked before is not told again."""
    await store.add_person(new_person())
    first, second = await issue(store), await issue(store, device="stick-2")
    await store.revoke_chosen([first.serial], reason=STOLEN, by="admin")
    again, _ = await store.revoke_chosen(
        [first.serial, second.serial], reason=STOLEN, by="admin", finished={"stage": "finished"}
    )
    assert [one.serial for one in again] == [second.serial]
    kinds = [line.event.kind for line in await store.audit_tail(3)]
    assert kinds == [
        AuditKind.CERTIFICATE_REVOKED,
        AuditKind.CERTIFICATE_REVOKED,
        AuditKind.BULK_REVOCATION,
    ]
