"""What a site is: its addresses, and where its applications listen."""

from dataclasses import fields, replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.site import Application, Limits, Lists, Site, Upstream, parse_upstream
from policies.model import AppPolicy

SITE = Site(
    host="pusterla.example",
    port=443,
    http_port=80,
    name="Pusterla",
    contact="it@example.it",
    listen="0.0.0.0",
    workers=2,
    store_url=None,
    session_lifetime=timedelta(hours=8),
    crl=Lists(),
    feed_grace=timedelta(seconds=5),
    limits=Limits(),
)


def test_the_public_host_stands_before_the_sites() -> None:
    """One name below the portal's."""
    assert SITE.public_host == "public.pusterla.example"


def test_an_origin_names_a_port_only_where_it_must() -> None:
    """Browsers leave 443 out, and compare origins letter by letter (RFC 6454, section 6.2)."""
    assert SITE.origin("wiki.pusterla.example") == "https://wiki.pusterla.example"
    assert replace(SITE, port=8443).origin("[::1]") == "https://[::1]:8443"


def test_every_limit_limits() -> None:
    """None of the defaults is nothing or endless; only how large a body is, is up to applications."""
    assert Limits().body_bytes is None
    for limit in fields(Limits):
        if limit.name == "body_bytes":
            continue
        value = getattr(Limits(), limit.name)
        assert value > (timedelta(0) if isinstance(value, timedelta) else 0)


def test_an_application_is_sent_little_unless_it_asks() -> None:
    """Neither the certificate nor a further header by default."""
    wiki = Application(
        name="wiki",
        host="wiki.pusterla.example",
        upstreams=(Upstream("127.0.0.1", 9000),),
        policy=AppPolicy("wiki", ()),
        title="Wiki",
    )
    assert wiki.user_header is None
    assert not wiki.client_certificate


@pytest.mark.parametrize(
    "text, upstream",
    [
        ("http://127.0.0.1:9000", Upstream("127.0.0.1", 9000)),
        ("http://127.0.0.1", Upstream("127.0.0.1", 80)),
        ("http://wiki:9000/", Upstream("wiki", 9000)),
        ("https://wiki.internal", Upstream("wiki.internal", 443, tls=True)),
        ("HTTPS://[::1]:8443/", Upstream("::1", 8443, tls=True)),
        ("HTTP://Wiki.Internal:9000", Upstream("wiki.internal", 9000)),
        ("http://my_app-1:65535", Upstream("my_app-1", 65535)),
        (f"http://{'a' * 63}.internal.", Upstream("a" * 63 + ".internal.", 80)),
        (f"http://{'a.' * 126}b", Upstream("a." * 126 + "b", 80)),
        ("http://[::1]:9000", Upstream("::1", 9000)),
        ("http://[2001:DB8:0::1]", Upstream("2001:db8::1", 80)),
        ("http://[fe80::1%eth0]:1", Upstream("fe80::1%eth0", 1)),
        ("unix:/run/wiki.sock", Upstream("localhost", 0, "/run/wiki.sock")),
    ],
)
def test_an_upstream_is_read(text: str, upstream: Upstream) -> None:
    """And what it writes itself as is read as the same."""
    assert parse_upstream(text) == upstream
    assert parse_upstream(str(upstream)) == upstream


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("", "is not an upstream; write http://127.0.0.1:9000"),
        ("127.0.0.1:9000", "is not an upstream"),
        ("http:///", "is not an upstream"),
        ("http://:9000", "is not an upstream"),
        (" http://127.0.0.1", "is not an upstream"),
        ("http://[]:9000", "is not an upstream"),
        ("http://[::1", "is not an upstream"),
        ("http://b\xfccher:9000", "has more"),
        ("http://\u0661:9000", "is not an upstream"),
        ("http://wi\u212ai:9000", "has more"),
        ("http://[::g]:9000", "'::g' in 'http://[::g]:9000' is not an IPv6 address"),
        ("http://[:::]:9000", "not an IPv6 address"),
        ("http://[127.0.0.1]:9000", "not an IPv6 address"),
        ("http://127.0.0.1:0", "port in 'http://127.0.0.1:0' must be from 1 to 65535"),
        ("http://127.0.0.1:65536", "must be from 1 to 65535"),
        ("http://127.0.0.1:9999999999", "has more"),
        ("http://127.0.0.1:", "has more"),
        ("http://127.0.0.1:http", "has more"),
        ("http://127.0.0.1:-1", "has more"),
        ("http://127.0.0.1:90\n00", "has more"),
        ("http://127.0.0.1:9000\n", "has more"),
        ("http://127.0.0.1 :9000", "has more"),
        ("http://a b:9000", "has more"),
        ("http://a\\b:9000", "has more"),
        ("http://127.0.0.1:9000/wiki", "has more"),
        ("http://127.0.0.1:9000//", "has more"),
        ("http://127.0.0.1:9000?a", "has more"),
        ("http://127.0.0.1:9000#a", "has more"),
        ("http://anna@127.0.0.1:9000", "has more"),
        ("http://anna:secret@127.0.0.1:9000", "has more"),
        (f"http://{'a' * 64}.internal", "at most 253 characters, 63 from one dot to the next"),
        (f"http://wiki.{'a' * 64}", "at most 253 characters, 63 from one dot to the next"),
        (f"https://{'a.' * 127}b", "at most 253 characters, 63 from one dot to the next"),
        ("unix:", "must be absolute, as in unix:/run/wiki.sock"),
        ("unix:wiki.sock", "must be absolute"),
        ("unix:/run/wiki\x00.sock", "must be absolute"),
    ],
)
def test_what_is_no_upstream_is_refused(text: str, complaint: str) -> None:
    """With the text itself and what is expected."""
    with pytest.raises(ValueError) as caught:
        parse_upstream(text)
    assert complaint in str(caught.value)
    assert repr(text) in str(caught.value)


@given(st.text(max_size=20).map(lambda text: "http://" + text) | st.text("htp:/[]1a.", max_size=20))
def test_any_text_is_read_or_refused(text: str) -> None:
    """What is read is written and read again as the same."""
    try:
        upstream = parse_upstream(text)
    except ValueError:
        return
    assert parse_upstream(str(upstream)) == upstream
    assert upstream.host.isascii()


def test_a_lost_stick_is_reported_on_the_public_host() -> None:
    """With the port that people see, where there is one to see."""
    assert replace(SITE, port=8443).lost_page == "https://public.pusterla.example:8443/lost"
    assert replace(SITE, port=443).lost_page == "https://public.pusterla.example/lost"
