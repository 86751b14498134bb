"""A new site: folders, keys, certificates, store and the first CRL; the settings come last.

A folder is a site once pusterla.toml is in it, so whatever ends this half-way
leaves none. What an error leaves is taken away again; what a power cut leaves
is in the way of the next try, which says so.
"""

import os
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from ca import ledger
from ca.hierarchy import ISSUER_NAME, adopt_root, initialise
from ca.keys import KeyRing, load_certificates, sync_folder
from ca.kinds import KeyKind
from ca.requests import refuse_unfit_root
from gateway.bootstrap.command import CommandRefused, who
from gateway.bootstrap.folder import SECRET_DIRECTORY_MODE, SiteFolder, locate, write_secret
from gateway.bootstrap.signing import open_authority
from gateway.config.files import Problems, parse_site
from gateway.config.template import settings_text
from gateway.core import cookies, sealing
from gateway.core.audit import AuditEvent, AuditKind
from gateway.core.site import Site
from gateway.store import create_store, open_store

FOLDER_MODE = 0o750
SETTINGS_MODE = 0o640
"""There may be a password for the store in it; the processes read it as its group."""
PUBLIC_MODE = 0o644

# sun_path of unix(7) has 108 bytes, the last of them zero.
_LONGEST_SOCKET_PATH = 107
# A browser looks for names below .localhost on its own machine and nowhere else.
_LOCAL_HOSTS = ".localhost"


@dataclass(frozen=True, slots=True)
class NewSite:
    """A site that is wished for; what is None stays at its default, see docs/configuration.md."""

    host: str
    port: int
    http_port: int | None = None
    name: str | None = None
    contact: str | None = None
    address: str | None = None
    workers: int | None = None
    store_url: str | None = None
    kind: KeyKind = KeyKind.P256
    passphrase: bytes | None = field(default=None, repr=False)
    """Of the CA's keys; None leaves them plain."""

    root_certificate: Path | None = None
    """The certificate of a root that is elsewhere; None makes a root here."""

    def settings(self) -> str:
        """The text of its pusterla.toml."""
        address = self.address
        if address is None and f".{self.host}".endswith(_LOCAL_HOSTS):
            address = "127.0.0.1"
        return settings_text(
            self.host,
            self.port,
            http_port=self.http_port,
            name=self.name,
            contact=self.contact,
            address=address,
            workers=self.workers,
            store_url=self.store_url,
        )


async def create_site(
    directory: Path,
    wished: NewSite,
    clock: Callable[[], datetime],
    say: Callable[[str], None],
) -> SiteFolder:
    """Make the site *wished* in *directory*, which may be there but has none of a site's files.

    *say* is told each step before it is taken. Raises `CommandRefused`, with
    nothing made, when the settings would be wrong or something is in the way;
    and what keys and store raise, with what was made taken away again. Tables
    that were made in a PostgreSQL stay.
    """
    folder = locate(directory)
    text = wished.settings()
    site = parse_site(text)
    if isinstance(site, Problems):
        raise CommandRefused("\n".join(problem.message for problem in site.problems))
    _refuse_long(folder)
    _refuse_occupied(folder)
    root = _offered_root(wished, clock())
    made = not folder.path.exists()
    folder.path.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    try:
        await _fill(folder, site, wished, root, clock, say)
        _write_settings(folder, text)
    except BaseException:
        _clear(folder, folder_too=made)
        raise
    return folder


async def _fill(
    folder: SiteFolder,
    site: Site,
    wished: NewSite,
    root: x509.Certificate | None,
    clock: Callable[[], datetime],
    say: Callable[[str], None],
) -> None:
    folder.apps.mkdir(FOLDER_MODE)
    for directory in (folder.store, folder.keys, folder.run, folder.log, folder.foreign):
        directory.mkdir(SECRET_DIRECTORY_MODE)
    say("making keys and certificates")
    hierarchy = None
    if root is None:
        hierarchy = initialise(
            folder.keys,
            site.host,
            entropy=secrets.token_bytes,
            now=clock(),
            kind=wished.kind,
            passphrase=wished.passphrase,
        )
    else:
        adopt_root(folder.keys, root)
    _make_keys(folder)
    say("making the store")
    url = folder.store_url(site.store_url)
    await create_store(url)
    async with open_store(url, clock) as store:
        name = who()
        async with store.begin() as connection:
            if hierarchy is not None:
                der = hierarchy.issuing.public_bytes(Encoding.DER)
                await ledger.record_issuer(connection, name=ISSUER_NAME, der=der)
            detail = {"by": name, "host": site.host}
            await store.append(
                connection, AuditEvent(AuditKind.SITE_CREATED, clock(), detail=detail)
            )
        if hierarchy is None:
            return
        say("signing the first certificate revocation list")
        keys = KeyRing(lambda _: wished.passphrase)
        await open_authority(folder, site, store, name, keys).publish(clock())


def _offered_root(wished: NewSite, now: datetime) -> x509.Certificate | None:
    """Return the root that the new site is to have, which must be one for its host."""
    if wished.root_certificate is None:
        return None
    certificate, *_ = load_certificates(wished.root_certificate)
    refuse_unfit_root(certificate, wished.host, now)
    return certificate


def _make_keys(folder: SiteFolder) -> None:
    """Make the keys that are not the CA's."""
    write_secret(folder.site_key, secrets.token_bytes(sealing.KEY_BYTES))
    write_secret(folder.cookie_key, secrets.token_bytes(cookies.KEY_BYTES))
    key = ec.generate_private_key(ec.SECP256R1())
    write_secret(
        folder.assertion_key,
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    folder.assertion_public.write_bytes(public)
    folder.assertion_public.chmod(PUBLIC_MODE)


def root_fingerprint(folder: SiteFolder) -> str:
    """Return the SHA-256 of the root's certificate as people compare it: `AB:CD:…`."""
    from cryptography.hazmat.primitives.hashes import SHA256

    certificate = x509.load_pem_x509_certificate(folder.root_certificate.read_bytes())
    return certificate.fingerprint(SHA256()).hex(":").upper()


def _refuse_long(folder: SiteFolder) -> None:
    # Said now, and not when the site is to be served.
    longest = max(folder.portal_socket, folder.control_socket, key=lambda path: len(str(path)))
    if len(os.fsencode(longest)) > _LONGEST_SOCKET_PATH:
        raise CommandRefused(
            f"{folder.path} is too long a path: with {longest.name} in it, a socket's "
            f"path may have {_LONGEST_SOCKET_PATH} bytes"
        )


def _refuse_occupied(folder: SiteFolder) -> None:
    if folder.settings.exists():
        raise CommandRefused(f"{folder.path} is a site already: choose another folder")
    occupied = [name for name in folder.own_names if (folder.path / name).exists()]
    if occupied:
        raise CommandRefused(
            f"{folder.path} has {', '.join(occupied)} in it and no {folder.settings.name}: if an "
            "interrupted init left them, remove them; otherwise choose another folder"
        )


def _write_settings(folder: SiteFolder, text: str) -> None:
    """Make the folder a site, at once and durably."""
    draft = folder.path / f".{folder.settings.name}.{secrets.token_hex(4)}"
    write_secret(draft, text.encode())
    draft.chmod(SETTINGS_MODE)
    draft.rename(folder.settings)
    for directory in (folder.keys, folder.path, folder.path.parent):
        sync_folder(directory)


def _clear(folder: SiteFolder, *, folder_too: bool) -> None:
    """Take away what was made; nothing of it was there before."""
    folder.settings.unlink(missing_ok=True)
    for draft in folder.path.glob(f".{folder.settings.name}.*"):
        draft.unlink()
    for name in folder.own_names:
        shutil.rmtree(folder.path / name, ignore_errors=True)
    if folder_too:
        shutil.rmtree(folder.path, ignore_errors=True)
