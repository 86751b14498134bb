"""The public host asks for no certificate, and opens nothing that one would open."""

from pathlib import Path

import pytest

from tests.whole.applications import Applications
from tests.whole.guests import HTML, Guest
from tests.whole.sites import HOST, PUBLIC_HOST, LiveSite
from tests.whole.tls import VERSIONS, shake_hands
from tests.whole.wire import Wire

WIKI = f"wiki.{HOST}"


@pytest.mark.parametrize("version", VERSIONS)
def test_only_the_public_host_asks_for_no_certificate(site: LiveSite, version: str) -> None:
    """openssl sees a CertificateRequest under every name but that one, and in no other case."""
    public = shake_hands(site, PUBLIC_HOST, version)
    assert (public.asks_for_a_certificate, public.status) == (False, 200)
    for name in (HOST, WIKI, f"nobody.{HOST}", "elsewhere.example"):
        asked = shake_hands(site, name, version, "-verify_hostname", HOST)
        assert (asked.asks_for_a_certificate, asked.status) == (True, 403), name


@pytest.mark.parametrize("version", VERSIONS)
def test_browsers_are_told_whose_certificates_are_taken(site: LiveSite, version: str) -> None:
    """The CertificateRequest names our CAs, so that browsers offer no others."""
    _, _, names = shake_hands(site, HOST, version).text.partition("client certificate CA names")
    assert names.splitlines()[1:3] == [
        "DC = localhost, DC = pusterla, CN = pusterla.localhost Issuing CA 1",
        "DC = localhost, DC = pusterla, CN = pusterla.localhost Root CA",
    ]


@pytest.mark.parametrize("version", VERSIONS)
def test_no_session_can_be_resumed(site: LiveSite, version: str, tmp_path: Path) -> None:
    """No tickets are given: who resumed a session without a certificate would stay without."""
    saved = tmp_path / "session"
    first = shake_hands(site, HOST, version, "-sess_out", str(saved))
    assert first.status == 403
    assert "NewSessionTicket" not in first.text
    if saved.exists():
        again = shake_hands(site, HOST, version, "-sess_in", str(saved))
        assert "Reused, TLS" not in again.text
        assert again.asks_for_a_certificate


def test_tls_1_1_is_not_spoken(site: LiveSite) -> None:
    """Versions before 1.2 are refused with an alert."""
    old = shake_hands(site, HOST, "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0")
    assert old.alert == "protocol_version"


def test_the_certificate_holds_for_every_host_of_the_site(site: LiveSite) -> None:
    """openssl verifies chain and name of the portal, an application and the public host."""
    for name in (HOST, WIKI, PUBLIC_HOST):
        seen = shake_hands(site, name, "-tls1_3", "-verify_hostname", name)
        assert "Verification: OK" in seen.text, seen.text
        assert f"Verified peername: {name}" in seen.text or "Verified peername: *." in seen.text


@pytest.mark.parametrize("path", ["/", "/crl/issuing-1.crl", "/ca/issuing-1.crt"])
def test_what_is_public_is_had_without_a_certificate(
    site: LiveSite, guests: Path, path: str
) -> None:
    """Help, revocation list and CA certificate answer to anybody."""
    guest = Guest(site, None, guests)
    answer = guest.get(site.url(PUBLIC_HOST, path), *HTML)
    assert answer.status == 200
    if path != "/":
        assert guest.get(site.plain(path)).body == answer.body


@pytest.mark.parametrize(
    "path", ["/sign-in", "/sign-out", "/continue", "/signed-out", "/.pusterla/enter"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_nothing_of_the_portal_is_on_the_public_host(
    site: LiveSite, guests: Path, path: str, method: str
) -> None:
    """There is no sign-in where no certificate is asked for."""
    answer = Guest(site, None, guests).get(site.url(PUBLIC_HOST, path), *HTML, "-X", method)
    assert answer.status == 404
    assert answer.values("Set-Cookie") == []


def test_a_connection_of_the_public_host_serves_nothing_else(
    site: LiveSite, applications: Applications, inside: Guest
) -> None:
    """Another Host over it gets 421 and the end, certificate and cookie in hand or not."""
    for stick in (None, inside.stick):
        for host in (WIKI, HOST, f"{WIKI}:{site.port}"):
            name = host.partition(":")[0]
            with (
                applications.untouched(),
                Wire(site, host, stick, server_name=PUBLIC_HOST) as wire,
            ):
                reply = wire.ask("GET", "/", inside.cookie_field(name))
                assert (reply.status, reply.values("connection")) == (421, ["close"])
                assert wire.closed_within(5)


def test_plain_http_serves_revocation_lists_and_the_way_to_https(
    site: LiveSite, applications: Applications, inside: Guest, guests: Path
) -> None:
    """Every other path is sent to https, for hosts of this site; nothing else is answered."""
    guest = Guest(site, None, guests)
    with applications.untouched():
        for host in (HOST, WIKI, PUBLIC_HOST):
            answer = guest.get(site.plain("/a/page?x=1", host), "-X", "POST", "-d", "secret=1")
            assert answer.status == 308
            assert answer.value("Location") == site.url(host, "/a/page?x=1")
        cookie = ("-H", ": ".join(inside.cookie_field(WIKI)))
        assert guest.get(site.plain("/", WIKI), *cookie).status == 308
        for host in ("evil.example", f"nobody.{HOST}"):
            answer = guest.get(site.plain("/", host))
            assert (answer.status, answer.values("Location")) == (404, [])
