"""The paper form of an office, in real browsers: asked, approved, agreed, used up, and cut."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By

from gateway.core.moments import day_and_weekday
from gateway.core.refusals import Language
from tests.gateway.mail.server import mail_server
from tests.whole.applications import Applications
from tests.whole.background import Background
from tests.whole.browser import Browser, Home, browser, find_namespace
from tests.whole.guests import Guest, signed_in
from tests.whole.looking import Inspector, inspected
from tests.whole.office import AGREEMENT, TITLES, WIKI, Office
from tests.whole.people import Person, add_person
from tests.whole.sites import PASSWORD, make_site, running, wait_for
from tests.whole.sockets import closed_within, echoes, open_socket
from tests.whole.test_browser import issue_bundle
from tests.whole.texts import accept

REASON = "Mia’s school is closed: <b>exams</b> & trains"
WORDS = "Not on the last of them."
TOLD = {
    "en": ("Ask for it first", "read and accept first", "No day is left for this now"),
    "it": ("Prima va richiesto", "da leggere e accettare", "Adesso non ci sono giorni disponibili"),
}
AT_ONCE = 1.0
USED = {"en": "1 of 2 days used", "it": ": 1 su 2"}


@pytest.fixture(scope="module")
def office(
    tmp_path_factory: pytest.TempPathFactory, background: Background, applications: Applications
) -> Iterator[Office]:
    """Run an office, and its mail server beside it."""
    folder = tmp_path_factory.mktemp("office")
    mail = mail_server(folder)
    letterbox = background.run(mail.__aenter__())
    settings = [("contact", '"help@example.it"'), ("drain", '"2s"')]
    office = Office(make_site(folder / "site", settings=settings), letterbox)
    office.settle("nobody")
    office.put_up(applications.chat.upstream)
    with running(office.site):
        yield office
    background.run(mail.__aexit__(None, None, None))


@contextmanager
def at_work(
    office: Office, person: Person, folder: Path, language: str
) -> Iterator[tuple[Browser, Inspector]]:
    """Open somebody's own browser, with their own stick."""
    home = Home(office.site, folder / "home")
    folder.mkdir(exist_ok=True)
    home.take(issue_bundle(office.site, person, folder))
    with (
        browser(home, folder / "browser", language) as chromium,
        inspected(chromium, f"papers-{folder.name}", language) as eye,
    ):
        yield chromium, eye


def sign_in(chromium: Browser, person: Person) -> None:
    """Fill in the form that somebody was sent to."""
    chromium.type("#password", PASSWORD)
    chromium.type("#code", person.code())
    chromium.follow("button.wide")


@dataclass(slots=True)
class Errand:
    """Somebody on the way through the paper form, at their browser."""

    office: Office
    person: Person
    chromium: Browser
    eye: Inspector
    language: Language

    def find_it_closed(self) -> None:
        """Ask for the wiki, sign in, and be told what to do."""
        chromium = self.chromium
        chromium.go(self.office.site.url(WIKI))
        sign_in(chromium, self.person)
        assert chromium.title == TOLD[self.language][0]
        self.eye.look("approval-missing")
        chromium.go(self.office.site.portal())
        self.eye.look("home-to-ask")
        chromium.go(self.office.site.url(WIKI))
        chromium.follow("a.button")

    def ask(self, days: list[date]) -> None:
        """Ask for *days*, forgetting them at first."""
        chromium, eye = self.chromium, self.eye
        eye.look("requests")
        chromium.follow('a[href="/requests/new?app=wiki"]')
        eye.look("ask")
        chromium.type("#reason", REASON)
        chromium.follow("button.wide")
        eye.look("ask-which-days")
        shown = days[0].month
        for day in days:
            if day.month != shown:
                chromium.follow(".turns button:last-child")
                shown = day.month
            chromium.press(f'label:has([name="day-{day}"])')
        eye.look("ask-filled-in")
        chromium.follow("button.wide")
        assert REASON in chromium.text
        eye.look("asked")

    def read_and_accept(self) -> None:
        """See the answer, be told of the text, read it, accept it, and be in the wiki."""
        chromium, eye, site = self.chromium, self.eye, self.office.site
        chromium.go(site.portal("/requests"))
        assert WORDS in chromium.text
        eye.look("approved")
        chromium.go(site.portal())
        eye.look("home-to-accept")
        chromium.go(site.url(WIKI))
        assert TOLD[self.language][1] in chromium.title
        eye.look("agreement-missing")
        chromium.follow("a.button")
        eye.look("agreements")
        chromium.follow(f'a[href^="/agreements/{AGREEMENT}"]')
        assert chromium.title == TITLES[self.language]
        # By way of the tile, which knows what somebody came for.
        chromium.go(site.portal("/agreements?app=wiki"))
        assert chromium.title == TITLES[self.language]
        eye.look("agreement")
        chromium.press("input[name=read]")
        chromium.press("main form button")
        chromium.wait_for_url(site.url(WIKI))
        chromium.wait_for_text("#said", "hello from the page")

    def look_at_what_is_left(self, following: date) -> None:
        """See at the portal that a day is used, and which one may be the next."""
        chromium, eye, site = self.chromium, self.eye, self.office.site
        chromium.go(site.portal())
        assert USED[self.language] in chromium.text
        assert day_and_weekday(following, self.language) in chromium.text
        eye.look("home-one-used")
        chromium.go(site.portal("/agreements"))
        eye.look("agreements-record")
        chromium.go(site.portal(f"/agreements/withdraw/{AGREEMENT}"))
        eye.look("agreement-withdraw")

    def be_refused(self, following: date) -> None:
        """Ask for the wiki on the next day, which cannot be one of them."""
        chromium, eye, site = self.chromium, self.eye, self.office.site
        chromium.go(site.url(WIKI))
        assert chromium.title == TOLD[self.language][2]
        assert day_and_weekday(following, self.language) in chromium.text
        eye.look("days-spent")
        chromium.go(site.portal())
        eye.look("home-on-the-next-day")
        chromium.go(site.portal("/requests/new?app=wiki"))
        eye.look("ask-on-the-next-day")


def decide(office: Office, manager: Person, folder: Path, language: str, last: date) -> None:
    """Go where the letter leads, see who asks and why, leave *last* out, and approve."""
    letter = office.letter(manager)
    assert REASON not in letter, "what people wrote is read behind certificate and sign-in"
    [link] = re.findall(r"https://\S+", letter)[:1]
    with at_work(office, manager, folder, language) as (chromium, eye):
        chromium.go(link)
        sign_in(chromium, manager)
        assert REASON in chromium.text
        eye.look("decide")
        chromium.follow('nav a[href="/"]')
        assert office.site.portal("/requests") in [
            one.get_attribute("href")
            for one in chromium.driver.find_elements(By.CSS_SELECTOR, ".notice a")
        ]
        eye.look("home-one-waits")
        chromium.follow(".notice a")
        eye.look("requests-one-waits")
        chromium.follow('main a[href^="/requests/decide"]')
        chromium.press(f'label:has([name="day-{last}"])')
        chromium.type("#words", WORDS)
        chromium.follow('button[value="approve"]')
        eye.look("decided")
        chromium.go(link)
        eye.look("decided-before")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("language", ["en", "it"])
def test_from_the_request_to_the_day_that_is_not_left(
    office: Office, applications: Applications, tmp_path: Path, language: Language
) -> None:
    """Closed until asked for, approved and agreed to; open; and on the next day closed and cut."""
    find_namespace()
    site, days = office.site, office.days(5)
    anna, manager = add_person(site, "anna"), add_person(site, "berta", groups=("office",))
    office.settle(manager.user)
    site.command("reload")
    with at_work(office, anna, tmp_path / "anna", language) as (chromium, eye):
        errand = Errand(office, anna, chromium, eye, language)
        with applications.untouched():
            errand.find_it_closed()
            errand.ask(days)
            decide(office, manager, tmp_path / "manager", language, days[-1])
        errand.read_and_accept()
        wiki = chromium.driver.current_window_handle
        chromium.driver.switch_to.new_window("tab")
        errand.look_at_what_is_left(days[2])
        office.settle(manager.user, tomorrow=True)
        site.command("reload")
        chromium.driver.switch_to.window(wiki)
        chromium.wait_for_text("#said", "closed")
        with applications.untouched():
            errand.be_refused(days[2])
    [granted] = site.find_audit(kind="approval-granted", user=anna.user)
    assert granted.detail["by"] == manager.user
    [accepted] = site.find_audit(kind="agreement-accepted", user=anna.user)
    [counted] = site.find_audit(kind="day-counted", user=anna.user)
    assert counted.detail["day"] == str(days[0])
    assert accepted.serial == counted.serial
    site.wait_for_audit(kind="access-denied", user=anna.user, reason="days-spent")
    [record] = site.command("request", "export", "--user", anna.user, "--json").json()
    assert (record["decided_by"], record["words"]) == (manager.user, WORDS)
    assert (record["reason"], record["granted"]) == (REASON, f"{days[0]}/{days[3]}")
    [acceptance] = record["acceptances"]
    text = f"agreements/{AGREEMENT}/1.{language}.md"
    assert acceptance["sha256"] == sha256((site.folder.path / text).read_bytes()).hexdigest()
    [used] = record["days_used"]
    assert used["day"] == str(days[0])
    assert {record["serial"], acceptance["serial"], used["serial"]} == {accepted.serial}


def ask_by_curl(guest: Guest, day: date) -> str:
    """Send the form for the wiki, and return the number of what is waiting then."""
    form = ("-d", f"app=wiki&day-{day}=on&reason=home")
    assert guest.get(guest.site.portal("/requests/new"), *form).status == 200
    [asked] = guest.site.command("request", "list", "--state", "asked", "--json").json()
    return str(asked["number"])


def test_what_was_granted_or_accepted_ends_with_what_is_open(
    office: Office, applications: Applications, guests: Path
) -> None:
    """At the command, or by who accepted it: a WebSocket at once; and no second day is used up."""
    site, [today] = office.site, office.days(1)
    office.settle("nobody")
    site.command("reload")
    anna = add_person(site, "anna")
    guest = signed_in(site, anna, guests)

    def opens() -> bool:
        return guest.visit(site.url(WIKI)).status == 200

    assert "403 approval-missing" in guest.visit(site.url(WIKI)).text
    first = ask_by_curl(guest, today)
    site.command("request", "approve", first)
    assert accept(guest, name=AGREEMENT) == 303
    wait_for("the wiki", opens)
    with open_socket(guest, WIKI) as socket:
        assert echoes(socket)
        site.command("request", "end", first)
        assert closed_within(socket, AT_ONCE)
    with applications.untouched():
        assert "403 approval-missing" in guest.visit(site.url(WIKI)).text
    site.command("request", "approve", ask_by_curl(guest, today))
    wait_for("the wiki again", opens)
    with open_socket(guest, WIKI) as socket:
        assert echoes(socket)
        withdrawal = site.portal(f"/agreements/withdraw/{AGREEMENT}")
        assert guest.get(withdrawal, "-d", "").status == 303
        assert closed_within(socket, AT_ONCE)
    with applications.untouched():
        assert "403 agreement-missing" in guest.visit(site.url(WIKI)).text
    assert len(site.find_audit(kind="day-counted", user=anna.user)) == 1
    kinds = [str(event.kind) for event in site.audit() if event.user == anna.user]
    assert kinds.index("approval-ended") < kinds.index("agreement-withdrawn")
