"""Rules as TOML says them → `AppPolicy`, or all problems at once.

    [[rules]]
    name = "technicians"          # may be left out: then "rule 1"
    effect = "allow"              # or "deny", which beats every allow; "observe": a deny on trial;
                                  # "step-up", which wants a code shortly before
    groups = ["technicians"]      # in at least one of these groups
    users = ["anna"]              # and one of these users
    devices = ["stick-1"]         # with a certificate for one of these devices,
    issuers = ["own"]             # of our own CA, or of a trust by its name,
    certificate = "limited"       # for some applications; "unlimited": for all of them
    methods = ["GET", "POST"]
    paths = ["/admin/**"]         # as `policies.paths` says
    networks = ["10.0.0.0/8"]
    hours = "08:00-19:00"         # and more about times, as `policies.times` says
    requires = ["approval"]       # and more of papers, as `policies.requirements` says

A criterion that is left out is not asked; all that are asked must hold. *Or*
is written as two rules. A rule for everybody says so, with `everybody = true`:
one that has lost its groups would otherwise open, or close, the application
to all. An application without rules is no problem and refuses everybody.
"""

from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv6Network, ip_network
from typing import Final

from policies.model import (
    METHOD,
    NEVER_PASSED,
    AppPolicy,
    CertificateKind,
    Effect,
    Network,
    Rule,
    check_name,
)
from policies.paths import parse_path_pattern
from policies.reading import Problem, Section, read_tables
from policies.requirements import Requirements, read_requirements
from policies.times import Almanac, read_timetable
from policies.values import suggest

_LONGEST_RULE_NAME: Final = 80
_MAPPED: Final = IPv6Network("::ffff:0:0/96")
_NO_ALMANAC: Final = Almanac()


class SubjectKind(StrEnum):
    """Whom a subject term names."""

    USER = "user"
    GROUP = "group"


@dataclass(frozen=True, slots=True)
class SubjectTerm:
    """Whom one rule is for, as the command line says it: `group:technicians`."""

    kind: SubjectKind
    name: str

    def __str__(self) -> str:
        """The term, as it is typed."""
        return f"{self.kind}:{self.name}"


def parse_subject_term(term: str) -> SubjectTerm:
    """Read `group:technicians` or `user:anna`, or raise `ValueError` with a message for people.

    That the user or group exists is not checked.
    """
    kind, colon, name = term.partition(":")
    if not colon:
        raise ValueError(f"{term!r} names nobody: write group:NAME or user:NAME")
    if kind not in tuple(SubjectKind):
        hint = (
            suggest(kind, [each.value for each in SubjectKind]) or "; write group:NAME or user:NAME"
        )
        raise ValueError(f"{kind!r} in {term!r} is not a kind of subject{hint}")
    return SubjectTerm(SubjectKind(kind), check_name(name))


def parse_rules(
    app: str,
    rules: object,
    place: str,
    problems: list[Problem],
    almanac: Almanac = _NO_ALMANAC,
) -> AppPolicy | None:
    """Make the policy of *app* from the value of the key `rules`, at *place* in its file.

    *rules* is what `Section.raw` answers: `None` for a missing key. Times are in the zone of
    *almanac*, which holds the calendars that rules may name. Every
    problem is added to *problems*, and any problem means `None`: of a faulty
    policy, nothing is in force.
    """
    before = len(problems)
    places: dict[str, str] = {}
    found = [
        _parse_rule(section, position, places, almanac)
        for position, section in enumerate(read_tables(rules, place, problems), start=1)
    ]
    if len(problems) > before:
        return None
    return AppPolicy(app, tuple(rule for rule in found if rule is not None))


def _parse_rule(
    section: Section, position: int, places: dict[str, str], almanac: Almanac
) -> Rule | None:
    """Read one rule; *places* has the names of the rules before it and gains this one's."""
    before = section.problem_count
    name = section.text("name", default=f"rule {position}", check=_check_rule_name)
    effect = section.choice("effect", Effect)
    users = _read_set(section, "users")
    groups = _read_set(section, "groups")
    everybody = section.boolean("everybody", default=False)
    devices = _read_set(section, "devices")
    issuers = _read_set(section, "issuers")
    certificate = section.choice("certificate", CertificateKind, default=None)
    methods = section.texts("methods", default=None, check=check_method)
    paths = section.texts("paths", default=None, check=parse_path_pattern)
    networks = section.texts("networks", default=None, check=parse_network)
    when = read_timetable(section, almanac)
    papers = read_requirements(section, almanac.agreements)
    section.finish()
    if name in places:
        section.report("name", f"{name!r} is already the name of {places[name]}")
    places.setdefault(name, f"the rule at {section.place}")
    named = "users" in section or "groups" in section
    if everybody and named:
        section.report("everybody", "the rule also names users or groups: keep one or the other")
    if not everybody and not named:
        section.report(None, "the rule names nobody: give it users, groups or everybody = true")
    _check_effect(section, effect, papers)
    # One problem is enough to drop the rule: what could not be read is None in
    # here, and None in a rule would mean "not asked".
    if effect is None or section.problem_count > before:
        return None
    return Rule(
        name,
        effect,
        users=users,
        groups=groups,
        devices=devices,
        issuers=issuers,
        certificate=certificate,
        methods=None if methods is None else frozenset(methods),
        paths=None if paths is None else tuple(map(parse_path_pattern, paths)),
        networks=None if networks is None else tuple(map(parse_network, networks)),
        when=when,
        approval=papers.approval,
        agreements=papers.agreements,
        days=papers.days,
        totp_within=papers.totp_within,
        local=almanac.local,
    )


def _check_effect(section: Section, effect: Effect | None, papers: Requirements) -> None:
    """Report what rules with another effect have."""
    if effect is Effect.STEP_UP and "totp_within" not in section:
        section.report("totp_within", 'missing: how long ago a code may have been given, as "10m"')
    if effect not in (None, Effect.STEP_UP) and "totp_within" in section:
        section.report("totp_within", 'only a rule with effect = "step-up" wants a code again')
    if effect not in (None, Effect.ALLOW) and papers.asks_papers:
        section.report(None, 'only a rule with effect = "allow" can have requires or days')


def parse_network(text: str) -> Network:
    """Read `10.0.0.5` or `10.1.0.0/24`, or raise `ValueError` with a message for people."""
    try:
        network = ip_network(text)
    except ValueError as error:
        message = f"{text!r} is no address and no network; write 10.0.0.5 or 10.1.0.0/24"
        with suppress(ValueError):
            message += f"; did you mean {str(ip_network(text, strict=False))!r}?"
        raise ValueError(message) from error
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        raise ValueError(f"{text!r}: write IPv4 as IPv4, as it is compared")
    return network


def _read_set(section: Section, key: str) -> frozenset[str] | None:
    names = section.texts(key, default=None, check=check_name)
    return None if names is None else frozenset(names)


def check_method(method: str) -> None:
    """Refuse what a rule cannot name as a method with `ValueError` and a message for people."""
    if method == "HEAD":
        raise ValueError("leave 'HEAD' out: 'GET' stands for it too")
    if method in NEVER_PASSED:
        raise ValueError(f"{method!r} never passes the gateway")
    if not METHOD.fullmatch(method):
        hint = f"; did you mean {method.upper()!r}?" if METHOD.fullmatch(method.upper()) else ""
        raise ValueError(f"{method!r} is no method: they are written in capitals{hint}")


def _check_rule_name(name: str) -> None:
    """Names of rules go to the audit log and to tables: one line, and not a long one."""
    if not name.isprintable() or len(name) > _LONGEST_RULE_NAME:
        raise ValueError(
            f"the name of a rule is one line of at most {_LONGEST_RULE_NAME} characters"
        )
