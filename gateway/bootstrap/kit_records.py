"""What a site keeps of its kits: which are being built, and the checksum of each that was.

A kit that is being built has a file of its own from before its certificate is issued until it is
whole. It names the key, which is public, so that a certificate whose kit never came to be can be
found and revoked by whoever comes next. The kernel frees the lock on it when the builder ends,
however it ends.
"""

import fcntl
import json
import os
import secrets
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from ca.errors import FileRefused
from ca.keys import read_handed_in, sync_folder, write_new
from ca.serials import parse_serial
from gateway.bootstrap.folder import SECRET_DIRECTORY_MODE, SECRET_FILE_MODE, SiteFolder

_BEGUN: Final = ".begun"
_BUILT: Final = ".kit"
_RESERVED: Final = ".lock"
_LONGEST: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Begun:
    """A kit that is being built, or whose certificate is being renewed.

    *folder* is where it will be, *part* what is not whole yet; *key* is the public key (DER).
    """

    user: str
    device: str
    folder: Path
    part: Path
    key: bytes
    renewal: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """The file in which something is written down as begun."""

    path: Path

    def forget(self) -> None:
        """Remove it: all is done, or undone."""
        self.path.unlink()


@contextmanager
def begin(site: SiteFolder, begun: Begun) -> Iterator[Record]:
    """Write down what is *begun*, durably, and hold a lock on that; raises `FileRefused`."""
    folder = _folder(site)
    path = folder / f"{secrets.token_hex(8)}{_BEGUN}"
    draft = path.with_suffix(".draft")
    document = asdict(begun) | {
        "folder": os.fsdecode(begun.folder),
        "part": os.fsdecode(begun.part),
        "key": b64encode(begun.key).decode(),
    }
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, SECRET_FILE_MODE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            _hand_over(descriptor, site)
            os.write(descriptor, json.dumps(document).encode())
            os.fsync(descriptor)
            draft.rename(path)
            sync_folder(folder)
        except BaseException:
            os.close(descriptor)
            draft.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise FileRefused(f"{path} cannot be written: {error.strerror}") from error
    try:
        yield Record(path)
    finally:
        os.close(descriptor)


@contextmanager
def left_behind(site: SiteFolder) -> Iterator[list[tuple[Record, Begun]]]:
    """Return what was begun by somebody who has ended since; nobody else is given it meanwhile."""
    held: list[int] = []
    found: list[tuple[Record, Begun]] = []
    try:
        for path in sorted(site.kits.glob(f"*{_BEGUN}")):
            try:
                descriptor = os.open(path, os.O_RDWR)
            except OSError:
                continue
            held.append(descriptor)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            # Its builder may have come to the end between the two lines above.
            if path.exists() and (begun := _read(path)):
                found.append((Record(path), begun))
        yield found
    finally:
        for descriptor in held:
            os.close(descriptor)


def _read(path: Path) -> Begun | None:
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
        folder, part = Path(found.pop("folder")), Path(found.pop("part"))
        return Begun(folder=folder, part=part, key=b64decode(found.pop("key")), **found)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


@contextmanager
def reserve(site: SiteFolder, what: str) -> Iterator[bool]:
    """Let nobody else have *what* meanwhile; gives False where somebody else has it.

    Among the commands of this site, on this machine. Raises `FileRefused`.
    """
    name = sha256(os.fsencode(what)).hexdigest()[:32]
    path = _folder(site) / f"{name}{_RESERVED}"
    try:
        descriptor = _hold(path, site)
    except OSError as error:
        raise FileRefused(f"{path} cannot be written: {error.strerror}") from error
    if descriptor is None:
        yield False
        return
    try:
        yield True
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _hold(path: Path, site: SiteFolder) -> int | None:
    """Lock the file *path*, made if need be; None where somebody else has locked it."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, SECRET_FILE_MODE)
        try:
            _hand_over(descriptor, site)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Who had it before may have removed it between the opening and the lock.
            with suppress(FileNotFoundError):
                if os.path.samestat(path.stat(), os.fstat(descriptor)):
                    return descriptor
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def keep(site: SiteFolder, serial: str, manifest: str) -> None:
    """Write down that the kit with the certificate *serial* has a *manifest* of this SHA-256."""
    document = json.dumps({"serial": serial, "manifest": manifest}) + "\n"
    write_new(_folder(site) / f"{serial}{_BUILT}", document.encode(), like=site.ca)


def kept(site: SiteFolder, serial: str) -> str | None:
    """Return the SHA-256 of the manifest that the kit with *serial* was built with, if known."""
    # The serial comes from a stick that was in other hands.
    if parse_serial(serial) != serial:
        return None
    path = site.kits / f"{serial}{_BUILT}"
    if not path.is_file():
        return None
    try:
        found = json.loads(read_handed_in(path, _LONGEST))["manifest"]
    except (ValueError, TypeError, KeyError):
        return None
    return str(found)


def _folder(site: SiteFolder) -> Path:
    folder = site.kits
    try:
        folder.mkdir(mode=SECRET_DIRECTORY_MODE, exist_ok=True)
        _hand_over(folder, site)
    except OSError as error:
        raise FileRefused(f"{folder} cannot be made: {error.strerror}") from error
    return folder


def _hand_over(what: Path | int, site: SiteFolder) -> None:
    """Give what root makes here to whom the CA's folder belongs, who may come next."""
    if os.geteuid() == 0:
        owner = site.ca.stat()
        os.chown(what, owner.st_uid, owner.st_gid)
