"""What refusals say."""

import re
from dataclasses import fields

import pytest

from gateway.core.refusal_kinds import STATUS, Refusal
from gateway.core.refusal_words import FRAMES, WAYS, WORDS, Language, Way, Words

BOTH: list[Language] = ["en", "it"]


def sentences(words: Words) -> list[str]:
    """Return everything that a refusal says."""
    told = [do for _, do in words.browsers]
    return [words.title, words.happened, *words.then, *told]


@pytest.mark.parametrize("language", BOTH)
@pytest.mark.parametrize("refusal", Refusal)
def test_each_says_what_happened_and_what_to_do(language: Language, refusal: Refusal) -> None:
    """A title, what happened and at least one thing to do, in both languages."""
    words = WORDS[language][refusal]
    assert all(sentences(words))
    assert words.then
    assert not words.title.endswith(".")
    *whole, last = sentences(words)[1 : 2 + len(words.then)]
    assert all(sentence.endswith(".") for sentence in whole)
    # What leads to a list ends as such.
    assert last.endswith(":" if words.browsers else ".")
    assert all(do.endswith(".") for _, do in words.browsers)


@pytest.mark.parametrize("language", BOTH)
def test_no_two_refusals_read_the_same(language: Language) -> None:
    """Each reason is told apart by its title alone."""
    titles = [words.title for words in WORDS[language].values()]
    assert len(set(titles)) == len(titles)


def test_italian_is_not_english() -> None:
    """No sentence was left untranslated."""
    for refusal in Refusal:
        english = set(sentences(WORDS["en"][refusal]))
        assert english.isdisjoint(sentences(WORDS["it"][refusal]))
    for field in fields(FRAMES["en"]):
        assert getattr(FRAMES["en"], field.name) != getattr(FRAMES["it"], field.name)


@pytest.mark.parametrize(
    "language,words",
    [
        ("en", ["expired", "not chosen", "is not enough", "start it again", "Try again", "stick"]),
        ("it", ["scaduto", "non è stato scelto", "non basta", "riavvialo", "Riprova", "chiavetta"]),
    ],
)
def test_no_certificate_is_no_dead_end(language: Language, words: list[str]) -> None:
    """Browsers hide expired certificates and remember a Cancel: the page says so."""
    said = " ".join(sentences(WORDS[language][Refusal.NO_CERTIFICATE]))
    assert [word for word in words if word not in said] == []
    named = [name for name, _ in WORDS[language][Refusal.NO_CERTIFICATE].browsers]
    assert named == ["Firefox", "Chrome, Edge, Chromium", "Safari"]


def test_the_way_out_is_open() -> None:
    """The portal is offered only where it lets in; a dead end only where nothing else helps."""
    assert set(WAYS) == set(Refusal)
    with_portal = {refusal for refusal, way in WAYS.items() if way is Way.PORTAL}
    assert not {refusal for refusal in with_portal if refusal.startswith(("certificate", "person"))}
    for refusal, status in STATUS.items():
        if status.value >= 500 and refusal is not Refusal.METHOD_UNKNOWN:
            assert WAYS[refusal] is Way.AGAIN


@pytest.mark.parametrize("language", BOTH)
def test_nothing_is_shouted_or_blamed(language: Language) -> None:
    """No exclamation marks, and apostrophes as a printer sets them."""
    for words in WORDS[language].values():
        assert re.search(r"[!']", " ".join(sentences(words))) is None
