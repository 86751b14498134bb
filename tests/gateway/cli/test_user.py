import re
from urllib.parse import parse_qs, urlsplit

import pytest
from click.testing import CliRunner

from gateway.cli import main
from tests.gateway.cli.runner import PASSWORD, Runner


def test_somebody_who_is_added_gets_a_secret_for_codes(pusterla: Runner) -> None:
    """The answer is an otpauth URI that authenticator applications understand."""
    answer = pusterla.json(
        *("user", "add", "anna", "--name", "Anna Rossi", "--email", "anna@example.it"),
        *("--group", "technicians", "--group", "night", "--password-stdin"),
        stdin=PASSWORD + "\n",
    )
    assert set(answer) == {"user", "totp_uri"}
    uri = urlsplit(answer["totp_uri"])
    assert (uri.scheme, uri.netloc) == ("otpauth", "totp")
    assert len(parse_qs(uri.query)["secret"][0]) == 32
    assert pusterla.json("user", "show", "anna") == {
        "user": "anna",
        "name": "Anna Rossi",
        "email": "anna@example.it",
        "groups": ["night", "technicians"],
        "enabled": True,
        "password_set": True,
        "ticket_ends_at": None,
        "recovery_codes": 0,
        "certificates": [],
        "sessions": [],
    }


def test_people_read_the_uri_on_stdout_and_the_rest_on_stderr(pusterla: Runner) -> None:
    """So that it can be piped on."""
    result = pusterla.done("user", "add", "anna", "--password-stdin", stdin=PASSWORD)
    assert result.stdout.startswith("otpauth://totp/Pusterla:anna?secret=")
    assert result.stderr == "anna added\n"


def test_a_name_is_taken_once(pusterla: Runner) -> None:
    """The second one is refused, and the first stays as it was."""
    pusterla.add_user("anna", "technicians")
    reason = pusterla.refused("user", "add", "anna", "--password-stdin", stdin=PASSWORD)
    assert reason == "there is a user 'anna' already"
    assert pusterla.json("user", "list")[0]["groups"] == ["technicians"]


def test_all_that_is_wrong_with_somebody_is_told_at_once(pusterla: Runner) -> None:
    """Names, groups and the full name."""
    reason = pusterla.refused(
        *("user", "add", "Anna", "--name", "a\tb", "--group", "Night Shift", "--password-stdin"),
        stdin=PASSWORD,
    )
    assert "'Anna' cannot be a name" in reason
    assert "did you mean 'anna'?" in reason
    assert "'Night Shift' cannot be a name" in reason
    assert "the full name is one line of printable text" in reason


def test_a_full_name_has_an_end(pusterla: Runner) -> None:
    """It stands on pages and in the name of the bundle."""
    words = ("user", "add", "anna", "--name", "A" * 201, "--password-stdin")
    assert "at most 200 characters" in pusterla.refused(*words, stdin=PASSWORD)


def test_what_could_not_stand_in_a_certificate_is_refused_now(pusterla: Runner) -> None:
    """Not on the day when the person needs one."""
    reason = pusterla.refused(
        *("user", "add", "anna", "--email", "anna", "--password-stdin"), stdin=PASSWORD
    )
    assert "not a mail address" in reason


def test_a_short_password_is_refused(pusterla: Runner) -> None:
    """The length is what counts."""
    reason = pusterla.refused("user", "add", "anna", "--password-stdin", stdin="short\n")
    assert reason == "a password has at least 12 characters"
    assert pusterla.json("user", "list") == []


def test_without_a_terminal_the_password_must_be_piped_in(pusterla: Runner) -> None:
    """Wrong usage, which names the option."""
    result = pusterla.run("user", "add", "anna")
    assert result.exit_code == 2
    assert "--password-stdin" in result.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("show", "ana"),
        ("disable", "ana"),
        ("enable", "ana"),
        ("passwd", "ana", "--password-stdin"),
        ("totp-reset", "ana"),
        ("remove", "ana"),
    ],
    ids=lambda words: words[0],
)
def test_an_unknown_name_is_answered_with_the_nearest(
    pusterla: Runner, words: tuple[str, ...]
) -> None:
    """Every command that names somebody."""
    pusterla.add_user("anna")
    reason = pusterla.refused("user", *words, stdin=PASSWORD)
    assert reason == "no user 'ana'; did you mean 'anna'?"


def test_disabling_and_enabling_say_whether_anything_changed(pusterla: Runner) -> None:
    """Doing it twice is no error."""
    pusterla.add_user()
    for verb, enabled in (("disable", False), ("enable", True)):
        for changed in (True, False):
            assert pusterla.json("user", verb, "anna") == {
                "user": "anna",
                "enabled": enabled,
                "changed": changed,
            }
        assert len(pusterla.audit(f"user-{verb}d")) == 1


def test_another_password_and_another_secret_are_written_down(pusterla: Runner) -> None:
    """By whom, and never what they are."""
    first = pusterla.add_user()
    pusterla.done("user", "passwd", "anna", "--password-stdin", stdin="another good password\n")
    second = pusterla.json("user", "totp-reset", "anna")["totp_uri"]
    assert first != second
    for kind in ("password-changed", "totp-reset"):
        (line,) = pusterla.audit(kind)
        assert line["user"] == "anna"
        assert line["detail"]["by"].startswith("command:")
    text = pusterla.done("audit", "tail", "-n", "100", "--json").stdout
    assert "another good" not in text
    assert parse_qs(urlsplit(second).query)["secret"][0] not in text


def test_somebody_who_is_removed_is_gone_and_their_certificates_revoked(pusterla: Runner) -> None:
    """And a revocation list says so when the command returns."""
    pusterla.add_user()
    serial = pusterla.issue()["serial"]
    answer = pusterla.json("user", "remove", "anna")
    assert answer == {"user": "anna", "revoked": [serial], "crl_published": True}
    assert pusterla.json("user", "list") == []
    assert pusterla.json("cert", "show", serial)["reason"] == "cessationOfOperation"
    assert pusterla.json("crl", "show")[0]["entries"] == 1


def test_the_site_key_is_needed_and_named(pusterla: Runner) -> None:
    """Open to others it is not used."""
    (pusterla.site / "keys" / "site.key").chmod(0o644)
    reason = pusterla.refused("user", "add", "anna", "--password-stdin", stdin=PASSWORD)
    assert "chmod 600" in reason


def test_a_password_is_never_an_argument() -> None:
    """Every process of the machine could read it."""
    result = CliRunner().invoke(main, ["user", "add", "anna", "--password", "x"])
    assert result.exit_code == 2


def test_recovery_codes_are_shown_once_and_replace_those_of_before(pusterla: Runner) -> None:
    """Ten of them, in an answer for programs; `show` tells only how many are left."""
    pusterla.add_user("anna")
    first = pusterla.json("user", "recovery-codes", "anna")["recovery_codes"]
    second = pusterla.json("user", "recovery-codes", "anna")["recovery_codes"]
    assert len(set(first) | set(second)) == 20
    assert pusterla.json("user", "show", "anna")["recovery_codes"] == 10
    shown = pusterla.done("user", "show", "anna").stdout + str(pusterla.audit("user-added"))
    assert "10 left" in shown
    assert not [code for code in (*first, *second) if code in shown]
    lines = pusterla.audit("recovery-codes-made")
    assert [line["user"] for line in lines] == ["anna", "anna"]
    assert all(line["detail"]["by"].startswith("command:") for line in lines)


def test_the_sheet_for_paper_says_what_the_codes_are_for(pusterla: Runner) -> None:
    """On stdout alone, so that it can be sent to a printer; in both languages, with the address."""
    pusterla.add_user("anna")
    result = pusterla.done("user", "recovery-codes", "anna")
    assert len(re.findall(r"\b(?:[0-9A-Z]{4}-){3}[0-9A-Z]{4}\b", result.stdout)) == 10
    assert "https://public.pusterla.localhost:8443/lost" in result.stdout
    assert "Chiavetta persa" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 100
    assert result.stderr == "anna has other recovery codes now; they are not shown again\n"


def test_nobody_gets_no_recovery_codes(pusterla: Runner) -> None:
    """The nearest name is suggested."""
    pusterla.add_user("anna")
    assert "did you mean 'anna'?" in pusterla.refused("user", "recovery-codes", "ana")
