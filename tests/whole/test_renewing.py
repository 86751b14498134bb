"""A certificate that its person renews at the portal: on the stick, and in a file."""

import os
import re
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.whole.applications import Applications
from tests.whole.browser import PASSPHRASE, Home, browser, find_namespace
from tests.whole.conftest import put_behind
from tests.whole.desktop import Desktop
from tests.whole.firefox import Firefox, driven
from tests.whole.guests import HTML, Answer, Guest, signed_in
from tests.whole.people import Person, add_person, write_stick
from tests.whole.sites import HOST, PASSWORD, LiveSite, make_site, running, wait_for
from tests.whole.test_kit import (
    ENDED_WITHIN,
    PAGE_WITHIN,
    PRIMARY,
    arrive,
    build,
    is_asked,
    let_drive,
    screen,
    sign_in,
    started,
    unlock,
)

__all__ = ["screen"]

WIKI = f"wiki.{HOST}"
OVERLAP = 45
SAVE_TO = """
Services.prefs.setBoolPref("browser.download.useDownloadDir", true);
Services.prefs.setIntPref("browser.download.folderList", 2);
Services.prefs.setStringPref("browser.download.dir", arguments[0]);
"""
FILL_IN = """
document.querySelector(`[name=way][value=${arguments[2]}]`).click();
document.querySelector('#password').value = arguments[0];
document.querySelector('#code').value = arguments[1];
document.querySelector('form[action="/renewal"] button').click();
"""


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory, applications: Applications
) -> Iterator[LiveSite]:
    """Run a site where everything may be renewed at any time, and the old one ends soon after."""
    site = make_site(
        tmp_path_factory.mktemp("renewing") / "site",
        settings=[("renew_before", '"825d"'), ("overlap", f'"{OVERLAP}s"')],
    )
    put_behind(site, wiki=applications.wiki.upstream)
    with running(site):
        yield site


@pytest.fixture
def anna(site: LiveSite) -> Person:
    """Add a person who may use every application."""
    return add_person(site, "anna")


def fresh_code(person: Person) -> str:
    """Wait for a code that *person* has not used yet."""

    def look() -> str | None:
        try:
            return person.code()
        except AssertionError:
            return None

    return wait_for("another code", look, within=60.0)


def wait_until_shown(site: LiveSite, serial: str) -> None:
    """Wait until the page of the sign-in was asked for with the certificate *serial*."""

    def look() -> bool:
        lines = [line for line in site.access_lines() if line["target"] == "/sign-in"]
        return serial in {line.get("serial") for line in lines}

    wait_for(f"the sign-in with {serial}", look)


@pytest.mark.timeout(300)
def test_a_stick_is_renewed_by_its_person(
    site: LiveSite, applications: Applications, anna: Person, screen: Desktop, tmp_path: Path
) -> None:
    """Saved beside the launchers, taken in at the next start; after the overlap all goes on."""
    stick = build(site, anna, tmp_path, "--device", "stick-2")
    profile, home = stick / "profile", tmp_path / "home"
    with started(stick, screen, home) as process:
        unlock(screen)
        with driven(profile, at_once=False) as fox:
            arrive(fox, site.portal("/sign-in"))
            sign_in(fox, anna)
            arrive(fox, site.portal())
            old = site.wait_for_audit(kind="signed-in", user=anna.user).serial
            saved = renew(fox, site, anna, stick)
        process.wait(ENDED_WITHIN)
    first, new = site.command("cert", "show", old, "--json").json()["chain"]
    assert first == old
    with started(stick, screen, home) as process:
        unlock(screen)
        with driven(profile, at_once=False) as fox:
            arrive(fox, site.portal("/sign-in"))
            assert not saved.exists()
            wait_until_shown(site, new)
            sign_in_again(fox, anna)
            arrive(fox, site.portal())
            site.wait_for_audit(kind="signed-in", serial=new)
            wait_for(
                "the end of the overlap",
                lambda: site.find_audit(kind="certificate-revoked", serial=old),
                within=OVERLAP + 30.0,
            )
            fox.go(site.url(WIKI, "/after-the-overlap"))
            assert applications.wiki.last("/after-the-overlap").values("X-Forwarded-User")
            assert not is_asked(fox)
        process.wait(ENDED_WITHIN)
    assert "new certificate is on the stick" in (home / "said").read_text()
    site.command("kit", "verify", str(stick))
    words = ("kit", "renew", str(stick), "--overlap", "0d", "--password-stdin", "--json")
    last = site.command(*words, stdin=f"{PRIMARY}\n").json()
    assert last["renewed"]["serial"] == new
    let_drive(stick)
    with started(stick, screen, home):
        unlock(screen)
        with driven(profile) as fox:
            arrive(fox, site.portal("/sign-in"))
            wait_until_shown(site, last["serial"])


def renew(fox: Firefox, site: LiveSite, person: Person, stick: Path) -> Path:
    """Renew in the portal, and save the file on the stick; return where."""
    saved = stick / "renewal.tar"
    # As somebody would choose it in the dialog of the system.
    fox.inside(SAVE_TO, str(stick))
    fox.go(site.portal("/renewal"))
    fox.run(FILL_IN, PASSWORD, fresh_code(person), "same-key")
    wait_for("the file", partial(is_there, fox), within=PAGE_WITHIN)
    fox.run("document.querySelector('a[download]').click()")
    wait_for("the download", lambda: saved.exists() and saved.stat().st_size, within=PAGE_WITHIN)
    return saved


def is_there(fox: Firefox) -> bool:
    """Say whether there is something to save."""
    return bool(fox.run("return document.querySelector('a[download]') !== null"))


def sign_in_again(fox: Firefox, person: Person) -> None:
    """Sign in with the next code."""
    code = fresh_code(person)
    fox.run(
        "document.querySelector('#password').value = arguments[0];"
        "document.querySelector('#code').value = arguments[1];"
        "document.querySelector('button').click()",
        PASSWORD,
        code,
    )


def token_in(page: str) -> str:
    """Return what the form of a page carries."""
    found = re.search(r'name="token" value="([^"]+)"', page)
    assert found is not None, page
    return found[1]


def submit(guest: Guest, path: str, **fields: str) -> Answer:
    """Send a form of the portal."""
    options = [part for name, value in fields.items() for part in ("-d", f"{name}={quote(value)}")]
    return guest.get(guest.site.portal(path), *HTML, *options)


def ask_for_a_file(guest: Guest, person: Person) -> Answer:
    """Renew into a file, with password and code."""
    return submit(
        guest,
        "/renewal",
        user=person.user,
        password=PASSWORD,
        code=fresh_code(person),
        way="new-key",
    )


@pytest.mark.timeout(180)
def test_a_file_with_a_new_key_outlives_an_authority_that_is_killed(
    site: LiveSite, anna: Person, guests: Path, tmp_path: Path
) -> None:
    """The page says that nobody signs; the next authority does, and a real browser takes the file."""
    find_namespace()
    guest = signed_in(site, anna, guests)
    authority = site.processes()["authority"]
    os.kill(authority, signal.SIGSTOP)
    page = ask_for_a_file(guest, anna)
    assert "not signed yet" in page.text
    token = token_in(page.text)
    os.kill(authority, signal.SIGKILL)

    def signed() -> str | None:
        text = submit(guest, "/renewal/key", token=token, look="yes").text
        return text if "not signed yet" not in text else None

    wait_for("the next authority", signed, within=30.0)
    fields = {"token": token, "new": PASSPHRASE, "again": PASSPHRASE, "for": "modern"}
    file = submit(guest, "/renewal/key", **fields)
    assert file.value("Content-Type") == "application/x-pkcs12"
    again = submit(guest, "/renewal/key", **fields)
    assert again.status == 403
    bundle = tmp_path / "anna.p12"
    bundle.write_bytes(file.body)
    old, new = site.command("cert", "show", anna.stick.serial, "--json").json()["chain"]
    assert old == anna.stick.serial
    home = Home(site, tmp_path / "home")
    home.take(bundle)
    with browser(home, tmp_path / "browser", "en") as chromium:
        chromium.go(site.portal())
        assert chromium.url == site.portal("/sign-in")
        wait_until_shown(site, new)
    # Nobody has signed in with it: what did not arrive is made anew, and revoked.
    ask_for_a_file(guest, anna)
    assert site.command("cert", "show", new, "--json").json()["state"] == "revoked"


@pytest.mark.timeout(120)
def test_whoever_is_shown_the_superseded_one_is_told_how_to_choose(
    site: LiveSite, anna: Person, guests: Path
) -> None:
    """After the new one is used and the overlap over it opens nothing; its page says what to do."""
    guest = signed_in(site, anna, guests)
    submit(
        guest,
        "/renewal",
        user=anna.user,
        password=PASSWORD,
        code=fresh_code(anna),
        way="same-key",
    )
    assert "Your new certificate is ready" in guest.visit(site.portal("/renewal")).text
    # As long as nobody has used the new one, the old one goes on.
    pem = guest.get(site.portal("/renewal/certificate.pem")).body
    key = load_pem_private_key(anna.stick.file.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    stick = write_stick(site, x509.load_pem_x509_certificate(pem), key)
    answer = Guest(site, stick, guests).submit(anna, "", code=fresh_code(anna))
    assert (answer.status, answer.url) == (200, site.portal()), answer.text
    wait_for(
        "the end of the overlap",
        lambda: site.find_audit(kind="certificate-revoked", serial=anna.stick.serial),
        within=OVERLAP + 30.0,
    )
    refused = guest.get(site.portal("/renewal"), *HTML)
    assert refused.status == 403
    assert "renewal.tar" in refused.text
    assert "Authentication Decisions" in refused.text
