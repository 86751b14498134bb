"""OCSP of the whole gateway: openssl and curl ask over the network, as strangers do."""

from pathlib import Path
from subprocess import run

import pytest

from tests.issuing import issuing_certificate
from tests.whole.guests import Guest
from tests.whole.people import Person
from tests.whole.sites import PUBLIC_HOST, LiveSite


def ask(site: LiveSite, certificate: Path, *words: str) -> str:
    """Ask openssl about a certificate, and return all it says."""
    done = run(
        [
            # A digest must come before the certificate that it is to name.
            *("openssl", "ocsp", "-issuer", str(issuing_certificate(site.folder)), *words),
            *("-cert", str(certificate), "-CAfile", str(site.folder.root_certificate)),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("words", [(), ("-no_nonce",), ("-sha256",)])
def test_good_and_then_revoked(site: LiveSite, anna: Person, words: tuple[str, ...]) -> None:
    """On plain http, with and without a nonce; what is revoked is told at once."""
    address = site.plain("/ocsp", "127.0.0.1")
    url = ("-url", address, "-header", f"Host={PUBLIC_HOST}:{site.http_port}")
    stick = anna.stick
    said = ask(site, stick.file, *url, *words)
    assert "Response verify OK" in said
    assert f"{stick.file}: good" in said
    assert "WARNING" not in said
    site.command("cert", "revoke", "--serial", stick.serial, "--reason", "keyCompromise")
    said = ask(site, stick.file, *url, *words)
    assert f"{stick.file}: revoked" in said
    assert "Reason: keyCompromise" in said


def test_by_get_on_both_doors(site: LiveSite, anna: Person, guests: Path, tmp_path: Path) -> None:
    """A request in the path, with slashes as they come; openssl verifies what curl has fetched."""
    request, response = tmp_path / "request.der", tmp_path / "response.der"
    ask(site, anna.stick.file, "-no_nonce", "-reqout", str(request))
    encoded = run(
        ["openssl", "base64", "-A", "-in", str(request)], capture_output=True, check=True, text=True
    ).stdout
    guest = Guest(site, None, guests)
    for path in (f"/ocsp/{encoded}", "/ocsp/" + encoded.replace("/", "%2F").replace("+", "%2b")):
        for url in (site.plain(path), site.url(PUBLIC_HOST, path)):
            answer = guest.get(url)
            assert answer.value("Content-Type") == "application/ocsp-response"
            assert answer.value("Cache-Control").startswith("max-age=")
            response.write_bytes(answer.body)
            said = ask(site, anna.stick.file, "-no_nonce", "-respin", str(response))
            assert "Response verify OK" in said
            assert f"{anna.stick.file}: good" in said
