import asyncio
import logging
import os
import ssl
import subprocess
from contextlib import nullcontext, suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gateway.core.refusal_kinds import Refusal
from gateway.edge.stream import State
from gateway.edge.tls import Channel, HandshakeFailed, make_contexts, read_issuers
from tests.gateway.edge.hellos import (
    client_hello,
    hello_message,
    in_records,
    record,
    server_name_extension,
)
from tests.gateway.edge.site import HOST, PUBLIC_HOST, WIKI, MadeSite
from tests.gateway.edge.stage import Stage
from tests.gateway.edge.sticks import Stick, steal_certificate
from tests.gateway.edge.waiting import until
from tests.gateway.edge.wire import End, Wire, update_key
from tests.issuing import issuing_certificate

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
VERSIONS = pytest.mark.parametrize("version", [V12, V13], ids=["1.2", "1.3"])
GET = f"GET / HTTP/1.1\r\nHost: {WIKI}\r\n\r\n".encode()


async def alert(
    stage: Stage, host: str | None, stick: Stick | None, version: ssl.TLSVersion
) -> str:
    """Connect and return the reason of the alert that comes instead of an answer."""
    try:
        # In TLS 1.3 the client is done before the server has looked at its certificate.
        wire = await stage.connect(host, stick, version)
        answer = await wire.read()
    except ssl.SSLError as error:
        return error.reason or ""
    return f"none, but {answer!r}"


def refuses(wire: Wire) -> bool:
    """Say whether an alert has come."""
    assert wire.tls is not None
    try:
        wire.tls.read(1)
    except ssl.SSLWantReadError:
        return False
    except ssl.SSLError:
        return True
    return False


async def lost(stage: Stage) -> None:
    """Wait until the edge has let go of every connection, with the time for lingering over."""
    stage.sweep(after=10)
    await until(lambda: not len(stage.edge.connections))


# Certificates ---------------------------------------------------------------


@VERSIONS
async def test_a_good_certificate_is_taken(stage: Stage, version: ssl.TLSVersion) -> None:
    """With ALPN http/1.1, in both versions of TLS."""
    wire = await stage.connect(WIKI, stage.made.anna, version)
    assert wire.tls is not None
    assert (wire.tls.selected_alpn_protocol(), wire.tls.version()) == (
        "http/1.1",
        version.name.replace("_", ".").replace("TLSv1.", "TLSv1."),
    )
    reply = await wire.ask(GET)
    assert reply.refusal == Refusal.SESSION_REQUIRED
    (connection,) = stage.connections
    assert connection.fingerprint == stage.made.anna.fingerprint


@VERSIONS
@pytest.mark.parametrize(
    "stick, refusal",
    [
        (None, Refusal.NO_CERTIFICATE),
        ("expired", Refusal.CERTIFICATE_EXPIRED),
        ("not_yet_valid", Refusal.CERTIFICATE_NOT_YET_VALID),
        ("unrecorded", Refusal.CERTIFICATE_UNKNOWN),
    ],
)
async def test_who_can_be_told_in_a_page_is_told_in_a_page(
    stage: Stage, version: ssl.TLSVersion, stick: str | None, refusal: Refusal
) -> None:
    """A failed handshake could not say what to do next."""
    wire = await stage.connect(WIKI, getattr(stage.made, stick) if stick else None, version)
    reply = await wire.ask(GET)
    assert (reply.status, reply.refusal) == (403, refusal)
    assert reply.value("connection") == "close"
    assert await wire.read() == b""
    assert wire.end is End.CLOSED


@VERSIONS
@pytest.mark.parametrize(
    "stick, reason",
    [
        ("stranger", "TLSV1_ALERT_UNKNOWN_CA"),
        ("without_client_auth", "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE"),
    ],
)
async def test_what_is_no_certificate_of_ours_meets_an_alert(
    stage: Stage, version: ssl.TLSVersion, stick: str, reason: str
) -> None:
    """Another CA of the same name, or a certificate that is not for clients."""
    assert await alert(stage, WIKI, getattr(stage.made, stick), version) == reason
    await lost(stage)


@VERSIONS
async def test_a_certificate_without_its_key_meets_an_alert(
    stage: Stage, version: ssl.TLSVersion, tmp_path: Path
) -> None:
    """Whoever has only seen it cannot sign with it."""
    stolen = steal_certificate(stage.made.anna, tmp_path)
    assert await alert(stage, WIKI, stolen, version) == "TLSV1_ALERT_DECRYPT_ERROR"
    await lost(stage)


@VERSIONS
async def test_a_handshake_that_was_tampered_with_meets_an_alert(
    stage: Stage, version: ssl.TLSVersion
) -> None:
    """On its way, by somebody who has no part in it."""
    wire = await stage.tcp()
    context = stage.made.context(stage.made.anna, version)
    wire.writer.write(wire.begin_tls(context, WIKI))
    await wire._fill()
    assert wire.tls is not None
    with suppress(ssl.SSLWantReadError):
        wire.tls.do_handshake()
    flight = bytearray(wire.outgoing.read())
    flight[-1] ^= 1
    wire.writer.write(bytes(flight))
    with suppress(ssl.SSLWantReadError):
        wire.tls.do_handshake()
    while not refuses(wire):
        assert wire.end is None
        await wire._fill()
    await lost(stage)


# Names ----------------------------------------------------------------------


@VERSIONS
async def test_the_public_host_asks_for_no_certificate(
    stage: Stage, version: ssl.TLSVersion
) -> None:
    """So a browser shows no picker; one that would be shown is not even seen."""
    wire = await stage.connect(PUBLIC_HOST, stage.made.anna, version)
    assert (await wire.ask(GET.replace(WIKI.encode(), PUBLIC_HOST.encode()))).status == 200
    (connection,) = stage.connections
    assert connection.fingerprint is None
    assert [seen.values("pusterla-fingerprint") for seen in stage.portal.requests] == [[]]


@pytest.mark.parametrize("host", [WIKI, HOST, f"nothing.{HOST}"])
async def test_every_other_host_asks_for_one(stage: Stage, host: str) -> None:
    """Openssl says so."""
    asked = await asyncio.to_thread(
        subprocess.run,
        ["openssl", "s_client", "-connect", f"127.0.0.1:{stage.https_port}", "-servername", host],
        input=b"",
        capture_output=True,
        check=False,
    )
    assert b"Client Certificate Types" in asked.stdout or b"Acceptable client" in asked.stdout


async def test_a_connection_made_for_the_public_host_serves_nothing_else(stage: Stage) -> None:
    """Not even with the cookie of a live session."""
    session = await stage.sign_in()
    wire = await stage.connect(PUBLIC_HOST)
    for host in (WIKI,):
        reply = await wire.ask(
            f"GET / HTTP/1.1\r\nHost: {host}\r\n".encode() + stage.cookie(session) + b"\r\n"
        )
        assert (reply.status, reply.refusal) == (421, Refusal.MISDIRECTED)
    assert await wire.read() == b""
    assert stage.wiki.received == b""


async def test_a_connection_without_a_name_serves_nothing(stage: Stage) -> None:
    """Whatever host the request then names."""
    for host in (WIKI, HOST, PUBLIC_HOST):
        wire = await stage.connect(None, stage.made.anna)
        reply = await wire.ask(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert (reply.status, reply.refusal) == (421, Refusal.MISDIRECTED)


async def test_a_hello_in_many_records_never_meets_the_public_host(stage: Stage) -> None:
    """Where we cannot read the name a certificate is asked for, and the host refused."""
    wire = await stage.tcp()
    context = stage.made.context()
    context.maximum_version = V12
    hello = wire.begin_tls(context, PUBLIC_HOST)
    wire.writer.write(in_records(hello, 50))
    await wire.shake_hands()
    reply = await wire.ask(GET.replace(WIKI.encode(), PUBLIC_HOST.encode()))
    assert (reply.status, reply.refusal) == (421, Refusal.MISDIRECTED)


def test_two_readings_of_a_name_are_refused(made: MadeSite) -> None:
    """We read the public host's name, OpenSSL another one or an error: either way an alert."""
    edge = made.folder
    contexts = make_contexts(
        edge.server_certificate, edge.server_key, edge.client_trust, PUBLIC_HOST
    )
    public, wiki = PUBLIC_HOST.encode(), WIKI.encode()
    for extension in (
        server_name_extension(public, wiki),
        server_name_extension(public) + server_name_extension(wiki),
        server_name_extension(public)[:-1] + b"\0",
    ):
        channel = Channel(contexts)
        with pytest.raises(HandshakeFailed):
            channel.shake_hands(record(hello_message(extension)))
        assert channel.pending()[:1] == b"\x15"


def test_the_public_context_takes_only_its_own_name(made: MadeSite) -> None:
    """Should our own reading ever be wrong, OpenSSL's is asked too."""
    edge = made.folder
    contexts = make_contexts(
        edge.server_certificate, edge.server_key, edge.client_trust, PUBLIC_HOST
    )
    for name, taken in ((PUBLIC_HOST, True), (WIKI, False), (None, False)):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        server = contexts.public.wrap_bio(incoming, outgoing, server_side=True)
        incoming.write(client_hello(name))
        with pytest.raises(ssl.SSLWantReadError if taken else ssl.SSLError) as raised:
            server.do_handshake()
        if not taken and name is not None:
            assert raised.value.reason is not None
        assert outgoing.read()[:1] == (b"\x16" if taken else b"\x15")


@pytest.mark.parametrize("named, taken", [("issuing", True), ("root", False)])
def test_who_signs_certificates_of_clients_need_not_be_asked_who_signed_theirs(
    made: MadeSite, tmp_path: Path, named: str, taken: bool
) -> None:
    """An issuing CA in the file is believed as it stands; a root alone cannot be reached."""
    edge = made.folder
    trust = tmp_path / "clients.pem"
    file = issuing_certificate(edge) if named == "issuing" else edge.root_certificate
    trust.write_bytes(file.read_bytes())
    contexts = make_contexts(edge.server_certificate, edge.server_key, trust, PUBLIC_HOST)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = made.context(made.anna).wrap_bio(incoming, outgoing, server_hostname=WIKI)
    channel = Channel(contexts)
    with nullcontext() if taken else pytest.raises(HandshakeFailed):
        for _ in range(2):
            with suppress(ssl.SSLWantReadError):
                client.do_handshake()
            channel.shake_hands(outgoing.read())
            incoming.write(channel.pending())
        assert channel.fingerprint == made.anna.fingerprint


# Versions and resumption ----------------------------------------------------


async def test_tls_1_1_meets_an_alert(stage: Stage) -> None:
    """Protocol_version."""
    wire = await stage.tcp()
    hello = bytearray(record(hello_message(server_name_extension(WIKI.encode()))))
    hello[9:11] = b"\x03\x02"
    wire.writer.write(bytes(hello))
    await wire._fill()
    assert wire._plain[:2] + wire._plain[5:7] == b"\x15\x03\x02\x46"
    await lost(stage)


@VERSIONS
@pytest.mark.parametrize("host", [WIKI, PUBLIC_HOST])
async def test_who_speaks_no_http_1_meets_an_alert(
    stage: Stage, host: str, version: ssl.TLSVersion
) -> None:
    """RFC 7301, section 3.2; whoever names no protocol at all speaks HTTP, as ever."""
    context = stage.made.context(stage.made.anna, version)
    for offered in [("h2", "http/1.1"), ("http/1.0",), ()]:
        context.set_alpn_protocols(offered)
        wire = await stage.connect(host, context=context)
        assert wire.tls is not None
        assert wire.tls.selected_alpn_protocol() == (offered[-1] if offered else None)
    for offered in [("h2",), ("imap", "h3")]:
        context.set_alpn_protocols(offered)
        wire = await stage.tcp()
        wire.writer.write(wire.begin_tls(context, host))
        await wire._fill()
        assert wire.incoming.read() == bytes([21, 3, 3, 0, 2, 2, 120])
        await wire._fill()
        assert wire.end is not None


@VERSIONS
async def test_no_session_can_be_resumed(stage: Stage, version: ssl.TLSVersion) -> None:
    """Neither by ticket nor by number; so nobody is taken for who they were before."""
    context = stage.made.context(stage.made.anna, version)
    first = await stage.connect(WIKI, context=context)
    assert (await first.ask(GET)).refusal == Refusal.SESSION_REQUIRED
    assert first.tls is not None
    session = first.tls.session
    first.close()
    second = await stage.connect(WIKI, context=context, session=session)
    assert second.tls is not None
    assert not second.tls.session_reused
    assert (await second.ask(GET)).refusal == Refusal.SESSION_REQUIRED


async def test_renegotiation_is_refused(stage: Stage) -> None:
    """The client goes on as it was, or is closed; it never becomes somebody else."""
    talked = await asyncio.to_thread(
        subprocess.run,
        [
            *("openssl", "s_client", "-connect", f"127.0.0.1:{stage.https_port}", "-tls1_2"),
            *("-servername", WIKI),
        ],
        input=b"R\n" + GET,
        capture_output=True,
        check=False,
        timeout=20,
    )
    assert b"no renegotiation" in talked.stderr.lower() or b"RENEGOTIATING" in talked.stdout
    assert b"HTTP/1.1 200" not in talked.stdout


@VERSIONS
async def test_only_ciphers_with_forward_secrecy_are_spoken(
    stage: Stage, version: ssl.TLSVersion
) -> None:
    """Mozilla's intermediate list."""
    wire = await stage.connect(WIKI, None, version)
    assert wire.tls is not None
    cipher = wire.tls.cipher()
    assert cipher is not None
    assert cipher[0].startswith(("ECDHE-ECDSA-", "TLS_"))
    context = stage.made.context(None, V12)
    context.set_ciphers("AES128-SHA:AES256-GCM-SHA384:ECDHE-ECDSA-AES128-SHA")
    with pytest.raises(ssl.SSLError):
        await stage.connect(WIKI, context=context)


# Broken TLS -----------------------------------------------------------------


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nHost: wiki\r\n\r\n",
        b"\x00" * 100,
        record(hello_message(b"\0\0\0")),
        b"\x16\x03\x01\xff\xff" + bytes(100),
        record(b"\x00\x00", kind=21),
    ],
    ids=["http", "zeros", "bad extension", "too long", "alert"],
)
async def test_what_is_no_tls_is_closed(stage: Stage, garbage: bytes) -> None:
    """With an alert where there is one to send; nothing is left behind."""
    wire = await stage.tcp()
    wire.writer.write(garbage)
    answer = await wire.read_all()
    assert answer[:1] in {b"", b"\x15"}
    await lost(stage)


async def test_bytes_behind_a_failed_handshake_are_dropped(stage: Stage) -> None:
    """However many there are."""
    wire = await stage.tcp()
    wire.writer.write(bytes(100))
    await wire.read_all()
    wire.writer.write(bytes(100_000))
    wire.writer.write(client_hello(WIKI))
    await asyncio.sleep(0.02)
    assert stage.errors == []
    await lost(stage)


@VERSIONS
async def test_a_handshake_is_taken_byte_by_byte(stage: Stage, version: ssl.TLSVersion) -> None:
    """However slowly it comes, within its time."""
    wire = await stage.tcp()
    hello = wire.begin_tls(stage.made.context(stage.made.anna, version), WIKI)
    for octet in hello:
        wire.writer.write(bytes([octet]))
        await asyncio.sleep(0)
    await wire.shake_hands()
    assert (await wire.ask(GET)).refusal == Refusal.SESSION_REQUIRED


async def test_a_handshake_that_stops_is_closed_in_time(stage: Stage) -> None:
    """Silent from the start, in the middle of a ClientHello, or behind it."""
    wires = [await stage.tcp() for _ in range(3)]
    wires[1].writer.write(client_hello(WIKI)[:50])
    wires[2].writer.write(record(b"\x01\x00\x40\x00" + bytes(40)))
    await until(lambda: len(stage.arrivals) == 3)
    stage.sweep(after=stage.site.limits.handshake.total_seconds() - 1)
    assert len(stage.arrivals) == 3
    stage.sweep(after=stage.site.limits.handshake.total_seconds() + 1)
    for wire in wires:
        assert await wire.read_all() == b""


@VERSIONS
async def test_a_record_that_does_not_decrypt_ends_the_connection(
    stage: Stage, version: ssl.TLSVersion
) -> None:
    """In the middle of an answer too; with an alert, and nothing of it is a request."""
    wire = await stage.connect(WIKI, stage.made.anna, version)
    sealed = bytearray(wire.seal(GET))
    sealed[-1] ^= 1
    wire.writer.write(bytes(sealed))
    with pytest.raises(ssl.SSLError, match=r"(?i)bad.record.mac"):
        await wire.read()
    await lost(stage)


@VERSIONS
@pytest.mark.parametrize("what", [b"\x17\x03\x03\x00\x20" + bytes(32), b"\xff" * 100, GET * 10])
async def test_what_comes_behind_the_last_answer_is_dropped(
    stage: Stage, version: ssl.TLSVersion, what: bytes
) -> None:
    """Everything is said by then; it is read only so that no reset overtakes the answer."""
    wire = await stage.connect(WIKI, None, version)
    reply = await wire.ask(GET)
    assert reply.refusal == Refusal.NO_CERTIFICATE
    wire.writer.write(wire.seal(what) if what.startswith(GET) else what)
    await asyncio.sleep(0.02)
    assert stage.errors == []
    assert await wire.read() == b""
    assert wire.end is End.CLOSED
    await lost(stage)


@VERSIONS
async def test_a_request_in_the_flight_of_the_handshake_is_served(
    stage: Stage, version: ssl.TLSVersion
) -> None:
    """A client may send it together with its last message."""
    wire = await stage.tcp()
    wire.writer.write(wire.begin_tls(stage.made.context(stage.made.anna, version), WIKI))
    assert wire.tls is not None
    sealed = b""
    while not sealed:
        await wire._fill()
        try:
            wire.tls.do_handshake()
            sealed = wire.outgoing.read() + wire.seal(GET)
        except ssl.SSLWantReadError:
            wire._flush()
    wire.writer.write(sealed)
    assert (await wire.reply()).refusal == Refusal.SESSION_REQUIRED


def test_a_channel_says_nothing_before_its_handshake(made: MadeSite) -> None:
    """Neither plaintext nor a goodbye."""
    edge = made.folder
    channel = Channel(
        make_contexts(edge.server_certificate, edge.server_key, edge.client_trust, PUBLIC_HOST)
    )
    assert channel.decrypt(b"abc") == []
    assert channel.close() == b""
    assert not channel.established


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
# Where the first 64 KiB end in a record that looks whole, for messages lie before it.
@example([16384, 16384, 15902, 16384, 16384], 512 * 1024, 3)
@example([16384] * 24, 512 * 1024, 4)
@example([1] * 4000, 96 * 1024, 0)
@given(
    st.lists(st.integers(1, 16384) | st.just(16384), min_size=1, max_size=24),
    st.integers(1, 200_000),
    st.integers(0, 24),
)
def test_records_are_decrypted_however_they_come(
    made: MadeSite, sizes: list[int], read: int, updated: int
) -> None:
    """Many at once or in pieces, with messages of the handshake among them (RFC 8446, 4.6.3)."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = made.context(made.anna)
    client = context.wrap_bio(incoming, outgoing, server_hostname=WIKI)
    edge = made.folder
    channel = Channel(
        make_contexts(edge.server_certificate, edge.server_key, edge.client_trust, PUBLIC_HOST)
    )
    while not channel.established:
        with suppress(ssl.SSLWantReadError):
            client.do_handshake()
        channel.shake_hands(outgoing.read())
        incoming.write(channel.pending())
    said = [os.urandom(size) for size in sizes]
    for number, piece in enumerate(said):
        if number == updated:
            for _ in range(20):
                update_key(client)
        client.write(piece)
    wire = memoryview(outgoing.read())
    heard = [channel.decrypt(wire[start : start + read]) for start in range(0, len(wire), read)]
    assert [piece for pieces in heard for piece in pieces] == said
    assert not channel.ended


def test_the_issuers_are_told_without_the_root(made: MadeSite) -> None:
    """RFC 9440, section 2.3: whoever verifies has the root already."""
    (issuer,) = read_issuers(made.folder.client_trust)
    assert issuer in ssl.PEM_cert_to_DER_cert(
        issuing_certificate(made.folder).read_text(encoding="ascii")
    )


# New keys -------------------------------------------------------------------


@pytest.mark.parametrize("plain", [b"", b"G"], ids=["alone", "with a head that is never whole"])
async def test_who_wants_new_keys_for_ever_is_cut(
    stage: Stage, plain: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """An answer waits for each, and a stranger who takes none would have them pile up."""
    caplog.set_level(logging.INFO, "pusterla.edge")
    wire = await stage.connect(PUBLIC_HOST)
    sent = 0
    while stage.connections and sent < 2000:
        sealed = wire.seal(plain) if plain else b""
        with suppress(ConnectionError):
            await wire.send_sealed(sealed + wire.ask_for_keys(50))
        sent += 50
        await asyncio.sleep(0.001)
    assert 400 <= sent < 2000
    assert "it asks for new keys without end" in caplog.text
    await lost(stage)


async def test_new_keys_now_and_then_are_nothing_special(stage: Stage) -> None:
    """They come before requests, behind them, and in the middle of them."""
    visitor = await stage.enter()
    wire = visitor.wire
    for _ in range(20):
        request = visitor.request("/page")
        before, middle = wire.ask_for_keys(), wire.seal(request[:20])
        between, rest = wire.ask_for_keys(), wire.seal(request[20:])
        await wire.send_sealed(before + middle + between + rest + wire.ask_for_keys())
        assert (await wire.reply()).status == 200


async def test_new_keys_are_answered_in_the_middle_of_a_body(stage: Stage) -> None:
    """Their answer waits for none of the application's."""
    visitor = await stage.enter()
    wire = visitor.wire
    head = visitor.request("/", "POST", b"Content-Length: 6")
    await wire.send(head)
    # OpenSSL leaves the first unanswered until it has something else to send.
    keys, body = wire.ask_for_keys(2), wire.seal(b"abc")
    assert wire.incoming.pending == 0
    await wire.send_sealed(keys + body)
    await wire._fill()
    assert wire.incoming.pending > 0
    await wire.send(b"def")
    assert (await wire.reply("POST")).status == 200


async def test_new_keys_after_the_end_are_answered_to_nobody(stage: Stage) -> None:
    """Behind close_notify nothing is said any more, and nothing piles up."""
    wire = await stage.connect(PUBLIC_HOST)
    await wire.send(b"GET / HTTP/1.1\r\n\r\n")
    (connection,) = stage.connections
    assert connection._channel is not None
    await until(lambda: connection._state is State.LINGER)
    await wire.send_sealed(wire.ask_for_keys(10))
    await asyncio.sleep(0.05)
    answer = await wire.read_all()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert wire.end is End.CLOSED
    assert connection._channel.pending() == b""
