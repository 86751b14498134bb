"""Certificates of other CAs, as the command lists and blocks them."""

import asyncio
from collections.abc import Awaitable, Callable
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

    async def show(store: Store) -> None:
        for verdict in (GOOD, UNTRUSTED):
            await store.present(verdict.fingerprint, b"der")
            await store.judge([verdict], by="test")

    work(pusterla, show)
    return pusterla


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
    said = shown.done("cert", "revoke", "--user", "anna", *REASON).stdout
    assert "of anna on stick-1" in said
    assert "blocked 4a0f of anna by the trust office" in said


def test_a_hold_is_released(shown: Runner) -> None:
    """Both by the command that does it for our own."""
    said = shown.done("cert", "hold", "4a0f").stdout
    assert said == "on hold: 4a0f of anna by the trust office, here alone\n"
    assert state(shown) == ("blocked", "certificateHold")
    assert shown.json("cert", "release", "--user", "anna")["of_other_cas"][0]["serial"] == "4a0f"
    assert state(shown) == (None, None)
    assert "no certificate with the serial" in shown.refused("cert", "release", "4a0f")


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
