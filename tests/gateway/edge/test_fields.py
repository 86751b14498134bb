import pytest

from gateway.edge import fields
from gateway.edge.fields import Field, read_fields, read_lines


def one(line: bytes) -> Field:
    """Read one line that is not special."""
    ((field,), special) = read_fields([line])
    assert special == {}
    return field


def test_a_line_is_read_into_name_value_and_wire() -> None:
    """The name in lower case, the value without blanks around it, the line as it was sent."""
    field = one(b"X-Thing: \t a: b \t")
    assert (field.name, field.value) == (b"x-thing", b"a: b")
    assert field.wire == b"X-Thing: \t a: b \t\r\n"


def test_special_fields_are_told_apart() -> None:
    """What frames a message, names its place or is about its connection is never an ordinary field."""
    lines = [b"Host: a", b"host: b", b"Content-Length: 1", b"Accept: c", b"TRANSFER-encoding: d"]
    lines += [b"Connection: e", b"Expect: f", b"Upgrade: g"]
    ordinary, special = read_fields(lines)
    assert [field.name for field in ordinary] == [b"accept"]
    assert special == {
        b"host": [b"a", b"b"],
        b"content-length": [b"1"],
        b"transfer-encoding": [b"d"],
        b"connection": [b"e"],
        b"expect": [b"f"],
        b"upgrade": [b"g"],
    }


@pytest.mark.parametrize(
    "line",
    [
        b"X-Forwarded-User: admin",
        b"x_forwarded_user: admin",
        b"Pusterla-Session: 1",
        b"Remote-User: admin",
        b"Client-Cert: :AAAA:",
        b"Forwarded: for=1.2.3.4",
        b"Keep-Alive: timeout=5",
        b"TE: trailers",
        b"Proxy-Connection: close",
    ],
)
def test_claims_and_hop_by_hop_fields_do_not_pass_from_a_client(line: bytes) -> None:
    """Who somebody is, and what is between two neighbours, is not the client's to say."""
    assert not one(line).from_client


@pytest.mark.parametrize(
    "line",
    [
        b"Content_Length: 5",
        b"transfer_encoding: chunked",
        b"Transfer.Encoding: chunked",
        b"Proxy_Connection: close",
        b"Keep_Alive: 1",
    ],
)
def test_names_that_an_application_could_read_as_framing_do_not_pass(line: bytes) -> None:
    """CGI and WSGI make one mark of "-" and "_": such a field would frame the message anew."""
    assert not one(line).from_client


@pytest.mark.parametrize("line", [b"Accept: text/html", b"Cookie: a=b", b"X-Requested-With: me"])
def test_other_fields_pass_both_ways(line: bytes) -> None:
    """What claims nothing is nobody's business here."""
    assert one(line).from_client
    assert one(line).from_application


def test_an_application_may_say_what_a_client_may_not() -> None:
    """Only hop-by-hop fields are kept from the way back."""
    assert one(b"X-Forwarded-User: admin").from_application
    assert not one(b"Keep-Alive: timeout=5").from_application


def test_a_line_that_came_twice_is_read_no_more() -> None:
    """The same bytes give the same field, from memory; what comes once is not kept."""
    assert one(b"X-Once: 1") is not one(b"X-Once: 1")
    assert one(b"X-Once: 1") is one(b"X-Once: 1")


def test_the_cookies_of_a_browser_are_a_line_like_others() -> None:
    """Eight hundred bytes of them are no rarity, and come with every request."""
    cookies = b"Cookie: " + b"; ".join(b"name-%d=%032d" % (number, number) for number in range(20))
    assert len(cookies) > 800
    assert one(cookies) is not one(cookies)
    assert one(cookies) is one(cookies)


def test_memory_of_lines_and_names_is_bounded() -> None:
    """Strangers cannot fill it: it is emptied when full, and long lines are not kept."""
    long = b"X-Long: " + b"x" * fields._LONGEST_REMEMBERED
    assert len({id(field) for field in [one(long) for _ in range(3)]}) == 3
    for number in range(2 * fields._REMEMBERED):
        one(b"x-%d: y" % number)
        one(b"x-%d: y" % number)
        assert len(fields._lines) <= fields._REMEMBERED
        assert len(fields._seen) <= fields._REMEMBERED
        assert len(fields._names) <= fields._REMEMBERED
    name = b"n" * (fields._LONGEST_REMEMBERED + 1)
    assert one(name + b": y").name == name
    assert name not in fields._names


def test_lines_are_read_only_where_all_are_certain() -> None:
    """One that might be read otherwise leaves the whole head to llhttp, and is not remembered."""
    found = read_lines([b"Host: a", b"Accept: b"])
    assert found is not None
    assert [field.wire for field in found] == [b"Host: a\r\n", b"Accept: b\r\n"]
    for line in (b"X : y", b" X: y", b"X", b"", b"X: a\nb", b"X: a\x00", b"X\xe9: y"):
        for _ in range(3):
            assert read_lines([b"Host: a", line]) is None
        read_fields([line, line, line])
        assert read_lines([line]) is None


@pytest.mark.parametrize(
    "line, to_application, to_client",
    [
        (b"Accept: a", b"Accept: a\r\n", b"Accept: a\r\n"),
        (b"X-Forwarded-User: a", b"", b"X-Forwarded-User: a\r\n"),
        (b"Keep-Alive: a", b"", b""),
        (b"Cookie: a=b;  c=d", b"Cookie: a=b;  c=d\r\n", None),
        (b"cookie: a=b; __Host-pusterla=x; c=d", b"Cookie: a=b; c=d\r\n", None),
        (b"Cookie: __Host-pusterla=x", b"", None),
        (b"Set-Cookie: a=b", None, b"Set-Cookie: a=b\r\n"),
        (b"Set-Cookie: a=__Host-pusterla", None, b"Set-Cookie: a=__Host-pusterla\r\n"),
        (b"set-cookie:__Host-pusterla=x", None, b""),
    ],
)
def test_a_line_knows_what_goes_on_of_it(
    line: bytes, to_application: bytes | None, to_client: bytes | None
) -> None:
    """No claims upstream, no cookie of ours either way, nothing between two neighbours."""
    field = one(line)
    assert to_application is None or field.to_application == to_application
    assert to_client is None or field.to_client == to_client
    assert field.odd is (line != b"Accept: a")
