"""The verifier's process: with trusts and without, and with files that have mistakes."""

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes

from gateway.bootstrap.creation import NewSite, create_site
from gateway.bootstrap.folder import SiteFolder, clock
from gateway.bootstrap.process import Lifecycle, ProcessFailed
from gateway.bootstrap.verifier import serve_verifier
from gateway.core.foreign import ForeignState, Verdict
from gateway.core.people import Fingerprint
from gateway.store import open_store
from tests.ca.foreign.chains import Made, make_person, make_root
from tests.ca.makers import write_pem
from tests.issuing import issuing_certificate

DAY = timedelta(days=1)
NOW = clock().replace(microsecond=0)
ROOT = make_root("Office", begin=NOW - DAY, end=NOW + 300 * DAY)
CARD = make_person(ROOT, begin=NOW - DAY, end=NOW + 300 * DAY)


@pytest.fixture
async def folder(tmp_path: Path) -> SiteFolder:
    """Make a site without a trust."""
    return await create_site(
        tmp_path / "site", NewSite("gate.example.org", 8443), clock, lambda _: None
    )


def trust(folder: SiteFolder, text: str = 'map = "san-email"\n') -> None:
    """Write the files of a trust."""
    folder.trust.mkdir(exist_ok=True)
    write_pem(folder.trust_certificates("office"), ROOT.certificate)
    folder.trust_settings("office").write_text(text)


@asynccontextmanager
async def serving(folder: SiteFolder) -> AsyncIterator[Lifecycle]:
    """Let the process serve until the block ends."""
    ready = asyncio.Event()
    lifecycle = Lifecycle("verifier", ready.set)
    running = asyncio.ensure_future(serve_verifier(folder.path, lifecycle))
    async with asyncio.timeout(20):
        await asyncio.wait(
            [running, asyncio.ensure_future(ready.wait())], return_when=asyncio.FIRST_COMPLETED
        )
        if running.done():
            await running
        yield lifecycle
        lifecycle.stop()
        await running


def hide(folder: SiteFolder, table: str, name: str) -> None:
    """Give a table of the store another name."""
    with closing(sqlite3.connect(folder.database)) as store:
        store.execute("PRAGMA legacy_alter_table = ON")
        store.execute(f"ALTER TABLE {table} RENAME TO {name}")
        store.commit()


async def judged(
    folder: SiteFolder, made: Made, *, fault: str | None = None, within: float = 10
) -> Verdict:
    """Show a certificate, and return the verdict on it, with *fault* if one is given."""
    fingerprint = Fingerprint(made.certificate.fingerprint(hashes.SHA256()).hex())
    async with open_store(folder.store_url(None), clock) as store:
        await store.present(fingerprint, made.der)
        async with asyncio.timeout(within):
            while True:
                (row,) = await store.presented(fingerprint=fingerprint)
                waits = row.verdict.state is ForeignState.WAITING
                if not waits and fault in {None, row.verdict.fault}:
                    return row.verdict
                await asyncio.sleep(0.02)


async def test_with_a_trust_it_judges(folder: SiteFolder) -> None:
    """And keeps what it knows where only it writes."""
    trust(folder)
    async with serving(folder):
        verdict = await judged(folder, CARD)
    assert (verdict.state, verdict.trust) == (ForeignState.ACCEPTED, "office")
    assert folder.foreign.stat().st_mode & 0o777 == 0o700


async def test_the_first_trust_begins_its_work(folder: SiteFolder) -> None:
    """Without one it waits; a reload is enough, and the last one ends what rested on it."""
    async with serving(folder) as lifecycle:
        assert (await lifecycle.reload()).taken == ()
        trust(folder)
        assert (await lifecycle.reload()).taken == ("trust office added",)
        assert (await judged(folder, CARD)).state is ForeignState.ACCEPTED
        folder.trust_settings("office").unlink()
        assert (await lifecycle.reload()).taken == ("trust office removed",)
        assert (await judged(folder, CARD, fault="no-trust")).state is ForeignState.REFUSED


async def test_a_trust_that_went_while_it_did_not_run(folder: SiteFolder) -> None:
    """What rested on it ends when it runs again."""
    trust(folder)
    async with serving(folder):
        await judged(folder, CARD)
    folder.trust_settings("office").unlink()
    async with serving(folder):
        await judged(folder, CARD, fault="no-trust")


async def test_mistakes_change_nothing(
    folder: SiteFolder, caplog: pytest.LogCaptureFixture
) -> None:
    """A reload is refused; a process that is started again goes on without, and says why."""
    trust(folder)
    async with serving(folder) as lifecycle:
        await judged(folder, CARD)
        trust(folder, 'map = "mail"\n')
        problems = (await lifecycle.reload()).problems
        assert "trust/office.toml" in problems[0]
    caplog.clear()
    with caplog.at_level(logging.ERROR):
        async with serving(folder):
            assert "no certificate of another CA is judged until this is corrected" in caplog.text
            assert (await judged(folder, CARD)).state is ForeignState.ACCEPTED


async def test_nobody_is_judged_before_it_is_known_which_cas_are_our_own(
    folder: SiteFolder, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the store cannot say that, it is asked again; a reload is refused meanwhile."""
    trust(folder)
    hide(folder, "issuer", "hidden")
    with caplog.at_level(logging.ERROR):
        async with serving(folder) as lifecycle:
            assert "no certificate of another CA is judged yet" in caplog.text
            (problem,) = (await lifecycle.reload()).problems
            assert "cannot be asked for our own CAs" in problem
            with pytest.raises(TimeoutError):
                await judged(folder, CARD, within=0.3)
            hide(folder, "hidden", "issuer")
            assert (await judged(folder, CARD)).state is ForeignState.ACCEPTED


async def test_our_own_ca_is_no_trust_once_the_store_says_so(
    folder: SiteFolder, caplog: pytest.LogCaptureFixture
) -> None:
    """Though nobody could say it at the start."""
    trust(folder)
    own = issuing_certificate(folder)
    folder.trust_certificates("office").write_bytes(own.read_bytes())
    hide(folder, "issuer", "hidden")
    with caplog.at_level(logging.ERROR):
        async with serving(folder):
            hide(folder, "hidden", "issuer")
            async with asyncio.timeout(10):
                while "is judged until this is corrected" not in caplog.text:  # noqa: ASYNC110 - tells nobody
                    await asyncio.sleep(0.02)


async def test_without_settings_it_does_not_start(folder: SiteFolder) -> None:
    """As every process."""
    folder.settings.write_text("[site]\n")
    with pytest.raises(ProcessFailed, match="host"):
        await serve_verifier(folder.path, Lifecycle("verifier"))
