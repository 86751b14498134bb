"""The files of a new CA, and a real TLS handshake with them."""

import secrets
import ssl
import stat
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ca.errors import FileRefused, IdentityRefused
from ca.hierarchy import Hierarchy, initialise, load_issuer, renew_server, server_hosts
from ca.issue import Issuer, issue
from ca.keys import load_certificates, load_key, make_key
from tests.ca.makers import CA, CLIENT_PROFILE, HOST, NOW, client_request, make_ca, write_pem

FILES = {
    "ca/root.key": 0o600,
    "ca/root.pem": 0o644,
    "ca/issuing.key": 0o600,
    "ca/issuing.pem": 0o644,
    "ca/lock": 0o600,
    "edge/server.key": 0o600,
    "edge/server.pem": 0o644,
    "edge/clients.pem": 0o644,
}


def make(keys: Path, now: datetime = NOW, host: str = HOST) -> Hierarchy:
    """Make the files of a new CA."""
    return initialise(keys, host, entropy=secrets.token_bytes, now=now)


class TestInitialise:
    def test_what_is_written(self, tmp_path: Path) -> None:
        """Exactly the files of the plan, keys for their owner only, folders closed."""
        made = make(tmp_path / "keys")
        keys = tmp_path / "keys"
        found = {
            str(path.relative_to(keys)): stat.S_IMODE(path.stat().st_mode)
            for path in keys.rglob("*")
            if path.is_file()
        }
        assert found == FILES
        assert {stat.S_IMODE((keys / name).stat().st_mode) for name in ("ca", "edge")} == {0o700}
        assert load_certificates(keys / "ca/root.pem") == (made.root,)
        assert load_certificates(keys / "ca/issuing.pem") == (made.issuing,)
        assert load_certificates(keys / "edge/server.pem") == (made.server, made.issuing)
        assert load_certificates(keys / "edge/clients.pem") == (made.issuing, made.root)
        for name, certificate in (
            ("ca/root.key", made.root),
            ("ca/issuing.key", made.issuing),
            ("edge/server.key", made.server),
        ):
            assert load_key(keys / name).public_key() == certificate.public_key()

    def test_serials_differ(self, tmp_path: Path) -> None:
        """Each of the three certificates has a serial of its own."""
        made = make(tmp_path)
        serials = {one.serial_number for one in (made.root, made.issuing, made.server)}
        assert len(serials) == 3

    @pytest.mark.parametrize("name", FILES)
    def test_nothing_is_overwritten(self, tmp_path: Path, name: str) -> None:
        """Any file that is there stops everything, and nothing else is written."""
        present = tmp_path / name
        present.parent.mkdir(parents=True)
        present.symlink_to("/nowhere")
        with pytest.raises(FileRefused, match=f"there already: {present}"):
            make(tmp_path)
        assert [path for path in tmp_path.rglob("*") if not path.is_dir()] == [present]

    @pytest.mark.parametrize("host", ["", "Pusterla.localhost", "10.0.0.1", "a b"])
    def test_hosts_that_are_none(self, tmp_path: Path, host: str) -> None:
        """A host that cannot stand in a certificate stops everything before a file is made."""
        with pytest.raises(IdentityRefused):
            make(tmp_path / "keys", host=host)
        assert not (tmp_path / "keys").exists()

    def test_a_long_host(self, tmp_path: Path) -> None:
        """A host too long for a common name makes a CA all the same."""
        make(tmp_path, host=".".join(["a" * 60] * 3))


class TestLoading:
    def test_the_loaded_issuer_signs(self, tmp_path: Path) -> None:
        """What `initialise` wrote is enough to issue, without the root's key."""
        made = make(tmp_path)
        (tmp_path / "ca/root.key").unlink()
        issuer = load_issuer(tmp_path / "ca")
        assert issuer.chain == (made.issuing, made.root)
        issue(issuer, CLIENT_PROFILE, client_request(make_key()), NOW)

    def test_files_that_do_not_belong_together(self, tmp_path: Path) -> None:
        """The key of another CA is refused, with the folder's name."""
        for name in ("one", "two"):
            make(tmp_path / name)
        (tmp_path / "two/ca/issuing.key").replace(tmp_path / "one/ca/issuing.key")
        with pytest.raises(FileRefused, match="one/ca: the key of issuing-1 does not belong"):
            load_issuer(tmp_path / "one/ca")

    @pytest.mark.parametrize("name", ["issuing.key", "issuing.pem", "root.pem"])
    def test_missing_files(self, tmp_path: Path, name: str) -> None:
        """Each missing file is named."""
        make(tmp_path)
        (tmp_path / "ca" / name).unlink()
        with pytest.raises(FileRefused, match=f"{name} cannot be read"):
            load_issuer(tmp_path / "ca")


def strict(context: ssl.SSLContext) -> ssl.SSLContext:
    """Ask OpenSSL to hold certificates to RFC 5280."""
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


def client_context(root: Path, *, chain: tuple[Path, Path] | None) -> ssl.SSLContext:
    """Trust *root*, and present a certificate if there is one."""
    context = strict(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    context.load_verify_locations(root)
    if chain is not None:
        context.load_cert_chain(*chain)
    return context


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, host: str) -> bytes | None:
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


class TestHandshake:
    """With OpenSSL itself, in the present, since that is the time OpenSSL looks at."""

    @pytest.fixture
    def keys(self, tmp_path: Path) -> Path:
        """Return the folder of a CA made just now."""
        make(tmp_path / "keys", datetime.now(UTC))
        return tmp_path / "keys"

    @pytest.fixture
    def server(self, keys: Path) -> ssl.SSLContext:
        """Serve as the edge does: with its chain, asking for a client certificate."""
        context = strict(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        context.load_cert_chain(keys / "edge/server.pem", keys / "edge/server.key")
        context.load_verify_locations(keys / "edge/clients.pem")
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    def present(
        self, ca: CA, folder: Path, now: datetime, lifetime: timedelta | None = None
    ) -> tuple[Path, Path]:
        """Write key and certificate of a client for OpenSSL to load."""
        key = make_key()
        file = folder / "client.key"
        file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return write_pem(folder / "client.pem", ca.client(key, now, lifetime=lifetime)), file

    def issued_here(self, keys: Path) -> CA:
        """Return the CA of *keys*."""
        issuer = load_issuer(keys / "ca")
        return CA(root=issuer, issuing=issuer)

    @pytest.mark.parametrize("host", [*server_hosts("pusterla.localhost")[::2], "wiki." + HOST])
    def test_both_sides_accept(
        self, keys: Path, server: ssl.SSLContext, tmp_path: Path, host: str
    ) -> None:
        """The server's certificate fits each host, and the client's is seen by the server."""
        chain = self.present(self.issued_here(keys), tmp_path, datetime.now(UTC))
        client = client_context(keys / "ca/root.pem", chain=chain)
        seen = shake_hands(server, client, host)
        (certificate,) = load_certificates(chain[0])
        assert seen == certificate.public_bytes(Encoding.DER)

    def test_a_host_that_is_not_ours(
        self, keys: Path, server: ssl.SSLContext, tmp_path: Path
    ) -> None:
        """The client refuses the server under another name."""
        chain = self.present(self.issued_here(keys), tmp_path, datetime.now(UTC))
        with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
            shake_hands(server, client_context(keys / "ca/root.pem", chain=chain), "bank.example")

    def test_a_client_of_another_ca(
        self, keys: Path, server: ssl.SSLContext, tmp_path: Path
    ) -> None:
        """The server refuses a certificate with the same names from a CA of the same name."""
        now = datetime.now(UTC)
        chain = self.present(make_ca(now), tmp_path, now)
        with pytest.raises(ssl.SSLError, match="certificate verify failed"):
            shake_hands(server, client_context(keys / "ca/root.pem", chain=chain), HOST)

    def test_a_server_certificate_as_client(self, keys: Path, server: ssl.SSLContext) -> None:
        """The server's own certificate opens nothing: it is not for clients."""
        chain = (keys / "edge/server.pem", keys / "edge/server.key")
        with pytest.raises(ssl.SSLError, match="unsuitable certificate purpose"):
            shake_hands(server, client_context(keys / "ca/root.pem", chain=chain), HOST)


class TestRenewServer:
    LATER = NOW + timedelta(days=300)

    def test_key_and_names_stay_and_the_end_moves(self, tmp_path: Path) -> None:
        """A new serial and new dates for the same server; the issuing CA stands behind it again."""
        keys = tmp_path / "keys"
        made = make(keys)
        renewed = renew_server(keys, entropy=secrets.token_bytes, now=self.LATER)
        assert load_certificates(keys / "edge/server.pem") == (renewed, made.issuing)
        assert renewed.public_key() == made.server.public_key()
        assert renewed.subject == made.server.subject
        assert renewed.serial_number != made.server.serial_number
        names = x509.SubjectAlternativeName
        assert (
            renewed.extensions.get_extension_for_class(names).value
            == made.server.extensions.get_extension_for_class(names).value
        )
        moved = renewed.not_valid_after_utc - made.server.not_valid_after_utc
        assert moved == timedelta(days=300)
        assert stat.S_IMODE((keys / "edge/server.pem").stat().st_mode) == 0o644

    @pytest.mark.parametrize("other", ["signed", "named", "rsa"])
    def test_a_certificate_from_elsewhere_is_left_alone(self, tmp_path: Path, other: str) -> None:
        """Of another CA, even of one with our name: whoever has issued it renews it."""
        keys, elsewhere = tmp_path / "keys", tmp_path / "elsewhere"
        make(keys)
        make(elsewhere, host=HOST if other == "signed" else "other.example")
        path = keys / "edge/server.pem"
        if other == "rsa":
            path.write_bytes(rsa_certificate(load_issuer(keys / "ca")))
        else:
            path.write_bytes((elsewhere / "edge/server.pem").read_bytes())
        before = path.read_bytes()
        with pytest.raises(FileRefused, match=r"server\.pem"):
            renew_server(keys, entropy=secrets.token_bytes, now=self.LATER)
        assert path.read_bytes() == before


def rsa_certificate(issuer: Issuer) -> bytes:
    """Return a certificate of *issuer* for a key that we make none of, in PEM."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.SubjectAlternativeName([x509.DNSName(HOST)])
    return (
        x509.CertificateBuilder()
        .subject_name(issuer.certificate.subject)
        .issuer_name(issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=1))
        .add_extension(name, critical=False)
        .sign(issuer.key, hashes.SHA256())
        .public_bytes(Encoding.PEM)
    )
