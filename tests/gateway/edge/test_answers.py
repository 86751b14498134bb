from dataclasses import replace
from datetime import timedelta

import h11
import pytest

from gateway.core.refusal_kinds import STATUS, Refusal
from gateway.core.site import Limits, Lists, Site
from gateway.edge.answers import CONTINUE, is_navigation, redirect, refuse
from gateway.edge.heads import RequestHead, parse_request

SITE = Site(
    host="x",
    port=443,
    http_port=80,
    name="Pusterla",
    contact="help@example.it",
    listen="127.0.0.1",
    workers=1,
    store_url=None,
    session_lifetime=timedelta(hours=8),
    crl=Lists(),
    feed_grace=timedelta(seconds=5),
    limits=Limits(),
)
NUMBER = b"bvqflyq-k3v7qh2-1f"
PAGE = b"Sec-Fetch-Mode: navigate"


def head(*lines: bytes, line: bytes = b"GET / HTTP/1.1") -> RequestHead:
    """Read a request's head with *lines*."""
    read = parse_request(b"\r\n".join([line, b"Host: wiki.x", *lines, b"", b""]))
    assert isinstance(read, RequestHead), read
    return read


def read_answer(data: bytes, method: str = "GET") -> tuple[h11.Response, bytes]:
    """Let h11 read an answer, which must be one response and no more."""
    http = h11.Connection(h11.CLIENT)
    http.send(h11.Request(method=method, target="/", headers=[("Host", "any")]))
    http.send(h11.EndOfMessage())
    http.receive_data(data)
    response = http.next_event()
    assert isinstance(response, h11.Response)
    body = b""
    while isinstance(event := http.next_event(), h11.Data):
        body += event.data
    assert isinstance(event, h11.EndOfMessage)
    assert http.trailing_data[0] == b""
    return response, body


def values(response: h11.Response, name: str) -> list[str]:
    """Return the values of a field."""
    return [value.decode() for key, value in response.headers if key == name.encode()]


@pytest.mark.parametrize(
    "line, lines, expected",
    [
        (b"GET / HTTP/1.1", [PAGE], True),
        (b"HEAD / HTTP/1.1", [PAGE], True),
        (b"POST / HTTP/1.1", [PAGE], False),
        (b"GET / HTTP/1.1", [b"Sec-Fetch-Mode: cors", b"Accept: text/html"], False),
        (b"GET / HTTP/1.1", [b"Sec-Fetch-Mode: websocket"], False),
        (b"GET / HTTP/1.1", [b"Accept: text/html,*/*"], True),
        (b"GET / HTTP/1.1", [b"Accept: */*"], False),
        (b"GET / HTTP/1.1", [], False),
        (b"GET / HTTP/1.1", [PAGE, b"Connection: upgrade", b"Upgrade: websocket"], False),
    ],
)
def test_a_navigation_is_told_from_a_scripts_request(
    line: bytes, lines: list[bytes], expected: bool
) -> None:
    """By Fetch Metadata where there is some, else by what is accepted."""
    assert is_navigation(head(*lines, line=line)) is expected


@pytest.mark.parametrize("refusal", Refusal)
def test_every_refusal_is_a_complete_response(refusal: Refusal) -> None:
    """With its status, for a program a line that names it, for a person a page."""
    response, body = read_answer(refuse(refusal, head(), SITE, request=NUMBER, close=False))
    assert response.status_code == STATUS[refusal]
    assert refusal.value in body.decode()
    assert NUMBER in body
    assert values(response, "x-request-id") == [NUMBER.decode()]
    assert values(response, "content-type") == ["text/plain; charset=utf-8"]
    assert values(response, "connection") == []
    response, body = read_answer(refuse(refusal, head(PAGE), SITE, request=NUMBER, close=True))
    assert values(response, "content-type") == ["text/html; charset=utf-8"]
    assert values(response, "cache-control") == ["no-store"]
    assert values(response, "connection") == ["close"]
    assert b"<h1>" in body
    assert NUMBER in body


def test_a_refusal_speaks_the_persons_language() -> None:
    """Italian where it is wished for."""
    italian = head(PAGE, b"Accept-Language: it-IT, en;q=0.5")
    response, _ = read_answer(
        refuse(Refusal.NOT_ALLOWED, italian, SITE, request=NUMBER, close=False)
    )
    assert values(response, "content-language") == ["it"]


def test_a_refusal_speaks_the_language_that_was_chosen_at_the_portal() -> None:
    """Whatever the browser prefers."""
    chosen = head(PAGE, b"Accept-Language: en", b"Cookie: a=b; __Host-pusterla-language=it")
    response, _ = read_answer(
        refuse(Refusal.NOT_ALLOWED, chosen, SITE, request=NUMBER, close=False)
    )
    assert values(response, "content-language") == ["it"]


def test_a_refusal_of_head_has_the_head_alone() -> None:
    """RFC 9110, section 9.3.2; the length is that of the body that GET would bring."""
    asked = head(PAGE, line=b"HEAD / HTTP/1.1")
    data = refuse(Refusal.NOT_ALLOWED, asked, SITE, request=NUMBER, close=False)
    response, body = read_answer(data, "HEAD")
    assert body == b""
    assert int(values(response, "content-length")[0]) > 0


def test_what_was_no_request_is_refused_in_a_line() -> None:
    """Nobody knows who reads it."""
    response, body = read_answer(
        refuse(Refusal.BAD_REQUEST, None, SITE, request=NUMBER, close=True)
    )
    assert (response.status_code, values(response, "connection")) == (400, ["close"])
    assert body.startswith(b"400 bad-request")


def test_a_redirect_is_complete_and_not_kept() -> None:
    """303, with or without a cookie, with or without the end of the connection."""
    response, body = read_answer(
        redirect("https://x/y", set_cookie=None, request=NUMBER, close=False)
    )
    assert (response.status_code, body) == (303, b"")
    assert values(response, "location") == ["https://x/y"]
    assert values(response, "cache-control") == ["no-store"]
    assert values(response, "set-cookie") == values(response, "connection") == []
    assert values(response, "x-request-id") == [NUMBER.decode()]
    response, _ = read_answer(
        redirect("https://x/y", set_cookie="a=b; Secure", request=NUMBER, close=True)
    )
    assert values(response, "set-cookie") == ["a=b; Secure"]
    assert values(response, "connection") == ["close"]


def test_continue_is_an_interim_response() -> None:
    """100, complete."""
    http = h11.Connection(h11.CLIENT)
    http.send(h11.Request(method="GET", target="/", headers=[("Host", "any")]))
    http.receive_data(CONTINUE)
    event = http.next_event()
    assert isinstance(event, h11.InformationalResponse)
    assert event.status_code == 100


def test_a_contact_with_odd_characters_is_no_trouble() -> None:
    """Whatever the operator wrote."""
    site = replace(SITE, contact="Büro <script> € \r\n", name="Torre & Pusterla")
    _, body = read_answer(
        refuse(Refusal.NO_CERTIFICATE, head(PAGE), site, request=NUMBER, close=True)
    )
    assert "Büro &lt;script&gt; €".encode() in body
