"""Keeping up one trust: what each of those who work there costs the others."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gateway.core.foreign import PersonBy
from gateway.core.people import Fingerprint
from gateway.core.trusts import IdentityMap, Trust
from gateway.verifier.fetching import Fetcher
from gateway.verifier.findings import Found
from gateway.verifier.keeping import Keeping
from gateway.verifier.knowledge import Knowledge
from tests.ca.foreign.chains import make_person, make_root
from tests.gateway.verifier.web import open_web

DAY = timedelta(days=1)
NOW = datetime.now(UTC).replace(microsecond=0)
LONG: dict[str, Any] = {"begin": NOW - DAY, "end": NOW + 300 * DAY}
ROOT = make_root("Corp", **LONG)


class Stubborn(Knowledge):
    """Knowledge that can be had, but not about anybody who is shown for the first time."""

    async def refresh_about(
        self, found: Found, now: datetime, told: asyncio.Event | None = None
    ) -> None:
        """Fail."""
        raise BaseException("whoever is shown breaks it")  # noqa: TRY002 - as a library's panic does


async def judge(_: Knowledge) -> None:
    """Judge nobody."""


async def test_first_contacts_that_fail_hold_up_no_list(tmp_path: Path) -> None:
    """However many: what is due is fetched in its own time."""
    person = make_person(ROOT, **LONG)
    found = Found(
        fingerprint=Fingerprint("0" * 64),
        trust="corp",
        certificate=person.certificate,
        authority=ROOT.certificate,
        by=PersonBy.EMAIL,
        identity="anna@example.com",
        words="",
        ends=NOW + 300 * DAY,
    )
    async with open_web() as web:
        urls = (web.url("/corp.crl"),)
        trust = Trust("corp", (ROOT.der,), IdentityMap.SAN_EMAIL, urls)
        knowledge = Stubborn(trust, tmp_path, Fetcher())
        keeping = Keeping(knowledge, lambda: datetime.now(UTC), judge, lambda: 60.0)
        running = asyncio.create_task(keeping.run())
        async with asyncio.timeout(10):
            while not web.asked:  # noqa: ASYNC110 - tells nobody
                await asyncio.sleep(0.01)
            for _ in range(10):
                await keeping.ask_about(found)
            knowledge.hurry()
            before = len(web.asked)
            while len(web.asked) == before:  # noqa: ASYNC110 - tells nobody
                await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.wait([running])
        assert running.cancelled()
