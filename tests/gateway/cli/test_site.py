import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from gateway.cli import main
from gateway.config import Configuration, read_configuration
from tests.gateway.cli.runner import Runner

PUSTERLA = Path(sys.executable).with_name("pusterla")


def test_a_new_site_is_told_with_the_way_on(tmp_path: Path) -> None:
    """Progress is on stderr; what is next can be typed."""
    site = tmp_path / "site"
    result = CliRunner().invoke(main, ["init", str(site), "--host", "gate.example.org"])
    assert result.exit_code == 0
    assert result.stderr.splitlines()[0] == "making keys and certificates ..."
    assert f"{site} is a site now." in result.stdout
    assert f"export PUSTERLA_SITE={site}" in result.stdout
    assert isinstance(read_configuration(site), Configuration)


def test_a_new_site_can_answer_with_json(tmp_path: Path) -> None:
    """With the fingerprint of the root that people must trust."""
    words = ["init", str(tmp_path / "site"), "--host", "gate.example.org", "--port", "443"]
    result = CliRunner().invoke(main, [*words, "--json"])
    answer = json.loads(result.stdout)
    root = x509.load_pem_x509_certificate(Path(answer["root"]).read_bytes())
    assert root.fingerprint(SHA256()).hex(":").upper() == answer["root_fingerprint"]
    assert (answer["host"], answer["port"]) == ("gate.example.org", 443)


def test_a_site_is_not_made_twice(pusterla: Runner) -> None:
    """What is there stays."""
    before = (pusterla.site / "keys" / "ca" / "root.pem").read_bytes()
    words = ["init", str(pusterla.site), "--host", "pusterla.localhost"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 1
    assert "is a site already" in result.stderr
    assert (pusterla.site / "keys" / "ca" / "root.pem").read_bytes() == before


@pytest.mark.parametrize(
    "words",
    [("--host", "127.0.0.1"), ("--host", "A.example"), ("--host", "a.b", "--port", "0"), ()],
)
def test_a_host_or_port_that_cannot_be_is_wrong_usage(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    """Nothing is made."""
    result = CliRunner().invoke(main, ["init", str(tmp_path / "site"), *words])
    assert result.exit_code == 2
    assert not (tmp_path / "site").exists()


def test_a_doctor_finds_nothing_wrong_with_a_new_site(pusterla: Runner) -> None:
    """But no mail, the root's key being here, and that it does not run yet: warnings, no problems."""
    findings = pusterla.json("doctor")
    assert {each["health"] for each in findings} == {"ok", "warning"}
    mail, root, portal = [each for each in findings if each["health"] == "warning"]
    subjects = [each["subject"] for each in (mail, root, portal)]
    assert subjects == ["mail", "root key", "portal"]
    assert "offline" in root["way_out"]
    assert portal["way_out"] == "pusterla serve"
    text = pusterla.done("doctor").stdout
    assert text.splitlines()[-1].endswith("3 warning")


def test_a_doctor_who_finds_a_problem_says_so_with_the_status(pusterla: Runner) -> None:
    """And with the way out."""
    (pusterla.site / "keys" / "site.key").chmod(0o644)
    result = pusterla.run("doctor")
    assert result.exit_code == 1
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("problem")]
    assert "site.key" in line
    assert "chmod 600" in line


def test_a_store_that_is_up_to_date_can_be_migrated_again(pusterla: Runner) -> None:
    """Nothing happens to it."""
    result = pusterla.done("doctor", "--migrate")
    assert "bringing the store up to date" in result.stderr


def test_a_site_with_problems_is_not_served(pusterla: Runner) -> None:
    """Every problem is told, and nothing is started."""
    shutil.rmtree(pusterla.site / "apps")
    settings = pusterla.site / "pusterla.toml"
    settings.write_text(settings.read_text(encoding="utf-8") + "\n[lmits]\n", encoding="utf-8")
    result = pusterla.run("serve")
    assert result.exit_code == 1


def test_a_program_is_told_when_the_site_serves(pusterla: Runner) -> None:
    """With --json the answer comes once everything serves; SIGTERM ends it with status 0."""
    # Only the authority, which needs no port, so that no other test can be in the way.
    command = [str(PUSTERLA), "--site", str(pusterla.site), "serve", "--only", "authority"]
    with subprocess.Popen(
        [*command, "--json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            answer = json.loads("".join(iter(process.stdout.readline, "}\n")) + "}")
            process.terminate()
            assert process.wait(30) == 0
        finally:
            process.kill()
    assert answer["portal"] == "https://pusterla.localhost:8443"
    assert answer["apps"] == {}


def test_only_known_processes_are_served(pusterla: Runner) -> None:
    """Another name is wrong usage."""
    assert pusterla.run("serve", "--only", "edge", "--only", "gate").exit_code == 2
