"""Key and certificate files, and the lock that lets one signer work at a time.

Keys are PKCS#8 PEM, not encrypted: whoever can read the file has the key, so it is made for its
owner alone, never overwritten, and not accepted once others can read it.
"""

import asyncio
import fcntl
import os
import stat
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from ca.errors import FileRefused, SignerBusy
from ca.issue import PrivateKey

PRIVATE = 0o600
PUBLIC = 0o644
_OTHERS = 0o077
_LONGEST_FILE = 1 << 20
_POLL = 0.02


def make_key() -> PrivateKey:
    """Make a new key on P-256, from the system's source of randomness."""
    return ec.generate_private_key(ec.SECP256R1())


class NewFile:
    """A file of this name, made empty at once, so that what fills it later cannot be refused.

    Neither a file nor a link that was there before is ever overwritten. Used with `with`: unless
    `write` came to its end, the file is gone again afterwards. Raises `FileRefused` when the file
    exists or cannot be made.
    """

    def __init__(self, path: Path, mode: int = PRIVATE) -> None:
        """Make *path*, empty, with *mode* less what the umask takes."""
        self._path = path
        self._written = False
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        except FileExistsError as error:
            raise FileRefused(
                f"{path} exists and is never overwritten: move it away first"
            ) from error
        except OSError as error:
            raise FileRefused(f"{path} cannot be made: {error.strerror}") from error
        self._file = os.fdopen(descriptor, "wb", buffering=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        if not self._written:
            self._path.unlink(missing_ok=True)

    def write(self, data: bytes) -> None:
        """Fill the file and return when it is on the disk, its name included.

        Raises `FileRefused` when it cannot be.
        """
        try:
            while data:
                data = data[self._file.write(data) :]
            os.fsync(self._file.fileno())
            _sync_folder(self._path.parent)
        except OSError as error:
            raise FileRefused(f"{self._path} cannot be written: {error.strerror}") from error
        self._written = True


def _sync_folder(folder: Path) -> None:
    """Make the names in *folder* durable: syncing a file does not do that."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_new(path: Path, data: bytes, mode: int = PRIVATE) -> None:
    """Write *data* to the new file *path*, durably, or raise `FileRefused`."""
    with NewFile(path, mode) as file:
        file.write(data)


def save_key(path: Path, key: PrivateKey) -> None:
    """Write *key* to the new file *path*, for its owner only."""
    write_new(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def save_certificates(path: Path, certificates: Iterable[x509.Certificate]) -> None:
    """Write *certificates*, in this order, to the new file *path*; anybody may read it."""
    pem = b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)
    write_new(path, pem, PUBLIC)


def replace_certificates(path: Path, certificates: Iterable[x509.Certificate]) -> None:
    """Put *certificates* in the place of those in the file *path*, at once and durably.

    The file keeps its mode and, where we may say so, its owner.
    """
    pem = b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)
    draft = path.with_name(f".{path.name}.new")
    # What an attempt left behind that was interrupted.
    draft.unlink(missing_ok=True)
    try:
        before = path.stat()
        write_new(draft, pem)
        draft.chmod(stat.S_IMODE(before.st_mode))
        if (before.st_uid, before.st_gid) != (draft.stat().st_uid, draft.stat().st_gid):
            os.chown(draft, before.st_uid, before.st_gid)
        draft.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise FileRefused(f"{path} cannot be replaced: {error.strerror}") from error


def load_key(path: Path) -> PrivateKey:
    """Read the key in *path*.

    Raises `FileRefused` when it is missing, not a P-256 key, or open to group or others.
    """
    data = _read(path, private=True)
    try:
        key = load_pem_private_key(data, password=None)
    except (ValueError, TypeError) as error:
        raise FileRefused(f"{path} holds no private key in plain PEM: {error}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise FileRefused(f"the key in {path} is not an elliptic curve key on P-256")
    return key


def load_certificates(path: Path) -> tuple[x509.Certificate, ...]:
    """Read the certificates in *path*, at least one, in their order."""
    try:
        return tuple(x509.load_pem_x509_certificates(_read(path, private=False)))
    except ValueError as error:
        raise FileRefused(f"{path} holds no certificates in PEM: {error}") from error


def _read(path: Path, *, private: bool) -> bytes:
    try:
        with path.open("rb") as file:
            # Asked of the open file: a name can be made to point elsewhere in between.
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if private and mode & _OTHERS:
                raise FileRefused(
                    f"{path} is open to others than its owner (mode {mode:04o}):"
                    f" run  chmod 600 {path}"
                )
            return file.read(_LONGEST_FILE)
    except OSError as error:
        raise FileRefused(f"{path} cannot be read: {error.strerror}") from error


class SignerLock:
    """Lets one signer work at a time, among all the processes that name the same file.

    The kernel frees the lock when its holder ends, however it ends.
    """

    def __init__(self, path: Path, patience: float = 30.0) -> None:
        """Take the lock's file and how many seconds to wait for another holder."""
        self._path = path
        self._patience = patience

    @asynccontextmanager
    async def hold(self) -> AsyncIterator[None]:
        """Hold the lock inside the `async with`, or raise `SignerBusy` when patience ends."""
        descriptor = self._open()
        try:
            await self._acquire(descriptor)
            yield
        finally:
            os.close(descriptor)

    def _open(self) -> int:
        try:
            return os.open(self._path, os.O_RDWR | os.O_CREAT, PRIVATE)
        except OSError as error:
            raise FileRefused(f"{self._path} cannot be opened: {error.strerror}") from error

    async def _acquire(self, descriptor: int) -> None:
        """Ask again and again: to wait inside the kernel would need a thread nobody can stop."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._patience
        while not _try_lock(descriptor):
            if loop.time() >= deadline:
                raise SignerBusy(
                    f"another process has been signing for {self._patience:g} s"
                    f" and still holds {self._path}"
                )
            await asyncio.sleep(_POLL)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
