"""The start page."""

import re
from dataclasses import replace
from datetime import UTC, date, timedelta
from ipaddress import ip_network
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from gateway.config.icons import read_icon
from gateway.core.headers import Listener
from gateway.core.site import Icon
from gateway.portal.pages import STYLE_SHEET
from gateway.portal.tiles import folded
from policies.calendar import Span, Timetable
from policies.model import AppPolicy, Effect, Rule
from policies.paths import parse_path_pattern
from tests.gateway.config.pictures import DRAWING
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
        """A certificate for one application opens one tile, and shows what another would open."""
        await house.add_stick("anna", "narrow", scope=frozenset({"crm"}))
        session = await house.signed_in("narrow")
        response = await house.ask("GET", "/", stick="narrow", session=session)
        opening, _, closed = (await response.text()).partition("Not open now")
        assert "Customers" in opening
        assert "Wiki" not in opening
        assert "Opens with another of your devices." in closed
        assert WIKI_ORIGIN not in closed
        assert "Payroll" not in closed

    async def test_follow_the_files(self, house: House) -> None:
        """A changed policy shows at the next look."""
        session = await house.signed_in()
        deny = Rule("not anna", Effect.DENY, users=frozenset({"anna"}), groups=None)
        wiki = APPLICATIONS["wiki"]
        policy = AppPolicy("wiki", (*wiki.policy.rules, deny))
        house.applications = {**house.applications, "wiki": replace(wiki, policy=policy)}
        html = await (await house.get("/", session)).text()
        assert WIKI_ORIGIN not in html
        assert "A rule keeps you out at the moment." in html
        assert 'aria-disabled="true"' in html
        house.applications = {"wiki": replace(wiki, policy=AppPolicy("wiki", (deny,)))}
        assert "Wiki" not in await (await house.get("/", session)).text()

    async def test_say_when_they_open(self, house: House) -> None:
        """By the site's clock, which is where the hours are from."""
        rome = ZoneInfo("Europe/Rome")
        house.site = replace(house.site, time_zone=rome)
        [rule] = APPLICATIONS["wiki"].policy.rules
        hours = Timetable(rome, hours=(Span(14 * 3600, 19 * 3600),))
        policy = AppPolicy("wiki", (replace(rule, when=hours),))
        house.applications["wiki"] = replace(APPLICATIONS["wiki"], policy=policy)
        session = await house.signed_in()
        text = await text_of(await house.get("/", session))
        assert "Outside its hours. Opens on Saturday 21 November at 14:00 (CET)." in text
        text = await text_of(await house.get("/", session, Accept_Language="it"))
        when = "sabato 21 novembre alle ore 14:00 (CET)"  # codespell:ignore
        assert f"Fuori orario. Apre {when}." in text
        house.clock.advance(hours=5)
        html = await (await house.get("/", session)).text()
        assert f'href="{WIKI_ORIGIN}/"' in html
        assert "Outside its hours" not in html

    async def test_lead_to_the_part_that_is_open(self, house: House) -> None:
        """Where that is all of it, and say so; what has been open is not told of for ever."""
        [rule] = APPLICATIONS["wiki"].policy.rules
        parts = tuple(map(parse_path_pattern, ("/manual/**", "/news")))

        def let(rule: Rule) -> None:
            wiki = replace(APPLICATIONS["wiki"], policy=AppPolicy("wiki", (rule,)))
            house.applications["wiki"] = wiki

        let(replace(rule, paths=parts))
        session = await house.signed_in()
        html = await (await house.get("/", session)).text()
        assert f'href="{WIKI_ORIGIN}/manual"' in html
        assert "Only these of its addresses are for you: /manual/**, /news" in html
        text = await text_of(await house.get("/", session, Accept_Language="it"))
        assert "Per te sono solo questi suoi indirizzi: /manual/**, /news" in text
        let(replace(rule, paths=parts, networks=(ip_network("192.0.2.99"),)))
        html = await (await house.get("/", session)).text()
        assert "Does not open to you here and now." in html
        assert "Only these of its addresses are for you: /manual/**, /news" in html
        let(replace(rule, when=Timetable(UTC, last=date(2020, 12, 31))))
        assert "Wiki" not in await (await house.get("/", session)).text()

    async def test_say_that_a_code_is_asked_for_first(self, house: House) -> None:
        """It opens all the same; and no word of it while it is in use."""
        wiki = house.applications["wiki"]
        house.applications["wiki"] = replace(
            wiki, policy=replace(wiki.policy, idle=timedelta(minutes=15))
        )
        session = await house.signed_in()
        words = "Asks for a code first."
        assert words not in await text_of(await house.get("/", session))
        house.clock.advance(minutes=20)
        html = await (await house.get("/", session)).text()
        assert html.count(words) == 1
        assert f'href="{WIKI_ORIGIN}/"' in html
        await house.store.note_use(session, "wiki", house.clock())
        assert words not in await text_of(await house.get("/", session))

    async def test_have_their_picture_or_their_letter(self, house: House, tmp_path: Path) -> None:
        """The picture says nothing that the title does not, so it has no words of its own."""
        (tmp_path / "wiki.svg").write_bytes(DRAWING)
        icon = read_icon(tmp_path, "wiki.svg")
        house.applications["wiki"] = replace(APPLICATIONS["wiki"], icon=icon)
        html = await (await house.get("/", await house.signed_in())).text()
        assert f'<img class="icon" src="/icons/wiki.{icon.digest[:16]}" alt=""' in html
        assert '<span class="letter" aria-hidden="true">C</span>' in html

    async def test_may_be_none(self, house: House) -> None:
        """An empty page says so and names somebody to ask."""
        await house.add_person("carla", "Carla", "nobody")
        await house.add_stick("carla", "stick-3")
        session = await house.signed_in("stick-3", "carla")
        text = await text_of(await house.ask("GET", "/", stick="stick-3", session=session))
        assert "Nothing is open to you at the moment." in text
        assert "help@example.it" in text

    async def test_need_nobody_asked_who_can_be_asked_on_the_page(self, house: House) -> None:
        """Where a tile below says what to do oneself, the help desk is not the way."""
        wiki = APPLICATIONS["wiki"]
        (rule,) = wiki.policy.rules
        asking = AppPolicy("wiki", (replace(rule, approval=True),))
        house.applications.clear()
        house.applications["wiki"] = replace(wiki, policy=asking)
        text = await text_of(await house.get("/", await house.signed_in()))
        assert "Nothing is open to you at the moment." in text
        assert "Has to be asked for first." in text
        assert "help@example.it" not in text.partition("Has to be asked for first.")[0]


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
        assert "Renew it now" in text

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
    """Under 30 KiB each with its style sheet, with forty applications and their pictures too."""
    icon = Icon("/nowhere", "image/png", "0" * 64)
    for number in range(40):
        app = replace(
            APPLICATIONS["wiki"],
            name=f"app-{number}",
            title=f"App {number}",
            description="x" * 60,
            icon=icon,
        )
        house.applications[app.name] = replace(app, policy=APPLICATIONS["wiki"].policy)
    session = await house.signed_in()
    for path, signed in (("/", session), ("/sign-in", None), ("/signed-out", None)):
        page = await (await house.get(path, signed)).read()
        assert len(page) + len(STYLE_SHEET.body) < 30 * 1024


class TestSearch:
    @pytest.fixture
    async def many(self, house: House) -> House:
        """Put a dozen applications behind the portal."""
        titles = (
            "Caffè",
            "Réseau",
            "Straße",
            "Ricambi",
            "Turni",
            "Misure",
            "Banco",
            "Utensili",
            "Ferie",
        )
        for title in titles:
            name = folded(title)
            app = replace(
                APPLICATIONS["wiki"], name=name, title=title, description=f"About {title}"
            )
            house.applications[name] = replace(app, host=f"{name}.pusterla.localhost")
        return house

    async def test_is_there_where_there_is_much_to_look_through(self, many: House) -> None:
        """Without JavaScript: a form that asks for a page."""
        session = await many.signed_in()
        html = await (await many.get("/", session)).text()
        assert '<form method="get" action="/" class="search" role="search">' in html
        assert '<label for="q">' in html
        many.applications = dict(APPLICATIONS)
        assert "search" not in await (await many.get("/", session)).text()

    @pytest.mark.parametrize(
        "query,titles",
        [
            ("caffe", ["Caffè"]),
            ("CAFF%C3%88", ["Caffè"]),
            ("cafe%CC%80", []),
            ("caffe%CC%80", ["Caffè"]),
            ("reseau", ["Réseau"]),
            ("STRASSE", ["Straße"]),
            ("about+ri", ["Ferie", "Ricambi"]),
            ("who+call", ["Wiki"]),
            ("payroll", []),
        ],
    )
    async def test_finds_by_title_and_description(
        self, many: House, query: str, titles: list[str]
    ) -> None:
        """Capitals and accents make no difference, every word must occur; nothing hidden is found."""
        html = await (await many.get(f"/?q={query}", await many.signed_in())).text()
        assert sorted(re.findall("<b>([^<]*)</b>", html.partition("</main>")[0])) == titles
        assert ("Nothing of yours is called" in html) == (not titles)
        assert '<a href="/">Show all</a>' in html

    async def test_shows_what_was_typed_as_text(self, many: House) -> None:
        """Whatever it is, and no more of it than fits."""
        session = await many.signed_in()
        for typed in ("%22%3E%3Cscript%3E", "%00", "%F0%9F%94%91", "a" * 5000, "%ff"):
            response = await many.get(f"/?q={typed}", session)
            html = await response.text()
            assert response.status == 200
            assert "<script" not in html
            assert len(html) < 30 * 1024

    async def test_asked_for_twice_is_not_asked(self, many: House) -> None:
        """Nobody can say which of the two it would be."""
        html = await (await many.get("/?q=caffe&q=turni", await many.signed_in())).text()
        assert "Show all" not in html
