"""pusterla policy diff: two folders of rules, for the people of a site and by its requests."""

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.cli.runner import Runner
from tests.gateway.cli.test_foreign import BERTAS, GOOD, show_too

RULES = """
[[rules]]
name = "technicians"
effect = "allow"
groups = ["technicians"]
"""
ADMIN = """
[[rules]]
name = "administration"
effect = "deny"
users = ["anna"]
paths = ["/admin/**"]
"""
PAYROLL = """
[[rules]]
name = "payroll"
effect = "step-up"
everybody = true
paths = ["/payroll/**"]
totp_within = "10m"
"""


@pytest.fixture
def office(pusterla: Runner) -> Runner:
    """A site with Anna, who may, Bruno, who may not, and Carla, who has no certificate."""
    pusterla.add_user("anna", "technicians")
    pusterla.add_user("bruno", "sales")
    pusterla.add_user("carla", "technicians")
    pusterla.issue("anna")
    pusterla.issue("bruno")
    pusterla.add_app("wiki")
    file = pusterla.site / "apps" / "wiki.toml"
    file.write_text(file.read_text(encoding="utf-8") + RULES, encoding="utf-8")
    return pusterla


@pytest.fixture
def other(office: Runner, tmp_path: Path) -> Path:
    """The files of the site once more, to be changed; without anything that is secret."""
    folder = tmp_path / "next"
    folder.mkdir()
    shutil.copy(office.site / "pusterla.toml", folder)
    shutil.copytree(office.site / "apps", folder / "apps")
    return folder


def change(folder: Path, old: str, new: str) -> None:
    """Change the rules of the wiki in *folder*."""
    file = folder / "apps" / "wiki.toml"
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def log(office: Runner, serial: str, *targets: str, **more: Any) -> None:
    """Write down requests as the edge does."""
    now = datetime.now(UTC) - timedelta(minutes=5)
    fields: dict[str, Any] = {
        "time": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "id": "x",
        "status": 200,
        "reason": "",
        "method": "GET",
        "target": "/",
        "upstream": "http://127.0.0.1:9000",
        "address": "192.0.2.7",
        "user": "anna",
        "serial": serial,
        "device": "stick-1",
        "app": "wiki",
        "rule": "technicians",
        "observed": "",
        "host": "wiki.pusterla.localhost",
        "tls": "TLSv1.3",
        "user_agent": "",
        "received": 0,
        "sent": 0,
        "first_ms": 1.0,
        "total_ms": 1.0,
    }
    place = office.site / "log" / "access.jsonl"
    place.parent.mkdir(exist_ok=True)
    with place.open("a", encoding="utf-8") as file:
        for target in targets:
            line = json.dumps({**fields, "target": target, **more}, separators=(",", ":"))
            file.write(line + "\n")


def test_no_longer_time_is_asked_about_than_can_be_told(office: Runner) -> None:
    """Two thousand years ago there was no calendar to tell it by."""
    words = ("policy", "diff", str(office.site), str(office.site), "--last")
    result = office.run(*words, "999999d")
    assert result.exit_code == 2
    assert "999999d is too long: at most 36500d" in result.stderr
    assert office.done(*words, "36500d").exit_code == 0


def test_the_same_rules_change_nothing(office: Runner, other: Path) -> None:
    """For nobody."""
    answer = office.done("policy", "diff", str(office.site), str(other))
    assert answer.stdout == "nobody gains or loses anything\n"


def test_what_a_code_is_asked_for_is_told(office: Runner, other: Path) -> None:
    """By rules as a change for people; of sessions beside it. Requests of the past are told too."""
    serial = office.json("cert", "list")[0]["serial"]
    log(office, serial, "/", "/payroll")
    file = other / "apps" / "wiki.toml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("[session]\n", '[session]\nlifetime = "8h"\n') + PAYROLL)
    result = office.done("policy", "diff", str(office.site), str(other), "--last", "1d")
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines[1] == "wiki anna (stick-1) code sooner /payroll/** always"
    assert lines[5].startswith("anna (stick-1) wiki GET /payroll allow step-up 1 ")
    assert "wiki will ask of sessions: password and code every 8h; before: nothing" in result.stderr
    facts = office.json("policy", "diff", str(other), str(office.site))
    assert [one["change"] for one in facts["changes"]] == ["code later"]


def test_who_gains_and_who_loses_is_told(office: Runner, other: Path) -> None:
    """Those who have a certificate; by application, in words."""
    change(other, '["technicians"]', '["sales"]')
    text = office.done("policy", "diff", str(office.site), str(other)).stdout
    assert [" ".join(line.split()) for line in text.splitlines()] == [
        "APP WHO CHANGE WHAT WHEN",
        "wiki anna (stick-1) loses everything always",
        "wiki bruno (stick-1) gains everything always",
    ]
    answer = office.json("policy", "diff", str(other), str(office.site))
    assert answer["changes"][0] == {
        "app": "wiki",
        "who": [{"user": "anna", "device": "stick-1"}],
        "change": "gains",
        "what": "everything",
        "when": "always",
    }


def test_an_application_that_goes_is_lost(office: Runner, other: Path) -> None:
    """And one that comes is gained."""
    (other / "apps" / "wiki.toml").unlink()
    assert "loses" in office.done("policy", "diff", str(office.site), str(other)).stdout
    assert "gains" in office.done("policy", "diff", str(other), str(office.site)).stdout


def test_requests_of_the_last_days_are_decided_again(office: Runner, other: Path) -> None:
    """Those that rules have decided, by both; the rest says nothing of rules."""
    serial = office.json("cert", "list", "--user", "anna")[0]["serial"]
    change(other, RULES, RULES + ADMIN)
    log(office, serial, "/", "/admin/x?a=1", "/admin/x", "/%61dmin/x")
    log(office, serial, "/admin/x", reason="session-required", rule="", status=302)
    log(office, serial, "/admin/x", time="2020-01-01T00:00:00.000Z")
    words = ("policy", "diff", str(office.site), str(other), "--last", "7d")
    lines = [" ".join(line.split()) for line in office.done(*words).stdout.splitlines()]
    assert "wiki anna (stick-1) loses /admin/** always" in lines
    assert "of 4 requests that rules decided 3 would be decided otherwise" in lines
    assert any(
        line.startswith("anna (stick-1) wiki GET /admin/x allow rule-denies 3 ") for line in lines
    )
    answer = office.json(*words)
    assert (answer["looked_at"], answer["otherwise"][0]["count"]) == (4, 3)
    nothing = office.done("policy", "diff", str(other), str(other), "--last", "7d").stdout
    assert "of 4 requests that rules decided 0 would be decided otherwise" in nothing


def test_a_log_that_does_not_say_it_all_is_told(office: Runner, other: Path) -> None:
    """So that nobody takes silence for an answer."""
    words = ("policy", "diff", str(office.site), str(other), "--last", "7d")
    assert "there is no line in the access log of this node" in office.done(*words).stderr
    log(office, "1", "/")
    assert "the access log of this node reaches back to" in office.done(*words).stderr
    settings = office.site / "pusterla.toml"
    text = settings.read_text(encoding="utf-8")
    assert '# access = "log/access.jsonl"' in text
    settings.write_text(text.replace('# access = "log/access.jsonl"', 'access = "off"'))
    assert "there is no access log" in office.done(*words).stderr


def test_what_could_not_be_compared_is_not_called_the_same(office: Runner, other: Path) -> None:
    """It is named where the answer is looked for, beside what could be compared."""
    office.add_app("crm")
    shutil.copy(office.site / "apps" / "crm.toml", other / "apps")
    paths = ", ".join(f'"/{number}"' for number in range(600))
    change(other, RULES, f"{RULES}paths = [{paths}]\n")
    words = ("policy", "diff", str(office.site), str(other))
    [line] = office.done(*words).stdout.splitlines()
    assert line.startswith("not compared: the rules of 'wiki' tell 601 kinds of requests of 'anna'")
    file = other / "apps" / "crm.toml"
    file.write_text(file.read_text(encoding="utf-8") + RULES, encoding="utf-8")
    assert "anna (stick-1)  gains" in office.done(*words).stdout
    answer = office.json(*words)
    assert answer["not_compared"] == [{"app": "wiki", "user": "anna", "kinds": 601}]
    assert ([one["app"] for one in answer["changes"]], answer["notes"]) == (["crm"], [])


def test_a_folder_with_mistakes_is_not_compared(office: Runner, other: Path) -> None:
    """It is named, with all that is wrong."""
    change(other, '"allow"', '"allow-"')
    reason = office.refused("policy", "diff", str(office.site), str(other))
    assert reason.startswith(f"the files in {other} have problems:\n")
    assert "did you mean 'allow'?" in reason


def test_serials_of_other_cas_are_told_apart(office: Runner, other: Path) -> None:
    """Two may have given the same one: each request is decided as that of whoever made it."""
    office.add_user("berta", "technicians")
    annas = replace(GOOD, serial="1")
    show_too(office, annas, BERTAS)
    change(other, RULES, RULES + ADMIN)
    words = ("policy", "diff", str(office.site), str(other), "--last", "7d")
    log(office, "1", "/admin/x", user="berta", device="cards")
    answer = office.json(*words)
    assert (answer["looked_at"], answer["otherwise"]) == (1, [])
    log(office, "1", "/admin/x", user="anna", device="office")
    answer = office.json(*words)
    [one] = answer["otherwise"]
    assert (answer["looked_at"], one["user"], one["device"]) == (2, "anna", "office")
