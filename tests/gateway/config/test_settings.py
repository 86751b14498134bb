from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from gateway.config import Problems, read_site
from gateway.core.site import Demand, Encryption, Lifetimes, Limits, Lists, Mail, Site


def read(directory: Path, text: str) -> Site | Problems:
    """Read *text* as a pusterla.toml."""
    path = directory / "pusterla.toml"
    path.write_text(text, encoding="utf-8")
    return read_site(path)


def site(directory: Path, text: str) -> Site:
    """Read *text*, which has no problems."""
    found = read(directory, text)
    assert isinstance(found, Site), found
    return found


def problems(directory: Path, text: str) -> list[str]:
    """Read *text*, which has problems."""
    found = read(directory, text)
    assert isinstance(found, Problems), found
    return list(map(str, found.problems))


def test_a_host_is_enough_and_the_rest_has_defaults(tmp_path: Path) -> None:
    """Only the host must be said."""
    found = site(tmp_path, '[site]\nhost = "gate.example.org"\n')
    assert found.host == "gate.example.org"
    assert found.public_host == "public.gate.example.org"
    assert (found.port, found.http_port) == (8443, 8080)
    assert found.store_url is None
    assert found.workers >= 1
    assert found.limits == Limits()


def test_everything_can_be_said(tmp_path: Path) -> None:
    """Each section's keys arrive where they belong."""
    found = site(
        tmp_path,
        """
        [site]
        host = "gate.example.org"
        port = 443
        name = "Officina"
        contact = "room 12"
        time_zone = "Europe/Rome"
        [listen]
        address = "::"
        workers = 3
        [sessions]
        lifetime = "1h"
        [sign_in]
        ticket_lifetime = "2h"
        [store]
        url = "postgresql+asyncpg://gate:secret@db/gate"
        feed_grace = "7s"
        [certificates]
        lifetime = "30d"
        longest = "90d"
        renew_before = "20d"
        overlap = "0s"
        [crl]
        lifetime = "2d"
        delta = true
        delta_lifetime = "3h"
        partitions = 4
        [limits]
        handshake = "1s"
        request_body = "2s"
        response_taken = "3s"
        head_bytes = 8192
        head_fields = 64
        target_bytes = 4096
        body_bytes = 1000
        body_rate = 0
        [log]
        access = "/var/log/pusterla/access.jsonl"
        queries = false
        [metrics]
        port = 9464
        [mail]
        server = "mail.example.org"
        encryption = "tls"
        ca = "keys/mail-ca.pem"
        user = "gate"
        password_file = "/etc/gate/mail-password"
        from = "gate@example.org"
        administrators = ["helpdesk@example.org", "giulia@example.org"]
        """,
    )
    assert found == Site(
        host="gate.example.org",
        port=443,
        http_port=80,
        name="Officina",
        contact="room 12",
        time_zone=ZoneInfo("Europe/Rome"),
        listen="::",
        workers=3,
        store_url="postgresql+asyncpg://gate:secret@db/gate",
        session_lifetime=timedelta(hours=1),
        ticket_lifetime=timedelta(hours=2),
        certificates=Lifetimes(
            timedelta(days=30), timedelta(days=90), timedelta(days=20), timedelta()
        ),
        crl=Lists(timedelta(days=2), True, timedelta(hours=3), 4),
        feed_grace=timedelta(seconds=7),
        limits=Limits(
            handshake=timedelta(seconds=1),
            request_body=timedelta(seconds=2),
            response_taken=timedelta(seconds=3),
            head_bytes=8192,
            head_fields=64,
            target_bytes=4096,
            body_bytes=1000,
            body_rate=0,
        ),
        access_log="/var/log/pusterla/access.jsonl",
        log_queries=False,
        metrics_port=9464,
        mail=Mail(
            server="mail.example.org",
            port=465,
            encryption=Encryption.TLS,
            ca="keys/mail-ca.pem",
            user="gate",
            password_file="/etc/gate/mail-password",
            from_="gate@example.org",
            administrators=("helpdesk@example.org", "giulia@example.org"),
        ),
    )


@pytest.mark.parametrize(
    "value, expected",
    [
        ('"Europe/Rom"', "not a time zone of the tz database; did you mean 'Europe/Rome'?"),
        ('"europe/rome"', "did you mean 'Europe/Rome'?"),
        ('"Europe"', "not a time zone of the tz database"),
        ('"../../etc/passwd"', "not a time zone of the tz database"),
        ('"+01:00"', "write one such as Europe/Rome or UTC"),
        ("1", "expected text, found a whole number"),
    ],
)
def test_a_time_zone_is_one_of_the_tz_database(tmp_path: Path, value: str, expected: str) -> None:
    """An offset would be wrong for half of the year."""
    text = f'[site]\nhost = "gate.example.org"\ntime_zone = {value}\n'
    [problem] = problems(tmp_path, text)
    assert problem.startswith("pusterla.toml: site.time_zone: ")
    assert expected in problem


def test_times_are_told_in_utc_where_nobody_said_otherwise(tmp_path: Path) -> None:
    """Not in the zone of the machine, of which a site of several nodes has several."""
    assert site(tmp_path, '[site]\nhost = "gate.example.org"\n').time_zone == ZoneInfo("UTC")


GROUPS = '[site]\nhost = "gate.example.org"\n'


def test_managers_are_read_by_group(tmp_path: Path) -> None:
    """As a table of tables, in either way of writing it."""
    text = '[groups.technicians]\nmanagers = ["berta", "carlo"]\n'
    found = site(tmp_path, GROUPS + text).managers
    assert found == {"technicians": frozenset({"berta", "carlo"})}
    found = site(tmp_path, GROUPS + '[groups]\noffice = { managers = ["berta"] }\n').managers
    assert found == {"office": frozenset({"berta"})}
    assert site(tmp_path, GROUPS).managers == {}


@pytest.mark.parametrize(
    "text, place, words",
    [
        ("[groups.technicians]\n", "groups.technicians.managers", "missing"),
        ("[groups.technicians]\nmanagers = []\n", "groups.technicians.managers", "empty"),
        ('[groups.technicians]\nmanager = ["berta"]\n', ".manager", "did you mean 'managers'?"),
        ('[groups.Office]\nmanagers = ["berta"]\n', "groups.Office", "did you mean 'office'?"),
        ('[groups.office]\nmanagers = ["Berta"]\n', ".managers", "did you mean 'berta'?"),
        ('[groups]\noffice = ["berta"]\n', "groups.office", "expected a table"),
        ("[groups.a]\nmanagers = 3\n", "groups.a.managers", "expected"),
    ],
)
def test_what_is_wrong_with_managers_is_told(
    tmp_path: Path, text: str, place: str, words: str
) -> None:
    """With its place, and what was meant."""
    found = problems(tmp_path, GROUPS + text)
    assert any(place in one and words in one for one in found), found


MAIL = '[site]\nhost = "gate.example.org"\n[mail]\n'
SERVER = 'server = "mail.example.org"\nfrom = "gate@example.org"\n'


@pytest.mark.parametrize(
    "encryption, port", [("starttls", 587), ("tls", 465), ("none", 25), (None, 587)]
)
def test_the_port_of_a_mail_server_follows_from_how_it_is_spoken_to(
    tmp_path: Path, encryption: str | None, port: int
) -> None:
    """Unless it is said."""
    lines = 'server = "127.0.0.1"\nfrom = "gate@example.org"\n'
    lines += "" if encryption is None else f'encryption = "{encryption}"\n'
    assert site(tmp_path, MAIL + lines).mail.port == port
    assert site(tmp_path, MAIL + lines + "port = 2525\n").mail.port == 2525


@pytest.mark.parametrize("server", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_a_mail_server_on_this_machine_may_do_without_tls(tmp_path: Path, server: str) -> None:
    """Nobody is in between."""
    lines = f'server = "{server}"\nfrom = "gate@example.org"\nencryption = "none"\n'
    assert site(tmp_path, MAIL + lines).mail.encryption is Encryption.NONE


@pytest.mark.parametrize(
    "lines, expected",
    [
        (SERVER + 'encryption = "none"', "mail.encryption: letters to mail.example.org"),
        (SERVER + 'encryption = "ssl"', "mail.encryption: expected"),
        ('from = "gate@example.org"', "mail.server: missing"),
        ('administrators = ["a@example.org"]', "mail.server: missing"),
        ('server = "mail.example.org"', "mail.from: missing"),
        (SERVER + 'user = "gate"', "mail.user: user and password_file belong together"),
        (SERVER + 'password_file = "p"', "mail.user: user and password_file belong together"),
        (SERVER + 'administrators = ["giulia"]', "'giulia' is not a mail address"),
        (SERVER + "administrators = []", "mail.administrators"),
        (SERVER + "port = 0", "mail.port"),
        (SERVER + 'administrator = "a@example.org"', "did you mean 'administrators'?"),
        ('server = "mail example"\nfrom = "gate@example.org"', "not the name of a mail server"),
        ('server = "mail.example.org:25"\nfrom = "g@e.org"', "not the name of a mail server"),
        (
            'server = "mail.example.org"\nfrom = "a@b.org\\r\\nBcc: x@y.org"',
            "is not a mail address",
        ),
    ],
)
def test_mail_that_could_not_go_out_is_told(tmp_path: Path, lines: str, expected: str) -> None:
    """With its place."""
    found = problems(tmp_path, MAIL + lines + "\n")
    assert expected in "\n".join(found)


@pytest.mark.parametrize(
    "lines, expected",
    [
        ('delta_lifetime = "8d"', "crl.delta_lifetime: longer than lifetime"),
        ('delta_lifetime = "1m"', "crl.delta_lifetime: expected a duration"),
        ('delta = "yes"', "crl.delta: expected true or false"),
        ("partitions = 0", "crl.partitions: expected a whole number"),
        ("partitions = 1025", "crl.partitions: expected a whole number"),
    ],
)
def test_lists_that_cannot_be(tmp_path: Path, lines: str, expected: str) -> None:
    """Limits of what is signed are checked."""
    text = f'[site]\nhost = "gate.example.org"\n[crl]\n{lines}'
    assert expected in "\n".join(problems(tmp_path, text))


@pytest.mark.parametrize(
    "lines, expected",
    [
        ('lifetime = "91d"\nlongest = "90d"', "certificates.lifetime: beyond longest"),
        ('longest = "826d"', "certificates.longest: expected a duration"),
        ('renew_before = "826d"', "certificates.renew_before: expected a duration"),
        ('overlap = "-1d"', "certificates.overlap: expected a duration"),
        ('lifetime = "23h"', "certificates.lifetime: expected a duration"),
        ('lifetmie = "1d"', "certificates.lifetmie: unknown key; did you mean 'lifetime'?"),
    ],
)
def test_certificates_that_cannot_be(tmp_path: Path, lines: str, expected: str) -> None:
    """What no profile permits is refused when it is read."""
    text = f'[site]\nhost = "gate.example.org"\n[certificates]\n{lines}'
    assert expected in "\n".join(problems(tmp_path, text))


def test_certificates_last_a_year_or_as_long_as_they_may(tmp_path: Path) -> None:
    """Who forbids more than a month need not say that a year is too much."""
    text = '[site]\nhost = "gate.example.org"\n'
    assert site(tmp_path, text).certificates == Lifetimes(timedelta(days=365), timedelta(days=825))
    month = site(tmp_path, text + '[certificates]\nlongest = "30d"').certificates
    assert month == Lifetimes(timedelta(days=30), timedelta(days=30))


def test_a_short_lifetime_shortens_that_of_deltas(tmp_path: Path) -> None:
    """Who chooses an hour for lists need not choose for deltas too."""
    found = site(tmp_path, '[site]\nhost = "gate.example.org"\n[crl]\nlifetime = "1h"')
    assert found.crl.delta_lifetime == timedelta(hours=1)


def test_an_access_log_without_a_name_is_none(tmp_path: Path) -> None:
    """It is on unless somebody says that it shall not be."""
    host = '[site]\nhost = "gate.example.org"\n'
    assert site(tmp_path, host).access_log == "log/access.jsonl"
    assert site(tmp_path, host + '[log]\naccess = "off"\n').access_log is None


@pytest.mark.parametrize(
    "section, problem",
    [
        ('[log]\naccess = "log/"', "log.access: 'log/' is not the path of a file"),
        ("[log]\naccess = false", "log.access: expected"),
        ("[log]\nacces = 1", "did you mean 'access'?"),
        ("[metrics]\nport = 8443", "metrics.port: 8443 is the site's own port"),
        ("[metrics]\nport = 8080", "metrics.port: 8080 is the site's own port"),
        ("[metrics]\nport = 0", "metrics.port"),
        ("[metrics]\naddress = 1", "unknown key"),
    ],
)
def test_mistakes_about_log_and_metrics_are_told(
    tmp_path: Path, section: str, problem: str
) -> None:
    """Each with its place."""
    (found,) = problems(tmp_path, f'[site]\nhost = "gate.example.org"\n{section}\n')
    assert problem in found


def test_all_problems_come_at_once_each_with_its_place(tmp_path: Path) -> None:
    """A person who mistypes five keys hears of five."""
    found = problems(
        tmp_path,
        """
        [site]
        hots = "gate.example.org"
        port = "8443"
        [sesions]
        lifetime = "1h"
        [crl]
        lifetime = "1s"
        [limits]
        idel = "5m"
        """,
    )
    assert len(found) == 6
    text = "\n".join(found)
    assert "pusterla.toml: site.host: missing" in text
    assert "pusterla.toml: site.hots: unknown key; did you mean 'host'?" in text
    assert "pusterla.toml: site.port: expected a whole number" in text
    assert "pusterla.toml: sesions: unknown key; did you mean 'sessions'?" in text
    assert "pusterla.toml: crl.lifetime: expected a duration" in text
    assert "pusterla.toml: limits.idel: unknown key; did you mean 'idle'?" in text


@pytest.mark.parametrize(
    "host",
    [
        "Gate.example.org",
        "gate.example.org.",
        "gate.example.org:8443",
        "gate_1.example.org",
        "città.example.org",
        "127.0.0.1",
        "[::1]",
        "-gate.example.org",
        "a" * 64 + ".example.org",
        ".".join(["abcdefgh"] * 28),
        "",
    ],
)
def test_a_host_is_a_name_in_the_form_that_requests_are_compared_with(
    tmp_path: Path, host: str
) -> None:
    """Anything that no request could match is a problem of the file."""
    found = problems(tmp_path, f'[site]\nhost = "{host}"\n')
    assert len(found) == 1
    assert found[0].startswith("pusterla.toml: site.host: ")


def test_plain_http_has_a_port_of_its_own(tmp_path: Path) -> None:
    """It can be said, it cannot be the same, and it must be said where none can be derived."""
    head = '[site]\nhost = "gate.example.org"\n'
    assert site(tmp_path, head + "port = 300\nhttp_port = 80\n").http_port == 80
    assert "site.http_port: the same" in problems(tmp_path, head + "port = 80\nhttp_port = 80")[0]
    assert "site.http_port: missing" in problems(tmp_path, head + "port = 300\n")[0]


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///x.db",
        "postgresql://gate:secret@db/gate",
        "mysql://gate:secret@db",
        "postgresql+asyncpg://gate:secret@db",
        "postgresql+asyncpg://gate:secret@db/?ssl=require",
    ],
)
def test_a_store_url_is_checked_and_never_quoted(tmp_path: Path, url: str) -> None:
    """The message says what is expected and shows no password."""
    found = problems(tmp_path, f'[site]\nhost = "gate.example.org"\n[store]\nurl = "{url}"\n')
    assert len(found) == 1
    assert found[0].startswith("pusterla.toml: store.url: ")
    assert "secret" not in found[0]


def test_what_people_read_is_one_line(tmp_path: Path) -> None:
    """Names go into headers of pages and into logs."""
    found = problems(tmp_path, '[site]\nhost = "gate.example.org"\nname = "a\\nb"\n')
    assert found == ["pusterla.toml: site.name: expected one line of printable text"]


def test_an_address_to_listen_on_is_an_address(tmp_path: Path) -> None:
    """A name would be looked up, and could mean something else tomorrow."""
    found = problems(tmp_path, '[site]\nhost = "g.example.org"\n[listen]\naddress = "eth0"\n')
    assert found[0].startswith("pusterla.toml: listen.address: 'eth0' is no address")


def test_how_a_certificate_is_demanded(tmp_path: Path) -> None:
    """By a page unless the file says otherwise, in one of two words."""
    head = '[site]\nhost = "g.example.org"\n[listen]\n'
    assert site(tmp_path, head).certificate is Demand.PAGE
    assert site(tmp_path, head + 'certificate = "handshake"\n').certificate is Demand.HANDSHAKE
    (found,) = problems(tmp_path, head + 'certificate = "handshakes"\n')
    assert found.startswith("pusterla.toml: listen.certificate: ")
    assert "did you mean 'handshake'?" in found


@pytest.mark.parametrize("key", ["connections", "certificate_connections", "handshakes"])
def test_counts_are_at_least_one(tmp_path: Path, key: str) -> None:
    """None at all would be a worker that serves nobody."""
    head = '[site]\nhost = "g.example.org"\n[limits]\n'
    assert getattr(site(tmp_path, f"{head}{key} = 1\n").limits, key) == 1
    (found,) = problems(tmp_path, f"{head}{key} = 0\n")
    assert found.startswith(f"pusterla.toml: limits.{key}: ")


def test_balancers_are_named_by_address_or_network(tmp_path: Path) -> None:
    """By nothing wider, for what they say of a client is believed."""
    head = '[site]\nhost = "g.example.org"\n[listen]\n'
    assert site(tmp_path, head).balancers == ()
    named = site(tmp_path, head + 'proxy_protocol_from = ["10.0.0.5", "10.1.0.0/24", "fd00::/8"]\n')
    assert [*map(str, named.balancers)] == ["10.0.0.5/32", "10.1.0.0/24", "fd00::/8"]
    for wrong in ("balancer.example", "10.1.0.5/24", "0.0.0.0/0", "::/0", "10.0.0.5:443"):
        (found,) = problems(tmp_path, f'{head}proxy_protocol_from = ["{wrong}"]\n')
        assert found.startswith("pusterla.toml: listen.proxy_protocol_from")
        assert repr(wrong) in found
