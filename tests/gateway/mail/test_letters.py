"""Letters say what happened in both languages, and no field of theirs can be written by others."""

import email
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import default
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.lost import Belonging
from gateway.core.people import Fingerprint, Person
from gateway.core.site import Mail
from gateway.mail.letters import (
    Letter,
    Report,
    letters_of,
    message_of,
    trial_letter,
)
from tests.gateway.portal.house import SITE

NOW = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)
MAIL_SITE = replace(
    SITE,
    mail=Mail(
        server="mail.example.it",
        from_="pusterla@example.it",
        administrators=("helpdesk@example.it", "giulia@example.it"),
    ),
)
ANNA = Person("anna", "Anna Rossi", "anna@example.it", frozenset(), enabled=True)
STICK = Belonging(
    fingerprint=Fingerprint("f" * 64),
    serial="4a0f66c1d2e3",
    device="stick-1",
    since=NOW - timedelta(days=10),
    until=NOW + timedelta(days=300),
    held=False,
    last_sign_in=None,
)
REPORT = Report(ANNA, (STICK,), NOW, "192.0.2.7", "bvqflyq-k3v7qh2-1f")


def read(octets: bytes) -> EmailMessage:
    """Read a letter by Python's parser."""
    message = email.message_from_bytes(octets, policy=default)
    assert isinstance(message, EmailMessage)
    return message


def test_administrators_and_the_person_are_told() -> None:
    """What, when, from where, by which number, and what to do."""
    to_all, to_her = letters_of(MAIL_SITE, REPORT, "en")
    assert to_all.to == ("helpdesk@example.it", "giulia@example.it")
    assert to_her.to == ("anna@example.it",)
    assert to_all.subject == "Pusterla: anna has lost stick-1, which is revoked"
    for words in (
        *("Anna Rossi (anna)", "stick-1: 4a0f66c1d2e3", "2026-11-24 12:30:00 UTC", "192.0.2.7"),
        *(
            "bvqflyq-k3v7qh2-1f",
            "pusterla cert issue anna",
            "pusterla user passwd anna",
            "revocato",
        ),
    ):
        assert words in to_all.text
    assert "ask help@example.it" in to_her.text
    assert "pusterla " not in to_her.text


def test_times_are_those_of_the_sites_zone() -> None:
    """With the name of the zone, for letters are read anywhere."""
    rome = replace(MAIL_SITE, time_zone=ZoneInfo("Europe/Rome"))
    for letter in letters_of(rome, REPORT, "en"):
        assert "2026-11-24 13:30:00 CET" in letter.text


def test_the_person_is_told_in_the_language_of_the_page() -> None:
    """The administrators in both."""
    to_all, to_her = letters_of(MAIL_SITE, REPORT, "it")
    assert to_her.subject == "Pusterla: revocato perché perso: stick-1"
    assert "Non apre più nulla" in to_her.text
    assert to_all == letters_of(MAIL_SITE, REPORT, "en")[0]


def test_whoever_has_no_address_gets_no_letter() -> None:
    """Nor administrators whom nobody has named."""
    nobody = replace(MAIL_SITE, mail=replace(MAIL_SITE.mail, administrators=()), contact="")
    assert letters_of(nobody, replace(REPORT, person=replace(ANNA, email="")), "en") == []
    [letter] = letters_of(nobody, REPORT, "it")
    assert "chi ti ha dato l’accesso" in letter.text


def test_a_letter_has_the_fields_of_one() -> None:
    """Those that RFC 5322 wants, and that nobody's holiday notice answers."""
    letter = letters_of(MAIL_SITE, REPORT, "it")[1]
    message = read(bytes(message_of(letter, MAIL_SITE, NOW, "4711")))
    assert message["From"] == "Pusterla <pusterla@example.it>"
    assert message["To"] == "anna@example.it"
    assert message["Subject"] == letter.subject
    assert message["Message-ID"] == "<4711@pusterla.localhost>"
    assert message["Date"].datetime == NOW
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content_type() == "text/plain"
    assert message.get_content().replace("\r\n", "\n") == letter.text


def test_a_trial_says_what_it_is() -> None:
    """To whomever it is sent."""
    letter = trial_letter(MAIL_SITE, ["a@example.it"])
    assert letter.to == ("a@example.it",)
    assert "pusterla mail test" in letter.text


@given(name=st.text(), device=st.text(min_size=1), site=st.text(min_size=1), contact=st.text())
def test_no_text_becomes_a_field(name: str, device: str, site: str, contact: str) -> None:
    """Whatever names are: the same fields, in the same number, and nobody else is written to."""
    written = replace(MAIL_SITE, name=site, contact=contact)
    report = replace(
        REPORT, person=replace(ANNA, name=name), ended=(replace(STICK, device=device),)
    )
    for letter in letters_of(written, report, "en"):
        octets = bytes(message_of(letter, written, NOW, "4711"))
        message = read(octets)
        assert sorted(message.keys()) == sorted(
            [
                *("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted"),
                *("Content-Type", "Content-Transfer-Encoding", "MIME-Version"),
            ]
        )
        assert [each.addr_spec for each in message["To"].addresses] == [*letter.to]
        assert [each.addr_spec for each in message["From"].addresses] == ["pusterla@example.it"]
        assert max(map(len, octets.split(b"\r\n"))) <= 998
        assert b"\n" not in octets.replace(b"\r\n", b"")


@pytest.mark.parametrize("text", ["", "anna", "anna@example.it\r\nBcc: x@evil.example"])
def test_nobody_is_written_to_whose_address_is_none(text: str) -> None:
    """Neither as whom it is for nor as whom it is from."""
    with pytest.raises(ValueError, match="not a mail address"):
        message_of(Letter((text,), "s", "t", "test"), MAIL_SITE, NOW, "4711")
    nameless = replace(MAIL_SITE, mail=replace(MAIL_SITE.mail, from_=text))
    with pytest.raises(ValueError, match="not a mail address"):
        message_of(Letter(("anna@example.it",), "s", "t", "test"), nameless, NOW, "4711")
