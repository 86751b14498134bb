"""What a worker exchanges while it serves: nobody notices but those whom nobody vouches for."""

import gc
import ssl
import weakref
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from gateway.core.audit import AuditKind
from gateway.core.site import Demand, Site, Upstream
from gateway.edge.admission import Grant
from gateway.edge.worker import Identity, read_identity
from tests.gateway.edge.site import PUBLIC_HOST, WIKI, MadeSite
from tests.gateway.edge.stage import Stage, application
from tests.gateway.edge.sticks import Stick, client_context
from tests.gateway.edge.waiting import until
from tests.issuing import issuing_certificate

RELOADS = 50
BYTES = 1024 * 1024
PAGE = 4096


def make_authority() -> bytes:
    """Return the certificate of a CA that has issued nothing, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "another")])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.PEM)
    )


@pytest.fixture
def others(tmp_path: Path) -> Path:
    """Return a file with a CA that has issued nothing to anybody."""
    path = tmp_path / "others.pem"
    path.write_bytes(make_authority())
    return path


def identity_of(stage: Stage, trust: Path | None = None, site: Site | None = None) -> Identity:
    """Read the files of the site, with the CAs in *trust* instead of its own."""
    credentials = stage.worker.credentials
    if trust is not None:
        credentials = replace(credentials, client_trust=trust)
    return read_identity(credentials, site or stage.site)


async def reload(stage: Stage, trust: Path | None = None, site: Site | None = None) -> int:
    """Let the worker take up *site* and *trust*, and whatever else there is as it was."""
    site = site or stage.edge.site
    identity = identity_of(stage, trust, site)
    return await stage.worker.reload(site, stage.applications(), identity)


async def test_who_is_there_goes_on(stage: Stage) -> None:
    """Connections stay, and a reload of the same is one that nobody is cut by."""
    anna = await stage.enter()
    assert (await anna.ask("/before")).status == 200
    for _ in range(3):
        assert await reload(stage) == 0
        assert (await anna.ask("/after")).body == b"/after"
    assert (await (await stage.enter()).ask("/new")).status == 200


def only_grant(stage: Stage) -> Grant:
    """Return what the one connection that there is rests on."""
    (connection,) = stage.connections
    assert connection.grant is not None
    return connection.grant


async def test_what_was_decided_by_the_same_stands(stage: Stage) -> None:
    """A reload with nothing new has nobody wait for a decision; one with a new rule does."""
    anna = await stage.enter()
    assert (await anna.ask("/before")).status == 200
    grant = only_grant(stage)
    await reload(stage)
    assert only_grant(stage) is grant
    assert grant.live
    wiki = application("wiki", Upstream("127.0.0.1", stage.wiki.port), group="others")
    site = stage.edge.site
    await stage.worker.reload(site, stage.applications(wiki=wiki), identity_of(stage))
    assert await anna.wire.read_all() == b""


async def test_what_was_decided_for_another_site_does_not_stand(stage: Stage) -> None:
    """Nor with other CAs than those that applications were told of."""
    anna = await stage.enter()
    site = replace(stage.site, contact="desk")
    foreign = x509.load_pem_x509_certificate(make_authority()).public_bytes(Encoding.DER)
    credentials = stage.worker.credentials
    for identity in (identity_of(stage), read_identity(credentials, site, [foreign])):
        assert (await anna.ask("/")).status == 200
        grant = only_grant(stage)
        assert await stage.worker.reload(site, stage.applications(), identity) == 0
        assert not grant.live


async def test_all_of_the_site_is_exchanged(stage: Stage) -> None:
    """Limits, contact and grace are those of the new site, wherever they are looked at."""
    limits = replace(stage.site.limits, idle=timedelta(seconds=7), head_bytes=5000)
    site = replace(stage.site, contact="desk", limits=limits, feed_grace=timedelta(seconds=3))
    before = stage.edge.idle_seconds
    await reload(stage, site=site)
    assert (stage.edge.site, stage.edge.limits, stage.edge.gate.site) == (site, limits, site)
    assert stage.edge.idle_seconds == before - 300 + 7
    stage.edge.admission.confirm(stage.clock())
    assert stage.edge.admission.reliable(stage.clock() + timedelta(seconds=2))
    assert not stage.edge.admission.reliable(stage.clock() + timedelta(seconds=4))
    wire = await stage.connect(WIKI)
    request = f"GET / HTTP/1.1\r\nHost: {WIKI}\r\nSec-Fetch-Mode: navigate\r\n\r\n"
    assert b"desk" in (await wire.ask(request.encode())).body


async def test_who_is_vouched_for_by_nobody_is_cut(stage: Stage, others: Path) -> None:
    """At once, in the middle of whatever it is; anonymous connections have nothing to lose."""
    anna, also = await stage.enter(), await stage.connect(WIKI, stage.made.anna)
    assert (await anna.ask()).status == 200
    nobody, public = await stage.connect(), await stage.connect(PUBLIC_HOST)
    await until(lambda: len(stage.connections) == 4)
    assert await reload(stage, others) == 2
    for wire in (anna.wire, also):
        assert await wire.read_all() == b""
    event = await stage.wait_for_audit(AuditKind.CONNECTION_CUT, "untrusted")
    assert (event.user, event.detail["connections"]) == ("anna", "2")
    request = f"GET /ca HTTP/1.1\r\nHost: {PUBLIC_HOST}\r\n\r\n"
    assert (await public.ask(request.encode())).status == 200
    assert nobody.end is None
    with pytest.raises(ssl.SSLError, match="UNKNOWN_CA"):
        await (await stage.connect(WIKI, stage.made.anna)).ask(b"GET / HTTP/1.1\r\n\r\n")


async def test_a_handshake_under_way_is_judged_by_the_cas_of_now(
    stage: Stage, others: Path
) -> None:
    """Begun while its CA was trusted, ended when it was not: it never becomes a connection."""
    wire = await stage.tcp()
    wire.writer.write(wire.begin_tls(stage.made.context(stage.made.anna), WIKI))
    await wire._fill()
    assert await reload(stage, others) == 0
    await wire.shake_hands()
    await wire.send(f"GET / HTTP/1.1\r\nHost: {WIKI}\r\n\r\n".encode())
    assert await wire.read_all() == b""
    assert stage.connections == []


async def test_a_handshake_under_way_goes_on_when_its_ca_stays(stage: Stage) -> None:
    """It ends with the contexts that it began with, and is as good as any."""
    wire = await stage.tcp()
    wire.writer.write(wire.begin_tls(stage.made.context(stage.made.anna), WIKI))
    await wire._fill()
    await reload(stage)
    await wire.shake_hands()
    reply = await wire.ask(f"GET / HTTP/1.1\r\nHost: {WIKI}\r\n\r\n".encode())
    assert reply.refusal == "session-required"


async def test_what_a_client_sends_along_may_vouch_too(
    stage: Stage, others: Path, tmp_path: Path
) -> None:
    """With the root alone among the CAs, a chain that is sent with the certificate is enough."""
    root = stage.made.folder.root_certificate.read_bytes()
    alone, both = tmp_path / "root.pem", tmp_path / "both.pem"
    alone.write_bytes(root)
    both.write_bytes(root + others.read_bytes())
    chained = with_chain(stage.made, tmp_path)
    await reload(stage, both)
    wire = await stage.connect(
        WIKI, context=client_context(stage.made.folder.root_certificate, chained)
    )
    request = f"GET / HTTP/1.1\r\nHost: {WIKI}\r\n\r\n".encode()
    assert (await wire.ask(request)).status == 401
    assert await reload(stage, alone) == 0
    assert (await wire.ask(request)).status == 401
    assert await reload(stage, others) == 1


def with_chain(made: MadeSite, folder: Path) -> Stick:
    """Return Anna's stick with the issuing CA's certificate behind her own."""
    file = folder / "chained.pem"
    issuing = issuing_certificate(made.folder).read_bytes()
    text = made.anna.file.read_bytes()
    end = text.index(b"-----END CERTIFICATE-----\n") + len(b"-----END CERTIFICATE-----\n")
    file.write_bytes(text[:end] + issuing + text[end:])
    return replace(made.anna, file=file)


async def test_a_bad_file_changes_nothing(stage: Stage, tmp_path: Path) -> None:
    """What cannot be read is refused before anything is exchanged."""
    bad = tmp_path / "bad.pem"
    bad.write_text("-----BEGIN CERTIFICATE-----\n")
    before = stage.edge.contexts
    for wrong in (bad, tmp_path / "missing.pem"):
        with pytest.raises((OSError, ValueError)):
            identity_of(stage, wrong)
    assert stage.edge.contexts is before


async def test_old_contexts_are_let_go(stage: Stage) -> None:
    """A connection keeps those that it began with; with the last one they are gone, at once.

    Not when the collector comes round, which in a worker takes its time.
    """
    gc.collect()
    gc.disable()
    try:
        await let_go(stage)
    finally:
        gc.enable()


async def let_go(stage: Stage) -> None:
    """Reload many times with a connection that is there from the beginning, and then close it."""
    anna = await stage.enter()
    await anna.ask()
    kept = weakref.ref(stage.edge.contexts.protected)
    seen = []
    for _ in range(RELOADS):
        await reload(stage)
        seen += [
            weakref.ref(stage.edge.contexts.protected),
            weakref.ref(stage.edge.contexts.public),
        ]
    assert sum(ref() is not None for ref in seen) == 2
    assert kept() is not None
    assert (await anna.ask()).status == 200
    anna.wire.reset()
    await until(lambda: not stage.connections)
    del anna
    assert kept() is None


@pytest.mark.parametrize("demand", Demand)
async def test_many_reloads_leave_no_memory_behind(stage: Stage, demand: Demand) -> None:
    """OpenSSL's memory too, which Python's collector knows nothing of."""
    site = replace(stage.site, certificate=demand)
    for _ in range(20):
        await reload(stage, site=site)
    before = resident()
    for _ in range(RELOADS):
        await reload(stage, site=site)
    gc.collect()
    # A context with its CAs and ciphers is some 50 KiB, and there are two in each reload.
    assert resident() - before < BYTES


def resident() -> int:
    """Return how many bytes of this process are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE
