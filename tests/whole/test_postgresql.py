"""A site on PostgreSQL: the same way in, the same way out."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.postgres import Postgres
from tests.whole.applications import Applications
from tests.whole.conftest import put_behind
from tests.whole.guests import HTML, signed_in
from tests.whole.holds import hold_everything, not_alive, still_open_after
from tests.whole.people import add_person
from tests.whole.sites import HOST, LiveSite, make_site_in, running, wait_for

WIKI = f"wiki.{HOST}"
AT_ONCE = 1.0


@pytest.fixture
def elsewhere(tmp_path: Path, applications: Applications, postgres_url: str) -> Iterator[LiveSite]:
    """Run a site whose store is a PostgreSQL."""
    site = make_site_in(tmp_path / "site", postgres_url)
    put_behind(site, wiki=applications.wiki.upstream, chat=applications.chat.upstream)
    with running(site):
        yield site


def test_sign_in_and_revocation_on_postgresql(
    elsewhere: LiveSite, applications: Applications, postgres: Postgres, guests: Path
) -> None:
    """Sign-in opens, revocation cuts on both workers, also after the database dropped its clients."""
    site = elsewhere
    anna, bruno = add_person(site, "anna"), add_person(site, "bruno")
    lost, other = (signed_in(site, one, guests, "wiki", "chat") for one in (anna, bruno))
    with ExitStack() as stack:
        first, stay = hold_everything(lost, stack), hold_everything(other, stack)
        site.command("session", "end", "--user", anna.user)
        assert still_open_after(first, AT_ONCE) == []
        assert not_alive(stay) == []
    assert lost.submit(anna, site.url(WIKI)).url == site.url(WIKI)
    lost.visit(site.url(f"chat.{HOST}"))
    drop_clients(postgres)
    wait_for("an answer again", lambda: other.get(site.url(WIKI)).status == 200)
    with ExitStack() as stack:
        cut, stay = hold_everything(lost, stack), hold_everything(other, stack)
        ran = site.command(
            "cert", "revoke", "--user", anna.user, "--reason", "keyCompromise", "--json"
        )
        assert still_open_after(cut, AT_ONCE) == []
        assert not_alive(stay) == []
    assert ran.json()["crl_published"] is True
    with applications.untouched():
        assert "403 certificate-revoked" in lost.get(site.url(WIKI), *HTML).text


def drop_clients(postgres: Postgres) -> None:
    """Break every connection to the server, as a restart of it would."""
    postgres.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )
