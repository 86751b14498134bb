"""The first sign-in: a ticket, a password, an authenticator, recovery codes."""

import asyncio
import re
from collections.abc import Mapping
from html import unescape
from urllib.parse import quote

import pyotp
import pytest
from aiohttp import ClientResponse

from gateway.core.audit import AuditKind
from gateway.core.credentials import totp_code, verify_password
from gateway.core.pending import PENDING_LIFETIME
from gateway.core.sealing import seal, unseal
from gateway.core.sessions import SessionId
from gateway.portal.pages import CONTENT_SECURITY_POLICY
from tests.gateway.portal.house import (
    ADDRESS,
    NUMBER,
    PASSWORD,
    PORTAL_ORIGIN,
    SITE_KEY,
    WIKI_ORIGIN,
    House,
    session_of,
    text_of,
)

STICK = "stick-nina"
NEW = "seven quiet lamps on the quay"
WIKI_PAGE = f"{WIKI_ORIGIN}/pages/a%20b?x=1"
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}


async def first_page(
    house: House,
    ticket: str,
    *,
    password: str = NEW,
    again: str | None = None,
    to: str = "",
    stick: str = STICK,
    session: SessionId | None = None,
    headers: Mapping[str, str] = SAME_ORIGIN,
) -> ClientResponse:
    """Send ticket and new password."""
    form = {"ticket": ticket, "user": "nina", "password": password, "to": to}
    form["again"] = password if again is None else again
    return await house.ask(
        "POST", "/enrol", stick=stick, session=session, form=form, headers=headers
    )


async def second_page(
    house: House,
    token: str,
    code: str,
    *,
    to: str = "",
    stick: str = STICK,
    session: SessionId | None = None,
    headers: Mapping[str, str] = SAME_ORIGIN,
) -> ClientResponse:
    """Send the first code of the new authenticator."""
    form = {"token": token, "code": code, "to": to}
    return await house.ask(
        "POST", "/enrol/confirm", stick=stick, session=session, form=form, headers=headers
    )


async def token_in(response: ClientResponse) -> str:
    """Return what the second page carries, which must be there."""
    found = re.search(r'name="token" value="([^"]+)"', await response.text())
    assert found, await text_of(response)
    return found[1]


async def secret_in(response: ClientResponse) -> str:
    """Return the secret that a telephone scans; the page shows the same one to be typed."""
    html = await response.text()
    [uri] = re.findall(r'href="(otpauth://[^"]+)"', html)
    parsed = pyotp.parse_uri(unescape(uri))
    assert isinstance(parsed, pyotp.TOTP)
    assert (parsed.name, parsed.issuer) == ("nina", "Pusterla")
    shown = re.findall(r"<span>([A-Z2-7]{4})</span>", html)
    assert "".join(shown) == parsed.secret
    return parsed.secret


async def codes_in(response: ClientResponse) -> list[str]:
    """Return the recovery codes on a page."""
    return re.findall(r"<li><code>([^<]+)</code></li>", await response.text())


async def nina(house: House) -> str:
    """Add nina, who has a certificate and a ticket."""
    await house.add_newcomer()
    return await house.hand_ticket("nina")


async def enrolled(house: House, ticket: str, *, to: str = "") -> ClientResponse:
    """Go the whole way, and return its last page."""
    page = await first_page(house, ticket, to=to)
    token, secret = await token_in(page), await secret_in(page)
    return await second_page(house, token, totp_code(secret, house.clock()), to=to)


async def untouched(house: House) -> bool:
    """Say whether nothing of nina's has changed."""
    store = house.store
    return (
        await store.credentials("nina") is None
        and await store.ticket("nina") is not None
        and await store.recovery_codes_left("nina") == 0
        and await store.sessions(user="nina") == []
    )


class TestTheWholeWay:
    async def test_from_the_sign_in_to_an_application(self, house: House) -> None:
        """Ticket, password, code, recovery codes: signed in, and on to where one wanted to be."""
        ticket = await nina(house)
        to = f"?to={quote(WIKI_PAGE, safe='')}"
        door = await house.ask("GET", f"/sign-in{to}", stick=STICK)
        assert (door.status, door.headers["Location"]) == (303, f"/enrol{to}")
        form = await house.ask("GET", f"/enrol{to}", stick=STICK)
        html = await form.text()
        assert form.status == 200
        assert "Nina Bianchi" in html
        assert f'name="to" value="{WIKI_PAGE}"' in html
        assert 'name="user" value="nina" readonly autocomplete="username"' in html
        assert html.count('autocomplete="new-password"') == 2
        page = await first_page(house, ticket.lower().replace("-", " "), to=WIKI_PAGE)
        assert page.status == 200
        assert await untouched(house)
        token, secret = await token_in(page), await secret_in(page)
        last = await second_page(house, token, totp_code(secret, house.clock()), to=WIKI_PAGE)
        session = session_of(last)
        assert (last.status, session is not None) == (200, True)
        assert len(set(await codes_in(last))) == 10
        html = await last.text()
        assert f'name="to" value="{WIKI_PAGE}"' in html
        assert '<input type="checkbox" required>' in html
        on = await house.ask("GET", f"/continue{to}", stick=STICK, session=session)
        assert f"{WIKI_ORIGIN}/.pusterla/enter?ticket=" in await on.text()

    async def test_everything_is_written_down_together(self, house: House) -> None:
        """Password, sealed secret with its step burnt, codes, session; the ticket is gone."""
        ticket = await nina(house)
        page = await first_page(house, ticket)
        token, secret = await token_in(page), await secret_in(page)
        code = totp_code(secret, house.clock())
        last = await second_page(house, token, code)
        credentials = await house.store.credentials("nina")
        assert credentials is not None
        assert verify_password(credentials.password_hash, NEW)
        assert unseal(SITE_KEY, "nina", credentials.sealed_totp) == secret
        assert credentials.totp_last_step == int(house.clock().timestamp()) // 30
        assert await house.store.recovery_codes_left("nina") == 10
        assert await house.store.ticket("nina") is None
        [line] = await house.audit(AuditKind.ENROLLED)
        event = line.event
        assert (event.user, event.device, event.address) == ("nina", STICK, ADDRESS)
        assert event.detail == {"replaced": "no", "request": NUMBER}
        log = str([one.event for one in await house.store.audit_tail(1000)])
        secrets = [ticket, NEW, secret, code, *await codes_in(last)]
        assert [word for word in secrets if word in log] == []

    async def test_what_was_set_signs_in_next_time(self, house: House) -> None:
        """With the password, and a code of the next step."""
        ticket = await nina(house)
        secret = await secret_in(await first_page(house, ticket))
        await enrolled(house, ticket)
        again = totp_code(secret, house.clock())
        used = await house.sign_in(user="nina", password=NEW, code=again, stick=STICK)
        assert "already been used" in await used.text()
        house.clock.advance(seconds=30)
        code = totp_code(secret, house.clock())
        answer = await house.sign_in(user="nina", password=NEW, code=code, stick=STICK)
        assert session_of(answer) is not None

    async def test_a_recovery_code_from_the_page_counts(self, house: House) -> None:
        """What is printed is what is kept."""
        codes = await codes_in(await enrolled(house, await nina(house)))
        form = {"user": "nina", "password": NEW, "recovery": codes[7]}
        page = await house.ask(
            "POST", "/sign-in/recovery", stick=STICK, form=form, headers=SAME_ORIGIN
        )
        assert page.status == 200
        await token_in(page)

    async def test_pages_are_strict_and_not_kept(self, house: House) -> None:
        """No style attribute, no script, no data: address, nothing in a cache, under 30 KiB."""
        ticket = await nina(house)
        form = await house.ask("GET", "/enrol", stick=STICK)
        page = await first_page(house, ticket)
        code = totp_code(await secret_in(page), house.clock())
        last = await second_page(house, await token_in(page), code)
        for response in (form, page, last):
            html = await response.text()
            assert response.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
            assert response.headers["Cache-Control"] == "no-store"
            assert not re.search(r'<script|style="|data:|http://', html)
            assert len(html.encode()) < 30 * 1024

    async def test_speaks_italian_to_those_who_do(self, house: House) -> None:
        """Also where something is wrong."""
        await nina(house)
        italian = {**SAME_ORIGIN, "Accept-Language": "it"}
        page = await first_page(house, "AAAA", password="corta", headers=italian)
        assert "Questa password è troppo corta" in await page.text()


class TestTheTicket:
    async def test_is_good_only_with_a_certificate_of_its_owner(self, house: House) -> None:
        """In another's hands it is a wrong ticket, and stays good for its owner."""
        ticket = await nina(house)
        await house.hand_ticket("anna")
        page = await first_page(house, ticket, stick="stick-1")
        assert page.status == 403
        assert "This is not your ticket" in await page.text()
        assert session_of(await enrolled(house, ticket)) is not None

    async def test_a_wrong_one_counts_with_the_failed_sign_ins(self, house: House) -> None:
        """No second door for guessing: five of both together, then both wait."""
        await house.hand_ticket("anna")
        for _ in range(3):
            assert (await first_page(house, "0000-0000-0000", stick="stick-1")).status == 403
        for _ in range(2):
            assert (await house.sign_in(password="wrong")).status == 403
        locked = await first_page(house, "0000-0000-0000", stick="stick-1")
        assert locked.status == 429
        assert locked.headers["Retry-After"] == "30"
        assert "Wait 30 seconds" in await locked.text()
        assert (await house.sign_in()).status == 429
        failures = ["wrong-ticket"] * 3 + ["wrong-password"] * 2 + ["locked"] * 2
        assert await house.failures() == failures

    async def test_a_lock_holds_the_right_one_too(self, house: House) -> None:
        """Else a guesser would see when it is right."""
        ticket = await nina(house)
        for _ in range(5):
            await first_page(house, "0000-0000-0000")
        assert (await first_page(house, ticket)).status == 429
        house.clock.advance(seconds=31)
        assert (await first_page(house, ticket)).status == 200
        for _ in range(4):
            assert (await first_page(house, "0000-0000-0000")).status == 403

    async def test_an_ended_one_is_told_to_its_owner_alone(self, house: House) -> None:
        """Whoever does not have it reads what everybody with a wrong one reads."""
        await house.add_newcomer()
        ticket = await house.hand_ticket("nina", days=1)
        house.clock.advance(days=1)
        for page in (
            await house.ask("GET", "/enrol", stick=STICK),
            await first_page(house, ticket),
        ):
            assert page.status == 403
            assert "come to its end" in await text_of(page)
            assert "help@example.it" in await page.text()
        wrong = await first_page(house, "0000-0000-0000")
        assert "This is not your ticket" in await wrong.text()
        assert await house.failures() == ["ticket-ended", "wrong-ticket"]
        assert await house.store.credentials("nina") is None

    async def test_an_ended_one_forgives_no_failed_sign_in(self, house: House) -> None:
        """Whoever has found it, and a stick, guesses no faster; nor does it count itself."""
        ticket = await house.hand_ticket("anna", days=1)
        house.clock.advance(days=1)
        for _ in range(4):
            assert (await house.sign_in(password="wrong")).status == 403
        for _ in range(3):
            page = await first_page(house, ticket, stick="stick-1")
            assert "come to its end" in await text_of(page)
        assert (await house.sign_in(password="wrong")).status == 403
        assert (await house.sign_in()).status == 429

    async def test_one_that_ends_between_the_pages_changes_nothing(self, house: House) -> None:
        """The transaction that uses it looks at the time."""
        await house.add_newcomer()
        ticket = await house.hand_ticket("nina", days=1)
        house.clock.advance(days=1, seconds=-60)
        page = await first_page(house, ticket)
        house.clock.advance(seconds=60)
        code = totp_code(await secret_in(page), house.clock())
        last = await second_page(house, await token_in(page), code)
        assert (last.status, session_of(last)) == (403, None)
        assert "come to its end" in await last.text()
        assert await house.store.credentials("nina") is None
        assert await house.failures() == ["ticket-gone"]

    async def test_a_newer_one_ends_it_between_the_pages(self, house: House) -> None:
        """The administrator has made another meanwhile: with that one."""
        page = await first_page(house, await nina(house))
        await house.hand_ticket("nina", days=2)
        code = totp_code(await secret_in(page), house.clock())
        last = await second_page(house, await token_in(page), code)
        assert (last.status, session_of(last)) == (403, None)
        assert "your account has just changed" in await last.text()
        assert await untouched(house)

    async def test_without_one_the_page_says_whom_to_ask(self, house: House) -> None:
        """No dead end: sign-in leads there, and there it says what is missing."""
        await house.add_newcomer()
        for path in ("/sign-in", "/sign-in/recovery"):
            door = await house.ask("GET", path, stick=STICK)
            assert door.headers["Location"] == "/enrol"
        posted = await house.sign_in(user="nina", stick=STICK)
        assert (posted.status, posted.headers["Location"]) == (303, "/enrol")
        page = await house.ask("GET", "/enrol", stick=STICK)
        assert page.status == 403
        assert "no password yet" in await page.text()
        assert "help@example.it" in await page.text()

    async def test_whoever_has_a_password_and_none_signs_in(self, house: House) -> None:
        """An old bookmark of the page leads on."""
        page = await house.get(f"/enrol?to={quote(WIKI_PAGE, safe='')}")
        assert page.headers["Location"] == f"/sign-in?to={quote(WIKI_PAGE, safe='')}"
        session = await house.signed_in()
        assert (await house.get("/enrol", session)).headers["Location"] == f"{PORTAL_ORIGIN}/"

    async def test_after_a_theft_only_the_ticket_opens(self, house: House) -> None:
        """Disabled, another secret, a ticket, enabled: what the thief has is worth nothing."""
        await house.store.set_enabled("anna", False)
        await house.store.set_totp("anna", seal(SITE_KEY, "anna", pyotp.random_base32(), b"t" * 12))
        ticket = await house.hand_ticket("anna")
        await house.store.set_enabled("anna", True)
        assert (await house.sign_in()).status == 403
        assert (await first_page(house, ticket, stick="stick-1")).status == 200

    async def test_a_later_one_replaces_everything(self, house: House) -> None:
        """For whoever has lost password or telephone: the sign-in page leads to it."""
        before = await house.signed_in()
        await house.make_recovery_codes()
        assert "/enrol" not in await (await house.get("/sign-in")).text()
        ticket = await house.hand_ticket("anna")
        assert 'href="/enrol"' in await (await house.get("/sign-in")).text()
        assert "takes the place of your password" in await (await house.get("/enrol")).text()
        page = await first_page(house, ticket, stick="stick-1")
        html = unescape(await page.text())
        [secret] = re.findall(r"[?&]secret=([A-Z2-7]+)", html)
        house.clock.advance(seconds=30)
        assert session_of(await house.sign_in()) is not None, "what was before works until then"
        code = totp_code(secret, house.clock())
        last = await second_page(house, await token_in(page), code, stick="stick-1")
        session = session_of(last)
        assert [one.id for one in await house.store.sessions(user="anna")] == [session]
        assert session != before
        house.clock.advance(seconds=30)
        assert (await house.sign_in()).status == 403
        assert (await house.audit(AuditKind.ENROLLED))[0].event.detail["replaced"] == "yes"


class TestThePassword:
    @pytest.mark.parametrize(
        "password, again, words",
        [
            ("f00-bar-baz", "f00-bar-baz", "too short"),
            ("x" * 1025, "x" * 1025, "too long"),
            (NEW, NEW + "!", "not the same"),
        ],
    )
    async def test_that_cannot_be_taken_is_told_without_an_attempt(
        self, house: House, password: str, again: str, words: str
    ) -> None:
        """In words, with the ticket still in its field; nothing is counted."""
        ticket = await nina(house)
        for _ in range(7):
            page = await first_page(house, ticket, password=password, again=again)
            assert page.status == 400
        html = await page.text()
        assert words in html
        assert f'value="{ticket}"' in html
        assert 'role="alert"' in html
        assert password not in html
        assert await untouched(house)
        assert (await first_page(house, ticket)).status == 200


class TestHalfWay:
    async def test_a_closed_tab_costs_nothing(self, house: House) -> None:
        """Beginning once more shows what the telephone has scanned already."""
        ticket = await nina(house)
        first = await secret_in(await first_page(house, ticket))
        house.clock.advance(minutes=10)
        assert await untouched(house)
        second = await first_page(house, ticket)
        assert await secret_in(second) == first
        code = totp_code(first, house.clock())
        assert session_of(await second_page(house, await token_in(second), code)) is not None

    async def test_each_look_at_the_secret_is_written_down(self, house: House) -> None:
        """Whoever had ticket and stick before their owner has seen it, and leaves a trace."""
        ticket = await nina(house)
        await first_page(house, ticket, password="not the owner's password")
        await first_page(house, ticket)
        shown = await house.audit(AuditKind.AUTHENTICATOR_SHOWN)
        assert [line.event.user for line in shown] == ["nina", "nina"]
        event = shown[0].event
        assert (event.device, event.address) == (STICK, ADDRESS)
        assert event.detail == {"proved": "ticket", "request": NUMBER}

    async def test_the_address_of_the_second_page_leads_to_the_first(self, house: House) -> None:
        """Reloaded by its address, or from a bookmark."""
        await nina(house)
        page = await house.ask("GET", "/enrol/confirm", stick=STICK)
        assert (page.status, page.headers["Location"]) == (303, "/enrol")

    async def test_a_page_from_yesterday_says_so(self, house: House) -> None:
        """What it carries has ended; the ticket has not."""
        ticket = await nina(house)
        page = await first_page(house, ticket)
        token, secret = await token_in(page), await secret_in(page)
        house.clock.advance(seconds=PENDING_LIFETIME.total_seconds())
        late = await second_page(house, token, totp_code(secret, house.clock()))
        assert late.status == 403
        assert "open for too long" in await late.text()
        assert 'name="ticket"' in await late.text()
        assert await untouched(house)

    async def test_a_wrong_code_asks_again_on_the_same_page(self, house: House) -> None:
        """The same secret, the same end; nothing counts as a failed sign-in."""
        page = await first_page(house, await nina(house))
        token, secret = await token_in(page), await secret_in(page)
        for _ in range(7):
            again = await second_page(house, token, "000000")
            assert again.status == 403
        assert await secret_in(again) == secret
        assert await token_in(again) == token
        assert "shows another code now" in await again.text()
        assert await house.failures() == []
        code = totp_code(secret, house.clock())
        assert session_of(await second_page(house, token, code)) is not None

    async def test_a_telephone_whose_clock_is_off_is_told_so(self, house: House) -> None:
        """In which direction, and by how much."""
        page = await first_page(house, await nina(house))
        token, secret = await token_in(page), await secret_in(page)
        late = house.clock()
        house.clock.advance(seconds=60)
        told = await second_page(house, token, totp_code(secret, late))
        assert "about 1 minute behind" in await told.text()
        assert await untouched(house)

    async def test_posted_twice_at_once_shows_the_codes_twice(self, house: House) -> None:
        """A double tap: one enrolment, one session, and whichever answer the browser shows."""
        page = await first_page(house, await nina(house))
        token = await token_in(page)
        code = totp_code(await secret_in(page), house.clock())
        one, two = await asyncio.gather(*(second_page(house, token, code) for _ in range(2)))
        assert session_of(one) == session_of(two)
        assert session_of(one) is not None
        assert await codes_in(one) == await codes_in(two)
        assert len(await house.store.sessions(user="nina")) == 1
        assert len(await house.audit(AuditKind.ENROLLED)) == 1

    async def test_reloaded_the_last_page_is_shown_again_for_a_minute(self, house: House) -> None:
        """A printer without paper is no disaster; after that the codes are gone."""
        page = await first_page(house, await nina(house))
        token = await token_in(page)
        code = totp_code(await secret_in(page), house.clock())
        first = await second_page(house, token, code)
        session = session_of(first)
        again = await second_page(house, token, code, session=session)
        assert await codes_in(again) == await codes_in(first)
        house.clock.advance(seconds=61)
        late = await second_page(house, token, code, session=session)
        assert (late.status, late.headers["Location"]) == (303, f"{PORTAL_ORIGIN}/")

    async def test_two_tabs_are_one_enrolment(self, house: House) -> None:
        """The first to confirm sets the password; the second leads on, or says what happened."""
        ticket = await nina(house)
        one = await first_page(house, ticket)
        two = await first_page(house, ticket, password="another good password")
        secret = await secret_in(one)
        assert await secret_in(two) == secret, "scanned once, it serves both"
        session = session_of(
            await second_page(house, await token_in(one), totp_code(secret, house.clock()))
        )
        house.clock.advance(seconds=30)
        code = totp_code(secret, house.clock())
        stranger = await second_page(house, await token_in(two), code)
        assert (stranger.status, session_of(stranger)) == (403, None)
        assert "finished in another window" in await stranger.text()
        assert 'action="/sign-in"' in await stranger.text()
        here = await second_page(house, await token_in(two), code, session=session)
        assert (here.status, here.headers["Location"]) == (303, f"{PORTAL_ORIGIN}/")
        credentials = await house.store.credentials("nina")
        assert credentials is not None
        assert verify_password(credentials.password_hash, NEW)

    async def test_on_two_portals_at_once_one_gets_through(self, house: House) -> None:
        """They share the store alone."""
        page = await first_page(house, await nina(house))
        token = await token_in(page)
        code = totp_code(await secret_in(page), house.clock())
        async with house.another_portal() as other:
            answers = await asyncio.gather(*(second_page(at, token, code) for at in (house, other)))
        assert sorted(session_of(answer) is not None for answer in answers) == [False, True]
        assert len(await house.store.sessions(user="nina")) == 1

    async def test_without_a_store_nothing_is_done(self, house: House) -> None:
        """503, and no cookie."""
        page = await first_page(house, await nina(house))
        token = await token_in(page)
        code = totp_code(await secret_in(page), house.clock())
        house.break_store()
        answer = await second_page(house, token, code)
        assert answer.status == 503
        assert "Set-Cookie" not in answer.headers


class TestStrangers:
    async def test_what_the_second_page_carries_is_of_one_certificate(self, house: House) -> None:
        """Another stick of the same person, another person, a changed letter: nothing."""
        page = await first_page(house, await nina(house))
        token = await token_in(page)
        code = totp_code(await secret_in(page), house.clock())
        await house.add_stick("nina", "stick-2")
        for stick in ("stick-2", "stick-1"):
            answer = await second_page(house, token, code, stick=stick)
            assert (answer.status, session_of(answer)) == (403, None)
        answer = await second_page(house, token[:-6] + "AAAAAA", code)
        assert (answer.status, session_of(answer)) == (403, None)
        assert await untouched(house)

    async def test_a_certificate_revoked_between_the_pages_ends_it(self, house: House) -> None:
        """The door says so before anything is looked at."""
        page = await first_page(house, await nina(house))
        token = await token_in(page)
        code = totp_code(await secret_in(page), house.clock())
        await house.revoke("nina", STICK)
        answer = await second_page(house, token, code)
        assert "certificate-revoked" in await answer.text()
        assert await untouched(house)

    @pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}])
    async def test_another_site_cannot_send_the_forms(
        self, house: House, headers: dict[str, str]
    ) -> None:
        """The rule of decision 7 holds them back, before anything is counted."""
        ticket = await nina(house)
        page = await first_page(house, ticket)
        token = await token_in(page)
        code = totp_code(await secret_in(page), house.clock())
        for answer in (
            await first_page(house, ticket, headers=headers),
            await second_page(house, token, code, headers=headers),
        ):
            assert answer.status == 403
            assert "cross-site-request" in await answer.text()
        assert await untouched(house)

    async def test_a_person_without_a_password_is_nobody_elsewhere(self, house: House) -> None:
        """No empty password signs in, and no empty secret has a code."""
        await nina(house)
        for password in ("", "x"):
            answer = await house.sign_in(user="nina", password=password, code="000000", stick=STICK)
            assert session_of(answer) is None
        assert PASSWORD not in str(await house.store.ticket("nina"))
