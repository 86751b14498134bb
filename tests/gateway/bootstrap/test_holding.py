"""Hold and release by somebody who may not sign; the command itself is in tests/gateway/cli."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from ca.keys import KeyRing
from gateway.bootstrap.accounts import Wishes, add_account
from gateway.bootstrap.certificates import Wanted, issue_certificate
from gateway.bootstrap.command import Command, CommandRefused, open_command
from gateway.bootstrap.creation import NewSite, create_site
from gateway.bootstrap.folder import clock
from gateway.bootstrap.holding import hold_certificates, release_certificates
from gateway.bootstrap.signing import open_authority
from tests.issuing import issuing_key


@pytest.fixture
async def command(tmp_path: Path) -> AsyncIterator[Command]:
    """A command at a new site, where Anna has a stick."""
    wished = NewSite("gate.example.org", 443)
    folder = await create_site(tmp_path / "site", wished, clock, lambda _: None)
    async with open_command(folder) as command:
        anna = Wishes("anna", "Anna Rossi", "anna@example.it", frozenset())
        await add_account(command, anna, "correct horse battery")
        wanted = Wanted("anna", "stick-1", 30, None, tmp_path / "anna.p12")
        await issue_certificate(command, wanted, "staple")
        yield command


async def entries(command: Command) -> int:
    """Count the lines of the published list."""
    found = await command.store.latest_crl("issuing-1")
    assert found is not None
    return len(list(x509.load_der_x509_crl(found.der)))


async def test_without_the_key_the_running_authority_is_waited_for(command: Command) -> None:
    """Whoever may hold and release need not be able to sign."""
    authority = open_authority(command.folder, command.site, command.store, "authority", KeyRing())
    issuing_key(command.folder).unlink()

    async def run_authority() -> None:
        while await authority.publish_if_due(command.clock()) == ():  # noqa: ASYNC110 - as it does
            await asyncio.sleep(0.05)

    for change, count in ((hold_certificates, 1), (release_certificates, 0)):
        async with asyncio.TaskGroup() as group:
            group.create_task(run_authority())
            done = await change(command, serial=None, user="anna", device=None)
        assert done.unpublished is None
        assert await entries(command) == count


async def test_without_the_key_and_without_authority_that_is_said_plainly(
    command: Command,
) -> None:
    """What holds already is told first."""
    issuing_key(command.folder).unlink()
    for change, words in ((hold_certificates, "on hold, and"), (release_certificates, "released")):
        done = await change(command, serial=None, user="anna", device="stick-1", patience=0.2)
        with pytest.raises(CommandRefused, match=f"{words}.*still to come.*issuing"):
            done.raise_unless_published()


async def test_what_has_ended_cannot_be_put_on_hold(command: Command) -> None:
    """It opens nothing anyhow."""
    later = Command(
        command.folder,
        command.site,
        command.store,
        lambda: clock() + timedelta(days=31),
        command.by,
        command.say,
        command.keys,
    )
    with pytest.raises(CommandRefused, match="anna on stick-1 has ended"):
        await hold_certificates(later, serial=None, user="anna", device=None)
