import subprocess
from datetime import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12

from tests.gateway.cli.runner import PASSPHRASE, Runner


@pytest.fixture
def anna(pusterla: Runner) -> Runner:
    """A site with Anna and the application wiki."""
    pusterla.add_user("anna")
    pusterla.add_app("wiki")
    return pusterla


def renewing(anna: Runner, *words: str, name: str = "new") -> tuple[str, ...]:
    """Return the words that renew what Anna has."""
    file = anna.site.parent / f"{name}.p12"
    return ("cert", "renew", "anna", *words, "--p12", str(file), "--p12-password-stdin")


ON_STICK = ("--device", "stick-1")


def test_a_renewal_is_for_the_same_person_device_and_applications(
    anna: Runner, tmp_path: Path
) -> None:
    """With a new key, in a bundle that openssl opens; the old one goes on for the overlap."""
    old = anna.issue("anna", "stick-1", "--apps", "wiki", "--days", "30")
    new = anna.json(*renewing(anna, *ON_STICK, "--overlap", "7d"), stdin=PASSPHRASE)
    for key in ("user", "device", "apps"):
        assert new[key] == old[key]
    assert (new["renews"], new["renewed"]["serial"]) == (old["serial"], old["serial"])
    assert new["renewed"]["state"] == "valid"
    assert old["not_before"] < new["renewed"]["supersede_at"] < old["not_after"] < new["not_after"]
    words = ["openssl", "pkcs12", "-in", new["p12"], "-noout", "-passin", f"pass:{PASSPHRASE}"]
    assert subprocess.run(words, check=False, capture_output=True).returncode == 0
    keys = []
    for file in ("anna-stick-1.p12", "new.p12"):
        bundle = load_pkcs12((tmp_path / file).read_bytes(), PASSPHRASE.encode())
        assert bundle.cert is not None
        keys.append(bundle.cert.certificate.public_key())
    assert keys[0] != keys[1]
    (line,) = [one for one in anna.audit("certificate-issued") if one["detail"].get("renews")]
    assert (line["serial"], line["detail"]["renews"]) == (new["serial"], old["serial"])


def test_the_settings_say_how_long_the_new_one_lasts(anna: Runner) -> None:
    """As they do of one that is not a renewal."""
    anna.issue("anna", "stick-1", "--days", "5")
    settings = anna.site / "pusterla.toml"
    lines = '[certificates]\nlifetime = "40d"\nlongest = "50d"\n'
    settings.write_text(settings.read_text().replace("[certificates]\n", lines))
    new = anna.json(*renewing(anna, *ON_STICK), stdin=PASSPHRASE)
    begin, end = map(datetime.fromisoformat, (new["not_before"], new["not_after"]))
    assert (end - begin).days == 40


def test_with_a_request_the_person_keeps_their_key(anna: Runner, tmp_path: Path) -> None:
    """The very key of before, if they like."""
    openssl = ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    key, csr = tmp_path / "stick.key", tmp_path / "stick.csr"
    words = [*openssl, "-nodes", "-keyout", str(key), "-subj", "/CN=me", "-out", str(csr)]
    subprocess.run(words, check=True, capture_output=True)
    first, second = tmp_path / "first.pem", tmp_path / "second.pem"
    issue = ("cert", "issue", "anna", "--device", "stick-1", "--csr", str(csr))
    old = anna.json(*issue, "--out", str(first))
    renew = ("cert", "renew", "anna", *ON_STICK, "--csr", str(csr), "--out", str(second))
    new = anna.json(*renew)
    assert (new["renews"], new["pem"]) == (old["serial"], str(second))
    before, after = (
        x509.load_pem_x509_certificates(file.read_bytes())[0] for file in (first, second)
    )
    assert before.public_key() == after.public_key()
    assert before.serial_number != after.serial_number


def test_the_overlap_ends_with_the_old_one_at_the_latest(anna: Runner) -> None:
    """However long it is asked for."""
    old = anna.issue("anna", "stick-1", "--days", "5")
    new = anna.json(*renewing(anna, *ON_STICK), stdin=PASSPHRASE)
    assert new["renewed"]["supersede_at"] == old["not_after"]


def test_the_chain_is_shown(anna: Runner) -> None:
    """From each of its links, and in words."""
    serials = [anna.issue()["serial"]]
    for name in ("a", "b"):
        words = renewing(anna, "--serial", serials[-1], name=name)
        serials.append(anna.json(*words, stdin=PASSPHRASE)["serial"])
    for serial in serials:
        assert anna.json("cert", "show", serial)["chain"] == serials
    text = anna.done("cert", "show", serials[1]).stdout
    assert "superseded at" in text
    assert f"in a chain with  {serials[0]} valid" in text


def test_people_are_told_that_they_sign_in_again(anna: Runner) -> None:
    """Sessions belong to the certificate that they began with."""
    old = anna.issue()
    result = anna.done(*renewing(anna, *ON_STICK), stdin=PASSPHRASE)
    assert "anna signs in anew" in result.stderr
    assert old["serial"] in result.stdout


def test_what_ends_soon_is_listed_with_what_takes_its_place(anna: Runner) -> None:
    """Neither what was revoked nor what lasts longer is; the first to end comes first."""
    soon = anna.issue("anna", "stick-1", "--days", "20")["serial"]
    sooner = anna.issue("anna", "stick-2", "--days", "10")["serial"]
    revoked = anna.issue("anna", "stick-3", "--days", "10")["serial"]
    anna.done("cert", "revoke", "--serial", revoked, "--reason", "superseded")
    anna.issue("anna", "stick-4")
    new = anna.json(*renewing(anna, *ON_STICK), stdin=PASSPHRASE)["serial"]
    listed = anna.json("cert", "list", "--expiring", "30d")
    assert [(one["serial"], one["successor"]) for one in listed] == [(sooner, None), (soon, new)]
    assert listed[1]["supersede_at"] is not None
    text = anna.done("cert", "list", "--expiring", "30d", "--user", "anna").stdout
    assert "SUCCESSOR" in text
    assert "OVERLAP ENDS" in text
    assert anna.json("cert", "list", "--expiring", "1d") == []
    assert anna.run("cert", "list", "--expiring", "soon").exit_code == 2


def test_whoever_revokes_the_new_one_is_told_that_the_old_one_goes_on(anna: Runner) -> None:
    """And with which words it is revoked too; then the old one may be renewed again."""
    old = anna.issue()["serial"]
    new = anna.json(*renewing(anna, *ON_STICK), stdin=PASSPHRASE)["serial"]
    words = ("cert", "revoke", "--serial", new, "--reason", "keyCompromise")
    assert f"pusterla cert revoke --serial {old}" in anna.done(*words).stderr
    again = anna.json(*renewing(anna, *ON_STICK, name="again"), stdin=PASSPHRASE)
    assert again["renews"] == old


def test_what_cannot_be_renewed_is_refused_with_the_reason(anna: Runner) -> None:
    """Revoked, on hold, renewed already, somebody else's, ambiguous; no file is left behind."""

    def reason(*words: str) -> str:
        refused = anna.refused(*renewing(anna, *words), stdin=PASSPHRASE)
        assert not (anna.site.parent / "new.p12").exists()
        return refused

    first = anna.issue()["serial"]
    anna.done("cert", "hold", first)
    assert "is on hold: release it first" in reason(*ON_STICK)
    anna.done("cert", "release", first)
    anna.issue("anna", "stick-1-b")
    second = anna.json(*renewing(anna, *ON_STICK, name="x"), stdin=PASSPHRASE)["serial"]
    assert f"has been renewed already, by {second}" in reason("--serial", first)
    anna.done("cert", "revoke", "--user", "anna", "--device", "stick-1", "--reason", "superseded")
    assert "is revoked, and a renewal would give back" in reason(*ON_STICK)
    assert "did you mean 'stick-1-b'" in reason("--device", "stick-1-c")
    anna.add_user("bruno")
    other = anna.issue("bruno", "stick-9")["serial"]
    assert reason("--serial", other) == f"{other} is of bruno on stick-9"
    assert "would end before the overlap does" in reason("--device", "stick-1-b", "--days", "3")
    anna.done("user", "disable", "anna")
    assert "anna is disabled" in reason("--device", "stick-1-b")


def test_of_several_on_one_device_one_is_to_be_named(anna: Runner) -> None:
    """They may be there, since nothing keeps anybody from issuing twice."""
    first = anna.issue()["serial"]
    (anna.site.parent / "anna-stick-1.p12").unlink()
    second = anna.issue()["serial"]
    refused = anna.refused(*renewing(anna, *ON_STICK), stdin=PASSPHRASE)
    assert "--serial" in refused
    assert first in refused
    assert second in refused
    assert anna.run("cert", "renew", "anna", "--p12", "x.p12").exit_code == 2
