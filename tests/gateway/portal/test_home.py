"""The start page."""

from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

from gateway.core.headers import Listener
from policies.model import AppPolicy, Effect, Rule
from tests.gateway.portal.house import APPLICATIONS, WIKI_ORIGIN, House, open_house, text_of


class TestApplications:
    async def test_are_those_that_open_now(self, house: House) -> None:
        """Tiles with title and description, in the order of the alphabet; no others."""
        response = await house.get("/", await house.signed_in())
        html = await response.text()
        assert response.status == 200
        assert f'href="{WIKI_ORIGIN}/"' in html
        assert "How everything works, and who to call." in html
        assert "Customers &amp; contracts" in html
        assert html.index("Customers") < html.index("Wiki")
        assert "Payroll" not in html
        assert "payroll" not in html

    async def test_follow_the_certificates_scope(self, house: House) -> None:
        """A certificate for one application shows one tile."""
        await house.add_stick("anna", "narrow", scope=frozenset({"crm"}))
        session = await house.signed_in("narrow")
        html = await (await house.ask("GET", "/", stick="narrow", session=session)).text()
        assert "Customers" in html
        assert "Wiki" not in html

    async def test_follow_the_files(self, house: House) -> None:
        """A changed policy shows at the next look."""
        session = await house.signed_in()
        deny = Rule("not anna", Effect.DENY, users=frozenset({"anna"}), groups=None)
        wiki = APPLICATIONS["wiki"]
        policy = AppPolicy("wiki", (*wiki.policy.rules, deny))
        house.applications = {**house.applications, "wiki": replace(wiki, policy=policy)}
        assert "Wiki" not in await (await house.get("/", session)).text()

    async def test_may_be_none(self, house: House) -> None:
        """An empty page says so and names somebody to ask."""
        await house.add_person("carla", "Carla", "nobody")
        await house.add_stick("carla", "stick-3")
        session = await house.signed_in("stick-3", "carla")
        text = await text_of(await house.ask("GET", "/", stick="stick-3", session=session))
        assert "Nothing is open to you at the moment." in text
        assert "help@example.it" in text


class TestWhoAmI:
    async def test_person_device_certificate_and_session(self, house: House) -> None:
        """Everything that somebody at a foreign PC asks themselves."""
        session = await house.signed_in()
        house.clock.advance(hours=4, minutes=20)
        text = await text_of(await house.get("/", session))
        assert "Anna Rossi anna" in text
        assert "stick-1, valid until 21 November 2027" in text
        assert "for another 7 hours and 40 minutes" in text
        assert "Sign out" in text
        assert "Your certificate ends" not in text

    async def test_a_certificate_near_its_end_is_spoken_of(self, house: House) -> None:
        """Browsers hide expired certificates, so it is said while it can be."""
        await house.add_stick("anna", "ending", days=12)
        session = await house.signed_in("ending")
        text = await text_of(await house.ask("GET", "/", stick="ending", session=session))
        assert "Your certificate ends in 11 days and 23 hours, on 3 December 2026." in text
        assert "Ask here: help@example.it" in text

    async def test_dates_are_those_of_the_sites_zone(self, house: House) -> None:
        """Where it is late in the evening, a certificate ends the next morning."""
        house.site = replace(house.site, time_zone=ZoneInfo("Pacific/Auckland"))
        await house.add_stick("anna", "late", days=366.2)
        session = await house.signed_in("late")
        text = await text_of(await house.ask("GET", "/", stick="late", session=session))
        assert "valid until 23 November 2027" in text

    async def test_names_are_escaped(self, house: House) -> None:
        """A person's name, a device and a title are text, whatever is in them."""
        await house.add_person("mallory", "<script>alert(1)</script>", "technicians")
        await house.add_stick("mallory", '"><img src=x>')
        house.applications["x"] = replace(
            APPLICATIONS["wiki"], title="<b>bold</b>", description="<i>"
        )
        session = await house.signed_in('"><img src=x>', "mallory")
        stick = '"><img src=x>'
        for path, signed in (("/", session), ("/sign-in", None)):
            html = await (await house.ask("GET", path, stick=stick, session=signed)).text()
            for raw in ("<script", "<img", "<b>bold", "<i>"):
                assert raw not in html


async def test_whoever_is_not_signed_in_is_asked_to(house: House) -> None:
    """The start page is for those who signed in."""
    response = await house.get("/")
    assert (response.status, response.headers["Location"]) == (303, "/sign-in")


async def test_a_site_without_a_contact_names_nobody(tmp_path: Path, house: House) -> None:
    """No sentence ends in the air."""
    folder = tmp_path / "other"
    folder.mkdir()
    async with open_house(folder, replace(house.site, contact="")) as other:
        await other.add_stick("anna", "ending", days=3)
        other.applications.clear()
        session = await other.signed_in("ending")
        home = await text_of(await other.ask("GET", "/", stick="ending", session=session))
        help_page = await text_of(await other.ask("GET", "/", listener=Listener.PUBLIC))
        for text in (home, help_page):
            assert "sk here" not in text
            assert "ask" not in text.replace("you are asked", "").replace("will ask", "").replace(
                "does not ask", ""
            ).lower().replace("ask for a new one", "")


async def test_pages_are_small(house: House) -> None:
    """Under 30 KiB each, with fifty applications too."""
    for number in range(50):
        app = replace(
            APPLICATIONS["wiki"], name=f"app-{number}", title=f"App {number}", description="x" * 100
        )
        house.applications[app.name] = replace(app, policy=APPLICATIONS["wiki"].policy)
    session = await house.signed_in()
    for path, signed in (("/", session), ("/sign-in", None), ("/signed-out", None)):
        page = await (await house.get(path, signed)).read()
        assert len(page) < 30 * 1024
