"""Certificates of CAs that are not ours: shown to the verifier, waited for, and judged anew."""

import asyncio
import re
import ssl
import subprocess
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ca.trust import Revocation, RevocationReason
from gateway.core.audit import AuditKind
from gateway.core.changes import Batch
from gateway.core.foreign import ForeignState, PersonBy, Presented, Verdict
from gateway.core.people import Fingerprint, Holder
from gateway.core.refusal_kinds import Refusal
from gateway.core.site import Demand
from gateway.edge import presenting
from gateway.edge.presenting import CERTIFICATE_BYTES, Elsewhere
from gateway.edge.worker import read_identity
from tests.gateway.edge.site import HOST, WIKI, MadeSite
from tests.gateway.edge.stage import Stage, Visitor, open_stage
from tests.gateway.edge.sticks import DAY, Corp, Stick, make_corp
from tests.gateway.edge.stores import Question
from tests.gateway.edge.waiting import soon, until
from tests.gateway.edge.wire import Wire
from tests.gateway.store.scenes import new_person

GET = f"GET / HTTP/1.1\r\nHost: {WIKI}\r\n\r\n".encode()
V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


@pytest.fixture
def corp(tmp_path: Path) -> Corp:
    """Return a CA that is not ours."""
    return make_corp(tmp_path)


async def believe(stage: Stage, *foreign: bytes) -> int:
    """Let the worker trust *foreign* CAs besides its own; return how many were cut."""
    identity = read_identity(stage.worker.credentials, stage.site, foreign)
    return await stage.worker.reload(stage.site, stage.applications(), identity)


@pytest.fixture
async def trusting(stage: Stage, corp: Corp) -> Stage:
    """Return a worker that trusts `corp`."""
    await believe(stage, corp.der)
    return stage


@pytest.fixture
async def strict(made: MadeSite, tmp_path: Path, corp: Corp) -> AsyncIterator[Stage]:
    """Yield a worker that trusts `corp`, and refuses certificates in the handshake."""
    async with open_stage(made, tmp_path, certificate=Demand.HANDSHAKE) as stage:
        await believe(stage, corp.der)
        yield stage


def good(stage: Stage, card: Stick) -> Verdict:
    """Return what a verifier finds that has nothing against *card* for a day."""
    now = stage.clock()
    return Verdict(
        Fingerprint(card.fingerprint),
        ForeignState.ACCEPTED,
        trust="corp",
        issuer="CN=corp",
        serial=card.serial,
        not_before=now - DAY,
        not_after=now + 30 * DAY,
        by=PersonBy.EMAIL,
        identity="anna@example.it",
        good_until=now + DAY,
    )


async def shown(stage: Stage) -> list[Presented]:
    """Return the certificates that wait for a verdict, as soon as there is one."""
    while not (found := await stage.store.presented(state=ForeignState.WAITING)):  # noqa: ASYNC110 - the store tells nobody of it
        await asyncio.sleep(0.01)
    return found


async def judge(stage: Stage, *verdicts: Verdict) -> None:
    """Judge as the verifier does."""
    await stage.store.judge(verdicts, by="test")


async def first_contact(stage: Stage, card: Stick, verdict: Verdict) -> Wire:
    """Show *card* for the first time, and let it be judged; return the connection."""
    wire = await stage.connect(WIKI, card)
    asking = asyncio.ensure_future(wire.ask(GET))
    (waiting,) = await soon(shown(stage))
    assert waiting.verdict.fingerprint == card.fingerprint
    assert not asking.done()
    await judge(stage, verdict)
    answer = await soon(asking)
    assert answer.refusal == Refusal.SESSION_REQUIRED, answer
    return wire


async def enter(stage: Stage, card: Stick) -> Visitor:
    """Show *card*, let it be found good, and sign in as Anna with it."""
    wire = await first_contact(stage, card, good(stage, card))
    session = await stage.sign_in(card)
    return Visitor(wire, WIKI, stage.cookie(session), session)


async def test_it_is_judged_though_nothing_is_asked(trusting: Stage, corp: Corp) -> None:
    """Shown to the verifier like that of a request, and held to what it says."""
    card = corp.card()
    await trusting.connect(WIKI, card)
    await soon(shown(trusting))
    assert trusting.edge.connections.held == 0
    await judge(trusting, good(trusting, card))
    await until(lambda: trusting.edge.connections.held)
    (connection,) = trusting.connections
    assert connection.trust
    assert connection.ends_at() is not None


async def refused(stage: Stage, card: Stick, verdict: Verdict) -> object:
    """Show *card* for the first time, and return how it is refused."""
    wire = await stage.connect(WIKI, card)
    asking = asyncio.ensure_future(wire.ask(GET))
    await soon(shown(stage))
    await judge(stage, verdict)
    return (await soon(asking)).refusal


async def test_it_waits_for_the_verdict_and_goes_on(trusting: Stage, corp: Corp) -> None:
    """The certificate itself goes to the verifier; then the person is let in as any other."""
    card = corp.card()
    anna = await enter(trusting, card)
    (found,) = await trusting.store.presented()
    certificate = x509.load_pem_x509_certificate(card.file.read_bytes())
    assert x509.load_der_x509_certificate(found.der) == certificate
    assert (await anna.ask("/page")).body == b"/page"
    assert b"X-Forwarded-User: anna" in trusting.wiki.received
    event = await trusting.wait_for_audit(AuditKind.ACCESS_ALLOWED, "")
    assert (event.user, event.serial, event.device) == ("anna", card.serial, "corp")


async def test_all_who_wait_are_told(trusting: Stage, corp: Corp) -> None:
    """A browser opens six connections at once; one row is written, and one verdict serves all."""
    card = corp.card()
    wires = [await trusting.connect(WIKI, card) for _ in range(6)]
    asking = [asyncio.ensure_future(wire.ask(GET)) for wire in wires]
    await soon(shown(trusting))
    await judge(trusting, good(trusting, card))
    for one in asking:
        assert (await soon(one)).refusal == Refusal.SESSION_REQUIRED
    assert len(await trusting.store.presented()) == 1
    assert trusting.edge.admission._presenting._waiting == {}


async def test_nobody_waits_for_ever(
    trusting: Stage, corp: Corp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A verifier that does not run is a page that says "later", and is asked again then."""
    card = corp.card()
    wire = await trusting.connect(WIKI, card)
    with monkeypatch.context() as hasty:
        hasty.setattr(presenting, "PATIENCE_SECONDS", 0.05)
        assert (await soon(wire.ask(GET))).refusal == Refusal.STORE_UNAVAILABLE
    await judge(trusting, good(trusting, card))
    wire = await trusting.connect(WIKI, card)
    assert (await soon(wire.ask(GET))).refusal == Refusal.SESSION_REQUIRED


async def test_a_store_that_takes_nothing_is_said(trusting: Stage, corp: Corp) -> None:
    """Where it cannot be written down, nobody can judge it."""
    trusting.held.fail(Question.PRESENT)
    wire = await trusting.connect(WIKI, corp.card())
    assert (await soon(wire.ask(GET))).refusal == Refusal.STORE_UNAVAILABLE


async def test_looked_up_before_it_was_shown_it_is_shown_all_the_same(
    trusting: Stage, corp: Corp
) -> None:
    """After a gap in the feed connections are judged by what the store says: not yet a word."""
    card = corp.card()
    wire = await trusting.connect(WIKI, card)
    await until(lambda: bool(trusting.connections))
    trusting.held.put(Batch((), gap=True))
    await until(lambda: Fingerprint(card.fingerprint) in trusting.edge.admission._holders)
    wire.close()
    await first_contact(trusting, card, good(trusting, card))


async def test_what_was_judged_on_another_node_is_known_here(trusting: Stage, corp: Corp) -> None:
    """The verdict is in the store, so nobody is asked again."""
    card = corp.card()
    await trusting.store.present(Fingerprint(card.fingerprint), b"der")
    await judge(trusting, good(trusting, card))
    wire = await trusting.connect(WIKI, card)
    assert (await soon(wire.ask(GET))).refusal == Refusal.SESSION_REQUIRED
    assert Question.PRESENT not in trusting.held.asked


@pytest.mark.parametrize(
    "changes, refusal",
    [
        ({"state": ForeignState.REFUSED, "fault": "path"}, Refusal.CERTIFICATE_UNTRUSTED),
        ({"state": ForeignState.REFUSED, "fault": "expired"}, Refusal.CERTIFICATE_EXPIRED),
        ({"identity": "nobody@example.it"}, Refusal.PERSON_UNKNOWN),
        ({"good_until": None}, Refusal.CERTIFICATE_STATUS_STALE),
    ],
)
async def test_each_verdict_has_its_refusal(
    trusting: Stage, corp: Corp, changes: dict[str, object], refusal: Refusal
) -> None:
    """Untrusted, nobody's and nobody-knows are three pages, and each is in the audit log."""
    card = corp.card()
    trusting.clock.shift += timedelta(seconds=1)
    verdict = replace(good(trusting, card), **changes)  # type: ignore[arg-type]
    assert await refused(trusting, card, verdict) == refusal
    event = await trusting.wait_for_audit(AuditKind.CERTIFICATE_REFUSED, refusal)
    assert event.detail["trust"] == "corp"
    assert event.detail["fingerprint"] == card.fingerprint
    assert event.detail.get("fault") == changes.get("fault")


@pytest.mark.parametrize("reason", [RevocationReason.KEY_COMPROMISE, None])
async def test_revoked_or_held_by_its_ca_is_cut(
    trusting: Stage, corp: Corp, reason: RevocationReason | None
) -> None:
    """Only its connections: another card of the same CA goes on."""
    other = await first_contact(trusting, card := corp.card(), good(trusting, card))
    mine = corp.card()
    anna = await enter(trusting, mine)
    assert (await anna.ask()).status == 200
    said = Revocation(trusting.clock(), reason or RevocationReason.CERTIFICATE_HOLD)
    await judge(trusting, replace(good(trusting, mine), revocation=said))
    with suppress(ConnectionError):
        assert await soon(anna.wire.read()) == b""
    assert (await other.ask(GET)).refusal == Refusal.SESSION_REQUIRED
    wire = await trusting.connect(WIKI, mine)
    wanted = Refusal.CERTIFICATE_REVOKED if reason else Refusal.CERTIFICATE_HELD
    assert (await wire.ask(GET)).refusal == wanted


async def test_the_end_of_the_list_ends_what_rests_on_it(
    trusting: Stage, corp: Corp, caplog: pytest.LogCaptureFixture
) -> None:
    """No grant outlives it, and connections are cut; whoever comes is told that nobody can say."""
    caplog.set_level("INFO")
    card = corp.card()
    anna = await enter(trusting, card)
    assert (await anna.ask()).status == 200
    trusting.clock.shift += DAY + timedelta(seconds=5)
    trusting.sweep()
    with suppress(ConnectionError):
        assert await soon(anna.wire.read()) == b""
    await until(lambda: not trusting.connections)
    assert "connection of anna cut: certificate-status-stale" in caplog.text
    wire = await trusting.connect(WIKI, card)
    assert (await wire.ask(GET)).refusal == Refusal.CERTIFICATE_STATUS_STALE


async def test_a_later_list_lets_everybody_go_on(trusting: Stage, corp: Corp) -> None:
    """One row of the feed for the trust; nobody is cut, and nothing ends at the old time."""
    card = corp.card()
    anna = await enter(trusting, card)
    assert (await anna.ask("/before")).status == 200
    later = replace(good(trusting, card), good_until=trusting.clock() + 3 * DAY)
    first = trusting.connections[0].ends_at()
    await judge(trusting, later)
    await until(lambda: trusting.connections[0].ends_at() != first)
    trusting.clock.shift += 2 * DAY
    trusting.sweep()
    assert trusting.connections


async def test_a_trust_that_goes_cuts_its_certificates(trusting: Stage, corp: Corp) -> None:
    """And no others."""
    wire = await first_contact(trusting, card := corp.card(), good(trusting, card))
    ours = await trusting.enter()
    assert await believe(trusting) == 1
    with suppress(ConnectionError):
        assert await soon(wire.read()) == b""
    assert (await ours.ask()).status == 200


async def test_a_trust_that_comes_is_asked_about_what_was_unknown(
    stage: Stage, corp: Corp, made: MadeSite
) -> None:
    """Before it OpenSSL refuses; our own certificates that nobody recorded are never presented."""
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await (await stage.connect(WIKI, corp.card(), V12)).ask(GET)
    await believe(stage, corp.der)
    wire = await stage.connect(WIKI, made.unrecorded)
    assert (await wire.ask(GET)).refusal == Refusal.CERTIFICATE_UNKNOWN
    assert Question.PRESENT not in stage.held.asked
    await first_contact(stage, card := corp.card(), good(stage, card))


def nobodys(stage: Stage, card: Stick) -> bool:
    """Say whether memory has it that *card* belongs to nobody."""
    holder = stage.edge.admission.holder(Fingerprint(card.fingerprint))
    return isinstance(holder, Holder) and holder.person is None


async def test_a_person_who_comes_later_is_found(trusting: Stage, corp: Corp) -> None:
    """Whose it is is looked up when people change: a new account needs no new contact."""
    card = corp.card("carla@example.it")
    verdict = replace(good(trusting, card), identity="carla@example.it")
    assert await refused(trusting, card, verdict) == Refusal.PERSON_UNKNOWN
    await trusting.store.add_person(new_person("carla"))
    await until(lambda: not nobodys(trusting, card))
    wire = await trusting.connect(WIKI, card)
    assert (await wire.ask(GET)).refusal == Refusal.SESSION_REQUIRED


@pytest.mark.parametrize("idle", [True, False])
async def test_a_session_goes_to_nobody_else_with_the_certificate(
    trusting: Stage, corp: Corp, idle: bool
) -> None:
    """Who a card of another CA names may change, and a sign-in is of one person alone.

    Anna has given her password, and Carla, whose the card is from now on, has not.
    """
    card = corp.card()
    anna = await enter(trusting, card)
    if not idle:
        assert (await anna.ask("/page")).body == b"/page"
    await trusting.store.add_person(new_person("carla"))
    await judge(trusting, replace(good(trusting, card), identity="carla@example.it"))
    await until(lambda: _user_of(trusting, card) == "carla")
    before = trusting.wiki.received
    wire = await trusting.connect(WIKI, card)
    answer = await soon(wire.ask(anna.request()))
    assert answer.refusal == Refusal.SESSION_REQUIRED
    assert trusting.wiki.received == before
    event = await trusting.wait_for_audit(
        AuditKind.SESSION_REFUSED, Refusal.SESSION_OF_ANOTHER_CERTIFICATE
    )
    assert event.user == "carla"
    if not idle:
        assert await soon(anna.wire.read_all()) == b""


def _user_of(stage: Stage, card: Stick) -> str:
    holder = stage.edge.admission.holder(Fingerprint(card.fingerprint))
    return holder.user if isinstance(holder, Holder) else ""


@pytest.mark.parametrize("version", [V12, V13], ids=["1.2", "1.3"])
async def test_in_the_handshake_it_waits_too(
    strict: Stage, corp: Corp, version: ssl.TLSVersion
) -> None:
    """The handshake stands still until there is a verdict, whichever it is."""
    card = corp.card()
    connecting = asyncio.ensure_future(strict.connect(WIKI, card, version))
    (waiting,) = await soon(shown(strict))
    assert waiting.verdict.fingerprint == card.fingerprint
    certificate = x509.load_pem_x509_certificate(card.file.read_bytes())
    assert x509.load_der_x509_certificate(waiting.der) == certificate
    await judge(strict, good(strict, card))
    wire = await soon(connecting)
    assert (await wire.ask(GET)).refusal == Refusal.SESSION_REQUIRED


@pytest.mark.parametrize(
    "changes, alert",
    [
        ({"state": ForeignState.REFUSED, "fault": "path"}, "TLSV1_ALERT_UNKNOWN_CA"),
        ({"identity": "nobody@example.it"}, "SSLV3_ALERT_CERTIFICATE_UNKNOWN"),
    ],
)
async def test_in_the_handshake_each_verdict_has_its_alert(
    strict: Stage, corp: Corp, changes: dict[str, object], alert: str
) -> None:
    """As near to the reason as TLS has words."""
    card = corp.card()
    connecting = asyncio.ensure_future(strict.connect(WIKI, card, V12))
    await soon(shown(strict))
    await judge(strict, replace(good(strict, card), **changes))  # type: ignore[arg-type]
    with pytest.raises(ssl.SSLError) as caught:
        await soon(connecting)
    assert caught.value.reason == alert


async def test_browsers_are_told_the_names_of_the_other_ca_too(trusting: Stage, corp: Corp) -> None:
    """Or they would not offer its certificates."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{trusting.https_port}"]
    asked = await asyncio.to_thread(
        subprocess.run,
        [*command, "-servername", HOST],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    said = asked.stdout.decode(errors="replace")
    listed = re.search(r"Acceptable client certificate CA names\n((?:.*DC.*\n)+)", said)
    assert listed is not None, said
    assert len(listed[1].splitlines()) == 3
    assert "corp" in listed[1]


async def test_the_chain_that_an_application_sees_is_its_own(trusting: Stage, corp: Corp) -> None:
    """The issuing CA of ours has nothing to do with it (RFC 9440, section 2.3)."""
    wiki = replace(trusting.applications()["wiki"], client_certificate=True)
    trusting.edge.adopt({"wiki": wiki})
    anna = await enter(trusting, corp.card())
    assert (await anna.ask()).status == 200
    chain = b"Client-Cert-Chain: :" + b64encode(corp.der) + b":"
    assert chain in trusting.wiki.received


def test_what_is_presented(corp: Corp, made: MadeSite) -> None:
    """Neither what our own CAs have issued, nor what nobody could read, nor too much of it."""
    ours = x509.load_pem_x509_certificate(made.anna.file.read_bytes())
    theirs = x509.load_pem_x509_certificate(corp.card().file.read_bytes())
    der, own = (one.public_bytes(Encoding.DER) for one in (theirs, ours))
    elsewhere = Elsewhere(trusted=True, names=frozenset({ours.issuer.public_bytes()}))
    assert elsewhere.issued(der)
    assert not elsewhere.issued(own)
    assert not elsewhere.issued(b"")
    assert not elsewhere.issued(b"\x30\x00")
    version = b"\xa0\x03\x02\x01\x02"
    assert not elsewhere.issued(der.replace(version, version[:-1] + b"\x01", 1))
    assert not elsewhere.issued(der + bytes(CERTIFICATE_BYTES))
    assert not Elsewhere().issued(der)
