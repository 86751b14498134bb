"""One site for all tests of the whole, with real applications behind it."""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.bootstrap.applications import add_application
from gateway.bootstrap.command import Command
from policies.parse import parse_subject_term
from tests.whole.applications import Applications
from tests.whole.background import Background
from tests.whole.echo import Echo
from tests.whole.guests import Guest, signed_in
from tests.whole.people import GROUP, Person, add_person
from tests.whole.recorder import Recorder
from tests.whole.sites import HOST, LiveSite, make_site, running

JUDGES = ("curl", "openssl")


@pytest.fixture(scope="session")
def background() -> Iterator[Background]:
    """Run an event loop beside the tests; skip them all where their judges are missing."""
    for program in JUDGES:
        if shutil.which(program) is None:
            pytest.skip(f"no {program} here: install it (Debian: apt-get install {program})")
    with Background() as background:
        yield background


@pytest.fixture(scope="session")
def applications(background: Background) -> Iterator[Applications]:
    """Serve the applications."""
    applications = Applications(Recorder("wiki"), Recorder("crm"), Echo())
    servers: list[asyncio.AbstractServer] = [
        background.run(applications.wiki.serve()),
        background.run(applications.crm.serve()),
    ]
    echo = background.run(applications.chat.serve())
    yield applications
    background.run(_close(servers))
    echo.close()


async def _close(servers: list[asyncio.AbstractServer]) -> None:
    for server in servers:
        server.close()


@pytest.fixture(scope="session")
def site(
    tmp_path_factory: pytest.TempPathFactory, applications: Applications
) -> Iterator[LiveSite]:
    """Make a site by the command, and run it."""
    site = make_site(
        tmp_path_factory.mktemp("whole") / "site",
        settings=[("contact", '"help@example.it"'), ("drain", '"2s"')],
    )
    site.command(
        *("app", "add", "wiki", "--host", f"wiki.{HOST}", "--upstream", applications.wiki.upstream),
        *("--allow", f"group:{GROUP}"),
    )
    put_behind(site, crm=applications.crm.upstream, chat=applications.chat.upstream)
    with running(site):
        yield site
    site.command("audit", "tail", "-n", "1", "--verify")


def put_behind(site: LiveSite, **upstreams: str) -> None:
    """Put applications behind *site* for the usual group, as `app add` does."""
    allow = [parse_subject_term(f"group:{GROUP}")]

    async def add(command: Command) -> None:
        for name, upstream in upstreams.items():
            await add_application(command, name, f"{name}.{HOST}", (upstream,), allow)

    site.work(add)


@pytest.fixture
def anna(site: LiveSite) -> Person:
    """Add a person who may use every application."""
    return add_person(site, "anna")


@pytest.fixture
def bruno(site: LiveSite) -> Person:
    """Add another one."""
    return add_person(site, "bruno")


@pytest.fixture(scope="session")
def stranger(site: LiveSite) -> Person:
    """Add a person who never signs in."""
    return add_person(site, "stranger")


@pytest.fixture(scope="session")
def resident(site: LiveSite) -> Person:
    """Add the person who is `inside`."""
    return add_person(site, "resident")


@pytest.fixture(scope="session")
def inside(site: LiveSite, resident: Person, tmp_path_factory: pytest.TempPathFactory) -> Guest:
    """Be signed in to every application; no test ends this session."""
    return signed_in(site, resident, tmp_path_factory.mktemp("inside"), "wiki", "crm", "chat")


@pytest.fixture
def guests(tmp_path: Path) -> Path:
    """Return where guests of this test keep their jars."""
    return tmp_path / "guests"


@pytest.fixture(autouse=True)
def no_complaints(request: pytest.FixtureRequest) -> Iterator[None]:
    """See that h11 could read all that the gateway wrote to applications."""
    yield
    if "applications" in request.fixturenames:
        applications: Applications = request.getfixturevalue("applications")
        assert applications.complaints == []
