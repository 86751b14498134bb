"""The plan finds every rule that may be for somebody, and few others."""

from policies.decide import decide
from policies.model import (
    Allow,
    AppPolicy,
    Effect,
    Level,
    RequestFacts,
    Rule,
    Subject,
)
from policies.plan import Plan, plan_of
from tests.policies.test_decide import NOW

ANNA = Subject("anna", frozenset({"g1", "g2"}), scope=None, level=Level.PASSWORD_TOTP)


def rule(name: str, users: set[str] | None = None, groups: set[str] | None = None) -> Rule:
    """Make an allow rule."""
    return Rule(
        name,
        Effect.ALLOW,
        None if users is None else frozenset(users),
        None if groups is None else frozenset(groups),
    )


def test_a_plan_finds_rules_by_whom_they_are_for() -> None:
    """Users, groups, everybody; rules for others are not even looked at."""
    rules = (
        rule("everybody"),
        rule("anna", {"anna"}),
        rule("group", None, {"g1", "g2"}),
        rule("both", {"anna"}, {"g3"}),
        *(rule(f"other {number}", {f"user-{number}"}) for number in range(100)),
    )
    found = {ready.rule.name for ready in Plan(rules).concerning(ANNA)}
    assert found == {"everybody", "anna", "group", "both"}


def test_a_rule_for_users_in_groups_asks_for_both() -> None:
    """It is found by the user, and the group is still asked for."""
    policy = AppPolicy("wiki", (rule("both", {"anna"}, {"g3"}), rule("later", {"anna"})))
    assert decide(policy, ANNA, RequestFacts("GET", "/"), NOW) == Allow("later")


def test_a_plan_is_made_once() -> None:
    """For each policy; equal policies are equal whether they have one or not."""
    policy = AppPolicy("wiki", (rule("everybody"),))
    assert plan_of(policy) is plan_of(policy)
    assert policy == AppPolicy("wiki", (rule("everybody"),))
