"""The pages of signing in and out, as a browser behind the edge meets them."""

import asyncio
import re
from datetime import timedelta
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from gateway.core.audit import AuditKind
from gateway.core.cookies import COOKIE_NAME, read_ticket
from gateway.core.credentials import hash_password
from gateway.core.sessions import SessionId
from gateway.portal.pages import CONTENT_SECURITY_POLICY
from policies.model import Level
from tests.gateway.portal.house import (
    ADDRESS,
    COOKIE_KEY,
    NOW,
    NUMBER,
    PASSWORD,
    PORTAL_ORIGIN,
    SITE,
    WIKI_ORIGIN,
    House,
    session_of,
    text_of,
)

SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}
WIKI_PAGE = f"{WIKI_ORIGIN}/pages/a%20b?x=1&y=%2F"


class TestTheForm:
    async def test_greets_the_person_of_the_certificate(self, house: House) -> None:
        """The page knows the name and does not let it be changed."""
        response = await house.get("/sign-in")
        html = await response.text()
        assert response.status == 200
        assert "Welcome, Anna Rossi" in html
        assert 'name="user" value="anna" readonly autocomplete="username"' in html
        assert 'autocomplete="current-password"' in html
        assert 'inputmode="numeric"' in html
        assert 'autocomplete="one-time-code"' in html

    async def test_speaks_italian_to_those_who_do(self, house: House) -> None:
        """The page comes in the language that the browser prefers."""
        response = await house.get("/sign-in", Accept_Language="it-IT,it;q=0.9,en;q=0.5")
        html = await response.text()
        assert '<html lang="it">' in html
        assert "Codice monouso" in html
        assert response.headers["Content-Language"] == "it"

    async def test_carries_a_strict_policy(self, house: House) -> None:
        """Nothing but our own style is loaded, and the form leads to us alone."""
        response = await house.get("/sign-in")
        assert response.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "<script" not in await response.text()

    async def test_keeps_where_the_person_wanted_to_go(self, house: House) -> None:
        """The target travels in the form, and its host is named."""
        response = await house.get(f"/sign-in?to={quote(WIKI_PAGE, safe='')}")
        html = await response.text()
        assert f'name="to" value="{WIKI_PAGE.replace("&", "&amp;")}"' in html
        assert "wiki.pusterla.localhost" in html

    async def test_keeps_no_foreign_target(self, house: House) -> None:
        """An address of another site is not even repeated."""
        response = await house.get(f"/sign-in?to={quote('https://evil.example/', safe='')}")
        assert "evil" not in await response.text()

    async def test_is_skipped_by_whoever_is_signed_in(self, house: House) -> None:
        """With a live session the way leads straight to the application."""
        session = await house.signed_in()
        response = await house.get(f"/sign-in?to={quote(WIKI_PAGE, safe='')}", session)
        assert response.status == 303
        assert response.headers["Location"].startswith(f"{WIKI_ORIGIN}/.pusterla/enter?ticket=")
        plain = await house.get("/sign-in", session)
        assert (plain.status, plain.headers["Location"]) == (303, f"{PORTAL_ORIGIN}/")


class TestSigningIn:
    async def test_opens_a_session_bound_to_the_certificate(self, house: House) -> None:
        """Right password and code: cookie, session row and audit line."""
        response = await house.sign_in()
        assert response.status == 303
        assert response.headers["Location"] == f"{PORTAL_ORIGIN}/"
        cookie = response.headers["Set-Cookie"]
        assert cookie.startswith(f"{COOKIE_NAME}=")
        assert cookie.endswith("; Path=/; Secure; HttpOnly; SameSite=Lax")
        identity = session_of(response)
        assert identity is not None
        session = await house.store.session(identity)
        assert session is not None
        assert session.user == "anna"
        assert session.fingerprint == house.sticks["stick-1"]
        assert session.level is Level.PASSWORD_TOTP
        assert session.address == ADDRESS
        assert session.expires_at == NOW + timedelta(hours=12)
        [line] = await house.audit(AuditKind.SIGNED_IN)
        assert (line.event.user, line.event.device) == ("anna", "stick-1")

    async def test_never_outlives_the_certificate(self, house: House) -> None:
        """A certificate that ends in an hour gives a session of an hour."""
        await house.add_stick("anna", "old", days=1 / 24)
        session = session_of(await house.sign_in(stick="old"))
        assert session is not None
        found = await house.store.session(session)
        assert found is not None
        assert found.expires_at == NOW + timedelta(hours=1)

    async def test_accepts_a_code_in_two_groups(self, house: House) -> None:
        """Authenticator applications show 123 456."""
        code = house.code()
        response = await house.sign_in(code=f"{code[:3]} {code[3:]}")
        assert session_of(response) is not None

    async def test_gives_every_sign_in_another_number(self, house: House) -> None:
        """Session numbers are not reused or derived."""
        assert await house.signed_in() != await house.signed_in()

    async def test_forgives_earlier_failures(self, house: House) -> None:
        """After a success the next few wrong attempts are free again."""
        for _ in range(4):
            await house.sign_in(password="wrong")
        assert session_of(await house.sign_in()) is not None
        for _ in range(4):
            assert (await house.sign_in(password="wrong")).status == 403

    async def test_twice_does_not_ask_again(self, house: House) -> None:
        """A form sent again by somebody who is signed in goes on, whatever is in it."""
        session = await house.signed_in()
        response = await house.ask(
            "POST", "/sign-in", session=session, form={"user": "anna", "code": "", "password": ""}
        )
        assert (response.status, response.headers["Location"]) == (303, f"{PORTAL_ORIGIN}/")
        assert await house.failures() == []


class TestFailing:
    async def test_wrong_password_and_wrong_code_read_the_same(self, house: House) -> None:
        """Nobody learns from the page which of the two was wrong; the audit log knows."""
        password = await house.sign_in(password="wrong horse")
        code = await house.sign_in(code="000000")
        both = await house.sign_in(password="wrong horse", code="000000")
        assert {password.status, code.status, both.status} == {403}
        assert await text_of(password) == await text_of(code) == await text_of(both)
        assert "That was not right" in await password.text()
        assert await house.failures() == ["wrong-password", "wrong-code", "wrong-password"]

    async def test_another_persons_name_reads_as_a_wrong_password(self, house: House) -> None:
        """The certificate says who this is, whatever the form says, known name or not."""
        await house.add_person("bruno", "Bruno", "technicians")
        known = await house.sign_in(user="bruno")
        unknown = await house.sign_in(user="nobody")
        wrong = await house.sign_in(password="wrong")
        assert known.status == unknown.status == wrong.status == 403
        assert await text_of(known) == await text_of(unknown) == await text_of(wrong)
        assert await house.failures() == ["another-person", "another-person", "wrong-password"]
        assert session_of(known) is None

    async def test_tells_a_failure_only_once_it_is_stored(self, house: House) -> None:
        """The audit line has user, device, serial and address."""
        await house.sign_in(password="wrong")
        [line] = await house.audit(AuditKind.SIGN_IN_FAILED)
        event = line.event
        assert (event.user, event.device, event.address) == ("anna", "stick-1", ADDRESS)
        assert event.serial == house.sticks["stick-1"][:32]
        assert event.detail == {"request": NUMBER}
        assert PASSWORD not in event.canonical().decode()

    async def test_says_that_a_code_was_used_once_the_password_held(self, house: House) -> None:
        """A code works once; a stranger does not learn that it was the right one."""
        assert session_of(await house.sign_in()) is not None
        again = await house.sign_in()
        assert again.status == 403
        assert "already been used" in await again.text()
        stranger = await house.sign_in(password="wrong")
        assert "already been used" not in await stranger.text()
        assert await house.failures() == ["code-used", "wrong-password"]

    async def test_says_that_the_clock_is_off_once_the_password_held(self, house: House) -> None:
        """A phone five minutes ahead or behind is told so, in whole minutes."""
        ahead = await house.sign_in(code=house.code(minutes=5))
        behind = await house.sign_in(code=house.code(minutes=-5))
        stranger = await house.sign_in(password="wrong", code=house.code(minutes=5))
        assert "about 5 minutes ahead" in await ahead.text()
        assert "about 5 minutes behind" in await behind.text()
        assert "clock" not in await text_of(stranger)
        assert await house.failures() == [
            "clock-out-of-step",
            "clock-out-of-step",
            "wrong-password",
        ]

    async def test_locks_the_certificate_and_says_how_long(self, house: House) -> None:
        """The fifth failure in a row starts a wait, also for the right password."""
        for _ in range(5):
            assert (await house.sign_in(password="wrong")).status == 403
        locked = await house.sign_in()
        assert locked.status == 429
        assert locked.headers["Retry-After"] == "30"
        assert "Wait 30 seconds" in await locked.text()
        assert "help@example.it" in await locked.text()
        assert (await house.failures())[-1] == "locked"
        house.clock.advance(seconds=31)
        assert session_of(await house.sign_in()) is not None

    async def test_a_guesser_does_not_lock_the_owner_out(self, house: House) -> None:
        """Another stick of the same person signs in while the first one waits."""
        await house.add_stick("anna", "stick-2")
        for _ in range(6):
            await house.sign_in(password="wrong")
        assert (await house.sign_in()).status == 429
        assert session_of(await house.sign_in(stick="stick-2")) is not None

    async def test_attempts_at_once_are_all_counted(self, house: House) -> None:
        """Twelve guesses at the same instant are no more than five guesses."""
        answers = await asyncio.gather(*(house.sign_in(password="wrong") for _ in range(12)))
        assert sorted(answer.status for answer in answers) == [403] * 5 + [429] * 7

    @pytest.mark.parametrize(
        "body",
        [
            b"user=anna&user=bruno",
            b"code=%FF",
            b"user=\xc3\xa0",
            b"user=anna%00",
            b"&".join([b"a=1"] * 40),
        ],
    )
    async def test_refuses_a_form_with_two_readings(self, house: House, body: bytes) -> None:
        """Doubled fields and broken encodings are no sign-in, and no attempt either."""
        assert house.client is not None
        response = await house.ask("GET", "/sign-in")
        headers = {
            **response.request_info.headers,
            "Content-Type": "application/x-www-form-urlencoded",
        }
        answer = await house.client.post("/sign-in", data=body, headers=headers)
        assert answer.status == 400
        assert await house.failures() == []

    async def test_refuses_other_kinds_of_body(self, house: House) -> None:
        """Only what a plain form sends is read."""
        fields = {"Content-Type": "application/json"}
        response = await house.ask("POST", "/sign-in", headers=fields)
        assert response.status == 400

    async def test_refuses_a_form_that_is_too_large(self, house: House) -> None:
        """More than a form can have is not even read to its end."""
        response = await house.sign_in(password="x" * 70_000)
        assert response.status == 413
        assert await house.failures() == []

    async def test_is_refused_when_the_password_changes_meanwhile(self, house: House) -> None:
        """What was verified against an older password opens nothing."""
        new_hash = await asyncio.to_thread(hash_password, "quite another password")
        response, _ = await asyncio.gather(
            house.sign_in(), house.store.set_password("anna", new_hash)
        )
        if response.status == 303:
            # It was faster; then the change has ended what it opened.
            session = session_of(response)
            assert session is not None
            found = await house.store.session(session)
            assert found is not None
            assert found.ended_at is not None
        else:
            assert (await house.failures())[-1] in {"overtaken", "wrong-password"}


class TestOneCodeOneSession:
    async def test_twice_at_once(self, house: House) -> None:
        """Two forms with one code at the same instant open exactly one session."""
        code = house.code()
        answers = await asyncio.gather(*(house.sign_in(code=code) for _ in range(2)))
        opened = [answer for answer in answers if session_of(answer) is not None]
        assert len(opened) == 1
        assert len(await house.store.sessions(user="anna")) == 1
        assert await house.failures() == ["code-used"]

    async def test_on_two_portals_at_once(self, house: House) -> None:
        """The same on two portals that share only the store."""
        code = house.code()
        async with house.another_portal() as other:
            answers = await asyncio.gather(*(at.sign_in(code=code) for at in (house, other) * 2))
        assert sum(session_of(answer) is not None for answer in answers) == 1
        assert len(await house.store.sessions(user="anna")) == 1

    async def test_with_two_sticks_at_once(self, house: House) -> None:
        """The code is the person's, not the stick's."""
        await house.add_stick("anna", "stick-2")
        code = house.code()
        answers = await asyncio.gather(
            house.sign_in(code=code), house.sign_in(code=code, stick="stick-2")
        )
        assert sum(session_of(answer) is not None for answer in answers) == 1


class TestGoingOn:
    async def test_a_browser_gets_a_page_between_form_and_application(self, house: House) -> None:
        """Form, then /continue, then the application's host with a ticket for this page."""
        answer = await house.sign_in(to=WIKI_PAGE)
        location = answer.headers["Location"]
        assert (answer.status, location) == (303, f"/continue?to={quote(WIKI_PAGE, safe='')}")
        session = session_of(answer)
        assert session is not None
        page = await house.get(location, session)
        html = await page.text()
        assert page.status == 200
        assert f'content="0;url={WIKI_ORIGIN}/.pusterla/enter?ticket=' in html
        assert ">Go on to Wiki</a>" in html

    async def test_a_program_is_redirected(self, house: House) -> None:
        """Without a wish for HTML the same place answers with 303."""
        session = await house.signed_in()
        path = f"/continue?to={quote(WIKI_PAGE, safe='')}"
        response = await house.get(path, session, Accept="*/*")
        assert response.status == 303
        self._check_ticket(house, session, response.headers["Location"])

    @staticmethod
    def _check_ticket(house: House, session: SessionId, location: str) -> None:
        parts = urlsplit(location)
        query = parse_qs(parts.query)
        [ticket], [target] = query["ticket"], query["to"]
        assert f"{parts.scheme}://{parts.netloc}{parts.path}" == f"{WIKI_ORIGIN}/.pusterla/enter"
        assert target == "/pages/a%20b?x=1&y=%2F"
        host, stick = "wiki.pusterla.localhost", house.sticks["stick-1"]
        now = house.clock()
        assert read_ticket(COOKIE_KEY, ticket, host, stick, target, now) == session
        assert read_ticket(COOKIE_KEY, ticket, SITE.host, stick, target, now) is None
        assert read_ticket(COOKIE_KEY, ticket, host, stick, "/", now) is None

    async def test_without_a_session_leads_back_to_the_form(self, house: House) -> None:
        """The way on is only for those who are signed in; the target is kept."""
        response = await house.get(f"/continue?to={quote(WIKI_PAGE, safe='')}")
        assert response.headers["Location"] == f"/sign-in?to={quote(WIKI_PAGE, safe='')}"
        plain = await house.get("/continue")
        assert plain.headers["Location"] == "/sign-in"

    async def test_to_the_portal_is_a_redirect(self, house: House) -> None:
        """No page stands between the portal and itself."""
        response = await house.get("/continue", await house.signed_in())
        assert (response.status, response.headers["Location"]) == (303, f"{PORTAL_ORIGIN}/")

    @pytest.mark.parametrize(
        "to", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", "/sign-in"]
    )
    async def test_nowhere_else(self, house: House, to: str) -> None:
        """A target that is not ours is the start page."""
        answer = await house.sign_in(to=to)
        assert answer.headers["Location"] == f"{PORTAL_ORIGIN}/"


class TestSessionsOfOthers:
    async def test_a_session_of_another_stick_is_none(self, house: House) -> None:
        """Even if the edge were wrong, the portal asks whose session it is."""
        session = await house.signed_in()
        await house.add_stick("anna", "stick-2")
        response = await house.ask("GET", "/", stick="stick-2", session=session)
        assert (response.status, response.headers["Location"]) == (303, "/sign-in")

    async def test_an_ended_and_an_unknown_session_are_none(self, house: House) -> None:
        """What the edge says of a session is checked against the store."""
        session = await house.signed_in()
        house.clock.advance(hours=12)
        for given in (session, SessionId("0" * 32), SessionId("nonsense")):
            response = await house.get("/", given)
            assert (response.status, response.headers["Location"]) == (303, "/sign-in")


class TestSigningOut:
    async def test_ends_the_session_everywhere(self, house: House) -> None:
        """The session is over in the store, the cookie goes, the log knows who did it."""
        session = await house.signed_in()
        response = await house.ask("POST", "/sign-out", session=session)
        assert (response.status, response.headers["Location"]) == (303, "/signed-out")
        assert "Max-Age=0" in response.headers["Set-Cookie"]
        found = await house.store.session(session)
        assert found is not None
        assert found.ended_at == house.clock()
        [line] = await house.audit(AuditKind.SIGNED_OUT)
        assert line.event.user == "anna"
        page = await house.get("/signed-out", session)
        assert "You are signed out" in await page.text()
        home = await house.get("/", session)
        assert home.headers["Location"] == "/sign-in"

    async def test_has_the_browser_forget_the_pages(self, house: House) -> None:
        """Those that it keeps for whoever goes back, too."""
        answer = await house.ask("POST", "/sign-out", session=await house.signed_in())
        assert answer.headers["Clear-Site-Data"] == '"cache"'

    async def test_leaves_the_other_sessions_alone(self, house: House) -> None:
        """Only the session that was signed out of ends."""
        first, second = await house.signed_in(), await house.signed_in()
        await house.ask("POST", "/sign-out", session=first)
        assert [live.id for live in await house.store.sessions(user="anna")] == [second]

    async def test_without_a_session_is_no_error(self, house: House) -> None:
        """A stale page from yesterday signs out of nothing, and says so."""
        response = await house.ask("POST", "/sign-out")
        assert (response.status, response.headers["Location"]) == (303, "/signed-out")

    async def test_is_not_claimed_to_somebody_who_is_signed_in(self, house: House) -> None:
        """An old bookmark of the farewell leads to the start page."""
        response = await house.get("/signed-out", await house.signed_in())
        assert response.headers["Location"] == "/"

    async def test_takes_a_form_and_no_link(self, house: House) -> None:
        """GET changes nothing."""
        session = await house.signed_in()
        response = await house.get("/sign-out", session)
        assert response.status == 405
        assert response.headers["Allow"] == "POST"
        assert len(await house.store.sessions(user="anna")) == 1


async def test_without_a_store_nobody_is_signed_in(house: House) -> None:
    """When the store is gone the page says 503: no attempt is counted, so none is made."""
    house.break_store()
    for response in (await house.get("/sign-in"), await house.sign_in()):
        assert response.status == 503
        assert "We cannot check who may enter" in await response.text()
        assert "Set-Cookie" not in response.headers


class TestPostedAgain:
    async def test_twice_at_once_is_one_sign_in(self, house: House) -> None:
        """A double tap: the browser shows the second answer, which is as good as the first."""
        html = await (await house.get("/sign-in")).text()
        [mark] = re.findall(r'name="mark" value="([0-9a-f]{32})"', html)
        form = {"user": "anna", "password": PASSWORD, "code": house.code(), "mark": mark}
        answers = await asyncio.gather(
            *(house.ask("POST", "/sign-in", form=form, headers=SAME_ORIGIN) for _ in range(2))
        )
        [one, two] = [session_of(answer) for answer in answers]
        assert one is not None
        assert one == two
        assert len(await house.store.sessions(user="anna")) == 1
        assert await house.failures() == []

    async def test_a_page_that_is_shown_again_has_another_mark(self, house: House) -> None:
        """So two tabs are two forms."""
        marks = {
            mark
            for _ in range(2)
            for mark in re.findall(r'name="mark" value="([^"]+)', await self.page(house))
        }
        assert len(marks) == 2

    @staticmethod
    async def page(house: House) -> str:
        """Ask for the form."""
        return await (await house.get("/sign-in")).text()

    async def test_with_another_stick_it_is_another_form(self, house: House) -> None:
        """The mark opens nothing: what was answered to one certificate is told to no other."""
        await house.add_stick("anna", "stick-2")
        form = {"user": "anna", "password": PASSWORD, "code": house.code(), "mark": "m"}
        await house.ask("POST", "/sign-in", form=form, headers=SAME_ORIGIN)
        other = await house.ask("POST", "/sign-in", stick="stick-2", form=form, headers=SAME_ORIGIN)
        assert session_of(other) is None
        assert "already been used" in await other.text()

    async def test_after_signing_out_it_opens_nothing(self, house: House) -> None:
        """Back, and send again: the session that it had has ended, and no other begins."""
        form = {"user": "anna", "password": PASSWORD, "code": house.code(), "mark": "m"}
        first = session_of(await house.ask("POST", "/sign-in", form=form, headers=SAME_ORIGIN))
        await house.ask("POST", "/sign-out", session=first)
        again = session_of(await house.ask("POST", "/sign-in", form=form, headers=SAME_ORIGIN))
        assert again == first
        assert await house.store.sessions(user="anna") == []
        home = await house.get("/", again)
        assert (home.status, home.headers["Location"]) == (303, "/sign-in")


class TestStalePages:
    async def test_a_form_from_yesterday_signs_in(self, house: House) -> None:
        """It carries nothing that could be too old."""
        html = await (await house.get("/sign-in")).text()
        [mark] = re.findall(r'name="mark" value="([^"]+)', html)
        house.clock.advance(days=1)
        form = {"user": "anna", "password": PASSWORD, "code": house.code(), "mark": mark}
        answer = await house.ask("POST", "/sign-in", form=form, headers=SAME_ORIGIN)
        assert session_of(answer) is not None

    async def test_a_second_tab_leads_on_after_the_first(self, house: House) -> None:
        """Whatever was typed there, and to where that tab wanted to go."""
        session = await house.signed_in()
        form = {"user": "anna", "password": "", "code": "", "mark": "m", "to": WIKI_PAGE}
        answer = await house.ask(
            "POST", "/sign-in", session=session, form=form, headers=SAME_ORIGIN
        )
        assert answer.headers["Location"] == f"/continue?to={quote(WIKI_PAGE, safe='')}"
        assert await house.failures() == []

    async def test_an_old_bookmark_of_what_is_gone_leads_to_the_start(self, house: House) -> None:
        """An application that was removed since, and pages that only forms lead to."""
        gone = quote("https://old.pusterla.localhost:8443/x", safe="")
        html = await (await house.get(f"/sign-in?to={gone}")).text()
        assert 'name="to" value=""' in html
        for place in ("enrol", "account/sign-out", "sign-in/recovery"):
            to = quote(f"{PORTAL_ORIGIN}/{place}", safe="")
            assert 'name="to" value=""' in await (await house.get(f"/sign-in?to={to}")).text()
        to = quote(f"{PORTAL_ORIGIN}/account", safe="")
        html = await (await house.get(f"/sign-in?to={to}")).text()
        assert f'name="to" value="{PORTAL_ORIGIN}/account"' in html

    async def test_a_telephone_one_minute_wrong_is_told_so(self, house: House) -> None:
        """Half a minute is let pass; a whole one is named, in the right direction."""
        ahead = await house.sign_in(code=house.code(minutes=1))
        behind = await house.sign_in(code=house.code(minutes=-1))
        assert "about 1 minute ahead" in await ahead.text()
        assert "about 1 minute behind" in await behind.text()
        assert session_of(await house.sign_in(code=house.code(seconds=30))) is not None
