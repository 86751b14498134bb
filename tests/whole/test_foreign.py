"""A CA that is not ours: from its first card to the end of trust in it, through a running site."""

from collections.abc import Iterator
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path

import pytest

from gateway.core.refusal_kinds import Refusal
from tests.whole.applications import Applications
from tests.whole.conftest import put_behind
from tests.whole.corp import Corp, running_below, running_corp, utc_now
from tests.whole.guests import HTML, CurlFailed, Guest, signed_in
from tests.whole.people import Person, Stick, add_person
from tests.whole.sites import HOST, LiveSite, make_site, running, wait_for
from tests.whole.wire import wire_of

WIKI = f"wiki.{HOST}"
AT_ONCE = 2.0
SHOWN = {HTTPStatus.OK, HTTPStatus.FOUND, HTTPStatus.SEE_OTHER}


@pytest.fixture(scope="module")
def corp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Corp]:
    """Run a CA that is not ours."""
    with running_corp(tmp_path_factory.mktemp("corp") / "ca") as corp:
        yield corp


@pytest.fixture(scope="module")
def trusting(
    tmp_path_factory: pytest.TempPathFactory, applications: Applications, corp: Corp
) -> Iterator[LiveSite]:
    """Run a site of its own, which comes to trust `corp` while it runs."""
    site = make_site(
        tmp_path_factory.mktemp("foreign") / "site",
        settings=[("contact", '"help@example.it"'), ("drain", '"2s"')],
    )
    put_behind(site, wiki=applications.wiki.upstream)
    with running(site):
        corp.trust(site)
        yield site


@pytest.fixture
def anna(trusting: LiveSite) -> Person:
    """Add somebody, whose certificate is Corp's."""
    return add_person(trusting, "anna")


@pytest.fixture
def card(corp: Corp, anna: Person) -> Stick:
    """Issue a card to Anna."""
    return corp.card(anna.email)


def refusal(guest: Guest, site: LiveSite) -> str:
    """Return by which name the start page is refused, "" where it, or the sign-in, is shown.

    Whatever else comes is a failure: it must be taken neither for the one nor for the other.
    """
    answer = guest.get(site.portal("/"), *HTML)
    if answer.status in SHOWN:
        return ""
    named = [one for one in Refusal if f"{answer.status} {one}" in answer.text]
    assert len(named) == 1, (answer.status, answer.text)
    return named[0]


def test_a_card_of_another_ca_opens_what_its_person_may_use(
    trusting: LiveSite, applications: Applications, anna: Person, card: Stick, tmp_path: Path
) -> None:
    """From the first contact to the application, which is told that it is Anna."""
    guest = signed_in(trusting, anna, tmp_path, "wiki", stick=card)
    assert guest.get(trusting.url(WIKI, "/who")).status == 200
    assert applications.wiki.last("/who").values("X-Forwarded-User") == [anna.user]
    event = trusting.wait_for_audit(kind="certificate-adopted", serial=card.serial)
    assert event.detail["identity"] == anna.email
    line = trusting.wait_for_audit(kind="access-allowed", serial=card.serial)
    assert (line.user, line.device) == (anna.user, "corp")


def test_a_card_that_names_nobody_is_told_so(
    trusting: LiveSite, corp: Corp, tmp_path: Path
) -> None:
    """The certificate is good; what is missing is an account."""
    guest = Guest(trusting, corp.card("nobody@example.it"), tmp_path)
    assert refusal(guest, trusting) == "person-unknown"
    assert "no account here" in guest.get(trusting.portal("/"), *HTML).text


def test_revoked_by_its_ca_is_cut(
    trusting: LiveSite, corp: Corp, anna: Person, card: Stick, tmp_path: Path
) -> None:
    """As soon as its list says so: connections end, and nothing opens any more."""
    guest = signed_in(trusting, anna, tmp_path, "wiki", stick=card)
    with wire_of(guest, WIKI) as wire:
        assert wire.ask("GET", "/idle", guest.cookie_field(WIKI)).status == 200
        corp.revoke(card)
        corp.publish()
        trusting.command("reload")
        assert wire.closed_within(AT_ONCE)
    assert refusal(guest, trusting) == "certificate-revoked"
    cut = trusting.wait_for_audit(kind="connection-cut", serial=card.serial)
    assert (cut.reason, cut.user) == ("certificate-revoked", anna.user)
    told = trusting.wait_for_audit(kind="certificate-revoked", serial=card.serial)
    assert (told.reason, told.detail["trust"]) == ("keyCompromise", "corp")


def test_a_hold_ends_with_its_release(
    trusting: LiveSite, corp: Corp, anna: Person, card: Stick, tmp_path: Path
) -> None:
    """The session of before stays ended; the card opens the door again."""
    guest = signed_in(trusting, anna, tmp_path, "wiki", stick=card)
    corp.revoke(card, "-crl_hold", "holdInstructionReject")
    corp.publish()
    trusting.command("reload")
    wait_for("the hold", lambda: refusal(guest, trusting) == "certificate-held")
    corp.release(card)
    corp.publish()
    trusting.command("reload")
    wait_for("the release", lambda: not refusal(guest, trusting))
    trusting.wait_for_audit(kind="certificate-released", serial=card.serial)
    assert guest.get(trusting.url(WIKI, "/page")).status != 200
    assert guest.submit(anna, trusting.url(WIKI, "/page")).status == 200


def test_past_the_end_of_the_list_nobody_gets_in(
    trusting: LiveSite, corp: Corp, anna: Person, card: Stick, tmp_path: Path
) -> None:
    """Unless the site says otherwise: then it goes on for the grace, and says so in the log."""
    guest = signed_in(trusting, anna, tmp_path, "wiki", stick=card)
    mark = trusting.log_size()
    ends = corp.publish(timedelta(seconds=6))
    trusting.command("reload")
    with wire_of(guest, WIKI) as wire:
        assert wire.ask("GET", "/idle", guest.cookie_field(WIKI)).status == 200
        assert wire.closed_within((ends - utc_now()).total_seconds() + AT_ONCE)
    assert refusal(guest, trusting) == "certificate-status-stale"
    corp.trust(trusting, 'past_end = "go-on"', 'grace = "1h"')
    wait_for("the grace", lambda: not refusal(guest, trusting))
    assert guest.get(trusting.url(WIKI, "/page")).status == 200
    trusting.wait_for_log(r"ERROR.* ended on .*gone by until", mark)
    corp.publish()
    corp.trust(trusting)
    wait_for("the next list", lambda: not refusal(guest, trusting))


def test_a_list_that_is_no_good_changes_nothing(
    trusting: LiveSite, corp: Corp, anna: Person, card: Stick, tmp_path: Path
) -> None:
    """The log names address and reason; the last good one stays in force."""
    guest = signed_in(trusting, anna, tmp_path, "wiki", stick=card)
    good = corp.published.read_bytes()
    mark = trusting.log_size()
    corp.published.write_bytes(good[:-40])
    trusting.command("reload")
    trusting.wait_for_log(f"{corp.url}.*stays in force", mark)
    assert guest.get(trusting.url(WIKI, "/page")).status == 200
    corp.publish()
    trusting.command("reload")


def test_a_restart_keeps_what_is_known(
    trusting: LiveSite, corp: Corp, anna: Person, card: Stick, tmp_path: Path
) -> None:
    """Even if the CA's server is away: sessions, verdicts and lists are on disk."""
    guest = signed_in(trusting, anna, tmp_path, "wiki", stick=card)
    hidden = corp.published.with_suffix(".hidden")
    corp.published.rename(hidden)
    trusting.stop()
    trusting.start()
    assert guest.get(trusting.url(WIKI, "/page")).status == 200
    # A card that was never shown is judged by the list that was kept.
    other = Guest(trusting, corp.card(anna.email), tmp_path)
    assert refusal(other, trusting) == ""
    hidden.rename(corp.published)


def test_a_responder_tells_of_a_card_and_of_the_ca_above(
    trusting: LiveSite, anna: Person, tmp_path: Path
) -> None:
    """No list speaks of either: what `openssl ocsp` says of one cuts it, and of the CA all."""
    with (
        running_corp(tmp_path / "above") as above,
        running_below(above, tmp_path / "below") as staff,
    ):
        staff.trust(trusting, "ocsp = true")
        good, lost, late = (staff.card(anna.email) for _ in range(3))
        staff.revoke(late)
        assert refusal(Guest(trusting, late, tmp_path), trusting) == "certificate-revoked"
        loser = Guest(trusting, lost, tmp_path)
        assert refusal(loser, trusting) == ""
        guest = signed_in(trusting, anna, tmp_path, "wiki", stick=good)
        with wire_of(guest, WIKI) as wire:
            assert wire.ask("GET", "/idle", guest.cookie_field(WIKI)).status == 200
            staff.revoke(lost)
            trusting.command("reload")
            wait_for("its end", lambda: refusal(loser, trusting) == "certificate-revoked")
            assert wire.ask("GET", "/idle", guest.cookie_field(WIKI)).status == 200
            above.revoke_file(staff.certificate)
            trusting.command("reload")
            assert wire.closed_within(5 * AT_ONCE)
        assert refusal(guest, trusting) == "certificate-revoked"
        # A hold would end with its release; this is the end of all that the CA has issued.
        assert refusal(Guest(trusting, staff.card(anna.email), tmp_path), trusting) == (
            "certificate-revoked"
        )
        staff.distrust(trusting)


def test_the_end_of_trust_is_the_end_of_its_cards(
    trusting: LiveSite, corp: Corp, anna: Person, card: Stick, tmp_path: Path
) -> None:
    """Connections are cut, and the next handshake fails; what is ours goes on."""
    guest = signed_in(trusting, anna, tmp_path, "wiki", stick=card)
    own = Guest(trusting, anna.stick, tmp_path)
    with wire_of(guest, WIKI) as wire:
        assert wire.ask("GET", "/idle", guest.cookie_field(WIKI)).status == 200
        corp.distrust(trusting)
        assert wire.closed_within(AT_ONCE)
    with pytest.raises(CurlFailed):
        guest.get(trusting.portal("/"))
    assert refusal(own, trusting) == ""
    corp.trust(trusting)
    wait_for("the list", lambda: not refusal(guest, trusting))
