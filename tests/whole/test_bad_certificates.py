"""Certificates that open nothing: each is told why, in TLS or on a page, and nothing gets through."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.whole import forgeries
from tests.whole.applications import Applications
from tests.whole.guests import HTML, CurlFailed, Guest, signed_in
from tests.whole.people import Person, Stick
from tests.whole.sites import HOST, LiveSite
from tests.whole.tls import VERSIONS, shake_hands

WIKI = f"wiki.{HOST}"
HOSTS = (HOST, WIKI)
NO_TLS = 35
"""curl: a problem occurred somewhere in the handshake."""
NOTHING_RECEIVED = 56
"""curl: failure in receiving network data, here the alert after a handshake of TLS 1.3."""


@pytest.mark.parametrize(
    "language, title",
    [
        ("en", "Your browser showed no certificate"),
        ("it", "Il browser non ha mostrato alcun certificato"),
    ],
)
def test_no_certificate_meets_a_page(
    site: LiveSite, applications: Applications, guests: Path, language: str, title: str
) -> None:
    """A page and not a broken connection: it also speaks of certificates that have expired."""
    guest, mark = Guest(site, None, guests), site.log_size()
    with applications.untouched():
        for host in HOSTS:
            page = guest.get(site.url(host), *HTML, "-H", f"Accept-Language: {language}")
            assert (page.status, page.value("Connection")) == (403, "close")
            assert f"<h1>{title}</h1>" in page.text
            assert "403 no-certificate" in page.text
    site.wait_for_log(f"{guest.address}: no-certificate", mark)


def test_no_certificate_gets_no_program_in_either(
    site: LiveSite, applications: Applications, guests: Path, inside: Guest
) -> None:
    """Nor does a good cookie without the certificate."""
    guest = Guest(site, None, guests)
    cookie = ("-H", ": ".join(inside.cookie_field(WIKI)))
    with applications.untouched():
        for options in ((), ("-X", "POST"), cookie, (*cookie, "-d", "a=1")):
            answer = guest.get(site.url(WIKI), *options)
            assert (answer.status, answer.text[:18]) == (403, "403 no-certificate")


REFUSED_IN_TLS = [
    pytest.param(forgeries.of_another_authority, "unknown_ca", id="another-authority"),
    pytest.param(forgeries.without_client_auth, "unsupported_certificate", id="without-clientAuth"),
]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("make, alert", REFUSED_IN_TLS)
def test_what_no_chain_holds_is_refused_with_an_alert(
    site: LiveSite,
    applications: Applications,
    stranger: Person,
    version: str,
    make: Callable[[LiveSite, str], Stick],
    alert: str,
) -> None:
    """openssl is told by an alert what is wrong, in TLS 1.2 and 1.3, and the log has the reason."""
    stick, mark = make(site, stranger.user), site.log_size()
    for host in HOSTS:
        with applications.untouched():
            seen = shake_hands(site, host, version, stick=stick)
        assert (seen.alert, seen.status) == (alert, None)
    site.wait_for_log("127.0.0.1: handshake refused: CERTIFICATE_VERIFY_FAILED", mark)


@pytest.mark.parametrize("make, alert", REFUSED_IN_TLS)
def test_curl_is_told_by_the_same_alert(
    site: LiveSite,
    applications: Applications,
    stranger: Person,
    guests: Path,
    make: Callable[[LiveSite, str], Stick],
    alert: str,
) -> None:
    """What people see first, curl's message, names the alert."""
    guest = Guest(site, make(site, stranger.user), guests)
    with applications.untouched(), pytest.raises(CurlFailed) as failed:
        guest.get(site.url(WIKI))
    assert failed.value.status in {NO_TLS, NOTHING_RECEIVED}
    words = {"unknown_ca": "unknown ca", "unsupported_certificate": "unsupported certificate"}
    assert words[alert] in str(failed.value)


@pytest.mark.parametrize(
    "make, refusal",
    [
        (forgeries.expired, "certificate-expired"),
        (forgeries.not_yet_valid, "certificate-not-yet-valid"),
        (forgeries.unrecorded, "certificate-unknown"),
    ],
    ids=["expired", "not-yet-valid", "unrecorded"],
)
def test_what_the_chain_holds_and_we_do_not_meets_a_page(
    site: LiveSite,
    applications: Applications,
    stranger: Person,
    guests: Path,
    make: Callable[[LiveSite, str], Stick],
    refusal: str,
) -> None:
    """Expired, not yet valid, signed by our CA's key but in no record: each has its own page."""
    stick = make(site, stranger.user)
    guest = Guest(site, stick, guests)
    with applications.untouched():
        for host in HOSTS:
            page = guest.get(site.url(host), *HTML)
            assert (page.status, page.value("Connection")) == (403, "close")
            assert f"<code>403 {refusal}</code>" in page.text
            assert guest.get(site.url(host), "-X", "POST").text.startswith(f"403 {refusal}")
    event = site.wait_for_audit(kind="certificate-refused", reason=refusal, address=guest.address)
    known = refusal != "certificate-unknown"
    assert event.serial == (stick.serial if known else "")
    assert event.user == (stranger.user if known else "")
    told = {} if known else {"fingerprint": stick.fingerprint}
    assert event.detail == told | {"request": event.detail["request"]}
    assert site.wait_for_access(event.detail["request"])["reason"] == refusal


def test_the_certificate_of_somebody_removed_opens_nothing(
    site: LiveSite, applications: Applications, anna: Person, guests: Path
) -> None:
    """With the person their certificates go, session or not; the refusal is in the audit log."""
    guest = signed_in(site, anna, guests, "wiki")
    site.command("user", "remove", anna.user)
    with applications.untouched():
        for host in HOSTS:
            page = guest.get(site.url(host), *HTML)
            assert page.status == 403
            assert "<code>403 certificate-revoked</code>" in page.text
    site.wait_for_audit(kind="certificate-refused", user=anna.user, address=guest.address)


def test_a_name_that_is_used_again_inherits_no_certificate(
    site: LiveSite, applications: Applications, anna: Person, guests: Path
) -> None:
    """Somebody new under an old name does not make the old stick good."""
    guest = signed_in(site, anna, guests, "wiki")
    site.command("user", "remove", anna.user)
    site.command(
        *("user", "add", anna.user, "--group", "technicians", "--password-stdin"),
        stdin="another long password\n",
    )
    with applications.untouched():
        assert guest.get(site.url(WIKI)).status == 403


def test_a_certificate_of_another_person_signs_nobody_in(
    site: LiveSite, applications: Applications, anna: Person, bruno: Person, guests: Path
) -> None:
    """Right password and code, wrong stick: refused without saying which, and noted."""
    guest = Guest(site, bruno.stick, guests)
    with applications.untouched():
        answer = guest.submit(anna, site.url(WIKI))
    assert answer.status == 403
    assert answer.url == site.portal("/sign-in")
    assert anna.user not in answer.text
    live = site.work(lambda command: command.store.sessions())
    assert not {session.user for session in live} & {anna.user, bruno.user}
    event = site.wait_for_audit(kind="sign-in-failed", address=guest.address)
    assert (event.reason, event.user, event.serial) == (
        "another-person",
        bruno.user,
        bruno.stick.serial,
    )
