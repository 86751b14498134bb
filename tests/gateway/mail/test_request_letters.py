"""Letters about access that is asked for: to whom, what they say, and what they never carry."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.people import Person
from gateway.core.requests import AccessRequest, RequestState
from gateway.core.spans import parse_spans
from gateway.mail.letters import message_of
from gateway.mail.request_letters import answer_letters, asked_letters
from tests.gateway.mail.test_letters import MAIL_SITE

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
ANNA = Person("anna", "Anna Rossi", "anna@example.it", frozenset(), enabled=True)
BERTA = replace(ANNA, user="berta", name="Berta Neri", email="berta@example.it")
ASKED = AccessRequest(
    *(7, "anna", "wiki", parse_spans("2026-11-24,2026-12-01/2026-12-03")),
    *("http://evil.example <b>", "aa", (), NOON),
)
APPROVED = replace(
    ASKED,
    state=RequestState.APPROVED,
    granted=parse_spans("2026-11-24"),
    decided_by="berta",
    decided_at=NOON,
    words="http://evil.example",
)


def test_each_decider_gets_a_letter_of_their_own() -> None:
    """So that nobody reads who else decides; once for an address that two have."""
    deciders = [BERTA, replace(BERTA, user="bea"), replace(BERTA, email="c@example.it")]
    letters = asked_letters(MAIL_SITE, ASKED, "The wiki", ANNA, deciders)
    assert [one.to for one in letters] == [("berta@example.it",), ("c@example.it",)]
    text = letters[0].text
    for words in (
        "Anna Rossi (anna) asks at Pusterla",
        "  Tuesday 24 November 2026; 1–3 December 2026\n",
        "  martedì 24 novembre 2026; 1–3 dicembre 2026\n",
        "https://pusterla.localhost:8443/requests/decide?number=7",
    ):
        assert words in text


def test_without_a_decider_who_has_an_address_the_administrators_do() -> None:
    """And nobody, where none are named."""
    silent = replace(BERTA, email="")
    [letter] = asked_letters(MAIL_SITE, ASKED, "The wiki", ANNA, [silent])
    assert letter.to == MAIL_SITE.mail.administrators
    assert "pusterla request approve 7" in letter.text
    nobody = replace(MAIL_SITE, mail=replace(MAIL_SITE.mail, administrators=()))
    assert asked_letters(nobody, ASKED, "The wiki", ANNA, []) == []


@pytest.mark.parametrize(
    "request_, words",
    [
        (APPROVED, "That is less than you had asked for: Tuesday 24"),
        (replace(APPROVED, state=RequestState.REFUSED, granted=()), "was refused:"),
    ],
)
def test_whoever_asked_reads_what_became_of_it(request_: AccessRequest, words: str) -> None:
    """And where to read what was said to it."""
    [letter] = answer_letters(MAIL_SITE, request_, "The wiki", ANNA)
    assert letter.to == ("anna@example.it",)
    assert words in letter.text
    assert "https://pusterla.localhost:8443/requests\n" in letter.text
    assert answer_letters(MAIL_SITE, request_, "The wiki", replace(ANNA, email="")) == []


def test_all_that_was_asked_for_is_not_called_less() -> None:
    """Though it was written in other spans."""
    whole = replace(APPROVED, granted=APPROVED.wanted)
    [letter] = answer_letters(MAIL_SITE, whole, "The wiki", ANNA)
    assert "less than" not in letter.text


@given(st.text(), st.text())
def test_what_people_wrote_adds_nothing(name: str, title: str) -> None:
    """No field, no recipient, no HTML; and no reason or answer stands in a letter."""
    asker = replace(ANNA, name=name)
    letters = [
        *asked_letters(MAIL_SITE, ASKED, title, asker, [BERTA]),
        *answer_letters(MAIL_SITE, APPROVED, title, asker),
    ]
    for letter in letters:
        message = message_of(letter, MAIL_SITE, NOON, "1")
        assert message.get_content_type() == "text/plain"
        assert [*message.keys()].count("To") == 1
        assert "Bcc" not in message
        assert "evil.example" not in message.as_string()
