"""What people change of their own account, on both databases."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from ca.ledger import CertificateRecord
from ca.trust import RevocationReason
from gateway.core.audit import AuditEvent, AuditKind
from gateway.core.changes import ChangeKind
from gateway.core.sessions import Session
from gateway.core.tickets import Ticket
from gateway.store import (
    AttemptReserved,
    Change,
    NewCredentials,
    NewTotp,
    SessionRecord,
    SignInOvertaken,
    Store,
    TicketGone,
    open_store,
)
from tests.gateway.store.scenes import NOON, Clock, issue, new_person, session_of, sign_in

DIGEST = "d" * 64
CODES = [f"{number:064x}" for number in range(10)]
TOTP = NewTotp(b"another secret", 77)
NEW = NewCredentials("$argon2id$new", NewTotp(b"new secret", 55), CODES)
REQUEST = "k3v7qh2a-1f"


@dataclass
class Scene:
    """Anna, her stick, a ticket, and a session that she has already."""

    record: CertificateRecord
    before: Session

    def opened(self) -> SessionRecord:
        """Make a session that is to be opened."""
        return SessionRecord(session_of(self.record), self.record.device, self.record.serial)

    def change(self, version: int) -> Change:
        """Make the change of somebody who has proved credentials of *version*."""
        record = SessionRecord(self.before, self.record.device, self.record.serial)
        return Change(record, version, REQUEST)


async def scene(store: Store) -> Scene:
    """Add anna."""
    await store.add_person(new_person())
    record = await issue(store)
    await store.make_ticket("anna", Ticket(DIGEST, NOON + timedelta(days=7)))
    return Scene(record, await sign_in(store, record))


async def version_of(store: Store) -> int:
    """Return the version of anna's credentials."""
    credentials = await store.credentials("anna")
    assert credentials is not None
    return credentials.version


async def events(store: Store, *kinds: AuditKind) -> list[AuditEvent]:
    """Return the audit events of *kinds*."""
    return [line.event for line in await store.audit_tail(100) if line.event.kind in kinds]


class TestEnrolling:
    async def test_gives_everything_at_once(self, store: Store) -> None:
        """Password, secret with the burnt step, codes, a session; what was before has ended."""
        anna = await scene(store)
        await store.reserve_attempt(anna.before.fingerprint)
        opened = anna.opened()
        await store.enrol(opened, DIGEST, NEW, request=REQUEST)
        credentials = await store.credentials("anna")
        assert credentials is not None
        assert credentials.password_hash == NEW.password_hash
        assert (credentials.sealed_totp, credentials.totp_last_step) == (b"new secret", 55)
        assert await store.recovery_codes_left("anna") == 10
        assert await store.ticket("anna") is None
        assert [one.id for one in await store.sessions(user="anna")] == [opened.session.id]
        assert not await store.burn_step("anna", 55)
        [enrolled] = await events(store, AuditKind.ENROLLED)
        assert (enrolled.user, enrolled.serial, enrolled.device, enrolled.address) == (
            *("anna", anna.record.serial, "stick-1", opened.session.address),
        )
        assert enrolled.detail == {"replaced": "yes", "request": REQUEST}
        [ended] = await events(store, AuditKind.SESSION_ENDED)
        assert ended.reason == "enrolled"
        assert len(await events(store, AuditKind.SIGNED_IN)) == 2

    async def test_twice_is_once(self, store: Store) -> None:
        """The second one changes nothing."""
        anna = await scene(store)
        first = anna.opened()
        await store.enrol(first, DIGEST, NEW)
        with pytest.raises(TicketGone):
            await store.enrol(anna.opened(), DIGEST, replace(NEW, password_hash="$other"))
        credentials = await store.credentials("anna")
        assert credentials is not None
        assert credentials.password_hash == NEW.password_hash
        assert [one.id for one in await store.sessions(user="anna")] == [first.session.id]

    async def test_at_once_on_two_machines_is_once(self, store_url: str, clock: Clock) -> None:
        """One of them opens a session with its own credentials."""
        async with open_store(store_url, clock) as one, open_store(store_url, clock) as two:
            anna = await scene(one)
            answers = await asyncio.gather(
                *(
                    store.enrol(anna.opened(), DIGEST, NEW)
                    for _ in range(3)
                    for store in (one, two)
                ),
                return_exceptions=True,
            )
            assert [type(answer) for answer in answers if answer is not None] == [TicketGone] * 5
            assert len(await one.sessions(user="anna")) == 1

    async def test_an_ended_ticket_changes_nothing(self, store: Store, clock: Clock) -> None:
        """It may end between the first page and the last."""
        anna = await scene(store)
        clock.now = NOON + timedelta(days=7)
        with pytest.raises(TicketGone):
            await store.enrol(anna.opened(), DIGEST, NEW)

    async def test_a_certificate_that_is_not_theirs_changes_nothing(self, store: Store) -> None:
        """Nor does one that was revoked, nor a person who was disabled; the ticket stays."""
        anna = await scene(store)
        await store.add_person(new_person("bruno"))
        bruno = await issue(store, "bruno")
        foreign = SessionRecord(session_of(bruno, user="anna"), "stick-1", bruno.serial)
        with pytest.raises(SignInOvertaken):
            await store.enrol(foreign, DIGEST, NEW)
        await store.set_enabled("anna", enabled=False)
        with pytest.raises(SignInOvertaken):
            await store.enrol(anna.opened(), DIGEST, NEW)
        await store.set_enabled("anna", enabled=True)
        await store.revoke_certificates(
            user="anna", reason=RevocationReason.KEY_COMPROMISE, by="test"
        )
        with pytest.raises(SignInOvertaken):
            await store.enrol(anna.opened(), DIGEST, NEW)
        assert await store.ticket("anna") is not None
        assert await events(store, AuditKind.ENROLLED) == []


class TestRecovering:
    async def test_uses_the_code_up_and_replaces_the_secret(self, store: Store) -> None:
        """The password stays; every session of before ends."""
        anna = await scene(store)
        await store.set_recovery_codes("anna", CODES)
        version, opened = await version_of(store), anna.opened()
        await store.recover(opened, version=version, code=CODES[3], totp=TOTP, request=REQUEST)
        credentials = await store.credentials("anna")
        assert credentials is not None
        assert credentials.password_hash == "$argon2id$"
        assert (credentials.sealed_totp, credentials.totp_last_step) == (TOTP.sealed, TOTP.step)
        assert await store.recovery_codes_left("anna") == 9
        assert [one.id for one in await store.sessions(user="anna")] == [opened.session.id]
        [changed] = await events(store, AuditKind.TOTP_CHANGED)
        assert changed.detail == {"proved": "recovery-code", "request": REQUEST}

    async def test_changes_nothing_with_a_used_code_or_older_credentials(
        self, store: Store
    ) -> None:
        """Neither the secret nor the number of codes."""
        anna = await scene(store)
        await store.set_recovery_codes("anna", CODES)
        version = await version_of(store)
        assert await store.use_recovery_code("anna", CODES[0])
        for proved, code in ((version, CODES[0]), (version - 1, CODES[1])):
            with pytest.raises(SignInOvertaken):
                await store.recover(anna.opened(), version=proved, code=code, totp=TOTP)
        assert await store.recovery_codes_left("anna") == 9
        assert await version_of(store) == version


class TestChanging:
    async def test_a_password_ends_every_other_session(self, store: Store) -> None:
        """This one goes on."""
        anna = await scene(store)
        other = await sign_in(store, anna.record)
        await store.change_own_password(anna.change(await version_of(store)), "$argon2id$other")
        credentials = await store.credentials("anna")
        assert credentials is not None
        assert credentials.password_hash == "$argon2id$other"
        assert [one.id for one in await store.sessions(user="anna")] == [anna.before.id]
        [ended] = await events(store, AuditKind.SESSION_ENDED)
        assert (ended.detail["session"], ended.reason) == (other.id, "password-changed")
        [changed] = await events(store, AuditKind.PASSWORD_CHANGED)
        assert (changed.serial, changed.address) == (anna.record.serial, anna.before.address)
        assert changed.detail == {"request": REQUEST}

    async def test_a_secret_ends_every_other_session_and_burns_its_step(self, store: Store) -> None:
        """The code that has confirmed it is used."""
        anna = await scene(store)
        await sign_in(store, anna.record)
        await store.change_own_totp(anna.change(await version_of(store)), TOTP)
        assert [one.id for one in await store.sessions(user="anna")] == [anna.before.id]
        assert not await store.burn_step("anna", TOTP.step)
        [changed] = await events(store, AuditKind.TOTP_CHANGED)
        assert changed.detail == {"proved": "code", "request": REQUEST}

    async def test_recovery_codes_leave_sessions_alone(self, store: Store) -> None:
        """They open none by themselves."""
        anna = await scene(store)
        other = await sign_in(store, anna.record)
        await store.change_own_recovery_codes(anna.change(await version_of(store)), CODES)
        assert await store.recovery_codes_left("anna") == 10
        assert {one.id for one in await store.sessions(user="anna")} == {anna.before.id, other.id}

    async def test_nothing_by_a_session_that_has_ended(self, store: Store) -> None:
        """Between the check at the door and the change."""
        anna = await scene(store)
        change = anna.change(await version_of(store))
        await store.end_sessions(user="anna", kind=AuditKind.SIGNED_OUT, by="anna")
        for attempt in self.changes(store, change):
            with pytest.raises(SignInOvertaken):
                await attempt

    async def test_nothing_by_what_was_proved_before_another_change(self, store: Store) -> None:
        """Of two changes that were proved with the same credentials one is made."""
        anna = await scene(store)
        change = anna.change(await version_of(store))
        await store.change_own_password(change, "$argon2id$other")
        for attempt in self.changes(store, change):
            with pytest.raises(SignInOvertaken):
                await attempt
        assert await store.recovery_codes_left("anna") == 0

    @staticmethod
    def changes(store: Store, change: Change) -> list[Coroutine[None, None, None]]:
        """Begin every change there is."""
        return [
            store.change_own_password(change, "$argon2id$late"),
            store.change_own_totp(change, TOTP),
            store.change_own_recovery_codes(change, CODES),
        ]


# A code once more -----------------------------------------------------------


async def prove_again(store: Store, scene: Scene, *, password: bool) -> None:
    """Have anna's session proved once more, as the portal does."""
    reserved = await store.reserve_attempt(scene.before.fingerprint)
    assert isinstance(reserved, AttemptReserved)
    change = scene.change(await version_of(store))
    await store.prove_again(change, reserved.failures, password=password)


@pytest.mark.parametrize("password", [False, True])
async def test_a_code_given_again_makes_the_session_fresh(
    store: Store, clock: Clock, password: bool
) -> None:
    """The moment is written down, with an audit line and a row of the feed; nothing else."""
    here = await scene(store)
    clock.now = NOON + timedelta(hours=2)
    feed = store.follow()
    await anext(feed)
    await prove_again(store, here, password=password)
    session = await store.session(here.before.id)
    renewed = clock.now if password else None
    assert session == replace(here.before, proved_at=clock.now, renewed_at=renewed)
    assert session.last_proof == clock.now
    assert session.signed_in_at == (clock.now if password else NOON)
    batch = await anext(feed)
    while not batch.changes:
        batch = await anext(feed)
    assert [(one.kind, one.key) for one in batch.changes] == [(ChangeKind.SESSION, session.id)]
    await feed.aclose()
    (line,) = await store.audit_tail(1)
    assert line.event.kind is AuditKind.CODE_CONFIRMED
    assert (line.event.user, line.event.serial) == ("anna", here.record.serial)
    assert line.event.detail == {
        "session": session.id,
        "proved": "password-and-code" if password else "code",
        "request": REQUEST,
    }


@pytest.mark.parametrize("password", [False, True])
async def test_a_code_alone_forgives_no_guess_at_the_password(store: Store, password: bool) -> None:
    """Only what was counted for it itself is taken back; a password forgives all."""
    here = await scene(store)
    for _ in range(3):
        await store.reserve_attempt(here.before.fingerprint)
    await prove_again(store, here, password=password)
    expected = AttemptReserved(1 if password else 4)
    assert await store.reserve_attempt(here.before.fingerprint) == expected


async def test_a_session_that_is_over_is_not_made_fresh(store: Store) -> None:
    """Nor with credentials that are others by now; then nothing is written."""
    here = await scene(store)
    stale = here.change(await version_of(store))
    await store.set_recovery_codes("anna", CODES)
    with pytest.raises(SignInOvertaken):
        await store.prove_again(stale, 1, password=False)
    change = here.change(await version_of(store))
    await store.end_sessions(session=here.before.id, kind=AuditKind.SESSION_ENDED, by="test")
    with pytest.raises(SignInOvertaken):
        await store.prove_again(change, 1, password=False)
    assert AuditKind.CODE_CONFIRMED not in [line.event.kind for line in await store.audit_tail(50)]
    session = await store.session(here.before.id)
    assert session is not None
    assert session.proved_at is None
