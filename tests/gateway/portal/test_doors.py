"""Three doors with tables of their own."""

from dataclasses import replace
from pathlib import Path

import pytest

from gateway.core.audit import AuditKind
from gateway.core.headers import Listener
from gateway.portal.doors import PLAIN_HTTP, PORTAL, PUBLIC, pattern_of
from gateway.portal.pages import STYLE_SHEET
from tests.gateway.portal.house import ADDRESS, NUMBER, SITE, House, open_house


@pytest.mark.parametrize(
    "path,pattern",
    [
        ("/", "/"),
        ("/crl/a.crl", "/crl/*"),
        ("/crl/", None),
        ("/crl", None),
        ("/crl/*", "/crl/*"),
        ("/crl/a/b.crl", None),
        ("/%63rl/a.crl", None),
        ("/.well-known/jwks.json", "/.well-known/jwks.json"),
        ("", None),
    ],
)
def test_a_path_falls_under_one_line(path: str, pattern: str | None) -> None:
    """A star stands for one segment with something in it; nothing is decoded."""
    assert pattern_of(path, PUBLIC) == pattern


@pytest.mark.parametrize("inside", [True, False])
async def test_an_old_bookmark_is_no_dead_end(house: House, inside: bool) -> None:
    """Whoever opens the address of a form, or any other, comes to a page, signed in or not."""
    session = await house.signed_in() if inside else None
    for path in sorted(set(PORTAL) - {"/sign-out"}):
        if "*" not in path:
            status = (await house.get(path, session)).status
            assert status in {200, 303}, f"{path}: {status}"


@pytest.mark.parametrize("listener", [Listener.PUBLIC, Listener.PLAIN_HTTP])
@pytest.mark.parametrize("path", sorted(set(PORTAL) - set(PUBLIC)))
async def test_nothing_of_the_portal_behind_the_other_doors(
    house: House, listener: Listener, path: str
) -> None:
    """Sign-in and all that follows exist only where a certificate was asked for."""
    session = await house.signed_in()
    for method in ("GET", "POST"):
        response = await house.ask(method, path, listener=listener, session=session)
        expected = 404 if listener is Listener.PUBLIC else 308
        assert response.status == expected
        assert "Set-Cookie" not in response.headers


@pytest.mark.parametrize(
    "path", ["/crl/issuing-1.crl", "/ca/issuing-1.crt", "/.well-known/jwks.json"]
)
async def test_nothing_public_behind_the_portals_door(house: House, path: str) -> None:
    """The reverse holds as well."""
    assert (await house.get(path, await house.signed_in())).status == 404


def test_plain_http_has_nothing_that_is_not_signed_itself() -> None:
    """Only CRLs, OCSP answers and CA certificates go without TLS."""
    assert set(PLAIN_HTTP) == {"/crl/*", "/ca/*", "/ocsp", "/ocsp/", "/ocsp/**"}


async def test_a_wrong_method_is_told_the_right_ones(house: House) -> None:
    """405 comes with Allow (RFC 9110, section 15.5.6)."""
    response = await house.ask("DELETE", "/sign-in")
    assert response.status == 405
    assert response.headers["Allow"] == "GET, POST, HEAD"
    help_page = await house.ask("POST", "/", listener=Listener.PUBLIC)
    assert (help_page.status, help_page.headers["Allow"]) == (405, "GET, HEAD")


async def test_head_is_get_without_the_page(house: House) -> None:
    """HEAD answers with the fields of GET and no content."""
    response = await house.ask("HEAD", "/sign-in")
    assert response.status == 200
    assert int(response.headers["Content-Length"]) > 1000
    assert await response.read() == b""


@pytest.mark.parametrize("path", ["/no/such/page", "/sign-in/", "//", "/sign%2din"])
async def test_an_unknown_path_has_a_page(house: House, path: str) -> None:
    """There is one spelling of each path."""
    response = await house.get(path)
    assert response.status == 404
    assert "There is no such page" in await response.text()


@pytest.mark.parametrize("path", ["/sign-in", "/sign-out"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "same-site", "Origin": "https://wiki.pusterla.localhost:8443"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
async def test_another_site_cannot_act_in_our_name(
    house: House, path: str, headers: dict[str, str]
) -> None:
    """Applications of this very site included: nothing is done, and the audit log knows."""
    session = await house.signed_in()
    response = await house.ask(
        "POST", path, session=session, headers=headers, form={"user": "anna"}
    )
    assert response.status == 403
    assert "cross-site-request" in await response.text()
    assert len(await house.store.sessions(user="anna")) == 1
    [line] = await house.audit(AuditKind.REQUEST_REFUSED)
    event = line.event
    assert (event.reason, event.user, event.address) == ("cross-site-request", "anna", ADDRESS)
    assert event.detail == {"request": NUMBER}
    assert f"<code>{NUMBER}</code>" in await response.text()
    assert response.headers["X-Request-Id"] == NUMBER


@pytest.mark.parametrize(
    "headers", [{}, {"Origin": "https://pusterla.localhost:8443"}, {"Sec-Fetch-Site": "none"}]
)
async def test_our_own_pages_and_programs_can(house: House, headers: dict[str, str]) -> None:
    """Our own origin, an older browser's Origin, and curl with neither field."""
    session = await house.signed_in()
    response = await house.ask("POST", "/sign-out", session=session, headers=headers)
    assert response.headers["Location"] == "/signed-out"


async def test_every_answer_is_guarded(house: House) -> None:
    """Pages, redirects, files and refusals carry the security fields."""
    answers = [
        await house.get("/sign-in"),
        await house.get("/"),
        await house.get("/nowhere"),
        await house.get(STYLE_SHEET.path),
        await house.ask("GET", "/", listener=Listener.PUBLIC),
    ]
    for answer in answers:
        assert answer.headers["Server"] == "pusterla"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] in {"same-origin", "no-referrer"}


async def test_https_is_claimed_for_good_on_the_standard_port(tmp_path: Path) -> None:
    """HSTS speaks for a whole host, so only port 443 claims it, and never plain http does."""
    async with open_house(tmp_path, replace(SITE, port=443)) as house:
        for path in ("/sign-in", "/nowhere"):
            secure = await house.get(path)
            assert secure.headers.getall("Strict-Transport-Security") == ["max-age=31536000"]
        for path in ("/crl/x.crl", "/"):
            plain = await house.ask("GET", path, listener=Listener.PLAIN_HTTP)
            assert "Strict-Transport-Security" not in plain.headers


async def test_the_style_sheet_is_kept_for_good(house: House) -> None:
    """Its name changes with its content; another name is not found."""
    for listener in (Listener.PORTAL, Listener.PUBLIC):
        response = await house.ask("GET", STYLE_SHEET.path, listener=listener)
        assert response.status == 200
        assert response.content_type == "text/css"
        assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        gone = await house.ask("GET", "/static/portal.0000.css", listener=listener)
        assert gone.status == 404
