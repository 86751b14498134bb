"""The decision: each answer, each reason, and what holds of all of them."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.decide import Finding, decide, explain
from policies.match import Verdict
from policies.model import (
    Allow,
    AppPolicy,
    Decision,
    Deny,
    Effect,
    Level,
    Reason,
    RequestFacts,
    Rule,
    StepUp,
    Subject,
)

NOW = datetime(2026, 11, 24, 19, 40, tzinfo=UTC)
PAGE = RequestFacts("GET", "/")

ANNA = Subject("anna", frozenset({"technicians"}), scope=None, level=Level.PASSWORD_TOTP)
TECHNICIANS = Rule("technicians", Effect.ALLOW, users=None, groups=frozenset({"technicians"}))
NOT_ANNA = Rule("not anna", Effect.DENY, users=frozenset({"anna"}), groups=None)


def answer(
    *rules: Rule, subject: Subject = ANNA, required: Level = Level.PASSWORD_TOTP
) -> Decision:
    """Decide on a page of the wiki under *rules*."""
    return decide(AppPolicy("wiki", rules, required), subject, PAGE, NOW)


def test_a_matching_allow_rule_allows() -> None:
    """The answer names the rule."""
    assert answer(TECHNICIANS) == Allow("technicians")


def test_the_first_of_several_allow_rules_is_named() -> None:
    """The order of rules chooses the name in the audit log, and nothing else."""
    assert answer(replace(TECHNICIANS, name="first"), TECHNICIANS) == Allow("first")


def test_no_rules_refuse_everybody() -> None:
    """An application without rules is closed."""
    assert answer() == Deny(Reason.NO_RULE_MATCHES)


def test_nothing_matching_is_refused() -> None:
    """Rules for others do not help."""
    bruno = replace(ANNA, user="bruno", groups=frozenset({"sales"}))
    assert answer(TECHNICIANS, NOT_ANNA, subject=bruno) == Deny(Reason.NO_RULE_MATCHES)


@pytest.mark.parametrize("rules", [(TECHNICIANS, NOT_ANNA), (NOT_ANNA, TECHNICIANS)])
def test_deny_beats_allow(rules: tuple[Rule, ...]) -> None:
    """In either order, and the answer names the rule that denies."""
    assert answer(*rules) == Deny(Reason.RULE_DENIES, "not anna")


def test_a_certificate_for_other_applications_is_refused_first() -> None:
    """Its reason is the certificate, even where a rule denies too."""
    scoped = replace(ANNA, scope=frozenset({"crm"}))
    assert answer(TECHNICIANS, NOT_ANNA, subject=scoped) == Deny(Reason.OUTSIDE_CERTIFICATE_SCOPE)


def test_a_certificate_for_this_application_is_judged_by_the_rules() -> None:
    """Scope opens nothing by itself."""
    scoped = replace(ANNA, scope=frozenset({"wiki"}))
    assert answer(TECHNICIANS, subject=scoped) == Allow("technicians")
    assert answer(subject=scoped) == Deny(Reason.NO_RULE_MATCHES)


def test_too_low_a_level_asks_for_the_required_one() -> None:
    """Whoever would be allowed is sent to sign in."""
    unproved = replace(ANNA, level=Level.CERTIFICATE)
    assert answer(TECHNICIANS, subject=unproved) == StepUp(Level.PASSWORD_TOTP)


def test_nobody_is_sent_to_sign_in_for_a_no() -> None:
    """A refusal is said at once."""
    unproved = replace(ANNA, level=Level.CERTIFICATE)
    assert answer(subject=unproved) == Deny(Reason.NO_RULE_MATCHES)
    assert answer(TECHNICIANS, NOT_ANNA, subject=unproved) == Deny(Reason.RULE_DENIES, "not anna")


def test_an_application_can_require_the_certificate_alone() -> None:
    """So the portal's own sign-in page can stand behind the same decision."""
    unproved = replace(ANNA, level=Level.CERTIFICATE)
    assert answer(TECHNICIANS, subject=unproved, required=Level.CERTIFICATE) == Allow("technicians")


def test_an_explanation_shows_every_rule_and_criterion() -> None:
    """Also the rules that come after the one that decides."""
    scoped = replace(ANNA, scope=frozenset({"wiki", "crm"}), level=Level.CERTIFICATE)
    explanation = explain(AppPolicy("wiki", (NOT_ANNA, TECHNICIANS)), scoped, PAGE, NOW)
    assert explanation.app == "wiki"
    assert explanation.scope == Finding("certificate scope", Verdict.HIT, "wiki", "crm, wiki")
    assert [(each.rule.name, each.matches) for each in explanation.rules] == [
        ("not anna", True),
        ("technicians", True),
    ]
    assert explanation.rules[1].findings == (
        Finding("users", Verdict.NOT_ASKED, "any", "anna"),
        Finding("groups", Verdict.HIT, "technicians", "technicians"),
    )
    assert explanation.level == Finding("level", Verdict.MISS, "password + totp", "certificate")
    assert explanation.decision == Deny(Reason.RULE_DENIES, "not anna")


# Few names, so that rules and people meet often.
USERS = st.sampled_from(["anna", "bruno", "carla"])
GROUPS = st.sampled_from(["technicians", "sales", "milano"])
SCOPES = st.none() | st.frozensets(st.sampled_from(["wiki", "crm"]))
RULES = st.builds(
    Rule,
    name=st.sampled_from(["a", "b", "c", "d"]),
    effect=st.sampled_from(Effect),
    users=st.none() | st.frozensets(USERS, min_size=1),
    groups=st.none() | st.frozensets(GROUPS, min_size=1),
)
SUBJECTS = st.builds(
    Subject,
    user=USERS,
    groups=st.frozensets(GROUPS),
    scope=SCOPES,
    level=st.sampled_from(Level),
)
POLICIES = st.builds(
    AppPolicy,
    app=st.just("wiki"),
    rules=st.lists(RULES, max_size=6).map(tuple),
    required=st.sampled_from(Level),
)


def openness(decision: Decision) -> int:
    """How far *decision* lets a person in: not at all, after signing in, now."""
    match decision:
        case Deny():
            return 0
        case StepUp():
            return 1
        case Allow():
            return 2


def gist(decision: Decision) -> object:
    """What *decision* says, without the name of the rule, which the order of rules chooses."""
    match decision:
        case Deny(reason):
            return reason
        case StepUp(required):
            return required
        case Allow():
            return Allow


@given(POLICIES, SUBJECTS, RULES, st.data())
def test_a_deny_rule_never_widens_access(
    policy: AppPolicy, subject: Subject, rule: Rule, data: st.DataObject
) -> None:
    """Wherever it is put."""
    place = data.draw(st.integers(0, len(policy.rules)))
    deny = replace(rule, effect=Effect.DENY)
    stricter = replace(policy, rules=(*policy.rules[:place], deny, *policy.rules[place:]))
    before, after = (openness(decide(each, subject, PAGE, NOW)) for each in (policy, stricter))
    assert after <= before


@given(POLICIES, SUBJECTS, RULES)
def test_an_allow_rule_never_narrows_access(
    policy: AppPolicy, subject: Subject, rule: Rule
) -> None:
    """And it never outweighs a deny rule."""
    wider = replace(policy, rules=(*policy.rules, replace(rule, effect=Effect.ALLOW)))
    before, after = (decide(each, subject, PAGE, NOW) for each in (policy, wider))
    assert openness(after) >= openness(before)
    if isinstance(before, Deny) and before.reason is not Reason.NO_RULE_MATCHES:
        assert after == before


@given(POLICIES, SUBJECTS, st.data())
def test_the_order_of_rules_does_not_matter(
    policy: AppPolicy, subject: Subject, data: st.DataObject
) -> None:
    """But for the name of the rule that is given as the cause."""
    shuffled = replace(policy, rules=tuple(data.draw(st.permutations(policy.rules))))
    assert gist(decide(shuffled, subject, PAGE, NOW)) == gist(decide(policy, subject, PAGE, NOW))


@given(POLICIES, SUBJECTS)
def test_a_scope_never_widens_access(policy: AppPolicy, subject: Subject) -> None:
    """A certificate with a scope opens at most what the same one without it opens."""
    free = decide(policy, replace(subject, scope=None), PAGE, NOW)
    scoped = decide(policy, subject, PAGE, NOW)
    assert scoped in (free, Deny(Reason.OUTSIDE_CERTIFICATE_SCOPE))


@given(POLICIES, SUBJECTS)
def test_a_higher_level_changes_nothing_but_the_step_up(
    policy: AppPolicy, subject: Subject
) -> None:
    """Signing in turns *sign in first* into *come in*, and no *no* into anything."""
    unproved = decide(policy, replace(subject, level=Level.CERTIFICATE), PAGE, NOW)
    proved = decide(policy, replace(subject, level=Level.PASSWORD_TOTP), PAGE, NOW)
    assert not isinstance(proved, StepUp)
    assert isinstance(unproved, Deny) == isinstance(proved, Deny)
    assert openness(proved) >= openness(unproved)


@given(POLICIES, SUBJECTS)
def test_an_explanation_agrees_with_the_decision(policy: AppPolicy, subject: Subject) -> None:
    """The decision can be read off the table by the order of *decide*, and is the same."""
    explanation = explain(policy, subject, PAGE, NOW)
    for each in explanation.rules:
        verdicts = [finding.verdict for finding in each.findings]
        assert each.matches == (Verdict.MISS not in verdicts)
    matching = [each.rule for each in explanation.rules if each.matches]
    denying = [rule.name for rule in matching if rule.effect is Effect.DENY]
    expected: Decision
    if explanation.scope.verdict is Verdict.MISS:
        expected = Deny(Reason.OUTSIDE_CERTIFICATE_SCOPE)
    elif denying:
        expected = Deny(Reason.RULE_DENIES, denying[0])
    elif not matching:
        expected = Deny(Reason.NO_RULE_MATCHES)
    elif explanation.level.verdict is Verdict.MISS:
        expected = StepUp(policy.required)
    else:
        expected = Allow(matching[0].name)
    assert explanation.decision == expected == decide(policy, subject, PAGE, NOW)
    assert [each.rule for each in explanation.rules] == list(policy.rules)
