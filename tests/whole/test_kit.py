"""A kit as `kit build` makes it, in a real Firefox, with the primary password typed."""

import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.whole.applications import Applications
from tests.whole.conftest import put_behind
from tests.whole.desktop import Desktop, desktop
from tests.whole.firefox import Firefox, driven, find_firefox
from tests.whole.people import Person
from tests.whole.sites import HOST, PASSWORD, LiveSite, wait_for

PRIMARY = "cavallo batteria graffetta"
ASKED = "Password Required"
WIKI, CHAT = f"wiki.{HOST}", f"chat.{HOST}"
PAGE_WITHIN = 30.0
ENDED_WITHIN = 30.0
BROWSER = Path("/usr/lib/firefox-esr")
"""Where Debian keeps the program itself."""

# As a person sees it: without what Marionette sets for tests; and on a port of its own.
SEEN = {"remote.prefs.recommended": False, "marionette.port": 0}
CLIENT_AUTH = "chrome://pippki/content/clientauthask.xhtml"
DIALOGS = """
return [...Services.wm.getEnumerator(null)].flatMap((window) =>
  [...window.document.querySelectorAll("browser")].map((one) => one.currentURI?.spec))
"""
# As an address that somebody types; it does not wait for the page, before which there may be a question.
TYPED = """
gBrowser.fixupAndLoadURIString(arguments[0], {
  triggeringPrincipal: Services.scriptSecurityManager.getSystemPrincipal(),
});
"""
AGREE = """
for (const window of Services.wm.getEnumerator(null))
  for (const one of window.document.querySelectorAll("browser"))
    if (one.currentURI?.spec == arguments[0])
      one.contentDocument.querySelector("dialog").acceptDialog();
"""
ECHO = """
const [address, done] = arguments;
const chat = new WebSocket(address, ["echo.v1"]);
chat.onopen = () => chat.send("ciao");
chat.onmessage = (message) => { done(message.data); chat.close() };
chat.onerror = () => done("none");
"""


@pytest.fixture(scope="module")
def screen() -> Iterator[Desktop]:
    """Run one desktop for all of these tests."""
    find_firefox()
    with desktop() as screen:
        yield screen


def build(site: LiveSite, person: Person, folder: Path, *words: str) -> Path:
    """Build a kit by the command, and move it as a person would, to a path such as people have."""
    made = folder / "kit"
    site.command(
        *("kit", "build", person.user, "--out", str(made), "--password-stdin", *words),
        stdin=f"{PRIMARY}\n",
    )
    stick = folder / "la chiavetta di Zoë è questa"
    shutil.copytree(made, stick)
    shutil.rmtree(made)
    let_drive(stick)
    return stick


def let_drive(stick: Path) -> None:
    """Let the browser of a kit be driven."""
    with (stick / "profile" / "prefs.js").open("a", encoding="ascii") as prefs:
        for name, value in SEEN.items():
            prefs.write(f"user_pref({json.dumps(name)}, {json.dumps(value)});\n")


@contextmanager
def started(
    stick: Path, screen: Desktop, home: Path, *before: str
) -> Iterator["subprocess.Popen[bytes]"]:
    """Start the kit in *stick* by its launcher; *before* are words before those of the shell."""
    home.mkdir(exist_ok=True)
    with (home / "said").open("ab") as said:
        process = subprocess.Popen(
            [
                *(*before, "sh", str(stick / "start-linux.sh")),
                *("--marionette", "--remote-allow-system-access"),
            ],
            env=screen.environment(HOME=str(home), TMPDIR=str(home), LANG="C.UTF-8"),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, 9)
                process.wait()


def unlock(screen: Desktop, password: str = PRIMARY) -> None:
    """Type the primary password, as it is asked for."""
    screen.type_into(screen.wait_for_window(ASKED), password)


def arrive(fox: Firefox, address: str) -> None:
    """Wait for an address to be shown."""
    wait_for(f"{address} in Firefox", lambda: fox.url == address, within=PAGE_WITHIN)


def sign_in(fox: Firefox, person: Person) -> None:
    """Fill in the portal's page."""
    fox.run(
        "document.querySelector('#password').value = arguments[0];"
        "document.querySelector('#code').value = arguments[1];"
        "document.querySelector('button').click()",
        PASSWORD,
        person.code(),
    )


@pytest.mark.timeout(120)
def test_a_kit_asks_for_the_password_and_for_nothing_else(
    site: LiveSite, applications: Applications, anna: Person, screen: Desktop, tmp_path: Path
) -> None:
    """Portal, application and WebSocket; and all of it again at the next start, with no traces."""
    stick = build(site, anna, tmp_path, "--device", "stick-2")
    profile = stick / "profile"
    with started(stick, screen, tmp_path / "home") as process:
        unlock(screen)
        with driven(profile, at_once=False) as fox:
            arrive(fox, site.portal("/sign-in"))
            assert "stick-2" in fox.text
            sign_in(fox, anna)
            arrive(fox, site.portal())
            fox.go(site.url(WIKI, "/from-a-stick"))
            assert applications.wiki.last("/from-a-stick").values("X-Forwarded-User")
            fox.go(site.url(CHAT))
            address = site.url(CHAT, "/socket").replace("https:", "wss:")
            assert fox.wait_for(ECHO, address) == "ciao"
            assert not is_asked(fox)
        process.wait(ENDED_WITHIN)
    with closing(sqlite3.connect(profile / "cookies.sqlite")) as base:
        assert base.execute("SELECT count(*) FROM moz_cookies").fetchone() == (0,)
    with closing(sqlite3.connect(profile / "places.sqlite")) as base:
        places = [url for (url,) in base.execute("SELECT url FROM moz_places")]
    assert [url for url in places if HOST in url] == [site.portal()], "the bookmark alone"
    left = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert not [path for path in left if HOST.encode() in path.read_bytes()]
    site.command("kit", "verify", str(stick))
    with started(stick, screen, tmp_path / "home"):
        unlock(screen)
        with driven(profile) as fox:
            arrive(fox, site.portal("/sign-in"))


@pytest.mark.timeout(120)
def test_a_wrong_password_is_asked_for_again_and_none_shows_no_certificate(
    site: LiveSite, anna: Person, screen: Desktop, tmp_path: Path
) -> None:
    """Whoever cancels sees the page that says so, and no more; the next start asks again."""
    stick = build(site, anna, tmp_path, "--key-type", "rsa3072")
    with started(stick, screen, tmp_path / "home"):
        first = screen.wait_for_window(ASKED)
        screen.type_into(first, "not the primary password")
        again = wait_for(
            "the password to be asked for again",
            lambda: [one for one in screen.windows(ASKED) if one != first],
            within=PAGE_WITHIN,
        )
        screen.press(again[0], "Escape")
        with driven(stick / "profile") as fox:
            wait_for("the page", lambda: "no-certificate" in fox.text, within=PAGE_WITHIN)
            assert "anna" not in fox.text
    with started(stick, screen, tmp_path / "home"):
        unlock(screen)
        with driven(stick / "profile") as fox:
            arrive(fox, site.portal("/sign-in"))


@pytest.mark.timeout(120)
def test_a_stick_that_came_back_opens_with_its_new_certificate(
    site: LiveSite, anna: Person, screen: Desktop, tmp_path: Path
) -> None:
    """After the old one was revoked; with no question about which, for there is one."""
    stick, password = build(site, anna, tmp_path, "--device", "rossa"), "una password nuova"
    with started(stick, screen, tmp_path / "home"):
        unlock(screen)
        with driven(stick / "profile") as fox:
            arrive(fox, site.portal("/sign-in"))
    words = ("kit", "renew", str(stick), "--overlap", "0d", "--password-stdin", "--json")
    new = site.command(*words, stdin=f"{password}\n").json()
    site.wait_for_audit(kind="certificate-revoked", serial=new["renewed"]["serial"])
    let_drive(stick)
    with started(stick, screen, tmp_path / "home"):
        unlock(screen, password)
        with driven(stick / "profile") as fox:
            arrive(fox, site.portal("/sign-in"))
            assert "rossa" in fox.text


# Run in a mount namespace of its own: the first word is the stick, the others what is started on it.
LOCKED = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
FULL = """
mkdir "$0.copy" && cp -R "$0/." "$0.copy" && mount -t tmpfs -o size=1m none "$0" &&
  cp -R "$0.copy/." "$0" && exec "$@"
"""


@pytest.mark.timeout(120)
@pytest.mark.parametrize("mount", [LOCKED, FULL], ids=["locked", "full"])
def test_a_stick_that_cannot_be_written_works_on_a_copy(
    site: LiveSite, anna: Person, screen: Desktop, tmp_path: Path, mount: str
) -> None:
    """The launcher says so, and the copy is gone when the browser has ended."""
    stick, home = build(site, anna, tmp_path, "--key-type", "p384"), tmp_path / "home"
    before = {path: path.stat().st_mtime_ns for path in stick.rglob("*")}
    words = ("unshare", "--mount", "--propagation", "private", "sh", "-c", mount)
    locked = (*words, str(stick))
    ran = subprocess.run(
        [*words[:-1], LOCKED, str(stick), "true"], capture_output=True, check=False, timeout=30
    )
    if ran.returncode != 0:
        pytest.skip("no mount namespace can be made here, and a stick must be locked in one")
    with started(stick, screen, home, *locked) as process:
        unlock(screen)
        (copy,) = home.glob("pusterla.*")
        with driven(copy / "profile", at_once=False) as fox:
            arrive(fox, site.portal("/sign-in"))
        process.wait(ENDED_WITHIN)
    assert not copy.exists()
    assert "cannot be written" in (home / "said").read_text()
    assert {path: path.stat().st_mtime_ns for path in stick.rglob("*")} == before


@pytest.mark.timeout(180)
def test_a_bundled_browser_opens_the_site_and_nothing_else(
    site: LiveSite, anna: Person, screen: Desktop, tmp_path: Path
) -> None:
    """It is the stick's own; an application that came later is asked about, once and for all."""
    if not (BROWSER / "application.ini").exists():
        pytest.skip(f"no {BROWSER} here: not Debian's Firefox")
    stick = build(site, anna, tmp_path, "--browser", str(BROWSER))
    assert not any(path.is_symlink() for path in stick.rglob("*"))
    later = f"later-{anna.user}"
    put_behind(site, **{later: "http://127.0.0.1:9"})
    address = site.url(f"{later}.{HOST}")
    for start in ("first", "second"):
        with started(stick, screen, tmp_path / "home"):
            unlock(screen)
            with driven(stick / "profile", at_once=False) as fox:
                arrive(fox, site.portal("/sign-in"))
                program = fox.inside("return Services.dirsvc.get('XREExeF', Ci.nsIFile).path")
                assert Path(program) == stick / "browser" / "firefox-esr"
                for outside in (f"https://localhost:{site.port}/", "https://example.com/"):
                    fox.inside(TYPED, outside)
                    wait_for("the fence", partial(is_blocked, fox, outside), within=PAGE_WITHIN)
                fox.inside(TYPED, address)
                if start == "first":
                    wait_for("the question", partial(is_asked, fox), within=PAGE_WITHIN)
                    fox.inside(AGREE, CLIENT_AUTH)
                wait_for("the page", lambda: f"{later}.{HOST}" in fox.url, within=PAGE_WITHIN)
                assert not is_asked(fox)


def is_blocked(fox: Firefox, address: str) -> bool:
    """Say whether the browser's policy keeps it from showing *address*."""
    shown = str(fox.run("return document.documentURI"))
    return "blockedByPolicy" in shown and quote(address) in shown


def is_asked(fox: Firefox) -> bool:
    """Say whether the browser asks which certificate to show."""
    return CLIENT_AUTH in fox.inside(DIALOGS)
