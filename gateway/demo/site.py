"""Makes the demo's site, with the functions of the command: a person, a stick, applications."""

import shutil
import sys
from base64 import b32decode
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from secrets import token_urlsafe
from urllib.parse import parse_qs, quote, urlsplit

from gateway.bootstrap.accounts import Wishes, add_account
from gateway.bootstrap.applications import add_application
from gateway.bootstrap.certificates import Wanted, issue_certificate
from gateway.bootstrap.command import open_command
from gateway.bootstrap.creation import NewSite, create_site
from gateway.bootstrap.folder import SiteFolder, clock
from gateway.bootstrap.listeners import open_listeners
from gateway.bootstrap.process import ProcessFailed
from gateway.config import Problems, read_site
from gateway.core.site import Site
from gateway.demo.applications import DEMO_APPS, Place
from gateway.demo.sheet import Listed, Sheet
from policies.parse import parse_subject_term

HOST = "pusterla.localhost"
ADDRESS = "127.0.0.1"
USER = "anna"
GROUP = "technicians"
DAYS = 30
# The page that the curl line shows: short, and it says who the gateway says that you are.
PAGE_APP = "files"
PAGE_PATH = "/?ls"


@dataclass(frozen=True, slots=True)
class Person:
    """What the demo's person has in hand."""

    password: str
    passphrase: str
    totp_uri: str

    @property
    def secret(self) -> str:
        """The secret of the one-time codes, in base32."""
        return parse_qs(urlsplit(self.totp_uri).query)["secret"][0]


@dataclass(frozen=True, slots=True)
class Made:
    """A demo that is ready to be run."""

    place: Path
    folder: SiteFolder
    site: Site
    person: Person
    ports: dict[str, int]
    """Where the applications are to listen, by their names."""

    @property
    def bundle(self) -> Path:
        """The person's certificate and key."""
        return self.place / f"{USER}.p12"

    @property
    def root(self) -> Path:
        """A copy of what browsers are to trust: nobody need go in where the keys are."""
        return self.place / "root.pem"

    @property
    def code_script(self) -> Path:
        """A program that prints a one-time code."""
        return self.place / "code.py"

    @property
    def apps(self) -> Place:
        """Where the applications have their files."""
        return Place(self.place / "applications", f"{self.site.origin(self.site.host)}/")


async def make(place: Path, port: int, http_port: int, say: Callable[[str], None]) -> Made:
    """Make everything below *place*; *say* is told each step before it is taken.

    Raises what the functions of the command raise.
    """
    wished = NewSite(HOST, port, http_port=http_port, name="Pusterla demo")
    folder = await create_site(place / "site", wished, clock, say)
    site = read_site(folder.settings)
    if isinstance(site, Problems):
        raise ProcessFailed(str(site))
    ports = {name: free_port() for name in DEMO_APPS}
    password, passphrase = token_urlsafe(12), token_urlsafe(12)
    async with open_command(folder) as command:
        say("adding a person")
        wishes = Wishes(USER, "Anna Rossi", "anna@example.it", frozenset({GROUP}))
        person = Person(password, passphrase, await add_account(command, wishes, password))
        made = Made(place, folder, site, person, ports)
        say("issuing a certificate")
        await issue_certificate(
            command, Wanted(USER, "stick-1", DAYS, None, made.bundle), passphrase
        )
        say("adding applications")
        for app in DEMO_APPS.values():
            allow = [parse_subject_term(f"group:{app.group}")]
            upstreams = (f"http://127.0.0.1:{ports[app.name]}",)
            icon = f"{app.name}.svg"
            drawing = files("gateway.demo").joinpath(f"files/{icon}").read_bytes()
            (folder.apps / icon).write_bytes(drawing)
            await add_application(
                command,
                app.name,
                f"{app.name}.{HOST}",
                upstreams,
                allow,
                title=app.label,
                description=app.description,
                icon=icon,
            )
    shutil.copyfile(folder.root_certificate, made.root)
    _write_code_script(made)
    made.apps.make()
    for app in DEMO_APPS.values():
        app.prepare(made.apps)
    return made


def _write_code_script(made: Made) -> None:
    template = files("gateway.demo").joinpath("files/code.txt")
    text = template.read_text(encoding="utf-8")
    for mark, value in (
        ("@SECRET@", b32decode(made.person.secret).hex()),
        ("@STORE@", repr(f"file:{quote(str(made.folder.database))}?mode=ro")),
        ("@USER@", USER),
    ):
        text = text.replace(mark, value)
    made.code_script.write_text(text, encoding="utf-8")
    made.code_script.chmod(0o600)


def free_port() -> int:
    """Return a port of the loopback that nobody had a moment ago."""
    (probe,) = open_listeners(ADDRESS, 0, 1)
    with probe:
        port: int = probe.getsockname()[1]
        return port


def sheet_of(made: Made, *, contained: bool) -> Sheet:
    """Return what is to be printed about *made*; *contained*: it is removed at the end."""
    origin, site, person = made.site.origin, made.site, made.person
    return Sheet(
        place=made.place,
        portal=f"{origin(site.host)}/",
        user=USER,
        password=person.password,
        bundle=made.bundle,
        passphrase=person.passphrase,
        totp_uri=person.totp_uri,
        secret=person.secret,
        root=made.root,
        apps=tuple(
            Listed(
                app.name,
                app.title,
                f"{origin(f'{app.name}.{HOST}')}/",
                app.group,
                refused=app.group != GROUP,
            )
            for app in DEMO_APPS.values()
        ),
        page=f"{origin(f'{PAGE_APP}.{HOST}')}{PAGE_PATH}",
        next_code=(sys.executable, str(made.code_script)),
        command=(_pusterla(), "--site", str(made.folder.path)),
        contained=contained,
    )


def _pusterla() -> str:
    # Beside the Python that runs this; otherwise wherever the shell finds it.
    beside = Path(sys.executable).with_name("pusterla")
    return str(beside) if beside.exists() else "pusterla"
