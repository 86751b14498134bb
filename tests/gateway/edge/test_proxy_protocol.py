"""PROXY headers: as bytes, on connections of balancers and of others, and as haproxy writes them."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.audit import AuditKind
from gateway.core.refusal_kinds import Refusal
from gateway.edge.proxy_protocol import (
    HEADER_MAXIMUM,
    SIGNATURE,
    Header,
    Incomplete,
    ProxyHeaderBroken,
    checksum,
    plain_address,
    read_header,
)
from policies.model import AppPolicy
from tests.gateway.edge.site import HOST, PUBLIC_HOST, WIKI, MadeSite
from tests.gateway.edge.stage import Stage, open_stage
from tests.gateway.edge.waiting import PATIENCE, until
from tests.gateway.edge.wire import Wire

GET = f"GET / HTTP/1.1\r\nHost: {WIKI}\r\n\r\n".encode()
LOCAL, PROXY = 0x20, 0x21
INET, INET6 = 0x11, 0x21
CLIENT = "198.51.100.7"


def extra(kind: int, value: bytes) -> bytes:
    """Return one extra (TLV) of a header."""
    return pack("!BH", kind, len(value)) + value


def header(
    client: str = CLIENT, port: int = 4711, extras: bytes = b"", *, command: int = PROXY
) -> bytes:
    """Return the header of a TCP connection of *client*, as the specification draws it."""
    source = ip_address(client)
    family = INET if source.version == 4 else INET6
    addresses = source.packed + bytes(len(source.packed)) + pack("!HH", port, 443)
    body = addresses + extras
    return SIGNATURE + pack("!BBH", command, family, len(body)) + body


def with_checksum(extras: bytes = b"") -> bytes:
    """Return a header with a checksum among its *extras*."""
    blank = header(extras=extras + extra(3, bytes(4)))
    return blank[:-4] + checksum(blank).to_bytes(4)


# Bytes ----------------------------------------------------------------------


@given(
    st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)),
    st.integers(0, 65535),
    st.lists(st.tuples(st.integers(4, 255), st.binary(max_size=50)), max_size=5),
    st.binary(max_size=40),
)
def test_what_a_header_says_is_read(
    client: object, port: int, extras: list[tuple[int, bytes]], rest: bytes
) -> None:
    """Whatever extras there are and whatever follows; and any part of it is waited for."""
    whole = header(str(client), port, b"".join(extra(*one) for one in extras))
    assert read_header(whole + rest) == Header(len(whole), plain_address(str(client)), port)
    for length in range(len(whole)):
        assert read_header(whole[:length]) == Incomplete()


@given(st.one_of(st.binary(max_size=80), st.binary(max_size=80).map(SIGNATURE.__add__)))
def test_bytes_are_a_header_or_are_not(data: bytes) -> None:
    """No bytes make anything else of the reader than an answer or its own error."""
    try:
        found = read_header(data)
    except ProxyHeaderBroken:
        return
    assert isinstance(found, Incomplete) or found.length <= len(data)


@pytest.mark.parametrize(
    "data",
    [
        b"PROXY TCP4 198.51.100.7 10.0.0.1 4711 443\r\n",
        b"\x16\x03\x01",
        b"GET / HTTP/1.1\r\n",
        b"\r\n\r\n\0\r\nQUIT\r",
        header()[:12] + b"\x11" + header()[13:],
        header(command=0x22),
        header()[:13] + b"\x12" + header()[14:],
        header()[:13] + b"\x41" + header()[14:],
        SIGNATURE + pack("!BBH", PROXY, INET, 11) + bytes(11),
        SIGNATURE + pack("!BBH", PROXY, INET6, 12) + bytes(12),
        SIGNATURE + pack("!BBH", PROXY, 0x31, 12) + bytes(12),
        SIGNATURE + pack("!BBH", PROXY, INET, HEADER_MAXIMUM),
        SIGNATURE + pack("!BBH", LOCAL, 0, 65535),
        header(extras=b"\x04"),
        header(extras=b"\x04\x00\x05abcd"),
        header(extras=extra(3, b"abc")),
        header(extras=extra(3, bytes(4))),
    ],
)
def test_what_is_no_header_of_version_2_is_refused(data: bytes) -> None:
    """Version 1, TLS, datagrams, what is too short for what it says, a wrong checksum."""
    with pytest.raises(ProxyHeaderBroken):
        read_header(data)


def test_a_balancer_may_speak_for_itself_or_for_nobody() -> None:
    """LOCAL, unspecified and unix sockets name no address; what stands there is passed over."""
    for data in (
        SIGNATURE + pack("!BBH", LOCAL, 0, 0),
        header(command=LOCAL),
        SIGNATURE + pack("!BBH", LOCAL, 0, 5) + b"\xff" * 5,
        SIGNATURE + pack("!BBH", PROXY, 0, 0),
        SIGNATURE + pack("!BBH", PROXY, 0, 3) + b"\xff" * 3,
        SIGNATURE + pack("!BBH", PROXY, 0x31, 216) + bytes(216),
    ):
        assert read_header(data + b"more") == Header(len(data))


def test_an_ipv4_address_in_ipv6_is_an_ipv4_address() -> None:
    """A balancer on both writes so; in the log it is the same client."""
    found = read_header(header(f"::ffff:{CLIENT}"))
    assert isinstance(found, Header)
    assert found.address == CLIENT
    assert plain_address("::1") == "::1"


def test_the_checksum_is_the_one_of_the_standard() -> None:
    """RFC 3720, appendix B.4."""
    assert checksum(bytes(32)) == 0x8A9136AA
    assert checksum(b"\xff" * 32) == 0x62A8AB43
    assert checksum(bytes(range(32))) == 0x46DD794E


@given(st.integers(8 * 16, 8 * 28 - 1))
def test_a_checksum_shows_that_a_bit_of_an_address_has_changed(bit: int) -> None:
    """Any of them, and the header is refused."""
    good = with_checksum(b"\x04\x00\x02ab")
    assert read_header(good) == Header(len(good), CLIENT, 4711)
    bad = bytearray(good)
    bad[bit // 8] ^= 1 << bit % 8
    with pytest.raises(ProxyHeaderBroken):
        read_header(bytes(bad))


# Connections ----------------------------------------------------------------


@asynccontextmanager
async def behind(made: MadeSite, tmp_path: Path, *networks: str) -> AsyncIterator[Stage]:
    """Yield a worker behind balancers at *networks*."""
    balancers = tuple(map(ip_network, networks))
    async with open_stage(made, tmp_path, balancers=balancers) as stage:
        yield stage


async def test_a_client_behind_a_balancer_is_known_by_its_address(
    made: MadeSite, tmp_path: Path
) -> None:
    """To the application, and in the audit log; however the header comes."""
    async with behind(made, tmp_path, "127.0.0.1") as stage:
        session = await stage.sign_in()
        request = GET[:-2] + stage.cookie(session) + b"\r\n"
        wire = await stage.connect(WIKI, made.anna, before=header())
        assert (await wire.ask(request)).status == 200
        assert stage.wiki.requests[-1].values("x-forwarded-for") == [CLIENT]
        events = await stage.audit(AuditKind.ACCESS_ALLOWED)
        assert [event.address for event in events] == [CLIENT]
        slow = await stage.tcp()
        for octet in header("2001:db8::7"):
            slow.writer.write(bytes([octet]))
            await asyncio.sleep(0)
        slow.writer.write(slow.begin_tls(made.context(made.anna), WIKI))
        await slow.shake_hands()
        assert (await slow.ask(request)).status == 200
        assert stage.wiki.requests[-1].values("x-forwarded-for") == ["2001:db8::7"]


async def test_rules_about_networks_go_by_the_client_and_not_by_the_balancer(
    made: MadeSite, tmp_path: Path
) -> None:
    """Also where one session comes from here and from there, and over one balancer."""
    async with behind(made, tmp_path, "127.0.0.1") as stage:
        wiki = stage.applications()["wiki"]
        rules = tuple(
            replace(rule, networks=(ip_network("198.51.100.0/24"),)) for rule in wiki.policy.rules
        )
        stage.worker.adopt({"wiki": replace(wiki, policy=AppPolicy("wiki", rules))})
        request = GET[:-2] + stage.cookie(await stage.sign_in()) + b"\r\n"
        for client, status in ((CLIENT, 200), ("192.0.2.1", 403), ("::ffff:198.51.100.9", 200)):
            wire = await stage.connect(WIKI, made.anna, before=header(client))
            for _ in range(3):
                assert (await wire.ask(request)).status == status, client
        itself = await stage.connect(WIKI, made.anna, before=header(command=LOCAL))
        assert (await itself.ask(request)).refusal == Refusal.OUTSIDE_NETWORK


async def test_a_balancer_may_ask_for_itself(made: MadeSite, tmp_path: Path) -> None:
    """Then the address is its own."""
    async with behind(made, tmp_path, "127.0.0.0/8") as stage:
        wire = await stage.connect(WIKI, made.expired, before=header(command=LOCAL))
        assert (await wire.ask(GET)).refusal == Refusal.CERTIFICATE_EXPIRED
        event = await stage.wait_for_audit(
            AuditKind.CERTIFICATE_REFUSED, Refusal.CERTIFICATE_EXPIRED
        )
        assert event.address == "127.0.0.1"


async def test_plain_http_behind_a_balancer(made: MadeSite, tmp_path: Path) -> None:
    """The header and the request may come in one piece."""
    async with behind(made, tmp_path, "127.0.0.1") as stage:
        wire = await stage.plain()
        request = f"GET /crl HTTP/1.1\r\nHost: {PUBLIC_HOST}\r\n\r\n".encode()
        wire.writer.write(header() + request)
        assert (await wire.reply()).status == 200
        assert stage.portal.requests[-1].values("pusterla-address") == [CLIENT]
        second = await stage.plain()
        second.writer.write(header())
        await until(lambda: len(stage.connections) == 2)
        assert (await second.ask(request)).status == 200


async def broken_off(wire: Wire) -> bool:
    """Say whether the edge ends *wire* without a word."""
    return await wire.read_all() == b""


@pytest.mark.parametrize(
    "garbage",
    [
        b"PROXY TCP4 198.51.100.7 127.0.0.1 4711 443\r\n",
        b"GET / HTTP/1.1\r\nHost: wiki\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
        header()[:12] + b"\x31" + header()[13:],
        SIGNATURE + pack("!BBH", PROXY, INET, 60000),
    ],
    ids=["version 1", "http", "tls", "version 3", "too long"],
)
async def test_a_balancer_without_a_header_is_closed(
    made: MadeSite, tmp_path: Path, garbage: bytes
) -> None:
    """On both ports, at once; the client could be anybody."""
    async with behind(made, tmp_path, "127.0.0.1") as stage:
        for wire in (await stage.tcp(), await stage.plain()):
            wire.writer.write(garbage)
            assert await broken_off(wire)
        assert stage.portal.received == b""


async def test_a_balancer_that_says_nothing_is_closed_in_time(
    made: MadeSite, tmp_path: Path
) -> None:
    """Half a header is a handshake that has stopped."""
    async with behind(made, tmp_path, "127.0.0.1") as stage:
        wires = [await stage.tcp(), await stage.plain()]
        for wire in wires:
            wire.writer.write(header()[:20])
        await until(lambda: len(stage.arrivals) == 2)
        stage.sweep(after=stage.site.limits.handshake.total_seconds() + 1)
        for wire in wires:
            assert await broken_off(wire)


async def test_from_anybody_else_a_header_is_garbage(made: MadeSite, tmp_path: Path) -> None:
    """They could say that they are anybody; it is TLS, or a request, that is no good."""
    async with behind(made, tmp_path, "10.0.0.0/8", "fd00::1") as stage:
        wire = await stage.tcp()
        wire.writer.write(header())
        assert (await wire.read_all())[:1] in {b"", b"\x15"}
        wire = await stage.plain()
        wire.writer.write(header() + f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        assert (await wire.reply()).status == 400
        assert stage.portal.received == b""
        good = await stage.connect(WIKI, made.anna)
        assert (await good.ask(GET)).refusal == Refusal.SESSION_REQUIRED


async def test_curl_speaks_version_1_and_is_closed(made: MadeSite, tmp_path: Path) -> None:
    """A client that we did not write."""
    async with behind(made, tmp_path, "127.0.0.1") as stage:
        ran = await asyncio.to_thread(
            subprocess.run,
            [
                *("curl", "-s", "--max-time", "10", "--haproxy-protocol"),
                f"http://127.0.0.1:{stage.http_port}/",
            ],
            capture_output=True,
            check=False,
        )
        assert (ran.returncode in {52, 56}, ran.stdout) == (True, b"")


# haproxy --------------------------------------------------------------------

_CONFIGURATION = """\
global
    maxconn 100
defaults
    mode tcp
    timeout connect 5s
    timeout client 30s
    timeout server 30s
listen edge
    bind 127.0.0.1:{port}
    server edge 127.0.0.1:{https} source 127.0.0.9 send-proxy-v2 {options}
"""


@asynccontextmanager
async def haproxy(stage: Stage, folder: Path, options: str) -> AsyncIterator[int]:
    """Run haproxy before *stage*, at 127.0.0.9 as it sees it; yield the port."""
    with_port = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port: int = with_port.sockets[0].getsockname()[1]
    with_port.close()
    await with_port.wait_closed()
    file = folder / "haproxy.cfg"
    file.write_text(_CONFIGURATION.format(port=port, https=stage.https_port, options=options))
    process = await asyncio.create_subprocess_exec("haproxy", "-q", "-db", "-f", str(file))
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except ConnectionRefusedError:
                    await asyncio.sleep(0.02)
                else:
                    writer.close()
                    break
        yield port
    finally:
        process.terminate()
        await process.wait()


@pytest.mark.parametrize("options", ["", "proxy-v2-options crc32c,unique-id"])
async def test_haproxy_is_understood(made: MadeSite, tmp_path: Path, options: str) -> None:
    """A balancer that we did not write, and curl through it: the client's address arrives."""
    async with (
        behind(made, tmp_path, "127.0.0.9") as stage,
        haproxy(stage, tmp_path, options) as port,
    ):
        stick = str(made.expired.file)
        ran = await asyncio.to_thread(
            subprocess.run,
            [
                *("curl", "-s", "--max-time", "10", "--interface", "127.0.0.77"),
                *("--resolve", f"{WIKI}:{port}:127.0.0.1", "--cacert"),
                *(str(made.folder.root_certificate), "--cert", stick, "--key", stick),
                *("-o", "/dev/null", "-w", "%{http_code}", f"https://{WIKI}:{port}/"),
            ],
            capture_output=True,
            check=False,
        )
        assert ran.stdout == b"403", ran
        event = await stage.wait_for_audit(
            AuditKind.CERTIFICATE_REFUSED, Refusal.CERTIFICATE_EXPIRED
        )
        assert event.address == "127.0.0.77"
