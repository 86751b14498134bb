"""A site to be measured: one application, people with sticks, sessions that are signed in."""

import secrets
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)

from ca.hierarchy import ISSUER_NAME, load_issuer
from ca.issue import Issuer
from ca.keys import load_certificates, load_key
from ca.ledger import CertificateState
from ca.trust import RevocationReason
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
from tests.bench.measuring import FIRST, on_processor
from tests.bench.peers import Peer, free_port, running
from tests.ca.makers import build_crl, line_of

HOST = "pusterla.localhost"
GROUP = "technicians"
LIFETIME = timedelta(days=1)
COMPILED_PYTHON: Final = Path(".venv/compiled/bin/python").absolute()
"""Made by `make compiled`, of the same interpreter; where it is not, its cases are left out."""
_AT_ONCE = 20_000


@dataclass(frozen=True, slots=True)
class Stick:
    """A certificate with its key, and the cookies of the session that is bound to it."""

    certificate: Path
    key: Path
    serial: str
    session: str
    """The value of our cookie."""

    @property
    def cookies(self) -> str:
        """The Cookie field: ours, and two of the application's."""
        return f"{COOKIE_NAME}={self.session}; theme=dark; sidebar=open"


@dataclass(frozen=True, slots=True)
class BenchSite:
    """What load and peers need of a site."""

    folder: SiteFolder
    port: int
    sticks: tuple[Stick, ...]
    crls: Path

    @property
    def app_host(self) -> str:
        """The application's host."""
        return f"wiki.{HOST}"

    @property
    def root(self) -> Path:
        """The certificate that the load trusts."""
        return self.folder.root_certificate

    def load_arguments(self, port: int) -> list[object]:
        """Return what every program that makes load must be told."""
        stick = self.sticks[0]
        return [
            *("--host", self.app_host, "--port", port, "--ca", self.root),
            *("--certificate", stick.certificate, "--key", stick.key, "--cookie", stick.cookies),
        ]


async def make_site(
    directory: Path,
    upstream: int,
    *,
    people: int = 1,
    workers: int = 1,
    store_url: str | None = None,
) -> BenchSite:
    """Make a site in front of the upstream on port *upstream*, with a stick for each of *people*."""
    port = free_port()
    wished = NewSite(
        host=HOST, port=port, http_port=free_port(), workers=workers, store_url=store_url
    )
    folder = await create_site(directory, wished, clock, lambda _: None)
    # The access log is written by default; metrics are read where a port for them is named.
    settings, section = folder.settings.read_text(), "[metrics]\n"
    assert section in settings
    folder.settings.write_text(settings.replace(section, f"{section}port = {free_port()}\n"))
    async with open_command(folder, clock) as command:
        allow = [parse_subject_term(f"group:{GROUP}")]
        address = f"http://127.0.0.1:{upstream}"
        await add_application(command, "wiki", f"wiki.{HOST}", (address,), allow)
        sticks = [await add_person(command, f"person-{number}") for number in range(people)]
    site = BenchSite(folder, port, tuple(sticks), directory / "crls.pem")
    write_crls(site, site.crls, 0)
    return site


async def add_person(command: Command, user: str) -> Stick:
    """Add a person who may use the application, and give them a stick."""
    wishes = Wishes(user, "Anna Rossi", f"{user}@example.it", frozenset({GROUP}))
    await add_account(command, wishes, secrets.token_hex())
    return await add_stick(command, user, "stick-1")


async def add_stick(command: Command, user: str, device: str) -> Stick:
    """Issue a certificate and sign its holder in with it."""
    passphrase = secrets.token_hex()
    stem = command.folder.path / f"{user}-{device}"
    wanted = Wanted(user, device, 30, None, stem.with_suffix(".p12"))
    record = (await issue_certificate(command, wanted, passphrase)).record
    key, certificate, _ = pkcs12.load_key_and_certificates(
        wanted.file.read_bytes(), passphrase.encode()
    )
    assert key is not None
    assert certificate is not None
    key_file, certificate_file = stem.with_suffix(".key"), stem.with_suffix(".pem")
    key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    certificate_file.write_bytes(certificate.public_bytes(Encoding.PEM))
    now = clock()
    session = Session(
        id=SessionId(secrets.token_hex(16)),
        user=user,
        fingerprint=Fingerprint(record.fingerprint or ""),
        level=Level.PASSWORD_TOTP,
        created_at=now,
        expires_at=now + LIFETIME,
        address="127.0.0.1",
    )
    verified = await command.store.credentials(user)
    assert verified is not None
    await command.store.open_session(session, device, record.serial, verified=verified)
    cookie = mint_cookie(read_cookie_key(command.folder), session.id, f"wiki.{HOST}")
    return Stick(certificate_file, key_file, record.serial, cookie)


def revoke_strangers(site: BenchSite, count: int) -> None:
    """Write *count* revoked certificates into the ledger of *site*, listed in a CRL already.

    Straight into the file: issuing and revoking them one by one is not what is measured.
    """
    now = int(clock().timestamp() * 1e6)
    day = 86_400_000_000
    with sqlite3.connect(site.folder.store / "pusterla.sqlite3") as connection:
        for begin in range(0, count, _AT_ONCE):
            connection.executemany(
                "INSERT INTO certificate (issuer, serial, fingerprint, username, device,"
                " not_before, not_after, state, reserved_at, issued_at, revoked_at, reason,"
                " crl_number, change) VALUES"
                " (?, ?, ?, 'stranger', 'stick', ?, ?, ?, ?, ?, ?, ?, 1, 1)",
                [
                    (
                        *(ISSUER_NAME, secrets.token_hex(20), secrets.token_hex(32)),
                        *(now - day, now + day, CertificateState.REVOKED.value, now - day),
                        *(now - day, now, RevocationReason.KEY_COMPROMISE.value),
                    )
                    for _ in range(begin, min(count, begin + _AT_ONCE))
                ],
            )
    connection.close()


def write_crls(site: BenchSite, path: Path, entries: int) -> None:
    """Write the CRLs that other servers want: one for each CA of the chain.

    That of the issuing CA lists *entries* certificates that nobody has.
    """
    now, week = clock(), timedelta(days=7)
    folder = site.folder
    root = Issuer("root", load_certificates(folder.root_certificate)[0], load_key(folder.root_key))
    stolen = RevocationReason.KEY_COMPROMISE
    listed = [line_of(secrets.randbits(158) + 1, now, stolen) for _ in range(entries)]
    with path.open("wb") as file:
        for issuer, revoked in ((root, []), (load_issuer(folder.ca), listed)):
            crl = build_crl(issuer, revoked, number=1, this_update=now, next_update=now + week)
            file.write(crl.public_bytes(Encoding.PEM))


@contextmanager
def serve_site(site: BenchSite, *processors: int, python: str = sys.executable) -> Iterator[Peer]:
    """Run the site as `pusterla serve` does, on the processor of what is measured.

    With what is installed for *python*, be there a tree of sources here or not.
    """
    program = (python, "-P", "-c", "from gateway.cli import main; main()")
    command = [*on_processor(*(processors or (FIRST,))), *program]
    command += ["--site", str(site.folder.path), "serve"]
    with running(command, site.port, site.folder.path / "serve.log") as peer:
        yield peer


def with_sticks(site: BenchSite, *sticks: Stick) -> BenchSite:
    """Return *site* as it is to those who hold *sticks*."""
    return replace(site, sticks=sticks)
