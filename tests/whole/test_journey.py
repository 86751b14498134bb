"""One person's way in real browsers, from the ticket in an envelope to the stick in a gutter."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By

from tests.whole.applications import Applications
from tests.whole.browser import Browser
from tests.whole.guests import Guest
from tests.whole.looking import Inspector
from tests.whole.people import GROUP, Person, issue_stick
from tests.whole.sites import HOST, PUBLIC_HOST, LiveSite
from tests.whole.test_browser import LANGUAGES, REVOKED
from tests.whole.test_first_sign_in import NEW, Telephone, enrol, newcomer
from tests.whole.test_lost import TITLES, say_who, telephone

WIKI, CHAT = f"wiki.{HOST}", f"chat.{HOST}"


@dataclass(slots=True)
class Traveller:
    """Somebody with a stick, a telephone and a sheet of paper."""

    site: LiveSite
    user: str
    chromium: Browser
    eye: Inspector

    def keep_paper(self) -> list[str]:
        """Write down the recovery codes, say so, and go on."""
        codes = self.chromium.driver.find_elements(By.CSS_SELECTOR, ".codes code")
        paper = [code.text for code in codes]
        assert len(paper) == 10
        self.chromium.press("input[type=checkbox]")
        self.chromium.follow("button.wide")
        return paper

    def change_telephone(self, old: Telephone) -> Telephone:
        """Set up a new authenticator with the old one, by the account's pages."""
        chromium = self.chromium
        chromium.follow('nav a[href="/account"]')
        chromium.follow('a[href="/account/authenticator"]')
        chromium.type("#password", NEW)
        chromium.type("#code", old.code())
        chromium.follow("button.wide")
        self.eye.look("new-authenticator")
        new = Telephone(chromium.element('a[href^="otpauth:"]').get_attribute("href") or "")
        assert new.secret != old.secret
        chromium.type("#code", new.code())
        chromium.follow("button.wide")
        self.eye.look("authenticator-changed")
        return new

    def end_elsewhere(self, phone: Telephone, guests: Path) -> None:
        """Sign in with another stick, somewhere else, and end that from here."""
        stick = issue_stick(self.site, self.user, "stick-2")
        email = f"{self.user}@example.it"
        person = Person(self.user, email, (GROUP,), phone.secret, stick, self.site)
        guest = Guest(self.site, stick, guests)
        answer = guest.submit(person, "", password=NEW, code=phone.code())
        assert answer.url == self.site.portal()
        self.chromium.follow('nav a[href="/devices"]')
        assert guest.address in self.chromium.text
        self.chromium.follow('button[name="session"]')
        assert guest.address not in self.chromium.text
        assert guest.get(self.site.portal()).status == 303

    def report_lost(self, code: str, folder: Path, language: str) -> None:
        """Report the stick from a telephone without a certificate, with a code on paper."""
        _, which, revoked = TITLES[language]
        with telephone(self.site, folder, language, "dark") as phone:
            phone.go(self.site.url(PUBLIC_HOST, "/lost"))
            phone.press("summary")
            say_who(phone, self.user, NEW, "", recovery=code)
            assert phone.title == which
            phone.press('input[value="device stick-1"]')
            phone.follow("button.wide")
            assert phone.title == revoked


@pytest.mark.timeout(180)
@pytest.mark.parametrize("language", LANGUAGES)
def test_from_the_ticket_to_the_lost_stick(
    site: LiveSite, applications: Applications, guests: Path, tmp_path: Path, language: str
) -> None:
    """First sign-in, applications, a new telephone, a session elsewhere; then the loss cuts it all."""
    with newcomer(site, tmp_path, language) as (user, ticket, chromium, eye):
        traveller = Traveller(site, user, chromium, eye)
        chromium.go(site.url(WIKI, "/first"))
        own = enrol(chromium, ticket)
        paper = traveller.keep_paper()
        chromium.wait_for_url(site.url(WIKI, "/first"))
        chromium.driver.switch_to.new_window("tab")
        chromium.go(site.url(CHAT))
        chromium.wait_for_text("#said", "hello from the page")
        first, chat = chromium.driver.window_handles
        chromium.driver.switch_to.window(first)
        chromium.go(site.portal())
        new = traveller.change_telephone(own)
        traveller.end_elsewhere(new, guests)
        traveller.report_lost(paper[7], tmp_path / "phone", language)
        chromium.driver.switch_to.window(chat)
        chromium.wait_for_text("#said", "closed")
        with applications.untouched():
            for address in (site.url(CHAT), site.portal("/devices"), site.url(WIKI, "/first")):
                chromium.go(address)
                assert chromium.title == REVOKED[language]
    [told] = site.find_audit(kind="lost-reported", user=user)
    assert told.device == "stick-1"
