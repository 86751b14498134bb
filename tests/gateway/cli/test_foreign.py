"""Certificates of other CAs, as the command lists and blocks them."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

import pytest

from gateway.bootstrap.folder import clock, open_folder
from gateway.core.foreign import ForeignList, ForeignState, PersonBy, Verdict
from gateway.core.people import Fingerprint
from gateway.store import Store, open_store
from tests.gateway.cli.runner import Runner

DAY = timedelta(days=1)
NOW = clock()
ANNAS, NOBODYS = Fingerprint("ca" * 32), Fingerprint("cb" * 32)
GOOD = Verdict(
    ANNAS,
    ForeignState.ACCEPTED,
    trust="office",
    issuer="CN=Office CA",
    serial="4a0f",
    not_before=NOW - DAY,
    not_after=NOW + 30 * DAY,
    by=PersonBy.USER,
    identity="anna",
    good_until=NOW + DAY,
)
UNTRUSTED = Verdict(
    NOBODYS, ForeignState.REFUSED, trust="office", serial="4a10", fault="usage", words="why"
)
BERTAS = replace(
    GOOD,
    fingerprint=Fingerprint("bc" * 32),
    trust="cards",
    issuer="CN=Card CA",
    serial="1",
    identity="berta",
)
REASON = ("--reason", "keyCompromise")

T = TypeVar("T")


def work(pusterla: Runner, do: Callable[[Store], Awaitable[T]]) -> T:
    """Do something with the site's store."""

    async def go() -> T:
        url = open_folder(pusterla.site).store_url(None)
        async with open_store(url, clock) as store:
            return await do(store)

    return asyncio.run(go())


@pytest.fixture
def shown(pusterla: Runner) -> Runner:
    """Anna is a user, and has shown a card of another CA; so has somebody else."""
    pusterla.add_user("anna", "guests")

    show_too(pusterla, GOOD, UNTRUSTED)
    return pusterla


def show_too(pusterla: Runner, *verdicts: Verdict) -> None:
    """Show certificates, and let this be found of them."""

    async def show(store: Store) -> None:
        for verdict in verdicts:
            await store.present(verdict.fingerprint, b"der")
            await store.judge([verdict], by="test")

    work(pusterla, show)


def state(pusterla: Runner) -> tuple[str | None, str | None]:
    """Return whether Anna's card is blocked, and why."""
    (card,) = [one for one in listed(pusterla) if one["serial"] == "4a0f"]
    return card["blocked_at"] and "blocked", card["block_reason"]


def listed(pusterla: Runner) -> list[dict[str, str | None]]:
    """Return what was shown."""
    found: list[dict[str, str | None]] = pusterla.json("ca", "trust", "certificates")
    return found


def test_what_was_shown_is_listed(shown: Runner) -> None:
    """With whose it is, and what was found of it."""
    said = shown.done("ca", "trust", "certificates", "office").stdout
    first, second = said.splitlines()[1:]
    assert first.split()[:5] == ["4a0f", "office", "anna", "anna", "good"]
    assert second.split()[:5] == ["4a10", "office", "-", "-", "usage"]
    card, other = listed(shown)
    assert (card["user"], card["state"], card["fault"]) == ("anna", "accepted", None)
    assert (other["user"], other["state"], other["fault"]) == (None, "refused", "usage")
    assert "no trust 'ofice'" in shown.refused("ca", "trust", "certificates", "ofice")


@pytest.mark.parametrize(
    "words", [("--serial", "4A:0F"), ("--user", "anna"), ("--group", "guests", "--yes")]
)
def test_revoking_blocks_it_here(shown: Runner, words: tuple[str, ...]) -> None:
    """By its serial, with all that its person has, or that of a group."""
    answer = shown.json("cert", "revoke", *words, *REASON)
    assert [one["serial"] for one in answer["of_other_cas"]] == ["4a0f"]
    assert answer["revoked"] == []
    assert state(shown) == ("blocked", "keyCompromise")
    line = shown.audit("certificate-revoked")[-1]
    assert (line["user"], line["serial"], line["reason"]) == ("anna", "4a0f", "keyCompromise")


def test_revoking_everything_takes_both_kinds(shown: Runner) -> None:
    """Somebody's own certificate and the card: the one command for a lost bag."""
    shown.issue("anna", "stick-1")
    everything = ("cert", "revoke", "--user", "anna", *REASON)
    reason = shown.refused(*everything)
    assert reason.startswith("2 certificates (1 by other CAs) of 1 person (anna) fit user=anna")
    assert state(shown) == (None, None)
    said = shown.done(*everything, "--yes").stdout
    assert "of anna on stick-1" in said
    assert "blocked 4a0f of anna by the trust office" in said


def test_a_hold_is_released(shown: Runner) -> None:
    """Both by the command that does it for our own."""
    said = shown.done("cert", "hold", "4a0f").stdout
    assert said == "on hold: 4a0f of anna by the trust office, here alone\n"
    assert state(shown) == ("blocked", "certificateHold")
    assert shown.json("cert", "release", "--user", "anna")["of_other_cas"][0]["serial"] == "4a0f"
    assert state(shown) == (None, None)
    assert shown.refused("cert", "release", "4a0f") == (
        "nothing was done: 4a0f by the trust office is not on hold here"
    )
    assert "no certificate with the serial" in shown.refused("cert", "release", "4a0e")


def test_what_would_be_blocked_is_shown(shown: Runner) -> None:
    """By serial, person and group; what is blocked already and what was refused is not counted."""
    for words in (("--serial", "4a0f"), ("--user", "anna"), ("--group", "guests")):
        would = shown.json("cert", "revoke", *words, *REASON, "--dry-run")
        assert would["would_revoke"] == []
        assert [one["serial"] for one in would["would_block"]] == ["4a0f"]
    assert "4a0f" in shown.done("cert", "revoke", "--user", "anna", *REASON, "--dry-run").stdout
    assert state(shown) == (None, None)
    shown.done("cert", "revoke", "--serial", "4a0f", *REASON)
    assert shown.json("cert", "revoke", "--user", "anna", *REASON, "--dry-run") == {
        "would_revoke": [],
        "would_block": [],
    }


def test_a_group_is_not_blocked_without_a_question(shown: Runner) -> None:
    """Also where not one of its certificates is ours."""
    second = replace(GOOD, fingerprint=Fingerprint("cc" * 32), serial="4a11")
    show_too(shown, second)
    reason = shown.refused("cert", "revoke", "--group", "guests", *REASON)
    assert reason.startswith("2 certificates (2 by other CAs) of 1 person (anna) fit group=guests")
    assert state(shown) == (None, None)
    narrower = ("--group", "guests", "--issued-before", "2100-01-01")
    assert shown.json("cert", "revoke", *narrower, *REASON)["of_other_cas"] == []
    answer = shown.json("cert", "revoke", "--group", "guests", *REASON, "--yes")
    assert [one["serial"] for one in answer["of_other_cas"]] == ["4a0f", "4a11"]


class TestSameSerial:
    """CAs number as they like, and many begin with 1."""

    @pytest.fixture
    def twice(self, shown: Runner) -> Runner:
        """Berta has a card of another trust with the serial of Anna's."""
        shown.add_user("berta")
        show_too(shown, replace(BERTAS, serial="4a0f"))
        return shown

    def blocked(self, pusterla: Runner) -> set[str | None]:
        """Return whose cards are blocked."""
        return {one["user"] for one in listed(pusterla) if one["blocked_at"]}

    @pytest.mark.parametrize(
        "words",
        [
            ("revoke", *REASON, "--serial"),
            ("revoke", *REASON, "--dry-run", "--serial"),
            ("hold",),
            ("release",),
        ],
    )
    def test_nothing_is_guessed(self, twice: Runner, words: tuple[str, ...]) -> None:
        """The refusal names them all, and the way out."""
        reason = twice.refused("cert", *words, "4A:0F")
        assert f"anna's by the trust office (CN=Office CA, {ANNAS})" in reason
        assert f"berta's by the trust cards (CN=Card CA, {BERTAS.fingerprint})" in reason
        assert "--trust NAME" in reason
        assert self.blocked(twice) == set()

    @pytest.mark.parametrize(
        "words", [("4a0f", "--trust", "cards"), (str(BERTAS.fingerprint).upper(),)]
    )
    def test_the_one_that_is_meant_is_named(self, twice: Runner, words: tuple[str, ...]) -> None:
        """By its trust, or by its fingerprint; nobody else's is touched."""
        twice.done("cert", "hold", *words)
        assert self.blocked(twice) == {"berta"}
        twice.done("cert", "release", *words)
        assert self.blocked(twice) == set()
        twice.done("cert", "revoke", "--serial", *words, *REASON)
        assert self.blocked(twice) == {"berta"}
        assert "no certificate" in twice.refused("cert", "hold", "ab" * 32)

    def test_one_of_ours_is_named_by_its_issuing_ca(self, twice: Runner) -> None:
        """Of the same serial as a card of another CA, which somebody may choose on purpose."""
        serial = twice.issue("anna", "stick-1")["serial"]
        show_too(twice, replace(BERTAS, fingerprint=Fingerprint("cd" * 32), serial=serial))
        reason = twice.refused("cert", "revoke", "--serial", serial, *REASON)
        assert "anna's on stick-1 by issuing-1; berta's by the trust cards" in reason
        assert self.blocked(twice) == set()
        ours = ("--serial", serial, "--trust", "issuing-1")
        assert len(twice.json("cert", "revoke", *ours, *REASON)["revoked"]) == 1
        assert self.blocked(twice) == set()

    def test_a_trust_that_has_not_given_it_is_refused(self, twice: Runner) -> None:
        """With those that have; and it goes with a serial alone."""
        reason = twice.refused("cert", "hold", "4a0f", "--trust", "ofice")
        assert reason.startswith("ofice has not given the serial 4a0f; it is anna's by")
        for words in (("hold", "--user", "anna"), ("revoke", "--user", "anna", *REASON)):
            assert twice.run("cert", *words, "--trust", "office").exit_code == 2

    def test_what_was_refused_stands_in_nobodys_way(self, shown: Runner) -> None:
        """It opens nothing, and may be shown only to make a serial mean two certificates."""
        show_too(
            shown, replace(BERTAS, serial="4a0f", state=ForeignState.REFUSED, fault="path-length")
        )
        assert len(shown.json("cert", "hold", "4a0f")["of_other_cas"]) == 1
        assert self.blocked(shown) == {"anna"}

    def test_a_certificate_of_two_writings_is_one(self, shown: Runner) -> None:
        """Of a signature by ECDSA anybody can make another that is as good; both are blocked."""
        show_too(shown, replace(GOOD, fingerprint=Fingerprint("ce" * 32)))
        assert len(shown.json("cert", "hold", "4a0f")["of_other_cas"]) == 2


def test_a_device_is_one_of_ours(shown: Runner) -> None:
    """Of a card nobody here knows on what it is."""
    assert "anna has no certificates" in shown.refused(
        "cert", "revoke", "--user", "anna", "--device", "stick-1", *REASON
    )
    assert state(shown) == (None, None)


def test_lists_of_other_cas_are_shown_with_ours(pusterla: Runner) -> None:
    """What this gateway goes by, and what of it cannot be had."""
    lists = [
        ForeignList("office", "http://a", "CN=Office CA", "7", NOW, NOW + DAY, 3),
        ForeignList("office", "http://b", failure="no answer", failed_at=NOW),
    ]
    work(pusterla, lambda store: store.note_lists("office", lists))
    ours, one, other = pusterla.json("crl", "show")
    assert ours["kind"] == "full"
    assert (one["kind"], one["number"], one["entries"]) == ("foreign", "7", 3)
    assert (one["state"], other["state"]) == ("good", "missing")
    assert (one["failure"], other["failure"]) == (None, "no answer")
    said = pusterla.done("crl", "show").stdout
    assert "http://a" in said
    assert "no answer" in said
