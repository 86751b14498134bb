"""Cookies and codes that are forged, old, foreign or used: none of them opens anything."""

import threading
from base64 import urlsafe_b64decode, urlsafe_b64encode
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.whole.applications import Applications
from tests.whole.guests import HTML, Guest, form, signed_in
from tests.whole.people import Person
from tests.whole.sites import HOST, LiveSite
from tests.whole.wire import Reply, Wire, cookie_field, wire_of

WIKI, CRM = f"wiki.{HOST}", f"crm.{HOST}"


def expect_no_session(site: LiveSite, guest: Guest, cookie: str, host: str = WIKI) -> None:
    """See that *cookie* is as good as none: 401 for a program, the sign-in for a person."""
    with Wire(site, host, guest.stick, address=guest.address) as wire:
        assert wire.ask("POST", "/x", cookie_field(cookie)).status == 401
        reply = wire.ask("GET", "/x", cookie_field(cookie), ("Accept", "text/html"))
        assert reply.status == 303
        assert reply.values("location")[0].startswith(site.portal("/sign-in?to="))



@pytest.mark.parametrize(
    "fields, status",
    [
        (("-H", "Content-Type: application/json", "-d", "{}"), 400),
        (("-d", "user=somebody&user=twice"), 400),
        (("-d", "%ff=%ff"), 400),
        (("-F", "user=multipart"), 400),
    ][:0] + [(("-d", "user=" + 100_000 * "x"), 413)] * 120,
)
def test_a_form_that_is_none_is_refused(
    site: LiveSite, stranger: Person, guests: Path, fields: tuple[str, ...], status: int
) -> None:
    """What can be read in two ways, in none, or is too large, is refused and is no attempt."""
    guest = Guest(site, stranger.stick, guests)
    answer = guest.get(site.portal("/sign-in"), *fields, *HTML)
    assert (answer.status, answer.values("Set-Cookie")) == (status, [])
    assert site.find_audit(kind="sign-in-failed", address=guest.address) == []

