import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from gateway.bootstrap.command import CommandRefused
from gateway.bootstrap.creation import NewSite, create_site, root_fingerprint
from gateway.bootstrap.folder import (
    SiteFolder,
    locate,
    open_folder,
    read_assertion_key,
    read_cookie_key,
    read_site_key,
)
from gateway.config import Configuration, Problems, read_configuration
from gateway.core.audit import AuditKind
from gateway.core.ports import StoreUnavailable
from gateway.store import open_store
from tests.issuing import issuing_certificate

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
WISHED = NewSite("gate.example.org", 8443)


def clock() -> datetime:
    """Stand still."""
    return NOW


async def make(path: Path, wished: NewSite = WISHED) -> SiteFolder:
    """Make a site, without a word."""
    return await create_site(path, wished, clock, lambda _: None)


async def test_a_new_site_has_everything_and_can_be_read(tmp_path: Path) -> None:
    """Settings without problems, keys that open, a store with its issuer and a first CRL."""
    folder = await make(tmp_path / "site")
    configuration = read_configuration(open_folder(folder.path).path)
    assert isinstance(configuration, Configuration)
    assert configuration.applications == {}
    assert len(read_site_key(folder)) == len(read_cookie_key(folder)) == 32
    public = load_pem_public_key(folder.assertion_public.read_bytes())
    assert read_assertion_key(folder).public_key() == public
    async with open_store(folder.store_url(None), clock) as store:
        (issuer,) = await store.issuers()
        crl = await store.latest_crl(issuer.name)
        events = [line.event for line in await store.audit_tail(10)]
    assert crl is not None
    assert (crl.entries, crl.this_update) == (0, NOW)
    assert [event.kind for event in events] == [AuditKind.SITE_CREATED, AuditKind.CRL_PUBLISHED]
    assert {event.at for event in events} == {NOW}


async def test_no_secret_is_open_to_anybody_else(tmp_path: Path) -> None:
    """Keys and store are the owner's alone, the settings the group's too."""
    folder = await make(tmp_path / "site")
    public = {folder.assertion_public, folder.root_certificate, issuing_certificate(folder)}
    public |= {folder.server_certificate, folder.client_trust}
    for path in [*folder.keys.rglob("*"), *folder.store.rglob("*"), folder.run, folder.keys]:
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o644 if path in public else 0o600), path
    assert stat.S_IMODE(folder.settings.stat().st_mode) == 0o640
    assert stat.S_IMODE(folder.path.stat().st_mode) & 0o007 == 0


async def test_the_server_certificate_can_be_served(tmp_path: Path) -> None:
    """OpenSSL takes key and chain, and they cover the site's hosts."""
    folder = await make(tmp_path / "site")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder.server_certificate, folder.server_key)
    context.load_verify_locations(folder.client_trust)
    certificate = x509.load_pem_x509_certificate(folder.server_certificate.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(names.get_values_for_type(x509.DNSName)) >= {
        "gate.example.org",
        "*.gate.example.org",
    }
    assert root_fingerprint(folder).count(":") == 31


async def test_a_local_host_listens_to_this_machine_alone(tmp_path: Path) -> None:
    """Browsers look for .localhost nowhere else; other hosts listen everywhere, unless told."""
    for name, host, wished, address in (
        ("a", "pusterla.localhost", None, "127.0.0.1"),
        ("b", "localhost", None, "127.0.0.1"),
        ("c", "notlocalhost", None, "0.0.0.0"),
        ("d", "pusterla.localhost", "::", "::"),
    ):
        folder = await make(tmp_path / name, NewSite(host, 8443, address=wished))
        found = read_configuration(folder.path)
        assert isinstance(found, Configuration)
        assert found.site.listen == address


async def test_a_folder_that_is_there_is_used_and_keeps_what_is_in_it(tmp_path: Path) -> None:
    """A volume has its lost+found, a repository its .git."""
    (tmp_path / ".git").mkdir()
    folder = await make(tmp_path)
    assert isinstance(read_configuration(folder.path), Configuration)
    assert (tmp_path / ".git").is_dir()


async def test_a_site_is_never_made_over_another(tmp_path: Path) -> None:
    """Nor over what an interrupted one has left; both are told apart."""
    folder = await make(tmp_path / "site")
    with pytest.raises(CommandRefused, match="is a site already"):
        await make(folder.path)
    folder.settings.unlink()
    with pytest.raises(
        CommandRefused, match="apps, store, keys, foreign, run, log in it and no pusterla"
    ):
        await make(folder.path)
    assert folder.root_key.is_file()


async def test_wrong_settings_make_nothing(tmp_path: Path) -> None:
    """All of them are told."""
    with pytest.raises(CommandRefused, match=r"'A\.example'|small letters") as caught:
        await make(tmp_path / "site", NewSite("A.example", 8443, http_port=8443))
    assert str(caught.value).count("\n") == 1
    assert not (tmp_path / "site").exists()


async def test_a_path_too_long_for_a_socket_is_refused(tmp_path: Path) -> None:
    """Now, and not when the site is to be served."""
    with pytest.raises(CommandRefused, match="too long a path"):
        await make(tmp_path / ("x" * 100))
    assert list(tmp_path.iterdir()) == []


async def test_a_failure_half_way_leaves_nothing(tmp_path: Path) -> None:
    """Neither in a folder that was made for it, nor in one that was there."""
    nowhere = NewSite("gate.example.org", 8443, store_url="postgresql+asyncpg://127.0.0.1:1/none")
    with pytest.raises(StoreUnavailable):
        await make(tmp_path / "site", nowhere)
    assert not (tmp_path / "site").exists()
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "README").touch()
    with pytest.raises(StoreUnavailable):
        await make(tmp_path / "there", nowhere)
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["README"]


async def test_what_interrupts_it_at_any_step_leaves_no_site(tmp_path: Path) -> None:
    """The settings are written last, and what was made is taken away."""
    path = tmp_path / "site"
    steps: list[str] = []
    await create_site(tmp_path / "whole", WISHED, clock, steps.append)
    assert len(steps) == 3
    for interrupted in steps:

        def say(step: str, last: str = interrupted) -> None:
            assert not locate(path).settings.exists()
            if step == last:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            await create_site(path, WISHED, clock, say)
        assert not path.exists()


async def test_a_site_can_be_moved(tmp_path: Path) -> None:
    """Nothing in it names the place where it was made."""
    folder = await make(tmp_path / "site")
    moved = locate(folder.path.rename(tmp_path / "elsewhere"))
    assert not isinstance(read_configuration(moved.path), Problems)
    async with open_store(moved.store_url(None), lambda: NOW + timedelta(hours=1)) as store:
        assert len(await store.audit_tail(10)) == 2
    for path in moved.path.rglob("*"):
        assert not path.is_file() or str(tmp_path).encode() not in path.read_bytes()


async def test_a_site_can_be_made_in_a_folder_of_any_name(tmp_path: Path) -> None:
    """No character of the path means anything in the store's address."""
    folder = await make(tmp_path / "what? 50%20")
    assert folder.database.is_file()
