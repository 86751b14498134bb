"""The catalogue of sentences is complete, and every template speaks through it."""

import re
from string import Formatter

import pytest
from jinja2 import nodes

from gateway.core.devices import Standing
from gateway.core.requests import Fault, RequestState
from gateway.portal.messages import MESSAGES, say
from gateway.portal.month import Mark
from gateway.portal.navigation import PLACES
from gateway.portal.pages import TEMPLATES
from gateway.portal.tiles import CLOSED

# Said by Python code, beside those in templates.
SAID_BY_CODE = {
    *("recovery-wrong", "recovery-used", "password-short", "password-long", "password-no-text"),
    *("passwords-differ", "password-same", "ticket-wrong", "ticket-ended", "ticket-gone"),
    *("first-code-wrong", "pending-over", "pending-gone", "account-overtaken", "account"),
    *("password-changed", "authenticator-changed", "others-signed-out"),
    *("renew-choose", "renew-key-gone", "renew-choose-program", "renew-password-signs"),
    *("renew-password-short", "for-firefox", "for-windows", "for-macos", "for-android"),
    "for-others",
    *("confirm-wrong", "wrong", "code-used", "clock-ahead", "clock-behind", "locked"),
    *("lost-wrong", "lost-code-used", "lost-slowed", "lost-busy", "lost-too-late"),
    *(f"certificate-{standing}" for standing in Standing),
    *("certificate-number", "certificate-dates", "certificate-ends", "certificate-since"),
    *("certificate-successor", "certificate-goes"),
    *CLOSED.values(),
    *(f"days-{what}" for what in ("used", "left", "row", "today", "spends", "may", "next")),
    *("closed-until", "parts-only", "opens-with-code"),
    *(place.key for place in PLACES),
    *(
        "agree-tick",
        "agree-outdated",
        "agree-too-often",
        "agree-due",
        "agree-again",
        "agree-soon",
        "agree-accepted",
    ),
    *("agree-nothing", "agree-in-en", "agree-in-it", "agree-notice-due", "agree-notice-soon"),
    *("request-withdrawn", "request-given-back", "request-moved", "request-sent"),
    *("request-beyond", "request-lesser", "request-quota", "request-quota-apart"),
    *("request-dates", "request-state-late", "decide-choose", "decided-approved"),
    *("decided-refused", "decided-before"),
    *(f"request-state-{state}" for state in RequestState),
    # Of what is not there, nothing is said.
    *(f"request-fault-{one}" for one in {*Fault} - {Fault.UNKNOWN, Fault.OWN, Fault.SETTLED}),
    *(f"day-{mark}" for mark in Mark),
    *("lost-overtaken", "lost-choose-one", "lost-serial", "lost-since", "lost-used", "lost-held"),
}


def said_by_templates() -> dict[str, set[str]]:
    """Return the keys that templates say, with the values they bring."""
    assert TEMPLATES.loader is not None
    said: dict[str, set[str]] = {}
    for name in TEMPLATES.list_templates():
        source = TEMPLATES.loader.get_source(TEMPLATES, name)[0]
        for call in TEMPLATES.parse(source).find_all(nodes.Call):
            if isinstance(call.node, nodes.Name) and call.node.name == "say":
                [key] = call.args
                if not isinstance(key, nodes.Const):
                    assert isinstance(key, nodes.Getattr), "a place of the navigation"
                    continue
                said.setdefault(key.value, set()).update(word.key for word in call.kwargs)
    return said


def places(sentence: str) -> set[str]:
    """Return the names of the places in *sentence*."""
    return {name for _, name, _, _ in Formatter().parse(sentence) if name}


@pytest.mark.parametrize("key", MESSAGES)
def test_every_sentence_is_there_in_both_languages(key: str) -> None:
    """No sentence is missing, empty, or without a value that the other language has."""
    sentences = MESSAGES[key]
    assert set(sentences) == {"en", "it"}
    assert all(sentences.values())
    assert places(sentences["en"]) == places(sentences["it"])


def test_templates_and_catalogue_agree() -> None:
    """Every sentence that is said exists with its values, and none is left over."""
    said = said_by_templates()
    assert set(said) | SAID_BY_CODE == set(MESSAGES)
    assert {key: places(MESSAGES[key]["en"]) for key in said} == said


def test_templates_have_no_sentence_of_their_own() -> None:
    """What people read comes from the catalogue, so that no page is half translated."""
    assert TEMPLATES.loader is not None
    for name in TEMPLATES.list_templates():
        source = TEMPLATES.loader.get_source(TEMPLATES, name)[0]
        bare = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}|<[^>]*>", " ", source, flags=re.DOTALL)
        assert re.findall(r"[A-Za-z]{2,}", bare) == [], name


@pytest.mark.parametrize("language,word", [("en", "Welcome, <b>"), ("it", "Ciao, <b>")])
def test_say_puts_values_in_their_places(language: str, word: str) -> None:
    """Values are put in as they are: escaping is the template's."""
    assert word in say("welcome", "it" if language == "it" else "en", name="<b>")


def test_both_languages_differ() -> None:
    """No English sentence was copied into the Italian ones (but for words that are the same)."""
    same = [key for key, words in MESSAGES.items() if words["en"] == words["it"]]
    assert same == ["password", "account"]


def test_apostrophes_are_typographic() -> None:
    """The page looks set, not typed."""
    assert [key for key, words in MESSAGES.items() if "'" in words["en"] + words["it"]] == []
