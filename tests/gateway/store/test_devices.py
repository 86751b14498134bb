"""What somebody sees of their own, and what they may end of it, on both databases."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from ca import ledger, renewals
from ca.trust import Revocation, RevocationReason
from gateway.core.audit import AuditEvent, AuditKind
from gateway.core.devices import Possession, Standing
from gateway.core.foreign import ForeignState, PersonBy, Verdict
from gateway.core.people import Fingerprint
from gateway.core.sessions import Session
from gateway.store import Actor, SignInOvertaken, Store
from tests.gateway.store.scenes import (
    DAY,
    ISSUER,
    NOON,
    Clock,
    issue,
    new_person,
    reserve,
    sign_in,
)

CARD = Verdict(
    Fingerprint("ca" * 32),
    ForeignState.ACCEPTED,
    trust="corp",
    issuer="CN=Corp CA",
    serial="4a0f",
    not_before=NOON - DAY,
    not_after=NOON + 90 * DAY,
    by=PersonBy.USER,
    identity="anna",
    good_until=NOON + DAY,
)
HOLD = RevocationReason.CERTIFICATE_HOLD


def ender(session: Session) -> Actor:
    """Let the holder of *session* act, from somewhere."""
    return Actor(session, "1f", "stick-1", "198.51.100.9", "bvqflyq-k3v7qh2-1f")


async def possessions(store: Store) -> dict[str, Possession]:
    """Return anna's certificates, by serial."""
    return {one.serial: one for one in (await store.devices("anna")).certificates}


async def ended(store: Store) -> list[AuditEvent]:
    """Return what the audit log says of sessions that were ended."""
    lines = await store.audit_tail(100)
    return [line.event for line in lines if line.event.kind is AuditKind.SESSION_ENDED]


class TestSeeing:
    async def test_sessions_with_their_devices(self, store: Store) -> None:
        """The newest first, of nobody else, and none that is over."""
        await store.add_person(new_person())
        await store.add_person(new_person("bruno"))
        stick, phone = await issue(store), await issue(store, device="phone")
        old = await sign_in(store, stick)
        new = await sign_in(store, phone, created_at=NOON + timedelta(hours=1))
        await sign_in(store, stick, expires_at=NOON)
        await sign_in(store, await issue(store, "bruno"))
        found = (await store.devices("anna")).sessions
        assert [(one.session, one.device) for one in found] == [(new, "phone"), (old, "stick-1")]

    async def test_certificates_as_they_stand(self, store: Store, clock: Clock) -> None:
        """Good, held, revoked, expired; what was only reserved is nothing yet."""
        await store.add_person(new_person())
        good, held, revoked = [await issue(store, device=name) for name in ("a", "b", "c")]
        await reserve(store, "anna", "d")
        await issue(store, "bruno", "e")
        await store.hold_certificates(serial=held.serial, by="test")
        await store.revoke_certificates(
            serial=revoked.serial, reason=RevocationReason.KEY_COMPROMISE, by="test"
        )
        found = await possessions(store)
        assert {serial: (one.standing, one.ended_at) for serial, one in found.items()} == {
            good.serial: (Standing.GOOD, None),
            held.serial: (Standing.HELD, NOON),
            revoked.serial: (Standing.REVOKED, NOON),
        }
        assert (found[good.serial].since, found[good.serial].until) == (NOON, NOON + 365 * DAY)
        clock.now = NOON - DAY
        assert (await possessions(store))[good.serial].standing is Standing.NOT_YET
        clock.now = NOON + 400 * DAY
        late = await possessions(store)
        assert late[good.serial].standing is late[held.serial].standing is Standing.ENDED
        assert late[good.serial].ended_at == NOON + 365 * DAY
        assert late[revoked.serial].standing is Standing.REVOKED

    async def test_what_takes_the_place_of_what(self, store: Store, clock: Clock) -> None:
        """While both are good the old one says until when; then it is replaced."""
        await store.add_person(new_person())
        old = await issue(store)
        serial = await reserve(store, "anna", "stick-1")
        async with store.begin() as connection:
            new = await ledger.record_certificate(
                connection,
                issuer=ISSUER,
                serial=serial,
                fingerprint="0" * 64,
                der=b"new",
                now=NOON,
            )
            renewal = renewals.Renewal(ISSUER, old.serial, NOON + 14 * DAY)
            await renewals.succeed(connection, renewal, new, NOON)
        found = (await possessions(store))[old.serial]
        assert (found.standing, found.successor) == (Standing.GOOD, serial)
        assert found.goes_at == NOON + 14 * DAY
        async with store.begin() as connection:
            await renewals.let_go_on(connection, old, old.not_after)
        assert (await possessions(store))[old.serial].goes_at is None
        async with store.begin() as connection:
            await renewals.let_go_on(connection, old, NOON + 14 * DAY)
        clock.now = NOON + 15 * DAY
        await store.supersede_due(by="authority")
        found = (await possessions(store))[old.serial]
        assert (found.standing, found.successor) == (Standing.REPLACED, serial)
        assert found.goes_at is None
        await store.revoke_certificates(
            serial=serial, reason=RevocationReason.KEY_COMPROMISE, by="test"
        )
        assert (await possessions(store))[old.serial].successor is None

    @pytest.mark.parametrize(
        "verdict,now,standing",
        [
            (CARD, NOON, Standing.GOOD),
            (CARD, NOON + 2 * DAY, Standing.STALE),
            (CARD, NOON + 91 * DAY, Standing.ENDED),
            (replace(CARD, revocation=Revocation(NOON, HOLD)), NOON, Standing.HELD),
            (
                replace(CARD, revocation=Revocation(NOON, RevocationReason.KEY_COMPROMISE)),
                NOON,
                Standing.REVOKED,
            ),
        ],
    )
    async def test_those_of_other_cas(
        self, store: Store, clock: Clock, verdict: Verdict, now: datetime, standing: Standing
    ) -> None:
        """They have the name of their trust, and stand as was found."""
        await store.add_person(new_person())
        await store.present(verdict.fingerprint, b"der")
        await store.judge([verdict], by="verifier")
        clock.now = now
        (found,) = (await store.devices("anna")).certificates
        assert (found.trust, found.device, found.standing) == ("corp", "", standing)

    async def test_what_was_blocked_here(self, store: Store) -> None:
        """Whatever their own CA says."""
        await store.add_person(new_person())
        await store.present(CARD.fingerprint, b"der")
        await store.judge([CARD], by="verifier")
        await store.block_presented(serial=CARD.serial, reason=HOLD, by="test")
        (found,) = (await store.devices("anna")).certificates
        assert found.standing is Standing.HELD


class TestEnding:
    async def test_one_of_them(self, store: Store) -> None:
        """That one and no other; the log says by which certificate and from where."""
        await store.add_person(new_person())
        stick, phone = await issue(store), await issue(store, device="phone")
        here, there = await sign_in(store, stick), await sign_in(store, phone)
        stays = await sign_in(store, phone)
        assert [one.id for one in await store.end_own_sessions(ender(here), there.id)] == [there.id]
        assert await store.sessions(user="anna") == [here, stays]
        (line,) = await ended(store)
        assert (line.user, line.device, line.detail) == (
            "anna",
            "phone",
            {
                "by": "anna",
                "by_device": "stick-1",
                "by_serial": "1f",
                "by_address": "198.51.100.9",
                "request": "bvqflyq-k3v7qh2-1f",
                "session": there.id,
            },
        )

    async def test_all_the_others(self, store: Store) -> None:
        """But the one that it is asked from, and nothing of other people."""
        await store.add_person(new_person())
        await store.add_person(new_person("bruno"))
        stick = await issue(store)
        here = await sign_in(store, stick)
        await sign_in(store, stick)
        await sign_in(store, await issue(store, device="phone"))
        other = await sign_in(store, await issue(store, "bruno"))
        assert len(await store.end_own_sessions(ender(here), None)) == 2
        assert await store.sessions() == [here, other]
        assert await store.end_own_sessions(ender(here), None) == []

    async def test_neither_ones_own_nor_that_of_another(self, store: Store) -> None:
        """Signing out is another thing, and other people's sessions are nobody's business."""
        await store.add_person(new_person())
        await store.add_person(new_person("bruno"))
        here = await sign_in(store, await issue(store))
        other = await sign_in(store, await issue(store, "bruno"))
        for chosen in (here.id, other.id):
            assert await store.end_own_sessions(ender(here), chosen) == []
        assert len(await store.sessions()) == 2

    async def test_needs_a_session_that_lives(self, store: Store, clock: Clock) -> None:
        """Ended, run out, its certificate revoked, its person disabled: nothing is ended."""
        await store.add_person(new_person())
        stick, phone = await issue(store), await issue(store, device="phone")
        here, there = await sign_in(store, stick), await sign_in(store, phone)
        long = await sign_in(store, phone, expires_at=NOON + DAY)
        clock.now = here.expires_at
        with pytest.raises(SignInOvertaken):
            await store.end_own_sessions(ender(here), long.id)
        clock.now = NOON
        await store.revoke_certificates(
            serial=stick.serial, reason=RevocationReason.KEY_COMPROMISE, by="test"
        )
        before = await ended(store)
        with pytest.raises(SignInOvertaken):
            await store.end_own_sessions(ender(here), there.id)
        await store.end_sessions(session=there.id, kind=AuditKind.SIGNED_OUT, by="anna")
        with pytest.raises(SignInOvertaken):
            await store.end_own_sessions(ender(there), long.id)
        assert await ended(store) == before
        assert await store.sessions(user="anna") == [long]
