"""The processes of a site: what one of them loses when another is killed, and how all of them end."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, suppress
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography import x509
from websockets.sync.client import ClientConnection

from tests.whole.applications import Applications
from tests.whole.conftest import put_behind
from tests.whole.guests import HTML, CurlFailed, Guest, signed_in
from tests.whole.people import add_person
from tests.whole.recorder import HALF, HELD
from tests.whole.sites import (
    HOST,
    PUBLIC_HOST,
    LiveSite,
    make_site,
    running,
    wait_for,
)
from tests.whole.sockets import closed_within, echoes, open_socket
from tests.whole.wire import PATIENCE, wire_of

WIKI, CHAT = f"wiki.{HOST}", f"chat.{HOST}"


def wait_for_another(site: LiveSite, name: str, killed: int) -> int:
    """Wait until the process *name* is another one than *killed* and serves; return its pid."""
    pid = wait_for(
        f"another {name}",
        lambda: (found := site.processes().get(name)) is not None and found != killed and found,
    )
    return int(pid)


@pytest.mark.parametrize("name", ["edge-0", "edge-1"])
def test_a_killed_worker_is_replaced_and_sessions_survive(
    site: LiveSite, inside: Guest, name: str
) -> None:
    """kill -9: its connections are gone, everybody else's stay, and the old cookie still opens."""
    mark, pid = site.log_size(), site.processes()[name]
    with ExitStack() as opened:
        # The kernel deals them out: until each worker has one.
        by_worker: dict[int, ClientConnection] = {}
        while len(by_worker) < len(site.workers()):
            connection = opened.enter_context(open_socket(inside, CHAT))
            by_worker[site.worker_of(connection.socket)] = connection
        lost = by_worker.pop(pid)
        os.kill(pid, signal.SIGKILL)
        site.wait_for_log(rf"{name} was ended by SIGKILL; starting it again", mark)
        assert [echoes(connection) for connection in by_worker.values()] == [True]
        assert closed_within(lost, PATIENCE)
    site.wait_for_log(rf"{name} \(pid \d+\) serves", mark)
    assert wait_for_another(site, name, pid) != pid
    for _ in range(4):
        assert inside.get(site.url(WIKI)).status == 200
    assert inside.get(site.portal()).status == 200


def test_who_waits_for_a_killed_worker_is_served_by_the_next(site: LiveSite, inside: Guest) -> None:
    """Connections that no worker has taken yet outlive it: they wait for the one that follows."""
    pid = site.processes()["edge-0"]
    cookie = inside.cookie_field(WIKI)
    os.kill(pid, signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(16) as pool:
            # The kernel deals them out, so about half of them wait for the worker that stands.
            asking = [pool.submit(ask_once, inside, cookie) for _ in range(16)]
            done, waiting = wait(asking, timeout=1.0)
            assert done
            assert waiting
            os.kill(pid, signal.SIGKILL)
            assert [one.result() for one in asking] == [200] * 16
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
    wait_for_another(site, "edge-0", pid)


def ask_once(guest: Guest, cookie: tuple[str, str]) -> int:
    """Make one request on a connection of its own, and return the status."""
    with wire_of(guest, WIKI) as wire:
        return wire.ask("GET", "/waited", cookie).status


@pytest.mark.parametrize("name", ["portal", "authority", "verifier"])
def test_a_killed_process_behind_the_edge_is_replaced(
    site: LiveSite, inside: Guest, guests: Path, name: str
) -> None:
    """Applications are served on; signing in and revoking work again in a moment."""
    mark, pid = site.log_size(), site.processes()[name]
    with wire_of(inside, WIKI) as wire:
        cookie = inside.cookie_field(WIKI)
        assert wire.ask("GET", "/before", cookie).status == 200
        os.kill(pid, signal.SIGKILL)
        assert wire.ask("GET", "/meanwhile", cookie).status == 200
    site.wait_for_log(rf"{name} \(pid \d+\) serves", mark)
    person = add_person(site, "after")
    signed_in(site, person, guests)
    ran = site.command("cert", "revoke", "--user", person.user, "--reason", "superseded", "--json")
    assert ran.json()["crl_published"] is True


def test_without_the_portal_a_page_says_so(site: LiveSite, inside: Guest) -> None:
    """While the portal is away the edge answers for it: 502, and no broken connection."""
    mark = site.log_size()
    os.kill(site.processes()["portal"], signal.SIGKILL)
    site.wait_for_log("portal was ended by SIGKILL", mark)
    page = inside.get(site.portal(), *HTML)
    assert (page.status, "502 upstream-unreachable" in page.text) == (502, True)
    site.wait_for_log(r"portal \(pid \d+\) serves", mark)
    assert inside.get(site.portal()).status == 200


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, applications: Applications) -> LiveSite:
    """Make one more site."""
    folder = tmp_path_factory.mktemp("made") / "site"
    site = make_site(folder, settings=[("drain", '"10s"')])
    put_behind(site, wiki=applications.wiki.upstream, chat=applications.chat.upstream)
    return site


@pytest.fixture
def own(made: LiveSite) -> Iterator[LiveSite]:
    """Run a site that a test may end."""
    with running(made):
        yield made


def test_sigterm_lets_what_is_under_way_finish(
    own: LiveSite, applications: Applications, guests: Path
) -> None:
    """A download goes on to its end, an idle connection is closed, nobody new is let in; then 0."""
    guest = signed_in(own, add_person(own, "anna"), guests, "wiki")
    cookie, token = guest.cookie_field(WIKI), uuid4().hex
    pids = [*own.processes().values()]
    assert len(pids) == 5
    with wire_of(guest, WIKI) as idle, wire_of(guest, WIKI) as busy:
        assert idle.ask("GET", "/idle", cookie).status == 200
        busy.begin("GET", f"/hold?token={token}", cookie)
        busy.read_head()
        pieces = busy.pieces()
        assert next(pieces) == HELD[:HALF]
        own.send(signal.SIGTERM)
        assert idle.closed_within(5)
        wait_for("new connections to be refused", lambda: refused(guest, own))
        applications.wiki.release(token)
        assert b"".join(pieces) == HELD[HALF:]
        assert busy.closed_within(5)
    assert own.wait() == 0
    assert [pid for pid in pids if Path(f"/proc/{pid}").exists()] == []
    assert not own.folder.portal_socket.exists()


def test_the_limit_of_draining_ends_what_does_not_end(
    made: LiveSite, applications: Applications, guests: Path
) -> None:
    """A download that is done in time is whole; a WebSocket is cut when the time is over.

    The limit is one that was taken up while the site ran, by the supervisor too: the one of
    before is over long before it, with what the supervisor adds to it.
    """
    text, limit, token = made.folder.settings.read_text(encoding="utf-8"), 6, uuid4().hex
    try:
        made.folder.settings.write_text(text.replace('drain = "10s"', 'drain = "1s"'))
        with running(made):
            guest = signed_in(made, add_person(made, "anna"), guests, "wiki", "chat")
            made.folder.settings.write_text(text.replace('drain = "10s"', f'drain = "{limit}s"'))
            mark = made.log_size()
            report = made.command("reload", "--json").json()
            assert report["edge-0"]["taken"] == ["limits.drain"]
            with wire_of(guest, WIKI) as busy, open_socket(guest, CHAT) as socket:
                busy.begin("GET", f"/hold?token={token}", guest.cookie_field(WIKI))
                busy.read_head()
                pieces = busy.pieces()
                assert next(pieces) == HELD[:HALF]
                begun = time.monotonic()
                made.send(signal.SIGTERM)
                wait_for("new connections to be refused", lambda: refused(guest, made))
                applications.wiki.release(token)
                assert b"".join(pieces) == HELD[HALF:]
                assert echoes(socket)
                # How long a busy machine takes is not asked; but it is to end by itself.
                assert closed_within(socket, PATIENCE)
                assert time.monotonic() - begun > limit - 1
            assert made.wait() == 0
            assert "killing it" not in made.log_since(mark)
    finally:
        made.folder.settings.write_text(text)


def refused(guest: Guest, site: LiveSite) -> bool:
    """Say whether a new connection comes to nothing."""
    try:
        guest.get(site.url(PUBLIC_HOST))
    except CurlFailed:
        return True
    return False


def test_a_second_sigterm_does_not_wait(
    own: LiveSite, applications: Applications, guests: Path
) -> None:
    """Whoever asks twice has no time: open WebSockets are cut, and all processes are gone."""
    guest = signed_in(own, add_person(own, "anna"), guests, "chat")
    pids = [*own.processes().values()]
    with open_socket(guest, CHAT) as socket:
        assert echoes(socket)
        mark = own.log_size()
        own.send(signal.SIGTERM)
        own.wait_for_log("supervisor INFO SIGTERM: ending", mark)
        own.send(signal.SIGTERM)
        assert own.wait() == 0
    assert [pid for pid in pids if Path(f"/proc/{pid}").exists()] == []


def test_what_was_acknowledged_survives_the_death_of_everything(
    own: LiveSite, applications: Applications, guests: Path
) -> None:
    """kill -9 of the supervisor ends all processes; sessions and revocations are there again after."""
    anna, bruno, carla = (add_person(own, name) for name in ("anna", "bruno", "carla"))
    at = {person.user: signed_in(own, person, guests, "wiki") for person in (anna, bruno, carla)}
    pids = [*own.processes().values()]
    own.command("cert", "revoke", "--user", bruno.user, "--reason", "keyCompromise")
    own.send(signal.SIGKILL)
    assert own.wait() == -signal.SIGKILL
    wait_for("the others to end", lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
    # Nobody has to serve for somebody to be revoked.
    own.command("cert", "revoke", "--user", carla.user, "--reason", "superseded")
    own.start()
    with applications.untouched():
        for person in (bruno, carla):
            page = at[person.user].get(own.url(WIKI), *HTML)
            assert (page.status, "403 certificate-revoked" in page.text) == (403, True)
    assert at[anna.user].get(own.url(WIKI)).status == 200
    crl = Guest(own, None, guests).get(own.plain("/crl/issuing-1.crl")).body
    revoked = {format(one.serial_number, "x") for one in x509.load_der_x509_crl(crl)}
    assert {bruno.stick.serial, carla.stick.serial} <= revoked
    assert own.stop() == 0


def test_serve_refuses_to_start_on_files_with_problems(
    tmp_path: Path, applications: Applications
) -> None:
    """Every problem of every file is said at once; nothing is started; exit status 1."""
    site = make_site(tmp_path / "site")
    put_behind(site, wiki=applications.wiki.upstream)
    file = site.folder.app_file("wiki")
    file.write_text(file.read_text(encoding="utf-8").replace("host =", "hots ="), encoding="utf-8")
    settings = site.folder.settings
    settings.write_text(settings.read_text(encoding="utf-8") + "\n[limit]\n", encoding="utf-8")
    ran = site.command("serve", status=1)
    assert "apps/wiki.toml: hots: unknown key; did you mean 'host'?" in ran.err
    assert "did you mean 'limits'?" in ran.err
    assert "nothing was started" in ran.err
    assert "serves" not in ran.err


def test_a_port_that_is_taken_is_said_to_be(site: LiveSite, tmp_path: Path) -> None:
    """A second site on the same ports is refused with the port's number, and disturbs nobody."""
    second = make_site(tmp_path / "site")
    text = second.folder.settings.read_text(encoding="utf-8")
    text = text.replace(f"port = {second.port}\n", f"port = {site.port}\n")
    second.folder.settings.write_text(text, encoding="utf-8")
    ran = second.command("serve", status=1)
    assert str(site.port) in ran.err
    site.command("session", "list")
