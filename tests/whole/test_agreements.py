"""An agreement from the first refusal to the withdrawal: by curl, and in a real browser."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.whole.applications import Applications
from tests.whole.browser import Home, browser, find_namespace
from tests.whole.guests import Guest, signed_in
from tests.whole.holds import hold_everything, not_alive, still_open_after
from tests.whole.looking import inspected
from tests.whole.people import Person
from tests.whole.rules import edited
from tests.whole.sites import HOST, PASSWORD, LiveSite, wait_for
from tests.whole.test_browser import issue_bundle
from tests.whole.texts import NAME, REQUIRING, TITLE, accept, agreed_to

WIKI = f"wiki.{HOST}"
AT_ONCE = 1.0
PAGE = f"/agreements/{NAME}"


def opens(guest: Guest) -> None:
    """Expect that the wiki opens within a second."""
    wait_for("the wiki", lambda: guest.visit(guest.site.url(WIKI)).status == 200, within=AT_ONCE)


def test_access_follows_what_was_accepted(
    site: LiveSite, applications: Applications, anna: Person, bruno: Person, guests: Path
) -> None:
    """None before; then without a restart; a withdrawal cuts what is open, and nobody else's."""
    wiki, chat = applications.wiki.upstream, applications.chat.upstream
    with (
        agreed_to(site),
        edited(site, "wiki", wiki, REQUIRING),
        edited(site, "chat", chat, REQUIRING),
        ExitStack() as stack,
    ):
        guest, other = signed_in(site, anna, guests), signed_in(site, bruno, guests)
        with applications.untouched():
            page = guest.visit(site.url(WIKI))
            assert (page.status, "403 agreement-missing" in page.text) == (403, True)
            assert f'href="{site.portal("/agreements")}"' in page.text
            assert guest.get(site.url(WIKI), "-X", "POST").status == 403
        for one in (guest, other):
            assert accept(one) == 303
            opens(one)
            one.visit(site.url(f"chat.{HOST}", "/enter"))
        held, stay = hold_everything(guest, stack), hold_everything(other, stack)
        answer = guest.get(site.portal(f"/agreements/withdraw/{NAME}"), "-d", "")
        assert answer.status == 303
        assert still_open_after(held, AT_ONCE) == []
        assert not_alive(stay) == []
        with applications.untouched():
            assert guest.visit(site.url(WIKI)).status == 403
        site.command("agreement", "withdraw", bruno.user, NAME)
        assert still_open_after(stay, AT_ONCE) == []
        record = site.command("agreement", "export", "--agreement", NAME, "--json").json()
        assert {(one["user"], one["serial"]) for one in record} == {
            (anna.user, anna.stick.serial),
            (bruno.user, bruno.stick.serial),
        }
    site.wait_for_audit(kind="agreement-withdrawn", user=anna.user)


def test_a_text_that_changes_must_be_accepted_again(
    site: LiveSite, applications: Applications, anna: Person, guests: Path
) -> None:
    """Within a second of the change, on every worker; the form of before is worth nothing."""
    with agreed_to(site), edited(site, "wiki", applications.wiki.upstream, REQUIRING):
        guest = signed_in(site, anna, guests)
        assert accept(guest) == 303
        opens(guest)
        text = site.folder.path / "agreements" / NAME / "1.en.md"
        mark = site.log_size()
        text.write_text(text.read_text(encoding="utf-8") + "\nAnd one thing more.\n")
        for process in ("edge-0", "edge-1", "portal"):
            site.wait_for_log(rf" {process} INFO applications changed: .*{NAME} changed", mark)
        with applications.untouched():
            for _ in range(4):
                assert guest.visit(site.url(WIKI)).status == 403
        assert accept(guest, f"digest={'a' * 64}") == 400, "two digests are two readings"
        assert accept(guest) == 303
        opens(guest)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("language", ["en", "it"])
def test_the_way_in_a_browser(
    site: LiveSite, applications: Applications, anna: Person, tmp_path: Path, language: str
) -> None:
    """From the tile to the text, by the tick into the application; then withdrawn, with a question."""
    if find_namespace() is None:
        pytest.skip("no namespace for a browser here")
    home = Home(site, tmp_path / "home")
    home.take(issue_bundle(site, anna, tmp_path))
    with (
        agreed_to(site),
        edited(site, "wiki", applications.wiki.upstream, REQUIRING),
        browser(home, tmp_path / "browser", language) as chromium,
        inspected(chromium, "agreement", language) as inspector,
    ):
        chromium.go(site.portal())
        chromium.type("#password", PASSWORD)
        chromium.type("#code", anna.code())
        chromium.follow("button.wide")
        inspector.look("home")
        chromium.go(site.url(WIKI))
        inspector.look("refusal")
        chromium.follow("a.button")
        inspector.look("list-due")
        chromium.go(site.portal())
        chromium.follow("a.closed")
        title = "it" if language == "it" else "en"
        assert TITLE[title] in chromium.element("h1").text
        inspector.look("text")
        # The browser itself asks for the tick, so the page stays.
        chromium.press("form.fields button")
        assert chromium.url == site.portal(f"{PAGE}?app=wiki")
        chromium.press('input[name="read"]')
        chromium.press("form.fields button")
        chromium.wait_for_url(site.url(WIKI))
        chromium.go(site.portal("/agreements"))
        inspector.look("list-accepted")
        chromium.go(site.portal(PAGE))
        inspector.look("accepted")
        chromium.follow("a.quiet")
        inspector.look("withdraw")
        chromium.follow("main form .button")
        assert chromium.url == site.portal(PAGE)
        chromium.go(site.portal("/agreements"))
        inspector.look("list-withdrawn")
        chromium.go(site.url(WIKI))
        assert "agreement-missing" in chromium.element("code").text
