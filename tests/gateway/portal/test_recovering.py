"""Signing in with a recovery code, when the authenticator is lost."""

import asyncio
import re
from html import unescape
from urllib.parse import quote

from aiohttp import ClientResponse

from gateway.core.audit import AuditKind
from gateway.core.credentials import totp_code
from gateway.core.pending import PENDING_LIFETIME
from tests.gateway.portal.house import (
    ADDRESS,
    NUMBER,
    PASSWORD,
    PORTAL_ORIGIN,
    House,
    session_of,
    text_of,
)
from tests.gateway.portal.test_enrol import SAME_ORIGIN, WIKI_PAGE, second_page, token_in


async def ask(
    house: House, recovery: str, *, password: str = PASSWORD, user: str = "anna", mark: str = ""
) -> ClientResponse:
    """Send the form."""
    form = {"user": user, "password": password, "recovery": recovery, "mark": mark, "to": WIKI_PAGE}
    return await house.ask("POST", "/sign-in/recovery", form=form, headers=SAME_ORIGIN)


async def secret_in(response: ClientResponse) -> str:
    """Return the secret that a page shows."""
    [secret] = re.findall(r"[?&]secret=([A-Z2-7]+)", unescape(await response.text()))
    return str(secret)


async def test_the_sign_in_page_leads_there_and_back(house: House) -> None:
    """With the place where one wanted to be."""
    to = f"?to={quote(WIKI_PAGE, safe='')}"
    assert f'href="/sign-in/recovery{to}"' in await (await house.get(f"/sign-in{to}")).text()
    html = await (await house.get(f"/sign-in/recovery{to}")).text()
    assert f'href="/sign-in{to}"' in html
    assert 'autocomplete="current-password"' in html
    assert 'value="anna" readonly autocomplete="username"' in html


async def test_a_new_authenticator_comes_before_the_session(house: House) -> None:
    """The code is used up with the first code of the new one; all else of before ends."""
    codes = await house.make_recovery_codes()
    before = await house.signed_in()
    page = await ask(house, codes[4].lower())
    assert (page.status, session_of(page)) == (200, None)
    assert await house.store.recovery_codes_left("anna") == 10
    house.clock.advance(seconds=30)
    assert session_of(await house.sign_in()) is not None, "nothing has changed as yet"
    secret = await secret_in(page)
    code = totp_code(secret, house.clock())
    done = await second_page(house, await token_in(page), code, to=WIKI_PAGE, stick="stick-1")
    session = session_of(done)
    assert done.headers["Location"] == f"/continue?to={quote(WIKI_PAGE, safe='')}"
    assert [one.id for one in await house.store.sessions(user="anna")] == [session]
    assert session != before
    assert await house.store.recovery_codes_left("anna") == 9
    [shown] = await house.audit(AuditKind.AUTHENTICATOR_SHOWN)
    assert shown.event.detail["proved"] == "recovery"
    [line] = await house.audit(AuditKind.TOTP_CHANGED)
    event = line.event
    assert (event.user, event.device, event.address) == ("anna", "stick-1", ADDRESS)
    assert event.detail == {"proved": "recovery-code", "request": NUMBER}
    house.clock.advance(seconds=30)
    assert (await house.sign_in()).status == 403
    again = await house.sign_in(code=totp_code(secret, house.clock()))
    assert session_of(again) is not None
    used = await ask(house, codes[4])
    assert "recovery code has already been used" in await used.text()


async def test_wrong_password_and_wrong_code_read_the_same(house: House) -> None:
    """The log knows which it was."""
    codes = await house.make_recovery_codes()
    answers = [
        await ask(house, codes[0], password="wrong"),
        await ask(house, "0000-1111-2222-3333"),
        await ask(house, "nonsense"),
        await ask(house, codes[0], user="bruno"),
    ]
    assert {answer.status for answer in answers} == {403}
    assert len({await text_of(answer) for answer in answers}) == 1
    assert await house.failures() == [
        *("wrong-password", "wrong-code", "wrong-code", "another-person"),
    ]


async def test_guesses_count_together_with_the_sign_in(house: House) -> None:
    """Five of both, then both wait."""
    codes = await house.make_recovery_codes()
    for _ in range(3):
        await ask(house, codes[0], password="wrong")
    for _ in range(2):
        await house.sign_in(password="wrong")
    assert (await ask(house, codes[0])).status == 429
    assert (await house.sign_in()).status == 429


async def test_two_at_once_are_one(house: House) -> None:
    """One code, two tabs: the second one's authenticator never counts."""
    codes = await house.make_recovery_codes()
    pages = [await ask(house, codes[0]) for _ in range(2)]
    answers = await asyncio.gather(
        *[
            second_page(
                house,
                await token_in(page),
                totp_code(await secret_in(page), house.clock()),
                stick="stick-1",
            )
            for page in pages
        ]
    )
    assert sorted(session_of(answer) is not None for answer in answers) == [False, True]
    assert await house.store.recovery_codes_left("anna") == 9
    assert len(await house.audit(AuditKind.TOTP_CHANGED)) == 1


async def test_a_page_from_yesterday_leads_back_to_the_sign_in(house: House) -> None:
    """And the recovery code is still good."""
    codes = await house.make_recovery_codes()
    page = await ask(house, codes[0])
    house.clock.advance(seconds=PENDING_LIFETIME.total_seconds())
    code = totp_code(await secret_in(page), house.clock())
    late = await second_page(house, await token_in(page), code, stick="stick-1")
    assert (late.status, session_of(late)) == (403, None)
    assert "open for too long" in await late.text()
    assert 'action="/sign-in"' in await late.text()
    assert await house.store.recovery_codes_left("anna") == 10


async def test_a_one_time_code_has_no_place_there(house: House) -> None:
    """What is typed as a recovery code is compared with recovery codes alone."""
    await house.make_recovery_codes()
    assert (await ask(house, house.code())).status == 403


async def test_whoever_is_signed_in_goes_on(house: House) -> None:
    """An old bookmark of the page is no dead end."""
    answer = await house.get("/sign-in/recovery", await house.signed_in())
    assert (answer.status, answer.headers["Location"]) == (303, f"{PORTAL_ORIGIN}/")
