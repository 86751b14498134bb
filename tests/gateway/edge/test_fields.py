import pytest

from gateway.edge import fields
from gateway.edge.fields import Field, read_fields


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


def test_a_line_is_read_once() -> None:
    """The same bytes give the same field, the next time from memory."""
    assert one(b"X-Once: 1") is one(b"X-Once: 1")


def test_memory_of_lines_and_names_is_bounded() -> None:
    """Strangers cannot fill it: it is emptied when full, and long lines are not kept."""
    long = b"X-Long: " + b"x" * fields._LONGEST_REMEMBERED
    assert one(long) is not one(long)
    for number in range(2 * fields._REMEMBERED):
        one(b"x-%d: y" % number)
        assert len(fields._lines) <= fields._REMEMBERED
        assert len(fields._names) <= fields._REMEMBERED
    name = b"n" * (fields._LONGEST_REMEMBERED + 1)
    assert one(name + b": y").name == name
    assert name not in fields._names
