"""Requests to renew, and letters that remind, on both databases."""

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta

import pytest

from ca import ledger, renewals
from ca.errors import LedgerError
from ca.ledger import CertificateRecord, CertificateState
from ca.trust import RevocationReason
from gateway.core.audit import AuditKind
from gateway.core.changes import ChangeKind
from gateway.core.people import Fingerprint
from gateway.core.renewals import ASKED_LIFETIME, FETCH_WITHIN, Renewal, RenewalState, Way
from gateway.store import Change, RenewalRefused, SessionRecord, SignInOvertaken, Store
from gateway.store.witness import SettlingWitness
from tests.gateway.store.scenes import DAY, NOON, Clock, issue, new_person, sign_in

KEY = b"a public key"
OVERLAP = 14 * DAY


@dataclass
class Scene:
    """Anna, her certificate, and who she is when she asks."""

    record: CertificateRecord
    change: Change

    @property
    def fingerprint(self) -> Fingerprint:
        """That of the certificate."""
        assert self.record.fingerprint is not None
        return Fingerprint(self.record.fingerprint)


async def scene(store: Store) -> Scene:
    """Add anna, and sign her in."""
    await store.add_person(new_person())
    record = await issue(store)
    session = await sign_in(store, record)
    credentials = await store.credentials("anna")
    assert credentials is not None
    signed_in = SessionRecord(session, record.device, record.serial)
    return Scene(record, Change(signed_in, credentials.version, "a-request"))


async def sign(
    store: Store, clock: Clock, renewal: Renewal, old: CertificateRecord, serial: str
) -> CertificateRecord:
    """Record a certificate for a request, as the authority does."""
    async with store.begin() as connection:
        await ledger.reserve_serial(
            connection,
            issuer=old.issuer,
            serial=serial,
            username=old.username,
            device=old.device,
            scope=None,
            not_before=clock(),
            not_after=clock() + timedelta(days=300),
            now=clock(),
        )
    witness = SettlingWitness(clock, "authority", renewal.id)
    witness.chain = b"a chain"
    async with store.begin() as connection:
        record = await ledger.record_certificate(
            connection,
            issuer=old.issuer,
            serial=serial,
            fingerprint=serial.rjust(64, "0"),
            der=serial.encode(),
            now=clock(),
        )
        over = renewals.Renewal(old.issuer, old.serial, old.not_after)
        record = await renewals.succeed(connection, over, record, clock())
        await witness.issued(connection, record)
    return record


async def asked(store: Store, anna: Scene) -> Renewal:
    """Return the request as it stands."""
    standing = await store.renewal_standing(anna.fingerprint)
    assert standing is not None
    assert standing.asked is not None
    return standing.asked


class TestAsking:
    async def test_is_written_down_and_told(self, store: Store) -> None:
        """With person, certificate, address and request."""
        anna = await scene(store)
        renewal = await store.ask_renewal(anna.change, "1", Way.NEW_KEY, KEY)
        assert await store.waiting_renewals() == [renewal]
        assert renewal.state is RenewalState.ASKED
        assert (renewal.public_key, renewal.serial) == (KEY, anna.record.serial)
        event = (await store.audit_tail(1))[0].event
        assert event.kind is AuditKind.RENEWAL_ASKED
        assert (event.user, event.serial) == ("anna", anna.record.serial)
        assert event.detail == {"way": "new-key", "request": "a-request"}

    async def test_once_more_takes_the_place_of_the_first(self, store: Store) -> None:
        """One request for a certificate, however many were asked at once."""
        anna = await scene(store)
        await asyncio.gather(
            *(store.ask_renewal(anna.change, str(n), Way.NEW_KEY, KEY) for n in range(4))
        )
        assert len(await store.waiting_renewals()) == 1

    async def test_needs_all_that_was_proved(self, store: Store) -> None:
        """Session, certificate and credentials, at the moment of the change."""
        anna = await scene(store)
        await store.set_recovery_codes("anna", ["d" * 64])
        with pytest.raises(SignInOvertaken):
            await store.ask_renewal(anna.change, "1", Way.SAME_KEY)
        await store.end_sessions(user="anna", kind=AuditKind.SIGNED_OUT, by="test")
        with pytest.raises(SignInOvertaken):
            await store.ask_renewal(anna.change, "1", Way.SAME_KEY)
        assert await store.waiting_renewals() == []


class TestSettling:
    async def test_comes_with_the_certificate(self, store: Store, clock: Clock) -> None:
        """Both are there, or neither is."""
        anna = await scene(store)
        renewal = await store.ask_renewal(anna.change, "1", Way.SAME_KEY)
        new = await sign(store, clock, renewal, anna.record, "aa")
        found = await asked(store, anna)
        assert (found.state, found.successor, found.chain) == (
            RenewalState.SIGNED,
            new.serial,
            b"a chain",
        )
        assert await store.waiting_renewals() == []

    async def test_a_second_one_records_nothing(self, store: Store, clock: Clock) -> None:
        """What is asked for no more is not signed."""
        anna = await scene(store)
        first = await store.ask_renewal(anna.change, "1", Way.SAME_KEY)
        await store.ask_renewal(anna.change, "2", Way.SAME_KEY)
        with pytest.raises(LedgerError, match="asked for no more"):
            await sign(store, clock, first, anna.record, "aa")
        found = await store.certificate("aa")
        assert found is not None
        assert found.state is CertificateState.RESERVED

    async def test_a_refusal_settles_once(self, store: Store) -> None:
        """And is told once."""
        anna = await scene(store)
        renewal = await store.ask_renewal(anna.change, "1", Way.SAME_KEY)
        for words in ("too early", "never"):
            await store.refuse_renewal(renewal, words, by="authority")
        assert (await asked(store, anna)).words == "too early"
        lines = await store.audit_tail(100)
        assert [line.event.kind for line in lines].count(AuditKind.RENEWAL_REFUSED) == 1


class TestHandingOver:
    async def test_happens_once(self, store: Store, clock: Clock) -> None:
        """Of many at the same instant one is given the key."""
        anna = await scene(store)
        renewal = await store.ask_renewal(anna.change, "1", Way.NEW_KEY, KEY)
        with pytest.raises(RenewalRefused):
            await store.hand_over_renewal(anna.change.session, renewal.id)
        await sign(store, clock, renewal, anna.record, "aa")
        answers = await asyncio.gather(
            *(store.hand_over_renewal(anna.change.session, renewal.id) for _ in range(4)),
            return_exceptions=True,
        )
        assert sum(isinstance(one, Renewal) for one in answers) == 1
        assert sum(isinstance(one, RenewalRefused) for one in answers) == 3

    async def test_not_of_what_was_revoked(self, store: Store, clock: Clock) -> None:
        """Somebody has reported the new one as lost before it was fetched."""
        anna = await scene(store)
        renewal = await store.ask_renewal(anna.change, "1", Way.NEW_KEY, KEY)
        await sign(store, clock, renewal, anna.record, "aa")
        reason = RevocationReason.KEY_COMPROMISE
        await store.revoke_certificates(serial="aa", reason=reason, by="test")
        with pytest.raises(RenewalRefused):
            await store.hand_over_renewal(anna.change.session, renewal.id)

    async def test_lapses_and_the_certificate_is_revoked(self, store: Store, clock: Clock) -> None:
        """After ten minutes, once."""
        anna = await scene(store)
        renewal = await store.ask_renewal(anna.change, "1", Way.NEW_KEY, KEY)
        await sign(store, clock, renewal, anna.record, "aa")
        assert await store.lapse_renewals(by="authority") == []
        clock.now += FETCH_WITHIN
        [gone] = await store.lapse_renewals(by="authority")
        assert gone.successor == "aa"
        found = await store.certificate("aa")
        assert found is not None
        assert found.state is CertificateState.REVOKED
        assert await store.lapse_renewals(by="authority") == []

    @pytest.mark.parametrize("way", Way)
    async def test_what_was_handed_over_does_not_lapse(
        self, store: Store, clock: Clock, way: Way
    ) -> None:
        """Nor what needs no handing over."""
        anna = await scene(store)
        renewal = await store.ask_renewal(anna.change, "1", way, KEY)
        await sign(store, clock, renewal, anna.record, "aa")
        if way is Way.NEW_KEY:
            await store.hand_over_renewal(anna.change.session, renewal.id)
        clock.now += ASKED_LIFETIME + FETCH_WITHIN
        assert await store.lapse_renewals(by="authority") == []
        found = await store.certificate("aa")
        assert found is not None
        assert found.state is CertificateState.VALID

    async def test_what_nobody_has_used_is_taken_back_when_asked_for_anew(
        self, store: Store, clock: Clock
    ) -> None:
        """And what somebody has signed in with is not."""
        anna = await scene(store)
        renewal = await store.ask_renewal(anna.change, "1", Way.NEW_KEY, KEY)
        await sign(store, clock, renewal, anna.record, "aa")
        renewal = await store.ask_renewal(anna.change, "2", Way.NEW_KEY, KEY)
        found = await store.certificate("aa")
        assert found is not None
        assert found.state is CertificateState.REVOKED
        new = await sign(store, clock, renewal, anna.record, "bb")
        await sign_in(store, new)
        with pytest.raises(RenewalRefused, match="renewed already"):
            await store.ask_renewal(anna.change, "3", Way.NEW_KEY, KEY)


class TestUse:
    async def test_begins_the_overlap(self, store: Store, clock: Clock) -> None:
        """Before that nothing ends the old one but its own end; after that it goes on so long."""
        anna = await scene(store)
        renewal = await store.ask_renewal(anna.change, "1", Way.SAME_KEY)
        new = await sign(store, clock, renewal, anna.record, "aa")
        assert await store.follow_renewals_used(OVERLAP, by="authority") == []
        clock.now += 100 * DAY
        assert await store.supersede_due(by="authority") == []
        first = clock.now
        await sign_in(store, new, created_at=first, expires_at=first + DAY)
        await sign_in(store, new, created_at=first + DAY, expires_at=first + 2 * DAY)
        clock.now += DAY
        [used] = await store.follow_renewals_used(OVERLAP, by="authority")
        assert (used.id, used.state) == (renewal.id, RenewalState.USED)
        assert await store.follow_renewals_used(OVERLAP, by="authority") == []
        assert await store.next_superseding(clock.now) == first + OVERLAP
        clock.now = first + OVERLAP
        [gone] = await store.supersede_due(by="authority")
        assert gone.serial == anna.record.serial

    async def test_that_comes_late_does_not_move_the_end(self, store: Store, clock: Clock) -> None:
        """The overlap goes to the old one's own end at the most."""
        anna = await scene(store)
        renewal = await store.ask_renewal(anna.change, "1", Way.SAME_KEY)
        new = await sign(store, clock, renewal, anna.record, "aa")
        clock.now = anna.record.not_after - DAY
        await sign_in(store, new, created_at=clock.now, expires_at=clock.now + DAY)
        await store.follow_renewals_used(OVERLAP, by="authority")
        old = await store.certificate(anna.record.serial)
        assert old is not None
        assert old.supersede_at == anna.record.not_after

    async def test_is_heard_of_by_whoever_supersedes(self, store: Store, clock: Clock) -> None:
        """Where there is no overlap it is over at once."""
        anna = await scene(store)
        renewal = await store.ask_renewal(anna.change, "1", Way.SAME_KEY)
        await sign_in(store, await sign(store, clock, renewal, anna.record, "aa"))
        async with aclosing(store.follow()) as batches:
            await anext(batches)
            await store.follow_renewals_used(timedelta(), by="authority")
            told = await anext(one.changes async for one in batches if one.changes)
        assert [(one.kind, one.key) for one in told] == [(ChangeKind.CERTIFICATE, anna.fingerprint)]
        [gone] = await store.supersede_due(by="authority")
        assert gone.serial == anna.record.serial

    async def test_is_remembered_longer_than_its_sessions(self, store: Store, clock: Clock) -> None:
        """What is in use is not taken back months later."""
        anna = await scene(store)
        renewal = await store.ask_renewal(anna.change, "1", Way.SAME_KEY)
        new = await sign(store, clock, renewal, anna.record, "aa")
        await sign_in(store, new)
        await store.follow_renewals_used(300 * DAY, by="authority")
        clock.now += 90 * DAY
        await store.add_person(new_person("bruno"))
        other = await issue(store, "bruno")
        late = {"created_at": clock.now, "expires_at": clock.now + DAY}
        await sign_in(store, other, **late)
        again = await sign_in(store, anna.record, **late)
        credentials = await store.credentials("anna")
        assert credentials is not None
        change = Change(SessionRecord(again, "stick-1", anna.record.serial), credentials.version)
        bruno = await store.credentials("bruno")
        assert bruno is not None
        of_bruno = SessionRecord(
            (await store.sessions(user="bruno"))[0], other.device, other.serial
        )
        # What is over is forgotten by whoever asks next.
        await store.ask_renewal(Change(of_bruno, bruno.version), "2", Way.SAME_KEY)
        standing = await store.renewal_standing(anna.fingerprint)
        assert standing is not None
        assert standing.used
        with pytest.raises(RenewalRefused, match="renewed already"):
            await store.ask_renewal(change, "3", Way.SAME_KEY)


class TestReminding:
    async def test_of_what_is_renewed_until_somebody_has_used_it(
        self, store: Store, clock: Clock
    ) -> None:
        """The file may lie in a folder of downloads: nothing else says that the end is near."""
        anna = await scene(store)
        clock.now = anna.record.not_after - timedelta(days=20)
        session = await sign_in(
            store, anna.record, created_at=clock.now, expires_at=clock.now + DAY
        )
        signed_in = SessionRecord(session, anna.record.device, anna.record.serial)
        change = Change(signed_in, anna.change.version)
        assert [one.renewed for one in await store.endings_to_tell(9)] == [False]
        renewal = await store.ask_renewal(change, "1", Way.SAME_KEY)
        new = await sign(store, clock, renewal, anna.record, "aa")
        [ending] = await store.endings_to_tell(9)
        assert (ending.serial, ending.renewed) == (anna.record.serial, True)
        await sign_in(store, new, created_at=clock.now, expires_at=clock.now + DAY)
        await store.follow_renewals_used(OVERLAP, by="authority")
        assert await store.endings_to_tell(9) == []

    async def test_each_step_is_taken_by_one(self, store: Store, clock: Clock) -> None:
        """However many ask for it at once; the next step is another."""
        anna = await scene(store)
        clock.now = anna.record.not_after - timedelta(days=20)
        [ending] = await store.endings_to_tell(9)
        assert (ending.email, ending.serial) == ("anna@example.it", anna.record.serial)
        taken = await asyncio.gather(*(store.take_notice(ending) for _ in range(4)))
        assert sum(taken) == 1
        assert await store.endings_to_tell(9) == []
        clock.now = anna.record.not_after - timedelta(days=5)
        second = await issue(store, device="stick-2")
        assert {one.serial for one in await store.endings_to_tell(9)} == {
            anna.record.serial,
            second.serial,
        }
        assert len(await store.endings_to_tell(1)) == 1
        await store.revoke_certificates(
            serial=second.serial, reason=RevocationReason.SUPERSEDED, by="test"
        )
        [ending] = await store.endings_to_tell(9)
        assert await store.take_notice(ending)

    async def test_nobody_is_told_who_need_not_act(self, store: Store, clock: Clock) -> None:
        """Too early, renewed, or over."""
        anna = await scene(store)
        clock.now = anna.record.not_after - timedelta(days=31)
        assert await store.endings_to_tell(9) == []
        clock.now = anna.record.not_after
        assert await store.endings_to_tell(9) == []
        assert clock.now > NOON
