"""The language of pages: by the browser, unless somebody has chosen another."""

import re
from html import unescape
from urllib.parse import urlencode

import pytest

from gateway.core.headers import Listener
from gateway.core.languages import LANGUAGE_COOKIE
from gateway.core.sessions import SessionId
from tests.gateway.portal.house import WIKI_ORIGIN, House, text_of

SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}
ITALIAN = {"Cookie": f"{LANGUAGE_COOKIE}=it"}


def back_of(html: str) -> str | None:
    """Return where a page's form of languages leads."""
    found = re.search(r'name="back" value="([^"]*)"', html)
    return None if found is None else unescape(found[1])


@pytest.mark.parametrize("listener", [Listener.PORTAL, Listener.PUBLIC])
async def test_a_language_can_be_chosen(house: House, listener: Listener) -> None:
    """On both hosts, without a session: the cookie is set, and the page comes back in it."""
    path = "/sign-in" if listener is Listener.PORTAL else "/lost"
    page = await house.ask("GET", path, listener=listener)
    html = await page.text()
    assert '<html lang="en">' in html
    assert '<button name="language" value="it" lang="it">Italiano</button>' in html
    assert 'value="en"' not in html, "what it is already cannot be chosen"
    form = {"language": "it", "back": back_of(html) or ""}
    chosen = await house.ask("POST", "/language", listener=listener, form=form, headers=SAME_ORIGIN)
    assert (chosen.status, chosen.headers["Location"]) == (303, path)
    cookie = chosen.headers["Set-Cookie"].partition(";")[0]
    again = await house.ask("GET", path, listener=listener, headers={"Cookie": cookie})
    assert '<html lang="it">' in await again.text()
    assert again.headers["Content-Language"] == "it"
    assert "Cookie" in again.headers["Vary"]


async def test_refusals_follow_what_was_chosen(house: House) -> None:
    """The portal's own, too."""
    page = await house.ask("GET", "/nothing-here", headers=ITALIAN)
    assert page.status == 404
    assert page.headers["Content-Language"] == "it"
    assert '<html lang="it">' in await page.text()
    assert "Cookie" in page.headers["Vary"]


async def test_whoever_chooses_does_not_lose_their_way(house: House) -> None:
    """Where somebody is going after the sign-in survives, after a mistake in the form too."""
    to = f"{WIKI_ORIGIN}/notes?sort=by%20date"
    asked = f"/sign-in?{urlencode({'to': to})}"
    shown = back_of(await (await house.get(asked)).text())
    failed = back_of(await (await house.sign_in(password="wrong", to=to)).text())
    for back in (shown, failed):
        assert back is not None
        form = {"language": "it", "back": back}
        chosen = await house.ask("POST", "/language", form=form, headers=SAME_ORIGIN)
        page = await house.ask("GET", chosen.headers["Location"], headers=ITALIAN)
        html = unescape(await page.text())
        assert f'name="to" value="{to}"' in html


async def test_what_a_form_has_done_is_not_left_by_it(house: House) -> None:
    """A page that is shown once has no way to lose it."""
    await house.store.set_recovery_codes("anna", ["0" * 64])
    form = {"user": "anna", "password": "correct horse battery staple", "code": house.code()}
    page = await house.ask(
        "POST", "/lost", listener=Listener.PUBLIC, form=form, headers=SAME_ORIGIN
    )
    html = await page.text()
    assert page.status == 200
    assert "stick-1" in html
    assert back_of(html) is None


@pytest.mark.parametrize(
    "back",
    [
        "",
        "//evil.example/",
        "https://evil.example/",
        "/\\evil.example",
        "/.//evil.example/",
        "/\r\nX: y",
        "/%00",
        "x",
        "/" + "a" * 5000,
    ],
)
async def test_nobody_is_led_elsewhere(house: House, back: str) -> None:
    """What does not name a page of this host leads to its start."""
    form = {"language": "it", "back": back}
    chosen = await house.ask("POST", "/language", form=form, headers=SAME_ORIGIN)
    assert (chosen.status, chosen.headers["Location"]) == (303, "/")


@pytest.mark.parametrize("listener", [Listener.PORTAL, Listener.PUBLIC])
async def test_other_sites_choose_nothing(house: House, listener: Listener) -> None:
    """Our form alone does."""
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
        form = {"language": "it", "back": "/"}
        answer = await house.ask("POST", "/language", listener=listener, form=form, headers=headers)
        assert answer.status == 403
        assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("form", [{"language": "de"}, {"back": "/"}, {"language": ""}])
async def test_what_is_no_language_is_refused(house: House, form: dict[str, str]) -> None:
    """No cookie of a stranger's making is set."""
    answer = await house.ask("POST", "/language", form=form, headers=SAME_ORIGIN)
    assert answer.status == 400
    assert "Set-Cookie" not in answer.headers


async def test_the_forms_address_by_itself_leads_to_the_start(house: House) -> None:
    """A bookmark of it, or a reload."""
    for listener in (Listener.PORTAL, Listener.PUBLIC):
        answer = await house.ask("GET", "/language", listener=listener)
        assert (answer.status, answer.headers["Location"]) == (303, "/")


async def test_the_choice_needs_no_session_but_a_certificate(house: House) -> None:
    """Nothing of the portal answers to whoever has none in force."""
    await house.revoke("anna", "stick-1")
    form = {"language": "it", "back": "/"}
    answer = await house.ask("POST", "/language", form=form, headers=SAME_ORIGIN)
    assert answer.status == 403
    assert "revoked" in await text_of(answer)


async def test_a_signed_in_page_can_be_read_in_the_other_language(house: House) -> None:
    """Start page included."""
    session: SessionId = await house.signed_in()
    text = await text_of(await house.ask("GET", "/", session=session, headers=ITALIAN))
    assert "Le tue applicazioni" in text
