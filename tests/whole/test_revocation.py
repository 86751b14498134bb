"""What is taken back ends at once: on both workers, for every kind of connection, for nobody else."""

from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from subprocess import run

import pytest
from cryptography import x509

from tests.issuing import issuing_certificate
from tests.whole.applications import Applications
from tests.whole.forgeries import ending_in
from tests.whole.guests import HTML, Guest, signed_in
from tests.whole.holds import (
    hold_download,
    hold_everything,
    hold_idle,
    hold_idle_at_the_door,
    hold_on_each_worker,
    not_alive,
    still_open_after,
)
from tests.whole.people import Person
from tests.whole.sites import HOST, PUBLIC_HOST, LiveSite

WIKI, CRM = f"wiki.{HOST}", f"crm.{HOST}"
AT_ONCE = 1.0
"""Seconds between the end of the command and that of the connections, at the most."""
NEW_PASSWORD = "quite another long password\n"
CRL = "/crl/issuing-1.crl"


def listed(guest: Guest, url: str) -> list[str]:
    """Fetch the CRL, let openssl verify it by our chain, and return the serials it lists."""
    answer = guest.get(url)
    assert (answer.status, answer.value("Content-Type")) == (200, "application/pkix-crl")
    trust = guest.site.folder.client_trust
    judge = run(
        ["openssl", "crl", "-inform", "DER", "-noout", "-verify", "-CAfile", str(trust)],
        input=answer.body,
        capture_output=True,
        check=False,
    )
    assert judge.returncode == 0, judge.stderr.decode()
    assert b"verify OK" in judge.stderr
    return [format(entry.serial_number, "x") for entry in x509.load_der_x509_crl(answer.body)]


def test_a_revoked_certificate_loses_every_connection_and_no_other_does(
    site: LiveSite, applications: Applications, anna: Person, bruno: Person, guests: Path
) -> None:
    """`cert revoke` returns, and within a second all that this certificate had open is closed."""
    kept = anna.another_stick("stick-2")
    lost, second, other = (
        signed_in(site, anna, guests, "wiki", "chat"),
        signed_in(site, anna, guests, "wiki", "chat", stick=kept),
        signed_in(site, bruno, guests, "wiki", "chat"),
    )
    with ExitStack() as stack:
        cut = hold_everything(lost, stack)
        stay = [*hold_everything(second, stack), *hold_everything(other, stack)]
        ran = site.command(
            *(
                "cert",
                "revoke",
                "--serial",
                anna.stick.serial,
                "--reason",
                "keyCompromise",
                "--json",
            )
        )
        assert still_open_after(cut, AT_ONCE) == []
        assert not_alive(stay) == []
    assert [one["serial"] for one in ran.json()["revoked"]] == [anna.stick.serial]
    assert ran.json()["crl_published"] is True
    told = site.find_audit(kind="connection-cut", user=anna.user)
    assert {event.reason for event in told} == {"certificate-revoked"}
    assert {event.serial for event in told} == {anna.stick.serial}
    assert sum(int(event.detail["connections"]) for event in told) == len(cut)
    with applications.untouched():
        for options in ((), HTML, ("-X", "POST")):
            assert lost.get(site.url(WIKI), *options).status == 403


def test_the_crl_says_so_when_the_command_returns(
    site: LiveSite, anna: Person, guests: Path
) -> None:
    """Over http and https, without a certificate, signed and verified by openssl."""
    guest = Guest(site, None, guests)
    addresses = (site.plain(CRL), site.url(PUBLIC_HOST, CRL))
    for address in addresses:
        assert anna.stick.serial not in listed(guest, address)
    site.command("cert", "revoke", "--user", anna.user, "--reason", "superseded")
    for address in addresses:
        assert anna.stick.serial in listed(guest, address)


def test_the_certificate_itself_says_where_its_crl_is(
    site: LiveSite, anna: Person, guests: Path
) -> None:
    """The distribution point in the certificate is an address that answers."""
    certificate = x509.load_pem_x509_certificates(anna.stick.file.read_bytes())[0]
    points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    names = [name.value for point in points for name in point.full_name or []]
    assert names == [site.plain(CRL)]
    assert listed(Guest(site, None, guests), names[0]) is not None


def test_openssl_refuses_a_revoked_certificate_by_our_crl(
    site: LiveSite, anna: Person, guests: Path, tmp_path: Path
) -> None:
    """Somebody else's verifier comes to the same answer, with nothing but our chain and our CRL."""
    guest = Guest(site, None, guests)

    def verdict() -> str:
        crl = x509.load_der_x509_crl(guest.get(site.plain(CRL)).body)
        file = tmp_path / "crl.pem"
        from cryptography.hazmat.primitives.serialization import Encoding

        file.write_bytes(crl.public_bytes(Encoding.PEM))
        folder = site.folder
        judge = run(
            [
                *("openssl", "verify", "-x509_strict", "-purpose", "sslclient", "-crl_check"),
                *("-CAfile", str(folder.root_certificate), "-CRLfile", str(file)),
                *("-untrusted", str(issuing_certificate(folder)), str(anna.stick.file)),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        return judge.stdout + judge.stderr

    assert verdict().endswith(": OK\n")
    site.command(
        "cert", "revoke", "--serial", anna.stick.serial, "--reason", "cessationOfOperation"
    )
    assert "certificate revoked" in verdict()


@pytest.mark.parametrize(
    "language, title",
    [
        ("en", "This certificate has been revoked"),
        ("it-CH,it;q=0.9,en;q=0.5", "Questo certificato è stato revocato"),
        ("de", "This certificate has been revoked"),
    ],
)
def test_a_revoked_certificate_meets_a_page_that_says_so(
    site: LiveSite, applications: Applications, revoked: Guest, language: str, title: str
) -> None:
    """In English or Italian, at the portal and at every application; the connection is closed."""
    with applications.untouched():
        for host in (HOST, WIKI):
            page = revoked.get(site.url(host), *HTML, "-H", f"Accept-Language: {language}")
            assert page.status == 403
            assert page.value("Content-Type") == "text/html; charset=utf-8"
            assert f"<h1>{title}</h1>" in page.text
            assert "403 certificate-revoked" in page.text
            assert "help@example.it" in page.text
            assert page.value("Connection") == "close"
    site.wait_for_audit(
        kind="certificate-refused", reason="certificate-revoked", address=revoked.address
    )


@pytest.fixture(scope="module")
def revoked(site: LiveSite, tmp_path_factory: pytest.TempPathFactory) -> Guest:
    """Be somebody who was signed in and whose certificate was revoked."""
    from tests.whole.people import add_person

    person = add_person(site, "revoked")
    guest = signed_in(site, person, tmp_path_factory.mktemp("revoked"), "wiki")
    site.command("cert", "revoke", "--serial", person.stick.serial, "--reason", "unspecified")
    return guest


COMMANDS = {
    "disable": "user disable {user}",
    "remove": "user remove {user}",
    "passwd": "user passwd {user} --password-stdin",
    "totp-reset": "user totp-reset {user}",
    "session": "session end {session}",
    "all-sessions": "session end --user {user}",
}


@pytest.mark.parametrize("way", [*COMMANDS, "sign-out"])
def test_other_endings_cut_as_fast(
    site: LiveSite,
    applications: Applications,
    anna: Person,
    inside: Guest,
    guests: Path,
    way: str,
) -> None:
    """A person kept out, a session ended, a sign-out: their connections close, others' do not."""
    lost = signed_in(site, anna, guests, "wiki", "chat")
    with ExitStack() as stack:
        cut, stay = hold_everything(lost, stack), hold_everything(inside, stack)
        (session,) = site.work(lambda command: command.store.sessions(user=anna.user))
        if way == "sign-out":
            assert lost.get(site.portal("/sign-out"), "-d", "").status == 303
        else:
            words = COMMANDS[way].format(user=anna.user, session=session.id[:12])
            site.command(*words.split(), stdin=NEW_PASSWORD)
        assert still_open_after(cut, AT_ONCE) == []
        assert not_alive(stay) == []
    with applications.untouched():
        status = lost.get(site.url(WIKI)).status
    assert status == (403 if way in {"disable", "remove"} else 401)


@pytest.mark.parametrize("words", ["cert revoke --reason superseded --user", "user disable"])
def test_who_has_not_signed_in_yet_is_cut_too(site: LiveSite, anna: Person, words: str) -> None:
    """A certificate's connections end with it, on both workers, without any session."""
    with ExitStack() as stack:
        cut = hold_on_each_worker(
            site, lambda trial: hold_idle_at_the_door(site, anna.stick, trial), stack
        )
        site.command(*words.split(), anna.user)
        assert still_open_after(cut, AT_ONCE) == []


def test_a_session_that_ends_leaves_the_persons_other_session(
    site: LiveSite, anna: Person, guests: Path
) -> None:
    """`session end ID` ends that one, though the other is of the same person."""
    one = signed_in(site, anna, guests, "wiki")
    two = signed_in(site, anna, guests, "wiki", stick=anna.another_stick("stick-2"))
    sessions = site.work(lambda command: command.store.sessions(user=anna.user))
    first = next(one for one in sessions if one.fingerprint == anna.stick.fingerprint)
    with ExitStack() as stack:
        ended, stays = hold_download(one, stack), hold_download(two, stack)
        site.command("session", "end", first.id)
        assert still_open_after([ended], AT_ONCE) == []
        assert not_alive([stays]) == []


def test_a_person_who_is_enabled_again_gets_in_again(
    site: LiveSite, anna: Person, guests: Path
) -> None:
    """Disabling is not for good, but the old session is."""
    guest = signed_in(site, anna, guests, "wiki")
    site.command("user", "disable", anna.user)
    page = guest.get(site.url(WIKI), *HTML)
    assert (page.status, "403 person-disabled" in page.text) == (403, True)
    site.command("user", "enable", anna.user)
    assert guest.get(site.url(WIKI)).status == 401
    assert guest.submit(anna, site.url(WIKI)).url == site.url(WIKI)


def test_a_certificate_that_ends_while_connected_is_cut(
    site: LiveSite, anna: Person, guests: Path
) -> None:
    """Nothing has to happen for it: the last second of a certificate ends its connections."""
    left = timedelta(seconds=6)
    guest = signed_in(site, anna, guests, "wiki", stick=ending_in(site, anna.user, left))
    with ExitStack() as stack:
        cut = [hold_idle(guest, stack), hold_download(guest, stack)]
        assert still_open_after(cut, left.total_seconds() + AT_ONCE) == []
    page = guest.get(site.url(WIKI), *HTML)
    assert (page.status, "403 certificate-expired" in page.text) == (403, True)
