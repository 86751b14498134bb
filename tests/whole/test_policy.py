"""Who may reach which application: scope of the certificate, rules, and rules that change."""

from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed

from tests.whole.applications import Applications
from tests.whole.guests import HTML, signed_in
from tests.whole.holds import hold_everything, not_alive, still_open_after
from tests.whole.people import GROUP, Person, add_person
from tests.whole.rules import ALLOW, deny, edited
from tests.whole.sites import HOST, LiveSite
from tests.whole.sockets import echoes, open_socket
from tests.whole.wire import wire_of

WIKI, CRM, CHAT, VAULT = (f"{name}.{HOST}" for name in ("wiki", "crm", "chat", "vault"))
AT_ONCE = 1.0


def test_a_certificate_opens_the_applications_it_was_issued_for(
    site: LiveSite, applications: Applications, guests: Path
) -> None:
    """`--apps wiki`: the others are refused by a page that says so, though the rules allow them."""
    person = add_person(site, "scoped", apps=("wiki",))
    guest = signed_in(site, person, guests, "wiki")
    with applications.untouched():
        page = guest.visit(site.url(CRM))
        assert page.status == 403
        assert "403 outside-certificate-scope" in page.text
        assert guest.get(site.url(CRM), "-X", "POST").status == 403
    site.wait_for_audit(
        kind="access-denied", app="crm", user=person.user, reason="outside-certificate-scope"
    )
    home = guest.visit(site.portal())
    assert "wiki" in home.text
    assert site.url(CRM) not in home.text


def test_whom_no_rule_allows_is_refused(
    site: LiveSite, applications: Applications, guests: Path
) -> None:
    """Somebody in another group may sign in at the portal and opens nothing."""
    person = add_person(site, "visitor", groups=("visitors",))
    guest = signed_in(site, person, guests)
    with applications.untouched():
        page = guest.visit(site.url(WIKI))
    assert (page.status, "403 not-allowed" in page.text) == (403, True)
    site.wait_for_audit(kind="access-denied", app="wiki", user=person.user)


def test_an_application_without_rules_lets_nobody_in(
    site: LiveSite, applications: Applications, anna: Person, guests: Path
) -> None:
    """No rule is not the same as no restriction."""
    with edited(site, "vault", applications.crm.upstream):
        guest = signed_in(site, anna, guests)
        with applications.untouched():
            assert guest.visit(site.url(VAULT)).status == 403


def test_deny_beats_allow(
    site: LiveSite, applications: Applications, anna: Person, bruno: Person, guests: Path
) -> None:
    """Somebody named in a deny rule is refused, wherever that rule stands; the others are not."""
    for order in ((ALLOW, deny(anna.user)), (deny(anna.user), ALLOW)):
        with edited(site, "vault", applications.crm.upstream, *order):
            with applications.untouched():
                assert signed_in(site, anna, guests).visit(site.url(VAULT)).status == 403
            assert signed_in(site, bruno, guests).visit(site.url(VAULT)).status == 200


def test_a_rule_that_no_longer_allows_cuts_what_it_allowed(
    site: LiveSite, applications: Applications, anna: Person, bruno: Person, guests: Path
) -> None:
    """Every connection of who is denied now ends at once, idle ones too; those of others go on."""
    lost = signed_in(site, anna, guests, "wiki", "chat")
    other = signed_in(site, bruno, guests, "wiki", "chat")
    with ExitStack() as stack:
        held, stay = hold_everything(lost, stack), hold_everything(other, stack)
        wiki, chat = applications.wiki.upstream, applications.chat.upstream
        with (
            edited(site, "wiki", wiki, ALLOW, deny(anna.user)),
            edited(site, "chat", chat, ALLOW, deny(anna.user)),
        ):
            assert still_open_after(held, AT_ONCE) == []
            assert not_alive(stay) == []
            with applications.untouched():
                assert lost.get(site.url(WIKI), "-X", "POST").status == 403
        assert lost.get(site.url(WIKI)).status == 200, "the old rules are back"


def test_the_end_of_somebodys_hours_cuts_what_is_open(
    site: LiveSite, applications: Applications, anna: Person, bruno: Person, guests: Path
) -> None:
    """Everything, to the second; the next request reads when it opens again; others go on."""
    late = signed_in(site, anna, guests, "wiki", "chat")
    other = signed_in(site, bruno, guests, "wiki", "chat")
    wiki, chat = applications.wiki.upstream, applications.chat.upstream
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=15)
    hours = f'hours = "{end - timedelta(hours=1):%H:%M:%S}-{end:%H:%M:%S}"\n'
    mine = f'[[rules]]\neffect = "allow"\nusers = ["{anna.user}"]\n{hours}'
    his = f'[[rules]]\nname = "his"\neffect = "allow"\nusers = ["{bruno.user}"]\n'
    with (
        ExitStack() as stack,
        edited(site, "wiki", wiki, mine, his),
        edited(site, "chat", chat, mine, his),
    ):
        held, stay = hold_everything(late, stack), hold_everything(other, stack)
        assert not_alive(held) == []
        left = (end - datetime.now(UTC)).total_seconds()
        assert left > 0, "it took too long to open everything"
        assert still_open_after(held, left + AT_ONCE) == []
        assert datetime.now(UTC) >= end, "cut before its time"
        assert not_alive(stay) == []
        with applications.untouched():
            page = late.visit(site.url(WIKI))
        assert (page.status, "403 outside-hours" in page.text) == (403, True)
        assert f"{end:%H:%M} (UTC)" not in page.text
        assert f"{end - timedelta(hours=1):%H:%M} (UTC)" in page.text
    site.wait_for_audit(kind="access-denied", app="wiki", user=anna.user, reason="outside-hours")


def test_a_broken_file_leaves_what_was_in_force(
    site: LiveSite, applications: Applications, anna: Person, guests: Path
) -> None:
    """Every problem is logged with its place; applications are served as before, open ones stay."""
    guest = signed_in(site, anna, guests, "wiki", "chat")
    file = site.folder.app_file("wiki")
    before = file.read_bytes()
    with open_socket(guest, CHAT) as socket, wire_of(guest, WIKI) as wire:
        cookie = guest.cookie_field(WIKI)
        assert wire.ask("GET", "/before", cookie).status == 200
        mark = site.log_size()
        try:
            file.write_bytes(before.replace(b"upstream", b"upsteam") + b'colour = "red"\n')
            for process in ("edge-0", "edge-1", "portal"):
                site.wait_for_log(rf" {process} ERROR the files have mistakes", mark)
            said = site.log_since(mark)
            assert "apps/wiki.toml: upsteam: unknown key; did you mean 'upstream'?" in said
            assert ".colour: unknown key" in said
            assert wire.ask("GET", "/during", cookie).status == 200
            assert echoes(socket)
            signed_in(site, add_person(site, "late"), guests, "wiki")
            assert site.command("app", "check", status=1).err
        finally:
            file.write_bytes(before)
    assert guest.get(site.url(WIKI)).status == 200


def test_an_application_that_is_taken_away_is_gone(
    site: LiveSite, applications: Applications, anna: Person, guests: Path
) -> None:
    """`app remove` cuts its connections; its host is one that is not served."""
    mark = site.log_size()
    site.command(
        *("app", "add", "vault", "--host", VAULT, "--upstream", applications.chat.upstream),
        *("--allow", f"group:{GROUP}"),
    )
    for process in ("edge-0", "edge-1", "portal"):
        site.wait_for_log(f" {process} INFO applications changed: vault added", mark)
    guest = signed_in(site, anna, guests, "chat", "vault")
    with open_socket(guest, VAULT) as lost, open_socket(guest, CHAT) as stays:
        assert echoes(lost)
        assert echoes(stays)
        mark = site.log_size()
        site.command("app", "remove", "vault")
        with pytest.raises(ConnectionClosed):
            lost.recv(timeout=AT_ONCE)
        for process in ("edge-0", "edge-1"):
            site.wait_for_log(f" {process} INFO applications changed: vault removed", mark)
        assert echoes(stays)
    assert guest.get(site.url(VAULT), *HTML).status == 421
