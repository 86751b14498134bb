from dataclasses import replace

import pytest

from gateway.kit.letters import ENGLISH, ITALIAN, Facts, letters
from tests.gateway.kit.persons import NOW

FACTS = Facts(
    name="Łucja Ñandú 京子 {0}",
    device="stick-2",
    site="Officina",
    portal="https://gate.example.org/",
    lost="https://public.gate.example.org/lost",
    contact="help@example.org",
    until=NOW,
    bundled=True,
)


@pytest.mark.parametrize("name", [ITALIAN, ENGLISH])
def test_a_letter_says_whose_it_is_where_it_opens_and_whom_to_ask(name: str) -> None:
    """Whatever a person is called."""
    text = letters(FACTS)[name].decode("utf-8-sig")
    for word in (FACTS.name, FACTS.device, FACTS.site, FACTS.portal, FACTS.lost, FACTS.contact):
        assert word in text
    assert "start.cmd" in text
    assert "start-linux.sh" in text
    assert "start-macos.command" in text
    assert "{" not in text.replace(FACTS.name, "")


def test_old_editors_of_windows_read_it() -> None:
    """The mark of UTF-8 first, and every line ended as they want it."""
    for content in letters(FACTS).values():
        assert content.startswith(b"\xef\xbb\xbf")
        assert content.count(b"\n") == content.count(b"\r\n") > 20


def test_it_says_whether_a_browser_is_there() -> None:
    """And each in its own language."""
    bundled, bare = letters(FACTS), letters(replace(FACTS, bundled=False))
    assert "Il browser è sulla chiavetta" in bundled[ITALIAN].decode()
    assert "Il computer deve avere Firefox" in bare[ITALIAN].decode()
    assert "The computer needs a Firefox" in bare[ENGLISH].decode()


def test_without_a_contact_it_names_whoever_gave_the_stick() -> None:
    """No line ends in the air."""
    text = letters(replace(FACTS, contact=""))
    assert "chi ha consegnato questa chiavetta" in text[ITALIAN].decode()
    assert "whoever gave you this stick" in text[ENGLISH].decode()
    assert b"21.11.2026" in text[ITALIAN]
    assert b"2026-11-21" in text[ENGLISH]
