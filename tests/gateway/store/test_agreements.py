"""Texts that people accept and take back, on both databases."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from gateway.core.agreements import DAY_MAXIMUM, Acceptance, Accepting, AgreementText
from gateway.core.audit import AuditEvent, AuditKind
from gateway.core.changes import Change, ChangeKind
from gateway.core.people import Fingerprint
from gateway.core.sessions import SessionId
from gateway.store import Actor, NoSuchPerson, SignInOvertaken, Store, open_store
from policies.papers import Papers, mark_of
from tests.gateway.store.scenes import NOON, TODAY, Clock, issue, new_person, sign_in

TEXT = AgreementText("1", "it", "# Lavoro agile", "a" * 64)
SECOND = AgreementText("2", "it", "# Lavoro agile, di nuovo", "b" * 64)


def always(moment: datetime) -> bool:
    """Say of any text that it can be accepted."""
    return moment == NOON


async def enter(store: Store) -> Actor:
    """Let anna sign in."""
    await store.add_person(new_person())
    record = await issue(store)
    session = await sign_in(store, record)
    return Actor(session, record.serial, "stick-1", "198.51.100.9", "bvqflyq-k3v7qh2-1f")


async def papers(store: Store, signatory: Actor) -> Papers:
    """Return what is read with anna's certificate."""
    holder = await store.holder(Fingerprint(signatory.session.fingerprint))
    assert holder is not None
    return holder.papers


async def told(store: Store, kind: AuditKind) -> list[AuditEvent]:
    """Return what the audit log says of it."""
    return [line.event for line in await store.audit_tail(100) if line.event.kind is kind]


async def test_an_acceptance_is_written_with_everything(store: Store) -> None:
    """With version, language, digest, time and certificate; policies ask for it from then on."""
    anna = await enter(store)
    assert (await papers(store, anna)).accepted == frozenset()
    assert await store.accept_agreement(anna, "home", TEXT, always) is Accepting.ACCEPTED
    assert await store.acceptances(user="anna") == [
        Acceptance("anna", "home", "1", "it", "a" * 64, anna.serial, NOON)
    ]
    assert (await papers(store, anna)).accepted == {mark_of("home", "1", "a" * 64)}
    [event] = await told(store, AuditKind.AGREEMENT_ACCEPTED)
    assert (event.user, event.serial, event.device) == ("anna", anna.serial, "stick-1")
    assert event.address == "198.51.100.9"
    assert event.detail == {
        "agreement": "home",
        "version": "1",
        "language": "it",
        "digest": "a" * 64,
        "request": "bvqflyq-k3v7qh2-1f",
    }


async def test_workers_are_told(store: Store) -> None:
    """Of what is accepted and of what is withdrawn, in the feed, once each."""
    anna = await enter(store)
    heard: list[Change] = []
    feed = store.follow()
    await anext(feed)
    await store.accept_agreement(anna, "home", TEXT, always)
    await store.accept_agreement(anna, "home", TEXT, always)
    await store.withdraw_own_agreement(anna, "home")
    await store.withdraw_own_agreement(anna, "home")
    while len(heard) < 2:
        heard += (await anext(feed)).changes
    await feed.aclose()
    assert [(one.kind, one.key) for one in heard] == [(ChangeKind.USER, "anna")] * 2


async def test_accepting_twice_is_once(store: Store, store_url: str, clock: Clock) -> None:
    """Also at the same instant, by way of two nodes."""
    anna = await enter(store)
    async with open_store(store_url, clock) as other:
        outcomes = await asyncio.gather(
            *(one.accept_agreement(anna, "home", TEXT, always) for one in (store, other) * 4)
        )
    assert sorted(outcomes) == [Accepting.ACCEPTED] + [Accepting.ALREADY] * 7
    assert len(await store.acceptances()) == 1
    assert len(await told(store, AuditKind.AGREEMENT_ACCEPTED)) == 1


async def test_a_text_that_has_been_replaced_is_not_accepted(store: Store) -> None:
    """It is asked at the moment of writing; nothing is written then."""
    anna = await enter(store)
    outcome = await store.accept_agreement(anna, "home", TEXT, lambda moment: moment != NOON)
    assert outcome is Accepting.OUTDATED
    assert await store.acceptances() == []
    assert await told(store, AuditKind.AGREEMENT_ACCEPTED) == []


async def test_withdrawing_leaves_the_record(store: Store, clock: Clock) -> None:
    """Of every version, and of no other agreement; it can be accepted again."""
    anna = await enter(store)
    for text in (TEXT, SECOND):
        await store.accept_agreement(anna, "home", text, always)
    await store.accept_agreement(anna, "other", TEXT, always)
    clock.now = later = NOON + timedelta(minutes=5)
    withdrawn = await store.withdraw_own_agreement(anna, "home")
    assert [(one.version, one.withdrawn_at) for one in withdrawn] == [("1", later), ("2", later)]
    assert (await papers(store, anna)).accepted == {mark_of("other", "1", "a" * 64)}
    events = await told(store, AuditKind.AGREEMENT_WITHDRAWN)
    assert [(one.serial, one.detail["version"]) for one in events] == [
        (anna.serial, "1"),
        (anna.serial, "2"),
    ]
    assert await store.withdraw_own_agreement(anna, "home") == []
    outcome = await store.accept_agreement(anna, "home", TEXT, lambda _: True)
    assert outcome is Accepting.ACCEPTED
    assert len(await store.acceptances(user="anna", agreement="home")) == 3


async def test_back_and_forth_has_an_end(store: Store) -> None:
    """Each time is a row for ever, and has every worker read the person anew."""
    anna = await enter(store)
    for _ in range(DAY_MAXIMUM):
        assert await store.accept_agreement(anna, "home", TEXT, always) is Accepting.ACCEPTED
        await store.withdraw_own_agreement(anna, "home")
    outcome = await store.accept_agreement(anna, "home", TEXT, always)
    assert outcome is Accepting.TOO_OFTEN
    assert len(await store.acceptances(user="anna")) == DAY_MAXIMUM


async def test_an_administrator_withdraws(store: Store) -> None:
    """The log says who it was; of nobody that is a mistake."""
    anna = await enter(store)
    await store.accept_agreement(anna, "home", TEXT, always)
    [one] = await store.withdraw_agreement("anna", "home", by="command")
    assert one.version == "1"
    assert (await papers(store, anna)).accepted == frozenset()
    [event] = await told(store, AuditKind.AGREEMENT_WITHDRAWN)
    assert (event.detail["by"], event.serial) == ("command", "")
    with pytest.raises(NoSuchPerson):
        await store.withdraw_agreement("nobody", "home")


async def test_nothing_is_accepted_with_what_is_over(store: Store) -> None:
    """Neither on a session that has ended, nor with a certificate that was revoked."""
    anna = await enter(store)
    await store.accept_agreement(anna, "home", TEXT, always)
    await store.end_sessions(user="anna", kind=AuditKind.SIGNED_OUT, by="test")
    await refused(store, anna)
    record = await issue(store, device="stick-2")
    session = await sign_in(store, record)
    stick = Actor(session, record.serial, "stick-2", "198.51.100.9")
    await store.set_enabled("anna", enabled=False)
    await refused(store, stick)
    assert [one.version for one in await store.acceptances()] == ["1"]


async def refused(store: Store, signatory: Actor) -> None:
    """Expect that *signatory* can neither accept nor withdraw."""
    with pytest.raises(SignInOvertaken):
        await store.accept_agreement(signatory, "home", SECOND, always)
    with pytest.raises(SignInOvertaken):
        await store.withdraw_own_agreement(signatory, "home")


async def test_a_session_that_never_was(store: Store) -> None:
    """Its number opens nothing."""
    anna = await enter(store)
    await refused(store, replace(anna, session=replace(anna.session, id=SessionId("0" * 32))))


async def test_a_name_that_is_used_again_has_accepted_nothing(store: Store) -> None:
    """The record of whoever had it before stays, as withdrawn."""
    anna = await enter(store)
    await store.accept_agreement(anna, "home", TEXT, always)
    await store.remove_person("anna", TODAY)
    await store.add_person(new_person())
    record = await issue(store, device="stick-2")
    holder = await store.holder(Fingerprint(record.fingerprint or ""))
    assert holder is not None
    assert holder.papers.accepted == frozenset()
    [one] = await store.acceptances(user="anna")
    assert one.withdrawn_at == NOON
    [event] = await told(store, AuditKind.AGREEMENT_WITHDRAWN)
    assert event.reason == AuditKind.USER_REMOVED
