from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.refusal_kinds import Refusal
from gateway.core.site import Application, Limits, Upstream
from gateway.edge.heads import parse_request, parse_response
from gateway.edge.rewriting import ForeignDestination, Rewriting
from tests.gateway.edge.recorder import Line, saying
from tests.gateway.edge.site import CRM, WIKI
from tests.gateway.edge.stage import Stage, application
from tests.gateway.edge.test_service import SITE
from tests.gateway.edge.waiting import soon

NAME = "wiki.internal"
OURS = f"https://{WIKI}"
THEIRS = f"http://{NAME}"
PORT_443 = replace(SITE, port=443)


def wiki(**changes: Any) -> Application:
    """Return an application that insists on its own name."""
    upstreams = (Upstream("10.0.0.1", 8000), Upstream("localhost", 0, unix_path="/run/wiki.sock"))
    return replace(application("wiki", upstreams), **({"upstream_host": NAME} | changes))


INSISTING = Rewriting(wiki(), PORT_443)
PLAIN = Rewriting(wiki(upstream_host=None), PORT_443)


def sent(name: str, value: str, rewriting: Rewriting = INSISTING) -> str:
    """Return a client's field as the application reads it."""
    head = parse_request(
        f"MOVE / HTTP/1.1\r\nHost: {WIKI}\r\n{name}: {value}\r\n\r\n".encode(), Limits()
    )
    assert not isinstance(head, Refusal)
    changed = rewriting.request(head)
    assert changed.authority == NAME
    (field,) = changed.fields
    assert field.wire == field.to_application
    return field.value.decode()


def answered(name: str, value: str, rewriting: Rewriting = INSISTING) -> str:
    """Return an application's field as the client reads it."""
    head = parse_response(
        f"HTTP/1.1 302 X\r\n{name}: {value}\r\nContent-Length: 0\r\n\r\n".encode(), b"GET"
    )
    (field,) = rewriting.response(head).fields
    assert field.wire.lower().startswith(name.lower().encode())
    return field.value.decode()


@pytest.mark.parametrize(
    "name, value, expected",
    [
        ("Origin", OURS, THEIRS),
        ("Origin", OURS.upper(), THEIRS),
        ("Origin", "https://evil.example", "https://evil.example"),
        ("Origin", f"{OURS}.evil.example", f"{OURS}.evil.example"),
        ("Origin", f"http://{WIKI}", f"http://{WIKI}"),
        ("Origin", f"{OURS}:444", f"{OURS}:444"),
        ("Origin", "null", "null"),
        ("Referer", f"{OURS}/page?x#y", f"{THEIRS}/page?x#y"),
        ("Referer", OURS, THEIRS),
        ("Referer", f"{OURS}.evil.example/", f"{OURS}.evil.example/"),
        ("Referer", f"https://evil.example/{OURS}/", f"https://evil.example/{OURS}/"),
        ("Destination", f"{OURS}/a%20b", f"{THEIRS}/a%20b"),
        ("Destination", f"http://{WIKI}/a", f"{THEIRS}/a"),
        ("Destination", OURS, f"{THEIRS}/"),
        ("Destination", "/a/b", "/a/b"),
        ("If", f"<{OURS}/a> (<urn:uuid:1>) <{OURS}/b> (<urn:uuid:2>)", None),
        ("If", "(<urn:uuid:1>)", "(<urn:uuid:1>)"),
        (
            "If",
            f"<{OURS}.evil.example/a> (<urn:uuid:1>)",
            f"<{OURS}.evil.example/a> (<urn:uuid:1>)",
        ),
        ("X-Other", OURS, OURS),
    ],
)
def test_what_refers_to_us_refers_to_the_application(
    name: str, value: str, expected: str | None
) -> None:
    """And nothing else: what is foreign must be seen to be foreign."""
    assert sent(name, value) == (value.replace(OURS, THEIRS) if expected is None else expected)


@pytest.mark.parametrize(
    "value",
    [
        "https://evil.example/a",
        f"http://{NAME}/a",
        f"{OURS}:444/a",
        f"//{WIKI}/a",
        f"https://user@{WIKI}/a",
        "a/b",
        "",
    ],
)
def test_a_destination_elsewhere_is_refused(value: str) -> None:
    """Another host, or what has no single reading."""
    with pytest.raises(ForeignDestination):
        sent("Destination", value)


@pytest.mark.parametrize("name", ["Location", "Content-Location"])
@pytest.mark.parametrize(
    "value, expected",
    [
        (f"http://{NAME}/a?b#c", f"{OURS}/a?b#c"),
        (f"HTTPS://{NAME.upper()}/a", f"{OURS}/a"),
        (f"http://{NAME}:80/a", f"http://{NAME}:80/a"),
        (f"//{NAME}/a", f"{OURS}/a"),
        (f"http://{NAME}", OURS),
        ("http://10.0.0.1:8000/a", f"{OURS}/a"),
        ("http://10.0.0.1/a", "http://10.0.0.1/a"),
        (f"http://{NAME}.evil.example/a", f"http://{NAME}.evil.example/a"),
        ("/a", "/a"),
        ("https://login.example/?to=http://wiki.internal/", None),
    ],
)
def test_places_at_the_application_are_places_with_us(
    name: str, value: str, expected: str | None
) -> None:
    """By the name it insists on, or by the address where we reach it."""
    assert answered(name, value) == (expected or value)
    if WIKI not in value:
        assert answered(name, value, PLAIN) == value


@pytest.mark.parametrize("rewriting", [INSISTING, PLAIN])
def test_our_own_host_is_reached_by_tls_alone(rewriting: Rewriting) -> None:
    """An application behind a gateway often says http; other hosts are left alone."""
    assert answered("Location", f"http://{WIKI}/a", rewriting) == f"{OURS}/a"
    assert answered("Location", f"{OURS}/a", rewriting) == f"{OURS}/a"
    assert answered("Location", f"http://{CRM}/a", rewriting) == f"http://{CRM}/a"
    assert answered("Location", f"http://{WIKI}:81/a", rewriting) == f"http://{WIKI}:81/a"
    other_port = Rewriting(wiki(upstream_host=None), SITE)
    assert SITE.port == 8443
    for authority in (WIKI, f"{WIKI}:8443"):
        found = answered("Location", f"http://{authority}/a", other_port)
        assert found == f"{OURS}:8443/a"


@pytest.mark.parametrize(
    "value, expected",
    [
        (f"a=b; Domain={NAME}; Path=/", "a=b; Path=/"),
        (f"a=b; path=/; DOMAIN = .{NAME.upper()}", "a=b; path=/"),
        ("a=b; Domain=internal", "a=b"),
        ("a=b; Domain=evil.example", "a=b; Domain=evil.example"),
        (f"a=b; Domain={WIKI}", f"a=b; Domain={WIKI}"),
        (f"domain={NAME}; HttpOnly", f"domain={NAME}; HttpOnly"),
        ("a=b", "a=b"),
    ],
)
def test_a_cookie_of_the_applications_domain_is_for_our_host_alone(
    value: str, expected: str
) -> None:
    """Our browser would drop it otherwise; other domains are the browser's to judge."""
    assert answered("Set-Cookie", value) == expected
    assert answered("Set-Cookie", value, PLAIN) == value


def test_a_domain_in_which_both_are_stays() -> None:
    """The application may mean all of it."""
    rewriting = Rewriting(wiki(upstream_host="inner.pusterla.localhost"), PORT_443)
    cookie = "a=b; Domain=pusterla.localhost"
    assert answered("Set-Cookie", cookie, rewriting) == cookie


def test_an_answer_in_which_nothing_changes_is_the_same() -> None:
    """What is remembered of it stays good."""
    head = parse_response(b"HTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 0\r\n\r\n", b"GET")
    assert INSISTING.response(head) is head


@given(st.binary(max_size=60).filter(lambda text: not set(text) & {0, 10, 13}))
def test_no_value_becomes_two_lines_or_another_field(text: bytes) -> None:
    """Whatever an application sends as a place."""
    from gateway.edge.fields import Field

    for name in (b"Location", b"Set-Cookie"):
        changed = INSISTING._to_client(Field(b"%b: %b" % (name, text)))
        assert changed.name == name.lower()
        assert changed.wire.count(b"\r\n") == 1


# Behind the edge ------------------------------------------------------------


def insisting(stage: Stage) -> None:
    """Serve the wiki under its own name."""
    upstream = Upstream("127.0.0.1", stage.wiki.port)
    app = replace(application("wiki", upstream), upstream_host=NAME)
    stage.edge.adopt(stage.applications(wiki=app))


async def test_an_application_that_insists_is_called_by_its_name(stage: Stage) -> None:
    """The forms of a browser look like its own; who is asked is still said."""
    insisting(stage)
    visitor = await stage.enter()
    own = f"{OURS}:8443"
    for _ in range(3):
        fields = (f"Origin: {own}".encode(), f"Referer: {own}/form".encode())
        assert (await visitor.ask("/", "GET", *fields)).status == 200
    for seen in stage.wiki.requests:
        assert seen.values("host") == [NAME]
        assert seen.values("origin") == [THEIRS]
        assert seen.values("referer") == [f"{THEIRS}/form"]
        assert seen.values("x-forwarded-host") == [WIKI]


async def test_an_application_that_does_not_insist_gets_what_was_sent(stage: Stage) -> None:
    """Nothing is changed, not even a Destination elsewhere: the application judges."""
    visitor = await stage.enter()
    fields = (f"Origin: {OURS}".encode(), b"Destination: https://evil.example/x")
    assert (await visitor.ask("/", "MOVE", *fields)).status == 200
    (seen,) = stage.wiki.requests
    assert (seen.values("host"), seen.values("origin")) == ([WIKI], [OURS])
    assert seen.values("destination") == ["https://evil.example/x"]


async def test_a_destination_elsewhere_never_reaches_an_application_that_insists(
    stage: Stage,
) -> None:
    """400, and the connection may go on."""
    insisting(stage)
    visitor = await stage.enter()
    reply = await visitor.ask("/a", "MOVE", b"Destination: https://evil.example/x")
    assert (reply.status, reply.refusal) == (400, Refusal.BAD_REQUEST)
    reply = await visitor.ask("/a", "MOVE", f"Destination: {OURS}:8443/x".encode())
    assert reply.status == 200
    (seen,) = stage.wiki.requests
    assert seen.values("destination") == [f"{THEIRS}/x"]


@pytest.mark.parametrize("status", [b"200 OK", b"201 Created", b"302 Found"])
async def test_the_answers_of_an_application_that_insists_name_us(
    stage: Stage, status: bytes
) -> None:
    """Whatever the status, each time, and our own cookie can still not be set."""
    insisting(stage)
    stage.wiki.script = saying(
        b"HTTP/1.1 %b\r\nContent-Length: 0\r\nContent-Location: http://wiki.internal/x\r\n"
        b"Location: http://wiki.internal/x\r\nSet-Cookie: a=b; Domain=wiki.internal\r\n"
        b"Set-Cookie: __Host-pusterla=x; Domain=wiki.internal\r\n\r\n" % status
    )
    visitor = await stage.enter()
    for _ in range(4):
        reply = await visitor.ask()
        assert reply.value("location") == f"{OURS}:8443/x"
        assert reply.value("content-location") == f"{OURS}:8443/x"
        assert reply.value("set-cookie") == "a=b"


async def test_an_application_that_says_http_of_itself_means_us(stage: Stage) -> None:
    """Without being told anything."""

    async def script(line: Line) -> None:
        while (seen := await line.request()) is not None:
            (host,) = seen.values("host")
            line.send(
                b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n"
                b"Location: http://%b/next\r\n\r\n" % host.encode()
            )
            line.next_request()

    stage.wiki.script = script
    visitor = await stage.enter()
    for _ in range(3):
        reply = await soon(visitor.ask())
        assert reply.value("location") == f"{OURS}:8443/next"
