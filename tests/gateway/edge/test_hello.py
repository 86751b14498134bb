import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.edge.hello import RECORD_MAXIMUM, Hello, Incomplete, read_hello
from tests.gateway.edge.hellos import (
    client_hello,
    extension,
    hello_message,
    in_records,
    record,
    server_name_extension,
    vector,
)

NAME = "wiki.pusterla.localhost"
HELLO = client_hello(NAME)
NAMED = server_name_extension(NAME.encode())


def test_the_name_is_read_as_openssl_writes_it() -> None:
    """A real ClientHello says for whom it is."""
    assert read_hello(HELLO) == Hello(NAME)


def test_a_hello_without_a_name_says_none() -> None:
    """A client may leave the extension out."""
    assert read_hello(client_hello(None)) == Hello(None)


def test_the_name_is_told_in_lower_case() -> None:
    """Names are compared without regard to case (RFC 6066, section 3)."""
    assert read_hello(record(hello_message(server_name_extension(b"WiKi.X")))) == Hello("wiki.x")


def test_a_record_that_is_not_all_there_is_waited_for() -> None:
    """Cut anywhere, the first record is incomplete."""
    for length in range(len(HELLO)):
        assert isinstance(read_hello(HELLO[:length]), Incomplete)


def test_what_follows_the_first_record_is_not_looked_at() -> None:
    """A second record changes nothing."""
    assert read_hello(HELLO + b"\x14\x03\x03\x00\x01\x01") == Hello(NAME)


def test_a_hello_in_several_records_names_nobody() -> None:
    """Only the first record is read, so such a client never meets the public host's context."""
    assert read_hello(in_records(HELLO, 64)) == Hello(None)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"GET / HTTP/1.1\r\n", id="http"),
        pytest.param(b"G", id="one byte that begins no record"),
        pytest.param(record(b""), id="empty record"),
        pytest.param(b"\x16\x03\x01" + (RECORD_MAXIMUM + 1).to_bytes(2), id="record too long"),
        pytest.param(record(b"\x02\x00\x00\x00"), id="ServerHello"),
        pytest.param(record(b"\x01\x00\x40\x00" + bytes(40)), id="shorter than it says"),
        pytest.param(record(hello_message()), id="no extensions"),
        pytest.param(record(hello_message(extension(17, b"\0\x02h2"))), id="another extension"),
        pytest.param(
            record(hello_message(NAMED, extension(16, b"\0\3\x03h2"))), id="protocol cut off"
        ),
        pytest.param(record(hello_message(extension(0, b""))), id="empty list of names"),
        pytest.param(
            record(hello_message(server_name_extension(b"wiki.x", name_type=1))), id="name type"
        ),
        pytest.param(record(hello_message(server_name_extension(b"wik\xef.x"))), id="not ASCII"),
        pytest.param(record(hello_message(b"\0\0\0")), id="extension cut off"),
    ],
)
def test_what_is_no_hello_with_a_name_names_nobody(data: bytes) -> None:
    """OpenSSL will say what is wrong with it; here it only has no name."""
    assert read_hello(data) == Hello(None)


def test_of_several_names_the_first_counts() -> None:
    """RFC 6066 allows one name of a type; what OpenSSL makes of more is compared elsewhere."""
    data = record(hello_message(server_name_extension(b"public.x", b"wiki.x")))
    assert read_hello(data) == Hello("public.x")


@pytest.mark.parametrize("names", [[b"h2"], [b"h2", b"http/1.1"], [b"\x0a\x0a", b""]])
def test_protocols_are_read_wherever_they_stand(names: list[bytes]) -> None:
    """Chromium puts its extensions into another order each time."""
    protocols = extension(16, vector(2, b"".join(vector(1, name) for name in names)))
    for extensions in ([NAMED, protocols], [protocols, extension(17, b""), NAMED]):
        assert read_hello(record(hello_message(*extensions))) == Hello(NAME, frozenset(names))
    assert read_hello(record(hello_message(protocols))) == Hello(None, frozenset(names))


@given(st.binary(max_size=200))
def test_nothing_that_strangers_send_raises(data: bytes) -> None:
    """Any bytes have an answer, bare or as a record's content."""
    read_hello(data)
    read_hello(record(data))
    read_hello(record(b"\x01\x00\x00" + data))


@given(st.integers(5, len(HELLO) - 1), st.integers(0, 255))
def test_no_changed_byte_of_a_real_hello_raises(position: int, value: int) -> None:
    """A real ClientHello with one byte changed has an answer."""
    read_hello(HELLO[:position] + bytes([value]) + HELLO[position + 1 :])
