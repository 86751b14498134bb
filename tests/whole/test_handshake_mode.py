"""A site that refuses in the handshake: what openssl, curl, Chromium and Firefox see of it."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from selenium.common.exceptions import WebDriverException

from tests.whole import forgeries
from tests.whole.applications import Applications
from tests.whole.browser import PASSPHRASE, Home, browser, find_namespace
from tests.whole.conftest import put_behind
from tests.whole.corp import running_corp
from tests.whole.firefox import ErrorPage, Firefox, find_firefox, firefox
from tests.whole.guests import CurlFailed, Guest, signed_in
from tests.whole.people import Person, Stick, add_person
from tests.whole.sites import HOST, PUBLIC_HOST, LiveSite, make_site, running
from tests.whole.tls import VERSIONS, shake_hands

WIKI = f"wiki.{HOST}"
NONE_BY_VERSION = {"-tls1_2": "handshake_failure", "-tls1_3": "certificate_required"}


@pytest.fixture(scope="module")
def strict(
    tmp_path_factory: pytest.TempPathFactory, applications: Applications
) -> Iterator[LiveSite]:
    """Run a site that refuses in the handshake."""
    site = make_site(
        tmp_path_factory.mktemp("strict") / "site", settings=[("certificate", '"handshake"')]
    )
    put_behind(site, wiki=applications.wiki.upstream)
    with running(site):
        yield site


@pytest.fixture
def carla(strict: LiveSite) -> Person:
    """Add a person who may use every application there."""
    return add_person(strict, "carla")


def of_somebody_revoked(site: LiveSite, user: str) -> Stick:
    """Make a good stick and revoke it."""
    stick = forgeries.ending_in(site, user, timedelta(days=1))
    site.command("cert", "revoke", "--serial", stick.serial, "--reason", "keyCompromise")
    return stick


BAD: list[tuple[Callable[[LiveSite, str], Stick], str]] = [
    (of_somebody_revoked, "certificate_revoked"),
    (forgeries.expired, "certificate_expired"),
    (forgeries.not_yet_valid, "bad_certificate"),
    (forgeries.unrecorded, "certificate_unknown"),
    (forgeries.of_another_authority, "unknown_ca"),
    (forgeries.without_client_auth, "unsupported_certificate"),
]


@pytest.mark.parametrize("version", VERSIONS)
def test_no_certificate_is_refused_in_tls(
    strict: LiveSite, applications: Applications, version: str
) -> None:
    """With the alert of that version, on every host but the public one."""
    with applications.untouched():
        for host in (HOST, WIKI, f"nothing.{HOST}"):
            seen = shake_hands(strict, host, version)
            assert (seen.alert, seen.status) == (NONE_BY_VERSION[version], None)
            assert seen.asks_for_a_certificate
        public = shake_hands(strict, PUBLIC_HOST, version)
        assert (public.alert, public.status is not None) == (None, True)
        assert not public.asks_for_a_certificate


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("make, alert", BAD)
def test_a_bad_certificate_is_refused_in_tls(
    strict: LiveSite,
    applications: Applications,
    carla: Person,
    version: str,
    make: Callable[[LiveSite, str], Stick],
    alert: str,
) -> None:
    """At first contact and ever after, with the alert that says what is wrong."""
    stick, mark = make(strict, carla.user), strict.log_size()
    with applications.untouched():
        for _ in range(3):
            seen = shake_hands(strict, WIKI, version, stick=stick)
            assert (seen.alert, seen.status) == (alert, None)
    strict.wait_for_log("127.0.0.1: handshake refused: CERTIFICATE_VERIFY_FAILED", mark)


def test_what_is_revoked_while_it_is_connected_is_refused_in_tls_afterwards(
    strict: LiveSite, applications: Applications, carla: Person, tmp_path: Path
) -> None:
    """A good one goes the whole way; then curl names the alert, and the audit log the person."""
    guest = signed_in(strict, carla, tmp_path / "guests", "wiki")
    assert guest.get(strict.url(WIKI)).status == 200
    strict.command("user", "disable", carla.user)
    with applications.untouched(), pytest.raises(CurlFailed) as failed:
        guest.get(strict.url(WIKI))
    assert "certificate revoked" in str(failed.value)
    event = strict.wait_for_audit(kind="certificate-refused", address=guest.address)
    assert (event.user, event.reason) == (carla.user, "person-disabled")
    stranger = Guest(strict, None, tmp_path / "stranger")
    with applications.untouched(), pytest.raises(CurlFailed):
        stranger.get(strict.url(WIKI))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_card_of_another_ca_is_judged_in_the_handshake(
    strict: LiveSite, applications: Applications, carla: Person, tmp_path: Path, version: str
) -> None:
    """It opens what its person may use until its CA revokes it; then, and at once, an alert."""
    with running_corp(tmp_path / "corp") as corp:
        corp.trust(strict)
        card, lost, nobody = map(corp.card, (carla.email, carla.email, "nobody@example.it"))
        guest = signed_in(strict, carla, tmp_path / "guests", "wiki", stick=card)
        assert guest.get(strict.url(WIKI, "/who")).status == 200
        assert applications.wiki.last("/who").values("X-Forwarded-User") == [carla.user]
        assert shake_hands(strict, WIKI, version, stick=card).alert is None
        for each in (card, lost):
            corp.revoke(each)
        corp.publish()
        with applications.untouched():
            strict.command("reload")
            strict.wait_for_audit(kind="certificate-revoked", serial=card.serial)
            for stick, alert in (
                (card, "certificate_revoked"),
                # Never shown before: the handshake waits until it is judged.
                (lost, "certificate_revoked"),
                (nobody, "certificate_unknown"),
            ):
                for _ in range(2):
                    seen = shake_hands(strict, WIKI, version, stick=stick)
                    assert (seen.alert, seen.status) == (alert, None)
        corp.distrust(strict)
        with applications.untouched():
            seen = shake_hands(strict, WIKI, version, stick=card)
            assert (seen.alert, seen.status) == ("unknown_ca", None)


# Browsers -------------------------------------------------------------------


def issue_bundle(site: LiveSite, person: Person, folder: Path) -> Path:
    """Issue a .p12 by the command, as an administrator does."""
    file = folder / "person.p12"
    site.command(
        *("cert", "issue", person.user, "--device", "browser", "--p12", str(file)),
        "--p12-password-stdin",
        stdin=f"{PASSPHRASE}\n",
    )
    return file


def test_chromium_shows_its_own_error(
    strict: LiveSite, applications: Applications, carla: Person, tmp_path: Path
) -> None:
    """Without a certificate, and with one that is revoked while the browser is open."""
    find_namespace()
    home = Home(strict, tmp_path / "home")
    with applications.untouched(), browser(home, tmp_path / "without", "en") as chromium:
        with pytest.raises(WebDriverException, match="ERR_BAD_SSL_CLIENT_AUTH_CERT"):
            chromium.go(strict.url(WIKI))
        chromium.picture("no-certificate")
    home.take(issue_bundle(strict, carla, tmp_path))
    with applications.untouched(), browser(home, tmp_path / "with", "en") as chromium:
        chromium.go(strict.portal())
        chromium.wait_for_url(strict.portal("/sign-in"))
        strict.command("cert", "revoke", "--user", carla.user, "--reason", "keyCompromise", "--yes")
        for host in (HOST, WIKI):
            with pytest.raises(WebDriverException, match="ERR_BAD_SSL_CLIENT_AUTH_CERT"):
                chromium.go(strict.url(host))
        chromium.picture("revoked")


def error_of(fox: Firefox, url: str) -> str:
    """Return the code of the error page that Firefox shows for *url*."""
    with pytest.raises(ErrorPage) as shown:
        fox.go(url)
    return str(shown.value)


def test_firefox_shows_its_own_error(
    strict: LiveSite, applications: Applications, carla: Person, tmp_path: Path
) -> None:
    """The same in Firefox, whose error names the alert."""
    find_firefox()
    with applications.untouched(), firefox(strict, tmp_path / "without") as fox:
        assert error_of(fox, strict.url(WIKI)) == "SSL_ERROR_RX_CERTIFICATE_REQUIRED_ALERT"
    bundle = issue_bundle(strict, carla, tmp_path)
    with applications.untouched(), firefox(strict, tmp_path / "with", bundle) as fox:
        fox.go(strict.portal())
        assert fox.url == strict.portal("/sign-in")
        strict.command("cert", "revoke", "--user", carla.user, "--reason", "keyCompromise", "--yes")
        for host in (HOST, WIKI):
            assert error_of(fox, strict.url(host)) == "SSL_ERROR_REVOKED_CERT_ALERT"


def test_firefox_reads_a_page_where_there_is_one(
    site: LiveSite, applications: Applications, anna: Person, tmp_path: Path
) -> None:
    """Where the site answers with pages: for none, and for one that is revoked."""
    find_firefox()
    with applications.untouched(), firefox(site, tmp_path / "without") as fox:
        fox.go(site.url(WIKI))
        assert "403 no-certificate" in fox.text
    bundle = issue_bundle(site, anna, tmp_path)
    with applications.untouched(), firefox(site, tmp_path / "with", bundle) as fox:
        fox.go(site.portal())
        assert fox.url == site.portal("/sign-in")
        site.command("cert", "revoke", "--user", anna.user, "--reason", "keyCompromise", "--yes")
        fox.go(site.url(WIKI))
        assert "403 certificate-revoked" in fox.text
