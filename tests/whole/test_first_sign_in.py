"""Somebody's first sign-in in a real browser, from a ticket to an application; later the account."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pyotp
import pytest

from tests.whole.applications import Applications
from tests.whole.browser import PASSPHRASE, Browser, Home, browser, find_namespace
from tests.whole.looking import Inspector, inspected
from tests.whole.people import GROUP, now
from tests.whole.sites import HOST, LiveSite

WIKI = f"wiki.{HOST}"
NEW = "seven quiet lamps on the quay"
NEWER = "a kettle, a comet and a stair"
STEP_SECONDS = 30
LANGUAGES = ["en", "it"]

_numbers = count(1)


@pytest.fixture(autouse=True)
def namespace() -> None:
    """Skip where no browser can be run."""
    find_namespace()


class Telephone:
    """An authenticator application: each code that it is asked for is a new one."""

    def __init__(self, uri: str) -> None:
        """Scan *uri*."""
        parsed = pyotp.parse_uri(uri)
        assert isinstance(parsed, pyotp.TOTP)
        self._totp = parsed
        self._last = 0

    @property
    def secret(self) -> str:
        """Return what was scanned."""
        return str(self._totp.secret)

    def code(self) -> str:
        """Return a code of this step, or of the next one: so twice in a row without waiting."""
        present = int(now().timestamp()) // STEP_SECONDS
        self._last = max(present, self._last + 1)
        assert self._last <= present + 1, "asked too often"
        return self._totp.generate_otp(self._last)


@contextmanager
def newcomer(
    site: LiveSite, folder: Path, language: str
) -> Iterator[tuple[str, str, Browser, Inspector]]:
    """Add somebody with a ticket, and open a browser with their certificate."""
    user = f"nina-{next(_numbers)}"
    words = ("user", "add", user, "--name", "Nina Bianchi", "--group", GROUP, "--ticket")
    ticket = site.command(*words).out.strip()
    bundle = folder / "nina.p12"
    site.command(
        *("cert", "issue", user, "--device", "stick-1", "--p12", str(bundle)),
        "--p12-password-stdin",
        stdin=f"{PASSPHRASE}\n",
    )
    home = Home(site, folder / "home")
    home.take(bundle)
    with (
        browser(home, folder / "browser", language) as chromium,
        inspected(chromium, "newcomer", language) as inspector,
    ):
        yield user, ticket, chromium, inspector


def print_on_paper(chromium: Browser) -> None:
    """See how the page is printed from a dark screen: black on white, and nothing to click."""
    command = chromium.driver.execute_cdp_cmd
    dark = [{"name": "prefers-color-scheme", "value": "dark"}]
    command("Emulation.setEmulatedMedia", {"media": "print", "features": dark})
    ink = chromium.element(".codes code").value_of_css_property("color")
    assert ink in {"rgba(0, 0, 0, 1)", "rgb(0, 0, 0)"}
    assert chromium.element(".codes").is_displayed()
    assert not chromium.element("button.wide").is_displayed()
    command("Emulation.setEmulatedMedia", {"media": "screen", "features": []})


def give_ticket(chromium: Browser, ticket: str) -> None:
    """Fill in the first page."""
    chromium.type("#ticket", ticket)
    chromium.type("#new", NEW)
    chromium.type("#again", NEW)
    chromium.follow("button.wide")


def enrol(chromium: Browser, ticket: str) -> Telephone:
    """Go to the page with the recovery codes, and return the telephone."""
    give_ticket(chromium, ticket)
    telephone = Telephone(chromium.element('a[href^="otpauth:"]').get_attribute("href") or "")
    chromium.type("#code", telephone.code())
    chromium.follow("button.wide")
    return telephone


@pytest.mark.timeout(180)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_newcomer_gets_to_an_application(
    site: LiveSite, applications: Applications, tmp_path: Path, language: str
) -> None:
    """By ticket, password, QR code and recovery codes, which are kept before it goes on."""
    page = site.url(WIKI, f"/first?language={language}")
    with newcomer(site, tmp_path, language) as (user, ticket, chromium, inspector):
        chromium.go(page)
        assert chromium.url.startswith(site.portal("/enrol?to="))
        inspector.look("enrol")
        give_ticket(chromium, "0000-0000-0000")
        inspector.look("enrol-wrong")
        give_ticket(chromium, ticket.lower())
        inspector.look("enrol-authenticator")
        uri = chromium.element('a[href^="otpauth:"]').get_attribute("href") or ""
        chromium.type("#code", "000000")
        chromium.follow("button.wide")
        inspector.look("enrol-wrong-code")
        chromium.type("#code", Telephone(uri).code())
        chromium.follow("button.wide")
        inspector.look("enrol-recovery-codes")
        print_on_paper(chromium)
        chromium.press("button.wide")
        assert chromium.element(".codes").is_displayed(), "not before they say that they have them"
        chromium.press("input[type=checkbox]")
        chromium.press("button.wide")
        chromium.wait_for_url(page)
        assert user in chromium.text
        assert applications.wiki.last(f"/first?language={language}").values("X-Forwarded-User")
        shown = site.command("user", "show", user, "--json").json()
        assert (shown["password_set"], shown["recovery_codes"]) == (True, 10)
        assert len(shown["sessions"]) == 1


@pytest.mark.timeout(180)
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_account_is_changed_in_a_browser(site: LiveSite, tmp_path: Path, language: str) -> None:
    """Every page of it, once wrongly; after signing out the back button changes nothing."""
    with newcomer(site, tmp_path, language) as (user, ticket, chromium, inspector):
        chromium.go(site.portal())
        telephone = enrol(chromium, ticket)
        chromium.press("input[type=checkbox]")
        chromium.follow("button.wide")
        chromium.wait_for_url(site.portal())
        chromium.follow('nav a[href="/account"]')
        inspector.look("account")
        chromium.follow('a[href="/account/password"]')
        inspector.look("account-password")
        change_password(chromium, "000000", "not my password")
        inspector.look("account-wrong")
        change_password(chromium, telephone.code(), NEW)
        assert chromium.element("[role=status]").is_displayed()
        inspector.look("account-changed")
        chromium.follow('a[href="/account/recovery-codes"]')
        inspector.look("account-recovery-codes")
        chromium.follow('main a[href="/account"]')
        chromium.follow('a[href="/account/authenticator"]')
        inspector.look("account-authenticator")
        chromium.follow('header form[action="/sign-out"] button')
        chromium.wait_for_url(site.portal("/signed-out"))
        chromium.driver.back()
        chromium.wait_for_text("h1", "Nina")
        assert chromium.url.startswith(site.portal("/sign-in?to="))
        chromium.follow('a[href^="/sign-in/recovery"]')
        inspector.look("recovery")
        assert site.command("user", "show", user, "--json").json()["sessions"] == []


@pytest.mark.timeout(120)
def test_without_a_ticket_the_page_says_whom_to_ask(site: LiveSite, tmp_path: Path) -> None:
    """The administrator has taken it back."""
    with newcomer(site, tmp_path, "en") as (user, _, chromium, inspector):
        site.command("user", "ticket", user, "--withdraw")
        chromium.go(site.portal())
        inspector.look("no-ticket")
        assert "help@example.it" in chromium.text


def change_password(chromium: Browser, code: str, password: str) -> None:
    """Fill in the form."""
    chromium.type("#password", password)
    chromium.type("#code", code)
    chromium.type("#new", NEWER)
    chromium.type("#again", NEWER)
    chromium.follow("button.wide")
