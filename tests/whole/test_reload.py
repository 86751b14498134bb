"""`pusterla reload`: everything that changes while a site runs, and nobody who notices."""

import asyncio
import os
import re
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median
from threading import Event

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.bootstrap.control_socket import ask_at
from gateway.bootstrap.folder import SiteFolder
from tests.whole.applications import Applications
from tests.whole.authorities import renew_server_certificate
from tests.whole.conftest import put_behind
from tests.whole.forgeries import of_another_authority
from tests.whole.guests import HTML, Guest, signed_in
from tests.whole.holds import hold_everything, not_alive
from tests.whole.people import Stick, add_person
from tests.whole.sites import (
    HOST,
    PUBLIC_HOST,
    PUSTERLA,
    LiveSite,
    make_site,
    running,
    wait_for,
)
from tests.whole.tls import VERSIONS, shake_hands
from tests.whole.wire import PATIENCE, Wire, wire_of

WIKI = f"wiki.{HOST}"
OTHER = "other.example"
STAYING = 4
PROCESSES = {"edge-0", "edge-1", "portal", "authority", "verifier"}


@pytest.fixture(scope="module")
def changing(
    tmp_path_factory: pytest.TempPathFactory, applications: Applications
) -> Iterator[LiveSite]:
    """Run a site whose files the tests change."""
    settings = [("contact", '"first@example.it"'), ("drain", '"2s"')]
    site = make_site(tmp_path_factory.mktemp("changing") / "site", settings=settings)
    put_behind(site, wiki=applications.wiki.upstream, chat=applications.chat.upstream)
    with running(site):
        yield site


@pytest.fixture
def own(changing: LiveSite) -> Iterator[LiveSite]:
    """Put the files back as they were, and have them taken up, when a test is over."""
    folder = changing.folder
    paths = (folder.settings, folder.server_certificate, folder.server_key, folder.client_trust)
    before = {path: path.read_bytes() for path in paths}
    yield changing
    for path, data in before.items():
        path.write_bytes(data)
    changing.command("reload")


@pytest.fixture(scope="module")
def staying(changing: LiveSite, tmp_path_factory: pytest.TempPathFactory) -> Guest:
    """Be signed in there."""
    person = add_person(changing, "staying")
    return signed_in(changing, person, tmp_path_factory.mktemp("staying"), "wiki", "chat")


def edit(folder: SiteFolder, *changes: tuple[str, str]) -> None:
    """Write pusterla.toml anew, with each key at another value, whether it was set or not."""
    text = folder.settings.read_text(encoding="utf-8")
    for key, value in changes:
        text, count = re.subn(rf"(?m)^(# )?{key} = .*$", f"{key} = {value}", text)
        assert count == 1, key
    folder.settings.write_text(text, encoding="utf-8")


def reload(site: LiveSite, status: int = 0) -> dict[str, dict[str, list[str]]]:
    """Run the command and return what each process answered."""
    report: dict[str, dict[str, list[str]]] = site.command("reload", "--json", status=status).json()
    return report


def served_certificate(site: LiveSite) -> x509.Certificate:
    """Return the certificate that a new connection is shown."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(site.folder.root_certificate)
    with (
        socket.create_connection(("127.0.0.1", site.port), timeout=PATIENCE) as raw,
        context.wrap_socket(raw, server_hostname=HOST) as tls,
    ):
        return x509.load_der_x509_certificate(tls.getpeercert(binary_form=True) or b"")


def refusal_page(site: LiveSite, folder: Path) -> str:
    """Return the page that somebody without a certificate gets."""
    return Guest(site, None, folder).get(site.url(WIKI), *HTML).text


@contextmanager
def asking(guest: Guest) -> Iterator[None]:
    """Make requests all the time, on connections that stay and on new ones; each must be answered."""
    over = Event()
    cookie = guest.cookie_field(WIKI)

    def stay() -> int:
        with wire_of(guest, WIKI) as wire:
            return sum(wire.ask("GET", "/stay", cookie).status == 200 for _ in until(over))

    def come() -> int:
        return sum(ask_anew(guest, cookie) for _ in until(over))

    with ThreadPoolExecutor() as pool:
        staying = [pool.submit(stay) for _ in range(STAYING)]
        coming = pool.submit(come)
        try:
            yield
        finally:
            over.set()
        # Whatever went wrong in a thread is raised here.
        assert all(one.result() > STAYING for one in staying)
        assert coming.result() > 1


def until(over: Event) -> Iterator[None]:
    """Yield until *over*."""
    while not over.wait(0.005):
        yield


def ask_anew(guest: Guest, cookie: tuple[str, str]) -> bool:
    """Make one request on a connection of its own; say whether it was answered well."""
    with wire_of(guest, WIKI) as wire:
        return wire.ask("GET", "/come", cookie).status == 200


def test_nobody_notices_five_reloads(own: LiveSite, staying: Guest, guests: Path) -> None:
    """Whatever goes on goes on, under load, on each worker; and all that is new is in force."""
    pids = own.processes()
    with ExitStack() as stack:
        held = hold_everything(staying, stack)
        stack.enter_context(asking(staying))
        for number in range(5):
            renewed = renew_server_certificate(own)
            contact = f"desk-{number}@example.it"
            edit(own.folder, ("contact", f'"{contact}"'), ("idle", f'"{60 + number}s"'))
            report = reload(own)
            assert report.keys() == PROCESSES
            for worker in ("edge-0", "edge-1"):
                site, limit, server = report[worker]["taken"]
                assert (site, limit) == ("site.contact", "limits.idle")
                assert server.startswith("server certificate, good until 2")
            assert report["portal"]["taken"] == ["site.contact"]
            assert not_alive(held) == []
            assert {served_certificate(own) for _ in range(8)} == {renewed}
            assert all(contact in refusal_page(own, guests) for _ in range(6))
            assert contact in Guest(own, None, guests).get(own.url(PUBLIC_HOST)).text
    assert own.processes() == pids


def test_a_shorter_limit_is_kept_by_connections_that_are_there(
    own: LiveSite, staying: Guest
) -> None:
    """What a connection waits for next goes by the limits of now."""
    with wire_of(staying, WIKI) as wire:
        cookie = staying.cookie_field(WIKI)
        assert wire.ask("GET", "/before", cookie).status == 200
        edit(own.folder, ("idle", '"1s"'), ("head_bytes", "4096"))
        reload(own)
        assert wire.ask("GET", "/after", cookie).status == 200
        assert wire.closed_within(3)
    with wire_of(staying, WIKI) as wire:
        reply = wire.ask("GET", "/long", cookie, ("X-Long", "x" * 5000))
        assert reply.status == 431


def test_another_demand_for_certificates_is_made_of_whoever_comes(
    own: LiveSite, staying: Guest
) -> None:
    """From a page to an alert and back; who is there is asked for nothing again."""
    assert shake_hands(own, WIKI, "-tls1_3").status == 403
    with wire_of(staying, WIKI) as wire:
        cookie = staying.cookie_field(WIKI)
        edit(own.folder, ("certificate", '"handshake"'))
        assert reload(own)["edge-0"]["taken"] == ["listen.certificate"]
        assert {shake_hands(own, WIKI, "-tls1_3").status for _ in range(4)} == {None}
        assert shake_hands(own, WIKI, "-tls1_3").alert == "certificate_required"
        assert wire.ask("GET", "/there", cookie).status == 200
        edit(own.folder, ("certificate", '"page"'))
        reload(own)
        assert {shake_hands(own, WIKI, "-tls1_3").status for _ in range(4)} == {403}
        assert wire.ask("GET", "/there", cookie).status == 200


@pytest.mark.parametrize("version", VERSIONS)
def test_a_ca_that_is_taken_away_takes_its_connections_with_it(
    own: LiveSite, staying: Guest, version: str
) -> None:
    """Its own connections alone are cut; whoever comes with its certificates is no longer let in."""
    stick = of_another_authority(own, "nobody", host=OTHER)
    trusted = own.folder.client_trust.read_bytes()
    assert shake_hands(own, WIKI, version, stick=stick).alert == "unknown_ca"
    own.folder.client_trust.write_bytes(trusted + authority_of(stick))
    report = reload(own)
    assert report["edge-0"]["taken"] == ["client CAs, 1 added and 0 removed"]
    with ExitStack() as stack:
        held = hold_everything(staying, stack)
        foreign = [stack.enter_context(Wire(own, WIKI, stick)) for _ in range(6)]
        for wire in foreign:
            # Whoever says nothing is cut after a while, for nobody knows the certificate.
            assert wire.ask("GET", "/").status == 403
        own.folder.client_trust.write_bytes(trusted)
        mark = own.log_size()
        report = reload(own)
        words = [" ".join(report[name]["taken"]) for name in ("edge-0", "edge-1")]
        cut = [int(found[1]) for word in words if (found := re.search(r"(\d+) connections", word))]
        assert sum(cut) == len(foreign)
        assert all(wire.closed_within(1) for wire in foreign)
        assert not_alive(held) == []
        own.wait_for_log("its CA is not trusted any more", mark)
    assert shake_hands(own, WIKI, version, stick=stick).alert == "unknown_ca"
    event = own.wait_for_audit(kind="connection-cut", reason="untrusted")
    assert event.detail["connections"].isdecimal()


def authority_of(stick: Stick) -> bytes:
    """Return the CA's certificate behind that of *stick*, in PEM."""
    _, authority = x509.load_pem_x509_certificates(stick.file.read_bytes())
    return authority.public_bytes(Encoding.PEM)


def test_problems_are_told_at_once_and_nothing_is_asked(
    own: LiveSite, staying: Guest, guests: Path
) -> None:
    """The command names every problem of every file, asks nobody, and ends with 1."""
    edit(own.folder, ("contact", '"never@example.it"'), ("idle", '"soon"'))
    own.folder.server_key.write_text("no key", encoding="ascii")
    mark = own.log_size()
    ran = own.command("reload", status=1)
    for words in ("limits.idle", "keys/edge/server.key", "nothing was reloaded"):
        assert words in ran.err
    assert "reload:" not in own.log_since(mark)
    assert "first@example.it" in refusal_page(own, guests)


def test_a_signal_with_problems_changes_nothing(own: LiveSite, guests: Path) -> None:
    """SIGHUP reloads too; what is wrong is in the log, and the old goes on."""
    edit(own.folder, ("contact", '"never@example.it"'), ("idle", '"soon"'))
    mark = own.log_size()
    own.send(signal.SIGHUP)
    own.wait_for_log(r"supervisor ERROR reload: .*limits\.idle", mark)
    own.wait_for_log("supervisor ERROR reload: not everything was taken up", mark)
    assert "first@example.it" in refusal_page(own, guests)
    edit(own.folder, ("contact", '"second@example.it"'), ("idle", '"50s"'))
    own.send(signal.SIGHUP)
    own.wait_for_log("edge-1 INFO reload: taken up: site.contact, limits.idle", mark)
    wait_for("the new contact", lambda: "second@example.it" in refusal_page(own, guests))


def test_a_key_that_is_not_the_certificates_changes_nothing(
    own: LiveSite, staying: Guest, guests: Path
) -> None:
    """A worker that cannot use the files keeps all that it had, and says why."""
    before = served_certificate(own)
    key = own.folder.server_key.read_bytes()
    renew_server_certificate(own)
    own.folder.server_key.write_bytes(key)
    edit(own.folder, ("contact", '"never@example.it"'))
    mark = own.log_size()
    own.send(signal.SIGHUP)
    own.wait_for_log("edge-0 ERROR reload: keys/edge/server.key: it does not belong to", mark)
    own.wait_for_log("edge-1 ERROR reload: nothing was taken up", mark)
    assert served_certificate(own) == before
    assert "first@example.it" in refusal_page(own, guests)


def test_fifty_reloads_leave_no_memory_behind(own: LiveSite) -> None:
    """No process grows by them again and again, nor holds one more file open."""

    async def reload_often(count: int) -> None:
        for _ in range(count):
            report = await ask_at(own.folder.control_socket, PATIENCE)
            assert not any(outcome.problems for outcome in report.values())

    asyncio.run(reload_often(5))
    pids = own.processes()
    files = {name: held_by(pid)[1] for name, pid in pids.items()}
    held = {name: [held_by(pid)[0]] for name, pid in pids.items()}
    for _ in range(5):
        asyncio.run(reload_often(10))
        for name, pid in pids.items():
            held[name].append(held_by(pid)[0])
    assert own.processes() == pids
    for name, pid in pids.items():
        # The authority looks for lists to sign after a reload, and opens the store for it.
        wait_for(f"no more files in {name}", partial(has_at_most, pid, files[name]))
        # What leaks does so each time; what is made once, or happens to be in use, does not.
        grown = [after - before for before, after in pairwise(held[name])]
        assert median(grown) < 10 * 10 * 1024, (name, held[name])


def has_at_most(pid: int, files: int) -> bool:
    """Say whether the process *pid* has no more than so many open files."""
    return held_by(pid)[1] <= files


def held_by(pid: int) -> tuple[int, int]:
    """Return how many bytes and how many open files the process *pid* has."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE"), len([*Path(f"/proc/{pid}/fd").iterdir()])


def test_the_server_is_renewed_while_it_serves(own: LiveSite, staying: Guest) -> None:
    """One command: a new certificate by our CA, and every new connection is shown it."""
    before = served_certificate(own)
    with ExitStack() as stack:
        held = hold_everything(staying, stack)
        assert own.command("cert", "renew-server", "--json").json()["taken_up"] is True
        renewed = {served_certificate(own) for _ in range(8)}
        assert len(renewed) == 1
        assert before not in renewed
        assert not_alive(held) == []


def test_what_cannot_change_is_named(own: LiveSite, staying: Guest, guests: Path) -> None:
    """A port stays, and is said to take effect at the next start; the rest is taken up."""
    edit(own.folder, ("http_port", str(own.http_port + 1)), ("contact", '"third@example.it"'))
    report = reload(own)
    assert report["supervisor"]["later"] == ["site.http_port"]
    assert report["edge-0"]["taken"] == ["site.contact"]
    assert "third@example.it" in refusal_page(own, guests)
    said = own.command("reload").out
    assert "takes effect at the next start: site.http_port" in said
    assert Guest(own, None, guests).get(own.plain("/crl/issuing-1.crl")).status == 200


@pytest.mark.parametrize("name", sorted(PROCESSES))
def test_a_process_comes_back_while_somebody_edits(
    own: LiveSite, staying: Guest, guests: Path, name: str
) -> None:
    """kill -9 with half-written files: the next one begins with what the others have."""
    file = own.folder.app_file("chat")
    text = file.read_text(encoding="utf-8")
    edit(own.folder, ("contact", '"taken@example.it"'))
    reload(own)
    edit(own.folder, ("contact", '"never@example.it"'), ("http_port", "1"), ("idle", '"soon"'))
    try:
        file.write_text(text.replace("host =", "hots ="), encoding="utf-8")
        mark = own.log_size()
        os.kill(own.processes()[name], signal.SIGKILL)
        own.wait_for_log(rf"{name} \(pid \d+\) serves", mark)
        assert all("taken@example.it" in refusal_page(own, guests) for _ in range(6))
        assert {staying.get(own.url(WIKI)).status for _ in range(6)} == {200}
        crl = Guest(own, None, guests).get(own.plain("/crl/issuing-1.crl"))
        assert crl.status == 200
    finally:
        file.write_text(text, encoding="utf-8")


def test_a_site_that_does_not_run_is_said_not_to(
    tmp_path: Path, applications: Applications
) -> None:
    """Nobody is there to ask: exit status 1, and the way out."""
    site = make_site(tmp_path / "site")
    ran = site.command("reload", status=1)
    assert "is not running: start it with pusterla serve" in ran.err
    with closing(socket.socket(socket.AF_UNIX)) as stale, suppress(OSError):
        # What a killed supervisor leaves behind is nobody either.
        stale.bind(str(site.folder.control_socket))
    assert "is not running" in site.command("reload", status=1).err


def test_what_is_in_the_way_of_the_socket_is_named(
    tmp_path: Path, applications: Applications
) -> None:
    """A site that could not be reloaded does not start, and leaves nothing running."""
    site = make_site(tmp_path / "site")
    put_behind(site, wiki=applications.wiki.upstream)
    site.folder.control_socket.write_text("")
    ran = site.command("serve", status=1)
    assert f"{site.folder.control_socket} is in the way" in ran.err
    assert "Traceback" not in ran.err
    assert not site.folder.portal_socket.exists()


def test_only_its_owner_may_ask(own: LiveSite) -> None:
    """The socket lets in whoever runs the site, and root."""
    assert own.folder.control_socket.stat().st_mode & 0o777 == 0o600


def test_each_unit_is_asked_where_it_alone_is(tmp_path: Path) -> None:
    """`systemctl reload` of one unit: the command asks the supervisor of that unit, and no other."""
    site = make_site(tmp_path / "site")
    runtime = tmp_path / "runtime"
    runtime.mkdir()
    environment = {**os.environ, "RUNTIME_DIRECTORY": str(runtime)}
    command = [PUSTERLA, "--site", str(site.folder.path)]
    with subprocess.Popen(
        [*command, "serve", "--only", "portal"], env=environment, stderr=subprocess.DEVNULL
    ) as unit:
        try:
            wait_for("the unit", (runtime / "control.sock").exists)
            assert not site.folder.control_socket.exists()
            edit(site.folder, ("name", '"Other"'))
            ran = subprocess.run(
                [*command, "reload"], env=environment, capture_output=True, text=True, check=True
            )
            assert ran.stdout.split() == ["portal", "taken", "up:", "site.name"]
            assert "is not running" in site.command("reload", status=1).err
        finally:
            unit.terminate()
