from datetime import timedelta
from pathlib import Path

import pytest

from gateway.config import Problems, read_configuration, read_site
from gateway.core.site import Application, Site, Upstream

WIKI = """
host = "wiki.gate.example.org"
upstream = "http://127.0.0.1:9000"
[[rules]]
effect = "allow"
groups = ["technicians"]
"""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A site at gate.example.org."""
    path = tmp_path / "pusterla.toml"
    path.write_text('[site]\nhost = "gate.example.org"\n', encoding="utf-8")
    found = read_site(path)
    assert isinstance(found, Site)
    return found


@pytest.fixture
def apps(tmp_path: Path) -> Path:
    """An empty directory of applications."""
    directory = tmp_path / "apps"
    directory.mkdir()
    return directory


def applications(directory: Path, site: Site) -> dict[str, Application]:
    """Read *directory*, which has no problems."""
    found = read_configuration(directory.parent, site)
    assert not isinstance(found, Problems), found
    return dict(found.applications)


def problems(directory: Path, site: Site) -> list[str]:
    """Read *directory*, which has problems."""
    found = read_configuration(directory.parent, site)
    assert isinstance(found, Problems), found
    return list(map(str, found.problems))


def test_an_application_is_called_as_its_file(apps: Path, site: Site) -> None:
    """apps/wiki.toml is the application wiki, in the policy too."""
    (apps / "wiki.toml").write_text(WIKI, encoding="utf-8")
    found = applications(apps, site)["wiki"]
    assert found.name == found.title == found.policy.app == "wiki"
    assert found.upstreams == (Upstream("127.0.0.1", 9000),)
    assert found.user_header is None
    assert not found.client_certificate


def test_everything_can_be_said(apps: Path, site: Site) -> None:
    """Each key arrives where it belongs."""
    (apps / "crm.toml").write_text(
        'host = "crm.other.example"\nupstream = "unix:/run/crm.sock"\ntitle = "Customers"\n'
        'description = "Who buys"\nuser_header = "X-Remote-User"\nclient_certificate = true\n',
        encoding="utf-8",
    )
    found = applications(apps, site)["crm"]
    assert found.host == "crm.other.example"
    assert [one.unix_path for one in found.upstreams] == ["/run/crm.sock"]
    assert (found.title, found.description) == ("Customers", "Who buys")
    assert found.user_header == "X-Remote-User"
    assert found.client_certificate
    assert found.policy.rules == ()


def test_an_application_may_ask_more_of_sessions(apps: Path, site: Site) -> None:
    """How old, and how long unused; left out, what the site says is enough."""
    (apps / "wiki.toml").write_text(WIKI, encoding="utf-8")
    policy = applications(apps, site)["wiki"].policy
    assert (policy.lifetime, policy.idle) == (None, None)
    text = WIKI.replace("[[rules]]", '[session]\nlifetime = "8h"\nidle = "15m"\n[[rules]]')
    (apps / "wiki.toml").write_text(text, encoding="utf-8")
    policy = applications(apps, site)["wiki"].policy
    assert (policy.lifetime, policy.idle) == (timedelta(hours=8), timedelta(minutes=15))
    assert len(policy.rules) == 1


@pytest.mark.parametrize(
    "given, message",
    [
        ('lifetime = "4m"', "session.lifetime: expected a duration from 5m to 30d, found '4m'"),
        ('lifetime = "31d"', "session.lifetime: expected a duration from 5m to 30d, found '31d'"),
        ('idle = "59s"', "session.idle: expected a duration from 1m to 30d, found '59s'"),
        ("idle = 15", "session.idle: expected a duration"),
        ('idle = "1h"\nlifetime = "1h"', "session.idle: not shorter than lifetime"),
        ('idel = "1h"', "session.idel: unknown key; did you mean 'idle'?"),
    ],
)
def test_what_cannot_be_asked_of_sessions_is_a_problem(
    apps: Path, site: Site, given: str, message: str
) -> None:
    """With its place."""
    text = WIKI.replace("[[rules]]", f"[session]\n{given}\n[[rules]]")
    (apps / "wiki.toml").write_text(text, encoding="utf-8")
    (found,) = problems(apps, site)
    assert found.startswith(f"apps/wiki.toml: {message}"), found


def test_an_application_may_have_several_upstreams(apps: Path, site: Site) -> None:
    """Of any kind, in their order; with one in a list too."""
    for given, expected in (
        ('["http://[::1]:80", "unix:/a.sock"]', ["http://[::1]:80", "unix:/a.sock"]),
        ('["http://a"]', ["http://a:80"]),
    ):
        text = WIKI.replace('"http://127.0.0.1:9000"', given)
        (apps / "wiki.toml").write_text(text, encoding="utf-8")
        assert list(map(str, applications(apps, site)["wiki"].upstreams)) == expected


@pytest.mark.parametrize(
    "given, message",
    [
        ("[]", "upstream: an empty list"),
        ('["http://a", "ftp://b"]', "upstream[2]: 'ftp://b' is not an upstream"),
        ('["http://a", "HTTP://A:80/"]', "upstream: http://a:80 is listed twice"),
        ('["http://a", 5]', "upstream[2]: expected text, found a whole number"),
        ("5", "upstream: expected text, found a whole number"),
    ],
)
def test_upstreams_that_cannot_be_are_problems(
    apps: Path, site: Site, given: str, message: str
) -> None:
    """Each with its place."""
    text = WIKI.replace('"http://127.0.0.1:9000"', given)
    (apps / "wiki.toml").write_text(text, encoding="utf-8")
    (found,) = problems(apps, site)
    assert found.startswith(f"apps/wiki.toml: {message}")


@pytest.mark.parametrize("octets, good", [(1, True), (2**24, True), (0, False), (2**24 + 1, False)])
def test_bodies_are_held_up_to_a_limit(apps: Path, site: Site, octets: int, *, good: bool) -> None:
    """In memory, so it has a limit itself."""
    (apps / "wiki.toml").write_text(f"buffer_body = {octets}\n{WIKI}", encoding="utf-8")
    if good:
        assert applications(apps, site)["wiki"].buffer_body == octets
    else:
        assert problems(apps, site)[0].startswith("apps/wiki.toml: buffer_body: ")


@pytest.mark.parametrize("host", ["wiki.internal", "wiki", "wiki.internal:8080"])
def test_an_application_may_insist_on_a_name(apps: Path, site: Site, host: str) -> None:
    """With or without a port."""
    (apps / "wiki.toml").write_text(f'upstream_host = "{host}"\n{WIKI}', encoding="utf-8")
    assert applications(apps, site)["wiki"].upstream_host == host


@pytest.mark.parametrize("host", ["Wiki", "http://wiki", "wiki:", "wiki:0", "wiki:99999", "a b"])
def test_a_name_that_cannot_be_insisted_on_is_a_problem(apps: Path, site: Site, host: str) -> None:
    """It is written into every request."""
    (apps / "wiki.toml").write_text(f'upstream_host = "{host}"\n{WIKI}', encoding="utf-8")
    (found,) = problems(apps, site)
    assert found.startswith(f"apps/wiki.toml: upstream_host: {host!r} is not a host")


def test_no_applications_is_no_problem(apps: Path, site: Site) -> None:
    """A site begins so."""
    assert applications(apps, site) == {}


def test_a_directory_that_is_gone_is_a_problem(tmp_path: Path, site: Site) -> None:
    """A running site must not take it for a site without applications."""
    assert problems(tmp_path / "apps", site) == ["apps: cannot be read: No such file or directory"]


def test_all_problems_of_all_files_come_at_once(apps: Path, site: Site) -> None:
    """Syntax, unknown keys, missing keys, wrong values, rules: each with file and key."""
    (apps / "a.toml").write_text("host = \n", encoding="utf-8")
    (apps / "b.toml").write_text(WIKI.replace("upstream", "upsteam"), encoding="utf-8")
    (apps / "c.toml").write_text(WIKI.replace("http:", "ftp:") + "user = 1\n", encoding="utf-8")
    (apps / "d.toml").write_bytes(b"# caff\xe8\n")
    found = problems(apps, site)
    text = "\n".join(found)
    assert "apps/a.toml: line 1, column 8: not valid TOML: invalid value" in text
    assert "apps/b.toml: upstream: missing" in text
    assert "apps/b.toml: upsteam: unknown key; did you mean 'upstream'?" in text
    assert "apps/c.toml: upstream: 'ftp://127.0.0.1:9000' is not an upstream" in text
    assert "apps/c.toml: rules[1].user: unknown key; did you mean 'users'?" in text
    assert "apps/d.toml: line 1: not UTF-8: save the file as UTF-8" in text


def test_a_host_belongs_to_one_application(apps: Path, site: Site) -> None:
    """The second file that claims it is the problem, and says who has it."""
    (apps / "a.toml").write_text(WIKI, encoding="utf-8")
    (apps / "b.toml").write_text(WIKI, encoding="utf-8")
    assert problems(apps, site) == [
        "apps/b.toml: host: 'wiki.gate.example.org' is already the host of apps/a.toml"
    ]


@pytest.mark.parametrize(
    "host, whose",
    [
        ("gate.example.org", "the portal's own host"),
        ("public.gate.example.org", "the public host"),
    ],
)
def test_the_hosts_of_the_site_are_taken(apps: Path, site: Site, host: str, whose: str) -> None:
    """No application can stand where people sign in, or where no certificate is asked."""
    (apps / "a.toml").write_text(WIKI.replace("wiki.gate.example.org", host), encoding="utf-8")
    assert problems(apps, site) == [f"apps/a.toml: host: {host!r} is already {whose}"]


@pytest.mark.parametrize("name", ["Wiki", "my wiki", "-wiki", "wiki.v2", "portal", "public"])
def test_names_that_cannot_be_are_problems_of_the_file(apps: Path, site: Site, name: str) -> None:
    """Names go into certificates' scopes, tokens and audit lines."""
    (apps / f"{name}.toml").write_text(WIKI, encoding="utf-8")
    (found,) = problems(apps, site)
    assert found.startswith(f"apps/{name}.toml: {name!r} cannot be the name of an application")


@pytest.mark.parametrize(
    "header", ["Host", "Cookie", "X Remote", "Sec-WebSocket-Key", "Client-Cert", "X-Forwarded-For"]
)
def test_a_user_header_cannot_replace_a_field_with_a_meaning(
    apps: Path, site: Site, header: str
) -> None:
    """It would change where or how a request is sent."""
    (apps / "a.toml").write_text(f'user_header = "{header}"\n{WIKI}', encoding="utf-8")
    (found,) = problems(apps, site)
    assert found.startswith("apps/a.toml: user_header: ")


def test_editors_leavings_are_not_read(apps: Path, site: Site) -> None:
    """Only NAME.toml counts."""
    for name in (".wiki.toml.swp", ".#wiki.toml", "wiki.toml~", "wiki.toml.bak", "README"):
        (apps / name).write_text("nonsense", encoding="utf-8")
    assert applications(apps, site) == {}
