import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ca.trust import RevocationReason
from gateway.core.audit import AuditKind
from gateway.core.changes import Change, ChangeKind
from gateway.core.people import Fingerprint, Holder
from gateway.core.ports import StoreUnavailable
from gateway.core.refusal_kinds import Refusal
from gateway.core.sessions import Session, SessionId
from gateway.edge import admission as module
from gateway.edge.admission import (
    GRANT_LIFETIME,
    Admission,
    Grant,
    HolderMissing,
    RecordMissing,
    SessionMissing,
)
from policies.model import Allow
from tests.gateway.edge.stage import Stage
from tests.gateway.edge.stores import Question
from tests.gateway.edge.waiting import soon

DAY = timedelta(days=1)
MICROSECOND = timedelta(microseconds=1)


async def learn_holder(stage: Stage) -> Holder:
    """Let the edge learn whose stick Anna's is."""
    fingerprint = Fingerprint(stage.made.anna.fingerprint)
    await stage.edge.admission.learn(HolderMissing(fingerprint))
    holder = stage.edge.admission.holder(fingerprint)
    assert isinstance(holder, Holder)
    return holder


async def grant_to(stage: Stage, session: Session, app: str = "wiki") -> Grant:
    """Let the edge turn an allowance into a grant, with its line in the log."""
    admission, application = stage.edge.admission, stage.applications()[app]
    holder = await learn_holder(stage)
    for _ in range(2):
        grant = admission.make_grant(holder, session, application, Allow("a rule"), "192.0.2.7")
        if isinstance(grant, Grant):
            return grant
        await admission.learn(grant)
    raise AssertionError("recorded, and yet no grant")


def changes(*named: tuple[ChangeKind, str]) -> tuple[Change, ...]:
    """Return changes as the feed says them."""
    return tuple(Change(number, kind, key) for number, (kind, key) in enumerate(named, 1))


# Certificates ---------------------------------------------------------------


async def test_what_was_not_asked_is_missing_and_what_was_asked_is_remembered(
    stage: Stage,
) -> None:
    """A certificate that we never issued is remembered as such."""
    stranger = Fingerprint("0" * 64)
    admission = stage.edge.admission
    assert admission.holder(stranger) == HolderMissing(stranger)
    await admission.learn(HolderMissing(stranger))
    assert admission.holder(stranger) is None
    holder = await learn_holder(stage)
    assert (holder.user, holder.device) == ("anna", "stick-1")
    assert stage.held.asked.count(Question.HOLDER) == 2


async def test_a_good_certificate_has_no_objection(stage: Stage) -> None:
    """From its first moment to its last."""
    holder = await learn_holder(stage)
    for now in (holder.not_before, stage.clock(), holder.not_after):
        stage.edge.admission._reliable_until = now
        assert stage.edge.admission.judge_holder(holder, now) is None


async def test_each_bad_certificate_has_its_own_refusal(stage: Stage) -> None:
    """Revoked stands whatever else; a person who is gone or disabled comes last."""
    holder, admission, now = await learn_holder(stage), stage.edge.admission, stage.clock()
    assert holder.person is not None
    revoked = replace(holder, revoked_at=now, reason="keyCompromise", not_after=now - DAY)
    disabled = replace(holder, person=replace(holder.person, enabled=False))
    cases = {
        Refusal.CERTIFICATE_UNKNOWN: None,
        Refusal.CERTIFICATE_REVOKED: revoked,
        Refusal.CERTIFICATE_HELD: replace(revoked, reason="certificateHold"),
        Refusal.CERTIFICATE_EXPIRED: replace(holder, not_after=now - MICROSECOND),
        Refusal.CERTIFICATE_NOT_YET_VALID: replace(holder, not_before=now + MICROSECOND),
        Refusal.PERSON_REMOVED: replace(holder, person=None),
        Refusal.PERSON_DISABLED: disabled,
    }
    for refusal, one in cases.items():
        assert admission.judge_holder(one, now) is refusal


async def test_a_reason_from_a_newer_version_revokes_all_the_same(stage: Stage) -> None:
    """Another node may know more reasons than this one."""
    holder = await learn_holder(stage)
    revoked = replace(holder, revoked_at=stage.clock(), reason="aReasonOfTomorrow")
    refusal = stage.edge.admission.judge_holder(revoked, stage.clock())
    assert refusal is Refusal.CERTIFICATE_REVOKED
    unspecified = replace(revoked, reason=None)
    refusal = stage.edge.admission.judge_holder(unspecified, stage.clock())
    assert refusal is Refusal.CERTIFICATE_REVOKED


async def test_stale_is_neither_good_nor_unknown(stage: Stage) -> None:
    """When the feed is silent nobody can say; a revocation that is known stands."""
    holder, admission = await learn_holder(stage), stage.edge.admission
    later = admission._reliable_until + MICROSECOND
    assert not admission.reliable(later)
    assert admission.judge_holder(holder, later) is Refusal.CERTIFICATE_STATUS_STALE
    assert admission.judge_holder(None, later) is Refusal.CERTIFICATE_STATUS_STALE
    revoked = replace(holder, revoked_at=later, reason="keyCompromise")
    assert admission.judge_holder(revoked, later) is Refusal.CERTIFICATE_REVOKED


async def test_nothing_is_reliable_before_the_feed_was_heard(stage: Stage) -> None:
    """A worker that has just begun refuses."""
    now = stage.clock()
    fresh = Admission(stage.held, stage.edge.admission._asserter, DAY, lambda: now)
    assert not fresh.reliable(now + MICROSECOND)
    fresh.confirm(now)
    assert fresh.reliable(now + DAY)
    assert not fresh.reliable(now + DAY + MICROSECOND)


# Reads that are overtaken ---------------------------------------------------


async def test_an_answer_that_a_change_has_overtaken_is_thrown_away(stage: Stage) -> None:
    """It was read before the revocation and would have come into memory after it."""
    fingerprint = Fingerprint(stage.made.anna.fingerprint)
    stage.held.hold(Question.HOLDER)
    learning = asyncio.ensure_future(stage.edge.admission.learn(HolderMissing(fingerprint)))
    await stage.held.wait_asked(Question.HOLDER)
    await stage.store.revoke_certificates(
        serial=stage.made.anna.serial, reason=RevocationReason.KEY_COMPROMISE, by="test"
    )
    stage.edge.admission.forget(changes((ChangeKind.CERTIFICATE, fingerprint)))
    stage.held.release(Question.HOLDER)
    await soon(learning)
    holder = stage.edge.admission.holder(fingerprint)
    assert isinstance(holder, Holder)
    assert holder.revoked_at is not None
    # Once more yet, where the feed's own word of the revocation came in between.
    assert stage.held.asked.count(Question.HOLDER) >= 2


class Restless:
    """A store of which the feed tells something at each question, *often* times."""

    def __init__(self, stage: Stage, key: str, often: int = 1) -> None:
        self._stage = stage
        self._key = key
        self._often = often
        self.asked = 0

    def _tell(self) -> None:
        self.asked += 1
        for _ in range(self._often):
            self._stage.edge.admission.forget(changes((ChangeKind.USER, self._key)))

    async def session(self, session: SessionId) -> Session | None:
        del session
        self._tell()
        return None

    async def holder(self, fingerprint: Fingerprint) -> Holder | None:
        found = await self._stage.store.holder(fingerprint)
        self._tell()
        return found


async def test_a_store_that_changes_all_the_time_cannot_be_read(stage: Stage) -> None:
    """Nothing is concluded from such answers."""
    admission = stage.edge.admission
    missing = SessionMissing(SessionId("0" * 32))
    admission._store = Restless(stage, missing.session)  # type: ignore[assignment]
    with pytest.raises(StoreUnavailable):
        await admission.learn(missing)
    assert admission.session(missing.session) == missing
    holder = HolderMissing(Fingerprint(stage.made.anna.fingerprint))
    for one in (Restless(stage, "anna"), Restless(stage, holder.fingerprint)):
        admission._store = one  # type: ignore[assignment]
        with pytest.raises(StoreUnavailable):
            await admission.learn(holder)
        assert admission.holder(holder.fingerprint) == holder


async def test_what_others_do_meanwhile_is_no_reason_to_ask_again(stage: Stage) -> None:
    """In the morning everybody's first day counts, and nobody would be let in for that."""
    admission = stage.edge.admission
    holder = HolderMissing(Fingerprint(stage.made.anna.fingerprint))
    admission._store = busy = Restless(stage, "bruno", 100)  # type: ignore[assignment]
    await admission.learn(holder)
    found = admission.holder(holder.fingerprint)
    assert isinstance(found, Holder)
    await admission.learn(SessionMissing(SessionId("0" * 32)))
    assert busy.asked == 2


async def test_more_news_than_are_kept_may_be_of_anybody(stage: Stage) -> None:
    """Nothing is concluded from an answer behind so many; nor where everything may have changed."""
    admission = stage.edge.admission
    holder = HolderMissing(Fingerprint(stage.made.anna.fingerprint))
    admission._store = Restless(stage, "bruno", module._NEWS + 1)  # type: ignore[assignment]
    with pytest.raises(StoreUnavailable):
        await admission.learn(holder)

    class Gone(Restless):
        def _tell(self) -> None:
            admission.forget_everything()

    admission._store = Gone(stage, "bruno")  # type: ignore[assignment]
    with pytest.raises(StoreUnavailable):
        await admission.learn(holder)
    assert admission.holder(holder.fingerprint) == holder


async def test_what_the_store_cannot_say_is_still_missing(stage: Stage) -> None:
    """And the error is the caller's to answer."""
    stage.held.fail(Question.HOLDER)
    missing = HolderMissing(Fingerprint(stage.made.anna.fingerprint))
    with pytest.raises(StoreUnavailable):
        await stage.edge.admission.learn(missing)
    assert stage.edge.admission.holder(missing.fingerprint) == missing


# Sessions and grants --------------------------------------------------------


async def test_sessions_are_remembered_too(stage: Stage) -> None:
    """The one that is there, and the one that never was."""
    session = await stage.sign_in()
    never = SessionId("0" * 32)
    for number, expected in ((session.id, session), (never, None)):
        assert stage.edge.admission.session(number) == SessionMissing(number)
        await stage.edge.admission.learn(SessionMissing(number))
        assert stage.edge.admission.session(number) == expected


async def test_no_grant_without_its_line_in_the_audit_log(stage: Stage) -> None:
    """Written before, once for a session, an application and a rule."""
    session, holder = await stage.sign_in(), await learn_holder(stage)
    wiki, admission = stage.applications()["wiki"], stage.edge.admission
    missing = admission.make_grant(holder, session, wiki, Allow("a rule"), "192.0.2.7")
    assert isinstance(missing, RecordMissing)
    assert admission.grant(session.id, wiki, stage.clock()) is None
    stage.held.fail(Question.RECORD, times=1)
    with pytest.raises(StoreUnavailable):
        await admission.learn(missing)
    assert isinstance(
        admission.make_grant(holder, session, wiki, Allow("a rule"), "::1"), RecordMissing
    )
    await admission.learn(missing)
    grant = admission.make_grant(holder, session, wiki, Allow("a rule"), "::1")
    assert isinstance(grant, Grant)
    assert admission.grant(session.id, wiki, stage.clock()) is grant
    (event,) = await stage.audit(AuditKind.ACCESS_ALLOWED)
    assert (event.user, event.app, event.address) == ("anna", "wiki", "192.0.2.7")
    assert event.detail == {"rule": "a rule"}
    other = admission.make_grant(holder, session, wiki, Allow("another rule"), "::1")
    assert isinstance(other, RecordMissing)


async def test_a_decision_is_no_other_that_says_the_same(stage: Stage) -> None:
    """One of them may have ended; and lines of the access log are found by the grant."""
    grant = await grant_to(stage, await stage.sign_in())
    assert grant != replace(grant)


async def test_a_grant_says_who_is_calling(stage: Stage) -> None:
    """In fields that the application can believe; its own header among them."""
    session, holder = await stage.sign_in(), await learn_holder(stage)
    wiki = replace(stage.applications()["wiki"], user_header="X-Who")
    admission = stage.edge.admission
    await admission.learn(RecordMissing(holder, session.id, "wiki", "a rule", ""))
    grant = admission.make_grant(holder, session, wiki, Allow("a rule"), "")
    assert isinstance(grant, Grant)
    lines = grant.lines.decode().split("\r\n")
    assert lines[:3] == [
        "X-Forwarded-User: anna",
        "X-Forwarded-Email: anna@example.it",
        "X-Forwarded-Groups: technicians",
    ]
    assert lines[3].startswith("Pusterla-Assertion: ey")
    assert lines[4:] == ["X-Who: anna", ""]


async def test_a_grant_ends_with_whatever_ends_first(stage: Stage) -> None:
    """Its own short life, the session, the certificate."""
    long = await grant_to(stage, await stage.sign_in())
    assert long.until <= stage.clock() + GRANT_LIFETIME
    short = await stage.sign_in(lifetime=timedelta(seconds=7))
    assert (await grant_to(stage, short)).until == short.expires_at
    holder = replace(await learn_holder(stage), not_after=stage.clock() + timedelta(seconds=3))
    wiki = stage.applications()["wiki"]
    grant = stage.edge.admission.make_grant(holder, long.session, wiki, Allow("a rule"), "")
    assert isinstance(grant, Grant)
    assert grant.until == holder.not_after
    admission = stage.edge.admission
    assert admission.grant(long.session.id, wiki, holder.not_after - MICROSECOND) is grant
    assert admission.grant(long.session.id, wiki, holder.not_after) is None


@pytest.mark.parametrize("kind", [ChangeKind.CERTIFICATE, ChangeKind.USER, ChangeKind.SESSION])
async def test_a_change_ends_the_grants_that_it_touches(stage: Stage, kind: ChangeKind) -> None:
    """And no others; what it names is asked anew."""
    admission = stage.edge.admission
    session, other = await stage.sign_in(), await stage.sign_in()
    await admission.learn(SessionMissing(session.id))
    grant, crm = await grant_to(stage, session), await grant_to(stage, session, "crm")
    spared = await grant_to(stage, replace(other, user="bruno", fingerprint=Fingerprint("b" * 64)))
    key = {
        ChangeKind.CERTIFICATE: session.fingerprint,
        ChangeKind.USER: session.user,
        ChangeKind.SESSION: session.id,
    }[kind]
    await admission.learn(HolderMissing(Fingerprint(stage.made.bruno.fingerprint)))
    admission.forget(changes((ChangeKind.CRL, "issuing-1"), (kind, key)))
    assert (grant.live, crm.live, spared.live) == (False, False, True)
    assert admission.grant(session.id, stage.applications()["wiki"], stage.clock()) is None
    forgotten = isinstance(admission.holder(session.fingerprint), HolderMissing)
    assert forgotten is (kind is not ChangeKind.SESSION)
    known = admission.session(session.id)
    assert isinstance(known, SessionMissing) is (kind is ChangeKind.SESSION)
    assert isinstance(admission.holder(Fingerprint(stage.made.bruno.fingerprint)), Holder)


async def test_a_change_of_somebody_unknown_forgets_nothing(stage: Stage) -> None:
    """Memory holds strangers' certificates too, which belong to nobody."""
    admission = stage.edge.admission
    await admission.learn(HolderMissing(Fingerprint("0" * 64)))
    await learn_holder(stage)
    admission.forget(changes((ChangeKind.USER, "carla")))
    assert admission.holder(Fingerprint("0" * 64)) is None
    assert isinstance(admission.holder(Fingerprint(stage.made.anna.fingerprint)), Holder)


async def test_after_a_gap_nothing_is_known(stage: Stage) -> None:
    """Certificates, sessions and grants are forgotten."""
    session = await stage.sign_in()
    await stage.edge.admission.learn(SessionMissing(session.id))
    grant = await grant_to(stage, session)
    stage.edge.admission.forget_everything()
    assert not grant.live
    assert isinstance(stage.edge.admission.session(session.id), SessionMissing)
    assert isinstance(stage.edge.admission.holder(session.fingerprint), HolderMissing)


async def test_memory_is_bounded(stage: Stage) -> None:
    """Each part is emptied when it is full; a grant that is dropped is also ended."""
    admission, session = stage.edge.admission, await stage.sign_in()
    grant = await grant_to(stage, session)
    crowd: dict[Any, Any] = dict.fromkeys(range(module.REMEMBERED_MAXIMUM))
    admission._holders, admission._sessions = dict(crowd), dict(crowd)
    admission._recorded = set(crowd)
    await admission.learn(HolderMissing(Fingerprint(stage.made.bruno.fingerprint)))
    await admission.learn(SessionMissing(session.id))
    await admission.learn(RecordMissing(await learn_holder(stage), session.id, "crm", "r", ""))
    assert len(admission._holders) == 2
    assert len(admission._sessions) == len(admission._recorded) == 1
    for number in range(1, module.REMEMBERED_MAXIMUM):
        other = replace(grant, app=replace(grant.app, name=str(number)))
        admission._grants[session.id, other.app.name, ()] = other
    newest = await grant_to(stage, session)
    assert not grant.live
    assert [*admission._grants.values()] == [newest]
