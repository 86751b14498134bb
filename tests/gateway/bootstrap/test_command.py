import os
import pwd
from pathlib import Path

import pytest

from gateway.bootstrap.command import CommandRefused, open_command, settings_of, who
from gateway.bootstrap.creation import NewSite, create_site
from gateway.bootstrap.folder import SiteFolder, clock, locate
from gateway.core.audit import AuditKind
from gateway.store import StoreMissing


@pytest.fixture
async def site(tmp_path: Path) -> SiteFolder:
    """A new site."""
    wished = NewSite("gate.example.org", 8443)
    return await create_site(tmp_path / "site", wished, clock, lambda _: None)


async def test_a_command_opens_settings_and_store_and_no_key(site: SiteFolder) -> None:
    """Whoever may use the store can use it, without any of the keys."""
    for path in sorted(site.keys.rglob("*"), reverse=True):
        if path.is_file():
            path.unlink()
    async with open_command(site) as command:
        assert command.site.host == "gate.example.org"
        assert await command.store.people() == []


async def test_what_a_command_did_is_written_down_with_who_did_it(site: SiteFolder) -> None:
    """The account of the system is named."""
    async with open_command(site) as command:
        await command.record(AuditKind.APPLICATION_ADDED, app="wiki", detail={"host": "w"})
        (line,) = await command.store.audit_tail(1)
    assert line.event.app == "wiki"
    assert line.event.detail == {"by": who(), "host": "w"}


async def test_a_store_that_is_gone_is_named(site: SiteFolder) -> None:
    """No new one is made in its place."""
    site.database.unlink()
    with pytest.raises(StoreMissing, match=str(site.database)):
        async with open_command(site):
            pass
    assert not site.database.exists()


async def test_wrong_settings_are_refused_with_all_problems(tmp_path: Path) -> None:
    """Nothing is opened with half of them."""
    (tmp_path / "pusterla.toml").write_text("[site]\nport = 0\n[a]\n", encoding="utf-8")
    with pytest.raises(CommandRefused) as caught:
        settings_of(locate(tmp_path))
    assert str(caught.value).count("pusterla.toml: ") == 3


def test_who_is_at_the_command_is_the_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the one that counts for permissions."""
    monkeypatch.delenv("SUDO_UID", raising=False)
    assert who() == f"command:{pwd.getpwuid(os.geteuid()).pw_name}"


def test_behind_sudo_both_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only root is believed, since anybody can set a variable."""
    other = pwd.getpwall()[-1]
    monkeypatch.setenv("SUDO_UID", str(other.pw_uid))
    account = pwd.getpwuid(os.geteuid()).pw_name
    behind = f"({pwd.getpwuid(other.pw_uid).pw_name})" if os.geteuid() == 0 else ""
    assert who() == f"command:{account}{behind}"
    monkeypatch.setenv("SUDO_UID", "4294967290")
    assert who() == f"command:{account}" + ("(4294967290)" if behind else "")
    monkeypatch.setenv("SUDO_UID", "nonsense")
    assert who() == f"command:{account}"
