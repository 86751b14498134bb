import os
from datetime import UTC, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from gateway.bootstrap.folder import (
    KeyFileRefused,
    NotASite,
    SiteFolder,
    clock,
    locate,
    open_folder,
    read_assertion_key,
    read_cookie_key,
    read_secret,
    read_site_key,
    write_secret,
)
from gateway.store import create_store, open_store


@pytest.fixture
def folder(tmp_path: Path) -> SiteFolder:
    """A folder with the directories of keys, and no site yet."""
    folder = SiteFolder(tmp_path)
    folder.ca.mkdir(parents=True)
    folder.edge.mkdir()
    return folder


def pem(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    """Write *key* as key files are written."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def test_everything_lies_inside_the_folder(tmp_path: Path) -> None:
    """No path of a site leads out of it, and each has one of the site's own names."""
    folder = SiteFolder(tmp_path)
    names = [name for name, value in vars(SiteFolder).items() if isinstance(value, property)]
    paths = [path for name in names if isinstance(path := getattr(folder, name), Path)]
    assert len(paths) > 20
    for path in paths:
        assert path.relative_to(tmp_path).parts[0] in folder.own_names


def test_a_relative_path_is_refused() -> None:
    """The working directory of a process may change."""
    with pytest.raises(ValueError, match="whole path"):
        SiteFolder(Path("site"))


def test_a_folder_is_found_from_where_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative path is made whole, and links in it stay links."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path)
    assert locate(Path("link/../link")).path == tmp_path / "link"


@pytest.mark.parametrize("name", ["site", "what?", "a%20b", "50 %", "Perù & Söhne", "x#y"])
async def test_the_store_lies_in_the_folder_whatever_it_is_called(
    tmp_path: Path, name: str
) -> None:
    """The address is quoted, so no character of the path means anything else in it."""
    folder = locate(tmp_path / name)
    folder.store.mkdir(parents=True)
    await create_store(folder.store_url(None))
    async with open_store(folder.store_url(None), clock) as store:
        assert await store.people() == []
    assert folder.database.is_file()


def test_a_folder_without_settings_is_no_site(tmp_path: Path) -> None:
    """The message says what to do."""
    with pytest.raises(NotASite, match="pusterla init"):
        open_folder(tmp_path)
    (tmp_path / "pusterla.toml").touch()
    assert open_folder(tmp_path).path == tmp_path


def test_the_store_is_the_file_of_the_folder_unless_another_is_named(tmp_path: Path) -> None:
    """The URL has the whole path."""
    folder = SiteFolder(tmp_path)
    assert folder.store_url(None) == f"sqlite+aiosqlite:///{tmp_path}/store/pusterla.sqlite3"
    assert folder.store_url("postgresql+asyncpg://db/x") == "postgresql+asyncpg://db/x"


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602, 0o620, 0o660, 0o640])
def test_a_secret_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    """The message has the file and the way out."""
    path = tmp_path / "x.key"
    path.write_bytes(b"secret")
    path.chmod(mode)
    with pytest.raises(KeyFileRefused, match=f"chmod 600 {path}"):
        read_secret(path)


def test_a_shared_secret_may_be_read_by_its_group_and_never_written(tmp_path: Path) -> None:
    """Two processes with users of their own share the key of cookies."""
    path = tmp_path / "x.key"
    path.write_bytes(b"secret")
    path.chmod(0o640)
    assert read_secret(path, group=True) == b"secret"
    for mode in (0o660, 0o644):
        path.chmod(mode)
        with pytest.raises(KeyFileRefused):
            read_secret(path, group=True)


def test_a_missing_secret_is_refused_by_name(tmp_path: Path) -> None:
    """No trace of an OSError is left for people."""
    with pytest.raises(KeyFileRefused, match=r"x\.key cannot be read: No such file"):
        read_secret(tmp_path / "x.key")


def test_a_secret_is_written_for_its_owner_alone_and_never_over_another(tmp_path: Path) -> None:
    """Whatever the umask, and whatever was there."""
    path = tmp_path / "x.key"
    before = os.umask(0)
    try:
        write_secret(path, b"secret")
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_secret(path) == b"secret"
    with pytest.raises(FileExistsError):
        write_secret(path, b"other")
    assert path.read_bytes() == b"secret"


def test_keys_of_32_bytes_have_32_bytes(folder: SiteFolder) -> None:
    """A cut-off file is no key."""
    write_secret(folder.site_key, b"s" * 32)
    write_secret(folder.cookie_key, b"c" * 31)
    assert read_site_key(folder) == b"s" * 32
    with pytest.raises(KeyFileRefused, match="31 bytes instead of 32"):
        read_cookie_key(folder)


def test_the_key_of_assertions_is_on_a_curve(folder: SiteFolder) -> None:
    """Another kind of key, or none, is refused by name."""
    key = ec.generate_private_key(ec.SECP256R1())
    write_secret(folder.assertion_key, pem(key))
    assert read_assertion_key(folder).private_numbers() == key.private_numbers()
    for data, message in (
        (pem(ed25519.Ed25519PrivateKey.generate()), "not a key on an elliptic curve"),
        (b"nonsense", "not an unencrypted key"),
    ):
        folder.assertion_key.unlink()
        write_secret(folder.assertion_key, data)
        with pytest.raises(KeyFileRefused, match=message):
            read_assertion_key(folder)


def test_the_clock_is_aware_and_in_utc() -> None:
    """Everything below the shells counts on it."""
    assert clock().tzinfo is UTC
    assert timedelta() <= clock() - clock() + timedelta(seconds=1)
