import csv
import io
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.gateway.cli.runner import Runner
from tests.gateway.cli.test_foreign import GOOD, show_too

OFFICE = """
[[rules]]
name = "technicians"
effect = "allow"
groups = ["technicians"]
hours = "08:00-19:00"
weekdays = "mon-fri"

[[rules]]
name = "admin"
effect = "deny"
everybody = true
paths = ["/admin/**"]
"""
STEP_UP = """
[[rules]]
name = "payroll"
effect = "step-up"
everybody = true
paths = ["/payroll/**"]
totp_within = "10m"
"""
ROME = ZoneInfo("Europe/Rome")
TODAY = datetime.now(ROME).date()
DAY = TODAY + timedelta(days=(1 - TODAY.weekday()) % 7 or 7)
"""A Tuesday to come: certificates that are issued now are good then."""
NEXT = DAY + timedelta(days=1)
TUESDAY = ("--at", f"{DAY} 09:00")
EVENING = ("--at", f"{DAY} 19:40")


def utc(day: date, hour: int) -> str:
    """Write an hour in Rome as programs read it."""
    moment = datetime(day.year, day.month, day.day, hour, tzinfo=ROME).astimezone(UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


@pytest.fixture
def office(pusterla: Runner) -> Runner:
    """A site with Anna, who may, and Bruno, who may not."""
    pusterla.add_user("anna", "technicians")
    pusterla.add_user("bruno", "sales")
    pusterla.issue("anna")
    pusterla.issue("bruno")
    settings = pusterla.site / "pusterla.toml"
    text = settings.read_text(encoding="utf-8")
    assert '# time_zone = "UTC"' in text
    settings.write_text(text.replace('# time_zone = "UTC"', 'time_zone = "Europe/Rome"'))
    pusterla.add_app("wiki")
    rules(pusterla, OFFICE)
    return pusterla


def rules(pusterla: Runner, text: str, app: str = "wiki") -> None:
    """Let *app* have the rules in *text*."""
    file = pusterla.site / "apps" / f"{app}.toml"
    head = file.read_text(encoding="utf-8").partition("# Who may reach it.")[0]
    file.write_text(f"{head}# Who may reach it.\n{text}", encoding="utf-8")


# check ----------------------------------------------------------------------


def test_rules_without_a_fault_are_counted(office: Runner) -> None:
    """And nothing is strange about them."""
    assert office.done("policy", "check").stdout == ("no problems: 2 rules of 1 application\n")
    assert office.json("policy", "check") == {"problems": [], "warnings": []}


def test_all_problems_of_all_files_are_told_at_once(office: Runner) -> None:
    """With place, and with what was meant."""
    office.add_app("crm")
    rules(
        office,
        "[[rules]]\neffect = 'alow'\ngroups = []\nhours = '25:00-26:00'\nweekday = 'mon'",
    )
    rules(office, "[[rules]]\neffect = 'allow'\nusers = ['anna']\nexcept_holidays = ['itt']", "crm")
    result = office.run("policy", "check")
    assert (result.exit_code, result.stdout) == (1, "")
    for line in (
        "apps/wiki.toml: rules[1].effect: expected one of 'allow', 'deny', 'observe', 'step-up', found 'alow'; did you mean 'allow'?",
        "apps/wiki.toml: rules[1].groups: an empty list: name at least one, or leave the key out",
        "apps/wiki.toml: rules[1].hours: '25:00-26:00': 25:00 is no time of day, which goes from 00:00 to 24:00",
        "apps/wiki.toml: rules[1].weekday: unknown key; did you mean 'weekdays'?",
        "apps/crm.toml: rules[1].except_holidays[1]: there is no calendar 'itt' (holidays/itt.toml); did you mean 'it'?",
    ):
        assert line in result.stderr
    answer = json.loads(office.run("policy", "check", "--json").stdout)
    assert len(answer["problems"]) == 5
    assert answer["warnings"] == []


def test_what_is_strange_is_told_and_is_no_problem(office: Runner) -> None:
    """Rules that never match, that contradict, and names that nobody has."""
    rules(
        office,
        """
[[rules]]
name = "over"
effect = "allow"
groups = ["technician-s"]
valid_until = 2020-12-31

[[rules]]
name = "anna"
effect = "allow"
users = ["anna"]
devices = ["stick-9"]
issuers = ["partner"]

[[rules]]
name = "nobody"
effect = "deny"
everybody = true
""",
    )
    assert office.done("policy", "check").stdout.splitlines() == [
        "warning: apps/wiki.toml: rules[1]: 'over': groups: nobody is in a group 'technician-s' yet; did you mean 'technicians'?",
        "warning: apps/wiki.toml: rules[1]: 'over': it can never let anybody in: rule 'nobody' denies all of it",
        "warning: apps/wiki.toml: rules[1]: 'over': it ended on 2020-12-31, and can be taken out",
        "warning: apps/wiki.toml: rules[2]: 'anna': devices: there is no certificate for a device 'stick-9' yet; did you mean 'stick-1'?",
        "warning: apps/wiki.toml: rules[2]: 'anna': issuers: there is no trust 'partner' yet",
        "warning: apps/wiki.toml: rules[2]: 'anna': it can never let anybody in: rule 'nobody' denies all of it",
        "no problems: 3 rules of 1 application",
    ]


# explain --------------------------------------------------------------------


def explained(runner: Runner, *words: str) -> Any:
    """Explain Anna at the wiki."""
    return runner.json("policy", "explain", "anna", "wiki", *words)


def test_an_explanation_goes_from_the_certificate_to_the_answer(office: Runner) -> None:
    """Rule by rule, in the site's time zone."""
    text = office.done(
        *("policy", "explain", "anna", "wiki", "--path", "/admin/x?a=1", "--from", "10.0.0.7"),
        *EVENING,
    ).stdout
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert lines[0] == "application wiki"
    assert lines[1] == "request GET /admin/x from 10.0.0.7"
    assert (
        lines[2]
        == f"when tue {DAY} 19:40 {datetime(DAY.year, DAY.month, DAY.day, 12, tzinfo=ROME).tzname()}"
    )
    assert lines[3].startswith("certificate stick-1 ")
    assert lines[3].endswith(": good")
    assert lines[4:6] == [
        "it opens every application, as far as rules allow",
        "sign-in as if it were done just now",
    ]
    assert lines[7:] == [
        "RULE EFFECT MATCHES WHY",
        f"technicians allow no when: mon-fri 08:00-19:00, found tue {DAY} 19:40",
        "admin deny yes paths: /admin/**, found /admin/x",
        "",
        "refused: rule-denies ('admin')",
    ]


def test_an_explanation_tells_what_is_asked_of_the_session(office: Runner) -> None:
    """By the age of the code that is given: let in, a code first, or the whole sign-in."""
    file = office.site / "apps" / "wiki.toml"
    rules(office, OFFICE + STEP_UP)
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("[session]\n", '[session]\nlifetime = "8h"\nidle = "2h"\n'))
    words = ("policy", "explain", "anna", "wiki", *TUESDAY)

    def decided(age: str, path: str = "/payroll") -> tuple[str, str | None]:
        found = office.json(*words, "--code-age", age, "--path", path)
        return found["decision"], found["rule"]

    assert decided("9m") == ("allow", "technicians")
    assert decided("10m") == ("step-up", "payroll")
    assert decided("10m", "/") == ("allow", "technicians")
    assert decided("3h", "/") == ("step-up", None)
    assert decided("8h") == ("sign-in", None)
    shown = office.done(*words, "--code-age", "20m", "--path", "/payroll").stdout
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert lines[5:9] == [
        "sign-in as if it were 20m ago, with password and code",
        "lifetime within 8h: 20m ago",
        "code within 10m (rule 'payroll'): 20m ago",
        "idle within 2h: 20m ago",
    ]
    assert lines[-1] == "let in after a code: the last one is older than 10m ('payroll')"
    fresh = office.json(*words, "--path", "/payroll")
    assert [one["verdict"] for one in fresh["session"]] == ["hit"] * 3
    assert fresh["fresh_until"] == utc(DAY, 9).replace("00:00Z", "10:00Z")
    unused = office.done(*words, "--code-age", "3h").stdout
    assert unused.endswith("let in after a code: nobody has used it for 2h\n")
    assert office.done(*words, "--code-age", "9h").stdout.endswith("let in after a sign-in\n")
    [line] = office.json("policy", "who", "wiki", *TUESDAY)
    assert (line["answer"], line["until"]) == ("yes", utc(DAY, 19))


def test_a_refusal_for_the_hour_says_when_it_opens(office: Runner) -> None:
    """And a permission until when it holds."""
    late = explained(office, *EVENING)
    assert (late["decision"], late["reason"], late["allowed"]) == ("deny", "outside-hours", False)
    assert late["opens"] == utc(NEXT, 8)
    early = explained(office, *TUESDAY)
    assert (early["decision"], early["rule"], early["allowed"]) == ("allow", "technicians", True)
    assert early["until"] == utc(DAY, 19)
    text = office.done("policy", "explain", "anna", "wiki", *EVENING).stdout
    assert text.endswith(f"refused: outside-hours ('technicians'); opens wed {NEXT} 08:00\n")
    with_offset = explained(office, "--at", utc(DAY, 9))
    assert with_offset["allowed"]


def test_a_certificate_that_opens_nothing_is_told_first(office: Runner) -> None:
    """The rules are shown all the same: people ask about them."""
    (record,) = office.json("cert", "list", "--user", "anna")
    office.done("cert", "revoke", "--serial", record["serial"], "--reason", "superseded")
    found = explained(office, "--serial", record["serial"], "--at", f"{DAY} 09:00")
    assert (found["certificate_refusal"], found["allowed"]) == ("certificate-revoked", False)
    assert found["decision"] == "allow"
    text = office.done("policy", "explain", "anna", "wiki", "--at", f"{DAY} 09:00").stdout
    assert "certificate-revoked, whatever the rules say; by them they would be let in by" in text


def test_of_several_certificates_the_best_is_taken(office: Runner) -> None:
    """Unless one is named."""
    office.add_app("crm")
    limited = office.issue("anna", "stick-2", "--apps", "crm")
    found = explained(office, "--serial", limited["serial"], *TUESDAY)
    assert (found["certificate"]["device"], found["reason"]) == (
        "stick-2",
        "outside-certificate-scope",
    )
    words = ("--serial", limited["serial"])
    text = office.done("policy", "explain", "anna", "wiki", *words).stdout
    assert "crm and not this application" in text
    reason = office.refused("policy", "explain", "anna", "wiki", "--serial", "abc")
    assert reason.startswith("anna has no certificate 'abc'")


def test_a_certificate_is_named_as_in_every_command(office: Runner) -> None:
    """In any writing of its serial; and by its fingerprint, where that is the serial of two."""
    (own,) = office.json("cert", "list", "--user", "anna")
    spelled = f"{int(own['serial'], 16):032X}"
    pairs = ":".join(map("".join, zip(spelled[::2], spelled[1::2], strict=True)))
    for written in (spelled, pairs, f"0x{own['serial']}"):
        assert explained(office, "--serial", written)["certificate"]["device"] == "stick-1"
    show_too(office, replace(GOOD, serial=own["serial"]))
    reason = office.refused("policy", "explain", "anna", "wiki", "--serial", own["serial"])
    assert "is that of several certificates of anna" in reason
    for fingerprint, device in ((own["fingerprint"], "stick-1"), (GOOD.fingerprint, "office")):
        assert fingerprint in reason
        assert explained(office, "--serial", fingerprint)["certificate"]["device"] == device


def test_somebody_without_a_certificate_is_explained_too(office: Runner) -> None:
    """As if they had one for everything."""
    office.add_user("carla", "technicians")
    found = office.json("policy", "explain", "carla", "wiki", *TUESDAY)
    assert (found["certificate"], found["certificate_refusal"]) == (None, "no-certificate")
    assert found["decision"] == "allow"


@pytest.mark.parametrize(
    "words, status, said",
    [
        (("ana", "wiki"), 1, "no user 'ana'; did you mean 'anna'?"),
        (("anna", "wikki"), 1, "no application 'wikki'; did you mean 'wiki'?"),
        (("anna", "wiki", "--at", "tomorrow"), 2, "'tomorrow' is no moment"),
        (("anna", "wiki", "--at", "9999-12-31"), 2, "only years from 1970 to 2199"),
        (("anna", "wiki", "--from", "here"), 2, "'here' is no address"),
        (("anna", "wiki", "--path", "/../x"), 2, "no path that is ever passed on"),
    ],
)
def test_what_cannot_be_explained_is_said(
    office: Runner, words: tuple[str, ...], status: int, said: str
) -> None:
    """With the way out."""
    result = office.run("policy", "explain", *words)
    assert result.exit_code == status
    assert said in result.stderr


def test_files_with_problems_judge_nobody(office: Runner) -> None:
    """What is in force is not what they say."""
    rules(office, "[[rules]]")
    reason = office.refused("policy", "explain", "anna", "wiki")
    assert reason.startswith("the files have problems, so nobody can be judged by them:")


# who and what ---------------------------------------------------------------


def test_who_reaches_an_application(office: Runner) -> None:
    """At this moment, and at others; --all names those who never do."""
    (anna,) = office.json("policy", "who", "wiki", *EVENING)
    assert (anna["user"], anna["answer"], anna["opens"]) == (
        "anna",
        "at other times",
        utc(NEXT, 8),
    )
    everybody = office.json("policy", "who", "wiki", "--all", *TUESDAY)
    assert [(each["user"], each["answer"], each["reason"]) for each in everybody] == [
        ("anna", "yes", ""),
        ("bruno", "no", "no-rule-matches"),
    ]
    lines = office.done("policy", "who", "wiki", *EVENING).stdout.splitlines()
    assert lines[0].split() == ["USER", "CERTIFICATE", "NOW", "BY", "ONLY", "CHANGES"]
    assert lines[1].split()[0] == "anna"
    assert lines[1].endswith(f"mon-fri 08:00-19:00  wed {NEXT} 08:00")


def test_what_somebody_reaches(office: Runner) -> None:
    """One line for each application; who has no certificate reaches nothing."""
    office.add_app("crm", "--allow", "user:anna")
    rules(office, "[[rules]]\neffect='allow'\nusers=['anna']\nnetworks=['10.0.0.0/8']", "crm")
    found = office.json("policy", "what", "anna", *TUESDAY)
    assert [(each["app"], each["answer"], each["reason"]) for each in found] == [
        ("crm", "otherwise", "outside-network"),
        ("wiki", "yes", ""),
    ]
    inside = office.json("policy", "what", "anna", "--from", "10.1.2.3", *TUESDAY)
    assert [each["answer"] for each in inside] == ["yes", "yes"]
    office.add_user("carla", "technicians")
    assert office.json("policy", "what", "carla", *TUESDAY) == []
    (first, _) = office.json("policy", "what", "carla", "--all", *TUESDAY)
    assert first["reason"] == "no-certificate"
    assert "nothing is open to them" in office.done("policy", "what", "carla").stderr


def test_the_matrix_as_csv(office: Runner) -> None:
    """Every column, and nothing that a spreadsheet would work out."""
    name = "=HYPERLINK(1)"
    answer = office.run(
        *("user", "add", "dora", "--name", name, "--group", "technicians", "--password-stdin"),
        stdin="correct horse battery\n",
    )
    assert answer.exit_code == 0
    text = office.done("policy", "who", "wiki", "--all", "--csv", *TUESDAY).stdout
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["user"] for row in rows] == ["anna", "bruno", "dora"]
    assert rows[0]["until"] == f"tue {DAY} 19:00"
    assert rows[0]["only"] == "mon-fri 08:00-19:00"
    assert rows[2]["name"] == f"'{name}"


def test_the_rules_of_an_application_are_shown_whole(office: Runner) -> None:
    """With what they ask beside who somebody is."""
    shown = office.done("app", "show", "wiki").stdout
    assert "mon-fri 08:00-19:00" in shown
    assert "paths /admin/**" in shown
    assert "allow group:technicians (mon-fri 08:00-19:00)" in office.done("app", "list").stdout
