"""Several certificates at once; one is in test_cert."""

import os
import pty
import subprocess
import sys

import pytest

from tests.gateway.cli.runner import Runner

REASON = ("--reason", "cessationOfOperation")


@pytest.fixture
def people(pusterla: Runner) -> dict[str, str]:
    """Anna with two sticks and Bruno with one are guests, Carla is not; serials by stick."""
    pusterla.add_user("anna", "guests")
    pusterla.add_user("bruno", "guests", "staff")
    pusterla.add_user("carla", "staff")
    sticks = (("anna", "a-1"), ("anna", "a-2"), ("bruno", "b-1"), ("carla", "c-1"))
    return {device: pusterla.issue(user, device)["serial"] for user, device in sticks}


def valid(pusterla: Runner) -> set[str]:
    """Return the devices whose certificates are valid."""
    return {one["device"] for one in pusterla.json("cert", "list") if one["state"] == "valid"}


def revoked(pusterla: Runner, *words: str) -> set[str]:
    """Revoke without a question, and return the devices."""
    answer = pusterla.json("cert", "revoke", *words, *REASON, "--yes")
    assert answer["crl_published"] is True
    return {one["device"] for one in answer["revoked"]}


@pytest.mark.usefixtures("people")
class TestSelection:
    def test_a_group_is_those_who_are_in_it(self, pusterla: Runner) -> None:
        """And nobody else; once more there is nothing left."""
        assert revoked(pusterla, "--group", "guests") == {"a-1", "a-2", "b-1"}
        assert valid(pusterla) == {"c-1"}
        assert revoked(pusterla, "--group", "guests") == set()
        assert pusterla.json("crl", "show")[0]["entries"] == 3

    def test_criteria_are_joined_by_and(self, pusterla: Runner) -> None:
        """Person, group, issuing CA and date."""
        both = ("--user", "bruno", "--group", "staff")
        assert revoked(pusterla, *both, "--issuer", "issuing-1") == {"b-1"}
        assert revoked(pusterla, "--user", "carla", "--group", "guests") == set()

    def test_a_day_does_not_count_itself(self, pusterla: Runner) -> None:
        """Before the first certificate there is none, before the next century are all."""
        assert revoked(pusterla, "--issued-before", "2020-01-01") == set()
        day = ("--issued-before", "2099-12-31 08:30")
        assert revoked(pusterla, *day, "--issuer", "issuing-1") == {"a-1", "a-2", "b-1", "c-1"}

    def test_what_is_not_there_is_refused_with_the_nearest(self, pusterla: Runner) -> None:
        """User, group, issuing CA."""
        for words, hint in (
            (("--group", "gests"), "no group 'gests'; did you mean 'guests'?"),
            (("--user", "ana", "--group", "staff"), "did you mean 'anna'?"),
            (("--user", "anna", "--issuer", "issuing-9"), "did you mean 'issuing-1'?"),
        ):
            assert hint in pusterla.refused("cert", "revoke", *words, *REASON, "--yes")
        for wrong in (["--issuer", "issuing-1"], ["--serial", "1", "--group", "staff"]):
            assert pusterla.run("cert", "revoke", *wrong, *REASON).exit_code == 2


class TestQuestion:
    @pytest.mark.parametrize("words", [("--user", "anna"), ("--group", "guests")])
    def test_without_a_terminal_several_need_a_yes(
        self, pusterla: Runner, people: dict[str, str], words: tuple[str, str]
    ) -> None:
        """The refusal counts them and names the people; nothing is revoked."""
        reason = pusterla.refused("cert", "revoke", *words, *REASON)
        count = {"anna": "2 certificates of 1 person (anna)"}.get(
            words[1], "3 certificates of 2 people (anna, bruno)"
        )
        assert reason.startswith(count)
        assert "--yes" in reason
        assert len(valid(pusterla)) == len(people)

    @pytest.mark.parametrize("answer, left", [("n", 4), ("y", 1)])
    def test_at_a_terminal_it_is_asked(
        self, pusterla: Runner, people: dict[str, str], answer: str, left: int
    ) -> None:
        """With the count; whoever does not say yes has done nothing."""
        assert len(people) == 4
        terminal, other_end = pty.openpty()
        os.write(terminal, f"{answer}\n".encode())
        script = "from gateway.cli import main; main()"
        site = ("--site", str(pusterla.site))
        asked = subprocess.run(
            [sys.executable, "-c", script, *site, "cert", "revoke", "--group", "guests", *REASON],
            stdin=other_end,
            capture_output=True,
            check=False,
            text=True,
        )
        os.close(terminal)
        os.close(other_end)
        assert "3 certificates of 2 people (anna, bruno) fit group=guests. Revoke" in asked.stderr
        assert asked.returncode == (0 if answer == "y" else 1)
        assert len(valid(pusterla)) == left

    def test_one_device_needs_none(self, pusterla: Runner, people: dict[str, str]) -> None:
        """A lost stick is revoked at once, as is somebody's only one."""
        assert people
        pusterla.done("cert", "revoke", "--user", "anna", "--device", "a-1", *REASON)
        pusterla.done("cert", "revoke", "--user", "carla", *REASON)
        assert valid(pusterla) == {"a-2", "b-1"}

    def test_to_try_it_shows_whom_and_does_nothing(
        self, pusterla: Runner, people: dict[str, str]
    ) -> None:
        """With and without JSON; nothing is written to the audit log either."""
        words = ("cert", "revoke", "--group", "guests", *REASON, "--dry-run")
        shown = {one["device"] for one in pusterla.json(*words)["would_revoke"]}
        assert shown == {"a-1", "a-2", "b-1"}
        assert people["b-1"] in pusterla.done(*words).stdout
        one = ("cert", "revoke", "--serial", people["c-1"], *REASON, "--dry-run")
        assert people["c-1"] in pusterla.done(*one).stdout
        assert len(valid(pusterla)) == 4
        assert pusterla.audit("bulk-revocation") == pusterla.audit("certificate-revoked") == []


def test_what_was_done_is_in_the_audit_log(pusterla: Runner, people: dict[str, str]) -> None:
    """Each certificate, and before and behind them what they were part of."""
    revoked(pusterla, "--group", "guests")
    begun, finished = (line["detail"] for line in pusterla.audit("bulk-revocation"))
    assert begun["wanted"] == "group=guests"
    assert (begun["stage"], finished["stage"], finished["certificates"]) == (
        "begun",
        "finished",
        "3",
    )
    assert {line["serial"] for line in pusterla.audit("certificate-revoked")} == {
        people[device] for device in ("a-1", "a-2", "b-1")
    }
