import re
from datetime import UTC, datetime, timedelta

import pytest

from tests.gateway.cli.runner import PASSWORD, Runner

TICKET = r"[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}"


def days_until(text: str) -> float:
    """Return how many days there are until a moment, as JSON has it."""
    return (datetime.fromisoformat(text) - datetime.now(UTC)) / timedelta(days=1)


def test_somebody_is_added_with_a_ticket_and_no_password(pusterla: Runner) -> None:
    """The answer is the ticket, its end and where it is used; it is good for a week."""
    answer = pusterla.json("user", "add", "anna", "--group", "technicians", "--ticket")
    assert re.fullmatch(TICKET, answer["ticket"])
    assert 6.9 < days_until(answer["ticket_ends_at"]) <= 7
    assert answer["address"] == "https://pusterla.localhost:8443"
    assert answer["replaces_credentials"] is False
    shown = pusterla.json("user", "show", "anna")
    assert shown["password_set"] is False
    assert shown["ticket_ends_at"] == answer["ticket_ends_at"]
    assert shown["groups"] == ["technicians"]
    assert "no password yet, ticket until 20" in pusterla.done("user", "show", "anna").stdout
    (line,) = pusterla.audit("ticket-made")
    assert line["user"] == "anna"
    assert line["detail"]["by"].startswith("command:")
    assert answer["ticket"] not in pusterla.done("audit", "tail", "-n", "100", "--json").stdout


def test_people_read_the_ticket_on_stdout_and_the_rest_on_stderr(pusterla: Runner) -> None:
    """So that it can be handed on alone."""
    result = pusterla.done("user", "add", "anna", "--ticket")
    assert re.fullmatch(TICKET + "\n", result.stdout)
    assert result.stderr.startswith("anna added\ngood once, until 20")
    assert "https://pusterla.localhost:8443 with a certificate of anna" in result.stderr
    assert "replaces" not in result.stderr


def test_a_later_ticket_says_what_it_will_replace(pusterla: Runner) -> None:
    """And what is there stays until it is used."""
    pusterla.add_user("anna")
    result = pusterla.done("user", "ticket", "anna")
    assert "it replaces password, authenticator and recovery codes" in result.stderr
    shown = pusterla.done("user", "show", "anna").stdout
    assert "password and authenticator, ticket until 20" in shown
    first = pusterla.json("user", "ticket", "anna")
    second = pusterla.json("user", "ticket", "anna")
    assert first["replaces_credentials"] is True
    assert first["ticket"] != second["ticket"]


def test_the_lifetime_is_the_settings_unless_it_is_said(pusterla: Runner) -> None:
    """[sign_in] ticket_lifetime, or --lifetime."""
    settings = pusterla.site / "pusterla.toml"
    text = settings.read_text().replace('# ticket_lifetime = "7d"', 'ticket_lifetime = "2d"')
    settings.write_text(text)
    pusterla.done("user", "add", "anna", "--ticket")
    assert 1.9 < days_until(pusterla.json("user", "ticket", "anna")["ticket_ends_at"]) <= 2
    told = pusterla.json("user", "ticket", "anna", "--lifetime", "20d")
    assert 19.9 < days_until(told["ticket_ends_at"]) <= 20
    added = pusterla.json("user", "add", "bruno", "--ticket", "--lifetime", "12h")
    assert 0.4 < days_until(added["ticket_ends_at"]) <= 0.5


@pytest.mark.parametrize("lifetime", ["9m", "91d", "soon"])
def test_a_lifetime_that_none_may_have_is_refused(pusterla: Runner, lifetime: str) -> None:
    """Too short to be handed over, so long that it is forgotten, or no time at all."""
    reason = pusterla.refused("user", "add", "anna", "--ticket", "--lifetime", lifetime)
    assert "10m to 90d" in reason or "expected a duration" in reason
    assert pusterla.json("user", "list") == []


def test_a_ticket_can_be_withdrawn(pusterla: Runner) -> None:
    """The one that was sent to the wrong person."""
    pusterla.done("user", "add", "anna", "--ticket")
    assert pusterla.json("user", "ticket", "anna", "--withdraw") == {
        "user": "anna",
        "withdrawn": True,
    }
    assert "anna had no ticket" in pusterla.done("user", "ticket", "anna", "--withdraw").stdout
    shown = pusterla.done("user", "show", "anna").stdout
    assert "no password yet; `pusterla user ticket` makes a ticket" in shown
    assert len(pusterla.audit("ticket-withdrawn")) == 1


@pytest.mark.parametrize(
    "words",
    [
        ("add", "anna", "--ticket", "--password-stdin"),
        ("add", "anna", "--lifetime", "1d", "--password-stdin"),
        ("ticket", "anna", "--withdraw", "--lifetime", "1d"),
    ],
)
def test_what_does_not_go_together_is_wrong_usage(pusterla: Runner, words: tuple[str, ...]) -> None:
    """A password with a ticket, a lifetime without one."""
    assert pusterla.run("user", *words, stdin=PASSWORD).exit_code == 2


def test_what_is_wrong_with_somebody_is_told_with_a_ticket_too(pusterla: Runner) -> None:
    """As without."""
    assert "'Anna' cannot be a name" in pusterla.refused("user", "add", "Anna", "--ticket")


def test_nobody_gets_no_ticket(pusterla: Runner) -> None:
    """The nearest name is suggested."""
    pusterla.add_user("anna")
    assert "did you mean 'anna'?" in pusterla.refused("user", "ticket", "ana")
    assert "did you mean 'anna'?" in pusterla.refused("user", "ticket", "ana", "--withdraw")


def test_a_password_by_the_command_needs_an_authenticator_too(pusterla: Runner) -> None:
    """Half of what a sign-in takes is no sign-in."""
    pusterla.done("user", "add", "anna", "--ticket")
    pusterla.done("user", "passwd", "anna", "--password-stdin", stdin=PASSWORD)
    assert pusterla.json("user", "show", "anna")["password_set"] is False
    pusterla.done("user", "totp-reset", "anna")
    assert pusterla.json("user", "show", "anna")["password_set"] is True
