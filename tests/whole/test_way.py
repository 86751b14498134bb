"""The way of a person to an application: certificate, password and code, policy, and back."""

from pathlib import Path
from urllib.parse import quote

import pytest

from tests.whole.applications import Applications
from tests.whole.guests import HTML, Guest, signed_in
from tests.whole.people import Person
from tests.whole.sites import HOST, LiveSite
from tests.whole.wire import Wire

WIKI, CRM = f"wiki.{HOST}", f"crm.{HOST}"
PAGE = "/notes/2026?sort=by%20date&x=a%2Fb"


def test_a_navigation_is_sent_to_sign_in_and_comes_back_to_the_very_page(
    site: LiveSite, applications: Applications, anna: Person, guests: Path
) -> None:
    """Path and query survive the way over the portal; the application sees the page asked for."""
    guest = Guest(site, anna.stick, guests)
    page = site.url(WIKI, PAGE)
    with applications.untouched():
        sent = guest.get(page, *HTML)
        assert sent.status == 303
        assert sent.value("Location") == site.portal(f"/sign-in?to={quote(page, safe='')}")
        form = guest.visit(page)
    assert form.status == 200
    assert anna.user in form.text
    arrived = guest.submit(anna, page)
    assert (arrived.status, arrived.url) == (200, page)
    assert applications.wiki.last(PAGE).method == "GET"
    told = {"user": anna.user, "serial": anna.stick.serial, "address": guest.address}
    site.wait_for_audit(kind="signed-in", device="stick-1", **told)
    allowed = site.wait_for_audit(kind="access-allowed", app="wiki", **told)
    assert allowed.detail == {"rule": "group:technicians"}


def test_one_sign_in_opens_every_application_and_the_portal(
    site: LiveSite, applications: Applications, anna: Person, guests: Path
) -> None:
    """After signing in for one application, the next one only passes by the portal."""
    guest = Guest(site, anna.stick, guests)
    assert guest.submit(anna, site.url(WIKI)).url == site.url(WIKI)
    answer = guest.visit(site.url(CRM, "/second"))
    assert (answer.status, answer.url) == (200, site.url(CRM, "/second"))
    assert answer.redirects == 3, "to the portal, to the hand-over, to the page"
    home = guest.visit(site.portal())
    assert "wiki" in home.text
    assert site.url(CRM) in home.text
    assert len(site.work(lambda command: command.store.sessions(user=anna.user))) == 1


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"])
def test_what_is_no_navigation_gets_a_short_401(
    site: LiveSite, applications: Applications, stranger: Person, guests: Path, method: str
) -> None:
    """Without a session, methods other than GET and HEAD are told so in one line."""
    guest = Guest(site, stranger.stick, guests)
    with applications.untouched():
        answer = guest.get(site.url(WIKI, "/api"), *HTML, "-X", method)
    assert answer.status == 401
    assert answer.value("WWW-Authenticate") == "Pusterla-Session"
    assert answer.text.startswith("401 session-required")
    assert len(answer.body) < 200


@pytest.mark.parametrize(
    "options",
    [
        ("-H", "Accept: application/json"),
        ("-H", "Accept: text/html", "-H", "Sec-Fetch-Mode: cors"),
        ("-H", "Accept: text/html", "-H", "Upgrade: websocket", "-H", "Connection: Upgrade"),
    ],
    ids=["data", "fetch", "websocket"],
)
def test_a_program_that_gets_is_not_redirected(
    site: LiveSite,
    applications: Applications,
    stranger: Person,
    guests: Path,
    options: tuple[str, ...],
) -> None:
    """A script or a WebSocket could make nothing of a sign-in form, so it gets 401."""
    with applications.untouched():
        answer = Guest(site, stranger.stick, guests).get(site.url(WIKI, "/api"), *options)
    assert answer.status == 401


def test_a_head_navigation_is_redirected_without_a_body(site: LiveSite, stranger: Person) -> None:
    """HEAD counts as a navigation, like GET."""
    with Wire(site, WIKI, stranger.stick) as wire:
        reply = wire.ask("HEAD", "/page", ("Accept", "text/html"))
        assert reply.status == 303
        assert reply.values("location")[0].startswith(site.portal("/sign-in?to="))
        assert wire.ask("HEAD", "/page").status == 401, "nothing lay between the two answers"


@pytest.mark.parametrize(
    "to",
    [
        "https://evil.example/",
        "//evil.example/",
        "https://wiki.pusterla.localhost.evil.example/",
        "https://wiki.pusterla.localhost@evil.example/",
        "https:\\\\evil.example/",
        "javascript:alert(1)",
        "https://pusterla.localhost:1/",
        "https://elsewhere.pusterla.localhost/",
    ],
)
def test_sign_in_leads_nowhere_else(
    site: LiveSite, stranger: Person, inside: Guest, guests: Path, to: str
) -> None:
    """Whatever is asked for, only places of this site are gone to: in the form, and without it."""
    asked = site.portal(f"/sign-in?to={quote(to, safe='')}")
    form = Guest(site, stranger.stick, guests).get(asked, *HTML)
    assert form.status == 200
    assert '<input type="hidden" name="to" value="">' in form.text
    assert inside.get(asked, *HTML).value("Location") == site.portal()


def test_a_form_leads_nowhere_else(site: LiveSite, anna: Person, guests: Path) -> None:
    """Nor does a form in which somebody has written another place."""
    answers = Guest(site, anna.stick, guests).submit_by_steps(anna, "https://evil.example/")
    assert [answer.values("Location") for answer in answers] == [[site.portal()], []]


@pytest.mark.parametrize(
    "path, status",
    [
        ("/.pusterla/enter?ticket=AAAA&to=https://evil.example/", 403),
        ("/.pusterla/enter?ticket=&to=//evil.example/", 403),
        ("/.pusterla/enter", 403),
        ("/.pusterla/anything", 404),
        ("/%2Epusterla/enter?to=//evil.example/", 403),
        ("/x/../.pusterla/enter?to=//evil.example/", 403),
    ],
)
def test_the_hand_over_takes_no_forged_ticket(
    site: LiveSite, applications: Applications, inside: Guest, path: str, status: int
) -> None:
    """A ticket that the portal did not write opens nothing and leads nowhere."""
    with applications.untouched():
        answer = inside.get(site.url(WIKI, path), *HTML, "--path-as-is")
    assert answer.status == status
    assert answer.values("Location") == []
    assert answer.values("Set-Cookie") == []


def test_a_ticket_serves_its_own_certificate_and_page_alone(
    site: LiveSite, applications: Applications, anna: Person, bruno: Person, guests: Path
) -> None:
    """A ticket seen by somebody else, or bent to another page or host, is refused and noted."""
    guest = signed_in(site, anna, guests)
    sent = guest.get(site.portal(f"/sign-in?to={quote(site.url(WIKI, '/mine'), safe='')}"))
    ticket = sent.value("Location")
    assert ticket.startswith(site.url(WIKI, "/.pusterla/enter?"))
    bent = ticket.replace("to=%2Fmine", "to=%2Fother")
    assert bent != ticket
    thief = Guest(site, bruno.stick, guests)
    with applications.untouched():
        assert thief.get(ticket, *HTML).status == 403
        assert guest.get(bent, *HTML).status == 403
        assert guest.get(ticket.replace(WIKI, CRM), *HTML).status == 403
    site.wait_for_audit(
        kind="session-refused", reason="ticket-refused", user=bruno.user, address=thief.address
    )
    assert guest.get(ticket, *HTML).value("Location") == site.url(WIKI, "/mine")


def test_sign_out_ends_the_session_everywhere(
    site: LiveSite, applications: Applications, anna: Person, guests: Path
) -> None:
    """After signing out at the portal no application opens any more, with any old cookie."""
    guest = signed_in(site, anna, guests, "wiki", "crm")
    answer = guest.get(site.portal("/sign-out"), "-L", "-d", "")
    assert (answer.status, answer.url) == (200, site.portal("/signed-out"))
    assert site.work(lambda command: command.store.sessions(user=anna.user)) == []
    with applications.untouched():
        for host in (WIKI, CRM):
            assert guest.get(site.url(host)).status == 401
            assert guest.get(site.url(host), *HTML).status == 303
        assert guest.get(site.portal()).value("Location") == "/sign-in"
    site.wait_for_audit(kind="signed-out", user=anna.user)


def test_another_site_can_sign_nobody_out(site: LiveSite, anna: Person, guests: Path) -> None:
    """A form on somebody else's page is told by what browsers say of it, and refused."""
    guest = signed_in(site, anna, guests)
    for fields in (("Sec-Fetch-Site: cross-site",), ("Origin: https://evil.example",)):
        options = [part for field in fields for part in ("-H", field)]
        assert guest.get(site.portal("/sign-out"), "-d", "", *options).status == 403
    assert guest.get(site.portal()).status == 200
    site.wait_for_audit(kind="request-refused", reason="cross-site-request", address=guest.address)


def test_cookies_of_the_gateway_belong_to_one_host_each(
    site: LiveSite, anna: Person, guests: Path
) -> None:
    """Each is a __Host- cookie, out of reach of scripts and of plain http, and of its own value."""
    guest = signed_in(site, anna, guests, "wiki")
    taken = [
        answer for answer in guest.all(site.url(CRM), *HTML, "-L") if answer.values("Set-Cookie")
    ]
    assert len(taken) == 1
    (cookie,) = taken[0].values("Set-Cookie")
    assert cookie.startswith("__Host-pusterla=")
    attributes = {part.strip() for part in cookie.split(";")[1:]}
    assert attributes == {"Path=/", "Secure", "HttpOnly", "SameSite=Lax"}
    assert len({guest.cookie(host) for host in (HOST, WIKI, CRM)}) == 3
