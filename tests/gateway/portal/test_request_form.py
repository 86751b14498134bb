"""The form by which somebody asks: its calendar, what it refuses, and what it is told."""

import asyncio
import re
from datetime import timedelta

import pytest
from sqlalchemy import insert

from gateway.core.audit import AuditKind
from gateway.core.requests import RequestState
from gateway.core.spans import parse_spans, show_spans
from gateway.portal.request_form import DAY
from gateway.store.schema import used_day
from policies.papers import DayQuota
from tests.gateway.portal.asks import TODAY, asking, berta, newcomer, only, say_to, send
from tests.gateway.portal.house import NOW, House, text_of

FORM = "/requests/new?app=wiki"


async def use(house: House, *days: str) -> None:
    """Let days be counted for Anna."""
    async with house.store.begin() as connection:
        for day in days:
            row = {"username": "anna", "count": "remote-days", "day": day, "app": "wiki"}
            await connection.execute(insert(used_day).values(**row, serial="aa", at=NOW))


def label(html: str, day: str) -> str:
    """Return the words that a screen reader says of *day*."""
    found = re.search(rf'name="{DAY}{day}" aria-label="([^"]*)"([^>]*)>', html)
    assert found, day
    return found[1] + (" (closed)" if "disabled" in found[2] else "")


async def test_asks_for_the_days_that_are_ticked(house: House) -> None:
    """As few spans as there can be; with the certificate, and the words as they were typed."""
    asking(house)
    answer = await send(
        house, await house.signed_in(), "2026-11-24", "2026-11-25", "2026-12-01", reason=" a\r\nb "
    )
    assert answer.status == 200
    text = await text_of(answer)
    assert "Asked for: 24–25 November 2026; Tuesday 1 December 2026." in text
    found = await only(house)
    assert (found.user, found.app, found.reason) == ("anna", "wiki", "a\nb")
    assert show_spans(found.wanted) == "2026-11-24/2026-11-25,2026-12-01"
    assert found.serial == house.sticks["stick-1"][:32]
    [line] = await house.audit(AuditKind.APPROVAL_ASKED)
    assert line.event.detail["request"]


async def test_asks_for_a_span_and_for_days_beside_it(house: House) -> None:
    """A first and a last day; one of them alone is that day."""
    asking(house)
    session = await house.signed_in()
    await send(house, session, "2026-11-24", first="2027-01-01", last="2027-06-30")
    assert show_spans((await only(house)).wanted) == "2026-11-24,2027-01-01/2027-06-30"
    await send(house, session, first="2026-11-30")
    assert (await house.store.access_requests())[1].wanted == parse_spans("2026-11-30")


@pytest.mark.parametrize(
    "days, fields, words",
    [
        ((), {}, "Choose at least one day."),
        (("2026-11-20",), {}, "A day that is past"),
        (("2027-11-24",), {}, "further ahead than a year"),
        (("2026-11-24",), {"reason": " \n"}, "Say why"),
        (("2026-11-24",), {"reason": "x" * 501}, "at most 500"),
        ((), {"first": "24/11/2026"}, "such as 2026-11-24"),
        ((), {"last": "2026-11-24"}, "such as 2026-11-24"),
        ((), {"first": "2026-11-26", "last": "2026-11-24"}, "in this order"),
    ],
)
async def test_says_what_is_wrong_and_keeps_what_was_typed(
    house: House, days: tuple[str, ...], fields: dict[str, str], words: str
) -> None:
    """Nothing is asked for, and nothing has to be typed again."""
    asking(house)
    answer = await send(house, await house.signed_in(), *days, **{"reason": "my words", **fields})
    assert answer.status == 400
    html = await answer.text()
    assert words in await text_of(answer)
    if "reason" not in fields:
        assert ">my words</textarea>" in html
    for name in ("first", "last"):
        assert f'name="{name}" type="date" value="{fields.get(name, "")}"' in html
    assert await house.store.access_requests() == []


async def test_the_same_form_twice_is_one_request(house: House) -> None:
    """A double tap gets the same answer twice; a later form for the day is told so."""
    asking(house)
    session = await house.signed_in()
    answers = await asyncio.gather(
        *(send(house, session, "2026-11-24", mark="m") for _ in range(3))
    )
    assert [answer.status for answer in answers] == [200, 200, 200]
    assert len(await house.store.access_requests()) == 1
    again = await send(house, session, "2026-11-24", mark="other")
    assert "you have asked already" in await text_of(again)


async def test_two_portals_write_one_request(house: House) -> None:
    """The same days, at the same instant, on two machines."""
    asking(house)
    session = await house.signed_in()
    async with house.another_portal() as other:
        answers = await asyncio.gather(
            send(house, session, "2026-11-24", mark="m"),
            send(other, session, "2026-11-24", mark="m"),
        )
    assert sorted(answer.status for answer in answers) == [200, 400]
    assert len(await house.store.access_requests()) == 1


@pytest.mark.parametrize("app", ["payroll", "crm", "nothing", "", "../wiki"])
async def test_only_what_is_for_oneself_can_be_named(house: House, app: str) -> None:
    """What is for others is as if it were not there; what needs no approval too."""
    asking(house)
    session = await house.signed_in()
    page = await house.get(f"/requests/new?app={app}", session)
    assert (page.status, page.headers["Location"]) == (303, "/requests")
    answer = await send(house, session, "2026-11-24", app=app)
    assert (answer.status, answer.headers["Location"]) == (303, "/requests")
    assert await house.store.access_requests() == []


async def test_the_calendar_says_of_each_day_what_there_is_to_say(house: House) -> None:
    """Past, asked for, approved, used, and that no day would be left."""
    asking(house, DayQuota(3, consecutive=False))
    session, manager = await house.signed_in(), await berta(house)
    await use(house, "2026-11-18", "2026-11-23")
    await send(house, session, "2026-11-25", "2026-11-26")
    await say_to(house, manager, "approve", "2026-11-26")
    await send(house, session, "2026-11-28")
    page = await house.get(FORM, session)
    html, text = await page.text(), await text_of(page)
    assert label(html, "2026-11-20") == "Friday 20 November 2026: cannot be asked for (closed)"
    assert label(html, "2026-11-18") == "Wednesday 18 November 2026: used (closed)"
    assert html.count(">●</span>") == 1, "what the sign says is said once"
    assert label(html, "2026-11-21") == "Saturday 21 November 2026"
    assert label(html, "2026-11-22").endswith("no day left for it")
    assert label(html, "2026-11-23").endswith("used already")
    assert label(html, "2026-11-24").endswith("no day left for it")
    assert label(html, "2026-11-26").endswith("approved already (closed)")
    assert label(html, "2026-11-28").endswith("asked for already (closed)")
    assert "There are 3 days a month, never two in a row; used in November: 2." in text


async def test_days_beyond_the_quota_can_be_asked_for_and_are_said(house: House) -> None:
    """The day may be freed until then, and the manager is told too."""
    asking(house, DayQuota(1))
    session = await house.signed_in()
    answer = await send(house, session, "2026-11-24", "2026-11-26")
    words = "you would have no day left for Thursday 26 November 2026"
    assert words in await text_of(answer)
    assert (await only(house)).state is RequestState.ASKED


async def test_pages_of_the_calendar_keep_what_was_ticked(house: House) -> None:
    """Without script: the other months' days travel in the form."""
    asking(house)
    session = await house.signed_in()
    page = await send(house, session, "2026-11-24", turn="2026-12", reason="why not")
    html = await page.text()
    assert page.status == 200
    assert "December 2026" in html
    assert f'<input type="hidden" name="{DAY}2026-11-24" value="on">' in html
    assert "Also chosen: Tuesday 24 November 2026." in html
    assert ">why not</textarea>" in html
    assert f'name="{DAY}2026-12-31"' in html
    assert await house.store.access_requests() == []
    page = await send(house, session, "2026-11-24", "2026-12-01", turn="2026-11", month="2026-12")
    html = await page.text()
    assert re.search(rf'name="{DAY}2026-11-24" aria-label="[^"]*" checked', html)
    assert f'<input type="hidden" name="{DAY}2026-12-01" value="on">' in html


@pytest.mark.parametrize("month", ["2026-10", "2028-01", "x", "", "9999-12"])
async def test_other_months_than_can_be_asked_for_are_not_shown(house: House, month: str) -> None:
    """This one is."""
    asking(house)
    session = await house.signed_in()
    assert "November 2026" in await text_of(await house.get(f"{FORM}&month={month}", session))
    last = await house.get(f"{FORM}&month={TODAY + timedelta(days=366):%Y-%m}", session)
    assert "Month after" not in await text_of(last)


async def test_days_are_those_of_the_site_s_zone(house: House) -> None:
    """At half past eleven in the evening in UTC it is tomorrow in Rome."""
    asking(house)
    house.clock.advance(hours=14)
    session = await house.signed_in()
    html = await (await house.get(FORM, session)).text()
    assert label(html, "2026-11-21").endswith("(closed)")
    assert not label(html, "2026-11-22").endswith("(closed)")


async def test_fields_that_no_form_of_ours_has_are_nothing(house: House) -> None:
    """Days that are none are not days; hundreds of fields are refused."""
    asking(house)
    session = await house.signed_in()
    await send(house, session, "2026-11-24", "x", "2026-02-30", "24.11.2026")
    assert (await only(house)).wanted == parse_spans("2026-11-24")
    many = {f"f{number}": "x" for number in range(500)}
    assert (await send(house, session, "2026-11-26", **many)).status == 400


async def test_the_form_is_small_and_speaks_italian(house: House) -> None:
    """Under 30 KiB with all that may stand in it."""
    asking(house, DayQuota(2))
    session = await house.signed_in()
    await use(house, "2026-11-23", "2026-11-24")
    page = await house.get(FORM, session, Accept_Language="it")
    assert len(await page.read()) < 30 * 1024
    text = await text_of(page)
    for words in ("Chiedi Wiki", "novembre 2026", "I giorni sono 2 al mese", "già usato"):
        assert words in text


async def test_a_tile_that_wants_an_approval_leads_to_the_form(house: House) -> None:
    """And no other tile does."""
    asking(house)
    html = await (await house.get("/", await house.signed_in())).text()
    assert html.count('class="sheet tile closed" href="/requests/new?app=wiki"') == 1
    olga = await newcomer(house, "olga", "Olga", "cleaners")
    page = await house.ask("GET", "/", stick="stick-olga", session=olga)
    assert "/requests/new" not in await page.text()


async def test_days_at_the_end_of_time_are_too_far(house: House) -> None:
    """And no error of ours."""
    asking(house)
    session = await house.signed_in()
    answer = await send(house, session, "2026-12-01", first="2026-11-24", last="9999-12-31")
    assert answer.status == 400
    assert await house.store.access_requests() == []
