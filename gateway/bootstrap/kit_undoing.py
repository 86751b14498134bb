"""Taking back a kit that did not come to be: its folder, and its certificate."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from ca import ledger
from ca.ledger import CertificateRecord, CertificateState
from ca.trust import RevocationReason
from gateway.bootstrap.certificates import list_them
from gateway.bootstrap.command import Command, CommandRefused
from gateway.bootstrap.kit_records import Begun, begin, left_behind
from gateway.kit import manifest as manifests
from gateway.kit.browsers import BrowserRefused
from gateway.kit.manifest import PROFILE, Manifest, ManifestUnreadable, read_manifest

RENEWAL: Final = ".renewal"
"""Inside a kit: what is to take the place of what is there."""

_PATIENCE: Final = 1.0
"""How long to wait, in seconds, for the authority to sign a list that says so."""

BEFORE: Final = ".renewal-old"
"""Inside a kit: the profile whose place was taken."""


async def clean_up(command: Command) -> None:
    """Undo, or bring to an end, what killed commands have left behind."""
    with left_behind(command.folder) as found:
        for record, begun in found:
            try:
                finished = await settle(command, begun)
            except OSError as error:
                # A stick that cannot be written keeps nobody from the other kits.
                command.say(f"{begun.folder} is neither finished nor undone: {_in_words(error)}")
                continue
            if not finished:
                command.say(
                    f"a kit for {begun.user} on {begun.device} in {begun.folder} was never finished:"
                    " what there was of it is gone, and nothing opens with it"
                )
            record.forget()


@asynccontextmanager
async def all_or_nothing(command: Command, begun: Begun, failed: str) -> AsyncIterator[None]:
    """Do what is *begun*, written down as such, to the end; or undo it, whatever happened.

    Turns `OSError` and `BrowserRefused` into `CommandRefused` that begins with *failed*. What
    cannot be undone now, the next command undoes.
    """
    with begin(command.folder, begun) as record:
        try:
            yield
        except BaseException as error:
            try:
                await settle(command, begun)
                record.forget()
            except Exception as other:  # noqa: BLE001 - what went wrong first is to be told
                command.say(f"it could not be undone ({other}); the next pusterla kit command does")
            if isinstance(error, OSError | BrowserRefused):
                raise CommandRefused(f"{failed}: {_in_words(error)}") from error
            raise
        record.forget()


def _in_words(error: OSError | BrowserRefused) -> str:
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}"
    return str(error)


async def settle(command: Command, begun: Begun) -> bool:
    """Bring to an end what is whole but for that, and say so; or undo it, certificate included."""
    certificates = await _certificates(command, begun)
    if _is_whole(begun, certificates):
        finish(begun.folder)
        return True
    if begun.renewal:
        _restore(begun)
    else:
        shutil.rmtree(begun.part, ignore_errors=True)
    for one in certificates:
        if one.state is not CertificateState.REVOKED:
            revoked = await command.store.revoke_certificates(
                serial=one.serial,
                user=None,
                device=None,
                reason=RevocationReason.CESSATION_OF_OPERATION,
                by=command.by,
            )
            # The list that says so to everybody else is signed by whoever may, when they may.
            await list_them(command, revoked, _PATIENCE)
    return False


async def _certificates(command: Command, begun: Begun) -> list[CertificateRecord]:
    async with command.store.read() as connection:
        return await ledger.find_by_key(connection, begun.key)


def _is_whole(begun: Begun, certificates: list[CertificateRecord]) -> bool:
    """Say whether all was done but to write down that it was."""
    known = {one.fingerprint for one in certificates}
    manifest = manifest_in(begun.folder)
    if begun.renewal and not (begun.part / PROFILE).exists():
        # The manifest is the last that came into this folder, and the last that leaves it; the
        # profile is the first that leaves it. So the new profile is in its place.
        manifest = manifest_in(begun.part) or manifest
    elif begun.part.exists():
        return False
    return manifest is not None and manifest.fingerprint in known


def manifest_in(folder: Path) -> Manifest | None:
    """Return the manifest in *folder*, None if there is none that can be read.

    No link is followed, and nobody is waited for who would fill a pipe.
    """
    path = folder / manifests.FILE
    if folder.is_symlink() or path.is_symlink() or not path.is_file():
        return None
    try:
        with path.open("rb") as file:
            return read_manifest(file.read(manifests.LARGEST))
    except (OSError, ManifestUnreadable):
        return None


def _restore(begun: Begun) -> None:
    profile, before = begun.folder / PROFILE, begun.folder / BEFORE
    if before.is_dir() and not profile.exists():
        before.rename(profile)
    shutil.rmtree(begun.part, ignore_errors=True)


def finish(folder: Path) -> None:
    """Move the rest of a renewal to its place, the manifest last, and remove what was there."""
    part = folder / RENEWAL
    # The stick may have been in other hands since: no link of theirs is followed.
    if part.is_dir() and not part.is_symlink():
        files = [path for path in part.rglob("*") if path.is_file()]
        for path in sorted(files, key=lambda path: path.name == manifests.FILE):
            path.replace(folder / path.relative_to(part))
        shutil.rmtree(part, ignore_errors=True)
    shutil.rmtree(folder / BEFORE, ignore_errors=True)
