"""Rules as TOML says them → `AppPolicy`, or all problems at once.

    [[rules]]
    name = "technicians"          # may be left out: then "rule 1"
    effect = "allow"              # or "deny", which beats every allow
    groups = ["technicians"]      # in at least one of these groups
    users = ["anna"]              # and one of these users

A criterion that is left out is not asked; all that are asked must hold. *Or*
is written as two rules. A rule for everybody says so, with `everybody = true`:
one that has lost its groups would otherwise open, or close, the application
to all. An application without rules is no problem and refuses everybody.
"""

from dataclasses import dataclass
from enum import StrEnum

from policies.model import AppPolicy, Effect, Rule, check_name
from policies.reading import Problem, Section, read_tables
from policies.values import suggest

_LONGEST_RULE_NAME = 80


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


def parse_rules(app: str, rules: object, place: str, problems: list[Problem]) -> AppPolicy | None:
    """Make the policy of *app* from the value of the key `rules`, at *place* in its file.

    *rules* is what `Section.raw` answers: `None` for a missing key. Every
    problem is added to *problems*, and any problem means `None`: of a faulty
    policy, nothing is in force.
    """
    before = len(problems)
    places: dict[str, str] = {}
    found = [
        _parse_rule(section, position, places, problems)
        for position, section in enumerate(read_tables(rules, place, problems), start=1)
    ]
    if len(problems) > before:
        return None
    return AppPolicy(app, tuple(rule for rule in found if rule is not None))


def _parse_rule(
    section: Section, position: int, places: dict[str, str], problems: list[Problem]
) -> Rule | None:
    """Read one rule; *places* has the names of the rules before it and gains this one's."""
    before = len(problems)
    name = section.text("name", default=f"rule {position}", check=_check_rule_name)
    effect = section.choice("effect", Effect)
    users = section.texts("users", default=None, check=check_name)
    groups = section.texts("groups", default=None, check=check_name)
    everybody = section.boolean("everybody", default=False)
    section.finish()
    if name in places:
        section.report("name", f"{name!r} is already the name of {places[name]}")
    places.setdefault(name, f"the rule at {section.place}")
    named = "users" in section or "groups" in section
    if everybody and named:
        section.report("everybody", "the rule also names users or groups: keep one or the other")
    if not everybody and not named:
        section.report(None, "the rule names nobody: give it users, groups or everybody = true")
    # One problem is enough to drop the rule: what could not be read is None in
    # here, and None in a rule would mean "not asked".
    if effect is None or len(problems) > before:
        return None
    return Rule(
        name,
        effect,
        users=None if users is None else frozenset(users),
        groups=None if groups is None else frozenset(groups),
    )


def _check_rule_name(name: str) -> None:
    """Names of rules go to the audit log and to tables: one line, and not a long one."""
    if not name.isprintable() or len(name) > _LONGEST_RULE_NAME:
        raise ValueError(
            f"the name of a rule is one line of at most {_LONGEST_RULE_NAME} characters"
        )
