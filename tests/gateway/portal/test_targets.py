"""Where somebody goes after signing in."""

from dataclasses import replace
from urllib.parse import parse_qs, urljoin, urlsplit

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from gateway.core.routes import RESERVED_PREFIX, normalise_target
from gateway.portal.targets import (
    START,
    ApplicationTarget,
    PortalTarget,
    address_of,
    enter_address,
    find_target,
)
from tests.gateway.portal.house import APPLICATIONS, PORTAL_ORIGIN, SITE, WIKI_ORIGIN

OUR_ORIGINS = {
    SITE.origin(host) for host in (SITE.host, *(app.host for app in APPLICATIONS.values()))
}

NASTY = [
    "",
    "/",
    "//evil.example/",
    "///evil.example/",
    "\\\\evil.example\\",
    "/\\evil.example/",
    "https:evil.example/",
    "https:/evil.example/",
    "https:///evil.example/",
    "https://evil.example/",
    "http://pusterla.localhost:8443/",
    "javascript:alert(1)",
    "data:text/html,hello",
    "JaVaScRiPt://pusterla.localhost:8443/%0aalert(1)",
    f"{PORTAL_ORIGIN}",
    f"{PORTAL_ORIGIN}.evil.example/",
    f"{PORTAL_ORIGIN}@evil.example/",
    f"{PORTAL_ORIGIN}:pw@evil.example/",
    f"{PORTAL_ORIGIN}//evil.example/",
    f"{PORTAL_ORIGIN}/./%2e%2e//evil.example/",
    f"{PORTAL_ORIGIN}/.//evil.example/",
    f"{PORTAL_ORIGIN}/a/..//evil.example/",
    f"{PORTAL_ORIGIN}/\\evil.example/",
    f"{PORTAL_ORIGIN}\\@evil.example/",
    f"{PORTAL_ORIGIN}/%5cevil.example/",
    f"{PORTAL_ORIGIN}/\r\nSet-Cookie: a=b",
    f"{PORTAL_ORIGIN}/\t/evil.example/",
    f"\t{PORTAL_ORIGIN}/",
    f" {PORTAL_ORIGIN}/",
    f"{PORTAL_ORIGIN}/ ",
    f"{PORTAL_ORIGIN}/\n",
    f"{PORTAL_ORIGIN}/#//evil.example/",
    f"{PORTAL_ORIGIN}/?x#y",
    "https://user@pusterla.localhost:8443/",
    "https://user:pw@pusterla.localhost:8443/",
    "https://pusterla.localhost/",
    "https://pusterla.localhost:443/",
    "https://pusterla.localhost:08443/",
    "https://pusterla.localhost:84430/",
    "https://pusterla.localhost.:8443/",
    "https://PUSTERLA.localhost:8443/",
    "HTTPS://pusterla.localhost:8443/",
    "https://pusterla.localhost:8443evil.example/",
    "https://public.pusterla.localhost:8443/",
    "https://other.pusterla.localhost:8443/",
    "https://pustérla.localhost:8443/",
    "https://pusterla。localhost:8443/",
    "https://xn--pustrla-hya.localhost:8443/",
    f"{PORTAL_ORIGIN}/é",
    f"{PORTAL_ORIGIN}/%00",
    f"{PORTAL_ORIGIN}/%zz",
    f"{PORTAL_ORIGIN}/../",
    f"{PORTAL_ORIGIN}/{'a' * 5000}",
    f"{PORTAL_ORIGIN}/sign-in?to={PORTAL_ORIGIN}/sign-in",
    f"{PORTAL_ORIGIN}/%73ign-in",
    f"{PORTAL_ORIGIN}/sign-out",
    f"{PORTAL_ORIGIN}/signed-out",
    f"{PORTAL_ORIGIN}/continue",
    f"{WIKI_ORIGIN}//evil.example/",
    f"{WIKI_ORIGIN}/.pusterla/enter?ticket=x",
    f"{WIKI_ORIGIN}/%2epusterla/enter",
    f"{WIKI_ORIGIN}/a/../.pusterla/enter",
]


@pytest.mark.parametrize("to", NASTY)
def test_whatever_is_not_ours_is_the_start_page(to: str) -> None:
    """Nothing is repaired; what is not one of our addresses leads to the start."""
    assert find_target(to, SITE, APPLICATIONS) == START


@pytest.mark.parametrize("target", ["/", "/?a=1", "/future/page?x=%20&y=\\"])
def test_pages_of_the_portal(target: str) -> None:
    """An address of the portal is its path and query."""
    assert find_target(PORTAL_ORIGIN + target, SITE, APPLICATIONS) == PortalTarget(target)


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/a%20b/c?x=1&to=https://evil.example/",
        "/?",
        "/a//b",
        "/a/..",
        "/%2F",
        "/?q=\\a",
        "/~a/;b=1",
    ],
)
def test_pages_of_an_application(target: str) -> None:
    """Path and query stay as they were asked for, letter by letter."""
    found = find_target(WIKI_ORIGIN + target, SITE, APPLICATIONS)
    assert found == ApplicationTarget(APPLICATIONS["wiki"], target)


def test_the_standard_port_is_not_written() -> None:
    """On port 443 an origin has no port, and one with it is not ours."""
    site = replace(SITE, port=443)
    found = find_target("https://wiki.pusterla.localhost/a", site, APPLICATIONS)
    assert found == ApplicationTarget(APPLICATIONS["wiki"], "/a")
    assert find_target("https://wiki.pusterla.localhost:443/a", site, APPLICATIONS) == START


@given(st.text(max_size=60).map(lambda tail: WIKI_ORIGIN + "/" + tail) | st.text(max_size=60))
@example(f"{WIKI_ORIGIN}/\u2028")
def test_the_way_never_leaves_the_site(to: str) -> None:
    """Whatever is asked for, every reader of the result sees one of our origins."""
    target = find_target(to, SITE, APPLICATIONS)
    address = address_of(target, SITE)
    parts = urlsplit(address)
    assert f"{parts.scheme}://{parts.netloc}" in OUR_ORIGINS
    assert parts.username is None
    # As a redirect with the path alone would be read, too.
    assert urljoin(WIKI_ORIGIN, target.target).startswith(f"{WIKI_ORIGIN}/")
    assert address.isascii()
    assert address.isprintable()
    assert find_target(address, SITE, APPLICATIONS) == target


_ORIGIN_LIKE = st.sampled_from([*sorted(OUR_ORIGINS), "https://evil.example", "https://", "//", ""])
_PIECES = st.lists(
    st.sampled_from(
        [
            "/",
            "\\",
            ".",
            "..",
            "@",
            ":",
            "?",
            "#",
            "%2e",
            "%2F",
            "%5c",
            "evil.example",
            "a",
            "\t",
            "\n",
        ]
    ),
    max_size=12,
)


@given(_ORIGIN_LIKE, _PIECES)
def test_no_mixture_of_separators_leaves_the_site(origin: str, pieces: list[str]) -> None:
    """The characters that readers of addresses disagree on, in every order."""
    target = find_target(origin + "".join(pieces), SITE, APPLICATIONS)
    assert urljoin(WIKI_ORIGIN, target.target).startswith(f"{WIKI_ORIGIN}/")
    assert urlsplit(address_of(target, SITE)).netloc in {
        urlsplit(our).netloc for our in OUR_ORIGINS
    }


@given(st.from_regex(r"/[!-~]{0,30}(\?[!-~]{0,30})?", fullmatch=True))
def test_every_page_that_the_edge_knows_is_found_again(asked: str) -> None:
    """What the edge has normalised and asks to come back to is not lost on the way."""
    normal = normalise_target(asked.encode())
    wire = normal.wire.decode() if normal else "//"
    assume(not wire.startswith(("//", RESERVED_PREFIX)) and "#" not in wire)
    found = find_target(WIKI_ORIGIN + wire, SITE, APPLICATIONS)
    assert found == ApplicationTarget(APPLICATIONS["wiki"], wire)


@given(st.from_regex(r"/[a-z%0-9&=+;/]{0,20}\?[!-~]{0,20}", fullmatch=True))
def test_the_ticket_carries_the_target_whole(target: str) -> None:
    """What the edge reads out of the address is the target that the ticket was made for."""
    address = enter_address(ApplicationTarget(APPLICATIONS["wiki"], target), SITE, "T")
    query = parse_qs(urlsplit(address).query, strict_parsing=True)
    assert query == {"ticket": ["T"], "to": [target]}
