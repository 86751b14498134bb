from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.cli import main
from tests.ca.makers import judge
from tests.gateway.cli.runner import Runner

SECRET = "the CA's own passphrase"
OTHER = "another passphrase of the CA"


def write_secret(path: Path, text: str = SECRET) -> str:
    """Write a file that holds a passphrase, and return its name."""
    path.write_text(text + "\n", encoding="utf-8")
    path.chmod(0o600)
    return str(path)


@pytest.fixture
def secret(tmp_path: Path) -> str:
    """The file that holds the passphrase."""
    return write_secret(tmp_path / "secret")


@pytest.fixture
def sealed(pusterla: Runner, secret: str) -> Runner:
    """A site whose CA's keys are under the passphrase."""
    pusterla.done("ca", "encrypt", "--new-passphrase-file", secret)
    return pusterla


def keys(pusterla: Runner) -> dict[str, bytes]:
    """What lies in the files of the CA."""
    folder = pusterla.site / "keys" / "ca"
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class TestEncrypt:
    def test_all_keys_are_under_it(self, sealed: Runner, secret: str) -> None:
        """openssl opens them with the passphrase, and the audit log tells that it was done."""
        for name in ("root.key", "issuing.key"):
            file = sealed.site / "keys" / "ca" / name
            judge("openssl", "pkey", "-in", file, "-noout", "-passin", f"file:{secret}")
            assert file.stat().st_mode & 0o777 == 0o600
        (line,) = sealed.audit("ca-keys-encrypted")
        assert line["detail"]["keys"] == "root issuing-1"

    def test_what_signs_wants_it(self, sealed: Runner, secret: str) -> None:
        """Without it nothing is signed, and the ways to give it are told."""
        reason = sealed.refused("crl", "publish")
        for way in (
            "issuing.key",
            "--passphrase-file",
            "passphrase_file",
            "pusterla-ca-passphrase",
        ):
            assert way in reason
        assert sealed.json("crl", "publish", "--passphrase-file", secret)["number"] == 2

    def test_the_settings_name_its_file(self, sealed: Runner, secret: str) -> None:
        """Also by a path in the site's folder."""
        settings = sealed.site / "pusterla.toml"
        before = settings.read_text(encoding="utf-8")
        write_secret(sealed.site / "ca-secret")
        for path in (secret, "ca-secret"):
            text = before.replace("[ca]\n", f'[ca]\npassphrase_file = "{path}"\n')
            settings.write_text(text, encoding="utf-8")
            sealed.done("crl", "publish")

    def test_systemd_hands_it_over(self, sealed: Runner, tmp_path: Path) -> None:
        """As a credential: the environment holds the name of a directory and no more."""
        write_secret(tmp_path / "pusterla-ca-passphrase")
        runner = CliRunner(env={"CREDENTIALS_DIRECTORY": str(tmp_path)})
        words = ["--site", str(sealed.site), "crl", "publish"]
        assert runner.invoke(main, words).exit_code == 0

    def test_a_wrong_one_changes_nothing(self, sealed: Runner, tmp_path: Path) -> None:
        """Neither a list nor a key; the message names the key."""
        wrong = write_secret(tmp_path / "wrong", OTHER)
        new = write_secret(tmp_path / "new", "a third passphrase")
        before = keys(sealed)
        for words in (
            ("crl", "publish"),
            ("ca", "decrypt"),
            ("ca", "encrypt", "--new-passphrase-file", new),
        ):
            reason = sealed.refused(*words, "--passphrase-file", wrong)
            assert "the passphrase does not open" in reason
            assert OTHER not in reason
        assert keys(sealed) == before
        assert sealed.json("crl", "show")["number"] == 1

    def test_a_file_that_others_can_read_is_refused(self, sealed: Runner, secret: str) -> None:
        """As a key would be."""
        Path(secret).chmod(0o644)
        reason = sealed.refused("crl", "publish", "--passphrase-file", secret)
        assert "mode 0644" in reason

    def test_a_file_that_is_empty_or_away(self, sealed: Runner, tmp_path: Path) -> None:
        """Is named."""
        empty = write_secret(tmp_path / "empty", "")
        for path in (empty, str(tmp_path / "missing")):
            reason = sealed.refused("crl", "publish", "--passphrase-file", path)
            assert path in reason

    def test_it_can_be_changed(self, sealed: Runner, secret: str, tmp_path: Path) -> None:
        """The old one opens nothing any more."""
        new = write_secret(tmp_path / "new", OTHER)
        words = ("ca", "encrypt", "--new-passphrase-file", new)
        answer = sealed.json(*words, "--passphrase-file", secret)
        assert [one["encrypted"] for one in answer] == [True, True]
        sealed.refused("crl", "publish", "--passphrase-file", secret)
        sealed.done("crl", "publish", "--passphrase-file", new)

    def test_a_short_one_is_refused(self, pusterla: Runner, tmp_path: Path) -> None:
        """Before anything is written."""
        before = keys(pusterla)
        short = write_secret(tmp_path / "short", "short")
        reason = pusterla.refused("ca", "encrypt", "--new-passphrase-file", short)
        assert "at least 12 characters" in reason
        assert keys(pusterla) == before

    def test_one_key_alone(self, pusterla: Runner, secret: str) -> None:
        """The root's, while the authority goes on without a passphrase."""
        pusterla.done("ca", "encrypt", "root", "--new-passphrase-file", secret)
        pusterla.done("crl", "publish")
        assert b"ENCRYPTED" in keys(pusterla)["root.key"]

    def test_a_name_that_there_is_not(self, pusterla: Runner, secret: str) -> None:
        """Is answered with the nearest."""
        reason = pusterla.refused("ca", "encrypt", "isuing-1", "--new-passphrase-file", secret)
        assert "did you mean 'issuing-1'?" in reason

    def test_the_doctor_does_not_mind(self, sealed: Runner) -> None:
        """It cannot open the key, and says so."""
        findings = sealed.json("doctor")
        (found,) = [one for one in findings if one["subject"] == "issuing key"]
        assert found["health"] == "ok"
        assert "passphrase" in found["words"]


class TestDecrypt:
    def test_and_back_to_plain(self, sealed: Runner, secret: str) -> None:
        """The same keys as before."""
        answer = sealed.json("ca", "decrypt", "--passphrase-file", secret)
        assert [(one["name"], one["encrypted"]) for one in answer] == [
            ("root", False),
            ("issuing-1", False),
        ]
        sealed.done("crl", "publish")
        assert len(sealed.audit("ca-keys-decrypted")) == 1

    def test_what_is_plain_already(self, pusterla: Runner) -> None:
        """Is told so."""
        assert "none of these keys" in pusterla.refused("ca", "decrypt")


def test_a_site_can_be_born_with_it(tmp_path: Path, secret: str) -> None:
    """No key of the CA was ever in the folder in plain; the kind can be chosen too."""
    words = ["init", str(tmp_path / "site"), "--host", "pusterla.localhost", "--key-type", "p384"]
    result = CliRunner().invoke(main, [*words, "--encrypt-ca", "--new-passphrase-file", secret])
    assert result.exit_code == 0, result.output
    assert "passphrase_file" in result.stdout
    site = Runner(tmp_path / "site")
    site.done("crl", "publish", "--passphrase-file", secret)
    for name in ("root.key", "issuing.key"):
        file = site.site / "keys" / "ca" / name
        words = ["pkey", "-in", str(file), "-noout", "-text", "-passin", f"file:{secret}"]
        assert "NIST CURVE: P-384" in judge("openssl", *words)
