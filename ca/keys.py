"""Key and certificate files, and the lock that lets one signer work at a time.

Keys are PKCS#8 PEM, under a passphrase (`ca.encryption`) or plain: whoever can read a plain file
has the key, so it is made for its owner alone, never overwritten, and not accepted once others
can read it. Or the file holds the address of a key in a token (`ca.token`).
"""

import asyncio
import fcntl
import os
import secrets
import stat
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from ca.addresses import SCHEME, parse_address
from ca.encryption import MARK, encrypt_key
from ca.errors import FileRefused, KeyLocked, SignerBusy
from ca.kinds import KINDS, PRIVATE_KEYS, PrivateKey, kind_of
from ca.token import open_key

PRIVATE = 0o600
PUBLIC = 0o644
_OTHERS = 0o077
_LONGEST_FILE = 1 << 20
_POLL = 0.02


Ask = Callable[[Path], bytes | None]
"""Gives the passphrase of the key in a file, or None when there is none to be had."""


def nobody(path: Path) -> None:
    """Have no passphrase for the key in *path*, nor for any other."""


class NewFile:
    """A file of this name, made empty at once, so that what fills it later cannot be refused.

    Neither a file nor a link that was there before is ever overwritten, and what is written
    appears all at once: whoever is killed half-way leaves the file empty, never half full. Used
    with `with`: unless `write` came to its end, the file is gone again afterwards. Raises
    `FileRefused` when the file exists or cannot be made.
    """

    def __init__(self, path: Path, mode: int = PRIVATE, *, like: Path | None = None) -> None:
        """Make *path*, empty, with *mode* less what the umask takes.

        Made by root it belongs to whom the file *like* belongs to, if that is there: who signs
        or serves must be able to read what root has made.
        """
        self._path = path
        self._draft = path.with_name(f".{secrets.token_hex(8)}")
        self._written = False
        try:
            self._claim = _create(path, mode)
        except FileExistsError as error:
            raise FileRefused(
                f"{path} exists and is never overwritten: move it away first"
            ) from error
        except OSError as error:
            raise FileRefused(f"{path} cannot be made: {error.strerror}") from error
        try:
            descriptor = _create(self._draft, mode)
        except OSError as error:
            os.close(self._claim)
            path.unlink(missing_ok=True)
            raise FileRefused(f"{path} cannot be made: {error.strerror}") from error
        self._file = os.fdopen(descriptor, "wb", buffering=0)
        if like is not None:
            _hand_over(descriptor, like)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        if not self._written:
            self._draft.unlink(missing_ok=True)
            if self._is_ours():
                self._path.unlink(missing_ok=True)
        os.close(self._claim)

    def write(self, data: bytes) -> None:
        """Fill the file and return when it is on the disk, its name included.

        Raises `FileRefused` when it cannot be.
        """
        try:
            while data:
                data = data[self._file.write(data) :]
            os.fsync(self._file.fileno())
            if not self._is_ours():
                raise FileRefused(
                    f"{self._path} cannot be written: it was taken away or replaced meanwhile"
                )
            self._draft.rename(self._path)
            sync_folder(self._path.parent)
        except OSError as error:
            raise FileRefused(f"{self._path} cannot be written: {error.strerror}") from error
        self._written = True

    def _is_ours(self) -> bool:
        """Say whether the file of this name is still the empty one that was made for it."""
        try:
            found = self._path.lstat()
        except OSError:
            return False
        return os.path.samestat(found, os.fstat(self._claim))


def _create(path: Path, mode: int) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)


def _hand_over(descriptor: int, like: Path) -> None:
    """Give an open file the owner of *like*; only root can, and only root needs to."""
    if os.geteuid() == 0 and like.exists():
        owner = like.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def sync_folder(folder: Path) -> None:
    """Make the names in *folder* durable: syncing a file does not do that."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_new(path: Path, data: bytes, mode: int = PRIVATE, *, like: Path | None = None) -> None:
    """Write *data* to the new file *path*, durably, or raise `FileRefused`."""
    with NewFile(path, mode, like=like) as file:
        file.write(data)


def replace(path: Path, data: bytes, mode: int = PRIVATE) -> None:
    """Exchange what is in *path*, durably and at once: a reader sees the old or the new.

    Owner and mode stay those of the file that is there, or nothing is changed: whoever reads it
    must be able to go on. *mode* is for one that is not there. Raises `FileRefused`, with the old
    content in place, when it cannot be done.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    # For nobody else until it has its owner.
    write_new(draft, data)
    try:
        if path.exists():
            before, ours = path.stat(), draft.stat()
            mode = stat.S_IMODE(before.st_mode)
            if (before.st_uid, before.st_gid) != (ours.st_uid, ours.st_gid):
                os.chown(draft, before.st_uid, before.st_gid)
        draft.chmod(mode)
        draft.rename(path)
        sync_folder(path.parent)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise FileRefused(f"{path} cannot be replaced: {error.strerror}") from error


def key_pem(key: PrivateKey, passphrase: bytes | None) -> bytes:
    """Write *key* as PEM: under *passphrase*, or plain for None."""
    if passphrase is not None:
        return encrypt_key(key, passphrase)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def save_key(
    path: Path, key: PrivateKey, passphrase: bytes | None = None, *, like: Path | None = None
) -> None:
    """Write *key* to the new file *path*, for its owner only; under *passphrase* if there is one.

    *like*: see `NewFile`.
    """
    write_new(path, key_pem(key, passphrase), like=like)


def pem_of(certificates: Iterable[x509.Certificate]) -> bytes:
    """Write *certificates* as PEM, in this order."""
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def save_certificates(
    path: Path, certificates: Iterable[x509.Certificate], *, like: Path | None = None
) -> None:
    """Write *certificates*, in this order, to the new file *path*; anybody may read it."""
    write_new(path, pem_of(certificates), PUBLIC, like=like)


class KeyRing:
    """Loads keys, and opens each once only for as long as its file stays the same.

    To open one under a passphrase takes a good part of a second, on purpose; whoever signs looks
    at the file every time all the same, so that one that was replaced, or that others can read
    by now, is noticed.
    """

    def __init__(self, ask: Ask = nobody) -> None:
        """Take *ask*, of which the passphrase is had where there is need of one."""
        self._ask = ask
        self._opened: dict[Path, tuple[bytes, PrivateKey]] = {}

    def load(self, path: Path) -> PrivateKey:
        """Read the key in *path*; raises what `load_key` raises."""
        data = _read(path, private=True)
        digest = sha256(data).digest()
        known = self._opened.get(path)
        if known is None or known[0] != digest:
            known = (digest, _open_key(path, data, self._ask))
            self._opened[path] = known
        return known[1]


def load_key(path: Path, ask: Ask = nobody) -> PrivateKey:
    """Read the key in *path*; *ask* is asked only where it is under a passphrase.

    Raises `FileRefused` when it is missing, of no kind of ours, or open to group or others; and
    `KeyLocked` when its passphrase is not to be had, or another.
    """
    return _open_key(path, _read(path, private=True), ask)


class Protection(StrEnum):
    """What stands between whoever has the file of a key and the key."""

    NONE = "none"
    PASSPHRASE = "passphrase"  # noqa: S105 - the name of a way to protect
    TOKEN = "token"  # noqa: S105 - as above
    """The file holds an address, and the key is in a token (`ca.token`)."""


def protection_of(path: Path) -> Protection:
    """Say what protects the key in *path*; raises `FileRefused`."""
    return protection_in(_read(path, private=True))


def protection_in(data: bytes) -> Protection:
    """Say what protects the key whose file holds *data*."""
    if data.startswith(SCHEME):
        return Protection.TOKEN
    return Protection.PASSPHRASE if MARK in data else Protection.NONE


def _open_key(path: Path, data: bytes, ask: Ask) -> PrivateKey:
    passphrase = None
    if data.startswith(SCHEME):
        address = parse_address(data.decode("utf-8", "replace"))
        pin = ask(path)
        if not pin:
            raise KeyLocked(f"{path} names a key in a token, and there is no PIN to open it with")
        return open_key(address, pin)
    if MARK in data:
        passphrase = ask(path)
        if not passphrase:
            raise KeyLocked(f"{path} is under a passphrase, and there is none to open it with")
    try:
        key = load_pem_private_key(data, passphrase)
    except (ValueError, TypeError) as error:
        if passphrase:
            # The library cannot tell either: padding that is wrong is all there is to see.
            raise KeyLocked(f"the passphrase does not open {path}") from error
        raise FileRefused(f"{path} holds no private key in PEM: {error}") from error
    if not isinstance(key, PRIVATE_KEYS) or kind_of(key.public_key()) is None:
        raise FileRefused(f"the key in {path} is not {KINDS}")
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


def read_handed_in(path: Path, limit: int) -> bytes:
    """Read at most *limit* octets, and one more to tell that there are more, of somebody's file."""
    try:
        with path.open("rb") as file:
            return file.read(limit + 1)
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
