"""Codes that are asked for again: by rules, after a while without use, past a sign-in's time."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlencode

import pytest
from sqlalchemy import select, update
from websockets.exceptions import InvalidStatus

from gateway.bootstrap.command import Command
from gateway.core.changes import ChangeKind
from gateway.store.schema import session
from tests.whole.applications import Applications
from tests.whole.browser import Home, browser, find_namespace
from tests.whole.guests import HTML, Answer, Guest, signed_in
from tests.whole.looking import inspected
from tests.whole.people import Person
from tests.whole.rules import ALLOW, edited
from tests.whole.sites import HOST, PASSWORD, LiveSite
from tests.whole.sockets import closed_within, echoes, open_socket
from tests.whole.test_browser import issue_bundle

VAULT, WIKI = f"vault.{HOST}", f"wiki.{HOST}"
WITHIN: Final = 30
"""Seconds that a code is good for, in the browser: the least that a rule can say."""
CODE = """
[[rules]]
name = "code"
effect = "step-up"
everybody = true
paths = ["/admin/**", "/socket"]
totp_within = "30s"
"""


@contextmanager
def vault(site: LiveSite, upstream: str, *rules: str, **asked: str) -> Iterator[None]:
    """Serve the vault, which asks for codes by *rules* and *asked* of sessions."""
    keys = "".join(f'{name} = "{value}"\n' for name, value in asked.items())
    with edited(site, "vault", upstream, ALLOW, *rules, keys=f"[session]\n{keys}"):
        yield


def age(site: LiveSite, person: Person, **span: float) -> None:
    """Make the codes and sign-ins of *person* so much older; all are told."""
    older = timedelta(**span)

    async def work(command: Command) -> None:
        async with command.store.begin() as connection:
            mine = select(session.c.id, session.c.created_at, session.c.proved_at).where(
                session.c.username == person.user
            )
            for number, created_at, proved_at in (await connection.execute(mine)).all():
                values = {
                    "created_at": created_at - older,
                    "proved_at": proved_at and proved_at - older,
                }
                await connection.execute(
                    update(session).where(session.c.id == number).values(values)
                )
                await command.store.announce(connection, (ChangeKind.SESSION, number))

    site.work(work)
    # Told by the feed, within a second.
    time.sleep(1.5)


def give(guest: Guest, person: Person, to: str, **more: str) -> Answer:
    """Send the form of the page that asks for a code, and follow where it leads."""
    fields = {"to": to, "code": person.code(), **more}
    form = [
        part for name, text in fields.items() for part in ("-d", f"{name}={quote(text, safe='')}")
    ]
    return guest.get(guest.site.portal("/confirm"), "-L", *form)


def asked_at(site: LiveSite, address: str) -> str:
    """Return where somebody is sent for a code."""
    return site.portal(f"/confirm?{urlencode({'to': address})}")


def test_a_code_opens_on_every_worker_at_once(
    site: LiveSite, applications: Applications, anna: Person, guests: Path
) -> None:
    """Whoever comes back from the page that asks is sent there by none; programs get 401."""
    address = site.url(VAULT, "/admin/users")
    with vault(site, applications.wiki.upstream, CODE):
        guest = signed_in(site, anna, guests, "vault")
        age(site, anna, minutes=10)
        with applications.untouched():
            sent = guest.get(address, *HTML)
            assert (sent.status, sent.value("Location")) == (303, asked_at(site, address))
            refused = guest.get(address)
            assert (refused.status, b"code-required" in refused.body) == (401, True)
            assert guest.get(address, "-X", "POST", *HTML).status == 401
        assert guest.get(site.url(VAULT, "/page")).status == 200
        page = guest.visit(address)
        assert (page.status, page.url) == (200, asked_at(site, address))
        assert "A code, once more" in page.text
        assert (give(guest, anna, address).status, guest.get(address).status) == (200, 200)
        # Each over a connection of its own, to whichever worker the kernel chooses.
        assert [guest.get(address, *HTML).status for _ in range(16)] == [200] * 16
    event = site.wait_for_audit(kind="code-confirmed", user=anna.user)
    assert event.detail["proved"] == "code"


def test_a_socket_is_not_opened_with_an_old_code_and_stays_open_when_it_gets_old(
    site: LiveSite, applications: Applications, anna: Person, guests: Path
) -> None:
    """A step-up rule guards the entrance."""
    with vault(site, applications.chat.upstream, CODE):
        guest = signed_in(site, anna, guests, "vault")
        with open_socket(guest, VAULT) as connection:
            assert echoes(connection)
            age(site, anna, minutes=10)
            assert echoes(connection)
            with pytest.raises(InvalidStatus) as refused, open_socket(guest, VAULT):
                pass
            assert refused.value.response.status_code == 401
            assert give(guest, anna, site.url(VAULT)).status in {200, 426}
            assert echoes(connection)
            with open_socket(guest, VAULT) as another:
                assert echoes(another)


def test_past_its_lifetime_an_application_asks_for_all_and_others_go_on(
    site: LiveSite, applications: Applications, anna: Person, guests: Path
) -> None:
    """What is open there is cut; the session is the same afterwards, and no code alone will do."""
    address = site.url(VAULT, "/page")
    with vault(site, applications.chat.upstream, lifetime="5m"):
        guest = signed_in(site, anna, guests, "vault", "wiki", "chat")
        with open_socket(guest, VAULT) as here, open_socket(guest, f"chat.{HOST}") as elsewhere:
            assert echoes(here)
            assert echoes(elsewhere)
            age(site, anna, minutes=6)
            assert closed_within(here, 3)
            assert echoes(elsewhere)
        assert guest.get(site.url(WIKI), *HTML).status == 200
        with applications.untouched():
            page = guest.visit(address)
            assert (page.url, 'name="password"' in page.text) == (asked_at(site, address), True)
        before = guest.cookie(HOST)
        give(guest, anna, address, user=anna.user, password=PASSWORD)
        assert guest.cookie(HOST) == before
        assert guest.get(address, *HTML).status not in {303, 401, 403}
        assert guest.get(site.url(WIKI), *HTML).status == 200
    event = site.wait_for_audit(kind="code-confirmed", user=anna.user)
    assert event.detail["proved"] == "password-and-code"


def test_an_application_that_was_left_asks_for_a_code(
    site: LiveSite, applications: Applications, anna: Person, guests: Path
) -> None:
    """Others do not; its uses are written down, so it does not ask again on any worker."""
    address = site.url(VAULT, "/page")
    with vault(site, applications.wiki.upstream, idle="1m"):
        guest = signed_in(site, anna, guests)
        age(site, anna, seconds=70)
        with applications.untouched():
            page = guest.visit(address)
        assert (page.status, page.url) == (200, asked_at(site, address))
        assert guest.visit(site.url(WIKI)).status == 200
        assert give(guest, anna, address).status == 200
        [mine] = site.work(lambda command: command.store.sessions(user=anna.user))
        assert [*site.work(lambda command: command.store.uses(mine.id))] == ["vault"]
        age(site, anna, seconds=70)
        assert [guest.get(address).status for _ in range(8)] == [200] * 8


@pytest.mark.timeout(180)
@pytest.mark.parametrize("language", ["en", "it"])
def test_the_way_of_a_code_in_a_browser(
    site: LiveSite, applications: Applications, anna: Person, tmp_path: Path, language: str
) -> None:
    """Signed in, the administration opens; later it asks, and past the lifetime for the password too."""
    find_namespace()
    home = Home(site, tmp_path / "home")
    home.take(issue_bundle(site, anna, tmp_path))
    address = site.url(VAULT, "/admin/users?sort=name")
    with (
        vault(site, applications.wiki.upstream, CODE, lifetime="5m"),
        browser(home, tmp_path / "browser", language) as chromium,
        inspected(chromium, "fresh-code", language) as inspector,
    ):
        chromium.go(address)
        chromium.type("#password", PASSWORD)
        chromium.type("#code", anna.code())
        chromium.press("button.wide")
        chromium.wait_for_url(address)
        time.sleep(WITHIN)
        chromium.go(site.url(VAULT, "/page"))
        assert chromium.url == site.url(VAULT, "/page"), "the rest asks for nothing"
        chromium.go(address)
        chromium.wait_for_url(asked_at(site, address))
        assert chromium.driver.switch_to.active_element.get_attribute("id") == "code"
        inspector.look("confirm")
        chromium.type("#code", "000000")
        chromium.follow("button.wide")
        assert chromium.element("[role=alert]").text
        inspector.look("confirm-wrong")
        chromium.type("#code", anna.code())
        chromium.press("button.wide")
        chromium.wait_for_url(address)
        assert anna.user in chromium.text
        age(site, anna, minutes=6)
        chromium.go(site.portal())
        assert chromium.url == site.portal(), "the session goes on"
        inspector.look("home")
        chromium.go(address)
        chromium.wait_for_url(asked_at(site, address))
        assert chromium.driver.switch_to.active_element.get_attribute("id") == "password"
        inspector.look("confirm-password")
        chromium.type("#password", PASSWORD)
        chromium.type("#code", anna.code())
        chromium.press("button.wide")
        chromium.wait_for_url(address)
        assert chromium.violations() == []
