import asyncio
import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from ca.authority import Order
from ca.hierarchy import ISSUER_NAME
from ca.keys import KeyRing
from ca.kinds import make_key
from ca.trust import RevocationReason
from gateway.bootstrap.creation import NewSite, create_site
from gateway.bootstrap.folder import SiteFolder, clock, locate
from gateway.bootstrap.listeners import open_listeners
from gateway.bootstrap.new_agreements import add_agreement
from gateway.bootstrap.process import READY
from gateway.bootstrap.signing import open_authority
from gateway.config import read_site
from gateway.core.site import Site
from gateway.store import NewPerson, Store, open_store
from tests.issuing import issuing_key

SYSTEMD = Path(__file__).parents[2] / "deploy" / "systemd"
SITE = "var/lib/pusterla"
HOST = "pusterla.localhost"

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can start processes as other users"
)

# Imports first, for another user may not be allowed to where this Python and the project lie;
# what counts is that every file of the site is opened after the rights are gone.
AS_USER = """
import importlib, os, sys
user, group, others, module, *arguments = sys.argv[1:]
for name in (module, "aiosqlite", "sqlalchemy.dialects.sqlite.aiosqlite", "encodings.idna"):
    loaded = importlib.import_module(name)
main = importlib.import_module(module).main
os.setgroups([int(number) for number in others.split(",")])
os.setresgid(*[int(group)] * 3)
os.setresuid(*[int(user)] * 3)
os.umask(0o007)
sys.argv = [module, *arguments]
sys.exit(main())
"""
READS = """
import os, sys
user, group, others, *paths = sys.argv[1:]
os.setgroups([int(number) for number in others.split(",")])
os.setresgid(*[int(group)] * 3)
os.setresuid(*[int(user)] * 3)
for path in paths:
    try:
        with open(path, "rb") as file:
            file.read()
        print("reads")
    except PermissionError:
        print("is refused")
"""


@dataclass(frozen=True)
class Users:
    """The users that systemd-sysusers made, in files of their own."""

    numbers: dict[str, tuple[int, int]]
    shared: int

    def of(self, name: str) -> list[str]:
        """Return user, group and further groups of process *name*, as words of a command."""
        user, group = self.numbers[f"pusterla-{name}"]
        return [str(user), str(group), str(self.shared)]


def program(name: str) -> str:
    """Return a program of systemd's, or skip where it is missing."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed (it comes with systemd)")
    return found


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    """Make a folder that stands for `/`, with a site in it that `pusterla init` has made."""
    with tempfile.TemporaryDirectory(prefix="root-") as name:
        folder = Path(name)
        # pytest's own folders are closed to everybody else.
        folder.chmod(0o755)
        (folder / "etc").mkdir()
        (folder / SITE).parent.mkdir(parents=True)
        wished = NewSite(HOST, 8443, workers=1)
        asyncio.run(create_site(folder / SITE, wished, clock, print))
        yield folder


@pytest.fixture(scope="module")
def users(root: Path) -> Users:
    """Let systemd make the users, and give each what is theirs."""
    sysusers, tmpfiles = program("systemd-sysusers"), program("systemd-tmpfiles")
    files = ("pusterla.sysusers.conf", "pusterla.tmpfiles.conf")
    for command, file in ([sysusers], files[0]), ([tmpfiles, "--create"], files[1]):
        done = subprocess.run(
            [*command, f"--root={root}", str(SYSTEMD / file)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    lines = (root / "etc" / "passwd").read_text().splitlines()
    numbers = {
        name: (int(user), int(group))
        for name, _, user, group, *_ in (line.split(":") for line in lines)
    }
    groups = (line.split(":") for line in (root / "etc" / "group").read_text().splitlines())
    shared = next(int(number) for name, _, number, *_ in groups if name == "pusterla")
    return Users(numbers, shared)


@pytest.fixture
def folder(root: Path, users: Users) -> SiteFolder:
    """Return the site, owned as on a machine where it is deployed."""
    return locate(root / SITE)


@contextmanager
def running(name: str, users: Users, *options: str, fds: tuple[int, ...] = ()) -> Iterator[None]:
    """Run the process *name* as its user until the block ends; it must have become ready."""
    reading, writing = os.pipe()
    life, held = os.pipe()
    pipes = ["--ready-fd", str(writing), "--life-fd", str(life)]
    command = [sys.executable, "-c", AS_USER, *users.of(name), f"gateway.bootstrap.{name}"]
    process = subprocess.Popen(
        [*command, *options, *pipes],
        pass_fds=(writing, life, *fds),
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writing)
    os.close(life)
    with process, os.fdopen(reading, "rb") as ready, os.fdopen(held, "wb"):
        try:
            if ready.read() != READY:
                pytest.fail(process.communicate()[1])
            yield
            process.terminate()
            assert process.wait(timeout=20) == 0
        finally:
            process.kill()


def reads(name: str, users: Users, *paths: Path) -> list[str]:
    """Return for each of *paths* whether the user of process *name* reads it."""
    done = subprocess.run(
        [sys.executable, "-c", READS, *users.of(name), *map(str, paths)],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


class TestFiles:
    @pytest.mark.parametrize("name", ["edge", "portal", "verifier"])
    def test_nobody_but_the_authority_can_read_the_ca(
        self, folder: SiteFolder, users: Users, name: str
    ) -> None:
        """Not the keys, not the lock, not a certificate: the directory is closed to them."""
        files = list(folder.ca.iterdir())
        assert len(files) == 5
        assert reads(name, users, *files) == ["is refused"] * 5

    def test_each_reads_what_it_needs_and_no_more(self, folder: SiteFolder, users: Users) -> None:
        """The table of deploy/README.md, line by line."""
        files = {
            "settings": folder.settings,
            "store": folder.database,
            "server key": folder.server_key,
            "cookie key": folder.cookie_key,
            "site key": folder.site_key,
            "assertion key": folder.assertion_key,
            "its public half": folder.assertion_public,
            "issuing key": issuing_key(folder),
            "root key": folder.root_key,
        }
        table = {
            name: {
                what
                for what, answer in zip(files, reads(name, users, *files.values()), strict=True)
                if answer == "reads"
            }
            for name in ("edge", "portal", "authority", "verifier")
        }
        common = {"settings", "store", "its public half"}
        assert table == {
            "edge": common | {"server key", "cookie key", "assertion key"},
            "portal": common | {"cookie key", "site key"},
            "authority": common | {"issuing key"},
            # Of keys/ its unit lets it see nothing at all.
            "verifier": common,
        }

    def test_what_is_kept_of_other_cas_is_the_verifiers(
        self, folder: SiteFolder, users: Users
    ) -> None:
        """A folder that an older init has not made is made; nobody else looks into it."""
        made = folder.foreign.stat()
        assert (made.st_uid, made.st_gid) == users.numbers["pusterla-verifier"]
        assert stat.S_IMODE(made.st_mode) == 0o700

    def test_what_root_adds_belongs_to_all(self, folder: SiteFolder, users: Users) -> None:
        """A file that the command makes later has the group of its directory."""
        made = folder.app_file("later")
        made.write_text("")
        made.chmod(0o640)
        try:
            assert made.stat().st_gid == users.shared
            assert reads("edge", users, made) == ["reads"]
        finally:
            made.unlink()

    def test_an_agreement_that_root_adds_is_read_by_all(
        self, folder: SiteFolder, users: Users
    ) -> None:
        """With its texts, in folders that no older site has."""
        written = add_agreement(folder, "home", date(2026, 12, 1))
        try:
            for name in ("edge", "portal"):
                assert reads(name, users, *written) == ["reads"] * 3
        finally:
            shutil.rmtree(folder.path / "agreements")

    def test_nobody_else_reads_anything(self, folder: SiteFolder) -> None:
        """Nothing in the folder is open to users who have no part in it."""
        paths = [folder.path, *folder.path.rglob("*")]
        open_to_others = [
            path
            for path in paths
            if stat.S_IMODE(path.lstat().st_mode) & 0o007 and path != folder.assertion_public
        ]
        assert open_to_others == []


async def issue(folder: SiteFolder, store: Store) -> str:
    """Issue a certificate to anna, and return its serial."""
    site = read_site(folder.settings)
    assert isinstance(site, Site)
    await store.add_person(NewPerson("anna", "Anna Rossi", "", frozenset(), "hash", b"sealed"))
    authority = open_authority(folder, site, store, "test", KeyRing())
    order = Order("anna", "stick-1", lifetime=timedelta(days=30))
    return (await authority.enrol(order, make_key().public_key(), clock())).record.serial


def fetch(port: int, path: str) -> bytes:
    """Return what the public host answers on plain http, head and body."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        lines = (f"GET {path} HTTP/1.1", f"Host: public.{HOST}", "Connection: close", "", "")
        connection.sendall("\r\n".join(lines).encode())
        answer = b""
        while data := connection.recv(65536):
            answer += data
        return answer


def log_lines(folder: SiteFolder) -> list[dict[str, Any]]:
    """Return the lines of the access log, once there is one."""
    path = folder.log / "access.jsonl"
    for _ in range(500):
        if path.exists() and path.stat().st_size:
            return [json.loads(line) for line in path.read_text().splitlines()]
        time.sleep(0.01)
    raise AssertionError("no line came")


async def test_the_site_runs_with_four_users(folder: SiteFolder, users: Users) -> None:
    """Each with its own rights, they do the whole of it: a revocation ends up in a public CRL."""
    site = ("--site", str(folder.path))
    with ExitStack() as stack:
        (https,) = open_listeners("127.0.0.1", 0, 1)
        (http,) = open_listeners("127.0.0.1", 0, 1)
        stack.enter_context(https)
        stack.enter_context(http)
        stack.enter_context(running("authority", users, *site))
        stack.enter_context(running("portal", users, *site))
        stack.enter_context(running("verifier", users, *site))
        fds = (https.fileno(), http.fileno())
        sockets = ("--https-fd", str(fds[0]), "--http-fd", str(fds[1]))
        stack.enter_context(running("edge", users, *site, *sockets, fds=fds))
        # Root is who runs the command, in between, on the same store.
        async with open_store(folder.store_url(None), clock) as store:
            serial = await issue(folder, store)
            reason = RevocationReason.KEY_COMPROMISE
            await store.revoke_certificates(serial=serial, reason=reason, by="test")
            async with asyncio.timeout(10):
                async for _ in store.follow():
                    crl = await store.latest_crl(ISSUER_NAME)
                    if crl is not None and crl.entries:
                        break
        port = http.getsockname()[1]
        answer = await asyncio.to_thread(fetch, port, f"/crl/{ISSUER_NAME}.crl")
        listed = x509.load_der_x509_crl(answer.partition(b"\r\n\r\n")[2])
        assert [format(entry.serial_number, "x") for entry in listed] == [serial]
        beside = sorted(path.name for path in folder.store.iterdir())
        assert beside == [f"pusterla.sqlite3{end}" for end in ("", "-shm", "-wal")]
        modes = {stat.S_IMODE(path.stat().st_mode) for path in folder.store.iterdir()}
        assert modes == {0o660}
        (line,) = await asyncio.to_thread(log_lines, folder)
        assert (line["app"], line["status"]) == ("plain_http", 200)
        written = (folder.log / "access.jsonl").stat()
        assert stat.S_IMODE(written.st_mode) == 0o640
        assert (written.st_uid, written.st_gid) == (
            users.numbers["pusterla-edge"][0],
            users.shared,
        )
        owner = folder.portal_socket.stat()
        assert (owner.st_uid, owner.st_gid) == (
            users.numbers["pusterla-portal"][0],
            users.numbers["pusterla-edge"][1],
        )
