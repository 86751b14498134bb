"""The page on which a manager decides what somebody asks for."""

import asyncio
import re
from dataclasses import replace

import pytest

from gateway.core.audit import AuditKind
from gateway.core.requests import RequestState
from gateway.core.spans import parse_spans
from gateway.portal.request_form import DAY
from policies.papers import DayQuota
from tests.gateway.portal.asks import asking, berta, newcomer, only, say_to, send
from tests.gateway.portal.house import House, text_of

THREE = ("2026-11-24", "2026-11-26", "2026-11-30")


async def asked(house: House, *days: str, **fields: str) -> None:
    """Let Anna ask for *days*."""
    answer = await send(house, await house.signed_in(), *(days or THREE), **fields)
    assert answer.status == 200, await text_of(answer)


async def test_whoever_decides_sees_what_waits(house: House) -> None:
    """On the start page, and on that of requests, with the way to each."""
    asking(house)
    manager = await berta(house)
    page = await house.ask("GET", "/", stick="stick-berta", session=manager)
    assert "for your answer" not in await page.text()
    await asked(house)
    page = await house.ask("GET", "/", stick="stick-berta", session=manager)
    assert "One request waits for your answer." in await text_of(page)
    await asked(house, "2026-12-01")
    page = await house.ask("GET", "/", stick="stick-berta", session=manager)
    assert "2 requests wait for your answer." in await text_of(page)
    page = await house.ask("GET", "/requests", stick="stick-berta", session=manager)
    html = await page.text()
    assert re.findall(r'href="(/requests/decide\?number=\d)"', html) == [
        "/requests/decide?number=1",
        "/requests/decide?number=2",
    ]
    assert "Anna Rossi" in html


async def test_shows_all_there_is_to_know(house: House) -> None:
    """Who, which days, why, and what the quota says of it."""
    asking(house, DayQuota(1))
    manager = await berta(house)
    await asked(house, "2026-11-24", "2026-11-26", reason="the boiler & the <i>plumber</i>")
    page = await house.ask("GET", "/requests/decide?number=1", stick="stick-berta", session=manager)
    text, html = await text_of(page), await page.text()
    assert "Anna Rossi asks for Wiki" in text
    assert "Anna Rossi (anna)" in text
    assert "the boiler & the <i>plumber</i>" in text
    assert "<i>plumber" not in html
    assert "no day would be left for Thursday 26 November 2026" in text
    assert "Days used lately none" in text
    assert re.findall(rf'name="({DAY}[0-9-]+)" checked', html) == [
        f"{DAY}2026-11-24",
        f"{DAY}2026-11-26",
    ]


async def test_approves_all_some_or_none(house: House) -> None:
    """What is unticked is not granted; the words go with it."""
    asking(house)
    manager = await berta(house)
    await asked(house)
    answer = await say_to(house, manager, "approve", "2026-11-24", "2026-11-30", words="fine")
    assert "Approved: Anna Rossi, Wiki, Tuesday 24 November 2026;" in await text_of(answer)
    found = await only(house)
    assert (found.state, found.words, found.decided_by) == ("approved", "fine", "berta")
    assert found.granted == parse_spans("2026-11-24,2026-11-30")
    assert [
        one.first.isoformat() for one in (await house.store.papers("anna"))["anna"].approvals
    ] == [
        "2026-11-24",
        "2026-11-30",
    ]


async def test_refuses(house: House) -> None:
    """Whatever is still ticked."""
    asking(house)
    manager = await berta(house)
    await asked(house)
    answer = await say_to(house, manager, "refuse", *THREE, words="not this month")
    assert "Refused: Anna Rossi, Wiki" in await text_of(answer)
    found = await only(house)
    assert (found.state, found.words, found.granted) == ("refused", "not this month", ())
    [line] = await house.audit(AuditKind.APPROVAL_REFUSED)
    assert (line.event.user, line.event.detail["by"]) == ("anna", "berta")


@pytest.mark.parametrize(
    "verdict, days, words",
    [
        ("approve", (), "Choose at least one day."),
        ("approve", ("2026-11-25",), "Only days that were asked for"),
        ("approve", (*THREE, "2026-12-24"), "Only days that were asked for"),
        ("approve", ("x",), "such as 2026-11-24"),
        ("", THREE, "Approve it or refuse it."),
        ("maybe", THREE, "Approve it or refuse it."),
    ],
)
async def test_says_what_is_wrong_and_decides_nothing(
    house: House, verdict: str, days: tuple[str, ...], words: str
) -> None:
    """What was typed stays."""
    asking(house)
    manager = await berta(house)
    await asked(house)
    answer = await say_to(house, manager, verdict, *days, words="my words")
    assert answer.status == 400
    assert words in await text_of(answer)
    assert ">my words</textarea>" in await answer.text()
    assert (await only(house)).state is RequestState.ASKED


async def test_a_long_time_is_shortened_by_its_ends(house: House) -> None:
    """Two dates in the place of hundreds of boxes; days between that were not asked for stay out."""
    asking(house)
    manager = await berta(house)
    await asked(house, "2026-11-24", first="2026-12-01", last="2027-06-30")
    page = await house.ask("GET", "/requests/decide?number=1", stick="stick-berta", session=manager)
    html = await page.text()
    assert 'name="first" type="date" value="2026-11-24"' in html
    assert 'name="last" type="date" value="2027-06-30"' in html
    bad = await say_to(house, manager, "approve", first="2027-01-31", last="2026-11-24")
    assert bad.status == 400
    bad = await say_to(house, manager, "approve", first="2027-07-01", last="2027-07-02")
    assert "Choose at least one day." in await text_of(bad)
    await say_to(house, manager, "approve", first="2026-11-20", last="2027-01-31")
    assert (await only(house)).granted == parse_spans("2026-11-24,2026-12-01/2027-01-31")


async def test_one_of_two_managers_decides(house: House) -> None:
    """The other reads how it stands; a double tap of the first reads what it did."""
    asking(house)
    managers = {"technicians": frozenset({"berta", "dora"})}
    house.site = replace(house.site, managers=managers)
    manager, dora = await berta(house), await newcomer(house, "dora", "Dora", "office")
    await asked(house)
    taps = await asyncio.gather(
        *(say_to(house, manager, "approve", *THREE, mark="m") for _ in range(3))
    )
    for one in taps:
        assert "Approved:" in await text_of(one)
    late = await say_to(house, dora, "refuse", stick="stick-dora")
    text = await text_of(late)
    assert "Nothing was done: the request for Wiki had been settled before (approved)." in text
    page = await house.ask("GET", "/requests/decide?number=1", stick="stick-dora", session=dora)
    assert "had been settled before" in await text_of(page)
    assert len(await house.audit(AuditKind.APPROVAL_GRANTED)) == 1
    assert await house.audit(AuditKind.APPROVAL_REFUSED) == []


async def test_nobody_else_decides_or_learns_anything(house: House) -> None:
    """A colleague, a manager of another group, and who asks: each is told that there is no page."""
    asking(house)
    await asked(house, reason="a secret reason")
    sticks = {
        "stick-bruno": await newcomer(house, "bruno", "Bruno", "technicians"),
        "stick-carlo": await newcomer(house, "carlo", "Carlo", "office", "technicians"),
        "stick-1": await house.signed_in(),
    }
    for stick, session in sticks.items():
        for number in ("1", "2", "x", ""):
            path = f"/requests/decide?number={number}"
            page = await house.ask("GET", path, stick=stick, session=session)
            assert (page.status, page.headers["Location"]) == (303, "/requests")
            assert "secret" not in await page.text()
            answer = await say_to(house, session, "approve", *THREE, stick=stick, number=number)
            assert answer.status == 404
    assert (await only(house)).state is RequestState.ASKED


async def test_a_manager_does_not_decide_their_own(house: House) -> None:
    """It waits for another manager of the group, or for the command."""
    asking(house)
    manager = await berta(house)
    await send(house, manager, "2026-11-24", stick="stick-berta")
    page = await house.ask("GET", "/requests", stick="stick-berta", session=manager)
    assert "/requests/decide" not in await page.text()
    assert (await say_to(house, manager, "approve", "2026-11-24")).status == 404
    assert (await only(house)).state is RequestState.ASKED


async def test_a_manager_of_before_decides_nothing(house: House) -> None:
    """The settings, the groups and the rules of the moment count, not those of when it was asked."""
    asking(house)
    manager = await berta(house)
    await asked(house)
    site = house.site
    house.site = replace(site, managers={})
    assert (await say_to(house, manager, "approve", *THREE)).status == 404
    house.site = site
    wiki = house.applications.pop("wiki")
    assert (await say_to(house, manager, "approve", *THREE)).status == 404
    house.applications["wiki"] = wiki
    await house.store.set_enabled("berta", False)
    assert (await say_to(house, manager, "approve", *THREE)).status == 403
    assert (await only(house)).state is RequestState.ASKED


async def test_what_is_over_can_only_be_refused(house: House) -> None:
    """Nobody grants what has been."""
    asking(house)
    manager = await berta(house)
    await asked(house, "2026-11-21")
    house.clock.advance(days=1)
    manager = await house.signed_in("stick-berta", "berta")
    page = await house.ask("GET", "/requests/decide?number=1", stick="stick-berta", session=manager)
    assert "it can only be refused" in await text_of(page)
    answer = await say_to(house, manager, "approve", "2026-11-21")
    assert "A day that is past" in await text_of(answer)
    assert "Refused:" in await text_of(await say_to(house, manager, "refuse"))
