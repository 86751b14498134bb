"""Certificates of other CAs: shown, judged, whose they are, and what is told of them."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event

from ca.trust import Revocation, RevocationReason
from gateway.core.audit import AuditKind
from gateway.core.changes import ChangeKind
from gateway.core.foreign import ForeignList, ForeignState, PersonBy, Verdict
from gateway.core.people import Fingerprint
from gateway.core.ports import StoreUnavailable
from gateway.core.sessions import Session, SessionId
from gateway.store import SignInOvertaken, Store, foreign, naming
from gateway.store.feed import rows_after
from policies.model import Level
from tests.gateway.store.scenes import DAY, NOON, TODAY, Clock, new_person

CARD = Fingerprint("ca" * 32)
OTHER = Fingerprint("cb" * 32)
GOOD = Verdict(
    CARD,
    ForeignState.ACCEPTED,
    trust="corp",
    issuer="CN=Corp CA",
    serial="4a0f",
    not_before=NOON - DAY,
    not_after=NOON + 365 * DAY,
    by=PersonBy.EMAIL,
    identity="Anna@Example.IT",
    good_until=NOON + DAY,
)
STOLEN = Revocation(NOON - timedelta(hours=1), RevocationReason.KEY_COMPROMISE)
ON_HOLD = Revocation(NOON, RevocationReason.CERTIFICATE_HOLD)


async def told(store: Store, after: int = 0) -> list[tuple[ChangeKind, str]]:
    """Return what the feed says behind *after*."""
    async with store.read() as connection:
        return [(one.kind, one.key) for one in await rows_after(connection, after)]


async def newest(store: Store) -> int:
    """Return how far the feed has come."""
    return len(await told(store))


async def shown(store: Store, *verdicts: Verdict) -> None:
    """Show certificates and judge them."""
    for verdict in verdicts:
        await store.present(verdict.fingerprint, b"der")
    await store.judge(verdicts, by="verifier")


async def kinds(store: Store) -> list[AuditKind]:
    """Return what the audit log tells, in order."""
    return [line.event.kind for line in await store.audit_tail(100)]


async def sign_in(store: Store, user: str = "anna") -> Session:
    """Open a session that rests on `CARD`."""
    verified = await store.credentials(user)
    assert verified is not None
    session = Session(
        id=SessionId("5e" * 16),
        user=user,
        fingerprint=CARD,
        level=Level.PASSWORD_TOTP,
        created_at=NOON,
        expires_at=NOON + timedelta(hours=8),
        address="192.0.2.7",
    )
    await store.open_session(session, "corp", "4a0f", verified=verified)
    return session


async def test_what_was_shown_waits_until_it_is_judged(store: Store) -> None:
    """It has no holder before; who judges hears of it in the feed, each time that it is shown."""
    assert not await store.has_presented()
    await store.present(CARD, b"der")
    await store.present(CARD, b"der")
    assert await store.has_presented()
    assert await store.holder(CARD) is None
    (waiting,) = await store.presented(state=ForeignState.WAITING)
    assert (waiting.der, waiting.presented_at, waiting.judged_at) == (b"der", NOON, None)
    assert await told(store) == [(ChangeKind.PRESENTED, CARD)] * 2
    await store.judge([GOOD], by="verifier")
    assert await store.presented(state=ForeignState.WAITING) == []
    before = await newest(store)
    await store.present(CARD, b"der")
    assert await told(store, before) == []


async def test_only_so_many_wait(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever comes then is told to come again, and nothing is written."""
    monkeypatch.setattr(foreign, "WAITING_MAXIMUM", 1)
    await store.present(CARD, b"der")
    with pytest.raises(StoreUnavailable, match="wait to be judged"):
        await store.present(OTHER, b"der")
    await store.present(CARD, b"der")
    assert len(await store.presented()) == 1


async def test_a_verdict_leads_to_its_person(store: Store) -> None:
    """By the mail address, of which case says nothing; the device is the trust."""
    await store.add_person(new_person())
    await shown(store, GOOD)
    holder = await store.holder(CARD)
    assert holder is not None
    assert holder.person == await store.person("anna")
    assert (holder.user, holder.device, holder.trust) == ("anna", "corp", "corp")
    assert (holder.issuer, holder.serial, holder.fault) == ("CN=Corp CA", "4a0f", "")
    assert (holder.not_after, holder.good_until) == (GOOD.not_after, GOOD.good_until)
    assert (holder.revoked_at, holder.scope) == (None, None)
    _, adopted = [line.event for line in await store.audit_tail(100)]
    assert (adopted.kind, adopted.user) == (AuditKind.CERTIFICATE_ADOPTED, "anna")


async def test_a_name_is_compared_as_it_stands(store: Store) -> None:
    """Names of users have one form; another is nobody's."""
    await store.add_person(new_person())
    await shown(store, replace(GOOD, by=PersonBy.USER, identity="anna"))
    holder = await store.holder(CARD)
    assert holder is not None
    assert holder.user == "anna"
    await shown(store, replace(GOOD, fingerprint=OTHER, by=PersonBy.USER, identity="ANNA"))
    holder = await store.holder(OTHER)
    assert holder is not None
    assert (holder.user, holder.person) == ("", None)


async def test_only_people_who_are_named_are_read(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some at a time, however many there are; whoever is not named is not looked at."""
    monkeypatch.setattr(naming, "AT_ONCE", 1)
    for user in ("anna", "berta", "carla", "dora"):
        await store.add_person(new_person(user, email=f"{user}@example.it"))
    by_name = [replace(GOOD, by=PersonBy.USER, identity=user) for user in ("anna", "berta")]
    by_mail = [replace(GOOD, identity=f"{user}@example.it") for user in ("Berta", "carla")]
    verdicts = [
        replace(one, fingerprint=Fingerprint(f"{number:02x}" * 32))
        for number, one in enumerate([*by_name, *by_mail])
    ]
    await shown(store, *verdicts)
    asked: list[str] = []
    async with store.read() as connection:
        event.listen(
            connection.sync_connection,
            "before_cursor_execute",
            lambda _connection, _cursor, statement, *_: asked.append(statement),
        )
        found = await foreign.read_presented(connection)
    assert [one.user for one in found] == ["anna", "berta", "berta", "carla"]
    of_people = [statement for statement in asked if "FROM person" in statement]
    assert len(of_people) == 4
    assert all("WHERE" in statement for statement in of_people)


@pytest.mark.parametrize("identity", ["", "berta@example.it"])
async def test_what_names_nobody_is_nobodys(store: Store, identity: str) -> None:
    """Not of somebody without an address either."""
    await store.add_person(new_person(email=""))
    await shown(store, replace(GOOD, identity=identity))
    holder = await store.holder(CARD)
    assert holder is not None
    assert (holder.user, holder.person) == ("", None)


async def test_an_address_that_two_have_is_nobodys(store: Store) -> None:
    """And each change of that is told, so that memory forgets who held it."""
    await store.add_person(new_person())
    await shown(store, GOOD)
    before = await newest(store)
    await store.add_person(new_person("berta", email="ANNA@example.it"))
    assert (ChangeKind.CERTIFICATE, CARD) in await told(store, before)
    holder = await store.holder(CARD)
    assert holder is not None
    assert holder.person is None
    assert [one.user for one in await store.presented()] == [""]
    before = await newest(store)
    await store.remove_person("berta", TODAY)
    assert (ChangeKind.CERTIFICATE, CARD) in await told(store, before)
    holder = await store.holder(CARD)
    assert holder is not None
    assert holder.user == "anna"
    assert [one.user for one in await store.presented()] == ["anna"]


async def test_what_is_refused_says_why_and_is_nobodys(store: Store) -> None:
    """Its dates may not even be known."""
    await store.add_person(new_person())
    refused = Verdict(
        CARD,
        ForeignState.REFUSED,
        trust="corp",
        by=PersonBy.EMAIL,
        identity="anna@example.it",
        fault="name-constraint",
        words="example.it is not among the names that CN=Corp CA may give",
    )
    await shown(store, refused)
    holder = await store.holder(CARD)
    assert holder is not None
    assert (holder.fault, holder.user, holder.person) == ("name-constraint", "", None)
    (kept,) = await store.presented(trust="corp")
    assert kept.verdict == refused
    assert kept.judged_at == NOON


async def test_where_nothing_is_known_of_revocation_it_is_over(store: Store, clock: Clock) -> None:
    """Unknown is not good: the information ended when it was shown."""
    await store.add_person(new_person())
    await shown(store, replace(GOOD, good_until=None))
    clock.now += timedelta(seconds=1)
    holder = await store.holder(CARD)
    assert holder is not None
    assert holder.good_until == NOON
    with pytest.raises(SignInOvertaken):
        await sign_in(store)


async def test_revoked_by_its_ca_ends_sessions_and_is_told(store: Store) -> None:
    """In the feed by fingerprint, so that only its connections are judged anew."""
    await store.add_person(new_person())
    await shown(store, GOOD, replace(GOOD, fingerprint=OTHER, serial="4a10"))
    session = await sign_in(store)
    before = await newest(store)
    await store.judge([replace(GOOD, revocation=STOLEN)], by="verifier")
    assert await told(store, before) == [
        (ChangeKind.CERTIFICATE, CARD),
        (ChangeKind.SESSION, session.id),
    ]
    holder = await store.holder(CARD)
    assert holder is not None
    assert (holder.revoked_at, holder.reason) == (STOLEN.at, STOLEN.reason)
    ended = await store.session(session.id)
    assert ended is not None
    assert ended.ended_at == NOON
    assert (await kinds(store))[-2:] == [AuditKind.CERTIFICATE_REVOKED, AuditKind.SESSION_ENDED]
    with pytest.raises(SignInOvertaken):
        await sign_in(store)


async def test_the_audit_log_names_whose_it_was(store: Store) -> None:
    """Also where it is revoked when it is first shown, and where its trust goes."""
    await store.add_person(new_person())
    await shown(store, replace(GOOD, revocation=STOLEN), replace(GOOD, fingerprint=OTHER))
    await store.judge(
        [replace(GOOD, fingerprint=OTHER, state=ForeignState.REFUSED, fault="no-trust")], by="test"
    )
    told = [line.event for line in await store.audit_tail(100)][1:]
    assert [(one.kind, one.user) for one in told] == [
        (AuditKind.CERTIFICATE_REVOKED, "anna"),
        (AuditKind.CERTIFICATE_ADOPTED, "anna"),
        (AuditKind.CERTIFICATE_REFUSED, "anna"),
    ]


async def test_a_hold_by_its_ca_is_released(store: Store) -> None:
    """Held is told apart from revoked, and the way back is told too."""
    await store.add_person(new_person())
    await shown(store, replace(GOOD, revocation=ON_HOLD))
    holder = await store.holder(CARD)
    assert holder is not None
    assert holder.held
    await store.judge([GOOD], by="verifier")
    holder = await store.holder(CARD)
    assert holder is not None
    assert holder.revoked_at is None
    assert (await kinds(store))[-2:] == [
        AuditKind.CERTIFICATE_HELD,
        AuditKind.CERTIFICATE_RELEASED,
    ]


async def test_what_is_revoked_for_good_stays_so(store: Store) -> None:
    """Another node's verifier may go by an older list; only the end of trust is the end of it."""
    await shown(store, replace(GOOD, revocation=STOLEN))
    before = await newest(store)
    for verdict in (GOOD, replace(GOOD, revocation=ON_HOLD)):
        await store.judge([verdict], by="verifier")
        (row,) = await store.presented()
        assert row.verdict.revocation == STOLEN
    assert await told(store, before) == []
    await store.judge([replace(GOOD, state=ForeignState.REFUSED, fault="no-trust")], by="verifier")
    await store.judge([GOOD], by="verifier")
    (row,) = await store.presented()
    assert row.verdict.revocation is None


async def test_a_path_that_holds_no_more_undoes_no_revocation(store: Store) -> None:
    """A CA may be given a new certificate, and another node may go by an older list."""
    await shown(store, replace(GOOD, revocation=STOLEN))
    await store.judge(
        [replace(GOOD, state=ForeignState.REFUSED, fault="authority-dates")], by="verifier"
    )
    await store.judge([GOOD], by="verifier")
    (row,) = await store.presented()
    assert (row.verdict.state, row.verdict.revocation) == (ForeignState.ACCEPTED, STOLEN)
    await store.judge(
        [replace(GOOD, state=ForeignState.REFUSED, trust="", fault="unknown-issuer")],
        by="verifier",
    )
    await store.judge([GOOD], by="verifier")
    (row,) = await store.presented()
    assert row.verdict.revocation is None


@pytest.mark.parametrize(
    "known",
    [GOOD, replace(GOOD, revocation=STOLEN), replace(GOOD, state=ForeignState.REFUSED, fault="x")],
)
async def test_that_there_was_no_time_is_no_news_of_what_was_judged(
    store: Store, known: Verdict
) -> None:
    """It answers only what waits."""
    costly = Verdict(CARD, ForeignState.REFUSED, fault="too-costly")
    await shown(store, costly)
    (row,) = await store.presented()
    assert row.verdict.fault == "too-costly"
    await store.judge([known], by="verifier")
    before = await newest(store)
    await store.judge([costly], by="verifier")
    (row,) = await store.presented()
    assert row.verdict == replace(known, identity="anna@example.it")
    assert await told(store, before) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"identity": "berta"},
        {"identity": "berta", "good_until": NOON + 2 * DAY},
        {"by": PersonBy.EMAIL},
        {"trust": "lab"},
        {"state": ForeignState.REFUSED, "fault": "no-trust", "trust": "", "good_until": None},
        {"revocation": ON_HOLD},
        {"not_after": NOON + 10 * DAY},
    ],
)
async def test_what_changes_one_certificate_is_told_of_that_one(
    store: Store, changes: dict[str, Any]
) -> None:
    """Given to somebody else, of another trust, refused: not of the others, nor of the trust."""
    good = replace(GOOD, by=PersonBy.USER, identity="anna")
    await shown(store, good, replace(good, fingerprint=OTHER))
    before = await newest(store)
    await store.judge([replace(good, **changes), replace(good, fingerprint=OTHER)], by="verifier")
    assert await told(store, before) == [(ChangeKind.CERTIFICATE, CARD)]


async def test_a_later_list_is_told_once_for_the_whole_trust(store: Store) -> None:
    """A row of the feed for each certificate would be thousands; what is the same is not told."""
    await shown(store, GOOD, replace(GOOD, fingerprint=OTHER))
    before = await newest(store)
    await store.judge([GOOD], by="verifier")
    assert await told(store, before) == []
    later = [replace(GOOD, fingerprint=one, good_until=NOON + 2 * DAY) for one in (CARD, OTHER)]
    await store.judge(later, by="verifier")
    assert await told(store, before) == [(ChangeKind.TRUST, "corp")]


async def test_what_falls_ends_sessions(store: Store) -> None:
    """A CA that is no longer trusted takes with it what rested on it."""
    await store.add_person(new_person())
    await shown(store, GOOD)
    session = await sign_in(store)
    await store.judge([replace(GOOD, state=ForeignState.REFUSED, fault="no-trust")], by="verifier")
    ended = await store.session(session.id)
    assert ended is not None
    assert ended.ended_at == NOON
    line = (await store.audit_tail(2))[0].event
    assert (line.kind, line.reason) == (AuditKind.CERTIFICATE_REFUSED, "no-trust")


async def test_a_sign_in_that_a_verdict_overtakes_opens_nothing(store: Store) -> None:
    """Refused meanwhile, or the information ended meanwhile."""
    await store.add_person(new_person())
    await shown(store, replace(GOOD, state=ForeignState.REFUSED, fault="no-trust"))
    with pytest.raises(SignInOvertaken):
        await sign_in(store)
    await store.judge([replace(GOOD, good_until=NOON - DAY)], by="verifier")
    with pytest.raises(SignInOvertaken):
        await sign_in(store)
    await store.judge([GOOD], by="verifier")
    await sign_in(store)


async def test_a_verdict_on_what_is_gone_is_dropped(store: Store) -> None:
    """Its row was taken out while it was judged."""
    await store.judge([GOOD], by="verifier")
    assert await store.presented() == []
    assert await told(store) == []


@pytest.mark.parametrize(
    "reason", [RevocationReason.KEY_COMPROMISE, RevocationReason.CERTIFICATE_HOLD]
)
async def test_a_block_holds_for_every_writing_of_a_certificate(
    store: Store, reason: RevocationReason
) -> None:
    """A second signature that is as good gives it another fingerprint, and nothing else."""
    await store.add_person(new_person())
    await shown(store, GOOD)
    async with store._step() as step:
        await foreign.block(step.connection, [CARD], reason, NOON)
    await shown(store, replace(GOOD, fingerprint=OTHER))
    holder = await store.holder(OTHER)
    assert holder is not None
    assert (holder.revoked_at, holder.reason) == (NOON, reason)
    third = Fingerprint("cc" * 32)
    await shown(store, replace(GOOD, fingerprint=third, serial="4a10"))
    holder = await store.holder(third)
    assert holder is not None
    assert holder.revoked_at is None


async def test_what_has_ended_is_taken_out(store: Store) -> None:
    """And what was refused long ago; what is still good stays. Who remembers it is told."""
    refused = replace(GOOD, fingerprint=OTHER, state=ForeignState.REFUSED, fault="no-trust")
    await shown(store, GOOD, refused)
    before = await newest(store)
    assert await store.forget_presented(NOON) == 0
    assert await told(store, before) == []
    assert await store.forget_presented(NOON + DAY) == 1
    assert await told(store, before) == [(ChangeKind.CERTIFICATE, OTHER)]
    assert [one.verdict.fingerprint for one in await store.presented()] == [CARD]
    assert await store.forget_presented(NOON + 366 * DAY) == 1


async def test_only_so_many_that_were_refused_are_kept(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever may issue below a CA that is believed fills no disk; the newest stay."""
    monkeypatch.setattr(foreign, "REFUSED_MAXIMUM", 2)
    await shown(store, GOOD)
    many = [Fingerprint(f"{number:064x}") for number in range(4)]
    for one in many:
        clock.now += timedelta(seconds=1)
        await shown(store, replace(GOOD, fingerprint=one, state=ForeignState.REFUSED, fault="path"))
    assert await store.forget_presented(NOON - DAY) == 2
    kept = {one.verdict.fingerprint for one in await store.presented()}
    assert kept == {CARD, *many[2:]}


async def test_lists_are_noted_as_a_whole(store: Store) -> None:
    """Those of a trust replace those that were noted of it, and of no other."""
    one = ForeignList("corp", "http://ca.example/corp.crl", "CN=Corp CA", "7", NOON, NOON + DAY, 3)
    other = ForeignList("lab", "http://lab.example/lab.crl", failure="no answer", failed_at=NOON)
    await store.note_lists("corp", [replace(one, source="old"), one])
    await store.note_lists("lab", [other])
    await store.note_lists("corp", [one])
    assert await store.foreign_lists() == [one, other]
    await store.keep_lists(["lab"])
    assert await store.foreign_lists() == [other]
    await store.note_lists("lab", [])
    assert await store.foreign_lists() == []


async def test_what_is_blocked_here_stays_so_whatever_its_ca_says(store: Store) -> None:
    """By serial or by person; at once, told, and its sessions end."""
    await store.add_person(new_person())
    await shown(store, GOOD)
    session = await sign_in(store)
    before = await newest(store)
    reason = RevocationReason.KEY_COMPROMISE
    (blocked,) = await store.block_presented(user="anna", reason=reason, by="command")
    assert (blocked.verdict.fingerprint, blocked.user) == (CARD, "anna")
    assert await told(store, before) == [
        (ChangeKind.CERTIFICATE, CARD),
        (ChangeKind.SESSION, session.id),
    ]
    await store.judge([replace(GOOD, good_until=NOON + 2 * DAY)], by="verifier")
    holder = await store.holder(CARD)
    assert holder is not None
    assert (holder.revoked_at, holder.reason) == (NOON, reason)
    assert await store.block_presented(serial="4a0f", reason=reason, by="command") == []
    assert await store.unblock_presented(serial="4a0f", by="command") == []
    line = (await store.audit_tail(2))[0].event
    assert (line.kind, line.user, line.reason) == (AuditKind.CERTIFICATE_REVOKED, "anna", reason)
    # As long as the certificate could come in, the block is not forgotten.
    assert await store.forget_presented(NOON + 100 * DAY) == 0


async def test_a_hold_here_ends_with_its_release_here(store: Store) -> None:
    """That of its CA is another one, and a revocation by its CA weighs more than a hold here."""
    await store.add_person(new_person())
    await shown(store, GOOD)
    hold = RevocationReason.CERTIFICATE_HOLD
    assert len(await store.block_presented(serial="4a0f", reason=hold, by="command")) == 1
    holder = await store.holder(CARD)
    assert holder is not None
    assert holder.held
    await store.judge([replace(GOOD, revocation=STOLEN)], by="verifier")
    holder = await store.holder(CARD)
    assert holder is not None
    assert holder.reason == STOLEN.reason
    assert len(await store.unblock_presented(user="anna", by="command")) == 1
    holder = await store.holder(CARD)
    assert holder is not None
    assert holder.revoked_at == STOLEN.at
    assert (await kinds(store))[-1] is AuditKind.CERTIFICATE_RELEASED


async def test_nothing_named_blocks_nothing(store: Store) -> None:
    """It must never mean everything; and who has none has none."""
    await store.add_person(new_person())
    await shown(store, GOOD)
    reason = RevocationReason.KEY_COMPROMISE
    with pytest.raises(ValueError, match="name the certificates"):
        await store.block_presented(reason=reason, by="command")
    assert await store.block_presented(user="berta", reason=reason, by="command") == []
    assert await store.block_presented(serial="ff", reason=reason, by="command") == []
