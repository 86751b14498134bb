"""The words of a policy hold their own promises."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.model import NAME, Effect, Level, Reason, Rule, check_name


@pytest.mark.parametrize("name", ["a", "0", "anna", "anna.rossi", "it-milano_2", "a" * 64])
def test_a_proper_name_is_returned_as_it_is(name: str) -> None:
    """Small letters, digits, dot, underscore and hyphen, up to 64 of them."""
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "a" * 65, ".anna", "-anna", "_anna", "anna rossi", "anna\n", "anna:x", "annà", "a/b"],
)
def test_anything_else_is_no_name(name: str) -> None:
    """What could be mistaken for an option, a path or another name is refused."""
    with pytest.raises(ValueError, match="cannot be a name"):
        check_name(name)


def test_a_name_in_capitals_is_answered_with_the_name_meant() -> None:
    """The commonest mistake gets its correction."""
    with pytest.raises(ValueError) as caught:
        check_name("Anna ")
    assert str(caught.value) == (
        "'Anna ' cannot be a name: use 1 to 64 of a-z, 0-9, '.', '_' and '-', "
        "beginning with a letter or a digit; did you mean 'anna'?"
    )


@given(st.text(max_size=70))
def test_check_name_accepts_what_the_pattern_matches_as_a_whole(text: str) -> None:
    """For any text, there is one answer, and it is the pattern's."""
    try:
        accepted = check_name(text) == text
    except ValueError:
        accepted = False
    assert accepted == (NAME.fullmatch(text) is not None)


def test_levels_compare_by_what_they_prove() -> None:
    """Password and code prove more than the certificate alone."""
    assert Level.CERTIFICATE < Level.PASSWORD_TOTP


def test_reasons_keep_their_values() -> None:
    """Audit logs hold these words: a reason may be added, none may be renamed."""
    assert {reason.value for reason in Reason} >= {
        "outside-certificate-scope",
        "rule-denies",
        "no-rule-matches",
    }


@pytest.mark.parametrize("effect", list(Effect))
def test_a_rule_with_an_empty_set_cannot_exist(effect: Effect) -> None:
    """An empty set would match nobody, and a deny rule that matches nobody denies nothing."""
    within = timedelta(minutes=10) if effect is Effect.STEP_UP else None
    with pytest.raises(ValueError, match="rule 'x': an empty set of users matches nobody"):
        Rule("x", effect, users=frozenset(), groups=None, totp_within=within)
    with pytest.raises(ValueError, match="rule 'x': an empty set of groups matches nobody"):
        Rule("x", effect, users=None, groups=frozenset(), totp_within=within)


@pytest.mark.parametrize("effect", [Effect.DENY, Effect.OBSERVE])
def test_only_who_is_allowed_can_need_papers(effect: Effect) -> None:
    """A deny rule that asked for them would let in whoever has none."""
    with pytest.raises(ValueError, match="only who is allowed can need papers"):
        Rule("x", effect, None, None, approval=True)


def test_only_a_step_up_rule_says_within_what_time() -> None:
    """And it must."""
    for effect, within in ((Effect.STEP_UP, None), (Effect.ALLOW, timedelta(minutes=10))):
        with pytest.raises(ValueError, match="a step-up rule, and no other"):
            Rule("x", effect, None, None, totp_within=within)


def test_a_criterion_that_is_not_asked_is_none() -> None:
    """A rule says of each criterion whether it asks it."""
    rule = Rule("x", Effect.ALLOW, users=None, groups=frozenset({"technicians"}))
    assert rule.users is None
    assert rule.groups == frozenset({"technicians"})
