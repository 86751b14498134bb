"""What doctor and `crl show` say of the lists of other CAs."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from gateway.bootstrap.creation import NewSite, create_site
from gateway.bootstrap.doctor import examine
from gateway.bootstrap.examination import Finding, Health
from gateway.bootstrap.folder import SiteFolder, clock
from gateway.bootstrap.trust_lists import ForeignAge, age_of
from gateway.core.foreign import ForeignList
from gateway.core.people import Fingerprint
from gateway.store import open_store
from tests.ca.foreign.chains import make_root
from tests.ca.makers import write_pem

DAY = timedelta(days=1)
NOW = clock()
LIST = ForeignList("office", "http://crl.example/a.crl", "CN=Office", "7", NOW, NOW + 4 * DAY, 3)
SUBJECTS = {"foreign list", "verifier"}


@pytest.fixture
async def folder(tmp_path: Path) -> SiteFolder:
    """Make a site that trusts a CA for 100 days."""
    wished = NewSite("gate.example.org", 8443)
    folder = await create_site(tmp_path / "site", wished, clock, lambda _: None)
    folder.trust.mkdir()
    ca = make_root("Office", begin=NOW - DAY, end=NOW + 100 * DAY)
    write_pem(folder.trust_certificates("office"), ca.certificate)
    folder.trust_settings("office").write_text('map = "san-email"\n')
    return folder


async def note(folder: SiteFolder, *lists: ForeignList) -> None:
    """Note how lists are, as the verifier does."""
    async with open_store(folder.store_url(None), clock) as store:
        await store.note_lists("office", lists)


async def found(folder: SiteFolder, days: float = 0) -> list[Finding]:
    """Return what the doctor finds of other CAs, so many *days* from now."""
    here: Callable[[], datetime] = lambda: NOW + timedelta(days=days)  # noqa: E731 - short
    return [one async for one in examine(folder, here) if one.subject in SUBJECTS]


def test_a_list_is_late_when_a_quarter_is_left() -> None:
    """Many CAs are in no hurry; one that was never had has no age."""
    assert age_of(LIST, NOW + 2.9 * DAY) is ForeignAge.GOOD
    assert age_of(LIST, NOW + 3.1 * DAY) is ForeignAge.LATE
    assert age_of(LIST, NOW + 4.1 * DAY) is ForeignAge.ENDED
    assert age_of(ForeignList("office", "a"), NOW) is ForeignAge.MISSING
    assert age_of(ForeignList("office", "OCSP", next_update=NOW + DAY), NOW) is ForeignAge.GOOD


async def test_what_is_well_is_said(folder: SiteFolder) -> None:
    """By source and number."""
    await note(folder, LIST)
    (one,) = await found(folder)
    assert one.health is Health.OK
    assert "office: http://crl.example/a.crl number 7, 3 entries, good until" in one.words


@pytest.mark.parametrize(
    "days, health, words",
    [
        (3.5, Health.WARNING, "nearly over and was not followed by another"),
        (5, Health.PROBLEM, "so nobody whom it speaks for gets in"),
    ],
)
async def test_a_list_that_ends_is_told(
    folder: SiteFolder, days: float, health: Health, words: str
) -> None:
    """Before it does, and after."""
    await note(folder, LIST)
    one = (await found(folder, days))[-1]
    assert one.health is health
    assert words in one.words


async def test_a_grace_is_told_and_its_end(folder: SiteFolder) -> None:
    """That somebody who was revoked may get in is a problem as well."""
    text = 'map = "san-email"\npast_end = "go-on"\ngrace = "1d"\n'
    folder.trust_settings("office").write_text(text)
    await note(folder, LIST)
    going = (await found(folder, 4.5))[-1]
    assert going.health is Health.PROBLEM
    assert "gone by until" in going.words
    assert "whoever was revoked since gets in" in going.words
    assert "nobody whom it speaks for gets in" in (await found(folder, 5.5))[-1].words


async def test_what_cannot_be_had_is_told(folder: SiteFolder) -> None:
    """With its reason, also while the last good one is still good."""
    failing = ForeignList("office", "http://crl.example/b.crl", failure="no answer")
    still = replace(LIST, failure="too long")
    await note(folder, still, failing)
    one, other = await found(folder)
    assert (one.health, other.health) == (Health.WARNING, Health.PROBLEM)
    assert "too long" in one.words
    assert "nothing was had there; no answer" in other.words


async def test_a_verifier_that_does_not_run_is_noticed(folder: SiteFolder) -> None:
    """By what waits for it."""
    async with open_store(folder.store_url(None), clock) as store:
        await store.present(Fingerprint("ca" * 32), b"der")
    assert await found(folder) == []
    (one,) = await found(folder, 0.1)
    assert (one.subject, one.health) == ("verifier", Health.PROBLEM)
    assert one.words == "1 certificate of other CAs waits to be judged"
