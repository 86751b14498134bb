"""What people do to pages beside using them: twice, backwards, in two tabs, from a bookmark."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import ActionChains

from tests.whole.applications import Applications
from tests.whole.browser import Browser, Home, browser, find_namespace
from tests.whole.people import Person
from tests.whole.sites import HOST, PASSWORD, LiveSite
from tests.whole.test_browser import issue_bundle

WIKI = f"wiki.{HOST}"


@pytest.fixture
def chromium(site: LiveSite, anna: Person, tmp_path: Path) -> Iterator[Browser]:
    """Run a browser with anna's certificate, at the sign-in."""
    find_namespace()
    home = Home(site, tmp_path / "home")
    home.take(issue_bundle(site, anna, tmp_path))
    with browser(home, tmp_path / "browser", "en") as chromium:
        chromium.go(site.portal("/sign-in"))
        yield chromium


def fill_in(chromium: Browser, person: Person) -> None:
    """Type what the sign-in asks for."""
    chromium.type("#password", PASSWORD)
    chromium.type("#code", person.code())


def test_a_double_click_signs_in_once(site: LiveSite, anna: Person, chromium: Browser) -> None:
    """Nobody is told that their code was used already, and nothing counts as a failure."""
    fill_in(chromium, anna)
    ActionChains(chromium.driver).double_click(chromium.element("button.wide")).perform()
    chromium.wait_for_url(site.portal())
    assert chromium.title == "Your applications"
    assert len(site.find_audit(kind="signed-in", user=anna.user)) == 1
    assert site.find_audit(kind="sign-in-failed", user=anna.user) == []


def test_nothing_of_the_inside_is_shown_by_going_back(
    site: LiveSite, anna: Person, chromium: Browser
) -> None:
    """After signing out, on somebody else's PC: neither from a cache nor frozen as it was."""
    fill_in(chromium, anna)
    chromium.follow("button.wide")
    for place in ("/devices", "/account"):
        chromium.follow(f'nav a[href="{place}"]')
    chromium.follow('form[action="/sign-out"] button')
    assert chromium.title == "You are signed out"
    for _ in ("/account", "/devices", "/"):
        chromium.back()
        assert chromium.title == "Welcome, Anna"


def test_a_second_tab_goes_on_where_the_first_signed_in(
    site: LiveSite, applications: Applications, anna: Person, chromium: Browser
) -> None:
    """Its form is not asked for again; what it holds by then is not even looked at."""
    chromium.driver.switch_to.new_window("tab")
    chromium.go(site.url(WIKI, "/in-the-second-tab"))
    first, second = chromium.driver.window_handles
    chromium.driver.switch_to.window(first)
    fill_in(chromium, anna)
    chromium.follow("button.wide")
    chromium.driver.switch_to.window(second)
    chromium.type("#password", "something old")
    chromium.type("#code", "000000")
    chromium.press("button.wide")
    chromium.wait_for_url(site.url(WIKI, "/in-the-second-tab"))
    assert site.find_audit(kind="sign-in-failed", user=anna.user) == []


def test_bookmarks_lead_on(
    site: LiveSite, applications: Applications, anna: Person, chromium: Browser
) -> None:
    """Of the sign-in as it was for another page, of the way there, and of what a form had done."""
    chromium.go(site.url(WIKI, "/a?b=c"))
    bookmark = chromium.url
    fill_in(chromium, anna)
    chromium.press("button.wide")
    chromium.wait_for_url(site.url(WIKI, "/a?b=c"))
    chromium.go(bookmark)
    chromium.wait_for_url(site.url(WIKI, "/a?b=c"))
    for address, heading in (
        ("/enrol", "Your applications"),
        ("/devices/end", "Devices"),
        ("/account/sign-out", "Your account"),
        ("/sign-in?to=https://gone.example/", "Your applications"),
    ):
        chromium.go(site.portal(address))
        assert chromium.title == heading, address
