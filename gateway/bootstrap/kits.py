"""Building kits: all or nothing, and never a certificate that opens something without its kit.

The order: what can be refused is refused; the kit is written down as begun, with its public key;
what takes long (the browser) is copied into a folder beside the place of the kit; only then the
certificate is issued, and the rest written, which takes a second; the folder gets its name; what
was written down is taken away. Whoever is interrupted undoes it; for whoever is killed the next
command does (`clean_up`).
"""

import asyncio
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ca.authority import Enrolled
from ca.bundle import friendly_name
from ca.identity import Identity
from ca.issue import fingerprint
from ca.keys import sync_folder
from ca.kinds import KeyKind, PrivateKey, make_key
from ca.ledger import CertificateRecord, CertificateState
from gateway.bootstrap.browsers import Browser, open_browser
from gateway.bootstrap.certificates import Wanted, authority_of, order_of
from gateway.bootstrap.command import Command, CommandRefused
from gateway.bootstrap.folder import read_site_key
from gateway.bootstrap.kit_devices import reserve_device
from gateway.bootstrap.kit_records import Begun, keep
from gateway.bootstrap.kit_undoing import all_or_nothing, clean_up
from gateway.bootstrap.signing import active_issuer
from gateway.config import Problems, read_configuration
from gateway.core.audit import AuditEvent, AuditKind
from gateway.core.people import Person
from gateway.core.site import Site
from gateway.kit import manifest as manifests
from gateway.kit.browsers import FOLDER as BROWSER
from gateway.kit.browsers import BrowserRefused
from gateway.kit.contents import Destination, Owner, outer_files, policy_file, profile_files
from gateway.kit.manifest import Manifest
from gateway.kit.renewal import word_file
from gateway.kit.store import Identity as KitIdentity

Progress = Callable[[str, int, int], None]
"""Told what is being done, and how much of how much; 0 of 0 where there is nothing to count."""

_ROOM: Final = 16 << 20
"""What a kit takes beside the browser, and what its profile grows by at the first start."""


@dataclass(frozen=True, slots=True)
class KitWish:
    """A kit for *user*, in the new folder *out*; *device* None takes the next free `stick-N`.

    *browser*: the folder or archive of the browser that is to be in it.
    """

    user: str
    device: str | None
    days: int | None
    apps: tuple[str, ...] | None
    out: Path
    browser: Path | None
    kind: KeyKind = KeyKind.P256


@dataclass(frozen=True, slots=True)
class BuiltKit:
    """A kit that is whole. *asked*: hosts about which its browser will ask."""

    record: CertificateRecord
    folder: Path
    manifest: Manifest
    asked: tuple[str, ...]


async def build_kit(command: Command, wish: KitWish, password: str, progress: Progress) -> BuiltKit:
    """Issue a certificate, and put all that the person needs into the new folder *wish.out*.

    Raises `CommandRefused`, and what `Authority.enrol` raises; there is then neither a folder
    nor a certificate that opens anything.
    """
    await clean_up(command)
    with ExitStack() as held:
        device = await reserve_device(command, wish.user, wish.device, held)
        return await _build(command, wish, device, password, progress)


async def _build(
    command: Command, wish: KitWish, device: str, password: str, progress: Progress
) -> BuiltKit:
    out = refuse_unfit_place(wish.out)
    wanted = Wanted(wish.user, device, wish.days, wish.apps, out, wish.kind)
    person, order = await order_of(command, wanted)
    # What a certificate would not take is said before anything is copied.
    Identity(order.user, order.device, command.site.host, order.email)
    await _tell_of_others(command, person.user, device)
    destination = destination_of(command, order.scope)
    authority = authority_of(command, await active_issuer(command.store))
    with _browser(wish.browser) as browser:
        refuse_lack_of_room(out.parent, browser.size if browser else 0)
        key = await asyncio.to_thread(make_key, wish.kind)
        part = out.with_name(f".kit-{secrets.token_hex(8)}")
        begun = Begun(person.user, device, out, part, public_octets(key))
        async with all_or_nothing(command, begun, "no kit was built"):
            make_folder(part)
            files: dict[str, str] = {}
            if browser is not None:
                await _copy(browser, part / BROWSER, files, destination, progress)
            progress("issuing the certificate", 0, 0)
            enrolled = await authority.enrol(order, key.public_key(), command.clock())
            writer = KitWriter(command, person, enrolled, key, destination, progress)
            program = f"{BROWSER}/{browser.layout.program}" if browser else None
            built = await writer.fill(part, password, files, program)
            await writer.tell(
                AuditKind.KIT_BUILT, {"manifest": built.digest, "browser": program or ""}
            )
            keep(command.folder, enrolled.record.serial, built.digest)
            _give_name(part, out)
    return BuiltKit(enrolled.record, out, built.manifest, built.asked)


async def _tell_of_others(command: Command, user: str, device: str) -> None:
    now = command.clock()
    for one in await command.store.certificates(user=user):
        if one.device == device and one.state is CertificateState.VALID and one.not_after > now:
            command.say(
                f"{user} has the certificate {one.serial} on {device} already, and it goes on:"
                " revoke it if that stick is gone, or use kit renew if it is here"
            )


@contextmanager
def _browser(path: Path | None) -> Iterator[Browser | None]:
    if path is None:
        yield None
        return
    try:
        with open_browser(path) as browser:
            yield browser
    except BrowserRefused as error:
        raise CommandRefused(str(error)) from error


async def _copy(
    browser: Browser,
    target: Path,
    files: dict[str, str],
    destination: Destination,
    progress: Progress,
) -> None:
    digests: dict[str, str] = {}
    for done in browser.copy(target, digests):
        progress("copying the browser", done, browser.size)
        # Between two pieces an interruption is heard.
        await asyncio.sleep(0)
    name = f"{browser.layout.policies}/policies.json"
    digests[name] = write(target / name, policy_file(destination))
    files.update({f"{BROWSER}/{path}": digest for path, digest in digests.items()})


@dataclass(frozen=True, slots=True)
class Written:
    """A kit's manifest as it was written, its SHA-256, and the hosts that are asked about."""

    manifest: Manifest
    digest: str
    asked: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KitWriter:
    """Writes what comes after the certificate."""

    command: Command
    person: Person
    enrolled: Enrolled
    key: PrivateKey
    destination: Destination
    progress: Progress

    async def fill(
        self, folder: Path, password: str, files: dict[str, str], browser: str | None
    ) -> Written:
        """Write profile, launchers, letters and manifest into *folder*; raises `OSError`.

        *files* are those that are there already, with their checksums; the others are added.
        """
        enrolled, now = self.enrolled, self.command.clock()
        record = enrolled.record
        name = friendly_name(self.person.name, record.device)
        identity = KitIdentity(name, self.key, enrolled.certificate, enrolled.chain)
        self.progress("sealing the key", 0, 0)
        profile, asked = await asyncio.to_thread(
            profile_files, identity, self.destination, password, secrets.token_bytes, now
        )
        owner = Owner(self.person.name, record.device)
        # The zone of this machine stands for that of the site.
        until = record.not_after.astimezone()
        outer = outer_files(owner, self.destination, until, bundled=browser is not None)
        profile |= word_file(read_site_key(self.command.folder), fingerprint(enrolled.certificate))
        self.progress("writing", 0, 0)
        for path, content in (profile | outer).items():
            digest = write(folder / path, content)
            if manifests.needs_digest(path):
                files[path] = digest
        manifest = Manifest(
            site=self.destination.host,
            user=record.username,
            device=record.device,
            serial=record.serial,
            fingerprint=fingerprint(enrolled.certificate),
            not_after=record.not_after,
            built=now,
            hosts=tuple(host for host in self.destination.hosts if host not in asked),
            browser=browser,
            files=files,
        )
        digest = write(folder / manifests.FILE, manifest.text())
        sync_all(folder)
        return Written(manifest, digest, asked)

    async def tell(self, kind: AuditKind, detail: dict[str, str]) -> None:
        """Write to the audit log that this kit is there."""
        record = self.enrolled.record
        await self.command.store.record(
            AuditEvent(
                kind,
                self.command.clock(),
                user=record.username,
                serial=record.serial,
                device=record.device,
                detail={"by": self.command.by, **detail},
            )
        )


def write(path: Path, content: bytes) -> str:
    """Write the new file *path*, for its owner alone, durably; return its SHA-256."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Launchers are started, and which file is one is not known here.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o700)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    return sha256(content).hexdigest()


def _give_name(part: Path, out: Path) -> None:
    # Once more, since a rename would take the place of an empty folder.
    refuse_unfit_place(out)
    part.rename(out)
    sync_folder(out.parent)


def make_folder(path: Path) -> None:
    """Make the new folder *path*, for its owner alone."""
    path.mkdir(mode=0o700)


def sync_all(folder: Path) -> None:
    """Make all names below *folder* durable."""
    for one in (folder, *folder.rglob("*")):
        if one.is_dir():
            sync_folder(one)


def public_octets(key: PrivateKey) -> bytes:
    """Return the public half of *key* as certificates hold it."""
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def absolute(path: Path) -> Path:
    """Return *path* from the top, with its links as they are."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow them


def refuse_unfit_place(out: Path) -> Path:
    """Return *out* as an absolute path, or raise `CommandRefused` where no kit can be made."""
    out = absolute(out)
    if os.path.lexists(out):
        raise CommandRefused(f"{out} exists and is never overwritten: name a new folder")
    if not out.parent.is_dir():
        raise CommandRefused(f"{out.parent} is not a folder: the new folder is made in one that is")
    return out


def refuse_lack_of_room(folder: Path, octets: int) -> None:
    """Raise `CommandRefused` where *folder* has no room for so many octets and the rest."""
    needed, free = octets + _ROOM, shutil.disk_usage(folder).free
    if free < needed:
        raise CommandRefused(
            f"{folder} has no room: {needed >> 20} MiB are needed, and {free >> 20} are free"
        )


def destination_of(command: Command, scope: tuple[str, ...] | None) -> Destination:
    """Return the site as a kit opens it: the portal and its applications, or those in *scope*.

    Raises `CommandRefused` when files of applications have mistakes.
    """
    site = command.site
    found = read_configuration(command.folder.path, site)
    if isinstance(found, Problems):
        raise CommandRefused(f"the applications have mistakes, so no kit was built:\n{found}")
    hosts = [one.host for one in found.applications.values() if scope is None or one.name in scope]
    return Destination(
        name=site.name or site.host,
        host=site.host,
        portal=portal_of(site),
        lost=site.lost_page,
        contact=site.contact,
        hosts=(site.host, *sorted(hosts)),
    )


def portal_of(site: Site) -> str:
    """Return the address of the portal's start page."""
    return f"{site.origin(site.host)}/"
