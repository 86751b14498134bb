import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12

from ca.errors import FileRefused
from ca.keys import KeyRing
from ca.trust import RevocationReason
from gateway.bootstrap.accounts import Wishes, add_account
from gateway.bootstrap.certificates import (
    Wanted,
    issue_certificate,
    publish,
    published_crls,
    remove_person,
    revoke_certificates,
)
from gateway.bootstrap.command import Command, CommandRefused, open_command
from gateway.bootstrap.creation import NewSite, create_site
from gateway.bootstrap.folder import clock
from gateway.bootstrap.signing import open_authority
from gateway.core.changes import ChangeKind
from gateway.core.people import Fingerprint
from tests.issuing import issuing_key

REASON = RevocationReason.KEY_COMPROMISE


@pytest.fixture
async def command(tmp_path: Path) -> AsyncIterator[Command]:
    """A command at a new site, where Anna is."""
    wished = NewSite("gate.example.org", 443)
    folder = await create_site(tmp_path / "site", wished, clock, lambda _: None)
    async with open_command(folder) as command:
        anna = Wishes("anna", "Anna Rossi", "anna@example.it", frozenset())
        await add_account(command, anna, "correct horse battery")
        yield command


async def issue(command: Command, device: str = "stick-1") -> str:
    """Issue a certificate to Anna and return its serial."""
    file = command.folder.path.parent / f"{device}.p12"
    enrolled = await issue_certificate(command, Wanted("anna", device, 30, None, file), "staple")
    return enrolled.record.serial


async def test_a_certificate_says_where_its_list_and_its_issuer_are_had(
    command: Command, tmp_path: Path
) -> None:
    """At the public host, over plain http; port 80 is not written."""
    await issue(command)
    bundle = load_pkcs12((tmp_path / "stick-1.p12").read_bytes(), b"staple")
    assert bundle.cert is not None
    extensions = bundle.cert.certificate.extensions
    (point,) = extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    assert point.full_name is not None
    assert [name.value for name in point.full_name] == [
        "http://public.gate.example.org/crl/issuing-1.crl"
    ]
    access = extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    assert [one.access_location.value for one in access] == [
        "http://public.gate.example.org/ocsp",
        "http://public.gate.example.org/ca/issuing-1.crt",
    ]
    assert len(bundle.additional_certs) == 2


async def test_issuing_is_told_to_feed_and_audit_log(command: Command) -> None:
    """An edge that saw the certificate before it was recorded forgets what it thought."""
    follower = command.store.follow()
    assert (await anext(follower)).changes == ()
    serial = await issue(command)
    record = await command.store.certificate(serial)
    assert record is not None
    changes: list[tuple[ChangeKind, str]] = []
    while not changes:
        changes = [(each.kind, each.key) for each in (await anext(follower)).changes]
    await follower.aclose()
    assert changes == [(ChangeKind.CERTIFICATE, record.fingerprint)]
    (line,) = await command.store.audit_tail(1)
    assert (line.event.user, line.event.serial) == ("anna", serial)
    assert line.event.detail == {
        "by": command.by,
        "not_after": record.not_after.isoformat(),
        "scope": "every application",
    }


async def test_a_revocation_is_listed_when_it_is_done(command: Command) -> None:
    """By this command, which holds the key."""
    serial = await issue(command)
    done = await revoke_certificates(
        command, serial=None, user="anna", device="stick-1", reason=REASON
    )
    assert [record.serial for record in done.revoked] == [serial]
    assert done.unpublished is None
    done.raise_unless_published()
    assert [one.record.entries for one in await published_crls(command)] == [1]


async def test_revoking_again_changes_nothing(command: Command) -> None:
    """No further list is signed either."""
    serial = await issue(command)
    numbers = []
    for _ in range(2):
        done = await revoke_certificates(
            command, serial=serial, user=None, device=None, reason=REASON
        )
        numbers += [one.record.number for one in await published_crls(command)]
    assert done.revoked == ()
    assert [record.serial for record in done.already] == [serial]
    assert numbers[0] == numbers[1]


async def test_without_the_key_the_running_authority_is_waited_for(command: Command) -> None:
    """Whoever may revoke need not be able to sign."""
    serial = await issue(command)
    authority = open_authority(command.folder, command.site, command.store, "authority", KeyRing())
    issuing_key(command.folder).unlink()

    async def run_authority() -> None:
        while await authority.publish_if_due(command.clock()) == ():  # noqa: ASYNC110 - as it does
            await asyncio.sleep(0.05)

    async with asyncio.TaskGroup() as group:
        group.create_task(run_authority())
        done = await revoke_certificates(
            command, serial=serial, user=None, device=None, reason=REASON
        )
    assert done.unpublished is None
    assert [one.record.entries for one in await published_crls(command)] == [1]


async def test_without_the_key_and_without_authority_that_is_said_plainly(
    command: Command,
) -> None:
    """What holds already is told first: the certificate is revoked, its connections cut."""
    serial = await issue(command)
    issuing_key(command.folder).unlink()
    done = await revoke_certificates(
        command, serial=serial, user=None, device=None, reason=REASON, patience=0.2
    )
    assert [record.serial for record in done.revoked] == [serial]
    assert str(issuing_key(command.folder)) in (done.unpublished or "")
    with pytest.raises(CommandRefused, match="revoked, and its connections are cut; but"):
        done.raise_unless_published()
    record = await command.store.certificate(serial)
    assert record is not None
    holder = await command.store.holder(Fingerprint(record.fingerprint or ""))
    assert holder is not None
    assert holder.revoked_at is not None


async def test_certificates_of_somebody_who_was_removed_can_be_named(command: Command) -> None:
    """They were revoked with the person, and a list says so."""
    first, second = await issue(command), await issue(command, "stick-2")
    await revoke_certificates(command, serial=first, user=None, device=None, reason=REASON)
    removed = await remove_person(command, "anna")
    assert [record.serial for record in removed.revoked] == [second]
    assert [one.record.entries for one in await published_crls(command)] == [2]
    again = await revoke_certificates(command, serial=None, user="anna", device=None, reason=REASON)
    assert again.revoked == ()
    assert len(again.already) == 2


async def test_publishing_needs_the_key(command: Command) -> None:
    """And says which file is missing."""
    (before,) = await published_crls(command)
    (after,) = await publish(command)
    assert after.record.number > before.record.number
    issuing_key(command.folder).unlink()
    with pytest.raises(FileRefused, match="issuing"):
        await publish(command)
