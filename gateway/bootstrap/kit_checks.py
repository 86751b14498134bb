"""Looking at a kit that is there: whether it is whole, the one that was built, and still opens."""

import errno
import os
import stat
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Final

from ca.ledger import CertificateRecord, CertificateState
from ca.serials import parse_serial
from gateway.bootstrap.command import Command, CommandRefused
from gateway.bootstrap.folder import read_site_key
from gateway.bootstrap.kit_records import kept
from gateway.bootstrap.kit_undoing import clean_up
from gateway.bootstrap.kits import Progress, destination_of
from gateway.kit import manifest as manifests
from gateway.kit.browsers import MOST_FILES
from gateway.kit.manifest import (
    PROFILE,
    Differences,
    Manifest,
    ManifestUnreadable,
    compare,
    needs_digest,
    read_manifest,
)
from gateway.kit.names import as_found
from gateway.kit.renewal import WORD, word_of

_CHUNK: Final = 1 << 20
_MOST: Final = 4 * MOST_FILES
"""More than a kit and what a browser leaves in its profile."""

_DEEPEST: Final = 64
"""Far more than any browser has; `os.walk` calls itself for each."""

_SHOWN: Final = 200

SOON: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class KitCheck:
    """What was found of a kit; *record* is what the ledger has of its certificate.

    *origin*: what speaks against this being the kit that was built; *standing*: why its
    certificate opens nothing. *remarks* are no faults.
    """

    manifest: Manifest
    differences: Differences
    record: CertificateRecord | None
    origin: tuple[str, ...]
    standing: tuple[str, ...]
    remarks: tuple[str, ...]

    @property
    def faults(self) -> tuple[str, ...]:
        """Return, in words, all that keeps the kit from being used."""
        return (*self.origin, *_spelt(self.differences), *self.standing)

    def outer_faults(self) -> tuple[str, ...]:
        """Return those that neither a new profile nor a new certificate mends."""
        return (*self.origin, *_spelt(self.differences, but=f"{PROFILE}/"))


def _spelt(differences: Differences, but: str | None = None) -> Iterator[str]:
    for names, what in (
        (differences.missing, "is missing"),
        (differences.altered, "is altered"),
        (differences.extra, "was put there by somebody"),
    ):
        for name in names:
            if but is None or not name.startswith(but):
                yield f"{name} {what}"


async def check_kit(command: Command, folder: Path, progress: Progress) -> KitCheck:
    """Compare the kit in *folder* with its manifest, with the site's record, and with the ledger.

    Raises `CommandRefused` when there is no kit of this site in it.
    """
    await clean_up(command)
    return await look_at_kit(command, folder, progress)


async def look_at_kit(command: Command, folder: Path, progress: Progress) -> KitCheck:
    """Do as `check_kit` does, where what was left behind has been seen to."""
    manifest, digest = read_kit(command, folder)
    differences = compare(manifest, _found(folder, manifest, progress))
    serial = parse_serial(manifest.serial)
    record = None if serial is None else await command.store.certificate(serial)
    if record is not None and record.fingerprint != manifest.fingerprint:
        record = None
    built_with = record
    if record is not None:
        record = await _carried(command, folder, record)
    now = command.clock()
    return KitCheck(
        manifest,
        differences,
        record,
        tuple(_origin_faults(manifest, record, kept(command.folder, manifest.serial), digest)),
        tuple(_standing_faults(record, now)),
        tuple(
            [
                remark
                async for remark in _remarks(
                    command, manifest, record, now, renewed=record is not built_with
                )
            ]
        ),
    )


async def _carried(command: Command, folder: Path, built: CertificateRecord) -> CertificateRecord:
    """Return the certificate that a kit carries: the person may have renewed that it was built with.

    Its word says which; what a kit can be tricked into saying is another of the same line.
    """
    word, site_key = _word_in(folder), read_site_key(command.folder)
    for one in await command.store.renewal_chain(built):
        if one.fingerprint is not None and word == word_of(site_key, one.fingerprint):
            return one
    return built


def _word_in(folder: Path) -> bytes:
    """Return the word of the kit in *folder*; nothing where it has none."""
    try:
        with open(folder / PROFILE / WORD, "rb", opener=_plainly) as file:
            return file.read(_SHOWN)
    except OSError:
        return b""


def read_kit(command: Command, folder: Path) -> tuple[Manifest, str]:
    """Return the manifest in *folder* and its SHA-256, or raise `CommandRefused`."""
    path = folder / manifests.FILE
    try:
        with open(path, "rb", opener=_plainly) as file:
            data = file.read(manifests.LARGEST)
    except FileNotFoundError as error:
        raise CommandRefused(f"{folder} is no kit: there is no {manifests.FILE} in it") from error
    except OSError as error:
        raise CommandRefused(f"{path} cannot be read: {error.strerror}") from error
    try:
        manifest = read_manifest(data)
    except ManifestUnreadable as error:
        raise CommandRefused(f"{path} cannot be used: {error}") from error
    if manifest.site != command.site.host:
        raise CommandRefused(
            f"{folder} is a kit of {manifest.site!a}, and this site is {command.site.host}"
        )
    return manifest, sha256(data).hexdigest()


def _origin_faults(
    manifest: Manifest, record: CertificateRecord | None, known: str | None, digest: str
) -> Iterator[str]:
    if record is None:
        yield f"this site did not issue the certificate {manifest.serial!a}"
    if known is None:
        yield (
            f"this site has no record of a kit with the certificate {manifest.serial!a}:"
            " it was built on another machine, or not by Pusterla"
        )
    elif known != digest:
        yield f"{manifests.FILE} is not the one that was written when the kit was built"


def _standing_faults(record: CertificateRecord | None, now: datetime) -> Iterator[str]:
    if record is None:
        return
    if record.state is CertificateState.REVOKED:
        yield f"its certificate {record.serial} is revoked"
    elif record.state is CertificateState.HELD:
        yield f"its certificate {record.serial} is on hold"
    elif record.not_after <= now:
        yield f"its certificate {record.serial} has ended"


async def _remarks(
    command: Command,
    manifest: Manifest,
    record: CertificateRecord | None,
    now: datetime,
    *,
    renewed: bool,
) -> AsyncIterator[str]:
    if record is None:
        return
    if now < record.not_after <= now + SOON:
        yield f"its certificate ends in {(record.not_after - now).days} days: pusterla kit renew"
    for one in await command.store.successors(record):
        if one.state is CertificateState.VALID:
            yield f"its certificate was renewed by {one.serial}, which is somewhere else"
    if renewed:
        # What goes to which host without a question was written anew by the portal.
        yield f"its person has renewed it: it carries {record.serial} by now"
        return
    try:
        scope = None if record.scope is None else tuple(record.scope)
        hosts = destination_of(command, scope).hosts
    except CommandRefused:
        return
    if unknown := sorted({*hosts} - {*manifest.hosts}):
        yield f"the browser asks once about {', '.join(unknown)}: new since the kit was built"


def _found(folder: Path, manifest: Manifest, progress: Progress) -> dict[str, str | None]:
    """List what is below *folder*, with checksums where they matter; links are not followed."""
    found: dict[str, str | None] = {}
    known = {as_found(name) for name in manifest.files}
    total = len(known)
    for top, folders, files in os.walk(folder, onerror=_refuse):
        if len(Path(top).relative_to(folder).parts) > _DEEPEST:
            raise CommandRefused(f"{folder} has folders in folders in folders: that is no kit")
        links = [name for name in folders if (Path(top) / name).is_symlink()]
        for name in (*files, *links):
            path = Path(top) / name
            there = _printable(path.relative_to(folder))
            wanted = as_found(there) in known and needs_digest(there)
            found[there] = _digest(path) if wanted else _kind(path)
            if len(found) > _MOST:
                raise CommandRefused(f"{folder} has more than {_MOST} files: that is no kit")
            progress("comparing", min(len(found), total), total)
    return found


def _printable(path: Path) -> str:
    """Return *path* with slashes; octets that are no UTF-8, which no kit of ours has, escaped."""
    return os.fsencode(path.as_posix()).decode(errors="backslashreplace")


def _refuse(error: OSError) -> None:
    # What cannot be looked into may hold anything.
    where = os.fsdecode(error.filename)[-_SHOWN:]
    raise CommandRefused(f"{where!a} cannot be looked into: {error.strerror}") from error


def _kind(path: Path) -> str | None:
    return "" if stat.S_ISREG(path.lstat().st_mode) else None


def _digest(path: Path) -> str | None:
    """Return the SHA-256 of the plain file *path*; None for whatever else has that name."""
    digest = sha256()
    try:
        with open(path, "rb", opener=_plainly) as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError:
        return None
    return digest.hexdigest()


def _plainly(path: str, flags: int) -> int:
    """Open a plain file, and neither follow a link nor wait for whoever would fill a pipe."""
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no plain file", path)
    return descriptor
