"""A house in which people ask for access: a wiki on approved days, and managers."""

from dataclasses import replace
from datetime import date
from zoneinfo import ZoneInfo

from aiohttp import ClientResponse

from gateway.core.requests import AccessRequest
from gateway.core.sessions import SessionId
from gateway.portal.request_form import DAY
from gateway.portal.requests import DECIDE_PATH, WITHDRAW_PATH
from gateway.portal.targets import FORM_PATH
from policies.model import AppPolicy, Effect, Rule
from policies.papers import DayQuota
from tests.gateway.portal.house import House

TODAY = date(2026, 11, 21)
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}


def asking(house: House, quota: DayQuota | None = None) -> House:
    """Let the wiki be for technicians on days that berta has approved, at most *quota* of them."""
    rule = Rule(
        "remote",
        Effect.ALLOW,
        users=None,
        groups=frozenset({"technicians"}),
        approval=True,
        days=quota,
    )
    wiki = replace(house.applications["wiki"], policy=AppPolicy("wiki", (rule,)))
    house.applications["wiki"] = wiki
    managers = {"technicians": frozenset({"berta"}), "office": frozenset({"carlo"})}
    house.site = replace(house.site, managers=managers, time_zone=ZoneInfo("Europe/Rome"))
    return house


async def berta(house: House) -> SessionId:
    """Add the manager of the technicians, with a stick of her own; she is signed in."""
    return await newcomer(house, "berta", "Berta Neri", "technicians")


async def newcomer(house: House, user: str, name: str, *groups: str) -> SessionId:
    """Add somebody with a stick who is signed in."""
    await house.add_person(user, name, *groups)
    await house.add_stick(user, f"stick-{user}")
    return await house.signed_in(f"stick-{user}", user)


async def send(
    house: House,
    session: SessionId | None,
    *days: str,
    stick: str = "stick-1",
    **fields: str,
) -> ClientResponse:
    """Send the form with *days* ticked."""
    form = {"app": "wiki", "reason": "a sick child", "month": "2026-11"} | fields
    form |= {f"{DAY}{day}": "on" for day in days}
    return await house.ask(
        "POST", FORM_PATH, stick=stick, session=session, form=form, headers=SAME_ORIGIN
    )


async def say_to(
    house: House,
    session: SessionId | None,
    verdict: str,
    *days: str,
    stick: str = "stick-berta",
    **fields: str,
) -> ClientResponse:
    """Decide request 1, as Berta, for *days*."""
    form = {"number": "1", "verdict": verdict} | fields | {f"{DAY}{day}": "on" for day in days}
    return await house.ask(
        "POST", DECIDE_PATH, stick=stick, session=session, form=form, headers=SAME_ORIGIN
    )


async def take_back(house: House, session: SessionId | None, number: str = "1") -> ClientResponse:
    """Press the button of a request of one's own."""
    return await house.ask(
        "POST", WITHDRAW_PATH, session=session, form={"number": number}, headers=SAME_ORIGIN
    )


async def only(house: House) -> AccessRequest:
    """Return the one request that there is."""
    [found] = await house.store.access_requests()
    return found
