"""Certificates refused in the handshake: which alert each gets, and that nothing gets through."""

import asyncio
import gc
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ca import ledger
from ca.trust import RevocationReason
from gateway.core.audit import AuditKind
from gateway.core.people import Fingerprint
from gateway.core.refusal_kinds import Refusal
from gateway.core.site import Demand
from gateway.edge.connections import LINGER_SECONDS
from gateway.edge.cut_reasons import CutReason
from gateway.edge.judging import HeldHandshake
from gateway.edge.tls import Channel, HandshakeFailed, make_contexts
from gateway.edge.worker import read_identity
from tests.gateway.edge.hellos import record, vector
from tests.gateway.edge.site import HOST, PUBLIC_HOST, WIKI, MadeSite
from tests.gateway.edge.stage import Stage, open_stage
from tests.gateway.edge.sticks import Stick, steal_certificate
from tests.gateway.edge.stores import Question
from tests.gateway.edge.waiting import soon, until

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
VERSIONS = pytest.mark.parametrize("version", [V12, V13], ids=["1.2", "1.3"])
GET = f"GET / HTTP/1.1\r\nHost: {WIKI}\r\n\r\n".encode()
REVOKED = "SSLV3_ALERT_CERTIFICATE_REVOKED"


@pytest.fixture
async def strict(made: MadeSite, tmp_path: Path) -> AsyncIterator[Stage]:
    """Yield a worker that refuses certificates in the handshake."""
    async with open_stage(made, tmp_path, certificate=Demand.HANDSHAKE) as stage:
        yield stage


async def alert(
    stage: Stage, stick: Stick | None, version: ssl.TLSVersion, host: str | None = WIKI
) -> str:
    """Connect and return the reason of the alert that comes instead of an answer."""
    try:
        wire = await stage.connect(host, stick, version)
        await wire.send(GET)
        answer = await wire.read()
    except ssl.SSLError as error:
        return error.reason or ""
    return f"none, but {answer!r}"


def untouched(stage: Stage) -> bool:
    """Say whether no request has got anywhere."""
    return not (stage.wiki.received or stage.portal.received or stage.connections)


@VERSIONS
@pytest.mark.parametrize(
    "stick, alerts",
    [
        (None, ("SSLV3_ALERT_HANDSHAKE_FAILURE", "TLSV13_ALERT_CERTIFICATE_REQUIRED")),
        ("expired", ("SSLV3_ALERT_CERTIFICATE_EXPIRED",)),
        ("not_yet_valid", ("SSLV3_ALERT_BAD_CERTIFICATE",)),
        ("stranger", ("TLSV1_ALERT_UNKNOWN_CA",)),
        ("without_client_auth", ("SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",)),
        ("unrecorded", ("SSLV3_ALERT_CERTIFICATE_UNKNOWN",)),
    ],
)
async def test_each_bad_certificate_has_its_alert(
    strict: Stage, version: ssl.TLSVersion, stick: str | None, alerts: tuple[str, ...]
) -> None:
    """The same at the second try, when memory knows it; with every name, and with none."""
    wanted = alerts[-1] if version is V13 else alerts[0]
    bad = getattr(strict.made, stick) if stick else None
    for host in (WIKI, HOST, None, WIKI):
        assert await alert(strict, bad, version, host) == wanted
    assert untouched(strict)


@VERSIONS
async def test_a_revoked_certificate_meets_its_alert(
    strict: Stage, version: ssl.TLSVersion
) -> None:
    """Revoked before anybody knew it, or while it was connected, which ends too."""
    revoke = strict.store.revoke_certificates
    await revoke(serial=strict.made.second.serial, reason=RevocationReason.SUPERSEDED, by="test")
    assert await alert(strict, strict.made.second, version) == REVOKED
    wire = await strict.connect(WIKI, strict.made.anna, version)
    assert (await wire.ask(GET)).refusal == Refusal.SESSION_REQUIRED
    await revoke(serial=strict.made.anna.serial, reason=RevocationReason.KEY_COMPROMISE, by="test")
    await until(lambda: not strict.connections)
    assert await alert(strict, strict.made.anna, version) == REVOKED
    event = await strict.wait_for_audit(AuditKind.CERTIFICATE_REFUSED, Refusal.CERTIFICATE_REVOKED)
    assert event.user == "anna"
    # For it is judged before the signature: anybody may show what he has seen of others.
    assert event.detail == {"possession": "unproven"}


@VERSIONS
async def test_a_certificate_on_hold_meets_the_alert_of_a_revoked_one(
    strict: Stage, version: ssl.TLSVersion
) -> None:
    """TLS has no word for what may come back; our own records have."""
    held = strict.made.second
    async with strict.store.begin() as connection:
        await ledger.hold(connection, serials=[held.serial], now=datetime.now(UTC))
    assert await alert(strict, held, version) == REVOKED
    await strict.wait_for_audit(AuditKind.CERTIFICATE_REFUSED, Refusal.CERTIFICATE_HELD)


@VERSIONS
async def test_a_certificate_of_somebody_who_may_not_meets_the_alert_of_a_revoked_one(
    strict: Stage, version: ssl.TLSVersion
) -> None:
    """TLS has no word for a person who is disabled."""
    wire = await strict.connect(WIKI, strict.made.bruno, version)
    assert (await wire.ask(GET)).refusal == Refusal.NOT_ALLOWED
    await strict.store.set_enabled("bruno", False)
    await until(lambda: not strict.connections)
    assert await alert(strict, strict.made.bruno, version) == REVOKED


@VERSIONS
async def test_when_nobody_can_say_the_handshake_fails_closed(
    strict: Stage, version: ssl.TLSVersion
) -> None:
    """The store is silent, or breaks, or the feed has been silent for too long."""
    strict.held.fail(Question.HOLDER)
    assert await alert(strict, strict.made.anna, version) == "TLSV1_ALERT_INTERNAL_ERROR"
    strict.held.fail(Question.HOLDER, error=ZeroDivisionError("a mistake"))
    assert await alert(strict, strict.made.anna, version) == "TLSV1_ALERT_INTERNAL_ERROR"
    counted = strict.edge.telemetry.figures.snapshot()["refusals"]
    assert (counted[Refusal.STORE_UNAVAILABLE], counted[Refusal.INTERNAL]) == (1, 1)
    (error,) = strict.errors
    assert "a mistake" in error
    strict.errors.clear()
    strict.held.heal()
    wire = await strict.connect(WIKI, strict.made.anna, version)
    assert (await wire.ask(GET)).refusal == Refusal.SESSION_REQUIRED
    strict.held.silence()
    strict.clock.shift += 2 * strict.site.feed_grace
    assert await alert(strict, strict.made.anna, version) == "TLSV1_ALERT_INTERNAL_ERROR"


@VERSIONS
async def test_many_handshakes_wait_at_once_and_each_gets_its_own_answer(
    strict: Stage, version: ssl.TLSVersion
) -> None:
    """They stand still in the middle of OpenSSL, and go on in any order."""
    await strict.store.set_enabled("bruno", False)
    strict.held.hold(Question.HOLDER)
    sticks = [strict.made.anna, strict.made.bruno, strict.made.second, strict.made.unrecorded]
    asking = [
        asyncio.ensure_future(alert(strict, sticks[number % 4], version)) for number in range(20)
    ]

    def waiting() -> list[Channel]:
        channels = [one._channel for one in strict.arrivals if one._channel is not None]
        return [channel for channel in channels if channel.asking is not None]

    await until(lambda: len(waiting()) == 20)
    strict.held.release(Question.HOLDER)
    let_in = "401 session-required"
    wanted = (let_in, REVOKED, "403 outside-certificate-scope", "SSLV3_ALERT_CERTIFICATE_UNKNOWN")
    for number, answer in enumerate(await soon(asyncio.gather(*asking))):
        assert wanted[number % 4] in answer


@VERSIONS
@pytest.mark.parametrize("way", ["client", "time", "cut"])
async def test_a_handshake_that_ends_while_it_waits_leaves_nothing_behind(
    strict: Stage, version: ssl.TLSVersion, way: str
) -> None:
    """The client goes, or its time is over, or it has to make room."""
    strict.held.hold(Question.HOLDER)
    asking = asyncio.ensure_future(alert(strict, strict.made.anna, version))
    await strict.held.wait_asked(Question.HOLDER)
    (arrival,) = strict.arrivals
    if way == "client":
        strict.wires[-1].reset()
    elif way == "time":
        strict.sweep(after=strict.site.limits.handshake.total_seconds() + 1)
    else:
        arrival.cut(CutReason.DRAINED)
    if way == "client":
        # A reset is not heard while reading is paused; the time limit is.
        strict.sweep(after=strict.site.limits.handshake.total_seconds() + 1)
    await until(lambda: not strict.arrivals)
    await asyncio.gather(asking, return_exceptions=True)
    channel = arrival._channel
    assert channel is not None
    assert (channel.asking, channel.established) == (None, False)
    strict.held.release(Question.HOLDER)
    await strict.settle()
    assert untouched(strict)


@VERSIONS
async def test_a_certificate_without_its_key_gets_nobody_in(
    strict: Stage, version: ssl.TLSVersion, tmp_path: Path
) -> None:
    """It is judged before the signature is looked at, so judged good must not be enough."""
    stolen = steal_certificate(strict.made.anna, tmp_path)
    for _ in range(2):
        assert await alert(strict, stolen, version) == "TLSV1_ALERT_DECRYPT_ERROR"
    assert untouched(strict)


@VERSIONS
async def test_the_connection_stands_until_the_client_has_read_the_alert(
    strict: Stage, version: ssl.TLSVersion
) -> None:
    """Chromium overlooks an alert behind which the connection ends; but it does not stand for long."""
    wire = await strict.tcp()
    wire.writer.write(wire.begin_tls(strict.made.context(strict.made.expired, version), WIKI))

    async def talk() -> None:
        await wire.shake_hands()
        await wire.read()

    with pytest.raises(ssl.SSLError, match=r"(?i)certificate.expired"):
        await talk()
    assert (wire.end, len(strict.arrivals)) == (None, 1)
    strict.sweep(after=LINGER_SECONDS + 1)
    await until(lambda: not strict.arrivals)


async def test_the_public_host_asks_for_none(strict: Stage) -> None:
    """As ever: revocation lists must be had by whoever has no certificate."""
    wire = await strict.connect(PUBLIC_HOST)
    assert (await wire.ask(GET.replace(WIKI.encode(), PUBLIC_HOST.encode()))).status == 200


@pytest.mark.parametrize(
    "flag, seen",
    [
        ("-tls1_2", ("alert handshake failure", "alert number 40")),
        ("-tls1_3", ("alert certificate required", "alert number 116")),
    ],
)
async def test_openssl_sees_the_alert(strict: Stage, flag: str, seen: tuple[str, ...]) -> None:
    """A client that we did not write, without a certificate."""
    talked = await asyncio.to_thread(
        subprocess.run,
        [
            *("openssl", "s_client", "-connect", f"127.0.0.1:{strict.https_port}", flag),
            *("-servername", WIKI, "-ign_eof"),
        ],
        input=GET,
        capture_output=True,
        check=False,
        timeout=20,
    )
    assert all(words.encode() in talked.stderr for words in seen), talked.stderr
    assert b"HTTP/1.1" not in talked.stdout


@pytest.mark.parametrize("flag", ["-tls1_2", "-tls1_3"])
async def test_openssl_sees_that_a_certificate_is_revoked(strict: Stage, flag: str) -> None:
    """The same with a certificate that somebody has lost."""
    await strict.store.revoke_certificates(
        serial=strict.made.anna.serial, reason=RevocationReason.KEY_COMPROMISE, by="test"
    )
    stick = str(strict.made.anna.file)
    talked = await asyncio.to_thread(
        subprocess.run,
        [
            *("openssl", "s_client", "-connect", f"127.0.0.1:{strict.https_port}", flag),
            *("-servername", WIKI, "-ign_eof", "-cert", stick, "-key", stick),
        ],
        input=GET,
        capture_output=True,
        check=False,
        timeout=20,
    )
    assert b"alert number 44" in talked.stderr, talked.stderr
    assert b"HTTP/1.1" not in talked.stdout


# The binding ----------------------------------------------------------------


def channel_with(made: MadeSite, demand: Demand) -> Channel:
    """Return a channel of contexts of its own."""
    edge = made.folder
    return Channel(
        make_contexts(
            *(edge.server_certificate, edge.server_key, edge.client_trust, PUBLIC_HOST), demand
        )
    )


def shake_until_asked(channel: Channel, made: MadeSite, stick: Stick) -> ssl.SSLObject:
    """Let a client show *stick* to *channel*, as far as it goes."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = made.context(stick).wrap_bio(incoming, outgoing, server_hostname=WIKI)
    while channel.asking is None and not channel.established:
        with suppress(ssl.SSLWantReadError):
            client.do_handshake()
        channel.shake_hands(outgoing.read())
        incoming.write(channel.pending())
    return client


def test_a_channel_stops_at_the_certificate_and_goes_on(made: MadeSite) -> None:
    """It names the certificate, and has sent nothing that depends on it."""
    channel = channel_with(made, Demand.HANDSHAKE)
    shake_until_asked(channel, made, made.anna)
    assert channel.asking == made.anna.fingerprint
    assert (channel.established, channel.fingerprint) == (False, None)
    channel.answer(None)
    after: Channel = channel
    assert (after.asking is None, after.established) == (True, True)
    assert after.fingerprint == made.anna.fingerprint


def test_where_a_page_answers_nothing_stops(made: MadeSite) -> None:
    """The default pays nothing for it."""
    channel = channel_with(made, Demand.PAGE)
    shake_until_asked(channel, made, made.anna)
    assert (channel.asking, channel.established) == (None, True)


def test_a_handshake_that_nobody_holds_is_refused(made: MadeSite) -> None:
    """Made past the channel it has nobody to ask."""
    context = channel_with(made, Demand.HANDSHAKE)._contexts.protected
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(to_server, to_client, server_side=True)
    client = made.context(made.anna).wrap_bio(to_client, to_server, server_hostname=WIKI)
    refused = ""
    for side in (client, server, client, server):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
        except ssl.SSLError as error:
            refused = error.reason or ""
    assert refused == "CERTIFICATE_VERIFY_FAILED"


def test_a_handshake_that_is_dropped_while_it_waits_harms_nobody(made: MadeSite) -> None:
    """Should anybody ever forget to answer: OpenSSL comes to an end all the same."""
    channel = channel_with(made, Demand.HANDSHAKE)
    held: list[Fingerprint | None] = []
    shake_until_asked(channel, made, made.anna)
    held.append(channel.asking)
    other = channel_with(made, Demand.HANDSHAKE)
    shake_until_asked(other, made, made.bruno)
    other.answer(None)
    with pytest.raises(HandshakeFailed):
        channel.answer(Refusal.CERTIFICATE_REVOKED)
    assert held == [made.anna.fingerprint]
    gc.collect()


def test_a_handshake_that_nobody_answers_ends_with_its_channel(made: MadeSite) -> None:
    """It is forgotten in the middle of OpenSSL, and the next ones are as ever."""
    for _ in range(3):
        channel = channel_with(made, Demand.HANDSHAKE)
        shake_until_asked(channel, made, made.anna)
        del channel
        gc.collect()
    channel = channel_with(made, Demand.HANDSHAKE)
    shake_until_asked(channel, made, made.anna)
    channel.answer(None)
    assert channel.established


async def test_a_certificate_ahead_of_its_time_is_refused(strict: Stage) -> None:
    """Sent behind the ClientHello, in TLS 1.2, where it stands in clear: nobody is asked about it."""
    leaf = ssl.PEM_cert_to_DER_cert(strict.made.anna.file.read_text().partition("-----BEGIN P")[0])
    certificate = b"\x0b" + vector(3, vector(3, vector(3, leaf)))
    context = strict.made.context(None, V12)
    wire = await strict.tcp()
    wire.writer.write(wire.begin_tls(context, WIKI) + record(certificate))
    await until(lambda: any(one._over for one in strict.arrivals))
    assert strict.held.asked.count(Question.HOLDER) == 0
    assert untouched(strict)


async def test_how_certificates_are_demanded_may_change(stage: Stage) -> None:
    """A reload is enough; connections that are there stay as they are, and get their pages."""
    before = await stage.connect(WIKI)
    for demand, seen in (
        (Demand.HANDSHAKE, "TLSV13_ALERT_CERTIFICATE_REQUIRED"),
        (Demand.PAGE, "403 no-certificate"),
    ):
        site = replace(stage.site, certificate=demand)
        identity = read_identity(stage.worker.credentials, site)
        await stage.worker.reload(site, stage.applications(), identity)
        assert seen in await alert(stage, None, V13)
        visitor = await stage.enter()
        assert (await visitor.ask()).status == 200
    assert (await before.ask(GET)).refusal == Refusal.NO_CERTIFICATE


def test_what_a_handshake_raises_is_raised() -> None:
    """Through the greenlet."""

    def handshake() -> None:
        raise ssl.SSLWantReadError

    with pytest.raises(ssl.SSLWantReadError):
        HeldHandshake(handshake).proceed()
