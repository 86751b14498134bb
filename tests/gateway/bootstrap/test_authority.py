import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from ca import lists
from ca.authority import Order
from ca.hierarchy import ISSUER_NAME
from ca.keys import KeyRing
from ca.kinds import make_key
from ca.lists import CRLRecord
from ca.trust import RevocationReason
from gateway.bootstrap.authority import (
    FIRST_WAIT,
    LONGEST_WAIT,
    Publisher,
    calls_for_a_look,
    serve_authority,
    wait_after,
)
from gateway.bootstrap.command import open_command
from gateway.bootstrap.creation import NewSite, create_site
from gateway.bootstrap.folder import SiteFolder, clock
from gateway.bootstrap.process import Lifecycle, ProcessFailed
from gateway.bootstrap.protection import protect
from gateway.bootstrap.signing import open_authority
from gateway.bootstrap.succession import NewKey, roll_over
from gateway.config import read_site
from gateway.core.changes import Batch, Change, ChangeKind
from gateway.core.credentials import hash_password
from gateway.core.site import Site
from gateway.store import NewPerson, Store, open_store
from tests.issuing import issuing_key


async def new_site(directory: Path, now: Callable[[], datetime] = clock) -> SiteFolder:
    """Make a site with one person, anna, as it would have been made at *now*."""
    folder = await create_site(directory, NewSite("pusterla.localhost", 8443), now, print)
    async with open_store(folder.store_url(None), now) as store:
        await store.add_person(
            NewPerson("anna", "Anna Rossi", "", frozenset(), hash_password("x" * 12), b"sealed")
        )
    return folder


@pytest.fixture
async def folder(tmp_path: Path) -> SiteFolder:
    """Make a site of this moment."""
    return await new_site(tmp_path / "site")


@pytest.fixture
async def store(folder: SiteFolder) -> AsyncIterator[Store]:
    """Open the store of the site, as the command does."""
    async with open_store(folder.store_url(None), clock) as store:
        yield store


async def issue(folder: SiteFolder, store: Store, issuer: str = ISSUER_NAME) -> str:
    """Issue a certificate to anna and return its serial."""
    site = read_site(folder.settings)
    assert isinstance(site, Site)
    authority = open_authority(folder, site, store, "test", KeyRing(), issuer)
    order = Order("anna", "stick-1", lifetime=timedelta(days=30))
    return (await authority.enrol(order, make_key().public_key(), clock())).record.serial


@asynccontextmanager
async def running(folder: SiteFolder) -> AsyncIterator[Lifecycle]:
    """Run the authority's process of *folder* in this one."""
    ready = asyncio.Event()
    lifecycle = Lifecycle("authority", ready.set)
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        group.create_task(serve_authority(folder.path, lifecycle))
        await ready.wait()
        yield lifecycle
        lifecycle.stop()


async def crl(store: Store) -> CRLRecord:
    """Return the newest CRL."""
    found = await store.latest_crl(ISSUER_NAME)
    assert found is not None
    return found


async def crl_after(store: Store, number: int) -> CRLRecord:
    """Wait for a CRL newer than *number*."""
    async with aclosing(store.follow()) as batches:
        async for _ in batches:
            if (found := await crl(store)).number > number:
                return found
    raise AssertionError("the feed came to an end")


class TestServeAuthority:
    async def test_a_revocation_is_in_a_crl_within_a_second(
        self, folder: SiteFolder, store: Store
    ) -> None:
        """Whoever revokes needs no key: the authority hears of it and signs at once."""
        serial = await issue(folder, store)
        before = await crl(store)
        async with running(folder):
            reason = RevocationReason.KEY_COMPROMISE
            await store.revoke_certificates(serial=serial, reason=reason, by="test")
            async with asyncio.timeout(1):
                after = await crl_after(store, before.number)
        listed = {entry.serial_number for entry in x509.load_der_x509_crl(after.der)}
        assert listed == {int(serial, 16)}

    async def test_what_was_revoked_while_it_was_away_is_caught_up(
        self, folder: SiteFolder, store: Store
    ) -> None:
        """It looks before it says that it serves, not only when the feed calls."""
        serial = await issue(folder, store)
        before = await crl(store)
        reason = RevocationReason.KEY_COMPROMISE
        await store.revoke_certificates(serial=serial, reason=reason, by="test")
        async with running(folder):
            assert (await crl(store)).number > before.number

    async def test_a_fresh_crl_is_left_alone(self, folder: SiteFolder, store: Store) -> None:
        """Starting signs nothing when nothing is due."""
        before = await crl(store)
        async with running(folder):
            await asyncio.sleep(0.2)
        assert await crl(store) == before

    async def test_an_old_crl_is_followed_long_before_its_end(self, tmp_path: Path) -> None:
        """A CRL that has used up a quarter of its life is signed again."""
        folder = await new_site(tmp_path / "old", lambda: clock() - timedelta(days=2))
        async with running(folder), open_store(folder.store_url(None), clock) as store:
            found = await crl(store)
            assert found.this_update > clock() - timedelta(minutes=1)
            assert found.next_update > clock() + timedelta(days=6)

    @pytest.mark.parametrize("days, words", [(4, "past half of its life"), (8, "over")])
    async def test_a_list_that_nobody_follows_is_told(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, days: int, words: str
    ) -> None:
        """By name, number, entries and end, once, though its key is away: that is when it tells."""
        folder = await new_site(tmp_path / "old", lambda: clock() - timedelta(days=days))
        async with open_store(folder.store_url(None), clock) as store:
            old = await crl(store)
            site = read_site(folder.settings)
            assert isinstance(site, Site)
            publisher = Publisher(folder, site, store)
            issuing_key(folder).unlink()
            caplog.set_level("WARNING")
            task = asyncio.create_task(publisher.publish_for_ever())
            publisher.look()
            async with asyncio.timeout(10):
                # One failure after the other, and the wait between the first two is short.
                while len([one for one in caplog.messages if "again in" in one]) < 2:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            task.cancel()
        told = [one for one in caplog.messages if one.startswith("CRL ")]
        expected = (
            f"CRL issuing-1.crl number {old.number} with 0 entries is {words}: "
            f"good until {old.next_update.isoformat()}, and no other has followed"
        )
        assert told == [expected]

    async def test_it_signs_for_every_issuer_whose_key_there_is(
        self, folder: SiteFolder, store: Store
    ) -> None:
        """After a roll-over for both; a key that is away keeps no other from signing."""
        old = await issue(folder, store)
        async with open_command(folder) as command:
            await roll_over(command, NewKey())
        new = await issue(folder, store, "issuing-2")
        reason = RevocationReason.SUPERSEDED
        for serial in (old, new):
            await store.revoke_certificates(serial=serial, reason=reason, by="test")
        hidden = issuing_key(folder).rename(folder.path / "elsewhere.key")

        async def listed(serial: str) -> bool:
            record = await store.certificate(serial)
            return record is not None and record.crl_number is not None

        async with running(folder):
            assert await listed(new)
            assert not await listed(old)
            hidden.rename(issuing_key(folder))
            async with asyncio.timeout(20):
                while not await listed(old):  # noqa: ASYNC110 - by the process beside us
                    await asyncio.sleep(0.05)

    async def test_it_outlives_a_store_that_goes_away(
        self, folder: SiteFolder, store: Store, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A store that is gone is logged and asked again; what was revoked meanwhile is signed."""
        serial = await issue(folder, store)
        before = await crl(store)
        async with running(folder):
            aside = folder.path / "aside.sqlite3"
            folder.database.rename(aside)
            while "the feed is broken" not in caplog.text:  # noqa: ASYNC110 - a log has no event
                await asyncio.sleep(0.01)
            aside.rename(folder.database)
            reason = RevocationReason.KEY_COMPROMISE
            await store.revoke_certificates(serial=serial, reason=reason, by="test")
            async with asyncio.timeout(10):
                await crl_after(store, before.number)

    async def test_without_the_ca_key_it_does_not_start(self, folder: SiteFolder) -> None:
        """A key that is missing, or open to others, is named."""
        issuing_key(folder).chmod(0o640)
        with pytest.raises(ProcessFailed, match=r"issuing\.key"):
            await serve_authority(folder.path, Lifecycle("authority"))

    async def test_the_key_of_the_root_is_not_needed(
        self, folder: SiteFolder, store: Store
    ) -> None:
        """The root's key may be kept somewhere else."""
        folder.root_key.unlink()
        serial = await issue(folder, store)
        before = await crl(store)
        async with running(folder):
            reason = RevocationReason.KEY_COMPROMISE
            await store.revoke_certificates(serial=serial, reason=reason, by="test")
            await crl_after(store, before.number)


SECRET = "the CA's own passphrase"


def set_keys(folder: SiteFolder, section: str, **values: str) -> None:
    """Write *values* into *section* of the settings of *folder*."""
    text = folder.settings.read_text(encoding="utf-8")
    lines = "".join(f"{key} = {value}\n" for key, value in values.items())
    folder.settings.write_text(text.replace(f"[{section}]\n", f"[{section}]\n{lines}"), "utf-8")


async def published_scopes(store: Store) -> list[str]:
    """Return the scope of each list of which there is one."""
    async with store.read() as connection:
        return [one.scope for one in await lists.list_crls(connection, ISSUER_NAME)]


class TestTakeUp:
    async def test_other_lists_are_signed_at_once(self, folder: SiteFolder, store: Store) -> None:
        """What [crl] says is in force after a reload, and each key is named."""
        async with running(folder) as lifecycle:
            set_keys(folder, "crl", delta="true", partitions="2")
            assert (await lifecycle.reload()).taken == ("crl.delta", "crl.partitions")
            async with asyncio.timeout(5):
                while len(scopes := await published_scopes(store)) < 6:  # noqa: ASYNC110 - told by the store alone
                    await asyncio.sleep(0.05)
        assert set(scopes) == {"", "1-of-2", "2-of-2"}

    async def test_a_passphrase_that_is_in_a_file_now(
        self, folder: SiteFolder, store: Store
    ) -> None:
        """The key is opened at the reload: one that cannot be is told and changes nothing."""
        serial = await issue(folder, store)
        async with running(folder) as lifecycle:
            async with open_command(folder) as command:
                await protect(command, (), SECRET.encode())
            (problem, *_) = (await lifecycle.reload()).problems
            assert "passphrase_file" in problem
            secret = folder.path / "secret"
            secret.write_text("another one altogether\n", encoding="utf-8")
            secret.chmod(0o600)
            set_keys(folder, "ca", passphrase_file='"secret"')
            (problem, *_) = (await lifecycle.reload()).problems
            assert "does not open" in problem
            secret.write_text(SECRET + "\n", encoding="utf-8")
            assert (await lifecycle.reload()).taken == ("ca.passphrase_file",)
            before = await crl(store)
            reason = RevocationReason.KEY_COMPROMISE
            await store.revoke_certificates(serial=serial, reason=reason, by="test")
            assert (await crl_after(store, before.number)).number > before.number

    async def test_the_one_that_issues_now_is_looked_at(
        self, folder: SiteFolder, store: Store
    ) -> None:
        """After a roll-over that is another key; the one before may be away for a reload."""
        async with running(folder) as lifecycle:
            async with open_command(folder) as command:
                await roll_over(command, NewKey())
            issuing_key(folder).rename(issuing_key(folder).with_suffix(".away"))
            assert (await lifecycle.reload()).problems == ()
            (folder.ca / "issuing-2.key").chmod(0o644)
            (problem, *_) = (await lifecycle.reload()).problems
        assert "issuing-2.key" in problem
        assert await store.latest_crl("issuing-2") is not None


@pytest.mark.parametrize(
    "batch, looks",
    [
        (Batch(()), False),
        (Batch((Change(1, ChangeKind.USER, "anna"), Change(2, ChangeKind.CRL, "x"))), False),
        (Batch((Change(1, ChangeKind.USER, "anna"), Change(2, ChangeKind.CERTIFICATE, "f"))), True),
        (Batch((), gap=True), True),
    ],
)
def test_what_calls_for_a_look(batch: Batch, *, looks: bool) -> None:
    """A certificate in the feed, or a gap in it; a CRL of its own does not."""
    assert calls_for_a_look(batch) is looks


def test_failures_are_tried_again_ever_more_seldom() -> None:
    """Half a second at first, then doubling, at most every half minute."""
    waits = [wait_after(None)]
    for _ in range(8):
        waits.append(wait_after(waits[-1]))
    assert waits[:4] == [FIRST_WAIT, 1.0, 2.0, 4.0]
    assert waits[-1] == LONGEST_WAIT
