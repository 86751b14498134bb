"""Whoever comes to the door with curl: a certificate or none, a cookie jar, an address of their own."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from urllib.parse import quote

from gateway.core.cookies import COOKIE_NAME
from tests.whole.people import Person, Stick
from tests.whole.sites import HOST, PASSWORD, LiveSite

CURL_WITHIN = 30
HTML = ("-H", "Accept: text/html")
"""What makes curl ask as somebody's browser does."""

_numbers = count(1)


def next_address() -> str:
    """Return an address of this machine that nobody has come from yet.

    The edge writes the same refusal of the same address to the audit log once a minute, so each
    guest comes from an address of their own, which log and audit are then searched for.
    """
    number = next(_numbers)
    return f"127.1.{number // 250}.{number % 250 + 2}"


@dataclass(frozen=True, slots=True)
class Answer:
    """The last response that curl got, and how many redirects led to it."""

    status: int
    fields: tuple[tuple[str, str], ...]
    body: bytes
    url: str
    redirects: int

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    def values(self, name: str) -> list[str]:
        """Return every value of the field *name*."""
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def value(self, name: str) -> str:
        """Return the only value of the field *name*."""
        (value,) = self.values(name)
        return value


class CurlFailed(AssertionError):
    """curl could not get an answer; *status* is its exit status, the message its own."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"curl {status}: {message}")
        self.status = status


class Guest:
    """Somebody with curl. *stick* None: without a certificate."""

    def __init__(self, site: LiveSite, stick: Stick | None, folder: Path) -> None:
        self.site = site
        self.stick = stick
        self.address = next_address()
        self._folder = folder / self.address
        self._folder.mkdir(parents=True)
        self.jar = self._folder / "jar"

    def get(self, url: str, *options: str) -> Answer:
        """Ask for *url* by curl with *options*; raises `CurlFailed` where no answer came."""
        return self.all(url, *options)[-1]

    def all(self, url: str, *options: str) -> list[Answer]:
        """Ask for *url* and return every response on the way to the last; bodies of that one alone."""
        heads, body = self._folder / "heads", self._folder / "body"
        body.write_bytes(b"")
        ran = subprocess.run(
            [*self._command(), "-D", str(heads), "-o", str(body), *options, url],
            capture_output=True,
            text=True,
            timeout=CURL_WITHIN + 5,
            check=False,
        )
        if ran.returncode:
            raise CurlFailed(ran.returncode, ran.stderr)
        end, redirects = ran.stdout.rsplit(" ", 1)
        return _read_heads(heads.read_bytes(), body.read_bytes(), end, int(redirects))

    def visit(self, url: str, *options: str) -> Answer:
        """Ask for the page *url* as a browser does, and follow where it leads."""
        return self.get(url, *HTML, "-L", *options)

    def submit(self, person: Person, to: str, **other: str) -> Answer:
        """Send the sign-in form of *person* and follow where it leads.

        *other* takes the place of the user, the password or the code.
        """
        return self.submit_by_steps(person, to, **other)[-1]

    def submit_by_steps(self, person: Person, to: str, **other: str) -> list[Answer]:
        """Do the same, and return every response on the way."""
        options = [part for field in form(person, to, **other) for part in ("-d", field)]
        return self.all(self.site.portal("/sign-in"), "-L", *options)

    def cookie(self, host: str) -> str:
        """Return the value of our cookie for *host*, as the jar holds it."""
        for line in self.jar.read_text(encoding="utf-8").splitlines():
            columns = line.removeprefix("#HttpOnly_").split("\t")
            if len(columns) == 7 and columns[0] == host and columns[5] == COOKIE_NAME:
                return columns[6]
        raise AssertionError(f"no cookie of {host} in the jar:\n{self.jar.read_text()}")

    def cookie_field(self, host: str) -> tuple[str, str]:
        """Return the Cookie field with our cookie for *host*."""
        return ("Cookie", f"{COOKIE_NAME}={self.cookie(host)}")

    def _command(self) -> Sequence[str]:
        site = self.site
        ports = (site.port, site.http_port)
        resolve = [part for port in ports for part in ("--resolve", f"*:{port}:127.0.0.1")]
        shown = [] if self.stick is None else ["--cert", str(self.stick.file)]
        return [
            *("curl", "-q", "-sS", "--http1.1", "--max-time", str(CURL_WITHIN)),
            *("--cacert", str(site.folder.root_certificate), "--interface", self.address),
            *("-b", str(self.jar), "-c", str(self.jar), *resolve, *shown),
            *("-w", "%{url_effective} %{num_redirects}"),
        ]


def _read_heads(heads: bytes, body: bytes, end: str, redirects: int) -> list[Answer]:
    answers = []
    blocks = [block for block in heads.decode("latin-1").split("\r\n\r\n") if block]
    for number, block in enumerate(blocks):
        first, *lines = block.split("\r\n")
        fields = [line.partition(":") for line in lines]
        answers.append(
            Answer(
                status=int(first.split()[1]),
                fields=tuple((name, value.strip()) for name, _, value in fields),
                body=body if number == len(blocks) - 1 else b"",
                url=end,
                redirects=redirects,
            )
        )
    return answers


def form(person: Person, to: str, **other: str) -> list[str]:
    """Fill in the sign-in form of *person* as it should be, but for *other*."""
    fields = {"user": person.user, "password": PASSWORD, "to": to, **other}
    # Not asked for before it is needed: each code is one of few.
    fields.setdefault("code", "" if "code" in other else person.code())
    return [f"{name}={quote(text, safe='')}" for name, text in fields.items()]


def signed_in(
    site: LiveSite, person: Person, folder: Path, *apps: str, stick: Stick | None = None
) -> Guest:
    """Let *person* sign in by curl, and take up the session on the hosts of *apps* as well."""
    guest = Guest(site, stick or person.stick, folder)
    answer = guest.submit(person, "")
    assert (answer.status, answer.url) == (200, site.portal()), answer.text
    for app in apps:
        answer = guest.visit(site.url(f"{app}.{HOST}", "/enter"))
        assert answer.status == 200, answer.text
    return guest
