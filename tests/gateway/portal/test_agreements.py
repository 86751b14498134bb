"""The pages of agreements."""

from dataclasses import replace
from datetime import UTC, date, datetime
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import pytest
from aiohttp import ClientResponse

from gateway.core.agreements import AgreementDocument, AgreementText
from gateway.core.audit import AuditKind
from gateway.core.sessions import SessionId
from policies.model import AppPolicy
from tests.gateway.portal.house import APPLICATIONS, PORTAL_ORIGIN, WIKI_ORIGIN, House, text_of
from tests.gateway.portal.texts import (
    ENGLISH,
    FIRST,
    HOME,
    ITALIAN,
    NEXT,
    RENEWED,
    SECOND,
    agreement,
    agreement_text,
    requiring,
)

SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}
TO_WIKI = f"{PORTAL_ORIGIN}/continue?{urlencode({'to': WIKI_ORIGIN + '/'})}"


def adopt(house: House, *documents: AgreementDocument, app: str = "wiki") -> None:
    """Have *app* require *documents*, and nothing else require anything."""
    house.agreements = {one.name: one for one in documents}
    house.applications = {
        **APPLICATIONS,
        app: requiring(APPLICATIONS[app], *documents, zone=house.site.time_zone),
    }


async def accept(
    house: House,
    session: SessionId | None,
    text: AgreementText = ENGLISH,
    *,
    name: str = "home",
    read: str = "yes",
    app: str = "",
    headers: dict[str, str] = SAME_ORIGIN,
) -> ClientResponse:
    """Send the form."""
    form = {"version": text.version, "digest": text.digest, "app": app}
    if read:
        form["read"] = read
    return await house.ask(
        "POST", f"/agreements/{name}", session=session, form=form, headers=headers
    )


async def withdraw(house: House, session: SessionId | None) -> ClientResponse:
    """Press the button of the page that asks."""
    return await house.ask(
        "POST",
        "/agreements/withdraw/home",
        session=session,
        headers={"Content-Type": "application/x-www-form-urlencoded", **SAME_ORIGIN},
    )


async def test_whoever_has_the_name_next_does_not_see_what_was_accepted(house: House) -> None:
    """By somebody who was removed: neither when, nor with which certificate."""
    adopt(house, HOME)
    await accept(house, await house.signed_in())
    await house.store.remove_person("anna", house.clock().date())
    house.clock.advance(days=1)
    await house.add_person("anna", "Anna Bianchi", "technicians")
    await house.add_stick("anna", "stick-anna")
    session = await house.signed_in("stick-anna", "anna")
    page = await house.ask("GET", "/agreements", stick="stick-anna", session=session)
    assert ENGLISH.digest not in await page.text()
    assert len(await house.store.acceptances(user="anna")) == 1


class TestReading:
    async def test_the_text_stands_on_the_page(self, house: House) -> None:
        """As HTML, with version, day and digest; with a box that nobody has ticked."""
        adopt(house, HOME)
        session = await house.signed_in()
        response = await house.get("/agreements/home", session)
        html = await response.text()
        assert response.status == 200
        assert "<h1>Working &lt;elsewhere&gt;</h1>" in html
        assert "<h2>Terms</h2>" in html
        assert "Version 1, in force from 1 January 2026 on" in html
        assert ENGLISH.digest in html
        assert '<input type="checkbox" name="read" value="yes" required' in html
        assert "checked" not in html
        assert "script-src" not in response.headers["Content-Security-Policy"]

    async def test_in_the_readers_language(self, house: House) -> None:
        """Or in another, and then it says so; what is accepted is what was shown."""
        adopt(house, RENEWED)
        session = await house.signed_in()
        first = await house.get("/agreements/home?version=1", session, Accept_Language="it")
        html = await first.text()
        assert "Blocca lo schermo." in html
        assert ITALIAN.digest in html
        second = await (
            await house.get("/agreements/home?version=2", session, Accept_Language="it")
        ).text()
        assert '<article class="sheet text" lang="en"' in second
        assert "Questo testo c’è solo in inglese." in second
        assert "the screen &amp; the door" in second

    async def test_only_of_those_whom_it_concerns(self, house: House) -> None:
        """Others learn not even that there is one."""
        payroll = requiring(APPLICATIONS["payroll"], HOME)
        house.agreements = {"home": HOME}
        house.applications = {**APPLICATIONS, "payroll": payroll}
        session = await house.signed_in()
        for path in ("/agreements/home", "/agreements/nothing", "/agreements/withdraw/home"):
            assert (await house.get(path, session)).status == 404
        assert (await accept(house, session)).status == 404
        assert "Working" not in await (await house.get("/agreements", session)).text()
        assert await house.store.acceptances() == []

    async def test_older_versions_can_be_read(self, house: House) -> None:
        """Without a form: they cannot be accepted any more."""
        adopt(house, RENEWED)
        session = await house.signed_in()
        house.clock.now = datetime(2026, 12, 11, 9, tzinfo=UTC)
        session = await house.signed_in()
        html = await (await house.get("/agreements/home", session)).text()
        assert 'name="version" value="2"' in html
        assert "/agreements/home?version=1" in html
        old = await (await house.get("/agreements/home?version=1", session)).text()
        assert '<form method="post" action="/agreements' not in old
        assert (await accept(house, session, ENGLISH)).status == 409

    async def test_needs_a_session(self, house: House) -> None:
        """A page leads back to itself by way of the sign-in; a form does nothing."""
        adopt(house, HOME)
        page = await house.get("/agreements/home?app=wiki")
        to = urlencode({"to": f"{PORTAL_ORIGIN}/agreements/home?app=wiki"})
        assert (page.status, page.headers["Location"]) == (303, f"/sign-in?{to}")
        for answer in (
            await accept(house, None),
            await withdraw(house, None),
            await house.get("/agreements"),
            await house.get("/agreements/withdraw/home"),
        ):
            assert answer.status == 303
            assert answer.headers["Location"].startswith("/sign-in?to=")
        assert await house.store.acceptances() == []


class TestAccepting:
    async def test_brings_somebody_to_the_application(self, house: House) -> None:
        """That they came for, where it opens by that; the record says everything."""
        adopt(house, HOME)
        session = await house.signed_in()
        answer = await accept(house, session, app="wiki")
        assert (answer.status, answer.headers["Location"]) == (
            303,
            "/continue" + TO_WIKI[len(PORTAL_ORIGIN) + 9 :],
        )
        [one] = await house.store.acceptances()
        assert (one.user, one.agreement, one.version) == ("anna", "home", "1")
        assert (one.language, one.digest) == ("en", ENGLISH.digest)
        assert one.serial == house.sticks["stick-1"][:32]
        page = await house.get("/agreements/home", session)
        text = await text_of(page)
        assert "You accepted this version on 21 November 2026, 09:00." in text
        assert "Open Wiki" in text

    async def test_leads_nowhere_else(self, house: House) -> None:
        """Not to an application that is not there, nor to one that stays closed."""
        adopt(house, HOME)
        session = await house.signed_in()
        for app in ("", "nothing", "payroll", "https://example.org/"):
            answer = await accept(house, session, app=app)
            assert (answer.status, answer.headers["Location"]) == (303, "/agreements/home")

    async def test_goes_on_to_the_next_that_is_asked_for(self, house: House) -> None:
        """Where an application asks for two."""
        other = agreement("rules", "Rules", (agreement_text("1", "en", "# R"),), v1=FIRST)
        adopt(house, HOME, other)
        session = await house.signed_in()
        answer = await accept(house, session, app="wiki")
        assert answer.headers["Location"] == "/agreements/rules?app=wiki"
        answer = await accept(house, session, other.texts[0], name="rules", app="wiki")
        assert answer.headers["Location"].startswith("/continue?to=")

    async def test_needs_the_tick(self, house: House) -> None:
        """Without it nothing is written; the page says so, and is marked for who hears it."""
        adopt(house, HOME)
        session = await house.signed_in()
        answer = await accept(house, session, read="")
        html = await answer.text()
        assert answer.status == 400
        assert "Nothing was written down yet." in html
        assert "<title>Error: " in html, "which is read aloud before anything else"
        assert 'aria-invalid="true" aria-describedby="problem"' in html
        assert await house.store.acceptances() == []

    async def test_takes_no_text_that_was_not_shown(self, house: House) -> None:
        """Neither one that has changed since, nor a made-up digest, nor another version's."""
        adopt(house, HOME)
        session = await house.signed_in()
        adopt(house, agreement("home", "Home", (NEXT, agreement_text("1", "en", "# X")), v1=FIRST))
        for text in (ENGLISH, replace(ENGLISH, digest="a" * 64), replace(NEXT, version="1"), NEXT):
            answer = await accept(house, session, text)
            assert answer.status == 409
            assert "so nothing was written down" in await text_of(answer)
        assert await house.store.acceptances() == []
        assert await house.audit(AuditKind.AGREEMENT_ACCEPTED) == []

    async def test_twice_is_once(self, house: House) -> None:
        """A double tap gets the same answer."""
        adopt(house, HOME)
        session = await house.signed_in()
        answers = [await accept(house, session, app="wiki") for _ in range(2)]
        assert answers[0].headers["Location"] == answers[1].headers["Location"]
        assert len(await house.store.acceptances()) == 1
        assert len(await house.audit(AuditKind.AGREEMENT_ACCEPTED)) == 1

    async def test_only_from_our_own_page(self, house: House) -> None:
        """A form on another site does nothing, nor does one of an application's host."""
        adopt(house, HOME)
        session = await house.signed_in()
        for site in ("cross-site", "same-site"):
            answer = await accept(house, session, headers={"Sec-Fetch-Site": site})
            assert answer.status == 403
        assert await house.store.acceptances() == []

    async def test_on_a_session_that_has_ended_meanwhile(self, house: House) -> None:
        """The sign-in comes first."""
        adopt(house, HOME)
        session = await house.signed_in()
        await house.store.end_sessions(user="anna", kind=AuditKind.SIGNED_OUT, by="test")
        assert (await accept(house, session)).status == 303
        assert await house.store.acceptances() == []


class TestWithdrawing:
    async def test_is_asked_about_first(self, house: House) -> None:
        """With what it closes; asking changes nothing."""
        adopt(house, HOME)
        session = await house.signed_in()
        before = await house.get("/agreements/withdraw/home", session)
        assert before.headers["Location"] == "/agreements/home", "there is nothing to withdraw"
        await accept(house, session)
        text = await text_of(await house.get("/agreements/withdraw/home", session))
        assert "Withdraw from “Working <elsewhere>”?" in text
        assert "with all that is open in it: Wiki." in text
        assert (await house.store.acceptances())[0].withdrawn_at is None

    async def test_ends_it_and_leaves_the_record(self, house: House) -> None:
        """Twice is once; it can be accepted again."""
        adopt(house, HOME)
        session = await house.signed_in()
        await accept(house, session)
        for _ in range(2):
            answer = await withdraw(house, session)
            assert (answer.status, answer.headers["Location"]) == (303, "/agreements/home")
        assert len(await house.audit(AuditKind.AGREEMENT_WITHDRAWN)) == 1
        text = await text_of(await house.get("/agreements", session))
        assert "withdrawn on 21 November 2026" in text
        assert "To be read and accepted." in text
        await accept(house, session)
        assert len(await house.store.acceptances()) == 2

    async def test_of_what_no_rule_asks_for_any_more(self, house: House) -> None:
        """Whoever accepted it can still read it, and take it back."""
        adopt(house, HOME)
        session = await house.signed_in()
        await accept(house, session)
        house.applications = dict(APPLICATIONS)
        assert (await house.get("/agreements/home", session)).status == 200
        assert "You have accepted version 1." in await text_of(
            await house.get("/agreements", session)
        )
        await withdraw(house, session)
        assert (await house.store.acceptances())[0].withdrawn_at is not None

    async def test_of_what_is_gone_from_the_files(self, house: House) -> None:
        """The record tells of it; there is no page of it."""
        adopt(house, HOME)
        session = await house.signed_in()
        await accept(house, session)
        house.agreements, house.applications = {}, dict(APPLICATIONS)
        assert (await house.get("/agreements/home", session)).status == 404
        text = await text_of(await house.get("/agreements", session))
        assert f"Fingerprint (SHA-256) {ENGLISH.digest}" in text

    async def test_back_and_forth_leaves_a_page_that_can_be_read(self, house: House) -> None:
        """The record is whole in the store; the page shows the newest of it."""
        adopt(house, HOME)
        session = await house.signed_in()
        for _ in range(60):
            house.clock.advance(seconds=1)
            await accept(house, session)
            await withdraw(house, session)
        html = await (await house.get("/agreements", session)).text()
        assert html.count(ENGLISH.digest) == 50
        assert len(await house.store.acceptances(user="anna")) == 60


class TestHome:
    async def test_says_what_is_to_be_accepted(self, house: House) -> None:
        """Above everything, for which applications; their tile leads there too."""
        adopt(house, HOME)
        session = await house.signed_in()
        html = await (await house.get("/", session)).text()
        assert "has to be read and accepted. Until then this stays closed to you: Wiki." in html
        assert 'href="/agreements/home?app=wiki"' in html
        assert '<a class="sheet tile closed" href="/agreements?app=wiki">' in html
        way = await house.get("/agreements?app=wiki", session)
        assert way.headers["Location"] == "/agreements/home?app=wiki"
        await accept(house, session)
        html = await (await house.get("/", session)).text()
        assert "has to be read" not in html
        assert f'href="{WIKI_ORIGIN}/"' in html
        assert (await house.get("/agreements?app=wiki", session)).status == 200

    async def test_says_nothing_of_what_is_for_others(self, house: House) -> None:
        """Neither a notice nor a link."""
        adopt(house, HOME, app="payroll")
        html = await (await house.get("/", await house.signed_in())).text()
        assert "agreements" not in html

    @pytest.mark.parametrize(
        "now, words",
        [
            (datetime(2026, 11, 25, 22, tzinfo=UTC), None),
            (datetime(2026, 11, 25, 23, tzinfo=UTC), "From 10 December 2026 on this closes"),
            (datetime(2026, 12, 9, 22, tzinfo=UTC), "From 10 December 2026 on this closes"),
            (datetime(2026, 12, 9, 23, tzinfo=UTC), "has to be read and accepted."),
        ],
    )
    async def test_speaks_of_a_new_version_in_time(
        self, house: House, now: datetime, words: str | None
    ) -> None:
        """Two weeks before its day, by the site's clock; from that day on it is closed."""
        house.site = replace(house.site, time_zone=ZoneInfo("Europe/Rome"))
        adopt(house, RENEWED)
        house.clock.now = now
        session = await house.signed_in()
        stale = replace(RENEWED, agreement=HOME.agreement)
        house.agreements = {"home": stale}
        await accept(house, session, ENGLISH)
        house.agreements = {"home": RENEWED}
        text = await text_of(await house.get("/", session))
        assert ("Working <elsewhere>" in text) == (words is not None)
        assert (words or "Wiki") in text
        if words:
            await accept(house, session, NEXT)
            assert "Working <elsewhere>" not in await text_of(await house.get("/", session))

    async def test_speaks_of_it_also_to_who_needs_more_than_that(self, house: House) -> None:
        """Whoever waits for an approval can accept the text meanwhile."""
        adopt(house, HOME)
        wiki = house.applications["wiki"]
        rules = tuple(replace(rule, approval=True) for rule in wiki.policy.rules)
        house.applications["wiki"] = replace(wiki, policy=AppPolicy("wiki", rules))
        session = await house.signed_in()
        assert "has to be read and accepted" in await text_of(await house.get("/", session))
        answer = await accept(house, session, app="wiki")
        assert answer.headers["Location"] == "/agreements/home", "it stays closed"
        assert "has to be read" not in await text_of(await house.get("/", session))

    async def test_two_rules_are_two_ways_in(self, house: House) -> None:
        """Where one rule asks for nothing the application is open, and nothing is missing."""
        adopt(house, HOME)
        wiki = house.applications["wiki"]
        free = replace(wiki.policy.rules[0], name="free", agreements=None)
        both = AppPolicy("wiki", (*wiki.policy.rules, free))
        house.applications = {**house.applications, "wiki": replace(wiki, policy=both)}
        html = await (await house.get("/", await house.signed_in())).text()
        assert f'href="{WIKI_ORIGIN}/"' in html
        assert "has to be read and accepted" not in html


def test_the_days_are_as_the_tests_take_them() -> None:
    """The second version is due after the clock of the house begins."""
    assert FIRST < date(2026, 11, 21) < SECOND
