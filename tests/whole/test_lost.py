"""A lost stick, reported from a telephone without any certificate: it ends at once, everywhere."""

import base64
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.keys import Keys

from gateway.bootstrap.accounts import make_recovery_codes
from tests.gateway.mail.server import Letterbox, mail_server, write_certificate
from tests.whole.applications import Applications
from tests.whole.background import Background
from tests.whole.browser import Browser, Home, browser, find_namespace
from tests.whole.firefox import Firefox, find_firefox, firefox
from tests.whole.guests import Guest, signed_in
from tests.whole.holds import hold_everything, not_alive, still_open_after
from tests.whole.people import Person, add_person
from tests.whole.sites import PASSWORD, PUBLIC_HOST, LiveSite, make_site, running
from tests.whole.test_revocation import CRL, listed

AT_ONCE = 1.0
"""Seconds between the page that says so and the end of the connections, at the most."""
TITLES = {
    "en": ("Report a lost stick", "Which one is lost?", "Revoked"),
    "it": ("Segnala una chiavetta persa", "Quale hai perso?", "Revocato"),
}
WIDTH, HEIGHT = 412, 915


@contextmanager
def telephone(site: LiveSite, folder: Path, language: str, scheme: str) -> Iterator[Browser]:
    """Run a browser of a telephone's width, with no certificate in it."""
    home = Home(site, folder / "home")
    with browser(home, folder / "browser", language) as chromium:
        screen = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 2, "mobile": True}
        chromium.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        chromium.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        yield chromium


def recovery_codes(site: LiveSite, person: Person) -> tuple[str, ...]:
    """Give somebody their sheet of paper."""
    return site.work(lambda command: make_recovery_codes(command, person.user))[1]


def look(chromium: Browser, name: str) -> None:
    """Take a picture of the whole page; nothing of it is wider than the telephone."""
    chromium.picture(name)
    width = chromium.driver.execute_script("return document.documentElement.scrollWidth")
    assert width <= WIDTH, f"{name} has to be scrolled sideways"


@pytest.mark.parametrize("language", ["en", "it"])
def test_a_stick_is_revoked_from_a_telephone(
    site: LiveSite,
    applications: Applications,
    anna: Person,
    bruno: Person,
    guests: Path,
    tmp_path: Path,
    language: str,
) -> None:
    """From the public front page on; open connections of that stick end, those of others do not."""
    find_namespace()
    asks, which, revoked = TITLES[language]
    scheme = {"en": "light", "it": "dark"}[language]
    anna.another_stick("stick-2")
    lost = signed_in(site, anna, guests, "wiki", "chat")
    other = signed_in(site, bruno, guests, "wiki", "chat")
    with ExitStack() as stack:
        cut, stay = hold_everything(lost, stack), hold_everything(other, stack)
        chromium = stack.enter_context(telephone(site, tmp_path, language, scheme))
        chromium.go(site.url(PUBLIC_HOST))
        look(chromium, "1-front-page")
        chromium.press('a[href="/lost"]')
        chromium.wait_for_text("h1", asks)
        look(chromium, "2-who")
        say_who(chromium, anna.user, "not my password", "000000")
        chromium.wait_for_text("[role=alert]", "recupero" if language == "it" else "recovery")
        look(chromium, "3-wrong")
        say_who(chromium, anna.user, PASSWORD, anna.code())
        chromium.wait_for_text("h1", which)
        look(chromium, "4-which")
        chromium.press('input[value="device stick-1"]')
        chromium.press("button.wide")
        chromium.wait_for_text("h1", revoked)
        look(chromium, "5-revoked")
        assert still_open_after(cut, AT_ONCE) == []
        assert not_alive(stay) == []
        assert "help@example.it" in chromium.text
        assert "stick-2" in chromium.text
        assert chromium.violations() == []
    [told] = site.find_audit(kind="lost-reported", user=anna.user)
    assert (told.device, told.detail["serials"]) == ("stick-1", anna.stick.serial)
    # The authority signs the list by itself: the portal has no key for that.
    guest = Guest(site, None, guests)
    site.wait_for_audit(kind="crl-published")
    assert anna.stick.serial in listed(guest, site.url(PUBLIC_HOST, CRL))
    with applications.untouched():
        assert lost.get(site.portal()).status == 403


def say_who(chromium: Browser, user: str, password: str, code: str, *, recovery: str = "") -> None:
    """Fill in the first form, and send it; a code of *recovery* goes where the page shows a field."""
    for field, text in (("#user", user), ("#password", password), ("#code", code)):
        chromium.type(field, text)
    if recovery:
        chromium.type("#recovery", recovery)
    chromium.follow("button.wide")


def test_by_keyboard_alone_with_a_recovery_code_and_the_back_button(
    site: LiveSite, anna: Person, tmp_path: Path
) -> None:
    """Every field is reached in its order; going back and sending again does no harm."""
    find_namespace()
    code = recovery_codes(site, anna)[4]
    with telephone(site, tmp_path, "en", "dark") as chromium:
        chromium.go(site.url(PUBLIC_HOST, "/lost"))
        keys = chromium.driver.switch_to
        keys.active_element.send_keys(anna.user + Keys.TAB)
        keys.active_element.send_keys(PASSWORD + Keys.TAB + Keys.TAB)
        keys.active_element.send_keys(Keys.ENTER)
        look(chromium, "1-recovery")
        keys.active_element.send_keys(Keys.TAB)
        keys.active_element.send_keys(code.lower() + Keys.ENTER)
        chromium.wait_for_text("h1", "Which one is lost?")
        # The only certificate is chosen already.
        look(chromium, "2-the-only-one")
        chromium.element("input[type=radio]").send_keys(Keys.ENTER)
        chromium.wait_for_text("h1", "Revoked")
        look(chromium, "3-revoked")
        chromium.driver.back()
        chromium.driver.refresh()
        chromium.go(site.url(PUBLIC_HOST, "/lost/revoke"))
        chromium.wait_for_text("h1", "Report a lost stick")
        # She is known without the stick, which opens nothing any more.
        say_who(chromium, anna.user, PASSWORD, anna.code())
        chromium.wait_for_text("h1", "Nothing to revoke")
        assert "no certificate that opens anything" in chromium.text
        look(chromium, "4-nothing")
        assert chromium.violations() == []
    assert len(site.find_audit(kind="lost-reported", user=anna.user)) == 1


def test_in_firefox(site: LiveSite, anna: Person, tmp_path: Path) -> None:
    """The other engine: the way from a refusal's page to the report and its end."""
    find_firefox()
    with firefox(site, tmp_path / "fox") as fox:
        fox._ask("WebDriver:SetWindowRect", {"width": 450, "height": 900})
        fox.go(site.portal())
        assert "Is the stick lost or stolen?" in fox.text
        press(fox, f'a[href="{site.url(PUBLIC_HOST, "/lost")}"]')
        picture(fox, tmp_path / "1-who.png")
        for field, text in (("user", anna.user), ("password", PASSWORD), ("code", anna.code())):
            fox._ask("WebDriver:ElementSendKeys", {"id": find(fox, f"#{field}"), "text": text})
        press(fox, "button.wide")
        assert "Which one is lost?" in fox.text
        picture(fox, tmp_path / "2-which.png")
        press(fox, "button.wide")
        assert "It opens nothing any more" in fox.text
        picture(fox, tmp_path / "3-revoked.png")
    [record] = site.work(lambda command: command.store.certificates(user=anna.user))
    assert record.reason == "keyCompromise"


def find(fox: Firefox, selector: str) -> str:
    """Return Firefox's name for the first element that *selector* finds."""
    found = fox._ask("WebDriver:FindElement", {"using": "css selector", "value": selector})
    return str(next(iter(found["value"].values())))


def press(fox: Firefox, selector: str) -> None:
    """Click a button or a link, and wait for the page that it leads to."""
    fox._ask("WebDriver:ElementClick", {"id": find(fox, selector)})


def picture(fox: Firefox, file: Path) -> None:
    """Save what is seen, for whoever looks into the folder of the test."""
    taken: dict[str, Any] = fox._ask("WebDriver:TakeScreenshot", {"full": True})
    file.write_bytes(base64.b64decode(taken["value"]))


def report(guest: Guest, user: str, password: str, code: str) -> int:
    """Send the first form by curl, and return the status of the answer."""
    fields = {"user": user, "password": password, "code": code}
    options = [part for pair in fields.items() for part in ("--data-urlencode", "=".join(pair))]
    answer = guest.get(guest.site.url(PUBLIC_HOST, "/lost"), *options)
    if answer.status == 429:
        assert 0 < int(answer.value("Retry-After")) <= 600
    return answer.status


def test_guessing_slows_the_guesser_and_nobody_else(
    site: LiveSite, anna: Person, guests: Path
) -> None:
    """Anna reports from her own address, and signs in with her stick, in the midst of it."""
    guesser, herself = Guest(site, None, guests), Guest(site, None, guests)
    statuses = [report(guesser, anna.user, f"guess {number}", "123456") for number in range(12)]
    assert statuses == [403] * 10 + [429] * 2
    assert report(herself, anna.user, PASSWORD, anna.code()) == 200
    assert report(guesser, anna.user, PASSWORD, "123456") == 429
    assert signed_in(site, anna, guests).get(site.portal()).status == 200
    refused = site.find_audit(kind="lost-report-refused", address=guesser.address)
    assert {(event.user, event.reason) for event in refused} == {(anna.user, "wrong-password")}
    assert len(refused) == 10


@pytest.fixture
def letterbox(background: Background, tmp_path: Path) -> Iterator[Letterbox]:
    """Run a mail server with STARTTLS beside the test."""
    serving = mail_server(tmp_path)
    box = background.run(serving.__aenter__())
    yield box
    background.run(serving.__aexit__(None, None, None))


def test_administrators_and_person_are_told_by_mail(
    background: Background, letterbox: Letterbox, tmp_path: Path
) -> None:
    """By STARTTLS; `reload` takes the settings up, and a mail server that refuses stops nothing."""
    site = make_site(tmp_path / "site")
    text = site.folder.settings.read_text(encoding="utf-8")
    keys = {
        "server": "127.0.0.1",
        "port": letterbox.port,
        "ca": str(write_certificate(tmp_path)),
        "from": "pusterla@example.it",
        "administrators": ["helpdesk@example.it"],
    }
    with running(site):
        anna = add_person(site, "anna")
        anna.another_stick("stick-2")
        lines = "".join(f"{key} = {value!r}\n" for key, value in keys.items())
        site.folder.settings.write_text(text.replace("[mail]\n", f"[mail]\n{lines}"))
        assert "mail.server" in site.command("reload").out
        assert site.command("mail", "test", "--json").json() == {"to": ["helpdesk@example.it"]}
        letterbox.unwelcome.add(anna.email)
        codes = recovery_codes(site, anna)
        guest = Guest(site, None, tmp_path / "guests")
        for device, code in (("stick-1", codes[0]), ("stick-2", codes[1])):
            revoke_by_curl(guest, anna, code, device)
        background.run(letterbox.wait_for(3))
        refused = site.wait_for_audit(kind="mail-failed", reason="refused")
        assert refused.detail["to"] == anna.email
        test, first, second = letterbox.letters
        assert "pusterla mail test" in test.get_content()
        assert "has lost stick-1" in first["Subject"]
        assert "has lost stick-2" in second["Subject"]
        assert guest.address in first.get_content()
        assert letterbox.encrypted == [True] * 3
        states = site.work(lambda command: command.store.certificates(user=anna.user))
        assert {record.state for record in states} == {"revoked"}


def revoke_by_curl(guest: Guest, person: Person, code: str, device: str) -> None:
    """Send both forms, with a recovery code."""
    fields = [f"user={person.user}", f"password={PASSWORD}", f"recovery={code}"]
    options = [part for field in fields for part in ("--data-urlencode", field)]
    answer = guest.get(guest.site.url(PUBLIC_HOST, "/lost"), *options)
    token = re.search(r'name="token" value="([^"]+)"', answer.text)
    assert token, answer.text
    fields = [f"token={token[1]}", f"lost=device {device}"]
    options = [part for field in fields for part in ("--data-urlencode", field)]
    answer = guest.get(guest.site.url(PUBLIC_HOST, "/lost/revoke"), *options)
    assert "The administrators are being told by mail" in answer.text
