"""The mail server that the settings name, its password, and what `doctor` says of both."""

from dataclasses import replace
from pathlib import Path

import pytest

from gateway.bootstrap.examination import Finding, Health
from gateway.bootstrap.folder import SiteFolder
from gateway.bootstrap.mail import examine_mail
from gateway.bootstrap.mail_server import mail_server
from gateway.core.site import Mail
from gateway.mail.posting import PostFailed
from tests.gateway.portal.house import SITE

MAIL = Mail(
    server="mail.example.it",
    user="pusterla",
    password_file="mail-password",
    from_="pusterla@example.it",
    administrators=("helpdesk@example.it",),
)


def password_file(folder: Path, content: bytes = b"sesame, open\r\nand a comment\n") -> Path:
    """Write one as it should be."""
    file = folder / "mail-password"
    file.write_bytes(content)
    file.chmod(0o640)
    return file


def findings(folder: Path, mail: Mail) -> list[Finding]:
    """Return what doctor says of *mail*."""
    return [*examine_mail(SiteFolder(folder), replace(SITE, mail=mail))]


def test_the_password_is_the_first_line(tmp_path: Path) -> None:
    """Of a file that only owner and group may read; a path of the site's folder, or a whole one."""
    file = password_file(tmp_path)
    for name in ("mail-password", str(file)):
        site = replace(SITE, mail=replace(MAIL, password_file=name))
        server = mail_server(SiteFolder(tmp_path), site)
        assert server.password() == "sesame, open"
        assert server.own_name == SITE.host
    assert mail_server(SiteFolder(tmp_path), SITE).password() is None


@pytest.mark.parametrize("fault", ["missing", "open", "bytes"])
def test_a_password_that_cannot_be_used_says_why(tmp_path: Path, fault: str) -> None:
    """Naming the file and never what is in it."""
    if fault != "missing":
        file = password_file(tmp_path, b"\xff\xfe" if fault == "bytes" else b"sesame")
        file.chmod(0o644 if fault == "open" else 0o600)
    server = mail_server(SiteFolder(tmp_path), replace(SITE, mail=MAIL))
    with pytest.raises(PostFailed) as raised:
        server.password()
    assert "mail-password" in str(raised.value)
    assert "sesame" not in str(raised.value)
    assert raised.value.for_good
    [finding] = findings(tmp_path, MAIL)
    assert finding.health is Health.PROBLEM
    assert "mail-password" in finding.words


def test_a_site_without_mail_is_warned() -> None:
    """Nobody hears of a lost stick."""
    [finding] = findings(Path("/nowhere"), Mail())
    assert (finding.health, finding.subject) == (Health.WARNING, "mail")
    assert "nobody is told" in finding.words


def test_a_site_without_administrators_is_warned(tmp_path: Path) -> None:
    """The person hears of it, and nobody else."""
    password_file(tmp_path)
    [finding] = findings(tmp_path, replace(MAIL, administrators=()))
    assert finding.health is Health.WARNING
    assert "administrators" in finding.words


def test_all_well(tmp_path: Path) -> None:
    """Who is told, and by which server."""
    password_file(tmp_path)
    [finding] = findings(tmp_path, MAIL)
    assert finding.health is Health.OK
    assert "helpdesk@example.it" in finding.words
    assert "mail.example.it" in finding.words


def test_a_file_of_authorities_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    """No letter would go out."""
    password_file(tmp_path)
    [finding] = findings(tmp_path, replace(MAIL, ca="mail-ca.pem"))
    assert finding.health is Health.PROBLEM
    assert "mail-ca.pem" in finding.words
