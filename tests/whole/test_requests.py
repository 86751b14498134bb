"""Access that is asked for and approved: by curl and the command, and in a real browser."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from tests.whole.applications import Applications
from tests.whole.browser import Browser, Home, browser, find_namespace
from tests.whole.guests import Guest, signed_in
from tests.whole.holds import hold_everything, not_alive, still_open_after
from tests.whole.looking import Inspector, inspected
from tests.whole.people import Person, add_person, now
from tests.whole.rules import edited
from tests.whole.sites import HOST, PASSWORD, LiveSite, wait_for
from tests.whole.sockets import closed_within, echoes, open_socket
from tests.whole.test_browser import issue_bundle

WIKI, CHAT = f"wiki.{HOST}", f"chat.{HOST}"
APPROVED = (
    '[[rules]]\nname = "technicians"\neffect = "allow"\ngroups = ["technicians"]\n'
    'requires = ["approval"]\n'
)
AT_ONCE = 1.0
SAME_ORIGIN = ("-H", "Sec-Fetch-Site: same-origin")


@contextmanager
def managed_by(site: LiveSite, user: str) -> Iterator[None]:
    """Let *user* decide what technicians ask for, for the length of a block."""
    before = site.folder.settings.read_bytes()
    lines = f'\n[groups.technicians]\nmanagers = ["{user}"]\n'.encode()
    site.folder.settings.write_bytes(before + lines)
    site.command("reload")
    try:
        yield
    finally:
        site.folder.settings.write_bytes(before)
        site.command("reload")


def ask(guest: Guest, app: str, **fields: str) -> int:
    """Ask for today and the days to come, and return the number of the request."""
    today = now().date()
    form = {
        "app": app,
        "first": f"{today}",
        "last": f"{today + timedelta(days=2)}",
        "reason": "a sick child",
        **fields,
    }
    options = [
        part for name, text in form.items() for part in ("--data-urlencode", f"{name}={text}")
    ]
    page = guest.get(guest.site.portal("/requests/new"), *SAME_ORIGIN, *options)
    assert page.status == 200, page.text
    number = re.search(r"Number (\d+)", page.text)
    assert number is not None
    return int(number[1])


def opens(guest: Guest, host: str) -> None:
    """Expect that *host* opens within a second, on whichever worker."""
    url = guest.site.url(host)
    wait_for(host, lambda: guest.visit(url).status == 200, within=AT_ONCE)


def test_access_follows_what_was_approved(
    site: LiveSite, applications: Applications, guests: Path
) -> None:
    """None before; in within a second of the approval, without restart; cut when it is ended."""
    anna, bruno = add_person(site, "ada"), add_person(site, "bodo")
    wiki, chat = applications.wiki.upstream, applications.chat.upstream
    with (
        edited(site, "wiki", wiki, APPROVED),
        edited(site, "chat", chat, APPROVED),
        ExitStack() as stack,
    ):
        guest, other = signed_in(site, anna, guests), signed_in(site, bruno, guests)
        with applications.untouched():
            page = guest.visit(site.url(WIKI))
            assert (page.status, "403 approval-missing" in page.text) == (403, True)
            assert f'href="{site.portal("/requests")}"' in page.text
            numbers = {app: ask(guest, app) for app in ("wiki", "chat")}
            assert guest.visit(site.url(WIKI)).status == 403, "asking opens nothing"
        for number in (*numbers.values(), *(ask(other, app) for app in ("wiki", "chat"))):
            site.command("request", "approve", str(number))
        for one in (guest, other):
            for host in (WIKI, CHAT):
                opens(one, host)
        held, stay = hold_everything(guest, stack), hold_everything(other, stack)
        for number in numbers.values():
            site.command("request", "end", str(number))
        assert still_open_after(held, AT_ONCE) == []
        assert not_alive(stay) == []
        with applications.untouched():
            assert guest.visit(site.url(WIKI)).status == 403
        record = site.command("request", "export", "--user", anna.user, "--json").json()
        assert [(one["state"], one["serial"]) for one in record] == [
            ("ended", anna.stick.serial),
            ("ended", anna.stick.serial),
        ]
    site.wait_for_audit(kind="approval-ended", user=anna.user, app="chat")


def test_an_open_websocket_ends_with_what_was_given_back(
    site: LiveSite, applications: Applications, guests: Path
) -> None:
    """By the person themselves, in another tab."""
    anna = add_person(site, "alba")
    with edited(site, "chat", applications.chat.upstream, APPROVED):
        guest = signed_in(site, anna, guests)
        number = ask(guest, "chat")
        site.command("request", "approve", str(number), "--days", f"{now().date()}")
        opens(guest, CHAT)
        with open_socket(guest, CHAT) as socket:
            assert echoes(socket)
            fields = (*SAME_ORIGIN, "-d", f"number={number}")
            page = guest.get(site.portal("/requests/withdraw"), *fields)
            assert "Given back." in page.text
            assert closed_within(socket, AT_ONCE)


def sign_in(chromium: Browser, site: LiveSite, person: Person) -> None:
    """Sign in at the portal."""
    chromium.go(site.portal())
    chromium.type("#password", PASSWORD)
    chromium.type("#code", person.code())
    chromium.follow("button.wide")


@pytest.mark.timeout(240)
@pytest.mark.parametrize("language", ["en", "it"])
def test_the_way_in_browsers(
    site: LiveSite, applications: Applications, tmp_path: Path, language: str
) -> None:
    """From the tile to the form, a manager's answer for fewer days, and into the application."""
    if find_namespace() is None:
        pytest.skip("no namespace for a browser here")
    anna = add_person(site, "agata", full_name="Agata Rossi")
    berta = add_person(site, "berta", groups=("office",), full_name="Berta Neri")
    homes = {person.user: Home(site, tmp_path / person.user) for person in (anna, berta)}
    for person in (anna, berta):
        folder = tmp_path / f"bundle-{person.user}"
        folder.mkdir()
        homes[person.user].take(issue_bundle(site, person, folder))
    with managed_by(site, berta.user), edited(site, "wiki", applications.wiki.upstream, APPROVED):
        with looked_at(homes[anna.user], tmp_path, "ask", language) as (chromium, inspector):
            sign_in(chromium, site, anna)
            ask_in(chromium, inspector)
        with looked_at(homes[berta.user], tmp_path, "answer", language) as (chromium, inspector):
            sign_in(chromium, site, berta)
            answer_in(chromium, inspector)
        with looked_at(homes[anna.user], tmp_path, "answered", language) as (chromium, inspector):
            sign_in(chromium, site, anna)
            use_and_give_back(chromium, inspector, site)
    [found] = site.command("request", "list", "--user", anna.user, "--json").json()
    assert (found["state"], found["granted"]) == ("ended", f"{now().date()}")


@contextmanager
def looked_at(
    home: Home, folder: Path, name: str, language: str
) -> Iterator[tuple[Browser, Inspector]]:
    """Open a browser whose pages are looked at."""
    with (
        browser(home, folder / name, language) as chromium,
        inspected(chromium, f"requests-{name}", language) as inspector,
    ):
        yield chromium, inspector


def ask_in(chromium: Browser, inspector: Inspector) -> None:
    """Ask for today, and for a day of the next month."""
    chromium.follow("a.closed")
    inspector.look("form")
    chromium.press(f'input[name="day-{now().date()}"]')
    # The browser itself asks for the reason, so the page stays.
    chromium.press("form.fields button.wide")
    chromium.type("#reason", "The plumber comes, and nobody else is at home.")
    chromium.follow(".turns button:last-child")
    chromium.press("summary")
    inspector.look("form-next-month")
    chromium.press(".month tbody tr:nth-child(3) input")
    # It sends the form, whatever buttons stand before that.
    chromium.enter("#first")
    assert chromium.element("[role=status]").text
    inspector.look("asked")


def answer_in(chromium: Browser, inspector: Inspector) -> None:
    """Approve today alone."""
    inspector.look("home-of-a-manager")
    chromium.follow("[role=status] a")
    inspector.look("waiting")
    chromium.follow(".rows a.button")
    inspector.look("decide")
    chromium.press(".boxes label:last-child input")
    chromium.type("#words", "For today, yes.")
    chromium.follow("button[value=approve]")
    inspector.look("decided")


def use_and_give_back(chromium: Browser, inspector: Inspector, site: LiveSite) -> None:
    """Open what was approved, then give it back."""
    chromium.go(site.portal("/requests"))
    inspector.look("approved")
    chromium.go(site.url(WIKI))
    assert chromium.url == site.url(WIKI)
    chromium.go(site.portal("/requests"))
    chromium.follow(".row form button")
    inspector.look("given-back")
    chromium.go(site.url(WIKI))
    assert "approval-missing" in chromium.element("code").text
