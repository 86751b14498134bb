from tests.gateway.cli.runner import Runner


def test_people_are_listed(pusterla: Runner) -> None:
    """In columns for people, and as JSON."""
    pusterla.add_user("bruno")
    pusterla.add_user("anna", "technicians")
    pusterla.done("user", "disable", "bruno")
    lines = pusterla.done("user", "list").stdout.splitlines()
    assert lines[0].split() == ["USER", "NAME", "EMAIL", "GROUPS", "STATE"]
    assert lines[1].split() == ["anna", "anna", "-", "technicians", "enabled"]
    assert lines[2].split() == ["bruno", "bruno", "-", "-", "disabled"]
    assert [each["user"] for each in pusterla.json("user", "list")] == ["anna", "bruno"]


def test_an_empty_list_says_what_to_do(pusterla: Runner) -> None:
    """On stderr: there is nothing on stdout, and JSON is an empty list."""
    result = pusterla.done("user", "list")
    assert result.stdout == ""
    assert "pusterla user add" in result.stderr
    assert pusterla.json("user", "list") == []


def test_a_person_is_shown_with_certificates(pusterla: Runner) -> None:
    """What belongs to them, in words and as JSON."""
    pusterla.add_user()
    serial = pusterla.issue()["serial"]
    result = pusterla.done("user", "show", "anna")
    assert serial in result.stdout
    assert "not signed in" in result.stderr
    assert pusterla.json("user", "show", "anna")["certificates"][0]["serial"] == serial
