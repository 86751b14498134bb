"""The site folder: the one place that knows where its files lie, and the clock.

Everything of a site is in one folder and nothing of it is outside. Which
process may read which file is decided by the files' owners and modes; here a
key that others could read is refused, whoever asks for it.
"""

import os
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway.config.files import APP_SUFFIX, APPS_DIRECTORY, SETTINGS_FILE
from gateway.config.trusts import CERTIFICATES_SUFFIX, TRUST_DIRECTORY
from gateway.config.trusts import SETTINGS_SUFFIX as TRUST_SUFFIX
from gateway.core import cookies, sealing

SECRET_DIRECTORY_MODE = 0o700
SECRET_FILE_MODE = 0o600

_OTHERS = 0o007
_GROUP_WRITES = 0o020
_GROUP_READS = 0o050


class FolderError(Exception):
    """A site folder is not as it must be; the message names the file and the way out."""


class NotASite(FolderError):
    """There is no site in this folder."""


class KeyFileRefused(FolderError):
    """A key is missing, cannot be read, is no key, or could be read by others."""


def clock() -> datetime:
    """Return this moment, aware, in UTC: what processes hand on as *now*."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class SiteFolder:
    """The paths of one site. Nothing is touched by making one; see `open_folder`.

    *path* is absolute, since a process may change its working directory.
    """

    path: Path

    def __post_init__(self) -> None:
        """Refuse a relative path."""
        if not self.path.is_absolute():
            message = f"a site folder is named by its whole path, not {str(self.path)!r}"
            raise ValueError(message)

    @property
    def settings(self) -> Path:
        """pusterla.toml: what makes a folder a site."""
        return self.path / SETTINGS_FILE

    @property
    def apps(self) -> Path:
        """The directory of the applications' files."""
        return self.path / APPS_DIRECTORY

    def app_file(self, name: str) -> Path:
        """The file of the application *name*, whether there or not."""
        return self.apps / (name + APP_SUFFIX)

    @property
    def trust(self) -> Path:
        """The directory of CAs that are not ours; most sites have none."""
        return self.path / TRUST_DIRECTORY

    def trust_settings(self, name: str) -> Path:
        """The file that says how the trust *name* is used, whether there or not."""
        return self.trust / (name + TRUST_SUFFIX)

    def trust_certificates(self, name: str) -> Path:
        """The CA certificates of the trust *name*."""
        return self.trust / (name + CERTIFICATES_SUFFIX)

    @property
    def store(self) -> Path:
        """The directory of the SQLite store; SQLite puts -wal and -shm beside the file."""
        return self.path / "store"

    @property
    def database(self) -> Path:
        """The SQLite file, for a site that names no other store."""
        return self.store / "pusterla.sqlite3"

    @property
    def keys(self) -> Path:
        """The directory of all keys."""
        return self.path / "keys"

    @property
    def ca(self) -> Path:
        """What only the authority and the command may read."""
        return self.keys / "ca"

    @property
    def root_key(self) -> Path:
        """The key of the root: used to make the issuing certificate and its CRL."""
        return self.ca / "root.key"

    @property
    def root_certificate(self) -> Path:
        """The certificate that people trust."""
        return self.ca / "root.pem"

    @property
    def signer_lock(self) -> Path:
        """Held by whoever signs: one at a time."""
        return self.ca / "lock"

    @property
    def kits(self) -> Path:
        """What is known of kits; made with the first one."""
        return self.ca / "kits"

    @property
    def roll_over_mark(self) -> Path:
        """Names the issuing CA of a roll-over until that is over, a crash or not."""
        return self.ca / "rolling-over"

    @property
    def edge(self) -> Path:
        """What the edge reads."""
        return self.keys / "edge"

    @property
    def server_key(self) -> Path:
        """The key of the server certificate."""
        return self.edge / "server.key"

    @property
    def server_certificate(self) -> Path:
        """The server certificate and the issuing one behind it."""
        return self.edge / "server.pem"

    @property
    def client_trust(self) -> Path:
        """The certificates to which those of clients must chain: issuing and root."""
        return self.edge / "clients.pem"

    @property
    def assertion_key(self) -> Path:
        """The key that signs assertions for applications."""
        return self.edge / "assertion.key"

    @property
    def assertion_public(self) -> Path:
        """Its public half (PEM), for the process that shows it and must not read the key."""
        return self.keys / "assertion.pub"

    @property
    def site_key(self) -> Path:
        """Seals the secrets of one-time codes; for portal and command."""
        return self.keys / "site.key"

    @property
    def cookie_key(self) -> Path:
        """Signs cookies and tickets; for edge and portal."""
        return self.keys / "cookie.key"

    @property
    def foreign(self) -> Path:
        """What the verifier keeps of other CAs: lists, answers. Only its process writes here."""
        return self.path / "foreign"

    @property
    def run(self) -> Path:
        """The directory of sockets."""
        return self.path / "run"

    @property
    def portal_socket(self) -> Path:
        """Where the portal listens for the edge."""
        return self.run / "portal.sock"

    @property
    def control_socket(self) -> Path:
        """Where the supervisor listens for `pusterla reload`."""
        return self.run / "control.sock"

    @property
    def log(self) -> Path:
        """The directory of the access log, unless the settings name another."""
        return self.path / "log"

    @property
    def own_names(self) -> tuple[str, ...]:
        """The names directly in the folder that are ours."""
        return tuple(
            path.name
            for path in (
                self.settings,
                self.apps,
                self.trust,
                self.store,
                self.keys,
                self.foreign,
                self.run,
                self.log,
            )
        )

    def store_url(self, configured: str | None) -> str:
        """The SQLAlchemy URL of the store: *configured*, or the SQLite file of this folder."""
        # Four slashes: three of the form, and the one that the path begins with. Quoted,
        # since SQLAlchemy unquotes it (as `gateway.store.address_of`, without loading it).
        return configured or f"sqlite+aiosqlite:///{quote(str(self.database))}"


def locate(path: Path) -> SiteFolder:
    """Return the paths that a site in *path* has or would have; reads nothing."""
    whole = os.path.abspath(path)  # noqa: PTH100 - resolve() would follow links
    return SiteFolder(Path(whole))


def open_folder(path: Path) -> SiteFolder:
    """Return the site in *path*, or raise `NotASite`. Its settings are not read."""
    folder = locate(path)
    try:
        found = folder.settings.is_file()
    except OSError as error:
        raise NotASite(f"{folder.settings} cannot be read: {error.strerror}") from error
    if not found:
        message = (
            f"{folder.path} is not a site: there is no {SETTINGS_FILE} in it; "
            "make one with pusterla init, or name another with --site"
        )
        raise NotASite(message)
    return folder


def read_secret(path: Path, *, group: bool = False) -> bytes:
    """Return the bytes of the secret file *path*, or raise `KeyFileRefused`.

    A file that others than its owner can read or write is refused; with
    *group* its group may read it too, for keys that two processes with users
    of their own share. The mode is that of the file that is read, not of a
    name that may meanwhile mean another.
    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            data = file.read()
    except OSError as error:
        raise KeyFileRefused(f"{path} cannot be read: {error.strerror}") from error
    if too_open(mode, group=group):
        message = f"{path} can be read or written by others (mode {mode:04o}): chmod 600 {path}"
        raise KeyFileRefused(message)
    return data


def too_open(mode: int, *, group: bool = False) -> bool:
    """Say whether permission bits *mode* let in more than the owner (and the reading *group*)."""
    forbidden = _OTHERS | _GROUP_WRITES
    return bool(mode & (forbidden if group else forbidden | _GROUP_READS))


def read_site_key(folder: SiteFolder) -> bytes:
    """Return the key that seals, or raise `KeyFileRefused`."""
    return _exactly(sealing.KEY_BYTES, folder.site_key, read_secret(folder.site_key))


def read_cookie_key(folder: SiteFolder) -> bytes:
    """Return the key of cookies and tickets, or raise `KeyFileRefused`."""
    return _exactly(
        cookies.KEY_BYTES, folder.cookie_key, read_secret(folder.cookie_key, group=True)
    )


def read_assertion_key(folder: SiteFolder) -> EllipticCurvePrivateKey:
    """Return the key of assertions, or raise `KeyFileRefused`."""
    path = folder.assertion_key
    try:
        key = load_pem_private_key(read_secret(path), password=None)
    except (ValueError, TypeError) as error:
        raise KeyFileRefused(f"{path} is not an unencrypted key in PEM") from error
    if not isinstance(key, EllipticCurvePrivateKey):
        raise KeyFileRefused(f"{path} is not a key on an elliptic curve")
    return key


def write_secret(path: Path, data: bytes) -> None:
    """Make the file *path* with *data*, 0600 and durable; raise `FileExistsError` if it is there.

    The name itself is durable only when the directory has been synced as well.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with os.fdopen(os.open(path, flags, SECRET_FILE_MODE), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _exactly(size: int, path: Path, data: bytes) -> bytes:
    if len(data) != size:
        raise KeyFileRefused(f"{path} is not a key: it has {len(data)} bytes instead of {size}")
    return data
