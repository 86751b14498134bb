"""A new issuing CA while the site runs: those who are there stay, and those who are new get in."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from cryptography import x509

from tests.whole.applications import Applications
from tests.whole.conftest import put_behind
from tests.whole.guests import Guest, signed_in
from tests.whole.holds import hold_everything, not_alive
from tests.whole.people import add_person
from tests.whole.sites import HOST, LiveSite, make_site, running
from tests.whole.wire import PATIENCE

WIKI = f"wiki.{HOST}"


@pytest.fixture
def rolling(tmp_path: Path, applications: Applications) -> Iterator[LiveSite]:
    """Run a site of its own: what happens to its CA does not happen twice."""
    site = make_site(tmp_path / "site")
    put_behind(site, wiki=applications.wiki.upstream, chat=applications.chat.upstream)
    with running(site):
        yield site


def served_issuer(site: LiveSite) -> str:
    """Return the name of the CA that has issued the certificate which a new connection is shown."""
    context = ssl.create_default_context(cafile=site.folder.root_certificate)
    with (
        socket.create_connection(("127.0.0.1", site.port), timeout=PATIENCE) as raw,
        context.wrap_socket(raw, server_hostname=HOST) as tls,
    ):
        shown = x509.load_der_x509_certificate(tls.getpeercert(binary_form=True) or b"")
    return shown.issuer.rfc4514_string()


def test_nobody_has_to_start_anything_again(rolling: LiveSite, guests: Path) -> None:
    """Roll over, let somebody in by the new CA, and retire one that nothing rests on any more."""
    anna = add_person(rolling, "anna")
    staying = signed_in(rolling, anna, guests, "wiki", "chat")
    with ExitStack() as stack:
        held = hold_everything(staying, stack)
        for number in (2, 3):
            done = rolling.command("ca", "rollover", "--json").json()
            assert (done["name"], done["taken_up"]) == (f"issuing-{number}", True)
            assert f"Issuing CA {number}" in served_issuer(rolling)
        new = Guest(rolling, anna.another_stick("new"), guests)
        assert new.visit(rolling.portal()).status == 200
        assert new.stick is not None
        shown = x509.load_pem_x509_certificate(new.stick.file.read_bytes())
        assert "Issuing CA 3" in shown.issuer.rfc4514_string()
        assert staying.get(rolling.url(WIKI)).status == 200
        assert rolling.command("ca", "retire", "issuing-2", "--json").json()["taken_up"] is True
        assert not_alive(held) == []
    assert staying.get(rolling.url(WIKI)).status == 200
    lists = {crl["issuer"] for crl in rolling.command("crl", "show", "--json").json()}
    assert lists == {"issuing-1", "issuing-3"}
