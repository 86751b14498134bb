"""What a person sees, in a real browser: headless Chromium with the .p12 in its store."""

from pathlib import Path

import pytest

from tests.gateway.config.pictures import DRAWING
from tests.whole.applications import Applications
from tests.whole.browser import PASSPHRASE, Browser, Home, browser, find_namespace
from tests.whole.forgeries import bundle_of, of_another_authority
from tests.whole.guests import signed_in
from tests.whole.people import Person
from tests.whole.sites import HOST, PASSWORD, LiveSite

WIKI, CHAT = f"wiki.{HOST}", f"chat.{HOST}"
REVOKED = {
    "en": "This certificate has been revoked",
    "it": "Questo certificato è stato revocato",
}
NO_CERTIFICATE = {
    "en": "Your browser showed no certificate",
    "it": "Il browser non ha mostrato alcun certificato",
}
LANGUAGES = ["en", "it"]


@pytest.fixture(scope="module", autouse=True)
def namespace() -> None:
    """Skip all of it, once and with the reason, where no browser can be run."""
    find_namespace()


def issue_bundle(site: LiveSite, person: Person, folder: Path, *words: str) -> Path:
    """Issue a .p12 by the command, as an administrator does; *words* are further options."""
    file = folder / "person.p12"
    site.command(
        *("cert", "issue", person.user, "--device", "browser", "--p12", str(file)),
        *("--p12-password-stdin", *words),
        stdin=f"{PASSPHRASE}\n",
    )
    return file


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_whole_way_in_a_browser(
    site: LiveSite, applications: Applications, anna: Person, tmp_path: Path, language: str
) -> None:
    """From an application's address over sign-in to its page and its WebSocket, until revoked."""
    home = Home(site, tmp_path / "home")
    home.take(issue_bundle(site, anna, tmp_path))
    page = site.url(WIKI, "/notes?sort=by%20date")
    with browser(home, tmp_path / "browser", language) as chromium:
        sign_in(chromium, site, anna, page, language)
        assert anna.user in chromium.text
        assert applications.wiki.last("/notes?sort=by%20date").values("X-Forwarded-User")
        look_at_home(chromium, site, language)
        chromium.go(site.url(CHAT))
        chromium.wait_for_text("#said", "hello from the page")
        chromium.picture("4-websocket")
        site.command(*("cert", "revoke", "--user", anna.user, "--reason", "keyCompromise", "--yes"))
        chromium.wait_for_text("#said", "closed")
        chromium.driver.refresh()
        chromium.wait_for_text("h1", REVOKED[language])
        chromium.picture("5-revoked")
        with applications.untouched():
            for address in (page, site.portal()):
                chromium.go(address)
                assert chromium.title == REVOKED[language]
        assert chromium.violations() == []


def sign_in(chromium: Browser, site: LiveSite, person: Person, page: str, language: str) -> None:
    """Ask for *page*, get it wrong once, then right, and arrive there."""
    chromium.go(page)
    assert chromium.url.startswith(site.portal("/sign-in?to="))
    assert chromium.element("html").get_attribute("lang") == language
    chromium.picture("1-sign-in")
    chromium.type("#password", "not my password")
    chromium.type("#code", "123456")
    chromium.press("button")
    chromium.wait_for_text("[role=alert]", "Check" if language == "en" else "Controlla")
    chromium.picture("2-wrong")
    chromium.type("#password", PASSWORD)
    chromium.type("#code", person.code())
    chromium.press("button")
    chromium.wait_for_url(page)
    assert chromium.violations() == [], "the pages' own policies hold nothing of theirs back"


def look_at_home(chromium: Browser, site: LiveSite, language: str) -> None:
    """Open the portal, and go to an application by its link."""
    chromium.go(site.portal())
    chromium.picture("3-home")
    assert chromium.element("html").get_attribute("lang") == language
    assert "wiki" in chromium.text
    chromium.press(f'a[href^="{site.url(WIKI)}"]')
    chromium.wait_for_url(site.url(WIKI))


@pytest.mark.parametrize("language, foreign", [("en", False), ("it", True)])
def test_without_a_certificate_a_page_says_so(
    site: LiveSite,
    applications: Applications,
    anna: Person,
    tmp_path: Path,
    language: str,
    foreign: bool,
) -> None:
    """With none, or one of another CA, the page explains; with ours, the same address gets on."""
    home = Home(site, tmp_path / "home")
    if foreign:
        stick = of_another_authority(site, anna.user, host="elsewhere.example")
        home.take(bundle_of(stick, PASSPHRASE))
    with (
        applications.untouched(),
        browser(home, tmp_path / "without", language) as chromium,
    ):
        for host in (WIKI, HOST):
            chromium.go(site.url(host))
            assert chromium.title == NO_CERTIFICATE[language]
            assert "403 no-certificate" in chromium.text
        chromium.picture("no-certificate")
        chromium.press("a.button")
        chromium.wait_for_text("h1", NO_CERTIFICATE[language])
        assert chromium.violations() == []
    home.take(issue_bundle(site, anna, tmp_path))
    with browser(home, tmp_path / "with", language) as chromium:
        chromium.go(site.portal())
        chromium.wait_for_url(site.portal("/sign-in"))


def test_a_language_is_chosen_in_a_browser(site: LiveSite, anna: Person, tmp_path: Path) -> None:
    """By the form at the foot, on the way to an application; refusals of the portal follow."""
    home = Home(site, tmp_path / "home")
    home.take(issue_bundle(site, anna, tmp_path))
    with browser(home, tmp_path / "browser", "en") as chromium:
        chromium.go(site.url(WIKI, "/notes"))
        chromium.press('button[lang="it"]')
        chromium.wait_for_text("h1", "Ciao")
        assert chromium.element('input[name="to"]').get_attribute("value") == site.url(
            WIKI, "/notes"
        )
        chromium.go(site.portal("/nothing"))
        assert chromium.element("html").get_attribute("lang") == "it"
        site.command(*("cert", "revoke", "--user", anna.user, "--reason", "superseded", "--yes"))
        chromium.go(site.portal())
        chromium.wait_for_text("h1", REVOKED["it"])
        assert chromium.violations() == []


def test_what_is_there_and_does_not_open(
    site: LiveSite, anna: Person, guests: Path, tmp_path: Path
) -> None:
    """A tile with its picture and a reason, to be found, and another device to be signed out."""
    apps = site.folder.apps
    (apps / "night.svg").write_bytes(DRAWING)
    file = apps / "night.toml"
    home = Home(site, tmp_path / "home")
    home.take(issue_bundle(site, anna, tmp_path))
    try:
        file.write_text(
            f'host = "night.{HOST}"\nupstream = "http://127.0.0.1:9"\ntitle = "Caffè"\n'
            'icon = "night.svg"\n[[rules]]\neffect = "allow"\ngroups = ["technicians"]\n'
            'networks = ["192.0.2.0/24"]\n',
            encoding="utf-8",
        )
        with browser(home, tmp_path / "browser", "en") as chromium:
            sign_in(chromium, site, anna, site.url(WIKI), "en")
            chromium.go(site.portal("/?q=caffe"))
            tile = '[aria-disabled="true"]'
            chromium.wait_for_text(tile, "Does not open from the network that you are in.")
            width = "return document.querySelector('.icon').naturalWidth"
            assert chromium.driver.execute_script(width), "the picture is drawn"
            assert chromium.element(tile).get_attribute("href") is None
            chromium.picture("tile")
            other = signed_in(site, anna, guests, "wiki")
            chromium.press('nav a[href="/devices"]')
            chromium.wait_for_text("h1", "Devices")
            chromium.picture("devices")
            chromium.press("button[name=session]")
            chromium.wait_for_text("[role=status]", "Done.")
            assert other.get(site.portal()).status == 303
            assert chromium.violations() == []
    finally:
        file.unlink(missing_ok=True)


def test_signing_out_in_a_browser_ends_it_everywhere(
    site: LiveSite, anna: Person, tmp_path: Path
) -> None:
    """The button at the portal; the application's page then leads to the sign-in."""
    home = Home(site, tmp_path / "home")
    home.take(issue_bundle(site, anna, tmp_path))
    with browser(home, tmp_path / "browser", "en") as chromium:
        sign_in(chromium, site, anna, site.url(WIKI), "en")
        chromium.go(site.portal())
        chromium.press('form[action="/sign-out"] button')
        chromium.wait_for_url(site.portal("/signed-out"))
        chromium.picture("signed-out")
        chromium.go(site.url(WIKI))
        assert chromium.url.startswith(site.portal("/sign-in?to="))
        assert chromium.violations() == []
