import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from ca.kinds import make_key
from gateway.cli import main
from tests.ca.makers import judge
from tests.gateway.cli.runner import PASSPHRASE, Runner
from tests.softhsm import PIN, SoftHSM

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
        sealed.done("crl", "publish", "--passphrase-file", secret)

    def test_the_server_is_renewed_with_it(self, sealed: Runner, secret: str) -> None:
        """And not without it; the server's own key stays plain."""
        assert "under a passphrase" in sealed.refused("cert", "renew-server")
        sealed.done("cert", "renew-server", "--passphrase-file", secret)

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
        before, listed = keys(sealed), sealed.json("crl", "show")
        for words in (
            ("crl", "publish"),
            ("ca", "decrypt"),
            ("ca", "encrypt", "--new-passphrase-file", new),
        ):
            reason = sealed.refused(*words, "--passphrase-file", wrong)
            assert "the passphrase does not open" in reason
            assert OTHER not in reason
        assert keys(sealed) == before
        assert sealed.json("crl", "show") == listed

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


class TestSuccession:
    def test_a_roll_over_is_listed(self, pusterla: Runner) -> None:
        """For people and for programs; that no site has taken it up is said."""
        result = pusterla.done("ca", "rollover")
        assert "issuing-2 issues from now on" in result.stdout
        assert "no site has taken it up yet" in result.stdout
        assert "pusterla reload" in result.stdout
        assert "nobody gets in with a certificate of issuing-2" in result.stderr
        one, two = pusterla.json("ca", "list")
        assert (one["name"], one["state"], one["live"]) == ("issuing-1", "closing", 0)
        assert (two["name"], two["state"], two["key_type"]) == ("issuing-2", "active", "p256")
        assert "closing" in pusterla.done("ca", "list").stdout
        assert [crl["issuer"] for crl in pusterla.json("crl", "show")] == ["issuing-2", "issuing-1"]
        assert {each["health"] for each in pusterla.json("doctor")} == {"ok", "warning"}

    def test_the_last_step_is_to_retire(self, pusterla: Runner) -> None:
        """An issuing CA that issued to nobody can go at once; the doctor misses nothing."""
        pusterla.done("ca", "rollover")
        answer = pusterla.json("ca", "retire", "issuing-1")
        assert answer == {"name": "issuing-1", "state": "retired", "taken_up": False}
        for suffix in ("key", "pem"):
            (pusterla.site / "keys" / "ca" / f"issuing.{suffix}").unlink()
        assert [crl["issuer"] for crl in pusterla.json("crl", "publish")] == ["issuing-2"]
        assert "problem" not in {each["health"] for each in pusterla.json("doctor")}

    def test_the_server_is_renewed_by_the_one_that_issues(self, pusterla: Runner) -> None:
        """Whoever signed before; the audit log says who did."""
        server = pusterla.site / "keys" / "edge" / "server.pem"
        before = server.read_bytes()
        pusterla.done("ca", "rollover")
        server.write_bytes(before)
        assert "pusterla cert renew-server" in pusterla.refused("ca", "retire", "issuing-1")
        pusterla.done("cert", "renew-server")
        (line,) = pusterla.audit("server-certificate-renewed")
        assert line["detail"]["issuer"] == "issuing-2"
        pusterla.done("ca", "retire", "issuing-1")

    def test_a_sealed_roll_over(self, sealed: Runner, secret: str) -> None:
        """The root's key is opened, and the new key put under a passphrase."""
        before = keys(sealed)
        assert "under a passphrase" in sealed.refused("ca", "rollover")
        assert keys(sealed) == before
        words = ("--passphrase-file", secret, "--new-passphrase-file", secret)
        sealed.done("ca", "rollover", *words)
        assert b"ENCRYPTED" in keys(sealed)["issuing-2.key"]
        sealed.done("crl", "publish", "--passphrase-file", secret)

    def test_an_offline_root_step_by_step(self, tmp_path: Path) -> None:
        """As docs/ca.md tells it, with every command."""
        place = Runner(tmp_path / "nowhere")
        root = tmp_path / "root"
        made = place.json("ca", "root", "--host", "pusterla.localhost", "--out", str(root))
        assert made["root"] == str(root / "root.pem")
        words = ["init", str(tmp_path / "site"), "--host", "pusterla.localhost"]
        result = CliRunner().invoke(main, [*words, "--root-certificate", str(root / "root.pem")])
        assert "pusterla ca request" in result.stdout
        assert made["root_fingerprint"] in result.stdout
        site = Runner(tmp_path / "site")
        assert "no issuing CA yet" in site.refused("crl", "publish")
        csr, pem = str(tmp_path / "issuing-1.csr"), str(tmp_path / "issuing-1.pem")
        asked = site.json("ca", "request", "--out", csr)
        signed = place.json("ca", "sign", csr, "--root", str(root), "--out", pem)
        assert signed["fingerprint"] == asked["fingerprint"]
        installed = site.json("ca", "install", pem)
        assert (installed["name"], installed["before"]) == ("issuing-1", None)
        findings = site.json("doctor")
        assert "problem" not in {each["health"] for each in findings}
        assert "root key" not in {each["subject"] for each in findings}
        site.add_user("anna")
        site.issue()


class TestToken:
    @pytest.fixture
    def hsm(self, tmp_path: Path) -> SoftHSM:
        """A token with two keys."""
        (tmp_path / "hsm").mkdir()
        hsm = SoftHSM.make(tmp_path / "hsm", "pusterla")
        hsm.put("issuing-2", 2, make_key())
        return hsm

    def test_an_issuing_ca_whose_key_is_in_a_token(
        self, pusterla: Runner, hsm: SoftHSM, tmp_path: Path
    ) -> None:
        """Made by a roll-over; it issues, revokes and publishes, and a wrong PIN changes nothing."""
        program = (sys.executable, "-c", "from gateway.cli import main; main()")

        def run(*words: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [*program, "--site", str(pusterla.site), *words],
                env=os.environ | {"SOFTHSM2_CONF": str(hsm.configuration)},
                input=PASSPHRASE,
                capture_output=True,
                text=True,
                check=False,
            )

        before = keys(pusterla)
        pin = write_secret(tmp_path / "pin", PIN)
        wrong = write_secret(tmp_path / "wrong", "9999999")
        token = ("--token", hsm.address("issuing-2"))
        refused = run("ca", "rollover", *token, "--pin-file", wrong)
        assert refused.returncode == 1
        assert "the PIN is wrong" in refused.stderr
        assert keys(pusterla) == before
        done = run("ca", "rollover", *token, "--pin-file", pin)
        assert done.returncode == 0, done.stderr
        text = (pusterla.site / "keys" / "ca" / "issuing-2.key").read_text(encoding="ascii")
        assert text == hsm.address("issuing-2") + "\n"
        pusterla.add_user("anna")
        file = str(tmp_path / "anna.p12")
        words = ("cert", "issue", "anna", "--device", "x", "--p12", file, "--p12-password-stdin")
        done = run(*words, "--pin-file", pin)
        assert done.returncode == 0, done.stderr
        revoke = ("cert", "revoke", "--user", "anna", "--reason", "superseded")
        done = run(*revoke, "--pin-file", pin)
        assert done.returncode == 0, done.stderr
        second, _ = pusterla.json("crl", "show")
        assert (second["issuer"], second["entries"]) == ("issuing-2", 1)
        (_, listed) = pusterla.json("ca", "list")
        assert listed["protection"] == "token"
        assert "is in a token" in pusterla.refused("ca", "decrypt", "issuing-2")
        assert "problem" not in {each["health"] for each in pusterla.json("doctor")}
