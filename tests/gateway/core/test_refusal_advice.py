"""What the administrator is told of a refusal, and docs/refusals.md, which says the same."""

import re
from pathlib import Path

import pytest

from gateway.core.refusal_advice import ADVICE, PLACES, fill
from gateway.core.refusal_kinds import STATUS, Refusal
from gateway.core.refusal_words import WORDS

DOCUMENT = Path(__file__).parents[3] / "docs" / "refusals.md"


def row(refusal: Refusal) -> str:
    """Return the line of the document's table for *refusal*, as the code would have it."""
    advice, words = ADVICE[refusal], WORDS["en"][refusal]
    steps = "<br>".join(fill(step, {}) for step in advice.do)
    return (
        f"| `{refusal.value}` | {STATUS[refusal].value} | {advice.when} | {words.title} | {steps} |"
    )


@pytest.mark.parametrize("refusal", Refusal)
def test_every_refusal_has_a_reason_and_a_step(refusal: Refusal) -> None:
    """Whole sentences, and at least one thing to do."""
    advice = ADVICE[refusal]
    assert advice.do
    assert all(sentence.endswith(".") for sentence in (advice.when, *advice.do))


@pytest.mark.parametrize("refusal", Refusal)
def test_only_known_places_are_filled_in(refusal: Refusal) -> None:
    """A place that nobody fills in would be shown in capitals for ever."""
    named = {place for step in ADVICE[refusal].do for place in re.findall(r"\{(\w*)\}", step)}
    assert named <= {*PLACES}


def test_what_is_not_known_stays_in_capitals() -> None:
    """So that a command can be read, and typed with what the administrator knows."""
    step = "`pusterla cert issue {user} --device {device}`."
    assert fill(step, {"user": "anna"}) == "`pusterla cert issue anna --device DEVICE`."
    assert fill(step, {"user": ""}) == "`pusterla cert issue USER --device DEVICE`."


def test_what_is_filled_in_is_not_looked_at_again() -> None:
    """Braces in a name are a name."""
    assert fill("{user}", {"user": "{serial}", "serial": "4a"}) == "{serial}"


def test_the_document_has_a_line_for_each_and_no_other() -> None:
    """Name, status, when it comes, what the person reads, what to do: as the code has them."""
    found = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("| `")]
    expected = [row(refusal) for refusal in Refusal]
    table = [line for line in found if line.split("`")[1] in {*Refusal}]
    assert table == expected, "write this table into docs/refusals.md:\n" + "\n".join(expected)
