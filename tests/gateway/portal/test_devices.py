"""The page of devices."""

import re
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest
from aiohttp import ClientResponse

from gateway.core.audit import AuditKind
from gateway.core.sessions import SessionId
from gateway.portal.devices import OTHERS
from tests.gateway.portal.house import ADDRESS, House, text_of

SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}


async def end(house: House, session: SessionId | None, named: str) -> ClientResponse:
    """Press a button of the page."""
    return await house.ask(
        "POST", "/devices/end", session=session, form={"session": named}, headers=SAME_ORIGIN
    )


def named(html: str) -> list[str]:
    """Return what the buttons for one session send."""
    return re.findall(r'name="session" value="([0-9a-f]+)"', html)


class TestSessions:
    async def test_show_device_address_and_times(self, house: House) -> None:
        """By the site's clock; the one that is looked from is marked and has no button."""
        house.site = replace(house.site, time_zone=ZoneInfo("Europe/Rome"))
        await house.add_stick("anna", "stick-2")
        other = await house.signed_in("stick-2")
        session = await house.signed_in()
        response = await house.get("/devices", session)
        text, html = await text_of(response), await response.text()
        assert f"stick-1 this one since 21 November 2026, 10:01, from {ADDRESS}" in text
        assert f"stick-2 since 21 November 2026, 10:00, from {ADDRESS}" in text
        assert "until 21 November 2026, 22:01 at the latest" in text
        assert "Times are those of Europe/Rome." in text
        assert named(html) == [other[:12]]
        assert other not in html, "the whole number is nobody's business"
        assert OTHERS not in named(html)

    async def test_can_be_ended_one_by_one(self, house: House) -> None:
        """It is over at once and everywhere, and the page says so; the one here goes on."""
        await house.add_stick("anna", "stick-2")
        other = await house.signed_in("stick-2")
        session = await house.signed_in()
        answer = await end(house, session, other[:12])
        assert answer.status == 200
        text = await text_of(answer)
        assert "Done. What was open there is closed" in text
        assert "stick-2 since" not in text
        assert [one.id for one in await house.store.sessions()] == [session]
        [line] = await house.audit(AuditKind.SESSION_ENDED)
        assert line.event.detail["by_device"] == "stick-1"
        assert line.event.detail["by_address"] == ADDRESS

    async def test_can_all_be_ended_but_this(self, house: House) -> None:
        """There is a button for it where there is more than one other."""
        await house.add_stick("anna", "stick-2")
        for _ in range(2):
            await house.signed_in("stick-2")
        session = await house.signed_in()
        assert f'value="{OTHERS}"' in await (await house.get("/devices", session)).text()
        assert "Done." in await text_of(await end(house, session, OTHERS))
        assert [one.id for one in await house.store.sessions()] == [session]

    async def test_a_form_sent_twice_does_no_harm(self, house: House) -> None:
        """The second time there is nothing left to end."""
        await house.add_stick("anna", "stick-2")
        other, session = await house.signed_in("stick-2"), await house.signed_in()
        for words in ("Done.", "That was over already"):
            answer = await end(house, session, other[:12])
            assert (answer.status, words in await text_of(answer)) == (200, True)
        assert len(await house.audit(AuditKind.SESSION_ENDED)) == 1

    @pytest.mark.parametrize("chosen", ["", "0" * 12, "own", "bruno's", "f"])
    async def test_only_ones_own_others_can_be_named(self, house: House, chosen: str) -> None:
        """Neither this very session, nor one of somebody else, nor a part of a number."""
        await house.add_person("bruno", "Bruno", "technicians")
        await house.add_stick("bruno", "stick-b")
        others = await house.signed_in("stick-b", "bruno")
        session = await house.signed_in()
        names = {"own": session[:12], "bruno's": others[:12], "f": others[:1]}
        answer = await end(house, session, names.get(chosen, chosen))
        assert "That was over already" in await text_of(answer)
        assert {one.id for one in await house.store.sessions()} == {session, others}

    async def test_nothing_is_ended_without_a_session(self, house: House) -> None:
        """Signed out in another tab, or revoked: the page leads to the sign-in, or refuses."""
        await house.add_stick("anna", "stick-2")
        other = await house.signed_in("stick-2")
        session = await house.signed_in()
        for path in ("/devices", "/devices/end"):
            assert (await house.get(path)).headers["Location"] in {"/sign-in", "/devices"}
        assert (await end(house, None, OTHERS)).headers["Location"] == "/sign-in"
        await house.store.end_sessions(session=session, kind=AuditKind.SIGNED_OUT, by="anna")
        assert (await end(house, session, OTHERS)).headers["Location"] == "/sign-in"
        await house.revoke("anna", "stick-1")
        assert (await end(house, session, OTHERS)).status == 403
        assert [one.id for one in await house.store.sessions()] == [other]

    @pytest.mark.parametrize(
        "headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}]
    )
    async def test_no_other_site_can_end_them(self, house: House, headers: dict[str, str]) -> None:
        """What protects the form is where it comes from (decision 0007)."""
        await house.add_stick("anna", "stick-2")
        await house.signed_in("stick-2")
        session = await house.signed_in()
        answer = await house.ask(
            "POST", "/devices/end", session=session, form={"session": OTHERS}, headers=headers
        )
        assert answer.status == 403
        assert len(await house.store.sessions()) == 2

    async def test_lead_to_where_everything_can_be_ended(self, house: House) -> None:
        """This one included, which is a thing of the account."""
        session = await house.signed_in()
        html = await (await house.get("/devices", session)).text()
        assert 'href="/account#everywhere"' in html
        assert 'id="everywhere"' in await (await house.get("/account", session)).text()

    async def test_a_reload_of_the_forms_address_shows_the_page(self, house: House) -> None:
        """A bookmark of it, or a way back."""
        answer = await house.get("/devices/end", await house.signed_in())
        assert (answer.status, answer.headers["Location"]) == (303, "/devices")


class TestCertificates:
    async def test_show_how_they_stand(self, house: House) -> None:
        """What opens something first; what is over is behind a fold, with its day."""
        for device, days in (("phone", 12.0), ("old", 100.0), ("workshop", 365.0)):
            await house.add_stick("anna", device, days=days)
        await house.revoke("anna", "old")
        await house.store.hold_certificates(user="anna", device="workshop", by="test")
        response = await house.get("/devices", await house.signed_in())
        text, html = await text_of(response), await response.text()
        short = house.sticks["phone"][26:32]
        assert "stick-1 good this one number …" in text
        assert (
            f"phone good number …{short}, valid from 21 November 2026 until 3 December 2026 "
            "Ends in 11 days and 23 hours." in text
        )
        assert "workshop on hold" in text
        before, _, earlier = html.partition("<details>")
        assert ">old</span>" not in before
        assert ">old</span>" in earlier
        assert "revoked" in earlier
        assert "This has been so since 21 November 2026." in earlier

    async def test_lead_to_where_a_lost_one_is_reported(self, house: House) -> None:
        """Each that could still open something."""
        html = await (await house.get("/devices", await house.signed_in())).text()
        assert html.count(f'href="{house.site.lost_page}"') == 2
        ids = re.findall(r' id="([^"]*)"', html)
        assert len(ids) == len(set(ids))
        for named_by in re.findall(r'aria-labelledby="([^"]*)"', html):
            assert set(named_by.split()) <= set(ids)

    async def test_are_ones_own(self, house: House) -> None:
        """Nobody sees what others have."""
        await house.add_person("bruno", "Bruno", "technicians")
        await house.add_stick("bruno", "stick-of-bruno")
        await house.signed_in("stick-of-bruno", "bruno")
        html = await (await house.get("/devices", await house.signed_in())).text()
        assert "stick-of-bruno" not in html

    async def test_in_italian(self, house: House) -> None:
        """All of it."""
        await house.add_stick("anna", "stick-2")
        await house.signed_in("stick-2")
        session = await house.signed_in()
        text = await text_of(await house.get("/devices", session, Accept_Language="it"))
        for words in ("Dispositivi", "dal 21 novembre 2026, 09:00, da", "valido", "Termina"):
            assert words in text

    async def test_names_are_escaped(self, house: House) -> None:
        """A device is called as somebody liked."""
        stick = '"><img src=x>'
        await house.add_stick("anna", stick)
        session = await house.signed_in(stick)
        html = await (await house.ask("GET", "/devices", stick=stick, session=session)).text()
        assert "<img" not in html

    async def test_the_page_stays_small(self, house: House) -> None:
        """Under 30 KiB for somebody with twenty devices, forty years of them, all signed in."""
        for number in range(40):
            await house.add_stick("anna", f"device-{number}")
            if number < 20:
                await house.revoke("anna", f"device-{number}")
            else:
                await house.signed_in(f"device-{number}")
        page = await (await house.get("/devices", await house.signed_in())).read()
        assert len(page) < 30 * 1024


async def test_the_certificate_that_is_shown_can_be_renewed_near_its_end(house: House) -> None:
    """And no other: that its key is here, nobody has shown."""
    await house.add_stick("anna", "ending", days=12)
    await house.add_stick("anna", "also-ending", days=12)
    session = await house.signed_in("ending")
    page = await house.ask("GET", "/devices", stick="ending", session=session)
    assert (await page.text()).count('href="/renewal"') == 1
    session = await house.signed_in()
    page = await house.get("/devices", session)
    assert 'href="/renewal"' not in await page.text()
