"""Rules from TOML, with the messages that people see."""

import tomllib
from datetime import UTC
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.calendar import Timetable
from policies.model import AppPolicy, CertificateKind, Effect, Level, Rule
from policies.parse import SubjectKind, SubjectTerm, parse_rules, parse_subject_term
from policies.paths import PathPattern
from policies.reading import Problem

PLACE = "apps/wiki.toml: rules"


def said(text: str) -> list[str]:
    """Parse faulty rules, and return the problems without the name of the file."""
    problems: list[Problem] = []
    assert parse_rules("wiki", tomllib.loads(text).get("rules"), PLACE, problems) is None
    return [str(problem).removeprefix("apps/wiki.toml: ") for problem in problems]


def test_rules_become_a_policy() -> None:
    """Names are given where none are written, by position."""
    text = """
    [[rules]]
    effect = "allow"
    groups = ["technicians", "sales"]

    [[rules]]
    name = "not bruno"
    effect = "deny"
    users = ["bruno"]

    [[rules]]
    effect = "allow"
    users = ["anna"]
    groups = ["milano"]

    [[rules]]
    name = "open house"
    effect = "allow"
    everybody = true
    """
    problems: list[Problem] = []
    policy = parse_rules("wiki", tomllib.loads(text)["rules"], PLACE, problems)
    assert problems == []
    assert policy == AppPolicy(
        "wiki",
        (
            Rule("rule 1", Effect.ALLOW, None, frozenset({"technicians", "sales"})),
            Rule("not bruno", Effect.DENY, frozenset({"bruno"}), None),
            Rule("rule 3", Effect.ALLOW, frozenset({"anna"}), frozenset({"milano"})),
            Rule("open house", Effect.ALLOW, None, None),
        ),
        Level.PASSWORD_TOTP,
    )


@pytest.mark.parametrize("rules", [None, []])
def test_an_application_without_rules_is_no_problem(rules: object) -> None:
    """It is a closed one."""
    problems: list[Problem] = []
    assert parse_rules("wiki", rules, PLACE, problems) == AppPolicy("wiki", ())
    assert problems == []


@pytest.mark.parametrize("effect", list(Effect))
def test_a_rule_that_names_nobody_is_not_one_for_everybody(effect: Effect) -> None:
    """Whether it would open or close."""
    message = "rules[1]: the rule names nobody: give it users, groups or everybody = true"
    rule = f"[[rules]]\neffect = '{effect}'"
    if effect is Effect.STEP_UP:
        rule += "\ntotp_within = '10m'"
    assert said(rule) == [message]
    assert said(f"{rule}\neverybody = false") == [message]


def test_a_rule_for_everybody_names_nobody_else() -> None:
    """Either would be true, so neither is guessed."""
    assert said("[[rules]]\neffect = 'allow'\neverybody = true\nusers = ['anna']") == [
        "rules[1].everybody: the rule also names users or groups: keep one or the other"
    ]


@pytest.mark.parametrize("key", ["users", "groups"])
def test_an_empty_list_is_a_problem(key: str) -> None:
    """It never means everybody, and never silently nobody."""
    assert said(f"[[rules]]\neffect = 'allow'\n{key} = []") == [
        f"rules[1].{key}: an empty list: name at least one, or leave the key out"
    ]


def test_an_effect_is_required() -> None:
    """A rule without effect is not guessed either."""
    assert said("[[rules]]\nusers = ['anna']") == [
        "rules[1].effect: missing, expected one of 'allow', 'deny', 'observe', 'step-up'"
    ]


def test_names_of_rules_are_distinct() -> None:
    """Also from the names that are given."""
    text = """
    rules = [
        {name = "a", effect = "allow", users = ["anna"]},
        {name = "a", effect = "deny", users = ["anna"]},
        {name = "rule 4", effect = "deny", users = ["anna"]},
        {effect = "deny", users = ["bruno"]},
    ]
    """
    assert said(text) == [
        "rules[2].name: 'a' is already the name of the rule at apps/wiki.toml: rules[1]",
        "rules[4].name: 'rule 4' is already the name of the rule at apps/wiki.toml: rules[3]",
    ]


@pytest.mark.parametrize("name", ["two\\nlines", "a" * 81])
def test_the_name_of_a_rule_is_one_short_line(name: str) -> None:
    """It goes to the audit log and to tables."""
    assert said(f'[[rules]]\nname = "{name}"\neffect = "allow"\nusers = ["anna"]') == [
        "rules[1].name: the name of a rule is one line of at most 80 characters"
    ]


def test_rules_are_an_array_of_tables() -> None:
    """One pair of brackets too few is the commonest slip in TOML."""
    assert said("[rules]\neffect = 'allow'") == [
        "rules: expected a list of tables, found a table; write its header in double brackets, [[ ]]"
    ]


def test_all_problems_come_at_once() -> None:
    """Each with its place, in the order of the file."""
    text = """
    [[rules]]
    effect = "allov"
    groups = ["Technicians", "sales", "sales"]

    [[rules]]
    effect = "deny"
    groupz = ["sales"]
    everybody = "yes"
    """
    assert said(text) == [
        "rules[1].effect: expected one of 'allow', 'deny', 'observe', 'step-up', found 'allov'; did you mean 'allow'?",
        (
            "rules[1].groups[1]: 'Technicians' cannot be a name: use 1 to 64 of a-z, 0-9, '.', '_' "
            "and '-', beginning with a letter or a digit; did you mean 'technicians'?"
        ),
        "rules[1].groups[3]: 'sales' is listed twice",
        "rules[2].everybody: expected true or false, found text",
        "rules[2].groupz: unknown key; did you mean 'groups'?",
        "rules[2]: the rule names nobody: give it users, groups or everybody = true",
    ]


def test_a_rule_that_is_no_table_is_one_problem() -> None:
    """And the rules around it are read."""
    assert said("rules = [3, {effect = 'allow', users = []}]") == [
        "rules[1]: expected a table, found a whole number",
        "rules[2].users: an empty list: name at least one, or leave the key out",
    ]


def test_earlier_problems_of_other_files_do_not_count() -> None:
    """A good policy is a good policy, whatever its neighbours are."""
    problems = [Problem("apps/crm.toml: host", "missing")]
    assert parse_rules("wiki", [], PLACE, problems) == AppPolicy("wiki", ())


NARROWING = (
    *("devices", "issuers", "certificate", "methods", "paths", "networks", "hours"),
    *("weekdays", "valid_from", "valid_until", "except_holidays", "only_holidays"),
)
TOML = st.recursive(
    st.booleans()
    | st.integers(-9, 9)
    | st.dates()
    | st.sampled_from(["allow", "deny", "anna", "technicians", "", "Ä\n"])
    | st.sampled_from(["08:00-19:00", "24:00-99:99", "mon-fri", "2026-12-31", "0001-01-01"])
    | st.sampled_from(["10.0.0.0/8", "::/0", "10.0.0.1/8", "/a/**", "/**/*%", "GET", "limited"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["effect", "users", "groups", "everybody", "name", "x y", *NARROWING]),
            inner,
        )
    ),
    max_leaves=12,
)


@given(TOML)
def test_any_value_is_a_policy_or_a_problem(rules: object) -> None:
    """Exactly one of the two, and never an exception."""
    problems: list[Problem] = []
    assert (parse_rules("wiki", rules, PLACE, problems) is None) == bool(problems)


@given(
    st.lists(
        st.fixed_dictionaries(
            {"effect": st.sampled_from(["allow", "deny"])},
            optional={
                "users": st.lists(st.sampled_from(["anna", "bruno"]), max_size=2),
                "groups": st.lists(st.sampled_from(["sales", "milano"]), max_size=2),
                "everybody": st.booleans(),
            },
        ),
        max_size=4,
    )
)
def test_no_rule_is_for_everybody_unless_it_says_so(rules: list[dict[str, object]]) -> None:
    """Whatever else is in the file."""
    policy = parse_rules("wiki", rules, PLACE, [])
    if policy is not None:
        for written, rule in zip(rules, policy.rules, strict=True):
            asks_nothing = rule.users is None and rule.groups is None
            assert asks_nothing == (written.get("everybody") is True)


def test_all_that_a_rule_can_ask() -> None:
    """Every key, as a rule of the model."""
    text = """
    [[rules]]
    effect = "observe"
    everybody = true
    devices = ["stick-1"]
    issuers = ["own", "partner"]
    certificate = "limited"
    methods = ["GET", "M-SEARCH"]
    paths = ["/", "/admin/**"]
    networks = ["10.0.0.0/8", "2001:db8::7"]
    weekdays = "sat"
    """
    problems: list[Problem] = []
    policy = parse_rules("wiki", tomllib.loads(text)["rules"], PLACE, problems)
    assert problems == []
    assert policy is not None
    assert policy.rules == (
        Rule(
            "rule 1",
            Effect.OBSERVE,
            None,
            None,
            devices=frozenset({"stick-1"}),
            issuers=frozenset({"own", "partner"}),
            certificate=CertificateKind.LIMITED,
            methods=frozenset({"GET", "M-SEARCH"}),
            paths=(PathPattern("/"), PathPattern("/admin/**")),
            networks=(ip_network("10.0.0.0/8"), ip_network("2001:db8::7")),
            when=Timetable(UTC, weekdays=frozenset({5})),
        ),
    )
    assert policy.asks_target
    assert policy.asks_network


@pytest.mark.parametrize(
    "line, message",
    [
        (
            "methods = ['get']",
            "methods[1]: 'get' is no method: they are written in capitals; did you mean 'GET'?",
        ),
        ("methods = ['HEAD']", "methods[1]: leave 'HEAD' out: 'GET' stands for it too"),
        ("methods = ['TRACE']", "methods[1]: 'TRACE' never passes the gateway"),
        ("methods = ['TRACK']", "methods[1]: 'TRACK' never passes the gateway"),
        (
            "networks = ['10.0.0.1/8']",
            "networks[1]: '10.0.0.1/8' is no address and no network; write 10.0.0.5 or 10.1.0.0/24; did you mean '10.0.0.0/8'?",
        ),
        (
            "networks = ['office']",
            "networks[1]: 'office' is no address and no network; write 10.0.0.5 or 10.1.0.0/24",
        ),
        (
            "networks = ['::ffff:10.0.0.0/104']",
            "networks[1]: '::ffff:10.0.0.0/104': write IPv4 as IPv4, as it is compared",
        ),
        (
            "paths = ['admin']",
            "paths[1]: 'admin' is not a path: it begins with '/', as in '/admin/**'",
        ),
        ("paths = []", "paths: an empty list: name at least one, or leave the key out"),
        (
            "certificate = 'any'",
            "certificate: expected one of 'limited', 'unlimited', found 'any'",
        ),
        ("device = ['x']", "device: unknown key; did you mean 'devices'?"),
    ],
)
def test_what_a_rule_cannot_ask_is_said(line: str, message: str) -> None:
    """With its place, and the way out."""
    assert said(f"[[rules]]\neffect = 'allow'\nusers = ['anna']\n{line}") == [f"rules[1].{message}"]


@pytest.mark.parametrize(
    "term, kind, name",
    [
        ("group:technicians", SubjectKind.GROUP, "technicians"),
        ("user:anna.rossi", SubjectKind.USER, "anna.rossi"),
    ],
)
def test_subject_terms(term: str, kind: SubjectKind, name: str) -> None:
    """A kind, a colon and a name; what was read is written the same."""
    assert parse_subject_term(term) == SubjectTerm(kind, name)
    assert str(parse_subject_term(term)) == term


@pytest.mark.parametrize(
    "term, message",
    [
        ("technicians", "'technicians' names nobody: write group:NAME or user:NAME"),
        (
            "users:anna",
            "'users' in 'users:anna' is not a kind of subject; did you mean 'user'?",
        ),
        (
            "x:anna",
            "'x' in 'x:anna' is not a kind of subject; write group:NAME or user:NAME",
        ),
        (
            "user:Anna",
            (
                "'Anna' cannot be a name: use 1 to 64 of a-z, 0-9, '.', '_' and '-', "
                "beginning with a letter or a digit; did you mean 'anna'?"
            ),
        ),
        (
            "group:",
            (
                "'' cannot be a name: use 1 to 64 of a-z, 0-9, '.', '_' and '-', "
                "beginning with a letter or a digit"
            ),
        ),
    ],
)
def test_faulty_subject_terms_are_answered_kindly(term: str, message: str) -> None:
    """With what to write instead."""
    with pytest.raises(ValueError) as caught:
        parse_subject_term(term)
    assert str(caught.value) == message
