"""Files of cases, and all that can be wrong with them."""

from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from gateway.config.cases import EXAMPLE, read_cases
from gateway.core.site import Application, Upstream
from policies.cases import Case
from policies.model import AppPolicy, RequestFacts
from policies.papers import Agreement, AgreementVersion, Approval, Papers
from policies.parse import parse_rules
from policies.reading import Problem
from policies.times import Almanac

ROME = ZoneInfo("Europe/Rome")
DESK = 'user = "anna"\napp = "desk"\nat = "2026-11-25 09:00"\nexpect = "deny"\n'
ANNA = 'user = "anna"\napp = "crm"\nexpect = "allow"\n'


VERSIONS = tuple(
    AgreementVersion(version, date(int(version), 1, 1), frozenset({version * 16}))
    for version in ("2025", "2026")
)
SMART = Agreement("smart-working", VERSIONS)
ALMANAC = Almanac(ROME, agreements={SMART.name: SMART})


def application(name: str, **rule: object) -> Application:
    """An application with one rule."""
    problems: list[Problem] = []
    rules = [{"name": "technicians", "effect": "allow", "groups": ["technicians"], **rule}]
    policy = parse_rules(name, rules, "rules", problems, ALMANAC)
    assert isinstance(policy, AppPolicy), problems
    upstreams = (Upstream("127.0.0.1", 9000),)
    return Application(name, f"{name}.example.it", upstreams, policy, name)


PAPERS = {
    "requires": ["approval", "agreement:smart-working"],
    "days": {"per_month": 3, "consecutive": False},
}
APPS = {
    "wiki": application("wiki", hours="08:00-19:00"),
    "crm": application("crm"),
    "desk": application("desk", **PAPERS),
}


def read(folder: Path, text: str) -> tuple[list[Case], list[str]]:
    """Read *text* as the one file of cases."""
    (folder / "tests").mkdir()
    (folder / "tests" / "crm.toml").write_text(text, encoding="utf-8")
    problems: list[Problem] = []
    cases = read_cases(folder, APPS, ROME, problems)
    return cases, list(map(str, problems))


def test_a_site_without_cases_has_no_problem(tmp_path: Path) -> None:
    """The folder need not be there."""
    problems: list[Problem] = []
    assert read_cases(tmp_path, APPS, ROME, problems) == []
    assert problems == []


def test_the_example_can_be_read_as_it_is(tmp_path: Path) -> None:
    """And what each key says is what is in the case."""
    cases, problems = read(tmp_path, EXAMPLE)
    assert problems == []
    assert [case.expect for case in cases] == [
        "allow",
        "outside-hours",
        "deny",
        "days-spent",
        "step-up",
    ]
    assert [case.code_age for case in cases] == [timedelta()] * 4 + [timedelta(minutes=20)]
    assert cases[1].opens == datetime(2026, 11, 25, 8, tzinfo=ROME)
    assert cases[2] == Case(
        place="tests/crm.toml: cases[3]",
        name="administration from the office alone",
        app="wiki",
        user="anna",
        groups=frozenset({"technicians"}),
        device="stick-1",
        issuer="own",
        scope=frozenset({"wiki"}),
        request=RequestFacts("POST", "/admin/users", "203.0.113.9"),
        at=datetime(2026, 11, 24, 9, tzinfo=ROME),
        expect="deny",
    )
    assert cases[3].papers == Papers(
        accepted=frozenset({"2025" * 16, "2026" * 16}),
        approvals=(Approval("desk", date(2026, 11, 23), date(2026, 11, 27)),),
        days={"remote-days": frozenset({date(2026, 11, 24)})},
    )


def test_the_shortest_case_takes_its_groups_from_the_store(tmp_path: Path) -> None:
    """An empty list is somebody who is in no group."""
    none = ANNA + 'groups = []\nname = "x"\npath = "/a/../b%2Dc"\nmethod = "HEAD"\n'
    cases, problems = read(tmp_path, f"[[cases]]\n{ANNA}[[cases]]\n{none}")
    assert problems == []
    assert [(case.name, case.groups, case.at) for case in cases] == [
        ("case 1", None, None),
        ("x", frozenset(), None),
    ]
    assert cases[1].request == RequestFacts("HEAD", "/b-c")


def test_papers_are_what_the_case_says_and_nothing_else(tmp_path: Path) -> None:
    """Days as texts or as TOML's own, one or from one to another; a version by its name."""
    desk = DESK + 'accepted = ["smart-working 2025"]\n'
    desk += 'days_used = [2026-11-02, "2026-11-10/2026-11-11"]\n'
    cases, problems = read(tmp_path, f"[[cases]]\n{desk}[[cases]]\n{DESK}")
    assert problems == []
    assert cases[0].papers.accepted == frozenset({"2025" * 16})
    days = (2, 10, 11)
    assert cases[0].papers.days == {
        "remote-days": frozenset(date(2026, 11, number) for number in days)
    }
    assert cases[1].papers == Papers(days={"remote-days": frozenset()})


@pytest.mark.parametrize(
    "written", ['"2026-11-24 09:00"', "2026-11-24T09:00:00", "2026-11-24 08:00:00Z"]
)
def test_moments_may_be_texts_or_those_of_toml(tmp_path: Path, written: str) -> None:
    """In the site's zone, where they have none."""
    cases, problems = read(tmp_path, f"[[cases]]\n{ANNA}at = {written}")
    assert problems == []
    assert cases[0].at == datetime(2026, 11, 24, 9, tzinfo=ROME)


@pytest.mark.parametrize(
    "text,problem",
    [
        ("", ": cases: missing: a file of cases has one [[cases]] at least"),
        ("[[case]]\nuser = 'anna'", ": case: unknown key; did you mean 'cases'?"),
        (ANNA + "at = 2026-11-24", '[1].at: expected a moment such as "2026-11-24 19:40"'),
        (ANNA + "at = '25:00'", "[1].at: '25:00' is no moment; write \"2026-11-24 19:40\""),
        (ANNA + "at = '2400-01-01 10:00'", "only years from 1970 to 2199"),
        (ANNA + "form = '10.0.0.7'", "[1].form: unknown key; did you mean 'from'?"),
        (ANNA + "from = '10.0.0'", "[1].from: '10.0.0' is no address; write 10.0.0.7"),
        (ANNA + "path = 'admin'", "[1].path: 'admin' is no path that is ever passed on"),
        (ANNA + "method = 'get'", "[1].method: 'get' is no method"),
        (ANNA + "rule = 'tecnicians'", "no rule 'tecnicians'; did you mean 'technicians'?"),
        (ANNA + "certificate_apps = ['wikki']", "'wikki'; did you mean 'wiki'?"),
        (ANNA + "opens = '2026-11-24 08:00'", "[1].opens: belongs to a refusal"),
        (ANNA.replace("crm", "crn"), "[1].app: there is no application 'crn'; did you mean 'crm'?"),
        (
            ANNA.replace("crm", "wiki"),
            "[1].at: missing: rules of 'wiki' ask for times, so say when",
        ),
        (ANNA.replace("allow", "outside-hour"), "did you mean 'outside-hours'?"),
        (ANNA.replace("anna", "Anna"), "[1].user: 'Anna' cannot be a name"),
        (ANNA + 'code_age = "20"\n', "[1].code_age: "),
        (
            ANNA.replace("allow", "step-up") + 'opens = "2026-11-24 09:00"\n',
            '[1].opens: belongs to a refusal, and not to expect = "step-up"',
        ),
        (
            DESK.replace('at = "2026-11-25 09:00"', ""),
            "[1].at: missing: rules of 'desk' ask for times, so say when",
        ),
        (ANNA + "days_used = [2026-11-24]", "[1].days_used: no rule of 'crm' counts days"),
        (ANNA + "approved = [2026-11-24]", "[1].approved: no rule of 'crm' requires an approval"),
        (ANNA + "accepted = ['x']", "no rule of 'crm' requires an agreement 'x'"),
        (DESK + "accepted = ['smart-workin']", "'smart-workin'; did you mean 'smart-working'?"),
        (DESK + "accepted = ['smart-working 2024']", "no version '2024' of 'smart-working'; did"),
        (DESK + "days_used = '2026-11-24'", "[1].days_used: expected a list of days"),
        (DESK + "days_used = [2026-11-24T09:00:00]", "2026-11-24 09:00:00 is no day such as"),
        (DESK + "days_used = ['2026-11-31']", "[1].days_used: 2026-11-31 is no day such as"),
        (DESK + "days_used = [3]", "[1].days_used: 3 is no day such as 2026-11-24"),
        (
            DESK + "approved = ['2026-11-24/2026-11-23']",
            "[1].approved: 2026-11-24/2026-11-23 is no",
        ),
        (DESK + "approved = ['0001-01-01/9999-12-31']", "is longer than a year"),
        (
            f"name = 'a'\n{ANNA}[[cases]]\nname = 'a'\n{ANNA}",
            "cases[2].name: 'a' is already the name of the case at tests/crm.toml: cases[1]",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, text: str, problem: str) -> None:
    """And with what was meant."""
    head = "" if text.startswith("[[") or not text else "[[cases]]\n"
    cases, problems = read(tmp_path, head + text)
    assert any(problem in one for one in problems), problems
    assert all(one.startswith("tests/crm.toml: ") for one in problems)
    assert len(cases) == (1 if "'a'" in problem else 0)


def test_a_place_that_is_no_folder_is_a_problem(tmp_path: Path) -> None:
    """Cases that cannot be read are not cases that hold."""
    (tmp_path / "tests").write_text("")
    problems: list[Problem] = []
    assert read_cases(tmp_path, APPS, ROME, problems) == []
    assert [str(one) for one in problems] == ["tests: cannot be read: Not a directory"]
