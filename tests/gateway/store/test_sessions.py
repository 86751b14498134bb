"""Sessions in the store, on both databases."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta

import pytest

from ca.trust import RevocationReason
from gateway.core.audit import AuditKind
from gateway.core.people import Fingerprint
from gateway.core.sessions import SessionId
from gateway.store import Credentials, SignInOvertaken, Store, open_store
from tests.gateway.store.scenes import (
    DAY,
    NOON,
    TODAY,
    Clock,
    fingerprint_of,
    issue,
    new_person,
    session_of,
    sign_in,
)

Change = Callable[[Store], Awaitable[object]]


async def test_a_session_comes_back_as_it_was_opened(store: Store) -> None:
    """Every field survives, and the audit log tells of the sign-in."""
    await store.add_person(new_person())
    record = await issue(store)
    session = await sign_in(store, record)
    assert await store.session(session.id) == session
    assert await store.sessions() == [session]
    (line,) = await store.audit_tail(1)
    assert line.event.kind is AuditKind.SIGNED_IN
    assert (line.event.user, line.event.device) == ("anna", "stick-1")
    assert (line.event.serial, line.event.address) == (record.serial, "192.0.2.7")


async def test_a_session_that_never_was_is_none(store: Store) -> None:
    """An id that nobody was given is no session."""
    assert await store.session(SessionId("0" * 32)) is None


async def test_sessions_are_listed_while_they_live(store: Store, clock: Clock) -> None:
    """At its end a session leaves the list, but not the store."""
    await store.add_person(new_person())
    session = await sign_in(store, await issue(store))
    clock.now = session.expires_at - timedelta(microseconds=1)
    assert await store.sessions() == [session]
    clock.now = session.expires_at
    assert await store.sessions() == []
    assert await store.session(session.id) == session


async def test_sessions_are_chosen_by_user_and_by_certificate(store: Store) -> None:
    """Criteria are joined by *and*."""
    await store.add_person(new_person("anna"))
    await store.add_person(new_person("bruno"))
    first = await sign_in(store, await issue(store, "anna", "stick-1"))
    second = await sign_in(store, await issue(store, "anna", "stick-2"))
    third = await sign_in(store, await issue(store, "bruno"))
    assert await store.sessions() == [first, second, third]
    assert await store.sessions(user="anna") == [first, second]
    assert await store.sessions(fingerprint=second.fingerprint) == [second]
    assert await store.sessions(user="bruno", fingerprint=second.fingerprint) == []


@pytest.mark.parametrize("choice", ["session", "user", "fingerprint", "everybody"])
async def test_sessions_end_as_they_are_chosen(store: Store, clock: Clock, choice: str) -> None:
    """Ended at the clock's time, with a line each that says who did it, and no others."""
    await store.add_person(new_person("anna"))
    await store.add_person(new_person("bruno"))
    mine = await sign_in(store, await issue(store, "anna"))
    other = await sign_in(store, await issue(store, "bruno"))
    clock.now += timedelta(hours=1)
    end = {"kind": AuditKind.SESSION_ENDED, "by": "admin"}
    match choice:
        case "session":
            ended = await store.end_sessions(session=mine.id, **end)  # type: ignore[arg-type]
        case "user":
            ended = await store.end_sessions(user="anna", **end)  # type: ignore[arg-type]
        case "fingerprint":
            ended = await store.end_sessions(fingerprint=mine.fingerprint, **end)  # type: ignore[arg-type]
        case _:
            ended = await store.end_sessions(everybody=True, **end)  # type: ignore[arg-type]
    expected = [mine, other] if choice == "everybody" else [mine]
    assert [session.id for session in ended] == [session.id for session in expected]
    assert {session.ended_at for session in ended} == {clock.now}
    assert await store.session(mine.id) == ended[0]
    lines = await store.audit_tail(len(expected))
    assert [line.event.detail["session"] for line in lines] == [each.id for each in expected]
    assert {line.event.detail["by"] for line in lines} == {"admin"}


async def test_a_session_ends_once(store: Store) -> None:
    """Ending again finds nothing, and the first end stands."""
    await store.add_person(new_person())
    session = await sign_in(store, await issue(store))
    first = await store.end_sessions(session=session.id, kind=AuditKind.SIGNED_OUT, by="portal")
    again = await store.end_sessions(session=session.id, kind=AuditKind.SIGNED_OUT, by="portal")
    assert (len(first), again) == (1, [])
    assert await store.session(session.id) == first[0]


async def test_nothing_named_does_not_mean_everybody(store: Store) -> None:
    """Ending sessions without saying which is refused."""
    with pytest.raises(ValueError, match="name the sessions"):
        await store.end_sessions(kind=AuditKind.SESSION_ENDED, by="admin")


async def test_a_user_who_is_not_there_has_no_sessions_to_end(store: Store) -> None:
    """Nothing fits, nothing happens, no line is written."""
    assert await store.end_sessions(user="nobody", kind=AuditKind.SIGNED_OUT, by="x") == []
    assert await store.audit_tail(1) == []


async def test_sessions_long_over_are_taken_out(store: Store, clock: Clock) -> None:
    """A month after its end nobody asks for a session any more."""
    await store.add_person(new_person())
    record = await issue(store)
    old = await sign_in(store, record)
    clock.now += 31 * DAY
    new = session_of(record, created_at=clock.now, expires_at=clock.now + DAY)
    await sign_in(store, record, id=new.id, created_at=clock.now, expires_at=clock.now + DAY)
    assert await store.session(old.id) is None
    assert await store.sessions() == [new]


async def _disable(store: Store) -> None:
    await store.set_enabled("anna", False)


async def _disable_and_enable(store: Store) -> None:
    await store.set_enabled("anna", False)
    await store.set_enabled("anna", True)


async def _set_password(store: Store) -> None:
    await store.set_password("anna", "another")


async def _set_totp(store: Store) -> None:
    await store.set_totp("anna", b"another")


async def _remove(store: Store) -> None:
    await store.remove_person("anna", TODAY)


async def _remove_and_add(store: Store) -> None:
    await store.remove_person("anna", TODAY)
    await store.add_person(new_person())


async def _revoke(store: Store) -> None:
    await store.revoke_certificates(user="anna", reason=RevocationReason.KEY_COMPROMISE, by="admin")


@pytest.mark.parametrize(
    "change",
    [_disable, _disable_and_enable, _set_password, _set_totp, _remove, _remove_and_add, _revoke],
)
async def test_what_changes_during_a_sign_in_overtakes_it(store: Store, change: Change) -> None:
    """A session is not opened on what was verified before it was taken back."""
    await store.add_person(new_person())
    record = await issue(store)
    verified = await store.credentials("anna")
    assert verified is not None
    await change(store)
    before = await store.audit_tail(100)
    session = session_of(record)
    with pytest.raises(SignInOvertaken, match="anna"):
        await store.open_session(session, record.device, record.serial, verified=verified)
    assert await store.session(session.id) is None
    assert await store.audit_tail(100) == before


async def test_who_is_disabled_opens_no_session(store: Store) -> None:
    """Also when the credentials were read after that, and so are the newest."""
    await store.add_person(new_person())
    record = await issue(store)
    await store.set_enabled("anna", False)
    with pytest.raises(SignInOvertaken):
        await sign_in(store, record)


@pytest.mark.parametrize(
    "user, fingerprint",
    [("bruno", None), ("anna", Fingerprint("0" * 64))],
)
async def test_a_session_needs_a_certificate_of_that_person(
    store: Store, user: str, fingerprint: Fingerprint | None
) -> None:
    """Neither somebody else's certificate nor one that we never issued opens a session."""
    await store.add_person(new_person("anna"))
    await store.add_person(new_person("bruno"))
    record = await issue(store, "anna")
    verified = await store.credentials(user)
    assert verified is not None
    wrong = session_of(record, user=user, fingerprint=fingerprint or fingerprint_of(record.serial))
    with pytest.raises(SignInOvertaken):
        await store.open_session(wrong, record.device, record.serial, verified=verified)


async def test_a_code_is_used_once_even_at_the_same_instant(store_url: str, clock: Clock) -> None:
    """Of twenty requests with one code, on several connections, one gets through (P6)."""
    async with open_store(store_url, clock) as one, open_store(store_url, clock) as two:
        await one.add_person(new_person())
        burnt = await asyncio.gather(
            *(store.burn_step("anna", 59_000_000) for _ in range(10) for store in (one, two))
        )
    assert sorted(burnt) == [False] * 19 + [True]


async def test_an_older_code_is_used_up_by_a_newer_one(store: Store) -> None:
    """Steps only rise; an unknown user has none."""
    await store.add_person(new_person())
    assert await store.burn_step("anna", 101)
    assert not await store.burn_step("anna", 101)
    assert not await store.burn_step("anna", 100)
    assert await store.burn_step("anna", 102)
    assert not await store.burn_step("nobody", 103)


async def test_a_change_of_password_and_a_sign_in_at_once_leave_no_session(
    store_url: str, clock: Clock
) -> None:
    """Whichever comes first, no session that the old password proved is left."""
    async with open_store(store_url, clock) as one, open_store(store_url, clock) as two:
        await one.add_person(new_person())
        record = await issue(one)
        for number in range(5):
            verified = await one.credentials("anna")
            assert verified is not None
            await asyncio.gather(
                _attempt(one, record.serial, verified, number),
                two.set_password("anna", f"password-{number}"),
            )
            assert await one.sessions() == []


async def _attempt(store: Store, serial: str, verified: Credentials, number: int) -> None:
    record = await store.certificate(serial)
    assert record is not None
    session = session_of(record, id=SessionId(format(number, "032x")))
    with suppress(SignInOvertaken):
        await store.open_session(session, record.device, record.serial, verified=verified)


async def test_the_session_of_a_moment_is_found(store: Store) -> None:
    """The newest of that certificate that had begun by then, though it has ended since."""
    await store.add_person(new_person())
    record, other = await issue(store), await issue(store, device="stick-2")
    session = await sign_in(store, record)
    await sign_in(store, other)
    fingerprint = session.fingerprint
    assert await store.session_at(fingerprint, session.created_at) == session
    assert await store.session_at(fingerprint, session.created_at - DAY) is None
    await store.end_sessions(session=session.id, kind=AuditKind.SESSION_ENDED, by="tests")
    found = await store.session_at(fingerprint, session.created_at + DAY)
    assert found is not None
    assert (found.id, found.ended_at is not None) == (session.id, True)


async def test_of_a_use_the_newest_moment_stays(store: Store, clock: Clock) -> None:
    """For each session and application; whoever is late with theirs takes nothing back."""
    await store.add_person(new_person())
    record = await issue(store)
    one, other = await sign_in(store, record), await sign_in(store, record)
    later = clock.now + timedelta(seconds=50)
    assert await store.used_at(one.id, "wiki") is None
    assert await store.note_use(one.id, "wiki", clock.now) == clock.now
    assert await store.note_use(one.id, "wiki", later) == later
    assert await store.note_use(one.id, "wiki", clock.now) == later
    assert await store.used_at(one.id, "wiki") == later
    assert await store.used_at(one.id, "crm") is None
    assert await store.used_at(other.id, "wiki") is None
    await store.note_use(one.id, "crm", clock.now)
    assert await store.uses(one.id) == {"wiki": later, "crm": clock.now}
    assert await store.uses(other.id) == {}


async def test_a_use_of_a_clock_that_was_ahead_gives_way(store: Store, clock: Clock) -> None:
    """Otherwise nothing would count until that moment has come."""
    await store.add_person(new_person())
    session = await sign_in(store, await issue(store))
    await store.note_use(session.id, "wiki", clock.now + 400 * DAY)
    assert await store.note_use(session.id, "wiki", clock.now) == clock.now
    assert await store.used_at(session.id, "wiki") == clock.now


async def test_uses_that_two_nodes_note_at_once_are_one(store_url: str, clock: Clock) -> None:
    """Neither fails, and both are told of the newest."""
    async with open_store(store_url, clock) as here, open_store(store_url, clock) as there:
        await here.add_person(new_person())
        session = await sign_in(here, await issue(here))
        moments = [clock.now + timedelta(seconds=number) for number in range(12)]
        noted = await asyncio.gather(
            *(
                (here, there)[number % 2].note_use(session.id, "wiki", moment)
                for number, moment in enumerate(moments)
            )
        )
        assert all(last >= moment for last, moment in zip(noted, moments, strict=True))
        assert await here.used_at(session.id, "wiki") == moments[-1]


async def test_uses_go_with_their_session(store: Store, clock: Clock) -> None:
    """When it is taken out, long after its end."""
    await store.add_person(new_person())
    record = await issue(store)
    session = await sign_in(store, record)
    await store.note_use(session.id, "wiki", clock.now)
    later = NOON + 40 * DAY
    clock.now = later
    await sign_in(store, record, created_at=later, expires_at=later + DAY)
    assert await store.session(session.id) is None
    assert await store.used_at(session.id, "wiki") is None
