"""The page that asks for a code once more."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final
from urllib.parse import quote

import pytest
from aiohttp import ClientResponse

from gateway.core.audit import AuditKind
from gateway.core.credentials import totp_code
from gateway.core.lockout import FREE_FAILURES
from gateway.core.sessions import Session, SessionId
from gateway.portal.pages import CONTENT_SECURITY_POLICY
from tests.gateway.portal.house import (
    NUMBER,
    PASSWORD,
    PORTAL_ORIGIN,
    SECRET,
    WIKI_ORIGIN,
    House,
    text_of,
)

SAME_ORIGIN: Final = {"Sec-Fetch-Site": "same-origin"}
TO: Final = f"{WIKI_ORIGIN}/admin?a=b"


def page(to: str = TO) -> str:
    """Return the address to which the edge sends somebody."""
    return f"/confirm?to={quote(to, safe='')}"


async def post(
    house: House,
    session: SessionId | None,
    *,
    headers: Mapping[str, str] = SAME_ORIGIN,
    stick: str = "stick-1",
    **form: str,
) -> ClientResponse:
    """Send the form."""
    fields = {"to": TO, "code": house.code(), **form}
    return await house.ask(
        "POST", "/confirm", stick=stick, session=session, form=fields, headers=headers
    )


async def later(house: House, **span: float) -> SessionId:
    """Sign anna in, and let time pass: half an hour, unless it is said."""
    session = await house.signed_in()
    house.clock.advance(**(span or {"minutes": 30}))
    return session


async def now_of(house: House, session: SessionId) -> Session:
    """Return how a session stands."""
    found = await house.store.session(session)
    assert found is not None
    return found


async def refusals(house: House) -> list[str]:
    """Return why codes were refused."""
    return [line.event.reason for line in await house.audit(AuditKind.CODE_REFUSED)]


def let_wiki_be(house: House, **policy: Any) -> None:
    """Have the wiki ask for more."""
    wiki = house.applications["wiki"]
    house.applications["wiki"] = replace(wiki, policy=replace(wiki.policy, **policy))


class TestAsking:
    async def test_it_asks_for_the_code_alone(self, house: House) -> None:
        """With the way in the form, the cursor in its one field, and what it is for."""
        response = await house.get(page(), await later(house))
        html = await response.text()
        assert response.status == 200
        assert 'name="code"' in html
        assert "autofocus" in html.partition('name="code"')[2].partition(">")[0]
        assert 'type="password"' not in html
        assert f'name="to" value="{TO}"' in html
        assert "in Wiki, a code must have been given" in await text_of(response)

    @pytest.mark.parametrize("language,word", [("en", "A code, once more"), ("it", "Un codice")])
    async def test_it_is_strict_and_small(self, house: House, language: str, word: str) -> None:
        """With its policy, not kept, no script, under 30 KiB; in both languages."""
        response = await house.get(page(), await later(house), Accept_Language=language)
        html = await response.text()
        assert f'<html lang="{language}">' in html
        assert word in html
        assert response.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
        assert response.headers["Cache-Control"] == "no-store"
        assert "<script" not in html
        assert len(html.encode()) < 30 * 1024

    async def test_who_is_not_signed_in_signs_in(self, house: House) -> None:
        """And gets there then; of a form too that was open when the session ended."""
        expected = (303, f"/sign-in?to={quote(TO, safe='')}")
        asked = await house.get(page())
        assert (asked.status, asked.headers["Location"]) == expected
        sent = await post(house, None)
        assert (sent.status, sent.headers["Location"]) == expected

    async def test_who_has_just_given_one_goes_on(self, house: House) -> None:
        """In another window; after twenty seconds the page asks."""
        session = await later(house, seconds=5)
        response = await house.get(page(), session)
        assert response.status == 303
        assert response.headers["Location"].startswith(f"{WIKI_ORIGIN}/.pusterla/enter?ticket=")
        house.clock.advance(seconds=20)
        assert (await house.get(page(), session)).status == 200

    @pytest.mark.parametrize(
        "to",
        [
            "",
            "https://evil.example/",
            "//evil.example/",
            f"{WIKI_ORIGIN}@evil.example/",
            "javascript:alert(1)",
            f"{PORTAL_ORIGIN}/confirm?to=x",
            f"{PORTAL_ORIGIN}/sign-out",
            f"{WIKI_ORIGIN}/.pusterla/enter?ticket=x",
        ],
    )
    async def test_it_leads_nowhere_else(self, house: House, to: str) -> None:
        """Whatever is asked for that is no application of the site: the start page."""
        session = await later(house)
        for response in (await house.get(page(to), session), await post(house, session, to=to)):
            assert response.status == 303
            assert response.headers["Location"] == f"{PORTAL_ORIGIN}/"


class TestGiving:
    async def test_a_code_makes_the_session_fresh(self, house: House) -> None:
        """And leads on, with a line in the audit log; nothing else of the session changes."""
        session = await later(house)
        before = await now_of(house, session)
        response = await post(house, session)
        assert response.status == 303
        assert response.headers["Location"] == f"/continue?to={quote(TO, safe='')}"
        assert await now_of(house, session) == replace(before, proved_at=house.clock())
        [line] = await house.audit(AuditKind.CODE_CONFIRMED)
        assert line.event.detail == {"session": session, "proved": "code", "request": NUMBER}
        assert "Set-Cookie" not in response.headers

    async def test_what_does_not_hold_is_said_and_written_down(self, house: House) -> None:
        """The page comes again, with the way in it, and the session is as old as it was."""
        session = await later(house)
        response = await post(house, session, code="000000")
        html = await response.text()
        assert response.status == 403
        assert 'role="alert"' in html
        assert 'aria-invalid="true"' in html
        assert f'name="to" value="{TO}"' in html
        assert await refusals(house) == ["wrong-code"]
        assert (await now_of(house, session)).proved_at is None

    async def test_a_code_holds_once(self, house: House) -> None:
        """That of the sign-in holds no second time, nor does one that was given here."""
        session = await house.signed_in()
        used = house.code()
        house.clock.advance(seconds=25)
        assert (await post(house, session, code=used)).status == 403
        assert await refusals(house) == ["code-used"]
        house.clock.advance(seconds=30)
        code = house.code()
        assert (await post(house, session, code=code)).status == 303
        house.clock.advance(seconds=25)
        assert (await post(house, session, code=code)).status == 403

    async def test_a_recovery_code_is_none(self, house: House) -> None:
        """It is there to set up another authenticator, and stays unused."""
        [code, *_] = await house.make_recovery_codes()
        session = await later(house)
        assert (await post(house, session, code=code)).status == 403
        assert (await post(house, session, code="", recovery=code)).status == 403
        assert await house.store.recovery_codes_left("anna") == 10

    async def test_guesses_are_counted_with_those_of_the_sign_in(self, house: House) -> None:
        """Whoever guesses waits, here and there; a good code opens no wait of its own."""
        session = await later(house)
        for _ in range(3):
            house.clock.advance(seconds=30)
            assert (await post(house, session)).status == 303
            house.clock.advance(seconds=30)
        for _ in range(FREE_FAILURES):
            assert (await post(house, session, code="000000")).status == 403
        locked = await post(house, session)
        assert locked.status == 429
        assert int(locked.headers["Retry-After"]) > 0
        assert (await refusals(house))[-1] == "locked"
        assert (await house.sign_in()).status == 429

    async def test_a_code_forgives_no_guess_at_the_password(self, house: House) -> None:
        """Otherwise whoever has stick and telephone would have a guess for each code."""
        session = await later(house)
        for _ in range(FREE_FAILURES - 1):
            await house.sign_in(password="guess", code="000000")
        assert (await post(house, session)).status == 303
        house.clock.advance(seconds=30)
        await house.sign_in(password="guess", code="000000")
        assert (await house.sign_in()).status == 429

    async def test_a_double_tap_is_one_code(self, house: House) -> None:
        """Both go on; so does a second one on another machine that comes just after."""
        session = await later(house)
        answers = await asyncio.gather(*(post(house, session, mark="m") for _ in range(4)))
        assert [answer.status for answer in answers] == [303] * 4
        async with house.another_portal() as other:
            assert (await post(other, session)).status == 303
        assert len(await house.audit(AuditKind.CODE_CONFIRMED)) == 1
        assert await refusals(house) == []

    async def test_one_code_on_two_machines_at_once_is_one(self, house: House) -> None:
        """One of them is told that it was used, and may go on all the same."""
        session = await later(house)
        async with house.another_portal() as other:
            answers = await asyncio.gather(post(house, session), post(other, session))
        statuses = sorted(answer.status for answer in answers)
        assert statuses in ([303, 303], [303, 403])
        assert len(await house.audit(AuditKind.CODE_CONFIRMED)) == 1

    async def test_the_session_of_another_is_not_made_fresh(self, house: House) -> None:
        """It is the session of this certificate that counts, and the code of its owner."""
        session = await later(house)
        await house.add_person("bruno", "Bruno Verdi", "technicians")
        await house.add_stick("bruno", "stick-2")
        response = await post(house, session, stick="stick-2")
        assert response.headers["Location"].startswith("/sign-in?to=")
        assert (await now_of(house, session)).proved_at is None

    async def test_a_form_of_another_site_is_refused(self, house: House) -> None:
        """Whatever code it brings."""
        session = await later(house)
        response = await post(house, session, headers={"Sec-Fetch-Site": "cross-site"})
        assert response.status == 403
        assert (await now_of(house, session)).proved_at is None

    async def test_credentials_that_change_meanwhile_are_no_proof(self, house: House) -> None:
        """What was typed was checked against those of before; the session has ended."""
        session = await later(house)
        await house.store.end_sessions(session=session, kind=AuditKind.SESSION_ENDED, by="test")
        assert (await post(house, session)).headers["Location"].startswith("/sign-in")

    async def test_a_clock_that_was_put_back_is_no_way_round(self, house: House) -> None:
        """What was given when it was ahead is asked for again, and nobody is sent in circles."""
        let_wiki_be(house, lifetime=timedelta(hours=1))
        session = await house.signed_in()
        house.clock.advance(hours=6)
        good = await post(house, session, user="anna", password=PASSWORD)
        assert good.status == 303
        house.clock.advance(hours=-5)
        html = await (await house.get(page(), session)).text()
        assert 'type="password"' in html


class TestTheLifetime:
    async def test_past_it_password_and_code_are_asked_for(self, house: House) -> None:
        """Also shortly before, so that nobody types twice; the session is the same after it."""
        let_wiki_be(house, lifetime=timedelta(hours=1))
        session = await later(house, minutes=58)
        assert 'type="password"' not in await (await house.get(page(), session)).text()
        house.clock.advance(minutes=1.5)
        response = await house.get(page(), session)
        assert 'type="password"' in await response.text()
        assert "longer than Wiki wants" in await text_of(response)
        assert (await post(house, session)).status == 403
        house.clock.advance(seconds=30)
        wrong = await post(house, session, user="anna", password="guess")
        assert wrong.status == 403
        assert (await now_of(house, session)).renewed_at is None
        house.clock.advance(seconds=30)
        good = await post(house, session, user="anna", password=PASSWORD)
        assert good.status == 303
        found = await now_of(house, session)
        assert found.signed_in_at == found.last_proof == house.clock()
        assert found.expires_at < house.clock() + house.site.session_lifetime
        [line] = await house.audit(AuditKind.CODE_CONFIRMED)
        assert line.event.detail["proved"] == "password-and-code"

    async def test_a_code_alone_is_no_way_round(self, house: House) -> None:
        """Just given or not: the page asks until the password was given too."""
        session = await later(house)
        let_wiki_be(house, lifetime=timedelta(minutes=29))
        crm = f"https://{house.applications['crm'].host}:8443/"
        assert (await post(house, session, to=crm)).status == 303
        assert (await house.get(page(), session)).status == 200
        assert (await post(house, session, code=totp_code(SECRET, house.clock()))).status == 403

    async def test_the_sign_in_page_does_not_send_in_circles(self, house: House) -> None:
        """Whoever comes there with a session goes on to the application, which sends them here."""
        let_wiki_be(house, lifetime=timedelta(minutes=5))
        session = await later(house)
        response = await house.get(f"/sign-in?to={quote(TO, safe='')}", session)
        assert response.headers["Location"].startswith(f"{WIKI_ORIGIN}/.pusterla/enter?")
        assert (await house.get(page(), session)).status == 200
