import subprocess
from datetime import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12

from ca.identity import identity_of
from ca.keys import load_certificates
from ca.kinds import KeyKind, kind_of
from ca.targets import Target, sealing_for
from gateway.cli.newfiles import PROFILE_TABLE, PROFILES
from tests.ca.makers import judge
from tests.gateway.cli.runner import PASSPHRASE, Runner


@pytest.fixture
def anna(pusterla: Runner) -> Runner:
    """A site with Anna and the applications wiki and crm."""
    pusterla.add_user("anna")
    pusterla.add_app("wiki")
    pusterla.add_app("crm")
    return pusterla


def test_a_certificate_comes_with_its_key_in_a_file(anna: Runner, tmp_path: Path) -> None:
    """The answer tells what stands in it."""
    answer = anna.issue("anna", "stick-1", "--days", "30", "--apps", "wiki,crm")
    file = tmp_path / "anna-stick-1.p12"
    assert (answer["user"], answer["device"]) == ("anna", "stick-1")
    assert answer["apps"] == ["crm", "wiki"]
    assert answer["p12"] == str(file)
    assert file.stat().st_mode & 0o777 == 0o600
    bundle = load_pkcs12(file.read_bytes(), PASSPHRASE.encode())
    assert bundle.key is not None
    assert bundle.cert is not None
    certificate = bundle.cert.certificate
    assert f"{certificate.serial_number:x}" == answer["serial"]
    lifetime = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    assert lifetime.days == 30


def test_openssl_opens_the_file_with_the_passphrase_and_with_no_other(anna: Runner) -> None:
    """A judge that we did not write."""
    file = anna.issue()["p12"]
    for passphrase, status in ((PASSPHRASE, 0), ("another", 1)):
        words = ["openssl", "pkcs12", "-in", file, "-nodes", "-passin", f"pass:{passphrase}"]
        judged = subprocess.run(words, capture_output=True, check=False)
        assert judged.returncode == status
        assert (b"BEGIN PRIVATE KEY" in judged.stdout) is (status == 0)


@pytest.mark.parametrize("kind", KeyKind)
def test_the_key_is_of_the_kind_that_was_asked_for(
    anna: Runner, tmp_path: Path, kind: KeyKind
) -> None:
    """openssl opens the file of every kind; that browsers do not take one of them is said."""
    file = tmp_path / "x.p12"
    words = ("cert", "issue", "anna", "--device", "x", "--p12", str(file), "--key-type", kind.value)
    result = anna.done(*words, "--p12-password-stdin", stdin=PASSPHRASE)
    assert ("no browser takes Ed25519" in result.stderr) is (kind is KeyKind.ED25519)
    bundle = load_pkcs12(file.read_bytes(), PASSPHRASE.encode())
    assert bundle.key is not None
    assert kind_of(bundle.key.public_key()) is kind
    judge("openssl", "pkcs12", "-in", file, "-noout", "-passin", f"pass:{PASSPHRASE}")


@pytest.fixture
def csr(tmp_path: Path) -> Path:
    """A request that Anna has made with openssl, on her own machine."""
    file = tmp_path / "stick.csr"
    words = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    names = ("-subj", "/CN=root", "-addext", "subjectAltName=DNS:bank.example")
    key = tmp_path / "stick.key"
    judge("openssl", "req", "-new", *words, *names, "-keyout", key, "-out", file)
    return file


def test_a_request_is_certified_and_the_key_stays_where_it_is(anna: Runner, csr: Path) -> None:
    """Names come from the site; what the request wished for is said on stderr, and not given."""
    result = anna.done(
        "cert", "issue", "anna", "--device", "x", "--csr", str(csr), "--apps", "wiki"
    )
    assert f"{csr}: the subject 'CN=root' is ignored" in result.stderr
    assert f"{csr}: the extension subjectAltName 'bank.example' is ignored" in result.stderr
    pem, key = csr.with_suffix(".pem"), csr.with_suffix(".key")
    leaf, *chain = load_certificates(pem)
    assert identity_of(leaf).user == "anna"
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == []
    assert len(chain) == 2
    # The person's own tools put key and answer together.
    bundle = csr.with_suffix(".p12")
    words = ("-export", "-in", pem, "-inkey", key, "-out", bundle, "-passout", "pass:staple")
    judge("openssl", "pkcs12", *words)
    (listed,) = anna.json("cert", "list")
    assert (listed["serial"], listed["apps"]) == (f"{leaf.serial_number:x}", ["wiki"])


def test_a_request_is_answered_in_json_too(anna: Runner, csr: Path, tmp_path: Path) -> None:
    """With the file, and with what was ignored."""
    out = tmp_path / "other.crt"
    words = ("--device", "x", "--csr", str(csr), "--out", str(out))
    answer = anna.json("cert", "issue", "anna", *words)
    assert answer["pem"] == str(out)
    assert answer["ignored"] == [
        "the subject 'CN=root'",
        "the extension subjectAltName 'bank.example'",
    ]
    assert out.exists()


def test_a_request_that_is_none_is_refused_by_name(anna: Runner, csr: Path, tmp_path: Path) -> None:
    """Nothing is issued and nothing written; an endless file ends the command at once."""
    out = tmp_path / "out.pem"
    large = tmp_path / "large.csr"
    with large.open("wb") as file:
        file.truncate(200 << 20)
    both = tmp_path / "both.csr"
    both.write_bytes(csr.read_bytes() + csr.with_suffix(".key").read_bytes())
    for path, words in (
        (tmp_path / "missing.csr", "cannot be read: No such file"),
        (tmp_path, "is a directory"),
        (Path("/dev/zero"), "is larger than 65536 octets"),
        (large, "is larger than 65536 octets"),
        (csr.with_suffix(".key"), "holds a private key"),
        (both, "holds a private key"),
    ):
        result = anna.run(
            *("cert", "issue", "anna", "--device", "x", "--csr", str(path), "--out", str(out))
        )
        assert result.exit_code in {1, 2}
        assert words in result.stderr
        assert str(path) in result.stderr
    assert not out.exists()
    assert anna.json("cert", "list") == []


def test_an_answer_never_overwrites_a_file(anna: Runner, csr: Path) -> None:
    """Not even the request itself."""
    words = ("cert", "issue", "anna", "--device", "x", "--csr", str(csr))
    before = csr.read_bytes()
    assert "never overwritten" in anna.refused(*words, "--out", str(csr))
    assert csr.read_bytes() == before
    csr.with_suffix(".pem").write_bytes(b"precious")
    assert "never overwritten" in anna.refused(*words)
    assert csr.with_suffix(".pem").read_bytes() == b"precious"
    assert anna.json("cert", "list") == []


def test_options_for_a_new_key_do_not_go_with_a_request(anna: Runner, csr: Path) -> None:
    """Nor the other way round; and one of the two there must be."""
    request = ("--csr", str(csr))
    bundle = ("--p12", str(csr.with_suffix(".p12")))
    for words, reason in (
        ((), "either --p12 FILE"),
        ((*bundle, "--out", "x"), "--out goes with --csr"),
        ((*request, *bundle), "--p12 is for a key that is made here"),
        ((*request, "--key-type", "p256"), "--key-type is for a key that is made here"),
        ((*request, "--profile", "modern"), "--profile is for a key that is made here"),
        ((*request, "--p12-password-stdin"), "--p12-password-stdin is for a key"),
        (("--csr", "anna.pem"), "name the new file with --out"),
    ):
        result = anna.run("cert", "issue", "anna", "--device", "x", *words)
        assert result.exit_code == 2
        assert reason in result.stderr


def test_a_profile_seals_the_file_for_who_is_to_open_it(anna: Runner, tmp_path: Path) -> None:
    """And refuses a key that is not imported there, before a certificate is issued."""
    for profile in ("modern", "windows"):
        file = anna.issue("anna", profile, "--profile", profile)["p12"]
        words = ("-in", file, "-info", "-noout", "-passin", f"pass:{PASSPHRASE}")
        answer = judge("openssl", "pkcs12", *words)
        assert ("PBES2" in answer) is (profile == "modern")
        assert ("3-KeyTripleDES" in answer) is (profile == "windows")
    refused = anna.refused(
        *("cert", "issue", "anna", "--device", "x", "--p12", str(tmp_path / "x.p12")),
        *("--p12-password-stdin", "--profile", "macos", "--key-type", "ed25519"),
        stdin=PASSPHRASE,
    )
    assert "the profile macos is of no use with a key on Ed25519" in refused
    assert len(anna.json("cert", "list")) == 2
    assert not (tmp_path / "x.p12").exists()


def test_the_profiles_are_those_there_are() -> None:
    """The names are written twice, and the table of the help tells how each is sealed."""
    assert tuple(target.value for target in Target) == PROFILES
    for target in Target:
        (line,) = [
            line.split() for line in PROFILE_TABLE.split("\n") if line.split()[:1] == [target]
        ]
        aes = "AES-256," in line
        sealing = sealing_for(target)
        assert aes is (sealing.digest.name == "sha256")
        assert f"{sealing.rounds:,}" in line


def test_without_apps_it_opens_whatever_the_rules_allow(anna: Runner) -> None:
    """That is null in JSON."""
    assert anna.issue()["apps"] is None
    assert " any " in anna.done("cert", "list").stdout


def test_an_application_that_is_not_there_is_refused(anna: Runner, tmp_path: Path) -> None:
    """With the nearest; no file and no certificate are left behind."""
    reason = anna.refused(
        *("cert", "issue", "anna", "--device", "x", "--p12", str(tmp_path / "x.p12")),
        *("--p12-password-stdin", "--apps", "wiki,crn"),
        stdin=PASSPHRASE,
    )
    assert reason == "no application 'crn'; did you mean 'crm'?"
    assert not (tmp_path / "x.p12").exists()
    assert anna.json("cert", "list") == []


def test_a_file_is_never_overwritten(anna: Runner, tmp_path: Path) -> None:
    """And costs no certificate."""
    (tmp_path / "x.p12").write_bytes(b"precious")
    reason = anna.refused(
        *("cert", "issue", "anna", "--device", "x", "--p12", str(tmp_path / "x.p12")),
        "--p12-password-stdin",
        stdin=PASSPHRASE,
    )
    assert "never overwritten" in reason
    assert (tmp_path / "x.p12").read_bytes() == b"precious"
    assert anna.json("cert", "list") == []


def test_nobody_gets_a_certificate_who_is_unknown_or_disabled(anna: Runner) -> None:
    """Nor somebody whose device has no proper name."""
    anna.done("user", "disable", "anna")
    for user, device, words in (
        ("ana", "x", "did you mean 'anna'?"),
        ("anna", "x", "anna is disabled: pusterla user enable anna first"),
    ):
        reason = anna.refused(
            *("cert", "issue", user, "--device", device, "--p12", str(anna.site / "x.p12")),
            "--p12-password-stdin",
            stdin=PASSPHRASE,
        )
        assert words in reason
    anna.done("user", "enable", "anna")
    reason = anna.refused(
        *("cert", "issue", "anna", "--device", "My Stick", "--p12", str(anna.site / "x.p12")),
        "--p12-password-stdin",
        stdin=PASSPHRASE,
    )
    assert "as in stick-1" in reason


def test_a_certificate_lasts_no_longer_than_the_profile_allows(anna: Runner) -> None:
    """The reason has the limit."""
    reason = anna.refused(
        *("cert", "issue", "anna", "--device", "x", "--p12", str(anna.site / "x.p12")),
        *("--p12-password-stdin", "--days", "9999"),
        stdin=PASSPHRASE,
    )
    assert "825 days" in reason


def test_the_settings_say_how_long_certificates_last(anna: Runner) -> None:
    """Without --days as long as is usual, and with it no longer than is allowed."""
    settings = anna.site / "pusterla.toml"
    text = settings.read_text()
    assert "[certificates]\n" in text
    lines = '[certificates]\nlifetime = "7d"\nlongest = "30d"\n'
    settings.write_text(text.replace("[certificates]\n", lines))
    record = anna.issue()
    begin, end = map(datetime.fromisoformat, (record["not_before"], record["not_after"]))
    assert (end - begin).days == 7
    reason = anna.refused(
        *("cert", "issue", "anna", "--device", "x", "--p12", str(anna.site / "x.p12")),
        *("--p12-password-stdin", "--days", "31"),
        stdin=PASSPHRASE,
    )
    assert "between 1 and 30 days" in reason


def test_the_passphrase_comes_from_stdin_alone(anna: Runner) -> None:
    """Without a terminal and without the option, that is wrong usage."""
    words = ("cert", "issue", "anna", "--device", "x", "--p12", str(anna.site / "x.p12"))
    result = anna.run(*words)
    assert result.exit_code == 2
    assert "--p12-password-stdin" in result.stderr
    assert anna.refused(*words, "--p12-password-stdin", stdin="\n").startswith("stdin is empty")


def test_certificates_are_listed_and_shown(anna: Runner) -> None:
    """A serial may be written as browsers do."""
    first, second = anna.issue(), anna.issue("anna", "stick-2")
    anna.add_user("bruno")
    assert anna.json("cert", "list", "--user", "bruno") == []
    listed = anna.json("cert", "list", "--user", "anna")
    assert [each["serial"] for each in listed] == [first["serial"], second["serial"]]
    plain = first["serial"].upper()
    spelt = ":".join(plain[at : at + 2] for at in range(0, len(plain), 2))
    shown = anna.json("cert", "show", spelt)
    assert shown == {key: value for key, value in first.items() if key != "p12"} | {
        "chain": [first["serial"]]
    }
    assert "whatever the rules allow" in anna.done("cert", "show", first["serial"]).stdout


def test_an_unknown_serial_or_user_is_refused(anna: Runner) -> None:
    """With what is known."""
    serial = anna.issue()["serial"]
    assert serial in anna.refused("cert", "show", serial[:-1])
    assert "pusterla cert list" in anna.refused("cert", "show", "zz")
    assert "did you mean 'anna'?" in anna.refused("cert", "list", "--user", "ana")


def test_a_revocation_is_durable_and_listed_when_the_command_returns(anna: Runner) -> None:
    """The certificate knows the first list that has it."""
    serial = anna.issue()["serial"]
    answer = anna.json("cert", "revoke", "--serial", serial, "--reason", "keyCompromise")
    (revoked,) = answer["revoked"]
    assert (revoked["serial"], revoked["state"]) == (serial, "revoked")
    assert revoked["reason"] == "keyCompromise"
    assert answer["already"] == []
    assert answer["crl_published"] is True
    shown = anna.json("cert", "show", serial)
    assert shown["crl_number"] == anna.json("crl", "show")[0]["number"]
    assert len(anna.audit("certificate-revoked")) == 1


def test_a_device_or_a_person_can_be_revoked(anna: Runner) -> None:
    """Only what was named, and what was revoked before is told apart."""
    first, second = anna.issue()["serial"], anna.issue("anna", "stick-2")["serial"]
    by_device = ("cert", "revoke", "--user", "anna", "--device", "stick-1")
    answer = anna.json(*by_device, "--reason", "superseded")
    assert [each["serial"] for each in answer["revoked"]] == [first]
    assert anna.json("cert", "show", second)["state"] == "valid"
    text = anna.done("cert", "revoke", "--user", "anna", "--reason", "keyCompromise").stdout
    assert f"revoked {second} of anna on stick-2" in text
    assert f"{first} of anna on stick-1 was revoked already" in text
    assert anna.json("cert", "show", first)["reason"] == "superseded"


def test_what_is_to_be_revoked_must_be_named_clearly(anna: Runner) -> None:
    """Nothing named is wrong usage; what does not exist is refused with the nearest."""
    reason = ("--reason", "keyCompromise")
    for words in ([], ["--serial", "1", "--user", "anna"], ["--device", "stick-1"]):
        assert anna.run("cert", "revoke", *words, *reason).exit_code == 2
    assert anna.run("cert", "revoke", "--user", "anna", "--reason", "lost").exit_code == 2
    assert anna.run("cert", "revoke", "--user", "anna").exit_code == 2
    assert anna.refused("cert", "revoke", "--user", "anna", *reason) == "anna has no certificates"
    assert "did you mean 'anna'" in anna.refused("cert", "revoke", "--user", "ana", *reason)
    anna.issue()
    wrong = anna.refused("cert", "revoke", "--user", "anna", "--device", "stick-2", *reason)
    assert wrong == "anna has no certificate on a device 'stick-2'; did you mean 'stick-1'?"


def test_apps_are_names_with_commas(anna: Runner) -> None:
    """An empty one is wrong usage, not every application."""
    words = ("cert", "issue", "anna", "--device", "x", "--p12", str(anna.site / "x.p12"))
    for apps in ("", "wiki,", ","):
        result = anna.run(*words, "--p12-password-stdin", "--apps", apps, stdin=PASSPHRASE)
        assert result.exit_code == 2


def test_the_server_gets_a_new_certificate(pusterla: Runner) -> None:
    """For the same key; on a site that does not run it is for the next start, and that is said."""
    path = pusterla.site / "keys" / "edge" / "server.pem"
    before = x509.load_pem_x509_certificate(path.read_bytes())
    answer = pusterla.json("cert", "renew-server")
    after = x509.load_pem_x509_certificate(path.read_bytes())
    assert answer["taken_up"] is False
    assert datetime.fromisoformat(answer["until"]) == after.not_valid_after_utc
    assert after.serial_number != before.serial_number
    assert after.public_key() == before.public_key()
    done = pusterla.done("cert", "renew-server")
    assert "no site has taken it up yet" in done.stdout
    assert "is not running" in done.stderr
    assert len(pusterla.audit("server-certificate-renewed")) == 2


def test_a_certificate_of_another_ca_is_not_renewed(pusterla: Runner) -> None:
    """The command says where to go."""
    keys = pusterla.site / "keys"
    (keys / "edge" / "server.pem").write_bytes((keys / "ca" / "root.pem").read_bytes())
    assert "not one of this site's own CA" in pusterla.refused("cert", "renew-server")
    assert pusterla.audit("server-certificate-renewed") == []
