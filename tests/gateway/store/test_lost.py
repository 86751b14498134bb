"""Reporting what is lost, on both databases."""

from datetime import timedelta

import pytest

from ca.ledger import CertificateState
from ca.trust import RevocationReason
from gateway.core.audit import AuditEvent, AuditKind
from gateway.core.foreign import ForeignState, PersonBy, Verdict
from gateway.core.lost import Belonging, Lost, Reporter
from gateway.core.people import Fingerprint
from gateway.store import SignInOvertaken, Store
from tests.gateway.store.scenes import DAY, NOON, TODAY, Clock, issue, new_person, reserve, sign_in

FOREIGN = Fingerprint("e" * 64)


async def anna(store: Store) -> Reporter:
    """Add anna, and say who she is."""
    await store.add_person(new_person())
    return await proved(store)


async def proved(store: Store, user: str = "anna") -> Reporter:
    """Say who somebody is, as they have just proved it."""
    credentials = await store.credentials(user)
    assert credentials is not None
    return Reporter(user, credentials.version)


async def report(store: Store, reporter: Reporter, lost: Lost) -> list[Belonging]:
    """Report something from somewhere."""
    reported = await store.report_lost(
        reporter, lost, address="192.0.2.7", request="bvqflyq-k3v7qh2-1f", by="portal"
    )
    assert reported.person.user == reporter.user
    assert list(reported.left) == await store.belongings(reporter.user)
    return list(reported.ended)


async def lines(store: Store, kind: AuditKind) -> list[AuditEvent]:
    """Return what the audit log says of *kind*."""
    return [line.event for line in await store.audit_tail(100) if line.event.kind is kind]


async def add_foreign(
    store: Store, *, by: PersonBy, identity: str, fingerprint: Fingerprint = FOREIGN
) -> None:
    """Let a certificate of another CA be accepted."""
    await store.present(fingerprint, b"der")
    verdict = Verdict(
        fingerprint=fingerprint,
        state=ForeignState.ACCEPTED,
        trust="partner",
        issuer="CN=Partner",
        serial="77",
        not_before=NOON,
        not_after=NOON + 90 * DAY,
        by=by,
        identity=identity,
        good_until=NOON + DAY,
    )
    await store.judge([verdict], by="verifier")


async def test_what_somebody_has_is_what_opens_something(store: Store, clock: Clock) -> None:
    """Not what is over, revoked, or still being made, nor what others have."""
    await anna(store)
    await store.add_person(new_person("bruno"))
    mine = await issue(store)
    held = await issue(store, device="stick-2")
    gone = await issue(store, device="stick-3")
    await issue(store, "bruno")
    await reserve(store, "anna", "stick-4")
    await store.hold_certificates(serial=held.serial, by="test")
    await store.revoke_certificates(
        serial=gone.serial, reason=RevocationReason.SUPERSEDED, by="test"
    )
    await sign_in(store, mine)
    latest = await sign_in(store, mine, created_at=NOON + timedelta(hours=1))
    found = {one.device: one for one in await store.belongings("anna")}
    assert set(found) == {"stick-1", "stick-2"}
    assert found["stick-1"].last_sign_in == latest.created_at
    assert (found["stick-1"].held, found["stick-2"].held) == (False, True)
    assert found["stick-2"].last_sign_in is None
    clock.now = NOON + 365 * DAY
    assert await store.belongings("anna") == []


async def test_a_device_is_lost_with_everything_on_it(store: Store) -> None:
    """Old and new certificate of a renewal, held ones too; what was open with them ends."""
    reporter = await anna(store)
    old, new = await issue(store), await issue(store)
    other = await issue(store, device="stick-2")
    await store.hold_certificates(serial=old.serial, by="test")
    session, kept = await sign_in(store, new), await sign_in(store, other)
    ended = await report(store, reporter, Lost(device="stick-1"))
    assert {one.serial for one in ended} == {old.serial, new.serial}
    for serial in (old.serial, new.serial):
        record = await store.certificate(serial)
        assert record is not None
        assert record.state is CertificateState.REVOKED
        assert record.reason is RevocationReason.KEY_COMPROMISE
    assert [one.device for one in await store.belongings("anna")] == ["stick-2"]
    assert [one.id for one in await store.sessions(user="anna")] == [kept.id]
    assert session.id != kept.id
    [line] = await lines(store, AuditKind.LOST_REPORTED)
    assert (line.user, line.device, line.address) == ("anna", "stick-1", "192.0.2.7")
    assert line.detail == {
        "by": "portal",
        "request": "bvqflyq-k3v7qh2-1f",
        "serials": " ".join(sorted((old.serial, new.serial))),
    }
    assert len(await lines(store, AuditKind.CERTIFICATE_REVOKED)) == 2


async def test_everything_is_also_what_is_being_issued(store: Store) -> None:
    """What is signed at this moment is not recorded afterwards; nobody else loses anything."""
    reporter = await anna(store)
    await store.add_person(new_person("bruno"))
    await issue(store)
    await issue(store, device="stick-2")
    await issue(store, "bruno")
    reserved = await reserve(store, "anna", "stick-3")
    ended = await report(store, reporter, Lost())
    assert {one.device for one in ended} == {"stick-1", "stick-2"}
    record = await store.certificate(reserved)
    assert record is not None
    assert record.state is CertificateState.REVOKED
    assert len(await store.belongings("bruno")) == 1


async def test_a_report_that_comes_twice_does_nothing_more(store: Store) -> None:
    """No second date, no second line."""
    reporter = await anna(store)
    await issue(store)
    assert len(await report(store, reporter, Lost(device="stick-1"))) == 1
    assert await report(store, reporter, Lost(device="stick-1")) == []
    assert await report(store, reporter, Lost()) == []
    assert len(await lines(store, AuditKind.LOST_REPORTED)) == 1


async def test_nothing_of_others_can_be_reported(store: Store) -> None:
    """Whatever is chosen, it is what the reporter has."""
    reporter = await anna(store)
    await store.add_person(new_person("bruno"))
    theirs = await issue(store, "bruno", "stick-9")
    assert await report(store, reporter, Lost(device="stick-9")) == []
    assert await report(store, reporter, Lost(foreign=Fingerprint(theirs.fingerprint or ""))) == []
    assert len(await store.belongings("bruno")) == 1


CHANGES = ("password", "totp", "recovery", "disabled", "removed")


async def overtake(store: Store, change: str) -> None:
    """Change something that was proved."""
    match change:
        case "password":
            await store.set_password("anna", "$argon2id$2")
        case "totp":
            await store.set_totp("anna", b"other")
        case "recovery":
            await store.set_recovery_codes("anna", ["0" * 64])
        case "disabled":
            await store.set_enabled("anna", False)
        case _:
            await store.remove_person("anna", TODAY)
            await store.add_person(new_person())
            await store.set_enabled("anna", False)


@pytest.mark.parametrize("change", CHANGES)
async def test_what_was_proved_must_still_be_so(store: Store, change: str) -> None:
    """Otherwise nothing is revoked: somebody may have just kept the reporter out."""
    reporter = await anna(store)
    await issue(store)
    await overtake(store, change)
    with pytest.raises(SignInOvertaken):
        await report(store, reporter, Lost())
    with pytest.raises(SignInOvertaken):
        await store.reporter(reporter)
    assert await lines(store, AuditKind.LOST_REPORTED) == []


async def test_a_certificate_of_another_ca_opens_nothing_here_any_more(store: Store) -> None:
    """Found by what its CA says of its holder; blocked here, with its sessions."""
    reporter = await anna(store)
    await issue(store)
    await add_foreign(store, by=PersonBy.EMAIL, identity="anna@example.it")
    [foreign] = [one for one in await store.belongings("anna") if one.trust]
    assert (foreign.trust, foreign.serial, foreign.device) == ("partner", "77", "")
    [ended] = await report(store, reporter, Lost(foreign=FOREIGN))
    assert ended.fingerprint == FOREIGN
    holder = await store.holder(FOREIGN)
    assert holder is not None
    assert holder.reason == RevocationReason.KEY_COMPROMISE
    [told] = await lines(store, AuditKind.CERTIFICATE_REVOKED)
    assert (told.user, told.device, told.detail["fingerprint"]) == ("anna", "partner", FOREIGN)
    assert [one.trust for one in await store.belongings("anna")] == [""]
    [line] = await lines(store, AuditKind.LOST_REPORTED)
    assert line.device == "partner"
    # Its own device of that name is another thing.
    assert await report(store, reporter, Lost(device="partner")) == []


async def test_a_certificate_is_lost_in_every_writing_of_it(store: Store) -> None:
    """One with a second signature that is as good has been shown too: it opens nothing either."""
    reporter = await anna(store)
    twin = Fingerprint("7d" * 32)
    await add_foreign(store, by=PersonBy.EMAIL, identity="anna@example.it")
    await add_foreign(store, by=PersonBy.EMAIL, identity="anna@example.it", fingerprint=twin)
    ended = await report(store, reporter, Lost(foreign=FOREIGN))
    assert {one.fingerprint for one in ended} == {FOREIGN, twin}
    assert await store.belongings("anna") == []


async def test_everything_is_also_what_other_cas_have_issued(store: Store) -> None:
    """All of it in one transaction."""
    reporter = await anna(store)
    await issue(store)
    await add_foreign(store, by=PersonBy.USER, identity="anna")
    assert len(await report(store, reporter, Lost())) == 2
    assert await store.belongings("anna") == []


async def test_what_somebody_proved_who_is_gone_fits_nobody_of_that_name(store: Store) -> None:
    """A token outlives its person for minutes, in which the name may be given to another."""
    before = await anna(store)
    await store.remove_person("anna", TODAY)
    after = await anna(store)
    assert after != before
    with pytest.raises(SignInOvertaken):
        await report(store, before, Lost())
