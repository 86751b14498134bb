"""Persons in the store, on both databases."""

import pytest

from ca.ledger import CertificateState
from ca.trust import RevocationReason
from gateway.core.audit import AuditKind
from gateway.core.people import Person
from gateway.store import NoSuchPerson, PersonExists, Store
from tests.gateway.store.scenes import (
    TODAY,
    fingerprint_of,
    issue,
    new_person,
    reserve,
    session_of,
    sign_in,
)


async def test_somebody_who_is_added_is_found_again(store: Store) -> None:
    """A person comes back as they were written, enabled."""
    await store.add_person(new_person(groups=frozenset({"technicians", "admins"})))
    anna = Person(
        user="anna",
        name="Anna Rossi",
        email="anna@example.it",
        groups=frozenset({"admins", "technicians"}),
        enabled=True,
    )
    assert await store.person("anna") == anna
    assert await store.people() == [anna]
    credentials = await store.credentials("anna")
    assert credentials is not None
    assert credentials.password_hash == "$argon2id$"
    assert credentials.sealed_totp == b"\x00sealed"
    assert credentials.totp_last_step == 0


async def test_people_are_listed_by_name(store: Store) -> None:
    """The order is that of the names, not of the coming."""
    for user in ("carla", "anna", "bruno"):
        await store.add_person(new_person(user))
    assert [person.user for person in await store.people()] == ["anna", "bruno", "carla"]


@pytest.mark.parametrize("user", ["nobody", "", "Anna", "an\0na", "an\udcffna", "a" * 65, "x' --"])
async def test_what_is_nobodys_name_is_nobody(store: Store, user: str) -> None:
    """Names that nobody has, or could have, are answered with None and no error."""
    await store.add_person(new_person())
    assert await store.person(user) is None
    assert await store.credentials(user) is None


async def test_a_name_is_given_once(store: Store) -> None:
    """Adding somebody whose name is taken is refused and changes nothing."""
    await store.add_person(new_person())
    with pytest.raises(PersonExists, match="anna"):
        await store.add_person(new_person(name="Another Anna"))
    assert [person.name for person in await store.people()] == ["Anna Rossi"]
    assert len(await store.audit_tail(10)) == 1


def test_a_name_that_cannot_be_is_refused_before_it_is_written() -> None:
    """Neither a user nor a group can have a name that policies could not say."""
    with pytest.raises(ValueError, match="cannot be a name"):
        new_person("Anna Rossi")
    with pytest.raises(ValueError, match="cannot be a name"):
        new_person(groups=frozenset({"tech nicians"}))


@pytest.mark.parametrize(
    "kind", [AuditKind.USER_DISABLED, AuditKind.PASSWORD_CHANGED, AuditKind.TOTP_RESET]
)
async def test_a_change_of_what_a_sign_in_proved_ends_the_sessions(
    store: Store, kind: AuditKind
) -> None:
    """Disabled, another password, another TOTP secret: the person's sessions end, nobody else's."""
    await store.add_person(new_person("anna"))
    await store.add_person(new_person("bruno"))
    mine = await sign_in(store, await issue(store, "anna"))
    other = await sign_in(store, await issue(store, "bruno"))
    before = await store.credentials("anna")
    match kind:
        case AuditKind.USER_DISABLED:
            await store.set_enabled("anna", False, by="admin")
        case AuditKind.PASSWORD_CHANGED:
            await store.set_password("anna", "another", by="admin")
        case _:
            await store.set_totp("anna", b"another", by="admin")
    after = await store.credentials("anna")
    assert before is not None
    assert after is not None
    assert after.version > before.version
    assert [session.id for session in await store.sessions()] == [other.id]
    ended = await store.session(mine.id)
    assert ended is not None
    assert ended.ended_at is not None
    change, end = await store.audit_tail(2)
    assert (change.event.kind, change.event.user) == (kind, "anna")
    assert (end.event.kind, end.event.reason) == (AuditKind.SESSION_ENDED, kind.value)
    assert change.event.detail["by"] == end.event.detail["by"] == "admin"


async def test_disabled_and_enabled_again(store: Store) -> None:
    """Being disabled is seen on the person, and on the holder of a certificate; and ends."""
    await store.add_person(new_person())
    record = await issue(store)
    for enabled in (False, True):
        await store.set_enabled("anna", enabled)
        person = await store.person("anna")
        holder = await store.holder(fingerprint_of(record.serial))
        assert person is not None
        assert holder is not None
        assert person.enabled is enabled
        assert holder.person == person


async def test_a_new_totp_secret_begins_with_no_step_used(store: Store) -> None:
    """The last step belongs to the secret and is forgotten with it."""
    await store.add_person(new_person())
    assert await store.burn_step("anna", 58_000_000)
    await store.set_totp("anna", b"another")
    credentials = await store.credentials("anna")
    assert credentials is not None
    assert (credentials.sealed_totp, credentials.totp_last_step) == (b"another", 0)
    assert await store.burn_step("anna", 57_999_999)


async def test_changes_of_nobody_are_refused(store: Store) -> None:
    """Each change of somebody who is not there says so and leaves no line."""
    for change in (
        store.set_enabled("nobody", False),
        store.set_password("nobody", "hash"),
        store.set_totp("nobody", b"sealed"),
        store.remove_person("nobody", TODAY),
    ):
        with pytest.raises(NoSuchPerson, match="user list"):
            await change
    assert await store.audit_tail(10) == []


async def test_who_is_removed_leaves_revoked_certificates_and_audit_lines(store: Store) -> None:
    """Removal revokes what the person holds, ends their sessions, and keeps what happened."""
    await store.add_person(new_person())
    record = await issue(store)
    session = await sign_in(store, record)
    lines = await store.audit_tail(100)
    await store.remove_person("anna", TODAY, by="admin")
    assert await store.person("anna") is None
    assert await store.credentials("anna") is None
    holder = await store.holder(fingerprint_of(record.serial))
    assert holder is not None
    assert holder.person is None
    assert holder.user == "anna"
    assert holder.revoked_at is not None
    assert holder.reason == RevocationReason.CESSATION_OF_OPERATION
    ended = await store.session(session.id)
    assert ended is not None
    assert ended.ended_at is not None
    kept = await store.audit_tail(100)
    assert kept[: len(lines)] == lines
    assert [line.event.kind for line in kept[len(lines) :]] == [
        AuditKind.USER_REMOVED,
        AuditKind.CERTIFICATE_REVOKED,
        AuditKind.SESSION_ENDED,
    ]


async def test_a_name_that_is_used_again_inherits_nothing(store: Store) -> None:
    """A later person of the same name has neither certificates nor sessions nor used codes."""
    await store.add_person(new_person())
    record = await issue(store)
    session = await sign_in(store, record)
    await store.burn_step("anna", 58_000_000)
    await store.remove_person("anna", TODAY)
    # What an authority reserves for somebody who is just being removed.
    late = await reserve(store, "anna", "stick-2")
    await store.add_person(new_person(email="another@example.it"))
    assert [record.state for record in await store.certificates(user="anna")] == [
        CertificateState.REVOKED,
        CertificateState.REVOKED,
    ]
    assert await store.certificate(late) is not None
    assert await store.sessions(user="anna") == []
    old = await store.session(session.id)
    assert old is not None
    assert not old.live(session.created_at)
    assert await store.burn_step("anna", 1)


async def test_sessions_that_are_over_are_not_ended_again(store: Store) -> None:
    """What ended by itself, or by somebody, is left as it was."""
    await store.add_person(new_person())
    record = await issue(store)
    first = session_of(record)
    over = await sign_in(store, record, expires_at=first.created_at)
    await store.set_enabled("anna", False)
    left = await store.session(over.id)
    assert left is not None
    assert left.ended_at is None
