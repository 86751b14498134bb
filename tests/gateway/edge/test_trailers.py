import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.edge.fields import Field
from gateway.edge.trailers import trailer_lines

ORDINARY = [b"X-Checksum", b"Content-Digest", b"Server-Timing", b"ETag", b"x-amz-checksum-crc32"]


@pytest.mark.parametrize("from_client", [True, False])
@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_trailers_pass(name: bytes, from_client: bool) -> None:
    """With their name as it was spelt, in their order."""
    trailers = [(name, b"1"), (b"X-Empty", b""), (name, b"2")]
    expected = b"%b: 1\r\nX-Empty: \r\n%b: 2\r\n" % (name, name)
    assert trailer_lines(trailers, from_client=from_client) == expected


@pytest.mark.parametrize(
    "name",
    [
        *(b"Content-Length", b"content_length", b"Transfer-Encoding", b"Trailer", b"Host"),
        *(b"Connection", b"TE", b"Upgrade", b"Expect", b"Keep-Alive"),
        *(b"Authorization", b"Cookie", b"Set-Cookie", b"set_cookie", b"Proxy-Authorization"),
        *(b"Content-Type", b"Content-Encoding", b"Content-Range", b"Range", b"If-Match"),
        *(b"Cache-Control", b"Location", b"Content-Security-Policy", b"Sec-Fetch-Site"),
        *(b"Accept", b"Origin", b"Destination", b"X-HTTP-Method-Override", b"Max-Forwards"),
        *(b"Strict-Transport-Security", b"Access-Control-Allow-Origin"),
    ],
)
@pytest.mark.parametrize("from_client", [True, False])
def test_what_was_to_be_known_before_the_body_does_not_pass(name: bytes, from_client: bool) -> None:
    """RFC 9110, section 6.5.1: framing, routing, authentication, conditions, content."""
    assert trailer_lines([(name, b"x")], from_client=from_client) == b""


@given(
    st.sampled_from(
        [b"X-Forwarded-User", b"Remote-User", b"Forwarded", b"Pusterla-Assertion", b"Client-Cert"]
    ),
    st.sampled_from([b"-", b"_", b"."]),
    st.booleans(),
)
def test_nobody_claims_to_be_somebody_in_a_trailer(name: bytes, mark: bytes, upper: bool) -> None:
    """In no spelling that a head would be refused in."""
    spelt = name.replace(b"-", mark)
    spelt = spelt.upper() if upper else spelt.lower()
    assert trailer_lines([(spelt, b"root")], from_client=True) == b""


def test_the_applications_own_user_header_does_not_pass() -> None:
    """It is not known by name here, so it is told."""
    trailers = [(b"x_who", b"root"), (b"X-Sum", b"1")]
    lines = trailer_lines(trailers, from_client=True, user_header="X-Who")
    assert lines == b"X-Sum: 1\r\n"


@given(st.from_regex(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+", fullmatch=True))
def test_what_a_head_would_not_pass_no_trailer_passes(name: bytes) -> None:
    """The rule of the head holds whatever the name."""
    lines = trailer_lines([(name, b"x")], from_client=True)
    assert lines == b"" or Field(name + b": x").from_client
