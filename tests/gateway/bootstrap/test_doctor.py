import os
import shutil
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from ca.trust import RevocationReason
from gateway.bootstrap.accounts import Wishes, add_account
from gateway.bootstrap.certificates import Wanted, issue_certificate, publish
from gateway.bootstrap.command import open_command
from gateway.bootstrap.compiled import edge_runs
from gateway.bootstrap.creation import NewSite, create_site
from gateway.bootstrap.doctor import examine, migrate
from gateway.bootstrap.examination import Finding, Health
from gateway.bootstrap.folder import SiteFolder, clock
from gateway.bootstrap.tickets import add_with_ticket
from tests.ca.foreign.chains import Made, make_root
from tests.ca.makers import write_pem
from tests.issuing import issuing_certificate, issuing_key

_NOBODY = 65534
SCOPES = ("", "~1-of-2", "~2-of-2")


@pytest.fixture
async def folder(tmp_path: Path) -> SiteFolder:
    """A new site."""
    wished = NewSite("gate.example.org", 8443)
    return await create_site(tmp_path / "site", wished, clock, lambda _: None)


async def ill(
    folder: SiteFolder, clock: Callable[[], datetime] = clock, *, portal: bool = False
) -> list[Finding]:
    """Return what the doctor finds that is not well.

    That the portal does not run, the root's key is here and no mail is set up, is expected.
    """
    findings = [finding async for finding in examine(folder, clock)]
    return [
        finding
        for finding in findings
        if finding.health is not Health.OK
        and (portal or finding.subject != "portal")
        and finding.subject not in {"root key", "mail"}
    ]


async def only(folder: SiteFolder, clock: Callable[[], datetime] = clock) -> Finding:
    """Return the one thing that is not well."""
    (finding,) = await ill(folder, clock)
    return finding


def later(days: float) -> Callable[[], datetime]:
    """A clock that is ahead by *days*."""
    return lambda: clock() + timedelta(days=days)


async def test_a_new_site_is_well(folder: SiteFolder) -> None:
    """But for the portal, which does not run."""
    (portal,) = await ill(folder, portal=True)
    assert (portal.health, portal.way_out) == (Health.WARNING, "pusterla serve")


async def test_which_edge_runs_is_told(folder: SiteFolder) -> None:
    """First of all, and it is well either way."""
    first = await anext(examine(folder, clock))
    assert (first.subject, first.health) == ("edge", Health.OK)
    assert first.words == f"runs {edge_runs()}"


async def test_the_roots_key_had_better_be_elsewhere(folder: SiteFolder) -> None:
    """A warning as long as it lies on the site; none once it is gone."""
    findings = [finding async for finding in examine(folder, clock)]
    (found,) = [finding for finding in findings if finding.subject == "root key"]
    assert found.health is Health.WARNING
    assert str(folder.root_key) in found.words
    folder.root_key.unlink()
    findings = [finding async for finding in examine(folder, clock)]
    assert "root key" not in {finding.subject for finding in findings}


async def test_a_site_without_mail_tells_nobody(folder: SiteFolder) -> None:
    """Of a lost stick: a warning, until the settings name somebody."""

    async def of_mail() -> list[Finding]:
        findings = [finding async for finding in examine(folder, clock)]
        return [finding for finding in findings if finding.subject == "mail"]

    (found,) = await of_mail()
    assert found.health is Health.WARNING
    keys = 'server = "localhost"\nfrom = "a@b.example"\nadministrators = ["c@d.example"]\n'
    text = folder.settings.read_text(encoding="utf-8")
    folder.settings.write_text(text.replace("[mail]\n", f"[mail]\n{keys}"), encoding="utf-8")
    (found,) = await of_mail()
    assert found.health is Health.OK


async def test_a_portal_that_answers_is_seen(folder: SiteFolder) -> None:
    """By its socket."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder.portal_socket))
        listener.listen()
        assert await ill(folder, portal=True) == []


@pytest.mark.parametrize(
    "name",
    ["root_key", "issuing_key", "server_key", "assertion_key", "site_key", "cookie_key"],
)
async def test_a_secret_that_others_can_read_is_a_problem(folder: SiteFolder, name: str) -> None:
    """With the command that closes it, and what it means that it was open."""
    path: Path = issuing_key(folder) if name == "issuing_key" else getattr(folder, name)
    path.chmod(0o644)
    finding = await only(folder)
    assert finding.health is Health.PROBLEM
    assert str(path) in finding.words
    assert finding.way_out.startswith(f"chmod 600 {path}")


async def test_a_directory_that_others_can_look_into_is_a_problem(folder: SiteFolder) -> None:
    """Of keys, or of the store."""
    folder.store.chmod(0o755)
    finding = await only(folder)
    assert finding.way_out == f"chmod o= {folder.store}"


async def test_processes_with_users_of_their_own_are_no_problem(folder: SiteFolder) -> None:
    """What deploy/ gives to groups, and a root key that is kept elsewhere."""
    for path, mode in (
        (folder.store, 0o2770),
        (folder.database, 0o660),
        (folder.keys, 0o750),
        (folder.ca, 0o750),
        (folder.cookie_key, 0o640),
    ):
        path.chmod(mode)
    folder.root_key.unlink()
    assert await ill(folder) == []


@pytest.mark.parametrize("name", ["site_key", "cookie_key", "server_certificate", "issuing_key"])
async def test_a_file_that_is_missing_is_named(folder: SiteFolder, name: str) -> None:
    """And is to be restored."""
    path: Path = issuing_key(folder) if name == "issuing_key" else getattr(folder, name)
    path.unlink()
    findings = await ill(folder)
    assert findings
    assert all(str(path) in finding.words for finding in findings)
    assert findings[0].health is Health.PROBLEM


async def test_problems_of_files_are_told_one_by_one(folder: SiteFolder) -> None:
    """And do not keep the doctor from looking at the rest."""
    (folder.apps / "wiki.toml").write_text("hots = 1\n", encoding="utf-8")
    folder.site_key.chmod(0o644)
    subjects = [finding.subject for finding in await ill(folder)]
    assert subjects == ["files", "configuration", "configuration", "configuration"]


async def test_without_settings_the_store_is_not_looked_at(folder: SiteFolder) -> None:
    """That is said."""
    folder.settings.write_text("[site]\n", encoding="utf-8")
    configuration, store = await ill(folder)
    assert configuration.subject == "configuration"
    assert (store.health, store.subject) == (Health.WARNING, "store")


async def test_an_application_that_the_certificate_does_not_cover_is_told(
    folder: SiteFolder,
) -> None:
    """Browsers would warn of it."""
    (folder.apps / "wiki.toml").write_text(
        'host = "wiki.example.com"\nupstream = "http://127.0.0.1:9000"\n', encoding="utf-8"
    )
    finding = await only(folder)
    assert (finding.health, finding.subject) == (Health.WARNING, "server certificate")
    assert "wiki.example.com" in finding.words


async def test_certificates_and_lists_that_end_are_told_in_time(folder: SiteFolder) -> None:
    """First as a warning, then as a problem."""

    async def found(days: float) -> dict[str, Health]:
        return {finding.subject: finding.health for finding in await ill(folder, later(days))}

    assert await found(1) == {}
    assert await found(4) == {"CRL": Health.WARNING}
    assert await found(8) == {"CRL": Health.PROBLEM}
    assert (await found(380))["server certificate"] is Health.WARNING
    assert (await found(400))["server certificate"] is Health.PROBLEM
    assert (await found(9000))["issuing CA"] is Health.PROBLEM


async def test_every_list_is_looked_at_and_named(folder: SiteFolder) -> None:
    """Deltas and partitions too; no delta is missed where the settings ask for none any more."""
    plain = folder.settings.read_text(encoding="utf-8")
    asking = plain.replace("# delta = false", "delta = true")
    folder.settings.write_text(asking.replace("# partitions = 1", "partitions = 2"), "utf-8")
    async with open_command(folder) as command:
        await publish(command)
    names = [f"issuing-1{one}{kind}.crl" for one in SCOPES for kind in ("", "~delta")]
    told = [one for one in await ill(folder, later(8)) if one.subject == "CRL"]
    assert [one.words.split()[0] for one in told] == names
    assert {one.health for one in told} == {Health.PROBLEM}
    folder.settings.write_text(plain, "utf-8")
    assert (await only(folder, later(4))).words.startswith("issuing-1.crl number ")


async def test_a_clock_that_is_behind_is_a_problem(folder: SiteFolder) -> None:
    """Seen by the audit log, the list and the certificates, which begin in its future."""
    subjects = {finding.subject for finding in await ill(folder, later(-2))}
    assert subjects == {"clock", "CRL", "server certificate", "issuing CA", "root CA"}


async def test_keys_that_do_not_belong_to_their_certificates_are_a_problem(
    folder: SiteFolder,
) -> None:
    """As after half a restored backup."""
    shutil.copy(folder.server_key, issuing_key(folder))
    finding = await only(folder)
    assert (finding.health, finding.subject) == (Health.PROBLEM, "issuing key")
    assert "does not belong to" in finding.words


async def test_a_certificate_that_is_none_is_a_problem(folder: SiteFolder) -> None:
    """And no crash."""
    issuing_certificate(folder).write_text("nonsense", encoding="ascii")
    subjects = [finding.subject for finding in await ill(folder)]
    assert subjects == ["issuing CA", "issuing key"]


async def test_a_store_that_is_gone_is_a_problem(folder: SiteFolder) -> None:
    """And no crash."""
    folder.database.unlink()
    finding = await only(folder)
    assert (finding.health, finding.subject) == (Health.PROBLEM, "store")


async def test_a_changed_audit_log_is_a_problem(folder: SiteFolder) -> None:
    """The line is named."""
    database = sqlite3.connect(folder.database)
    database.execute("DELETE FROM audit WHERE number = 1")
    database.commit()
    database.close()
    finding = await only(folder)
    assert (finding.health, finding.subject) == (Health.PROBLEM, "audit log")
    assert "line 1" in finding.words


async def test_tables_of_another_version_are_a_problem_with_a_way_out(folder: SiteFolder) -> None:
    """Which leads to --migrate."""
    database = sqlite3.connect(folder.database)
    database.execute("UPDATE alembic_version SET version_num = '0000'")
    database.commit()
    database.close()
    finding = await only(folder)
    assert (finding.health, finding.subject) == (Health.PROBLEM, "store")
    assert finding.way_out.endswith("pusterla doctor --migrate")


async def test_migrating_what_is_up_to_date_changes_nothing(folder: SiteFolder) -> None:
    """And loses nothing."""
    await migrate(folder)
    assert await ill(folder) == []


async def test_a_revocation_that_no_list_has_is_a_problem(
    folder: SiteFolder, tmp_path: Path
) -> None:
    """Everybody else still trusts the certificate."""
    async with open_command(folder) as command:
        await add_account(command, Wishes("anna", "Anna", "", frozenset()), "correct horse battery")
        wanted = Wanted("anna", "stick-1", 30, None, tmp_path / "anna.p12")
        await issue_certificate(command, wanted, "staple")
        await command.store.revoke_certificates(
            user="anna", reason=RevocationReason.KEY_COMPROMISE, by="test"
        )
    finding = await only(folder)
    assert (finding.health, finding.subject) == (Health.PROBLEM, "CRL")
    assert "1 revoked certificates are in none yet" in finding.words


@contextmanager
def as_somebody_else(folder: SiteFolder) -> Iterator[None]:
    """Be somebody who may not read the keys of *folder*."""
    if os.geteuid() == 0:
        os.seteuid(_NOBODY)
        try:
            yield
        finally:
            os.seteuid(0)
    else:
        folder.keys.chmod(0)
        try:
            yield
        finally:
            folder.keys.chmod(0o700)


async def test_what_the_one_who_asks_may_not_see_is_unseen_and_not_well() -> None:
    """A warning for each file, and no crash."""
    with TemporaryDirectory(dir="/tmp") as name:
        place = Path(name)
        place.chmod(0o755)
        wished = NewSite("gate.example.org", 8443)
        folder = await create_site(place / "site", wished, clock, lambda _: None)
        folder.path.chmod(0o755)
        with as_somebody_else(folder):
            findings = await ill(folder)
    unseen = [finding for finding in findings if "cannot be looked at" in finding.words]
    assert {finding.health for finding in unseen} == {Health.WARNING}
    assert {finding.subject for finding in unseen} >= {"files", "issuing key", "server key"}
    assert {finding.subject for finding in findings} <= {
        *("files", "issuing key", "server key", "assertion key", "root CA", "issuing CA"),
        *("server certificate", "configuration", "store"),
    }


def trust_in(folder: SiteFolder, made: Made, settings: str = 'map = "san-email"') -> None:
    """Believe another CA."""
    folder.trust.mkdir(exist_ok=True)
    write_pem(folder.trust_certificates("office"), made.certificate)
    folder.trust_settings("office").write_text(settings, encoding="utf-8")


async def test_a_ca_that_is_not_ours_is_told_in_time(folder: SiteFolder) -> None:
    """Well for years, a warning two months before its end, a problem from then on."""
    now = clock()
    trust_in(folder, make_root(begin=now - timedelta(days=1), end=now + timedelta(days=300)))
    assert await ill(folder) == []
    found = [one async for one in examine(folder, clock) if one.subject == "trust"]
    assert "office names people by san-email" in found[0].words
    for days, health, words in (
        (250, Health.WARNING, "ends at"),
        (301, Health.PROBLEM, "has expired at"),
        (-2, Health.PROBLEM, "begins at"),
    ):
        (finding,) = [one for one in await ill(folder, later(days)) if one.subject == "trust"]
        assert finding.health is health
        assert words in finding.words


async def test_mistakes_in_the_files_of_a_trust_are_problems(folder: SiteFolder) -> None:
    """And a list that nobody has brought yet is a warning."""
    now = clock()
    made = make_root(begin=now - timedelta(days=1), end=now + timedelta(days=300))
    trust_in(folder, made, 'map = "san-email"\ncrl_file = "office.crl"')
    finding = await only(folder)
    assert (finding.health, "office.crl" in finding.words) == (Health.WARNING, True)
    trust_in(folder, made, 'map = "sn"')
    assert (await only(folder)).health is Health.PROBLEM


async def test_whoever_cannot_set_a_password_is_named(folder: SiteFolder) -> None:
    """Nobody who has a password, or a ticket that is good."""
    wishes = Wishes("anna", "Anna", "", frozenset())
    async with open_command(folder) as command:
        await add_with_ticket(command, wishes, "1h")
        await add_account(command, replace(wishes, user="bruno"), "correct horse battery")
    assert await ill(folder) == []
    finding = await only(folder, later(1 / 12))
    assert (finding.subject, finding.health) == ("people", Health.WARNING)
    assert "1 have no password and no ticket that is good: anna" in finding.words
    assert "pusterla user ticket" in finding.way_out
