import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ca.trust import RevocationReason
from gateway.bootstrap.accounts import Wishes, add_account
from gateway.bootstrap.certificates import Wanted, issue_certificate, revoke_certificates
from gateway.bootstrap.command import Command, CommandRefused, open_command
from gateway.bootstrap.creation import NewSite, create_site
from gateway.bootstrap.folder import SiteFolder, clock
from gateway.bootstrap.passphrases import CREDENTIAL, Source
from gateway.bootstrap.protection import protect, refuse_plain

SECRET = b"the CA's own passphrase"
REASON = RevocationReason.KEY_COMPROMISE


@pytest.fixture
async def folder(tmp_path: Path) -> SiteFolder:
    """A new site, where Anna has a certificate, with the CA's keys under a passphrase."""
    (tmp_path / CREDENTIAL).write_bytes(SECRET)
    (tmp_path / CREDENTIAL).chmod(0o600)
    wished = NewSite("gate.example.org", 443)
    folder = await create_site(tmp_path / "site", wished, clock, lambda _: None)
    async with open_command(folder) as command:
        anna = Wishes("anna", "Anna Rossi", "anna@example.it", frozenset())
        await add_account(command, anna, "correct horse battery")
        file = tmp_path / "stick-1.p12"
        await issue_certificate(command, Wanted("anna", "stick-1", 30, None, file), "staple")
        await protect(command, [], SECRET)
    return folder


@pytest.fixture
async def command(folder: SiteFolder) -> AsyncIterator[Command]:
    """A command of somebody who has no passphrase."""
    async with open_command(folder) as command:
        yield command


async def revoke(command: Command, patience: float) -> str | None:
    """Revoke Anna's certificate and return why no list says so yet."""
    outcome = await revoke_certificates(
        command, serial=None, user="anna", device=None, reason=REASON, patience=patience
    )
    assert len(outcome.revoked) == 1
    return outcome.unpublished


async def test_a_revocation_needs_no_passphrase(command: Command) -> None:
    """It is durable all the same; that the list is still to come is said, and why."""
    unpublished = await revoke(command, patience=0.1)
    assert unpublished is not None
    assert "under a passphrase" in unpublished


async def test_the_authority_starts_unattended(command: Command, tmp_path: Path) -> None:
    """With systemd's credential it signs at once; the passphrase is nowhere to be seen."""
    words = [
        sys.executable,
        "-m",
        "gateway.bootstrap.authority",
        "--site",
        str(command.folder.path),
    ]
    process = await asyncio.create_subprocess_exec(
        *words, env=os.environ | {"CREDENTIALS_DIRECTORY": str(tmp_path)},
        stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert await revoke(command, patience=30) is None
        for name in ("environ", "cmdline"):
            assert SECRET not in Path(f"/proc/{process.pid}/{name}").read_bytes()
    finally:
        process.send_signal(signal.SIGTERM)
        _, log = await process.communicate()
    assert SECRET not in log
    assert b"signed with 1 entries" in log
    assert process.returncode == 0


async def test_an_authority_without_passphrase_says_what_it_needs(folder: SiteFolder) -> None:
    """In one line, and ends."""
    words = [sys.executable, "-m", "gateway.bootstrap.authority", "--site", str(folder.path)]
    async with open_command(folder) as command:
        await revoke(command, patience=0)
    process = await asyncio.create_subprocess_exec(*words, stderr=subprocess.PIPE)
    _, log = await process.communicate()
    assert process.returncode == 1
    assert b"passphrase_file under [ca]" in log
    assert b"Traceback" not in log


async def test_plain_keys_have_nothing_to_take_off(folder: SiteFolder, tmp_path: Path) -> None:
    """And those under a passphrase have."""
    source = Source(tmp_path / CREDENTIAL)
    async with open_command(folder, source=source) as command:
        refuse_plain(command, [])
        await protect(command, ["issuing-1"], None)
        refuse_plain(command, ["root"])
        with pytest.raises(CommandRefused, match="none of these"):
            refuse_plain(command, ["issuing-1"])
