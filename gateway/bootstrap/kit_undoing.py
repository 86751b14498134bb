"""Taking back a kit that did not come to be: its folder, and its certificate.

A stick may have been in other hands since: no link on it is followed, and what is odd is undone.
"""

import errno
import os
import shutil
import stat
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, ParamSpec

from ca import ledger
from ca.ledger import CertificateRecord, CertificateState
from ca.trust import RevocationReason
from gateway.bootstrap.certificates import list_them
from gateway.bootstrap.command import Command, CommandRefused
from gateway.bootstrap.kit_records import Begun, Record, begin, left_behind, reserve
from gateway.kit import manifest as manifests
from gateway.kit.browsers import BrowserRefused
from gateway.kit.manifest import NEEDED, PROFILE, Manifest, ManifestUnreadable, read_manifest

RENEWAL: Final = ".renewal"
"""Inside a kit: what is to take the place of what is there."""

_PATIENCE: Final = 1.0
"""How long to wait, in seconds, for the authority to sign a list that says so."""

BEFORE: Final = ".renewal-old"
"""Inside a kit: the profile whose place was taken."""

P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Settled:
    """What has become of what was begun: *whole*, or undone.

    *left* is why some of it could not be moved or removed; it is to stay written down then.
    """

    whole: bool
    left: OSError | None


@contextmanager
def alone_with(command: Command, folder: Path) -> Iterator[None]:
    """Let nobody else renew the kit in *folder* meanwhile, or raise `CommandRefused`."""
    with reserve(command.folder, f"folder {folder.resolve()}") as ours:
        if not ours:
            raise CommandRefused(f"{folder} is being renewed by another command right now")
        yield


async def clean_up(command: Command) -> None:
    """Undo, or bring to an end, what killed commands have left behind."""
    with left_behind(command.folder) as found:
        for record, begun in found:
            with ExitStack() as held:
                try:
                    if begun.renewal:
                        held.enter_context(alone_with(command, begun.folder))
                except CommandRefused:
                    # Who has it in hands finds what is odd; the next command comes back to it.
                    continue
                settled = await settle(command, begun)
                if not settled.whole:
                    command.say(_unfinished(begun, settled))
                _close(command, begun, record, settled)


def _unfinished(begun: Begun, settled: Settled) -> str:
    rest = "what there was of it is gone, and " if settled.left is None else ""
    return (
        f"a kit for {begun.user} on {begun.device} in {begun.folder} was never finished:"
        f" {rest}nothing opens with it"
    )


def _close(command: Command, begun: Begun, record: Record, settled: Settled) -> None:
    """Forget what was begun, but for what could not be removed or moved: that is said."""
    if settled.left is None:
        record.forget()
        return
    what = "moved to its place" if settled.whole else "removed"
    command.say(
        f"not all in {begun.folder} could be {what} ({_in_words(settled.left)}): the next"
        f" pusterla kit command tries again; if that is gone for good, remove {record.path}"
    )


@asynccontextmanager
async def all_or_nothing(command: Command, begun: Begun, failed: str) -> AsyncIterator[None]:
    """Do what is *begun*, written down as such, to the end; or undo it, whatever happened.

    Turns `OSError` and `BrowserRefused` into `CommandRefused` that begins with *failed*, unless
    the kit turns out to be whole all the same. What cannot be undone now, the next command undoes.
    """
    with begin(command.folder, begun) as record:
        try:
            yield
        except BaseException as error:
            settled = await _try_to_settle(command, begun, record)
            whole = settled is not None and settled.whole
            if whole:
                command.say(f"{begun.folder} is whole all the same, with its new certificate")
            if not isinstance(error, OSError | BrowserRefused):
                raise
            if not whole:
                raise CommandRefused(f"{failed}: {_in_words(error)}") from error
            return
        record.forget()


async def _try_to_settle(command: Command, begun: Begun, record: Record) -> Settled | None:
    try:
        settled = await settle(command, begun)
        _close(command, begun, record, settled)
    except Exception as other:  # noqa: BLE001 - what went wrong first is to be told
        command.say(f"it could not be undone ({other}); the next pusterla kit command does")
        return None
    return settled


def _in_words(error: OSError | BrowserRefused) -> str:
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}"
    return str(error)


async def settle(command: Command, begun: Begun) -> Settled:
    """Bring to an end what is whole but for that; or undo it, certificate included.

    The certificate is revoked also where the folder is out of reach.
    """
    certificates = await _certificates(command, begun)
    known = {one.fingerprint for one in certificates if one.state is not CertificateState.REVOKED}
    if _is_whole(begun, known):
        return Settled(True, _fault_of(finish, begun.folder))
    left = _fault_of(_undo, begun, {one.fingerprint for one in certificates})
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
    return Settled(False, left)


def _fault_of(work: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> OSError | None:
    try:
        work(*args, **kwargs)
    except OSError as error:
        return error
    return None


async def _certificates(command: Command, begun: Begun) -> list[CertificateRecord]:
    async with command.store.read() as connection:
        return await ledger.find_by_key(connection, begun.key)


def _is_whole(begun: Begun, known: Collection[str | None]) -> bool:
    """Say whether all was done but to write down that it was; *known* are the new certificates."""
    folder, part = begun.folder, begun.part
    manifest = manifest_in(folder)
    if begun.renewal and not os.path.lexists(part / PROFILE):
        # The manifest is the last that came into this folder, and the last that leaves it; the
        # profile is the first that leaves it. So the new profile is in its place.
        manifest = manifest_in(part) or manifest
    elif os.path.lexists(part):
        return False
    if manifest is None or manifest.fingerprint not in known:
        return False
    return all(_is_file(folder / name) for name in NEEDED) and _way_is_free(folder)


def _is_folder(path: Path) -> bool:
    """Say whether *path* is a folder, and no link to one."""
    return path.is_dir() and not path.is_symlink()


def _is_file(path: Path) -> bool:
    """Say whether *path* is a plain file in a plain folder."""
    return path.is_file() and not path.is_symlink() and _is_folder(path.parent)


def _way_is_free(folder: Path) -> bool:
    try:
        _moves(folder)
    except OSError:
        return False
    return True


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


def _undo(begun: Begun, known: Collection[str | None]) -> None:
    """Remove what there is of a kit, or give a kit its old profile back; *known* as above."""
    place = begun.folder if begun.renewal else begun.part.parent
    if not _is_folder(place):
        raise FileNotFoundError(errno.ENOENT, "is not there", str(place))
    if begun.renewal:
        manifest, before = manifest_in(place), place / BEFORE
        if _is_folder(before) and not (manifest and manifest.fingerprint in known):
            remove(place / PROFILE)
            before.rename(place / PROFILE)
        remove(before)
    remove(begun.part)


def finish(folder: Path) -> None:
    """Move the rest of a renewal to its place, the manifest last, and remove what was there.

    Raises `OSError` where that cannot be done, `NotADirectoryError` where a link is in the way.
    """
    for source, target in _moves(folder):
        source.replace(target)
    remove(folder / RENEWAL)
    remove(folder / BEFORE)


def _moves(folder: Path) -> list[tuple[Path, Path]]:
    """Return what is to be moved from where to where, all of it inside *folder*."""
    part = folder / RENEWAL
    found: list[tuple[Path, Path]] = []
    if not _is_folder(part):
        return found
    for top, _, names in os.walk(part, onerror=_raise):
        inside = Path(top).relative_to(part)
        for each in (folder, *(folder / above for above in (inside, *inside.parents))):
            if names and not _is_folder(each):
                raise NotADirectoryError(errno.ENOTDIR, "is no folder of the kit", str(each))
        for name in names:
            source, target = Path(top) / name, folder / inside / name
            if _is_folder(target):
                raise IsADirectoryError(errno.EISDIR, "is a folder", str(target))
            if _is_file(source):
                found.append((source, target))
    return sorted(found, key=lambda move: move[0] == part / manifests.FILE)


def _raise(error: OSError) -> None:
    raise error


def remove(path: Path) -> None:
    """Remove *path* and all in it, if it is there, but nothing that a link leads to.

    Raises `OSError` where something of it stays.
    """
    try:
        state = path.lstat()
    except FileNotFoundError:
        return
    if stat.S_ISDIR(state.st_mode):
        shutil.rmtree(path)
    else:
        path.unlink()
