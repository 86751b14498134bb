"""Several certificates at once; one is in test_cert."""

import asyncio
import os
import pty
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from cryptography import x509

from gateway.bootstrap.command import open_command
from gateway.bootstrap.folder import locate
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


async def newest_list(pusterla: Runner) -> bytes:
    """Return the revocation list as everybody fetches it."""
    async with open_command(locate(pusterla.site)) as command:
        found = await command.store.latest_crl("issuing-1")
    assert found is not None
    assert found.der is not None
    return found.der


class TestKeys:
    @pytest.fixture
    def twins(self, pusterla: Runner, tmp_path: Path) -> tuple[str, str]:
        """Two certificates of one key: the second renews the first; beside them one of another."""
        pusterla.add_user("anna", "guests")
        pusterla.issue("anna", "other")
        csr, out = tmp_path / "stick.csr", ("--out", str(tmp_path / "first.pem"))
        openssl = ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        words = ["-nodes", "-keyout", str(tmp_path / "key"), "-subj", "/CN=me", "-out", str(csr)]
        subprocess.run([*openssl, *words], check=True, capture_output=True)
        of = ("anna", "--device", "stick", "--csr", str(csr))
        first = pusterla.json("cert", "issue", *of, *out)
        second = pusterla.json("cert", "renew", *of, "--out", str(tmp_path / "second.pem"))
        return first["serial"], second["serial"]

    def reasons(self, pusterla: Runner) -> dict[str, str | None]:
        """Return why each certificate is revoked."""
        return {one["serial"]: one["reason"] for one in pusterla.json("cert", "list")}

    @pytest.mark.parametrize("which", [0, 1])
    def test_a_stolen_key_takes_all_its_certificates_with_it(
        self, pusterla: Runner, twins: tuple[str, str], which: int
    ) -> None:
        """Whichever of them is named; a look before shows both. A list says so at once."""
        named = ("--serial", twins[which], "--reason", "keyCompromise")
        shown = pusterla.json("cert", "revoke", *named, "--dry-run")["would_revoke"]
        assert {one["serial"] for one in shown} == {*twins}
        answer = pusterla.json("cert", "revoke", *named)
        assert {one["serial"] for one in answer["revoked"]} == {*twins}
        assert valid(pusterla) == {"other"}
        assert pusterla.json("crl", "show")[0]["entries"] == 2
        assert len(pusterla.audit("certificate-revoked")) == 2

    def test_other_reasons_say_nothing_of_the_key(
        self, pusterla: Runner, twins: tuple[str, str]
    ) -> None:
        """The renewal goes on."""
        pusterla.json("cert", "revoke", "--serial", twins[0], "--reason", "superseded")
        assert self.reasons(pusterla)[twins[1]] is None

    def test_that_a_key_is_stolen_may_be_learnt_later(
        self, pusterla: Runner, twins: tuple[str, str]
    ) -> None:
        """The reason becomes that one, in the next list too, with the date of before; and stays."""
        pusterla.json("cert", "revoke", "--serial", twins[0], "--reason", "superseded")
        before = pusterla.json("cert", "show", twins[0])
        numbers = [pusterla.json("crl", "show")[0]["number"]]
        pusterla.json("cert", "revoke", "--serial", twins[0], "--reason", "keyCompromise")
        numbers.append(pusterla.json("crl", "show")[0]["number"])
        after = pusterla.json("cert", "show", twins[0])
        assert (after["reason"], after["revoked_at"]) == ("keyCompromise", before["revoked_at"])
        assert self.reasons(pusterla)[twins[1]] == "keyCompromise"
        for reason in ("keyCompromise", "superseded"):
            again = pusterla.json("cert", "revoke", "--serial", twins[0], "--reason", reason)
            assert (again["revoked"], again["already"][0]["reason"]) == ([], "keyCompromise")
            numbers.append(pusterla.json("crl", "show")[0]["number"])
        assert numbers[0] < numbers[1] == numbers[2] == numbers[3]
        assert self.listed(pusterla) == {x509.ReasonFlags.key_compromise: 2}

    def listed(self, pusterla: Runner) -> Counter[x509.ReasonFlags]:
        """Count the reasons in the revocation list."""
        entries = x509.load_der_x509_crl(asyncio.run(newest_list(pusterla)))
        return Counter(
            one.extensions.get_extension_for_class(x509.CRLReason).value.reason for one in entries
        )
