"""The kinds of key: what signs, what is certified, and what judges say of every mixture."""

import ssl
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ca.issue import Issuer, make_issuing, make_root
from ca.kinds import KeyKind, PrivateKey, digest_of, kind_of, make_key
from ca.trust import RevocationReason
from tests.ca.makers import (
    CA,
    HOST,
    build_crl,
    judge,
    line_of,
    lint_with_pkilint,
    new_serial,
    write_pem,
)

NOW = datetime.now(UTC).replace(microsecond=0)
KINDS = list(KeyKind)
MIXTURES = [(root, issuing) for root in KINDS for issuing in KINDS]


@cache
def key_of(kind: KeyKind, role: str) -> PrivateKey:
    """Make one key of each kind for each role: those of RSA take their time."""
    del role
    return make_key(kind)


@cache
def ca_of(root: KeyKind, issuing: KeyKind) -> CA:
    """Make root and issuing CA with keys of these kinds, in the present."""
    root_key, key = key_of(root, "root"), key_of(issuing, "issuing")
    top = Issuer("root", make_root(HOST, root_key, new_serial(), NOW), root_key)
    certificate = make_issuing(top, HOST, key.public_key(), new_serial(), NOW)
    return CA(top, Issuer("issuing-1", certificate, key, top.chain))


def write_key(path: Path, key: PrivateKey) -> Path:
    """Write a key for OpenSSL to load."""
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path


class TestKinds:
    @pytest.mark.parametrize("kind", KINDS)
    def test_a_made_key_is_of_its_kind(self, kind: KeyKind) -> None:
        """What is made is told by its public half, and has the digest of its kind."""
        key = key_of(kind, "root")
        assert kind_of(key.public_key()) is kind
        digest = digest_of(key)
        assert (digest and digest.name) == (kind.digest and kind.digest.name)

    @pytest.mark.parametrize(
        "key",
        [
            ec.generate_private_key(ec.SECP521R1()),
            ec.generate_private_key(ec.SECP256K1()),
            rsa.generate_private_key(65537, 2048),
            ed448.Ed448PrivateKey.generate(),
        ],
        ids=["p521", "p256k1", "rsa2048", "ed448"],
    )
    def test_other_keys_are_of_none(self, key: PrivateKey) -> None:
        """Neither certified nor allowed to sign."""
        assert kind_of(key.public_key()) is None
        with pytest.raises(ValueError, match="P-256, P-384"):
            digest_of(key)

    def test_the_default(self) -> None:
        """P-256, which every client takes."""
        assert kind_of(make_key().public_key()) is KeyKind.P256


@pytest.mark.parametrize("root, issuing", MIXTURES)
class TestMixtures:
    def test_openssl_verifies_chain_and_list(
        self, root: KeyKind, issuing: KeyKind, tmp_path: Path
    ) -> None:
        """Server and client certificates of every kind, and a list that names neither."""
        ca = ca_of(root, issuing)
        top = write_pem(tmp_path / "root.pem", ca.root.certificate)
        chain = write_pem(tmp_path / "issuing.pem", ca.issuing.certificate)
        line = line_of(new_serial(), NOW, RevocationReason.SUPERSEDED)
        crl = build_crl(
            ca.issuing, [line], number=1, this_update=NOW, next_update=NOW + timedelta(days=7)
        )
        crl_file = tmp_path / "crl.pem"
        crl_file.write_bytes(crl.public_bytes(Encoding.PEM))
        for kind in KINDS:
            key = key_of(kind, "leaf")
            leaf = write_pem(tmp_path / "anna.pem", ca.client(key, NOW))
            server = write_pem(tmp_path / "server.pem", ca.server(key, NOW))
            for file, purpose in ((leaf, "sslclient"), (server, "sslserver")):
                judge(
                    *("openssl", "verify", "-x509_strict", "-crl_check", "-CRLfile", crl_file),
                    *("-CAfile", top, "-untrusted", chain, "-purpose", purpose, file),
                )
        answer = judge("openssl", "crl", "-in", crl_file, "-CAfile", chain, "-noout", "-verify")
        assert "verify OK" in answer

    def test_openssl_shakes_hands(self, root: KeyKind, issuing: KeyKind, tmp_path: Path) -> None:
        """Both sides of a TLS connection take each other's certificate."""
        ca = ca_of(root, issuing)
        key = key_of(KeyKind.P256, "leaf")
        file = write_key(tmp_path / "leaf.key", key)
        trust = write_pem(tmp_path / "trust.pem", *ca.issuing.chain)
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        for context, leaf in ((server, ca.server(key, NOW)), (client, ca.client(key, NOW))):
            chain = write_pem(tmp_path / "chain.pem", leaf, ca.issuing.certificate)
            context.load_cert_chain(chain, file)
            context.load_verify_locations(trust)
            context.verify_flags |= ssl.VERIFY_X509_STRICT
        server.verify_mode = ssl.CERT_REQUIRED
        assert shake_hands(server, client) is not None


@pytest.mark.parametrize("kind", KINDS)
def test_pkilint_finds_nothing(kind: KeyKind, tmp_path: Path) -> None:
    """Nor does it in a chain of one kind, and in the certificate of a person."""
    ca = ca_of(kind, kind)
    chain = write_pem(tmp_path / "issuing.pem", ca.issuing.certificate)
    top = write_pem(tmp_path / "root.pem", ca.root.certificate)
    leaf = write_pem(tmp_path / "anna.pem", ca.client(key_of(kind, "leaf"), NOW))
    for file in (top, chain, leaf):
        assert lint_with_pkilint("lint_pkix_cert", file) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_person_shakes_hands_with_a_key_of_any_kind(kind: KeyKind, tmp_path: Path) -> None:
    """Under the usual CA on P-256; what browsers take is another question."""
    ca = ca_of(KeyKind.P256, KeyKind.P256)
    trust = write_pem(tmp_path / "trust.pem", *ca.issuing.chain)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    own = key_of(KeyKind.P256, "server")
    sides: list[tuple[ssl.SSLContext, PrivateKey, x509.Certificate]] = [
        (server, own, ca.server(own, NOW)),
        (client, key_of(kind, "leaf"), ca.client(key_of(kind, "leaf"), NOW)),
    ]
    for context, key, leaf in sides:
        chain = write_pem(tmp_path / "chain.pem", leaf, ca.issuing.certificate)
        context.load_cert_chain(chain, write_key(tmp_path / "leaf.key", key))
        context.load_verify_locations(trust)
    server.verify_mode = ssl.CERT_REQUIRED
    seen = shake_hands(server, client)
    assert seen == sides[1][2].public_bytes(Encoding.DER)


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, host: str = HOST) -> bytes | None:
    """Do a handshake in memory; return the certificate that the server saw."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    here = client.wrap_bio(to_client, to_server, server_hostname=host)
    there = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (here, there):
            with suppress(ssl.SSLWantReadError):
                side.do_handshake()
    here.do_handshake()
    there.do_handshake()
    return there.getpeercert(binary_form=True)
