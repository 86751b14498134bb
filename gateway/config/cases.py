"""tests/NAME.toml → what is expected of the rules, or all problems at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Final

from gateway.config.case_papers import read_papers
from gateway.config.documents import read_document, visible_files
from gateway.core.routes import normalise_target
from gateway.core.site import Application
from policies.cases import ALLOW, EXPECTATIONS, SIGN_IN, STEP_UP, Case
from policies.match import read_address
from policies.model import OWN_ISSUER, AppPolicy, RequestFacts, check_name
from policies.parse import check_method
from policies.reading import Problem, Section
from policies.times import parse_moment
from policies.values import suggest

TESTS_DIRECTORY: Final = "tests"
CASES_SUFFIX: Final = ".toml"

EXAMPLE: Final = """\
# What is expected of the rules: `pusterla policy test` and `pusterla policy check` judge it.
# Save it as tests/NAME.toml in the site's folder, one file or several.
#
# A case speaks of somebody with a good certificate who has signed in.

[[cases]]
name = "technicians, in office hours"
user = "anna"
groups = ["technicians"]       # left out: those that the person has in the store
app = "wiki"
at = "2026-11-24 09:00"        # in the site's time zone; may be left out where no rule asks for times
expect = "allow"

[[cases]]
name = "and not in the evening"
user = "anna"
groups = ["technicians"]
app = "wiki"
at = "2026-11-24 19:40"
expect = "outside-hours"       # or any other reason of docs/policies.md, or "deny": for any reason
opens = "2026-11-25 08:00"     # may be left out
rule = "technicians"           # the rule that is the cause; may be left out

[[cases]]
name = "administration from the office alone"
user = "anna"
groups = ["technicians"]
app = "wiki"
at = "2026-11-24 09:00"
path = "/admin/users"          # left out: "/"
method = "POST"                # left out: "GET"
from = "203.0.113.9"           # the client's address; left out: unknown
device = "stick-1"             # the device of the certificate; left out: of none
issuer = "own"                 # whose certificate: that of our own CA, or a trust's name
certificate_apps = ["wiki"]    # the applications that the certificate opens; left out: all
expect = "deny"

[[cases]]
name = "no fourth day at home, nor two in a row"
user = "anna"
groups = ["technicians"]
app = "desk"
at = "2026-11-25 09:00"
days_used = [2026-11-24]       # days that have counted; left out: none
approved = ["2026-11-23/2026-11-27"]  # days that somebody has approved; left out: none
accepted = ["smart-working"]   # agreements, or one version: "smart-working 2026-1"; left out: none
expect = "days-spent"
opens = "2026-11-26 00:00"

[[cases]]
name = "payroll wants a fresh code"
user = "anna"
groups = ["technicians"]
app = "wiki"
at = "2026-11-24 09:00"
path = "/payroll"
code_age = "20m"               # how long ago password and code were given; left out: just now
expect = "step-up"             # a code is asked for; "sign-in": password and code
"""


@dataclass(frozen=True, slots=True)
class _Site:
    applications: Mapping[str, Application]
    zone: tzinfo


def read_cases(
    folder: Path, applications: Mapping[str, Application], zone: tzinfo, problems: list[Problem]
) -> list[Case]:
    """Read tests/*.toml of the site in *folder*, whose *applications* they speak of.

    Every problem is added to *problems*; of a case with one there is nothing in the answer. A
    folder without cases is no problem here.
    """
    directory = folder / TESTS_DIRECTORY
    try:
        found = visible_files(directory, CASES_SUFFIX)
    except FileNotFoundError:
        return []
    except OSError as error:
        problems.append(Problem(TESTS_DIRECTORY, f"cannot be read: {error.strerror}"))
        return []
    site = _Site(applications, zone)
    return [
        case
        for path in found
        for case in _read_file(path, f"{TESTS_DIRECTORY}/{path.name}", site, problems)
    ]


def _read_file(path: Path, place: str, site: _Site, problems: list[Problem]) -> list[Case]:
    document = read_document(path, place, problems)
    if document is None:
        return []
    before = len(problems)
    sections = document.sections("cases")
    if not sections and len(problems) == before:
        document.report("cases", "missing: a file of cases has one [[cases]] at least")
    document.finish()
    places: dict[str, str] = {}
    found = [
        _read_case(section, position, places, site)
        for position, section in enumerate(sections, start=1)
    ]
    return [case for case in found if case is not None]


def _read_case(section: Section, position: int, places: dict[str, str], site: _Site) -> Case | None:
    """Read one case; *places* has the names of those before it and gains this one's."""
    before = section.problem_count
    name = section.text("name", default=f"case {position}")
    if name in places:
        section.report("name", f"{name!r} is already the name of {places[name]}")
    places.setdefault(name, f"the case at {section.place}")
    user = section.text("user", check=check_name)
    app = section.text("app")
    policy = _policy_of(section, app, site)
    groups = _read_groups(section)
    device = section.text("device", default="", check=check_name)
    issuer = section.text("issuer", default=OWN_ISSUER, check=check_name)
    scope = _names(section, "certificate_apps")
    request = _read_request(section)
    papers = read_papers(section, policy)
    at, opens = _moment(section, "at", site.zone), _moment(section, "opens", site.zone)
    expect = section.text("expect", choices=EXPECTATIONS)
    rule = section.text("rule", default=None)
    code_age = section.duration("code_age", default=timedelta(), minimum=timedelta())
    section.finish()
    for each in sorted(scope or ()):
        _known(section, "certificate_apps", each, site.applications, "application")
    if policy is not None:
        _check_against(section, policy, rule)
    if opens is not None and expect in {ALLOW, STEP_UP, SIGN_IN}:
        section.report("opens", f'belongs to a refusal, and not to expect = "{expect}"')
    if section.problem_count > before or user is None or app is None or expect is None:
        return None
    return Case(
        section.place,
        name,
        app,
        user,
        groups,
        device,
        issuer,
        scope,
        request,
        at,
        expect,
        rule,
        opens,
        papers,
        code_age or timedelta(),
    )


def _policy_of(section: Section, app: str | None, site: _Site) -> AppPolicy | None:
    if app is None or not _known(section, "app", app, site.applications, "application"):
        return None
    return site.applications[app].policy


def _known(
    section: Section, key: str, name: str, names: Mapping[str, object] | list[str], kind: str
) -> bool:
    if name in names:
        return True
    section.report(key, f"there is no {kind} {name!r}{suggest(name, names)}")
    return False


def _check_against(section: Section, policy: AppPolicy, rule: str | None) -> None:
    """Report a rule that is not there, and a case that would end otherwise on another day."""
    if rule is not None:
        _known(section, "rule", rule, [one.name for one in policy.rules], "rule")
    timed = any(one.when is not None or one.asks_papers for one in policy.rules)
    if "at" not in section and timed:
        section.report("at", f"missing: rules of {policy.app!r} ask for times, so say when")


def _read_groups(section: Section) -> frozenset[str] | None:
    # In a rule an empty list could mean everybody; here it is somebody who is in no group.
    return frozenset() if section.raw("groups") == [] else _names(section, "groups")


def _read_request(section: Section) -> RequestFacts:
    """Take what is asked for, in the form in which it would be forwarded."""
    path = section.text("path", default="/", check=_check_path)
    target = normalise_target(path.encode())
    method = section.text("method", default="GET", check=_check_method)
    address = section.text("from", default="", check=_check_address)
    return RequestFacts(method, "/" if target is None else target.path.decode(), address)


def _names(section: Section, key: str) -> frozenset[str] | None:
    names = section.texts(key, default=None, check=check_name)
    return None if names is None else frozenset(names)


def _moment(section: Section, key: str, zone: tzinfo) -> datetime | None:
    """Take a moment: a text, or TOML's own."""
    value = section.raw(key)
    if value is None:
        return None
    text = value.isoformat(" ") if isinstance(value, datetime) else value
    if not isinstance(text, str):
        section.report(key, 'expected a moment such as "2026-11-24 19:40"')
        return None
    try:
        return parse_moment(text, zone)
    except ValueError as error:
        section.report(key, str(error))
        return None


def _check_path(text: str) -> None:
    if normalise_target(text.encode()) is None:
        raise ValueError(
            f"{text!r} is no path that is ever passed on: it is refused as bad-request"
        )


def _check_method(text: str) -> None:
    if text != "HEAD":
        check_method(text)


def _check_address(text: str) -> None:
    if read_address(text) is None:
        raise ValueError(f"{text!r} is no address; write 10.0.0.7")
