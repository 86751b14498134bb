import re
import secrets
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ca.hierarchy import initialise
from gateway.edge.openssl import forget_sessions, limit_groups, send_names
from gateway.edge.tls import make_contexts

HOST = "pusterla.localhost"
GROUPS = {"X25519", "P-256", "P-384"}
CURVES = {"P-521", "X448"}
FINITE_FIELDS = {"ffdhe2048", "ffdhe3072", "ffdhe4096", "ffdhe6144", "ffdhe8192"}


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The keys of a new CA."""
    keys = tmp_path_factory.mktemp("keys")
    initialise(keys, HOST, entropy=secrets.token_bytes, now=datetime.now(UTC))
    return keys


@pytest.fixture(scope="module")
def rsa(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A server's key and certificate on no curve, which in TLS 1.2 the client would have to offer."""
    folder = tmp_path_factory.mktemp("rsa")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x"]
    subprocess.run(
        [*command, "-keyout", folder / "server.key", "-out", folder / "server.pem"],
        check=True,
        capture_output=True,
    )
    return folder


@contextmanager
def listening(context: ssl.SSLContext) -> Iterator[int]:
    """Shake hands with whoever comes, one after the other, on a port of loopback."""

    def serve(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connection.settimeout(5)
                with suppress(OSError), context.wrap_socket(connection, server_side=True) as tls:
                    tls.recv(100)
                    tls.sendall(b"HTTP/1.0 204 No Content\r\n\r\n")
                    # OpenSSL forgets a session that did not end properly.
                    tls.unwrap()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(10)


def s_client(port: int, *options: str) -> str:
    """Return what openssl says of a connection to *port*."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}"]
    if "-servername" not in options:
        options += ("-servername", HOST)
    asked = subprocess.run(
        [*command, *options],
        input=b"GET / HTTP/1.0\r\n\r\n",
        capture_output=True,
        timeout=20,
        check=False,
    )
    return asked.stdout.decode(errors="replace")


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_openssl_is_told_the_names_of_our_cas(keys: Path, version: str) -> None:
    """Whoever is asked for a certificate is told which issuers count, and no others."""
    edge = keys / "edge"
    public = f"public.{HOST}"
    contexts = make_contexts(edge / "server.pem", edge / "server.key", edge / "clients.pem", public)
    with listening(contexts.protected) as port:
        said = s_client(port, version)
    listed = re.search(r"Acceptable client certificate CA names\n((?:.*DC.*\n)+)", said)
    assert listed is not None, said
    assert len(listed[1].splitlines()) == 2


def test_without_our_help_no_names_are_sent(keys: Path) -> None:
    """The ssl module alone sends none: should it ever, this module can go."""
    edge = keys / "edge"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(edge / "server.pem", edge / "server.key")
    context.load_verify_locations(edge / "clients.pem")
    context.verify_mode = ssl.CERT_OPTIONAL
    with listening(context) as port:
        assert "No client certificate CA names sent" in s_client(port, "-tls1_2")


def test_names_that_are_not_asked_for_are_missed(keys: Path) -> None:
    """The look afterwards is a real one: a context that asks for no certificate sends no names."""
    edge = keys / "edge"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(edge / "server.pem", edge / "server.key")
    assert "not among the names that were sent" in (send_names(context, edge / "clients.pem") or "")


def test_a_file_that_is_not_there_is_named(keys: Path) -> None:
    """The reason why no names are sent says which file is at fault."""
    edge = keys / "edge"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(edge / "server.pem", edge / "server.key")
    assert "none.pem cannot be read" in (send_names(context, edge / "none.pem") or "")


@pytest.mark.parametrize("cured", [False, True])
def test_no_tls_1_2_session_can_be_resumed(keys: Path, tmp_path: Path, cured: bool) -> None:
    """A session that openssl has kept is taken up again only where we did not forbid it."""
    edge = keys / "edge"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(edge / "server.pem", edge / "server.key")
    context.options |= ssl.OP_NO_TICKET
    if cured:
        assert forget_sessions(context) is None
    kept = str(tmp_path / "session")
    with listening(context) as port:
        assert "New, TLSv1.2" in s_client(port, "-tls1_2", "-sess_out", kept)
        # Where the server names no session, openssl has none to keep, and says nothing.
        again = s_client(port, "-tls1_2", "-sess_in", kept)
    assert ("Reused, TLSv1.2" in again) is not cured


def agreed(port: int, offered: set[str], *options: str) -> set[str]:
    """Return those of the groups *offered* in which openssl comes in with no other."""
    said = {group: s_client(port, "-groups", group, *options) for group in offered}
    assert all("CONNECTED" in one for one in said.values())
    return {group for group in offered if "Cipher is (NONE)" not in said[group]}


@pytest.mark.parametrize("public", [False, True])
@pytest.mark.parametrize(
    "version, offered",
    [("-tls1_2", GROUPS | CURVES), ("-tls1_3", GROUPS | CURVES | FINITE_FIELDS)],
)
def test_keys_are_agreed_on_in_few_groups(
    keys: Path, rsa: Path, version: str, offered: set[str], public: bool
) -> None:
    """Nobody has a worker calculate in groups that no browser needs, on either context."""
    clients, name = keys / "edge" / "clients.pem", f"public.{HOST}"
    contexts = make_contexts(rsa / "server.pem", rsa / "server.key", clients, name)
    with listening(contexts.public if public else contexts.protected) as port:
        came = agreed(port, offered, version, "-servername", name if public else HOST)
        assert came == GROUPS
        # What is not taken stands in nobody's way.
        mixed = "P-521:X448:P-384"
        assert agreed(port, {mixed}, version, "-servername", name) == {mixed}


def test_keys_outlive_quantum_computers_where_openssl_can(keys: Path) -> None:
    """X25519MLKEM768 comes before all others, from OpenSSL 3.5 on."""
    edge, name = keys / "edge", f"public.{HOST}"
    contexts = make_contexts(edge / "server.pem", edge / "server.key", edge / "clients.pem", name)
    asking = ssl.create_default_context()
    asking.check_hostname = False
    asked, answered = ssl.MemoryBIO(), ssl.MemoryBIO()
    for side in (
        asking.wrap_bio(ssl.MemoryBIO(), asked),
        contexts.protected.wrap_bio(asked, answered, server_side=True),
    ):
        with suppress(ssl.SSLWantReadError):
            side.do_handshake()
    able = ssl.OPENSSL_VERSION_INFO >= (3, 5)
    # The key_share of a ServerHello (RFC 8446, section 4.2.8): kind, length, group.
    share = b"\x00\x33\x04\x64\x11\xec" if able else b"\x00\x33\x00\x24\x00\x1d"
    assert share in answered.read()


@pytest.mark.parametrize(
    "lists, why",
    [
        ([b"no-such-group:X25519"], "OpenSSL does not know their names"),
        ([b"P-256:P-521"], "OpenSSL goes on to agree on others"),
        ([b"X25519"], "OpenSSL goes on to agree on others"),
    ],
)
def test_where_the_groups_are_not_as_they_should_be_there_is_one(
    rsa: Path, lists: list[bytes], why: str
) -> None:
    """What was set is looked at in handshakes; otherwise the ssl module itself sets P-256."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(rsa / "server.pem", rsa / "server.key")
    assert limit_groups(context, lists) == why
    with listening(context) as port:
        for version in ("-tls1_2", "-tls1_3"):
            assert agreed(port, GROUPS | CURVES, version) == {"P-256"}
