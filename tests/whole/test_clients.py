"""Programs that people use, with applications that they use them for: git, WebDAV, curl."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from urllib.request import urlopen
from xml.etree.ElementTree import fromstring

import pytest

from tests.whole.conftest import put_behind
from tests.whole.githost import GitHost, git_host
from tests.whole.guests import Guest
from tests.whole.people import Person
from tests.whole.recorder import BLOB
from tests.whole.sites import HOST, LiveSite, free_ports, wait_for

GIT, FILES, WIKI = f"git.{HOST}", f"files.{HOST}", f"wiki.{HOST}"
DAV = "{DAV:}"
STARTED_WITHIN = 20.0
_VISITS = 12


def opened(site: LiveSite, guest: Guest, host: str) -> None:
    """Wait until *host* is served, and take up the session of *guest* there."""
    mark = site.url(host, "/open-me")

    # The application says that there is no such page. By one worker, that is: the other looks at
    # the files at moments of its own, and which of them is asked is left to chance.
    def served() -> bool:
        return all(guest.visit(mark).status == HTTPStatus.NOT_FOUND for _ in range(_VISITS))

    wait_for(f"{host} to be served by every worker", served)


# git ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def host(
    site: LiveSite, inside: Guest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GitHost]:
    """Serve an empty repository behind the gateway."""
    root = tmp_path_factory.mktemp("repositories")
    run_git(root, "init", "--quiet", "--bare", "-b", "main", "work.git")
    run_git(root / "work.git", "config", "http.receivepack", "true")
    with git_host(root) as host:
        put_behind(site, git=host.upstream)
        opened(site, inside, GIT)
        yield host


def run_git(folder: Path, *arguments: str, status: int = 0) -> str:
    """Run git in *folder*, without what this machine says of it, and expect exit *status*."""
    ran = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_AUTHOR_NAME": "Anna",
            "GIT_AUTHOR_EMAIL": "anna@example.it",
            "GIT_COMMITTER_NAME": "Anna",
            "GIT_COMMITTER_EMAIL": "anna@example.it",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == status, f"git {arguments}: {ran.returncode}\n{ran.stdout}{ran.stderr}"
    return ran.stdout + ran.stderr


def way_in(guest: Guest, *, cookie: bool = True) -> list[str]:
    """Return the settings with which git gets past the gateway: the certificate, the session."""
    assert guest.stick is not None
    settings = {
        "http.sslCert": str(guest.stick.file),
        "http.sslKey": str(guest.stick.file),
        "http.sslCAInfo": str(guest.site.folder.root_certificate),
        "http.curloptResolve": f"{GIT}:{guest.site.port}:127.0.0.1",
    }
    if cookie:
        settings["http.extraHeader"] = ": ".join(guest.cookie_field(GIT))
    return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]


@pytest.mark.parametrize("buffer", [4096, 64 * 1024 * 1024], ids=["chunked", "length"])
def test_git_pushes_clones_and_fetches(
    site: LiveSite, host: GitHost, inside: Guest, resident: Person, tmp_path: Path, buffer: int
) -> None:
    """Large packs arrive whole in both directions, in chunks and by their length."""
    way, address = way_in(inside), site.url(GIT, "/work.git")
    branch = f"branch-{buffer}"
    host.framings.clear()
    run_git(tmp_path, "init", "--quiet", "-b", branch, "mine")
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    (mine / "large").write_bytes(BLOB[: 5 * 1024 * 1024])
    run_git(mine, "add", "large")
    run_git(mine, "commit", "--quiet", "-m", "A large file")
    run_git(mine, *way, "-c", f"http.postBuffer={buffer}", "push", "--quiet", address, branch)
    run_git(tmp_path, *way, "clone", "--quiet", "-b", branch, address, "theirs")
    assert (theirs / "large").read_bytes() == (mine / "large").read_bytes()
    (mine / "small").write_text("and more\n")
    run_git(mine, "add", "small")
    run_git(mine, "commit", "--quiet", "-m", "A small file")
    run_git(mine, *way, "push", "--quiet", address, branch)
    run_git(theirs, *way, "pull", "--quiet")
    assert (theirs / "small").read_text() == "and more\n"
    assert run_git(theirs, "fsck", "--full", "--strict").strip() in {"", "notice: HEAD points to"}
    assert host.users == {resident.user}
    assert ("chunked" in host.framings) is (buffer == 4096)


def test_git_without_a_session_is_told_so(
    site: LiveSite, host: GitHost, inside: Guest, tmp_path: Path
) -> None:
    """401, and no password of git's own is asked for."""
    host.users.clear()
    way, address = way_in(inside, cookie=False), site.url(GIT, "/work.git")
    run_git(tmp_path, *way, "clone", "--quiet", address, "theirs", status=128)
    assert host.users == set()


# WebDAV ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Share:
    """A file server's folder, and where it is served."""

    folder: Path
    port: int


@pytest.fixture(scope="module")
def share(
    site: LiveSite, inside: Guest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Share]:
    """Run copyparty behind the gateway."""
    folder = tmp_path_factory.mktemp("share")
    (port,) = free_ports(1)
    share = Share(folder / "files", port)
    share.folder.mkdir()
    with copyparty(share, folder):
        put_behind(site, files=f"http://127.0.0.1:{port}")
        opened(site, inside, FILES)
        yield share


@contextmanager
def copyparty(share: Share, home: Path) -> Iterator[None]:
    """Run it until the block ends; it knows people by the gateway's header."""
    options = (
        "-q --http-only --rproxy 1 --xff-src 127.0.0.1/32 --idp-store 0 --no-bauth --daw "
        "--idp-h-usr x-forwarded-user --idp-h-grp x-forwarded-groups "
        "--ban-403 no --ban-404 no --ban-422 no --ban-url no --ban-pw no -i 127.0.0.1"
    )
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-P", "-m", "copyparty", *options.split()),
                *("-p", str(share.port), "--hist", str(home / "hist")),
                *("-v", f"{share.folder}::rwmd,@acct"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=home,
            env={"HOME": str(home), "XDG_CONFIG_HOME": str(home), "PATH": "/usr/bin:/bin"},
            start_new_session=True,
        )
        try:
            wait_for("copyparty", lambda: _answers(share.port), within=STARTED_WITHIN)
            yield
        finally:
            process.terminate()
            process.wait(10)


def _answers(port: int) -> bool:
    try:
        with closing(urlopen(f"http://127.0.0.1:{port}/?reset", timeout=5)):
            return True
    except OSError as error:
        return hasattr(error, "code")


def names_in(body: bytes) -> set[str]:
    """Return the addresses in a 207 Multi-Status (RFC 4918, section 13)."""
    return {href.text or "" for href in fromstring(body).iter(f"{DAV}href")}  # noqa: S314 - ours


def test_webdav_makes_moves_and_lists(site: LiveSite, inside: Guest, share: Share) -> None:
    """MKCOL, PUT, PROPFIND, MOVE and DELETE, by a real server, on real files."""

    def dav(method: str, path: str, *options: str) -> tuple[int, bytes]:
        answer = inside.get(site.url(FILES, path), "-X", method, *options)
        return answer.status, answer.body

    assert dav("MKCOL", "/box")[0] == 201
    assert inside.get(site.url(FILES, "/box/a"), "-T", _file(share, b"hello")).status == 201
    assert (share.folder / "box/a").read_bytes() == b"hello"
    status, listed = dav("PROPFIND", "/box/", "-H", "Depth: 1")
    assert (status, names_in(listed)) == (207, {"/box/", "/box/a"})
    to = site.url(FILES, "/box/b")
    assert dav("MOVE", "/box/a", "-H", f"Destination: {to}")[0] == 201
    assert {path.name for path in (share.folder / "box").iterdir()} == {"b"}
    assert dav("GET", "/box/b") == (200, b"hello")
    assert dav("COPY", "/box/b", "-H", f"Destination: {site.url(FILES, '/box/d')}")[0] == 201
    assert (share.folder / "box/d").read_bytes() == b"hello"
    assert dav("DELETE", "/box/b")[0] in {200, 204}
    assert not (share.folder / "box/b").exists()
    assert dav("OPTIONS", "/box/")[0] in {200, 204}
    status, locked = dav("LOCK", "/box/c", "-d", LOCK)
    assert status == 201
    assert b"locktoken" in locked
    assert dav("UNLOCK", "/box/c", "-H", "Lock-Token: <x>")[0] == 204


LOCK = (
    '<?xml version="1.0" encoding="utf-8"?><D:lockinfo xmlns:D="DAV:">'
    "<D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype>"
    "<D:owner><D:href>anna</D:href></D:owner></D:lockinfo>"
)


def _file(share: Share, content: bytes) -> str:
    path = share.folder.parent / "to-send"
    path.write_bytes(content)
    return str(path)


def test_ranges_of_a_file_come_as_they_are_asked_for(
    site: LiveSite, inside: Guest, share: Share
) -> None:
    """206 with its Content-Range, 416 behind the end, and a download that is taken up again."""
    content = BLOB[: 3 * 1024 * 1024]
    (share.folder / "large").write_bytes(content)
    url = site.url(FILES, "/large")
    part = inside.get(url, "-r", "1000-1999")
    assert (part.status, part.body) == (206, content[1000:2000])
    assert part.value("content-range") == f"bytes 1000-1999/{len(content)}"
    assert inside.get(url, "-r", "-10").body == content[-10:]
    assert inside.get(url, "-r", f"{len(content)}-").status == 416
    unchanged = inside.get(url, "-H", f"If-Modified-Since: {part.value('last-modified')}")
    assert (unchanged.status, unchanged.body) == (304, b"")
    assert inside.get(url).body == content


# curl -----------------------------------------------------------------------


def uploaded(answer_body: bytes, content: bytes) -> bool:
    """Say whether the application has got *content*."""
    report = json.loads(answer_body)
    return bool(report["sha256"] == sha256(content).hexdigest())


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("-H", "Expect: 100-continue"),
        ("-H", "Expect:"),
        ("-H", "Transfer-Encoding: chunked"),
        ("-H", "Transfer-Encoding: chunked", "-H", "Expect: 100-continue"),
        ("--http1.0",),
        ("--limit-rate", "2M"),
        ("--compressed",),
    ],
    ids=["plain", "expect", "no-expect", "chunked", "chunked-expect", "1.0", "slow", "compressed"],
)
def test_curl_uploads_and_downloads(
    site: LiveSite, inside: Guest, tmp_path: Path, options: Sequence[str]
) -> None:
    """However curl is told to speak, every byte arrives, both ways."""
    file, content = tmp_path / "file", BLOB[: 2 * 1024 * 1024]
    file.write_bytes(content)
    answer = inside.get(site.url(WIKI, "/put"), "-T", str(file), *options)
    assert (answer.status, uploaded(answer.body, content)) == (200, True)
    if "Transfer-Encoding: chunked" not in options:
        for path in ("/bytes", "/chunked", "/until-close"):
            assert inside.get(site.url(WIKI, f"{path}?n=2000000"), *options).body == BLOB[:2000000]


def test_an_application_that_says_nothing_of_100_is_waited_for_a_second(
    site: LiveSite, inside: Guest, tmp_path: Path
) -> None:
    """curl is told to wait for long; the gateway is not."""
    file = tmp_path / "file"
    file.write_bytes(b"hello")
    begun = time.monotonic()
    answer = inside.get(
        site.url(WIKI, "/put"),
        *("-T", str(file), "-H", "Expect: 100-continue", "--expect100-timeout", "25"),
    )
    assert uploaded(answer.body, b"hello")
    assert 0.5 < time.monotonic() - begun < 10


def test_an_early_answer_reaches_a_client_that_still_uploads(
    site: LiveSite, inside: Guest, tmp_path: Path
) -> None:
    """No reset overtakes it, however much is on the way."""
    file = tmp_path / "file"
    file.write_bytes(BLOB)
    for options in ((), ("-H", "Transfer-Encoding: chunked"), ("-H", "Expect:")):
        answer = inside.get(site.url(WIKI, "/early"), "-X", "POST", "-T", str(file), *options)
        assert (answer.status, answer.body) == (200, b"early")
