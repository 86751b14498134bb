"""The account pages: password, authenticator, recovery codes, sign out everywhere."""

import asyncio
import re
from collections.abc import Mapping
from html import unescape
from typing import Any, Final

import pytest
from aiohttp import ClientResponse
from argon2 import PasswordHasher

from gateway.core.audit import AuditKind
from gateway.core.credentials import totp_code, verify_password
from gateway.core.pending import PENDING_LIFETIME
from gateway.core.sealing import unseal
from gateway.core.sessions import SessionId
from gateway.portal.pages import CONTENT_SECURITY_POLICY
from tests.gateway.portal.house import (
    ADDRESS,
    NUMBER,
    PASSWORD,
    PORTAL_ORIGIN,
    SITE_KEY,
    House,
    session_of,
    text_of,
)
from tests.gateway.portal.test_enrol import codes_in, token_in

NEW = "seven quiet lamps on the quay"
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}
PAGES = ("/account/password", "/account/authenticator", "/account/recovery-codes")


async def post(
    house: House,
    path: str,
    session: SessionId | None,
    *,
    headers: Mapping[str, str] = SAME_ORIGIN,
    stick: str = "stick-1",
    **form: str,
) -> ClientResponse:
    """Send a form of the account pages, with what proves who somebody is unless it is given."""
    fields = {"user": "anna", "password": PASSWORD, "code": house.code(), **form}
    return await house.ask("POST", path, stick=stick, session=session, form=fields, headers=headers)


async def two_sessions(house: House) -> tuple[SessionId, SessionId]:
    """Sign anna in twice, and let the codes of that be over."""
    sessions = await house.signed_in(), await house.signed_in()
    house.clock.advance(seconds=30)
    return sessions


async def live(house: House) -> list[SessionId]:
    """Return the numbers of anna's live sessions."""
    return [one.id for one in await house.store.sessions(user="anna")]


async def new_secret_in(response: ClientResponse) -> str:
    """Return the secret that a page shows."""
    [secret] = re.findall(r"[?&]secret=([A-Z2-7]+)", unescape(await response.text()))
    return str(secret)


async def refusals(house: House) -> list[str]:
    """Return why changes were refused."""
    lines = await house.audit(AuditKind.ACCOUNT_CHANGE_REFUSED)
    return [line.event.reason for line in lines]


FORMS: Final = [(PAGES[0], {"new": NEW, "again": NEW}), (PAGES[1], {}), (PAGES[2], {})]
"""Each form that asks once more who somebody is."""
WRONG: Final[list[dict[str, Any]]] = [
    {"password": "wrong"},
    {"code": "000000"},
    {"user": "bruno"},
]


class TestTheOverview:
    async def test_leads_to_everything(self, house: House) -> None:
        """It says how many codes are left, and how often one is signed in."""
        session, _ = await two_sessions(house)
        html = await (await house.get("/account", session)).text()
        assert all(f'href="{page}"' in html for page in PAGES)
        assert "You have none" in html
        assert "You are signed in here, and once more somewhere else" in html
        await house.make_recovery_codes()
        assert "10 of 10 left" in await (await house.get("/account", session)).text()

    async def test_is_reached_from_the_start_page(self, house: House) -> None:
        """In the row of places."""
        html = await (await house.get("/", await house.signed_in())).text()
        assert 'href="/account"' in html

    @pytest.mark.parametrize("path", ["/account", *PAGES])
    async def test_is_for_those_who_are_signed_in(self, house: House, path: str) -> None:
        """Others sign in first, and get there then."""
        answer = await house.get(path)
        place = f"{PORTAL_ORIGIN}{path}".replace(":", "%3A").replace("/", "%2F")
        assert (answer.status, answer.headers["Location"]) == (303, f"/sign-in?to={place}")

    async def test_pages_are_strict_and_small(self, house: House) -> None:
        """Each with its policy, not kept, no script, under 30 KiB; in Italian too."""
        session = await house.signed_in()
        for path in ("/account", *PAGES):
            response = await house.get(path, session, Accept_Language="it")
            html = await response.text()
            assert '<html lang="it">' in html
            assert response.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
            assert response.headers["Cache-Control"] == "no-store"
            assert not re.search(r'<script|style="|data:', html)
            assert len(html.encode()) < 30 * 1024

    async def test_what_only_a_form_leads_to_leads_back(self, house: House) -> None:
        """An old bookmark is no dead end."""
        session = await house.signed_in()
        for path, above in (
            ("/account/authenticator/confirm", "/account/authenticator"),
            ("/account/sign-out", "/account"),
        ):
            assert (await house.get(path, session)).headers["Location"] == above


class TestPassword:
    async def test_is_changed_and_other_sessions_end(self, house: House) -> None:
        """This session stays; the log has person, certificate and address."""
        session, other = await two_sessions(house)
        answer = await post(house, PAGES[0], session, new=NEW, again=NEW)
        assert answer.status == 200
        assert "Your password is changed" in await answer.text()
        credentials = await house.store.credentials("anna")
        assert credentials is not None
        assert verify_password(credentials.password_hash, NEW)
        assert await live(house) == [session]
        [line] = await house.audit(AuditKind.PASSWORD_CHANGED)
        event = line.event
        assert (event.user, event.device, event.address) == ("anna", "stick-1", ADDRESS)
        assert event.serial == house.sticks["stick-1"][:32]
        assert event.detail == {"request": NUMBER}
        [ended] = await house.audit(AuditKind.SESSION_ENDED)
        assert (ended.event.detail["session"], ended.event.reason) == (other, "password-changed")
        house.clock.advance(seconds=30)
        assert (await house.sign_in()).status == 403
        assert session_of(await house.sign_in(password=NEW, code=house.code(seconds=30)))

    async def test_the_longest_of_any_script_is_taken(self, house: House) -> None:
        """A form with three of them, each character of four bytes, is not too large."""
        long, longer = "\N{LOCK}" * 1023 + "a", "\N{LOCK}" * 1023 + "b"
        hashed = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(long)
        await house.store.set_password("anna", hashed)
        session = session_of(await house.sign_in(password=long))
        house.clock.advance(seconds=30)
        answer = await post(house, PAGES[0], session, password=long, new=longer, again=longer)
        assert "Your password is changed" in await answer.text()

    @pytest.mark.parametrize(
        "new, again, words",
        [
            ("f00-bar-baz", "f00-bar-baz", "too short"),
            ("x" * 1025, "x" * 1025, "too long"),
            (NEW, NEW + "!", "not the same"),
            (PASSWORD, PASSWORD, "is the old one"),
        ],
    )
    async def test_that_cannot_be_taken_uses_no_code_up(
        self, house: House, new: str, again: str, words: str
    ) -> None:
        """It is told before anything is looked at; then the same code still counts."""
        session, _ = await two_sessions(house)
        answer = await post(house, PAGES[0], session, new=new, again=again)
        assert (answer.status, words in await answer.text()) == (400, True)
        assert 'aria-describedby="new-hint problem"' in await answer.text()
        answer = await post(house, PAGES[0], session, new=NEW, again=NEW)
        assert "Your password is changed" in await answer.text()

    async def test_posted_twice_is_changed_once(self, house: House) -> None:
        """A double tap reads twice that it is done."""
        session, _ = await two_sessions(house)
        answers = await asyncio.gather(
            *(post(house, PAGES[0], session, new=NEW, again=NEW, mark="m") for _ in range(2))
        )
        assert ["is changed" in await answer.text() for answer in answers] == [True, True]
        assert len(await house.audit(AuditKind.PASSWORD_CHANGED)) == 1

    async def test_two_tabs_at_once_are_one_change(self, house: House) -> None:
        """One code, one change: the other tab is told that the code was used."""
        session, _ = await two_sessions(house)
        answers = await asyncio.gather(
            *(post(house, PAGES[0], session, new=NEW, again=NEW, mark=m) for m in ("m", "n"))
        )
        assert sorted(answer.status for answer in answers) == [200, 403]
        assert await refusals(house) == ["code-used"]


class TestAuthenticator:
    async def test_is_replaced_once_the_new_one_has_shown_a_code(self, house: House) -> None:
        """Until then the old one works; afterwards it does not, and other sessions end."""
        session, _ = await two_sessions(house)
        page = await post(house, PAGES[1], session)
        secret, token = await new_secret_in(page), await token_in(page)
        house.clock.advance(seconds=30)
        other = session_of(await house.sign_in())
        assert other is not None, "the old one still works"
        code = totp_code(secret, house.clock())
        done = await post(house, f"{PAGES[1]}/confirm", session, token=token, code=code)
        assert "Your new authenticator counts from now on" in await done.text()
        credentials = await house.store.credentials("anna")
        assert credentials is not None
        assert unseal(SITE_KEY, "anna", credentials.sealed_totp) == secret
        assert await live(house) == [session]
        [shown] = await house.audit(AuditKind.AUTHENTICATOR_SHOWN)
        assert shown.event.detail["proved"] == "account"
        [line] = await house.audit(AuditKind.TOTP_CHANGED)
        event = line.event
        assert (event.user, event.device, event.address) == ("anna", "stick-1", ADDRESS)
        assert event.detail == {"proved": "code", "request": NUMBER}
        house.clock.advance(seconds=30)
        assert (await house.sign_in()).status == 403
        answer = await house.sign_in(code=totp_code(secret, house.clock()))
        assert session_of(answer) is not None

    async def test_posted_twice_at_once_shows_one_secret(self, house: House) -> None:
        """A double tap: what is scanned from either page can be confirmed."""
        session, _ = await two_sessions(house)
        pages = await asyncio.gather(*(post(house, PAGES[1], session, mark="m") for _ in range(2)))
        assert len({await new_secret_in(page) for page in pages}) == 1
        assert await refusals(house) == []

    async def test_a_wrong_first_code_asks_again(self, house: House) -> None:
        """On the same page, with the same secret; nothing has changed."""
        session, _ = await two_sessions(house)
        page = await post(house, PAGES[1], session)
        token = await token_in(page)
        again = await post(house, f"{PAGES[1]}/confirm", session, token=token, code="000000")
        assert again.status == 403
        assert await new_secret_in(again) == await new_secret_in(page)
        assert await house.audit(AuditKind.TOTP_CHANGED) == []
        assert len(await live(house)) == 2

    async def test_a_page_from_yesterday_or_of_another_session_does_nothing(
        self, house: House
    ) -> None:
        """What the page carries belongs to one session, for half an hour."""
        session, other = await two_sessions(house)
        page = await post(house, PAGES[1], session)
        secret, token = await new_secret_in(page), await token_in(page)
        path = f"{PAGES[1]}/confirm"
        code = totp_code(secret, house.clock())
        elsewhere = await post(house, path, other, token=token, code=code)
        house.clock.advance(seconds=PENDING_LIFETIME.total_seconds())
        code = totp_code(secret, house.clock())
        late = await post(house, path, session, token=token, code=code)
        for answer in (elsewhere, late):
            assert answer.status == 403
            assert "open for too long" in await answer.text()
        assert await house.audit(AuditKind.TOTP_CHANGED) == []

    async def test_two_tabs_are_one_change(self, house: House) -> None:
        """The second one is overtaken, and says so."""
        session, _ = await two_sessions(house)
        pages = []
        for _ in range(2):
            pages.append(await post(house, PAGES[1], session))
            house.clock.advance(seconds=30)
        statuses = []
        for page in pages:
            code = totp_code(await new_secret_in(page), house.clock())
            answer = await post(
                house, f"{PAGES[1]}/confirm", session, token=await token_in(page), code=code
            )
            statuses.append(answer.status)
        assert statuses == [200, 403]
        assert "finished in another window" in await answer.text()
        credentials = await house.store.credentials("anna")
        assert credentials is not None
        kept = unseal(SITE_KEY, "anna", credentials.sealed_totp)
        assert kept == await new_secret_in(pages[0])


class TestRecoveryCodes:
    async def test_ten_new_ones_are_shown_once(self, house: House) -> None:
        """Those of before are worth nothing; sessions stay."""
        old = await house.make_recovery_codes()
        session, _ = await two_sessions(house)
        page = await post(house, PAGES[2], session, mark="m")
        codes = await codes_in(page)
        assert len(set(codes)) == 10
        assert not set(codes) & set(old)
        assert len(await live(house)) == 2
        assert await codes_in(await post(house, PAGES[2], session, mark="m")) == codes
        made = await house.audit(AuditKind.RECOVERY_CODES_MADE)
        assert made[-1].event.detail == {"codes": "10", "request": NUMBER}
        assert made[-1].event.device == "stick-1"
        form = {"user": "anna", "password": PASSWORD, "recovery": old[0]}
        wrong = await house.ask("POST", "/sign-in/recovery", form=form, headers=SAME_ORIGIN)
        right = await house.ask(
            "POST",
            "/sign-in/recovery",
            form={**form, "recovery": codes[0]},
            headers=SAME_ORIGIN,
        )
        assert (wrong.status, right.status) == (403, 200)


class TestSigningOut:
    async def test_everywhere_else(self, house: House) -> None:
        """This session stays."""
        session, other = await two_sessions(house)
        answer = await post(house, "/account/sign-out", session, which="others")
        assert "You are signed in here and nowhere else now" in await answer.text()
        assert await live(house) == [session]
        [line] = await house.audit(AuditKind.SESSION_ENDED)
        assert line.event.detail["session"] == other
        assert line.event.detail["by_address"] == ADDRESS

    async def test_everywhere(self, house: House) -> None:
        """This session too; the cookie goes."""
        session, _ = await two_sessions(house)
        await house.add_person("bruno", "Bruno", "technicians")
        await house.add_stick("bruno", "stick-b")
        bruno = await house.signed_in("stick-b", "bruno")
        answer = await post(house, "/account/sign-out", session, which="all")
        assert (answer.status, answer.headers["Location"]) == (303, "/signed-out")
        assert "Max-Age=0" in answer.headers["Set-Cookie"]
        assert await live(house) == []
        assert [one.id for one in await house.store.sessions()] == [bruno]


class TestProving:
    @pytest.mark.parametrize("path, form", FORMS)
    async def test_wrong_password_and_wrong_code_read_the_same(
        self, house: House, path: str, form: dict[str, Any]
    ) -> None:
        """A thief at an open session learns nothing, and changes nothing."""
        session, _ = await two_sessions(house)
        before = await house.store.credentials("anna")
        answers = [await post(house, path, session, **form, **wrong) for wrong in WRONG]
        assert {answer.status for answer in answers} == {403}
        assert len({await text_of(answer) for answer in answers}) == 1
        assert 'role="alert"' in await answers[0].text()
        assert await refusals(house) == ["wrong-password", "wrong-code", "another-person"]
        [first, *_] = await house.audit(AuditKind.ACCOUNT_CHANGE_REFUSED)
        assert (first.event.address, first.event.detail) == (ADDRESS, {"request": NUMBER})
        assert await house.store.credentials("anna") == before

    @pytest.mark.parametrize("path, form", FORMS)
    async def test_guesses_count_together_with_the_sign_in(
        self, house: House, path: str, form: dict[str, Any]
    ) -> None:
        """An open session is no second door for guessing."""
        session, _ = await two_sessions(house)
        for _ in range(3):
            await post(house, path, session, password="wrong", **form)
        for _ in range(2):
            await house.sign_in(password="wrong")
        locked = await post(house, path, session, **form)
        assert (locked.status, locked.headers["Retry-After"]) == (429, "30")
        assert (await house.sign_in()).status == 429

    @pytest.mark.parametrize("path, form", FORMS)
    async def test_after_signing_out_nothing_is_changed(
        self, house: House, path: str, form: dict[str, Any]
    ) -> None:
        """Back button, old form, right password and code: the sign-in comes first."""
        session, _ = await two_sessions(house)
        before = await house.store.credentials("anna")
        await house.ask("POST", "/sign-out", session=session)
        answer = await post(house, path, session, **form)
        assert answer.status == 303
        assert answer.headers["Location"].startswith("/sign-in?to=")
        assert await house.store.credentials("anna") == before

    @pytest.mark.parametrize("path, form", [*FORMS, ("/account/sign-out", {"which": "all"})])
    async def test_another_site_cannot_send_the_forms(
        self, house: House, path: str, form: dict[str, Any]
    ) -> None:
        """The rule of decision 7 protects them; there is no token."""
        session, _ = await two_sessions(house)
        for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
            answer = await post(house, path, session, headers=headers, **form)
            assert answer.status == 403
            assert "cross-site-request" in await answer.text()
        assert len(await live(house)) == 2
        assert await refusals(house) == []

    @pytest.mark.parametrize("path, form", FORMS)
    async def test_with_another_stick_a_session_is_none(
        self, house: House, path: str, form: dict[str, Any]
    ) -> None:
        """It is bound to its certificate here as everywhere."""
        session, _ = await two_sessions(house)
        await house.add_stick("anna", "stick-2")
        answer = await post(house, path, session, stick="stick-2", **form)
        assert answer.headers["Location"].startswith("/sign-in")
