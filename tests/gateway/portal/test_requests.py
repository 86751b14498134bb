"""The page of requests: what one has asked for, and its end."""

import re

import pytest

from gateway.core.audit import AuditKind
from gateway.core.requests import DAY_MAXIMUM, RequestState
from gateway.portal.request_form import DAY
from tests.gateway.portal.asks import (
    SAME_ORIGIN,
    TODAY,
    asking,
    berta,
    newcomer,
    only,
    say_to,
    send,
    take_back,
)
from tests.gateway.portal.house import House, text_of

ONE = f"{TODAY}"


async def test_shows_what_can_be_asked_for_and_nothing_else(house: House) -> None:
    """What opens by itself needs no asking, and of what is not for them nobody hears."""
    asking(house)
    html = await (await house.get("/requests", await house.signed_in())).text()
    assert '<a class="button quiet" href="/requests/new?app=wiki">Wiki</a>' in html
    assert "crm" not in html
    assert "payroll" not in html
    olga = await newcomer(house, "olga", "Olga", "cleaners")
    page = await house.ask("GET", "/requests", stick="stick-olga", session=olga)
    assert "Wiki" not in await page.text()


async def test_shows_how_each_stands(house: House) -> None:
    """Days, state, reason, and what was said to it."""
    asking(house)
    session, manager = await house.signed_in(), await berta(house)
    await send(house, session, "2026-11-24", "2026-11-26")
    text = await text_of(await house.get("/requests", session))
    assert "Wiki waits for an answer Tuesday 24 November 2026; Thursday 26 November 2026" in text
    assert "Your reason: a sick child" in text
    assert "Number 1" in text
    await say_to(house, manager, "approve", "2026-11-26", words="only <b>one</b>")
    page = await house.get("/requests", session)
    text, html = await text_of(page), await page.text()
    assert "Wiki approved, 21 November 2026 Thursday 26 November 2026" in text
    assert "You had asked for Tuesday 24 November 2026; Thursday 26 November 2026." in text
    assert "Answer: only <b>one</b>" in text
    assert "<b>one</b>" not in html


async def test_one_s_own_can_be_withdrawn_and_given_back(house: House) -> None:
    """Before it is decided, and after; twice does no harm."""
    asking(house)
    session, manager = await house.signed_in(), await berta(house)
    await send(house, session, "2026-11-24")
    assert "Withdrawn." in await text_of(await take_back(house, session))
    assert "has moved on meanwhile" in await text_of(await take_back(house, session))
    assert (await only(house)).state is RequestState.WITHDRAWN
    await send(house, session, "2026-11-24")
    await say_to(house, manager, "approve", "2026-11-24", number="2")
    assert "Given back." in await text_of(await take_back(house, session, "2"))
    assert await house.store.papers("anna") == {}
    assert len(await house.audit(AuditKind.APPROVAL_ENDED)) == 1


@pytest.mark.parametrize(
    "number", ["1", "2", "0", "-1", "x", "9" * 30, "\N{ARABIC-INDIC DIGIT ONE}"]
)
async def test_nobody_ends_what_is_another_s(house: House, number: str) -> None:
    """Whatever number they name; all are answered alike."""
    asking(house)
    await send(house, await house.signed_in(), ONE)
    bruno = await newcomer(house, "bruno", "Bruno", "technicians")
    answer = await house.ask(
        "POST",
        "/requests/withdraw",
        stick="stick-bruno",
        session=bruno,
        form={"number": number},
        headers=SAME_ORIGIN,
    )
    text = await text_of(answer)
    assert "has moved on meanwhile" in text
    assert "sick child" not in text
    assert (await only(house)).state is RequestState.ASKED


async def test_what_nobody_answered_in_time_is_said_to_be_so(house: House) -> None:
    """It can be asked for no more, and is among the earlier ones."""
    asking(house)
    session = await house.signed_in()
    await send(house, session, ONE)
    house.clock.advance(days=1)
    session = await house.signed_in()
    html = await (await house.get("/requests", session)).text()
    assert "nobody answered in time" in html.partition("<details>")[2]


async def test_needs_a_session_and_comes_back_from_the_sign_in(house: House) -> None:
    """Whoever follows the link in a letter ends where it leads."""
    asking(house)
    answer = await house.get("/requests/decide?number=3")
    assert answer.status == 303
    where = answer.headers["Location"]
    assert where.startswith("/sign-in?to=")
    assert "%2Frequests%2Fdecide%3Fnumber%3D3" in where
    for path in ("/requests", "/requests/new?app=wiki"):
        assert (await house.get(path)).headers["Location"].startswith("/sign-in")
    for answer in (
        await send(house, None, ONE),
        await say_to(house, None, "approve", ONE, stick="stick-1"),
        await take_back(house, None),
    ):
        assert answer.headers["Location"].startswith("/sign-in")
    assert await house.store.access_requests() == []


@pytest.mark.parametrize("path", ["/requests/new", "/requests/decide", "/requests/withdraw"])
async def test_no_other_site_can_send_the_forms(house: House, path: str) -> None:
    """What protects them is where they come from (decision 0007)."""
    asking(house)
    session = await house.signed_in()
    form = {"app": "wiki", f"{DAY}{ONE}": "on", "reason": "x", "number": "1", "verdict": "approve"}
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
        answer = await house.ask("POST", path, session=session, form=form, headers=headers)
        assert answer.status == 403
    assert await house.store.access_requests() == []


async def test_there_is_no_place_for_it_where_nothing_is_asked_for(house: House) -> None:
    """On a site whose rules want no approval the row at the top stays short."""
    session = await house.signed_in()
    assert 'href="/requests"' not in await (await house.get("/", session)).text()
    asking(house)
    assert '<a href="/requests">' in await (await house.get("/", session)).text()


async def test_in_italian_and_small(house: House) -> None:
    """All of it; under 30 KiB for somebody who asks as often as they may."""
    asking(house)
    session = await house.signed_in()
    for _ in range(DAY_MAXIMUM):
        await send(house, session, f"{TODAY}", reason="x" * 500)
        number = (await house.store.access_requests())[-1].number
        await take_back(house, session, str(number))
    page = await house.get("/requests", session, Accept_Language="it")
    assert len(await page.read()) < 30 * 1024
    text = await text_of(page)
    for words in ("Richieste", "Chiedi l’accesso", "Nulla che debba", "ritirata, 21 novembre 2026"):
        assert words in text
    html = await page.text()
    ids = re.findall(r' id="([^"]*)"', html)
    assert len(ids) == len(set(ids))


async def test_whoever_has_the_name_next_reads_nothing_of_it(house: House) -> None:
    """Why somebody asked who was removed, and what was said to it, is not theirs."""
    asking(house)
    session, manager = await house.signed_in(), await berta(house)
    await send(house, session, "2026-11-24", "2026-11-26")
    await say_to(house, manager, "approve", "2026-11-26", words="get well soon")
    await house.store.remove_person("anna", house.clock().date())
    house.clock.advance(days=1)
    await newcomer(house, "anna", "Anna Bianchi", "technicians")
    session = await house.signed_in("stick-anna", "anna")
    for path in ("/requests", "/requests/new?app=wiki"):
        page = await house.ask("GET", path, stick="stick-anna", session=session)
        assert page.status == 200
        text = await page.text()
        assert "sick child" not in text
        assert "get well" not in text
    assert len(await house.store.access_requests(user="anna")) == 1
