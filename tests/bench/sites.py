"""A site to be measured: one application, one person, one session that is signed in."""

import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)

from ca.hierarchy import load_issuer
from ca.issue import Issuer
from ca.keys import load_certificates, load_key
from ca.status import build_crl
from gateway.bootstrap.accounts import Wishes, add_account
from gateway.bootstrap.applications import add_application
from gateway.bootstrap.certificates import Wanted, issue_certificate
from gateway.bootstrap.command import Command, open_command
from gateway.bootstrap.creation import NewSite, create_site
from gateway.bootstrap.folder import SiteFolder, clock, read_cookie_key
from gateway.core.cookies import COOKIE_NAME, mint_cookie
from gateway.core.people import Fingerprint
from gateway.core.sessions import Session, SessionId
from policies.model import Level
from policies.parse import parse_subject_term
from tests.bench.peers import Peer, free_port, on_processor, wait_for_port

HOST = "pusterla.localhost"


@dataclass(frozen=True, slots=True)
class BenchSite:
    """What load and peers need of a site."""

    folder: SiteFolder
    port: int
    certificate: Path
    key: Path
    crls: Path
    cookies: str

    @property
    def app_host(self) -> str:
        """The application's host."""
        return f"wiki.{HOST}"

    @property
    def root(self) -> Path:
        """The certificate that the load trusts."""
        return self.folder.root_certificate


async def make_site(directory: Path, upstream: int, lifetime: timedelta) -> BenchSite:
    """Make a site with one worker in front of the upstream on port *upstream*."""
    port = free_port()
    wished = NewSite(host=HOST, port=port, http_port=free_port(), workers=1)
    folder = await create_site(directory, wished, clock, lambda _: None)
    async with open_command(folder, clock) as command:
        wishes = Wishes("anna", "Anna Rossi", "anna@example.it", frozenset({"technicians"}))
        await add_account(command, wishes, secrets.token_hex())
        allow = [parse_subject_term("group:technicians")]
        await add_application(
            command, "wiki", f"wiki.{HOST}", f"http://127.0.0.1:{upstream}", allow
        )
        cookie = await _sign_in(command, directory, lifetime)
    return BenchSite(
        folder=folder,
        port=port,
        certificate=directory / "anna.pem",
        key=directory / "anna.key",
        crls=_crls(folder, directory / "crls.pem"),
        cookies=f"{cookie}; theme=dark; sidebar=open",
    )


async def _sign_in(command: Command, directory: Path, lifetime: timedelta) -> str:
    passphrase = secrets.token_hex()
    wanted = Wanted("anna", "stick-1", 30, None, directory / "anna.p12")
    record = (await issue_certificate(command, wanted, passphrase)).record
    key, certificate, _ = pkcs12.load_key_and_certificates(
        wanted.file.read_bytes(), passphrase.encode()
    )
    assert key is not None
    assert certificate is not None
    (directory / "anna.key").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    (directory / "anna.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    now = clock()
    session = Session(
        id=SessionId(secrets.token_hex(16)),
        user="anna",
        fingerprint=Fingerprint(record.fingerprint or ""),
        level=Level.PASSWORD_TOTP,
        created_at=now,
        expires_at=now + lifetime,
        address="127.0.0.1",
    )
    verified = await command.store.credentials("anna")
    assert verified is not None
    await command.store.open_session(session, "stick-1", record.serial, verified=verified)
    value = mint_cookie(read_cookie_key(command.folder), session.id, f"wiki.{HOST}")
    return f"{COOKIE_NAME}={value}"


def _crls(folder: SiteFolder, path: Path) -> Path:
    """Write the CRLs that nginx wants: one for each CA of the chain."""
    now, week = clock(), timedelta(days=7)
    root = Issuer("root", load_certificates(folder.root_certificate)[0], load_key(folder.root_key))
    with path.open("wb") as file:
        for issuer in (root, load_issuer(folder.ca)):
            crl = build_crl(issuer, [], number=1, this_update=now, next_update=now + week)
            file.write(crl.public_bytes(Encoding.PEM))
    return path


@contextmanager
def serve_site(site: BenchSite, processor: int) -> Iterator[Peer]:
    """Run the site as `pusterla serve` does; on one *processor*."""
    log = site.folder.path / "serve.log"
    with log.open("wb") as output:
        command = [
            *on_processor(processor),
            *(sys.executable, "-c", "from gateway.cli import main; main()"),
            *("--site", str(site.folder.path), "serve"),
        ]
        with subprocess.Popen(command, stdout=output, stderr=output) as process:
            try:
                wait_for_port(site.port, log)
                yield Peer(process.pid, site.port)
            finally:
                process.terminate()
