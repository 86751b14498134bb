"""Many certificates revoked at once: in slices, each whole, and told of."""

import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, insert

from ca import ledger
from ca.ledger import CertificateRecord, CertificateState
from ca.trust import RevocationReason
from gateway.bootstrap import bulk
from gateway.bootstrap.bulk import Choice, Selection, choose, chosen, revoke_all, sharing_keys
from gateway.bootstrap.command import Command, CommandRefused, open_command
from gateway.bootstrap.creation import NewSite, create_site
from gateway.bootstrap.folder import clock
from gateway.core.audit import AuditKind
from gateway.core.foreign import ForeignState, PersonBy, Verdict
from gateway.core.people import Fingerprint
from gateway.store import NewPerson
from tests.issuing import issuing_key

REASON = RevocationReason.CESSATION_OF_OPERATION
GUESTS = Selection(group="guests")
EVERYTHING = Selection(issued_before=clock() + timedelta(days=1))


@pytest.fixture
async def command(tmp_path: Path) -> AsyncIterator[Command]:
    """A command at a new site."""
    wished = NewSite("gate.example.org", 443)
    folder = await create_site(tmp_path / "site", wished, clock, lambda _: None)
    said: list[str] = []
    async with open_command(folder, say=said.append) as command:
        yield command


async def record(command: Command, count: int, user: str = "anna") -> None:
    """Record *count* certificates in the ledger, without the trouble of signing them."""
    now = command.clock()
    async with command.store.begin() as connection:
        for number in range(count):
            serial = f"4a{number:06x}"
            await ledger.reserve_serial(
                connection, issuer="issuing-1", serial=serial, username=user,
                device=f"stick-{number}", scope=None, not_before=now,
                not_after=now + timedelta(days=30), now=now,
            )  # fmt: skip
            await ledger.record_certificate(
                connection, issuer="issuing-1", serial=serial,
                fingerprint=f"{number:064x}", der=b"der", now=now,
            )  # fmt: skip


async def test_keys_of_very_many_are_looked_up_in_slices(command: Command) -> None:
    """One statement may name some ten thousand, here more and there less."""
    now = command.clock()
    rows = [
        {
            "issuer": "issuing-1", "serial": f"4a{number:06x}", "fingerprint": f"{number:064x}",
            "username": f"user-{number // 100}", "device": "stick", "der": b"der",
            "not_before": now, "not_after": now + timedelta(days=30), "reserved_at": now,
            "state": CertificateState.VALID,
        }
        for number in range(1_700)
    ]  # fmt: skip
    async with command.store.begin() as connection:
        await connection.execute(insert(ledger.certificate), rows)
    found = await chosen(command, EVERYTHING)
    assert len(found) == len(rows)
    named: list[int] = []

    def count(*execution: Any) -> None:
        named.append(len(execution[3]))

    event.listen(Engine, "before_cursor_execute", count)
    try:
        assert await sharing_keys(command, found) == []
    finally:
        event.remove(Engine, "before_cursor_execute", count)
    assert 0 < max(named) < 3 * bulk.AT_ONCE


async def states(command: Command) -> list[CertificateState]:
    """Return the states of all certificates."""
    return [one.state for one in await command.store.certificates()]


async def told(command: Command) -> list[dict[str, str]]:
    """Return what the audit log says of bulk revocations."""
    return [
        line.event.detail
        for line in await command.store.audit_tail(20_000)
        if line.event.kind is AuditKind.BULK_REVOCATION
    ]


async def test_a_revocation_of_nothing_is_not_begun(command: Command) -> None:
    """What begins and never ends stands in the audit log for a command that was killed."""
    done = await revoke_all(command, Choice((), ()), EVERYTHING, REASON)
    assert (done.revoked, done.already, done.unpublished) == ((), (), None)
    assert await told(command) == []


async def test_slices_are_revoked_one_after_the_other(command: Command) -> None:
    """And told of before the first and with the last; the list has all of them."""
    count = 2 * bulk.AT_ONCE + 1
    await record(command, count)
    found = await chosen(command, EVERYTHING)
    done = await revoke_all(command, Choice((*found,), ()), EVERYTHING, REASON)
    assert (len(done.revoked), done.already, done.unpublished) == (count, (), None)
    assert {one.crl_number is None for one in await command.store.certificates()} == {False}
    first, last = await told(command)
    assert (first["stage"], last["stage"]) == ("begun", "finished")
    assert first["certificates"] == last["certificates"] == str(count)
    assert first["wanted"].startswith("issued-before=")
    assert await chosen(command, EVERYTHING) == []


async def test_what_breaks_in_between_is_said_and_done_again(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No slice is half done, the log has no end of it, and the same command does the rest."""
    monkeypatch.setattr(bulk, "AT_ONCE", 10)
    await record(command, 25)
    found = await chosen(command, EVERYTHING)
    aside = command.folder.path / "aside.sqlite3"

    def break_after_ten(words: str) -> None:
        if words == "revoked 10 of 25":
            command.folder.database.rename(aside)

    breaking = replace(command, say=break_after_ten)
    with pytest.raises(CommandRefused, match=r"^10 of 25 certificates are revoked, then .* rest$"):
        await revoke_all(breaking, Choice((*found,), ()), EVERYTHING, REASON)
    aside.rename(command.folder.database)
    assert (await states(command)).count(CertificateState.REVOKED) == 10
    assert [one["stage"] for one in await told(command)] == ["begun"]
    rest = await chosen(command, EVERYTHING)
    assert len(rest) == 15
    assert len((await revoke_all(command, Choice((*rest,), ()), EVERYTHING, REASON)).revoked) == 15
    assert [one["stage"] for one in await told(command)] == ["begun", "begun", "finished"]


async def show(command: Command, *numbers: int, serial: str | None = None) -> None:
    """Show cards of another CA that are Anna's, who is a guest; *serial* makes them writings."""
    now = command.clock()
    if await command.store.person("anna") is None:
        await command.store.add_person(
            NewPerson("anna", "Anna", "", frozenset({"guests"}), "", b"")
        )
    verdicts = [
        Verdict(
            fingerprint_of(number), ForeignState.ACCEPTED, trust="office", issuer="CN=Office CA",
            serial=serial or f"{number:x}", not_before=now, not_after=now + timedelta(days=30),
            by=PersonBy.USER, identity="anna", good_until=now + timedelta(days=1),
        )
        for number in numbers
    ]  # fmt: skip
    for verdict in verdicts:
        await command.store.present(verdict.fingerprint, b"der")
    await command.store.judge(verdicts, by="verifier")


def fingerprint_of(number: int) -> Fingerprint:
    """Return the fingerprint of a card."""
    return Fingerprint(f"ca{number:062x}")


async def blocked(command: Command) -> set[Fingerprint]:
    """Return which cards open nothing here any more."""
    return {one.verdict.fingerprint for one in await command.store.presented() if one.blocked}


async def test_only_what_was_chosen_is_blocked(command: Command) -> None:
    """What was shown while somebody thought the question over was not asked about."""
    await show(command, 1)
    choice = await choose(command, GUESTS, REASON)
    await show(command, 2)
    done = await revoke_all(command, choice, GUESTS, REASON)
    assert [one.verdict.serial for one in done.blocked] == ["1"]
    assert await blocked(command) == {fingerprint_of(1)}
    assert [one["certificates"] for one in await told(command)] == ["1", "1"]


async def test_what_was_chosen_is_blocked_in_every_writing(command: Command) -> None:
    """A second signature that is as good, shown meanwhile, is of the same certificate."""
    await show(command, 1)
    choice = await choose(command, GUESTS, REASON)
    await show(command, 2, serial="1")
    await revoke_all(command, choice, GUESTS, REASON)
    assert await blocked(command) == {fingerprint_of(1), fingerprint_of(2)}


async def test_what_breaks_in_between_tells_of_both_kinds(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Certificates of other CAs are blocked and counted with ours, slice by slice."""
    monkeypatch.setattr(bulk, "AT_ONCE", 2)
    await show(command, *range(3))
    await record(command, 1)
    choice = await choose(command, GUESTS, REASON)
    aside = command.folder.path / "aside.sqlite3"

    def break_after_one(_: str) -> None:
        command.folder.database.rename(aside)

    breaking = replace(command, say=break_after_one)
    with pytest.raises(CommandRefused, match=r"^3 of 4 certificates are revoked, then .* rest$"):
        await revoke_all(breaking, choice, GUESTS, REASON)
    aside.rename(command.folder.database)
    assert await states(command) == [CertificateState.REVOKED]
    assert len(await blocked(command)) == 2
    rest = await choose(command, GUESTS, REASON)
    assert len((await revoke_all(command, rest, GUESTS, REASON)).blocked) == len(rest) == 1


async def test_what_somebody_else_has_revoked_meanwhile_keeps_its_reason(
    command: Command,
) -> None:
    """It is told apart."""
    await record(command, 3)
    found: Sequence[CertificateRecord] = await chosen(command, EVERYTHING)
    lost = RevocationReason.KEY_COMPROMISE
    await command.store.revoke_certificates(serial=found[0].serial, reason=lost, by="other")
    done = await revoke_all(command, Choice((*found,), ()), EVERYTHING, REASON)
    assert [one.serial for one in done.already] == [found[0].serial]
    kept = await command.store.certificate(found[0].serial)
    assert kept is not None
    assert kept.reason is lost


async def test_without_the_key_it_is_said_that_the_list_is_to_come(command: Command) -> None:
    """What is revoked is revoked."""
    await record(command, 3)
    issuing_key(command.folder).unlink()
    found = await chosen(command, EVERYTHING)
    done = await revoke_all(command, Choice((*found,), ()), EVERYTHING, REASON, patience=0.2)
    assert len(done.revoked) == 3
    assert done.unpublished is not None


async def test_a_command_that_is_killed_leaves_whole_slices_and_can_be_done_again(
    command: Command,
) -> None:
    """Every one that is revoked has its audit line; the log shows a begun without a finished."""
    await record(command, 10 * bulk.AT_ONCE)
    script = "from gateway.cli import main; main()"
    words = ["--site", str(command.folder.path), "cert", "revoke", "--issued-before", "2099-01-01"]
    words += ["--reason", "superseded", "--yes"]

    def start() -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-c", script, *words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    with start() as killed:
        assert killed.stderr is not None
        assert killed.stderr.readline() == f"revoked {bulk.AT_ONCE} of {10 * bulk.AT_ONCE}\n"
        killed.kill()
    count = (await states(command)).count(CertificateState.REVOKED)
    assert count % bulk.AT_ONCE == 0
    assert 0 < count < 10 * bulk.AT_ONCE
    lines = [line.event.kind for line in await command.store.audit_tail(20_000)]
    assert lines.count(AuditKind.CERTIFICATE_REVOKED) == count
    assert [one["stage"] for one in await told(command)] == ["begun"]
    with start() as again:
        again.communicate(timeout=60)
    assert again.returncode == 0
    assert set(await states(command)) == {CertificateState.REVOKED}
