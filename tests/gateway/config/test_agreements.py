"""Agreements and their texts, as files."""

import os
from datetime import date
from hashlib import sha256
from pathlib import Path

import pytest

from gateway.config import Configuration, ConfigurationWatcher, Problems
from gateway.config.agreements import LARGEST_TEXT, agreement_files, read_agreements
from gateway.core.agreements import AgreementDocument
from policies.papers import mark_of
from policies.reading import Problem

HOME = """
[title]
en = "Working from elsewhere"
it = "Lavoro agile"

[[versions]]
version = "2"
due = 2026-07-01
texts = { en = "2.en.md" }

[[versions]]
version = "1"
due = 2026-01-01
texts = { en = "1.en.md", it = "1.it.md" }
"""
ENGLISH, ITALIAN, SECOND = "# Terms\n", "# Condizioni: così\n", "# More terms\n"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Return a site with one agreement, as far as its agreements go."""
    texts = tmp_path / "agreements" / "home"
    texts.mkdir(parents=True)
    (tmp_path / "agreements" / "home.toml").write_text(HOME)
    for name, text in (("1.en.md", ENGLISH), ("1.it.md", ITALIAN), ("2.en.md", SECOND)):
        (texts / name).write_text(text)
    return tmp_path


def read(site: Path) -> tuple[dict[str, AgreementDocument], list[str]]:
    """Return the agreements of *site*, and what is wrong with them."""
    problems: list[Problem] = []
    return read_agreements(site, problems), list(map(str, problems))


def test_versions_by_their_days(site: Path) -> None:
    """With all languages of each; a digest is that of the file's bytes."""
    found, problems = read(site)
    assert problems == []
    home = found["home"]
    assert home.titles == {"en": "Working from elsewhere", "it": "Lavoro agile"}
    first, second = home.agreement.versions
    assert (first.version, first.due) == ("1", date(2026, 1, 1))
    assert first.digests == {
        mark_of("home", "1", sha256(text.encode()).hexdigest()) for text in (ENGLISH, ITALIAN)
    }
    assert second.version == "2"
    text = home.text("1", "it")
    assert text is not None
    assert text.markdown == ITALIAN


def test_the_same_words_are_another_text_in_another_version(site: Path) -> None:
    """Whoever accepted last year's is asked for this year's, though no letter is another."""
    (site / "agreements" / "home" / "2.en.md").write_text(ENGLISH)
    found, _ = read(site)
    first, second = found["home"].agreement.versions
    assert first.digests.isdisjoint(second.digests)


def test_a_site_without_agreements_has_none(tmp_path: Path) -> None:
    """That is no problem."""
    assert read(tmp_path) == ({}, [])


def test_what_is_no_agreement_is_left_alone(site: Path) -> None:
    """Drafts of editors, and texts that no version names."""
    (site / "agreements" / ".home.toml").write_text("nonsense")
    (site / "agreements" / "README").write_text("nonsense")
    (site / "agreements" / "home" / "notes.md").write_bytes(b"\xff")
    assert read(site)[1] == []


@pytest.mark.parametrize(
    "old, new, problem",
    [
        (
            '"2.en.md"',
            '"2.fr.md"',
            "versions[1].texts.en: there is no file agreements/home/2.fr.md",
        ),
        ('"2.en.md"', '"2.en.mb"', "'2.en.mb' is not the name of a text"),
        ('"2.en.md"', '"../home/2.en.md"', "is not the name of a text in agreements/home/"),
        ('"2.en.md"', '"/etc/motd.md"', "is not the name of a text in agreements/home/"),
        ('{ en = "2.en.md" }', "{}", "versions[1].texts: missing: its text"),
        ('{ en = "2.en.md" }', '{ de = "2.en.md" }', "versions[1].texts.de: unknown key"),
        ("2026-07-01", "2026-01-01", "2026-01-01 is already the day of versions[1]"),
        ("2026-07-01", "2026-06-31", "not valid TOML"),
        ('version = "1"', 'version = "2"', "versions[2].version: '2' is already versions[1]"),
        ('version = "1"', 'version = "1 a"', "cannot be the name of a version"),
        ("due = 2026-07-01", "", "versions[1].due: missing, expected"),
        ("due =", "deu =", "versions[1].deu: unknown key; did you mean 'due'?"),
        ("[title]", "[titles]", "unknown key; did you mean 'title'?"),
        ('en = "Working from elsewhere"', 'en = "two\\nlines"', "title.en: a title is one line"),
    ],
)
def test_mistakes(site: Path, old: str, new: str, problem: str) -> None:
    """Each is told with its place and a way out; the agreement is not used."""
    (site / "agreements" / "home.toml").write_text(HOME.replace(old, new, 1))
    found, problems = read(site)
    assert found == {}
    assert any(problem in one for one in problems), problems
    assert all(one.startswith("agreements/home.toml: ") for one in problems)


def test_an_agreement_without_versions(site: Path) -> None:
    """And without a title: both are said."""
    (site / "agreements" / "home.toml").write_text("")
    assert read(site)[1] == [
        'agreements/home.toml: title: missing: what people call it, as en = "Remote working"',
        "agreements/home.toml: versions: it has no version: write at least one [[versions]]",
    ]


def test_too_many_versions(site: Path) -> None:
    """Nobody has so many; somebody has made a mistake."""
    one = HOME[HOME.index("[[versions]]") :]
    (site / "agreements" / "home.toml").write_text(HOME + one * 50)
    assert read(site)[1] == ["agreements/home.toml: versions: more than 100 versions"]


def test_a_name_that_no_rule_could_write(site: Path) -> None:
    """The file has to be renamed."""
    (site / "agreements" / "home.toml").rename(site / "agreements" / "Home Office.toml")
    assert any("rename the file" in one for one in read(site)[1])


@pytest.mark.parametrize(
    "data, problem",
    [
        (b"", "is empty: nobody can agree to nothing"),
        (b" \n\n", "is empty: nobody can agree to nothing"),
        (b"one\ntwo \xff\n", "line 2 is not UTF-8"),
        (b"x" * (LARGEST_TEXT + 1), "is larger than 128 KiB"),
    ],
)
def test_texts_that_are_none(site: Path, data: bytes, problem: str) -> None:
    """Empty, not text, huge."""
    (site / "agreements" / "home" / "2.en.md").write_bytes(data)
    found, [one] = read(site)
    assert found == {}
    assert problem in one


def test_a_text_that_cannot_be_read(site: Path) -> None:
    """A folder under its name, say."""
    text = site / "agreements" / "home" / "2.en.md"
    text.unlink()
    text.mkdir()
    [problem] = read(site)[1]
    assert "agreements/home/2.en.md cannot be read" in problem


def test_a_rule_asks_for_one(site: Path) -> None:
    """By its name; another name is a mistake, with what may have been meant."""
    (site / "pusterla.toml").write_text("[site]\nhost = 'pusterla.example'\nport = 8443\n")
    (site / "apps").mkdir()
    wiki = site / "apps" / "wiki.toml"
    watcher = ConfigurationWatcher(site)
    rule = (
        "host = 'wiki.pusterla.example'\nupstream = 'http://127.0.0.1:9000'\n"
        "[[rules]]\neffect = 'allow'\neverybody = true\nrequires = ['agreement:home']\n"
    )
    wiki.write_text(rule)
    found = watcher.poll()
    assert isinstance(found, Configuration)
    assert found.applications["wiki"].policy.rules[0].agreements == (
        found.agreements["home"].agreement,
    )
    wiki.write_text(rule.replace("home", "hoem"))
    wrong = watcher.poll()
    assert isinstance(wrong, Problems)
    assert "there is no agreement 'hoem' (agreements/hoem.toml); did you mean 'home'?" in str(wrong)


def test_a_text_that_changes_is_noticed(site: Path) -> None:
    """Files of agreements and of texts are watched, also those that are added."""
    files = agreement_files(site / "agreements")
    assert [one.name for one in files] == ["home.toml", "1.en.md", "1.it.md", "2.en.md"]
    watcher = ConfigurationWatcher(site)
    watcher.poll()
    assert watcher.poll() is None
    text = site / "agreements" / "home" / "1.en.md"
    os.utime(text, (1, 1))
    assert watcher.poll() is not None
