"""Certificates in the course of time, on the real thing: held, released, renewed."""

from contextlib import ExitStack
from pathlib import Path
from subprocess import run

from tests.whole.applications import Applications
from tests.whole.guests import HTML, Guest, signed_in
from tests.whole.holds import hold_everything, not_alive, still_open_after
from tests.whole.people import Person
from tests.whole.sites import HOST, LiveSite

WIKI = f"wiki.{HOST}"
AT_ONCE = 1.0
"""Seconds between the end of the command and that of the connections, at the most."""
CRL = "/crl/issuing-1.crl"


def crl_text(site: LiveSite, guests: Path) -> str:
    """Return the published list, in openssl's words."""
    der = Guest(site, None, guests).get(site.plain(CRL)).body
    words = ["openssl", "crl", "-inform", "DER", "-noout", "-text"]
    return run(words, input=der, capture_output=True, check=True).stdout.decode()


def test_what_is_on_hold_is_cut_and_told_so_and_let_in_again_at_once(
    site: LiveSite, applications: Applications, anna: Person, bruno: Person, guests: Path
) -> None:
    """On both workers; openssl reads *certificateHold*, and nothing of it after the release."""
    held, other = (signed_in(site, one, guests, "wiki", "chat") for one in (anna, bruno))
    serial = anna.stick.serial
    with ExitStack() as stack:
        cut, stay = hold_everything(held, stack), hold_everything(other, stack)
        site.command("cert", "hold", serial)
        assert still_open_after(cut, AT_ONCE) == []
        assert not_alive(stay) == []
    with applications.untouched():
        refused = held.get(site.url(WIKI), *HTML)
        assert (refused.status, b"certificate-held" in refused.body) == (403, True)
    _, _, entry = crl_text(site, guests).partition(f"Serial Number: {serial.upper()}")
    assert "Certificate Hold" in entry.partition("Serial Number:")[0]
    site.command("cert", "release", "--user", anna.user)
    assert serial.upper() not in crl_text(site, guests)
    # The session of before is over: a navigation is sent to the sign-in.
    assert held.get(site.url(WIKI), *HTML).status in {302, 303}
    assert signed_in(site, anna, guests, "wiki").get(site.url(WIKI)).status == 200


def test_the_old_one_of_a_renewed_certificate_is_cut_when_its_overlap_ends(
    site: LiveSite, applications: Applications, anna: Person, guests: Path, tmp_path: Path
) -> None:
    """By the authority that runs, without any further command; the new one goes on."""
    old = signed_in(site, anna, guests, "wiki", "chat")
    key, csr, pem = tmp_path / "a.key", tmp_path / "a.csr", tmp_path / "a.pem"
    openssl = ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    made = [*openssl, "-nodes", "-keyout", str(key), "-subj", "/CN=me", "-out", str(csr)]
    run(made, check=True, capture_output=True)
    with ExitStack() as stack:
        cut = hold_everything(old, stack)
        serial = anna.stick.serial
        renew = ("cert", "renew", anna.user, "--serial", serial, "--csr", str(csr))
        done = site.command(*renew, "--out", str(pem), "--overlap", "3s", "--json").json()
        assert still_open_after(cut, 6.0) == []
    with applications.untouched():
        refused = old.get(site.url(WIKI), *HTML)
        assert (refused.status, b"certificate-revoked" in refused.body) == (403, True)
    shown = site.command("cert", "show", serial, "--json").json()
    assert (shown["reason"], shown["chain"]) == ("superseded", [serial, done["serial"]])
    assert site.command("cert", "show", done["serial"], "--json").json()["state"] == "valid"
