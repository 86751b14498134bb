"""Every page that a person may meet, in both languages, light and dark, wide and narrow."""

import re
from pathlib import Path
from urllib.parse import urlencode

import pytest

from gateway.core.lockout import FREE_FAILURES
from gateway.core.refusals import Refusal, refusal_page
from tests.whole.applications import Applications
from tests.whole.browser import Home, browser, find_namespace
from tests.whole.guests import HTML, signed_in
from tests.whole.looking import NARROWEST, faults, inspected
from tests.whole.people import Person, add_person, now
from tests.whole.sites import HOST, PASSWORD, PUBLIC_HOST, LiveSite
from tests.whole.test_browser import issue_bundle
from tests.whole.test_lost import recovery_codes, say_who

CHANGES = [
    ("stick-2", "hold"),
    ("stick-3", "revoke", "--reason", "keyCompromise", "--yes", "--serial"),
]
LANGUAGES = ["en", "it"]
WIKI = f"wiki.{HOST}"

FAULTY = """\
<!doctype html><html><head><title>Faulty</title><style>p { color: #999; background: #888 }</style></head>
<body><main><h1>Faulty</h1><p>Can this be read?</p><input type="text"><button></button></main></body></html>
"""
WIDE = """\
<!doctype html><html lang="en"><head><title>Wide</title>
<meta name="viewport" content="width=device-width"></head>
<body><main><h1>Wide</h1><p style="width: 400px">All can be read.</p></main></body></html>
"""
FOUND = {"html-has-lang", "color-contrast", "label", "button-name", "target-size"}


@pytest.fixture(autouse=True)
def namespace() -> None:
    """Skip where no browser can be run."""
    find_namespace()


def test_what_is_wrong_is_found(site: LiveSite, tmp_path: Path) -> None:
    """What axe-core finds, and what is too wide, is told, so that silence means something."""
    page = tmp_path / "faulty.html"
    page.write_text(FAULTY, encoding="utf-8")
    with browser(Home(site, tmp_path / "home"), tmp_path / "browser", "en") as chromium:
        chromium.go(page.as_uri())
        assert {fault.split()[0] for fault in faults(chromium)} == FOUND
        page.write_text(WIDE, encoding="utf-8")
        chromium.driver.refresh()
        assert faults(chromium) == []
        with (
            pytest.raises(
                AssertionError, match=f"wide: 408 pixels wide in a window of {NARROWEST}"
            ),
            inspected(chromium, "faulty", "en") as inspector,
        ):
            inspector.look("wide")


@pytest.mark.timeout(180)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_refusal(site: LiveSite, tmp_path: Path, language: str) -> None:
    """As it is sent, with all that may stand on it."""
    with (
        browser(Home(site, tmp_path / "home"), tmp_path / "browser", language) as chromium,
        inspected(chromium, "refusal", language) as inspector,
    ):
        for refusal in Refusal:
            page = refusal_page(
                refusal,
                language="it" if language == "it" else "en",
                site_name="Pusterla",
                contact="help@example.it",
                portal_origin=f"https://{HOST}:{site.port}",
                lost_page=site.url(PUBLIC_HOST, "/lost"),
                request="bvqflyq-k3v7qh2-1f",
                opens_at=now() if refusal is Refusal.OUTSIDE_HOURS else None,
            )
            file = tmp_path / f"{refusal.value}.html"
            file.write_bytes(page.html)
            chromium.go(file.as_uri())
            inspector.look(refusal.value)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("language", LANGUAGES)
def test_what_strangers_see(site: LiveSite, anna: Person, tmp_path: Path, language: str) -> None:
    """The public host, and the report of a lost stick to its end, with a sheet of paper."""
    paper = recovery_codes(site, anna)
    anna.another_stick("stick-2")
    with (
        browser(Home(site, tmp_path / "home"), tmp_path / "browser", language) as chromium,
        inspected(chromium, "stranger", language) as inspector,
    ):
        chromium.go(site.url(WIKI))
        inspector.look("no-certificate")
        chromium.go(site.url(PUBLIC_HOST))
        inspector.look("help")
        chromium.go(site.url(PUBLIC_HOST, "/nothing"))
        inspector.look("nothing-here")
        chromium.go(site.url(PUBLIC_HOST, "/lost"))
        inspector.look("lost")
        say_who(chromium, anna.user, "not my password", "000000")
        inspector.look("lost-wrong")
        for stick in ("stick-1", "stick-2"):
            chromium.go(site.url(PUBLIC_HOST, "/lost"))
            chromium.press("summary")
            inspector.look("lost-on-paper")
            say_who(chromium, anna.user, PASSWORD, "", recovery=paper[int(stick[-1])])
            inspector.look("lost-which")
            chromium.press(f'input[value="device {stick}"]')
            chromium.follow("button.wide")
            inspector.look("lost-revoked")
        chromium.go(site.url(PUBLIC_HOST, "/lost"))
        chromium.press("summary")
        say_who(chromium, anna.user, PASSWORD, "", recovery=paper[3])
        inspector.look("lost-nothing-left")


@pytest.mark.timeout(180)
@pytest.mark.parametrize("language", LANGUAGES)
def test_what_people_see_inside(
    site: LiveSite,
    applications: Applications,
    anna: Person,
    guests: Path,
    tmp_path: Path,
    language: str,
) -> None:
    """From the sign-in to the sign-out; with another device, and certificates of every kind."""
    home = Home(site, tmp_path / "home")
    home.take(issue_bundle(site, anna, tmp_path))
    elsewhere = signed_in(site, anna, guests)
    for device, change, *words in CHANGES:
        serial = anna.another_stick(device).serial
        site.command(*("cert", change, *words, serial))
    with (
        browser(home, tmp_path / "browser", language) as chromium,
        inspected(chromium, "inside", language) as inspector,
    ):
        chromium.go(site.url(WIKI, "/notes"))
        inspector.look("sign-in-to-an-application")
        chromium.go(site.portal("/sign-in"))
        inspector.look("sign-in")
        chromium.type("#password", "not my password")
        chromium.type("#code", "000000")
        chromium.follow("button.wide")
        inspector.look("sign-in-wrong")
        chromium.type("#password", PASSWORD)
        chromium.type("#code", anna.code())
        chromium.follow("button.wide")
        chromium.wait_for_url(site.portal())
        inspector.look("home")
        chromium.go(site.portal("/devices"))
        chromium.press("summary")
        inspector.look("devices")
        chromium.follow('button[name="session"]')
        inspector.look("devices-one-ended")
        chromium.go(site.portal("/nothing"))
        inspector.look("not-found")
        chromium.go(site.portal())
        chromium.follow('form[action="/sign-out"] button')
        inspector.look("signed-out")
        chromium.go(site.portal("/sign-in"))
        for _ in range(FREE_FAILURES + 1):
            chromium.type("#password", "not my password")
            chromium.type("#code", "000000")
            chromium.follow("button.wide")
        inspector.look("locked")
    assert elsewhere.get(site.portal()).status == 303


@pytest.mark.timeout(120)
@pytest.mark.parametrize("language", LANGUAGES)
def test_what_somebody_sees_for_whom_little_is_open(
    site: LiveSite, tmp_path: Path, language: str
) -> None:
    """Nothing at all, with a certificate that ends soon."""
    olga = add_person(site, "olga", groups=())
    home = Home(site, tmp_path / "home")
    home.take(issue_bundle(site, olga, tmp_path, "--days", "5"))
    with (
        browser(home, tmp_path / "browser", language) as chromium,
        inspected(chromium, "nothing", language) as inspector,
    ):
        chromium.go(site.portal())
        chromium.type("#password", PASSWORD)
        chromium.type("#code", olga.code())
        chromium.follow("button.wide")
        chromium.wait_for_url(site.portal())
        inspector.look("home")
        chromium.go(site.portal("/devices"))
        inspector.look("devices")
        chromium.go(site.url(WIKI))
        inspector.look("not-allowed")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_on_the_way_to_an_application(
    site: LiveSite, anna: Person, guests: Path, tmp_path: Path, language: str
) -> None:
    """It is there for a moment only, so it is asked for by curl, and looked at as a file."""
    guest = signed_in(site, anna, guests)
    address = f"{site.portal('/continue')}?{urlencode({'to': site.url(WIKI, '/notes')})}"
    page = guest.get(address, *HTML, "-H", f"Accept-Language: {language}").text
    [style] = re.findall(r'href="(/static/[^"]+\.css)"', page)
    (tmp_path / "style.css").write_bytes(guest.get(site.portal(style)).body)
    file = tmp_path / "continue.html"
    file.write_text(page.replace(style, "style.css").replace('http-equiv="refresh"', ""))
    with (
        browser(Home(site, tmp_path / "home"), tmp_path / "browser", language) as chromium,
        inspected(chromium, "continue", language) as inspector,
    ):
        chromium.go(file.as_uri())
        inspector.look("continue")
