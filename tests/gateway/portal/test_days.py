"""Days of quotas on the start page."""

from dataclasses import replace
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest

from gateway.core.days import DayUse, Spending
from gateway.core.sessions import SessionId
from policies.model import AppPolicy, Spend
from policies.papers import DayQuota, LocalDays
from tests.gateway.portal.house import APPLICATIONS, WIKI_ORIGIN, House, text_of

ROME = ZoneInfo("Europe/Rome")
TODAY = date(2026, 11, 21)
APART = DayQuota(3, consecutive=False)
DAY = timedelta(days=1)


def count(house: House, quota: DayQuota = APART, *names: str) -> None:
    """Let applications want a day of *quota*, on a site in Rome."""
    house.site = replace(house.site, time_zone=ROME)
    for name in names or ("wiki",):
        app = APPLICATIONS[name]
        rules = tuple(replace(one, days=quota, local=LocalDays(ROME)) for one in app.policy.rules)
        house.applications[name] = replace(app, policy=AppPolicy(name, rules))


async def spend(house: House, session: SessionId, *days: date, quota: DayQuota = APART) -> None:
    """Let *days* count, as the edge does."""
    found = await house.store.session(session)
    assert found is not None
    for day in days:
        use = DayUse(found, Spend(quota, day), "wiki", "1f", "stick-1", "192.0.2.7")
        assert await house.store.spend_day(use) is Spending.SPENT


async def shown(house: House, session: SessionId, language: str = "en") -> str:
    """Return the words of the start page."""
    return await text_of(await house.get("/", session, Accept_Language=language))


async def test_whom_no_quota_is_for_reads_nothing_of_days(house: House) -> None:
    """Also where an application of others counts days."""
    count(house, APART, "payroll")
    assert "days" not in await shown(house, await house.signed_in())


async def test_opening_uses_a_day_up_and_that_is_said_before(house: House) -> None:
    """On the tile, which opens; and how many there are."""
    count(house)
    session = await house.signed_in()
    text = await shown(house, session)
    assert "0 of 3 days used in November. Opening it today uses one up." in text
    assert "Left: 3. Never two in a row. Today does not count so far." in text
    assert "Used in" not in await (await house.get("/", session)).text()
    assert await house.store.used_days() == []


async def test_days_are_listed_with_what_was_opened(house: House) -> None:
    """Those of this month, each with the application that began it; in Italian too."""
    count(house, APART, "wiki", "crm")
    session = await house.signed_in()
    await spend(house, session, date(2026, 10, 30), date(2026, 11, 3), TODAY)
    html = await (await house.get("/", session)).text()
    assert html.count("2 of 3 days used in November. Today is one of them.") == 2
    assert "<b>Customers &amp; contracts, Wiki</b>" in html
    assert "<li>Tuesday 3 November: Wiki</li>" in html
    assert "<li>Saturday 21 November: Wiki</li>" in html
    assert "October" not in html
    text = await shown(house, session)
    assert "Left: 1. Never two in a row. Today is one of them." in text
    assert "The next possible day is Monday 23 November." in text
    text = await shown(house, session, "it")
    assert "Giorni usati nel mese di novembre: 2 su 3. Oggi è uno di questi." in text
    assert "Il prossimo giorno in cui puoi è lunedì 23 novembre." in text


@pytest.mark.parametrize(
    "days, following",
    [
        ((date(2026, 11, 2), date(2026, 11, 4), date(2026, 11, 6)), "Tuesday 1 December"),
        ((TODAY - DAY,), "Sunday 22 November"),
    ],
)
async def test_what_is_closed_says_the_next_day(
    house: House, days: tuple[date, ...], following: str
) -> None:
    """By the day alone, and the tile leads nowhere."""
    count(house)
    session = await house.signed_in()
    await spend(house, session, *days)
    html = await (await house.get("/", session)).text()
    assert WIKI_ORIGIN not in html
    text = await shown(house, session)
    assert f"days used in November. No day is left for it now. Opens on {following}." in text
    # Once, among the days: the tile has said it in its own words.
    assert text.count(f"The next possible day is {following}.") == 1


async def test_it_is_the_day_of_the_site(house: House) -> None:
    """Half past eleven at night in London is the next day in Rome."""
    count(house)
    session = await house.signed_in()
    await spend(house, session, TODAY)
    house.clock.now = house.clock.now.replace(hour=22, minute=50)
    assert "Today is one of them." in await shown(house, await house.signed_in())
    house.clock.advance(minutes=10)
    assert "Today is one of them." not in await shown(house, await house.signed_in())


async def test_an_application_that_is_gone_is_told_by_its_name(house: House) -> None:
    """The day was used all the same."""
    count(house, APART, "crm")
    session = await house.signed_in()
    await spend(house, session, TODAY)
    del house.applications["wiki"]
    assert "Saturday 21 November: wiki" in await shown(house, session)
