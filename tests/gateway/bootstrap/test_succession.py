"""Roll-overs on real sites, also such as are killed half-way."""

import asyncio
import shutil
import signal
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12

from ca.errors import IssuanceRefused, KeyLocked, LedgerError
from ca.kinds import KeyKind
from ca.ledger import CertificateRecord, IssuerState
from ca.trust import RevocationReason
from gateway.bootstrap.accounts import Wishes, add_account
from gateway.bootstrap.certificates import (
    Wanted,
    issue_certificate,
    publish,
    published_crls,
    revoke_certificates,
)
from gateway.bootstrap.command import Command, CommandRefused, open_command
from gateway.bootstrap.creation import NewSite, create_site
from gateway.bootstrap.examination import Health
from gateway.bootstrap.folder import SiteFolder, clock, locate
from gateway.bootstrap.keypairs import examine_secrets
from gateway.bootstrap.offline import make_root, sign_request
from gateway.bootstrap.passphrases import Source
from gateway.bootstrap.protection import protect
from gateway.bootstrap.signing import NoIssuer, active_issuer
from gateway.bootstrap.succession import (
    NewKey,
    install_issuer,
    list_issuers,
    request_issuer,
    retire_issuer,
    roll_over,
)
from gateway.core.audit import AuditKind
from gateway.edge.tls import chain_above, make_contexts, read_issuers
from tests.ca.makers import judge
from tests.ca.test_kinds import shake_hands
from tests.issuing import issuing_certificate, issuing_key

HOST = "gate.example.org"
P256 = KeyKind.P256


async def new_site(path: Path, root: Path | None = None) -> SiteFolder:
    """Make a site where Anna is."""
    wished = NewSite(HOST, 443, root_certificate=root)
    folder = await create_site(path, wished, clock, lambda _: None)
    async with open_command(folder) as command:
        anna = Wishes("anna", "Anna Rossi", "anna@example.it", frozenset())
        await add_account(command, anna, "correct horse battery")
    return folder


@pytest.fixture
async def command(tmp_path: Path) -> AsyncIterator[Command]:
    """A command at a new site."""
    async with open_command(await new_site(tmp_path / "site")) as command:
        yield command


async def issue(command: Command, device: str) -> CertificateRecord:
    """Issue a certificate to Anna, and put it into a file that bears the device's name."""
    place = command.folder.path.parent
    file = place / f"{device}.p12"
    enrolled = await issue_certificate(command, Wanted("anna", device, 30, None, file), "staple")
    (place / f"{device}.pem").write_bytes(enrolled.certificate.public_bytes(Encoding.PEM))
    return enrolled.record


def is_believed(folder: SiteFolder, device: str) -> None:
    """Let openssl judge a client's certificate as the edge does, by the file that it reads."""
    file = folder.path.parent / f"{device}.pem"
    trust = ("-partial_chain", "-x509_strict", "-purpose", "sslclient")
    judge("openssl", "verify", *trust, "-CAfile", folder.client_trust, file)


async def states(command: Command) -> dict[str, IssuerState]:
    """What each issuing CA does."""
    return {one.issuer.name: one.issuer.state for one in await list_issuers(command)}


class TestRollOver:
    async def test_old_certificates_go_on_working(self, command: Command) -> None:
        """New ones are from the new CA, with lists of its own; both kinds are believed."""
        old = await issue(command, "old")
        done = await roll_over(command, NewKey(KeyKind.P384))
        new = await issue(command, "new")
        assert (done.name, done.before, done.server) == ("issuing-2", "issuing-1", True)
        assert (old.issuer, new.issuer) == ("issuing-1", "issuing-2")
        for device in ("old", "new"):
            is_believed(command.folder, device)
        bundle = load_pkcs12((command.folder.path.parent / "new.p12").read_bytes(), b"staple")
        assert bundle.cert is not None
        extensions = bundle.cert.certificate.extensions
        (point,) = extensions.get_extension_for_class(x509.CRLDistributionPoints).value
        assert point.full_name is not None
        assert point.full_name[0].value == f"http://public.{HOST}/crl/issuing-2.crl"
        one, two = await list_issuers(command)
        assert (one.issuer.state, one.remaining.live) == (IssuerState.CLOSING, 1)
        assert (two.issuer.state, two.remaining.live) == (IssuerState.ACTIVE, 1)
        assert two.kind is KeyKind.P384
        (line,) = [
            line
            for line in await command.store.audit_tail(100)
            if line.event.kind is AuditKind.ISSUER_ADDED
        ]
        assert line.event.detail["issuer"] == "issuing-2"

    async def test_the_server_serves_with_the_new_one(self, command: Command) -> None:
        """The same key, a chain that those who trust the root take."""
        await roll_over(command, NewKey())
        folder = command.folder
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder.server_certificate, folder.server_key)
        chain = ("-untrusted", folder.server_certificate, folder.server_certificate)
        judge("openssl", "verify", "-x509_strict", "-CAfile", folder.root_certificate, *chain)

    async def test_the_edge_takes_clients_of_both(self, command: Command, tmp_path: Path) -> None:
        """In real handshakes with the edge's own context; and it tells each one's own issuer."""
        await issue(command, "old")
        await roll_over(command, NewKey(KeyKind.P384))
        await issue(command, "new")
        folder = command.folder
        edge = (folder.server_certificate, folder.server_key, folder.client_trust)
        contexts = make_contexts(*edge, f"public.{HOST}")
        issuers = read_issuers(folder.client_trust)
        assert len(issuers) == 2
        for device, files in (("old", "issuing"), ("new", "issuing-2")):
            bundle = load_pkcs12((tmp_path / f"{device}.p12").read_bytes(), b"staple")
            assert bundle.key is not None
            key = tmp_path / f"{device}.key"
            key.write_bytes(
                bundle.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            )
            client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            client.load_verify_locations(folder.root_certificate)
            client.load_cert_chain(tmp_path / f"{device}.pem", key)
            seen = shake_hands(contexts.protected, client, HOST)
            assert seen is not None
            (above,) = chain_above(seen, issuers)
            pem = (folder.ca / f"{files}.pem").read_text(encoding="ascii")
            assert above == ssl.PEM_cert_to_DER_cert(pem)

    async def test_both_lists_go_on_being_signed(self, command: Command) -> None:
        """A certificate of the old CA can be revoked, in the list of the old CA."""
        old = await issue(command, "old")
        await roll_over(command, NewKey())
        new = await issue(command, "new")
        reason = RevocationReason.SUPERSEDED
        for record in (old, new):
            outcome = await revoke_certificates(
                command, serial=record.serial, user=None, device=None, reason=reason
            )
            assert outcome.unpublished is None
        second, first = await published_crls(command)
        for published, record in ((first, old), (second, new)):
            assert published.record.issuer == record.issuer
            assert published.address.endswith(f"/crl/{record.issuer}.crl")
            found = await command.store.latest_crl(record.issuer)
            assert found is not None
            (entry,) = x509.load_der_x509_crl(found.der)
            assert entry.serial_number == int(record.serial, 16)

    async def test_again_and_again(self, command: Command) -> None:
        """Each closes the one before."""
        for _ in range(2):
            await roll_over(command, NewKey())
        assert list((await states(command)).values()) == [
            IssuerState.CLOSING,
            IssuerState.CLOSING,
            IssuerState.ACTIVE,
        ]

    async def test_without_the_roots_key(self, command: Command) -> None:
        """Says how it is done where the key is; nothing is made."""
        command.folder.root_key.unlink()
        before = sorted(command.folder.ca.iterdir())
        with pytest.raises(CommandRefused, match="pusterla ca request"):
            await roll_over(command, NewKey())
        assert sorted(command.folder.ca.iterdir()) == before


class TestPassphrases:
    """The authority signs the lists of both, and nobody types for it."""

    async def test_one_file_cannot_hold_two(self, command: Command, tmp_path: Path) -> None:
        """A new key under another passphrase would be opened with the old one: nothing is made."""
        folder = await self.sealed(command, tmp_path / "one", b"the passphrase of before")
        before = sorted(folder.ca.iterdir())
        async with open_command(folder) as again:
            with pytest.raises(KeyLocked, match=r"one holds another passphrase.*as issuing-2"):
                await roll_over(again, NewKey(passphrase=b"another passphrase"))
        assert sorted(folder.ca.iterdir()) == before

    async def test_each_key_may_have_its_own(self, command: Command, tmp_path: Path) -> None:
        """In a folder; then both lists go on being signed, and doctor finds what is missing."""
        each = tmp_path / "each"
        each.mkdir()
        write_secret(each / "root", b"the passphrase of before")
        folder = await self.sealed(command, each / "issuing-1", b"the passphrase of before")
        text = folder.settings.read_text().replace("each/issuing-1", "each")
        folder.settings.write_text(text)
        new = NewKey(passphrase=b"another passphrase")
        async with open_command(folder) as again:
            with pytest.raises(KeyLocked, match="each/issuing-2 cannot be read"):
                await roll_over(again, new)
            write_secret(each / "issuing-2", b"another passphrase")
            await roll_over(again, new)
        async with open_command(folder) as later:
            assert len(await publish(later)) == 2
            site = later.site
        assert {one.health for one in examine_secrets(folder, site)} == {Health.OK}
        (each / "issuing-1").unlink()
        first, second = examine_secrets(folder, site)
        assert (first.health, second.health) == (Health.PROBLEM, Health.OK)
        assert "each/issuing-1" in first.words

    async def sealed(self, command: Command, file: Path, passphrase: bytes) -> SiteFolder:
        """Put all keys under *passphrase*, which is in *file* that the settings name."""
        write_secret(file, passphrase)
        await protect(command, (), passphrase)
        settings = command.folder.settings
        text = settings.read_text().replace("[ca]\n", f'[ca]\npassphrase_file = "{file}"\n')
        settings.write_text(text)
        return command.folder


def write_secret(path: Path, content: bytes) -> None:
    """Write a file for its owner alone."""
    path.write_bytes(content)
    path.chmod(0o600)


class TestRetiring:
    async def test_when_the_last_has_ended(self, command: Command) -> None:
        """Not before; then edges believe it no more, and its key can go."""
        await issue(command, "old")
        await roll_over(command, NewKey())
        with pytest.raises(LedgerError, match="the last certificate of issuing-1 ends at"):
            await retire_issuer(command, "issuing-1")
        later = replace(command, clock=lambda: clock() + timedelta(days=40))
        await retire_issuer(later, "issuing-1")
        assert (await states(command))["issuing-1"] is IssuerState.RETIRED
        believed = x509.load_pem_x509_certificates(command.folder.client_trust.read_bytes())
        assert len(believed) == 2
        issuing_key(command.folder).unlink()
        assert [one.record.issuer for one in await published_crls(command)] == ["issuing-2"]
        await issue(command, "new")
        is_believed(command.folder, "new")

    async def test_the_one_that_issues_stays(self, command: Command) -> None:
        """As does one that there is not."""
        with pytest.raises(CommandRefused, match="server's certificate is from issuing-1"):
            await retire_issuer(command, "issuing-1")
        with pytest.raises(CommandRefused, match="did you mean 'issuing-1'"):
            await retire_issuer(command, "isuing-1")


class TestOfflineRoot:
    async def test_a_site_born_with_it(self, tmp_path: Path) -> None:
        """Root on another machine, request here, signed there, installed here."""
        root = make_root(tmp_path / "root", HOST, KeyKind.RSA3072, b"the passphrase of the root")
        folder = await new_site(tmp_path / "site", root.certificate)
        assert not folder.root_key.exists()
        secret = tmp_path / "secret"
        secret.write_bytes(b"the passphrase of the root\n")
        secret.chmod(0o600)
        async with open_command(folder) as command:
            with pytest.raises(NoIssuer, match="pusterla ca request"):
                await active_issuer(command.store)
            asked = await request_issuer(command, NewKey(), tmp_path / "issuing-1.csr")
            signed = sign_request(
                asked.file, tmp_path / "root", tmp_path / "issuing-1.pem", Source(secret)
            )
            assert (signed.name, signed.fingerprint) == (asked.name, asked.fingerprint)
            done = await install_issuer(command, tmp_path / "issuing-1.pem")
            assert (done.name, done.before, done.server) == ("issuing-1", None, True)
            await issue(command, "new")
            assert len(await published_crls(command)) == 1
        is_believed(folder, "new")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder.server_certificate, folder.server_key)

    async def test_a_roll_over_by_way_of_the_root(self, command: Command, tmp_path: Path) -> None:
        """The root's key was moved away from an existing site."""
        (tmp_path / "root").mkdir()
        shutil.copy(command.folder.root_certificate, tmp_path / "root")
        command.folder.root_key.rename(tmp_path / "root" / "root.key")
        asked = await request_issuer(command, NewKey(), tmp_path / "one.csr")
        again = await request_issuer(command, NewKey(), tmp_path / "two.csr")
        assert asked.fingerprint == again.fingerprint
        assert await active_issuer(command.store) == "issuing-1"
        sign_request(again.file, tmp_path / "root", tmp_path / "issuing-2.pem", Source())
        # The root's own certificate may lie in the same file.
        chain = tmp_path / "chain.pem"
        chain.write_bytes(
            (tmp_path / "issuing-2.pem").read_bytes() + command.folder.root_certificate.read_bytes()
        )
        assert (await install_issuer(command, chain)).name == "issuing-2"
        again_done = await install_issuer(command, chain)
        assert (again_done.name, again_done.server) == ("issuing-2", False)
        assert list(await states(command)) == ["issuing-1", "issuing-2"]

    async def test_one_that_issues_no_more_is_not_installed_again(self, command: Command) -> None:
        """It would be believed anew, and the server certified by it, under a newer one."""
        await roll_over(command, NewKey())
        folder = command.folder
        believed, server = folder.client_trust.read_bytes(), folder.server_certificate.read_bytes()
        with pytest.raises(CommandRefused, match="issuing-1 is closing"):
            await install_issuer(command, issuing_certificate(folder))
        assert folder.client_trust.read_bytes() == believed
        assert folder.server_certificate.read_bytes() == server

    async def test_what_was_not_requested_is_not_installed(
        self, command: Command, tmp_path: Path
    ) -> None:
        """A certificate for another key, of another root, or none: nothing changes."""
        before = command.folder.client_trust.read_bytes()
        other = make_root(tmp_path / "other", HOST, P256, None)
        with pytest.raises(IssuanceRefused, match="one issuing CA, and found 0"):
            await install_issuer(command, command.folder.root_certificate)
        with pytest.raises(CommandRefused, match="pusterla ca request first"):
            await install_issuer(command, other.certificate)
        asked = await request_issuer(command, NewKey(), tmp_path / "issuing-2.csr")
        sign_request(asked.file, tmp_path / "other", tmp_path / "issuing-2.pem", Source())
        with pytest.raises(IssuanceRefused, match="not signed by the root of this site"):
            await install_issuer(command, tmp_path / "issuing-2.pem")
        assert command.folder.client_trust.read_bytes() == before
        assert list(await states(command)) == ["issuing-1"]

    async def test_the_root_of_another_site_is_refused(self, tmp_path: Path) -> None:
        """And no folder is left behind."""
        root = make_root(tmp_path / "root", "other.example.org", P256, None)
        with pytest.raises(IssuanceRefused, match=f"not that of the root of {HOST}"):
            await new_site(tmp_path / "site", root.certificate)
        assert not (tmp_path / "site").exists()


# Ends itself, as a power cut would, before the Nth time that it is about to change something, or
# to ask the running site.
KILLED = """
import os, signal, sys
site, left = sys.argv[1], int(sys.argv[2])
def count(event, arguments):
    global left
    if event == "open":
        path, _, flags = arguments
        if not isinstance(path, str) or not path.startswith(site) or not flags & 3:
            return
    elif event == "socket.connect":
        if not str(arguments[1]).startswith(site):
            return
    elif event not in {"os.rename", "os.remove", "os.chmod"}:
        return
    elif not str(arguments[0]).startswith(site):
        return
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
from gateway.cli import main
import gateway.bootstrap.succession
sys.addaudithook(count)
main(["--site", site, "ca", "rollover"])
"""


class TestCrashes:
    @pytest.mark.timeout(300)
    async def test_a_site_serves_whichever_step_was_the_last(self, tmp_path: Path) -> None:
        """Killed before each change of a file; and the same command then ends what it began."""
        template = (await new_site(tmp_path / "template")).path
        step, ended = 0, 0
        while not ended:
            step += 1
            folder = locate(Path(shutil.copytree(template, tmp_path / f"{step}" / "site")))
            ended = await self.killed_at(folder, step)
            await self.still_serves(folder, ended=ended)
            shutil.rmtree(folder.path.parent)
        # At the least: key, certificate, what edges believe, ledger, list, server's certificate.
        assert step > 6

    async def killed_at(self, folder: SiteFolder, step: int) -> bool:
        """Roll over, killed at *step*; say whether there was no such step any more."""
        words = [sys.executable, "-c", KILLED, str(folder.path), str(step)]
        child = await asyncio.create_subprocess_exec(
            *words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        _, told = await child.communicate()
        assert child.returncode in {0, -signal.SIGKILL}, told
        return child.returncode == 0

    async def still_serves(self, folder: SiteFolder, *, ended: bool) -> None:
        """Certificates are issued and believed; the roll-over comes to its end, and only once.

        Whoever saw it killed cannot know how far it was, and gives the same command again.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder.server_certificate, folder.server_key)
        async with open_command(folder) as command:
            await issue(command, "before")
            is_believed(folder, "before")
            if not ended:
                assert (await roll_over(command, NewKey())).name == "issuing-2"
            assert not folder.roll_over_mark.exists()
            await issue(command, "after")
            assert list(await states(command)) == ["issuing-1", "issuing-2"]
            assert len(await published_crls(command)) == 2
        for device in ("before", "after"):
            is_believed(folder, device)
