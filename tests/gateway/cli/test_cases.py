"""pusterla policy test, on a site and on the bare files of one."""

import json
import shutil
from pathlib import Path

import pytest

from tests.gateway.cli.runner import Runner

RULES = """
[[rules]]
name = "technicians"
effect = "allow"
groups = ["technicians"]
hours = "08:00-19:00"

[[rules]]
name = "administration"
effect = "deny"
everybody = true
paths = ["/admin/**"]
"""
AT_HOME = """
[[rules]]
name = "at home"
effect = "allow"
groups = ["technicians"]
requires = ["approval", "agreement:smart-working"]
days = { per_month = 3, consecutive = false }
"""
AGREEMENT = """
[title]
en = "Work at home"

[[versions]]
version = "2026-1"
due = 2026-01-01
[versions.texts]
en = "1.en.md"
"""
HOLDS = """
[[cases]]
user = "anna"
app = "wiki"
at = "2026-11-24 09:00"
expect = "allow"

[[cases]]
user = "bruno"
groups = ["technicians"]
app = "wiki"
at = "2026-11-24 19:40"
expect = "outside-hours"
opens = "2026-11-25 08:00"
"""
PAYROLL = """
[[rules]]
name = "payroll"
effect = "step-up"
everybody = true
paths = ["/payroll/**"]
totp_within = "10m"
"""
FAILS = """
[[cases]]
name = "administration is open"
user = "anna"
app = "wiki"
at = "2026-11-24 09:00"
path = "/admin/x"
expect = "allow"
"""


@pytest.fixture
def office(pusterla: Runner) -> Runner:
    """A site with Anna, and rules for one application."""
    pusterla.add_user("anna", "technicians")
    pusterla.add_app("wiki")
    file = pusterla.site / "apps" / "wiki.toml"
    file.write_text(file.read_text(encoding="utf-8") + RULES, encoding="utf-8")
    return pusterla


def write(site: Path, text: str, name: str = "wiki") -> None:
    """Write a file of cases."""
    (site / "tests").mkdir(exist_ok=True)
    (site / "tests" / f"{name}.toml").write_text(text, encoding="utf-8")


def test_cases_that_hold_are_counted(office: Runner) -> None:
    """Of all files; somebody who is not there yet is judged by the groups that are given."""
    write(office.site, HOLDS)
    write(office.site, HOLDS, "more")
    assert office.done("policy", "test").stdout == "4 cases, all as expected\n"
    answer = office.json("policy", "test")
    assert answer["problems"] == []
    assert answer["cases"][1] == {
        "place": "tests/more.toml: cases[2]",
        "name": "case 2",
        "passed": True,
        "expected": {
            "answer": "outside-hours",
            "rule": None,
            "opens": "2026-11-25T08:00:00Z",
        },
        "found": {
            "answer": "outside-hours",
            "rule": "technicians",
            "opens": "2026-11-25T08:00:00Z",
        },
        "message": "",
    }


def test_a_case_that_does_not_hold_is_told_with_its_place(office: Runner) -> None:
    """With status 1, and in JSON too."""
    write(office.site, HOLDS + FAILS)
    result = office.run("policy", "test")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "tests/wiki.toml: cases[3]: 'administration is open': "
        "expected allow, found rule-denies by rule 'administration'\n"
        "1 of 3 cases ended otherwise\n"
    )
    result = office.run("policy", "test", "--json")
    assert result.exit_code == 1
    assert [each["passed"] for each in json.loads(result.stdout)["cases"]] == [True, True, False]


def test_a_check_of_the_rules_judges_the_cases_too(office: Runner) -> None:
    """A case that does not hold is a problem."""
    write(office.site, HOLDS)
    assert office.done("policy", "check").stdout == "no problems: 2 rules of 1 application\n"
    write(office.site, FAILS)
    result = office.run("policy", "check")
    assert result.exit_code == 1
    assert "tests/wiki.toml: cases[1]: 'administration is open': expected allow" in result.stderr
    [problem] = json.loads(office.run("policy", "check", "--json").stdout)["problems"]
    assert problem["place"] == "tests/wiki.toml: cases[1]"


def test_files_of_a_site_without_its_store_are_enough(office: Runner, tmp_path: Path) -> None:
    """So that whoever keeps rules under version control can judge them there."""
    bare = tmp_path / "bare"
    bare.mkdir()
    shutil.copy(office.site / "pusterla.toml", bare)
    shutil.copytree(office.site / "apps", bare / "apps")
    runner = Runner(bare)
    write(bare, HOLDS.replace('user = "anna"', 'user = "anna"\ngroups = ["technicians"]'))
    assert runner.done("policy", "test").stdout == "2 cases, all as expected\n"
    write(bare, HOLDS)
    result = runner.run("policy", "test")
    assert result.exit_code == 1
    assert result.stderr == (
        "tests/wiki.toml: cases[1]: groups: missing, and there is no store here to look them up in\n"
    )


def test_somebody_whom_nobody_knows_is_a_problem(office: Runner) -> None:
    """Not a case that ends in a refusal, as it may be expected to."""
    write(office.site, HOLDS.replace("anna", "ana").replace('"allow"', '"deny"'))
    result = office.run("policy", "test")
    assert result.exit_code == 1
    assert result.stderr == (
        "tests/wiki.toml: cases[1]: user: there is no 'ana'; did you mean 'anna'?; "
        "for somebody who is to come give groups\n"
    )


def test_no_cases_are_no_success(office: Runner) -> None:
    """What is not there cannot hold; and a folder may have been renamed."""
    result = office.run("policy", "test")
    assert result.exit_code == 1
    assert "no cases: write tests/NAME.toml" in result.stderr
    assert office.done("policy", "check").stdout.startswith("no problems")


def test_rules_that_cannot_be_read_are_told_instead(office: Runner) -> None:
    """As by a check."""
    file = office.site / "apps" / "wiki.toml"
    file.write_text(file.read_text(encoding="utf-8").replace("technicians", ""), encoding="utf-8")
    write(office.site, HOLDS)
    result = office.run("policy", "test")
    assert result.exit_code == 1
    assert "apps/wiki.toml: rules[1].name: expected text, found an empty text" in result.stderr


def test_the_example_is_a_file_of_cases(office: Runner) -> None:
    """It can be saved and judged as it is."""
    office.add_app("desk")
    file = office.site / "apps" / "desk.toml"
    file.write_text(file.read_text(encoding="utf-8") + AT_HOME, encoding="utf-8")
    agreements = office.site / "agreements"
    (agreements / "smart-working").mkdir(parents=True)
    (agreements / "smart-working.toml").write_text(AGREEMENT, encoding="utf-8")
    (agreements / "smart-working" / "1.en.md").write_text("# At home\n", encoding="utf-8")
    write(office.site, office.done("policy", "test", "--example").stdout)
    with (office.site / "apps" / "wiki.toml").open("a", encoding="utf-8") as wiki:
        wiki.write(PAYROLL)
    assert office.done("policy", "test").stdout == "5 cases, all as expected\n"
