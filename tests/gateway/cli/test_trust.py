import asyncio
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.hazmat.primitives.serialization.pkcs7 import serialize_certificates

from gateway.bootstrap.command import CommandRefused, open_command
from gateway.bootstrap.folder import open_folder
from gateway.bootstrap.trust_files import changing_trusts
from gateway.bootstrap.trusting import assign
from gateway.config.trusts import read_trusts
from gateway.core.trusts import Trust
from tests.ca.foreign.chains import DAY, NOW, Made, make_authority, make_person, make_root
from tests.ca.makers import write_pem
from tests.gateway.cli.runner import Runner

FAR = NOW + 3000 * DAY
ROOT = make_root("Example Root", end=FAR)
ISSUING = make_authority(ROOT, "Example Office CA 1", end=FAR)
MAIL = ("--map", "san-email")


@pytest.fixture
def cas(tmp_path: Path) -> str:
    """A file of CA certificates as their administrator hands it out."""
    return write(tmp_path / "office.pem", ROOT, ISSUING)


def write(path: Path, *made: Made) -> str:
    """Write certificates, and return the name of their file."""
    return str(write_pem(path, *(one.certificate for one in made)))


def trusts(pusterla: Runner) -> dict[str, Trust]:
    """Read what a site would read."""
    found = read_trusts(pusterla.site / "trust")
    assert isinstance(found, dict)
    return found


def add(pusterla: Runner, file: str, *words: str) -> Any:
    """Add a trust that must be fit."""
    return pusterla.json("ca", "trust", "add", file, *words)


class TestAdd:
    def test_it_is_two_files_with_every_key_explained(self, pusterla: Runner, cas: str) -> None:
        """Called as the issuing CA is; readable by the processes' group, and written down."""
        answer = add(pusterla, cas, *MAIL)
        assert answer["name"] == "example-office-ca-1"
        file = Path(answer["file"])
        assert file == pusterla.site / "trust" / "example-office-ca-1.toml"
        text = file.read_text(encoding="utf-8")
        for key in ("crl_urls", "crl_file", "ocsp", "past_end", "grace"):
            assert f"# {key} = " in text
        assert 'map = "san-email"' in text
        for path in (file, file.with_suffix(".pem")):
            assert path.stat().st_mode & 0o777 == 0o640
        assert file.parent.stat().st_mode & 0o777 == 0o750
        assert sorted(path.name for path in file.parent.iterdir()) == [
            "example-office-ca-1.pem",
            "example-office-ca-1.toml",
        ]
        (line,) = pusterla.audit("trust-added")
        assert line["detail"]["trust"] == "example-office-ca-1"
        assert (
            line["detail"]["cas"] == "CN=Example Root,O=Example; CN=Example Office CA 1,O=Example"
        )

    def test_the_group_of_the_site_is_handed_on(self, pusterla: Runner, cas: str) -> None:
        """Root adds it, and processes with users of their own read it by their group."""
        pusterla.site.chmod(0o2750)
        add(pusterla, cas, *MAIL, "--name", "office")
        assert (pusterla.site / "trust").stat().st_mode & 0o7777 == 0o2750

    def test_all_that_can_be_said_is_read_back(self, pusterla: Runner, cas: str) -> None:
        """As a site reads it."""
        lists = ("--crl-url", "http://crl.example/a.crl", "--crl-url", "http://crl.example/b.crl")
        past = ("--past-end", "go-on", "--grace", "12h")
        answer = add(pusterla, cas, *MAIL, "--name", "office", *lists, "--ocsp", *past)
        found = trusts(pusterla)["office"]
        assert list(found.crl_urls) == answer["crl_urls"] == list(lists[1::2])
        assert (found.ocsp, found.past_end.value) == (True, "go-on")
        assert found.grace.total_seconds() == answer["grace_seconds"] == 43200
        assert found.certificates == (ROOT.der, ISSUING.der)

    def test_a_file_of_lists_keeps_its_whole_path(
        self, pusterla: Runner, cas: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A process of the site stands elsewhere; that the file is not there yet is told."""
        monkeypatch.chdir(tmp_path)
        words = ("--name", "office", "--crl-file", "office.crl")
        result = pusterla.done("ca", "trust", "add", cas, *MAIL, *words)
        assert "there is no" in result.stderr
        assert trusts(pusterla)["office"].crl_file == tmp_path / "office.crl"

    def test_what_windows_hands_out_is_taken(self, pusterla: Runner, tmp_path: Path) -> None:
        """A .p7b with the chain, and a .cer in DER."""
        chain = tmp_path / "chain.p7b"
        both = [ROOT.certificate, ISSUING.certificate]
        chain.write_bytes(serialize_certificates(both, Encoding.DER))
        assert len(add(pusterla, str(chain), *MAIL, "--name", "a")["authorities"]) == 2
        one = tmp_path / "one.cer"
        one.write_bytes(make_root("Other", end=FAR).der)
        assert add(pusterla, str(one), *MAIL)["name"] == "other"

    def test_a_site_that_does_not_run_is_told(self, pusterla: Runner, cas: str) -> None:
        """It takes the trust up when it starts."""
        result = pusterla.done("ca", "trust", "add", cas, *MAIL)
        assert "no site has taken it up yet" in result.stdout
        assert "is not running" in result.stderr

    def test_what_is_no_ca_is_refused_with_every_reason(
        self, pusterla: Runner, tmp_path: Path
    ) -> None:
        """The file is named, and nothing is written."""
        file = write(tmp_path / "mixed.pem", ROOT, ISSUING, make_person(ISSUING), ROOT)
        reason = pusterla.refused("ca", "trust", "add", file, *MAIL)
        assert f"{file} holds the certificate of 'Example Root' twice" in reason
        assert f"{file} 'Anna' is no CA" in reason
        key = tmp_path / "ca.key"
        pem = ROOT.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        key.write_bytes(pem)
        assert "holds a private key" in pusterla.refused("ca", "trust", "add", str(key), *MAIL)
        assert not (pusterla.site / "trust").exists()
        assert pusterla.audit("trust-added") == []

    def test_it_is_never_overwritten(self, pusterla: Runner, cas: str, tmp_path: Path) -> None:
        """Whoever wants it otherwise edits or removes it; a CA is in one trust alone."""
        add(pusterla, cas, *MAIL, "--name", "office")
        other = write(tmp_path / "other.pem", make_root("Other"))
        reason = pusterla.refused("ca", "trust", "add", other, *MAIL, "--name", "office")
        assert "there is a trust 'office' already" in reason
        reason = pusterla.refused("ca", "trust", "add", cas, *MAIL, "--name", "again")
        assert reason == "holds a CA that is in trust/office.pem too"
        assert list(trusts(pusterla)) == ["office"]

    def test_a_ca_of_the_site_is_refused(self, pusterla: Runner) -> None:
        """It is believed anyway, and by the ledger instead of by its lists."""
        ours = pusterla.site / "keys" / "edge" / "clients.pem"
        reason = pusterla.refused("ca", "trust", "add", str(ours), *MAIL, "--name", "ours")
        assert "a CA of this site itself" in reason

    def test_a_ca_that_has_expired_is_told(self, pusterla: Runner, tmp_path: Path) -> None:
        """It is written all the same: its clock may be the wrong one."""
        old = make_root("Old", begin=NOW - 900 * DAY, end=NOW - 800 * DAY)
        file = write(tmp_path / "old.pem", old)
        result = pusterla.done("ca", "trust", "add", file, *MAIL)
        assert "the CA 'Old' has expired at " in result.stderr

    def test_a_grace_is_told_of(self, pusterla: Runner, cas: str) -> None:
        """Whoever chooses it should know what it costs."""
        words = ("--past-end", "go-on", "--grace", "1d")
        result = pusterla.done("ca", "trust", "add", cas, *MAIL, *words)
        assert "somebody who was revoked meanwhile then gets in" in result.stderr

    @pytest.mark.parametrize(
        "words",
        [
            ("--crl-url", "ldap:///CN=x"),
            ("--crl-url", "http://a/b", "--crl-file", "c"),
            ("--grace", "12h"),
            ("--past-end", "go-on"),
            ("--past-end", "go-on", "--grace", "400d"),
            ("--past-end", "go-on", "--grace", "soon"),
            ("--name", "Office"),
            ("--name", "issuing-1"),
            ("--map", "san-mail"),
        ],
    )
    def test_what_cannot_be_is_wrong_usage(
        self, pusterla: Runner, cas: str, words: tuple[str, ...]
    ) -> None:
        """And nothing is written."""
        result = pusterla.run("ca", "trust", "add", cas, *MAIL, *words)
        assert result.exit_code == 2
        assert not (pusterla.site / "trust").exists()

    def test_a_nameless_ca_needs_a_name(self, pusterla: Runner, tmp_path: Path) -> None:
        """None is made up."""
        file = write(tmp_path / "cyrillic.pem", make_root("Удостоверяющий"))
        assert "--name" in pusterla.refused("ca", "trust", "add", file, *MAIL)

    def test_problems_of_others_come_first(self, pusterla: Runner, cas: str) -> None:
        """With one of them the site would take up neither."""
        add(pusterla, cas, *MAIL, "--name", "office")
        file = pusterla.site / "trust" / "office.toml"
        file.write_text('map = "sn"\n', encoding="utf-8")
        other = write(pusterla.site.parent / "other.pem", make_root("Other"))
        reason = pusterla.refused("ca", "trust", "add", other, *MAIL)
        assert "trust/office.toml: map: expected one of" in reason


class TestList:
    def test_what_is_believed_is_listed_and_shown(self, pusterla: Runner, cas: str) -> None:
        """With whom it names, where its lists are, and fingerprints to compare."""
        assert pusterla.json("ca", "trust", "list") == []
        assert "no CAs but ours" in pusterla.done("ca", "trust", "list").stderr
        add(pusterla, cas, *MAIL, "--name", "office")
        (line,) = pusterla.json("ca", "trust", "list")
        assert line == pusterla.json("ca", "trust", "show", "office")
        assert (line["map"], line["past_end"]) == ("san-email", "refuse")
        shown = pusterla.done("ca", "trust", "show", "office").stdout
        assert "where the certificates say" in shown
        assert x509.load_der_x509_certificate(ROOT.der).subject.rfc4514_string() in shown
        assert line["authorities"][0]["fingerprint"] in shown
        assert "office  san-email" in pusterla.done("ca", "trust", "list").stdout

    def test_an_unknown_one_is_answered_with_the_nearest(self, pusterla: Runner, cas: str) -> None:
        """Nothing outside trust/ can be named either."""
        add(pusterla, cas, *MAIL, "--name", "office")
        assert "did you mean 'office'?" in pusterla.refused("ca", "trust", "show", "ofice")
        for verb in (("show",), ("remove", "--yes")):
            reason = pusterla.refused("ca", "trust", *verb, "../pusterla")
            assert "no trust '../pusterla'" in reason
        assert (pusterla.site / "pusterla.toml").exists()


class TestRemove:
    def test_it_is_asked_first(self, pusterla: Runner, cas: str) -> None:
        """People stand before a closed door afterwards; scripts say --yes."""
        add(pusterla, cas, *MAIL, "--name", "office")
        reason = pusterla.refused("ca", "trust", "remove", "office")
        assert "nobody gets in any more with a certificate of office" in reason
        assert list(trusts(pusterla)) == ["office"]
        assert pusterla.json("ca", "trust", "remove", "office", "--yes")["name"] == "office"
        assert trusts(pusterla) == {}
        assert list((pusterla.site / "trust").iterdir()) == []
        assert pusterla.audit("trust-removed")[0]["detail"]["trust"] == "office"

    def test_it_goes_even_with_problems(self, pusterla: Runner, cas: str) -> None:
        """That may be why."""
        add(pusterla, cas, *MAIL, "--name", "office")
        folder = pusterla.site / "trust"
        (folder / "office.toml").write_text("nonsense", encoding="utf-8")
        (folder / "office.pem").unlink()
        pusterla.done("ca", "trust", "remove", "office", "--yes")
        assert list(folder.iterdir()) == []


class TestAssign:
    @pytest.fixture
    def office(self, pusterla: Runner, cas: str) -> Runner:
        """A site that knows people by serial numbers."""
        pusterla.add_user("anna")
        pusterla.add_user("bruno")
        pusterla.done("ca", "trust", "add", cas, "--map", "serial", "--name", "office")
        return pusterla

    def people(self, pusterla: Runner) -> dict[str, str]:
        """Who has which certificate."""
        return dict(trusts(pusterla)["office"].people)

    def test_a_serial_number_is_somebodys(self, office: Runner) -> None:
        """However it was copied; the rest of the file stays, and a comment with it."""
        file = office.site / "trust" / "office.toml"
        file.write_text(file.read_text(encoding="utf-8") + "# theirs\n", encoding="utf-8")
        office.json("ca", "trust", "assign", "office", "4A:0F", "--user", "anna")
        answer = office.json("ca", "trust", "assign", "office", "0x0beef", "--user", "bruno")
        assert answer["people"] == {"4a0f": "anna", "beef": "bruno"} == self.people(office)
        assert "# theirs\n" in file.read_text(encoding="utf-8")
        line = office.audit("trust-assigned")[-1]
        assert (line["user"], line["detail"]["serial"]) == ("bruno", "beef")
        assert "4a0f" in office.done("ca", "trust", "show", "office").stdout

    def test_two_commands_at_once_take_turns(self, office: Runner) -> None:
        """Each reads the file and writes it anew: what the other has written meanwhile stays."""
        serials = [f"4a{number:02x}" for number in range(8)]

        async def give(serial: str) -> None:
            async with open_command(open_folder(office.site)) as command:
                await assign(command, "office", serial, "anna")

        async def all_at_once() -> None:
            await asyncio.gather(*map(give, serials))

        asyncio.run(all_at_once())
        assert sorted(self.people(office)) == serials

    def test_who_comes_too_soon_is_told(self, office: Runner) -> None:
        """After a while, and only as long as the other command is at it."""

        async def wait_in_vain() -> None:
            folder = open_folder(office.site)
            async with changing_trusts(folder):
                with pytest.raises(CommandRefused, match="another command is changing the trusts"):
                    await changing_trusts(folder, patience=0.1).__aenter__()
            async with changing_trusts(folder, patience=0.1):
                pass

        asyncio.run(wait_in_vain())

    def test_it_may_become_somebody_elses(self, office: Runner) -> None:
        """That is told, since a certificate seldom does."""
        office.done("ca", "trust", "assign", "office", "4a0f", "--user", "anna")
        result = office.done("ca", "trust", "assign", "office", "4A0F", "--user", "bruno")
        assert "it was anna's until now" in result.stderr
        assert self.people(office) == {"4a0f": "bruno"}

    def test_a_file_without_the_table_gets_one(self, office: Runner) -> None:
        """Whoever wrote it by hand left it out."""
        file = office.site / "trust" / "office.toml"
        file.write_text('map = "serial"', encoding="utf-8")
        office.done("ca", "trust", "assign", "office", "4a0f", "--user", "anna")
        assert self.people(office) == {"4a0f": "anna"}

    def test_a_file_that_is_written_otherwise_is_left_alone(self, office: Runner) -> None:
        """The words say what to write."""
        file = office.site / "trust" / "office.toml"
        text = 'people = { "4a0f" = "anna" }\nmap = "serial"\n'
        file.write_text(text, encoding="utf-8")
        reason = office.refused("ca", "trust", "assign", "office", "beef", "--user", "bruno")
        assert 'add "beef" = "bruno" below [people] yourself' in reason
        assert file.read_text(encoding="utf-8") == text

    def test_nobody_and_nothing_can_be_given(self, office: Runner, tmp_path: Path) -> None:
        """A user who does not exist, a number that is none, a trust that has another map."""
        words = ("ca", "trust", "assign")
        assert "no user 'ana'" in office.refused(*words, "office", "4a0f", "--user", "ana")
        reason = office.refused(*words, "office", "xyz", "--user", "anna")
        assert "no serial number in hexadecimal" in reason
        other = write(tmp_path / "other.pem", make_root("Other"))
        add(office, other, *MAIL)
        reason = office.refused(*words, "other", "4a0f", "--user", "anna")
        assert "knows people by san-email" in reason
        assert self.people(office) == {}


def test_mistakes_are_told_by_the_check_of_all_files(pusterla: Runner, cas: str) -> None:
    """Beside those of settings and applications."""
    add(pusterla, cas, *MAIL, "--name", "office")
    assert "0 applications and 1 trust" in pusterla.done("app", "check").stdout
    (pusterla.site / "trust" / "office.toml").write_text('map = "sn"\n', encoding="utf-8")
    result = pusterla.run("app", "check")
    assert result.exit_code == 1
    assert "trust/office.toml: map: expected one of" in result.stderr
