import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.edge import bodies
from gateway.edge.bodies import LAST_CHUNK, ChunkedBodyBroken, ChunkedDecoder, chunk, last_chunk

WHOLE = b"5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\nX-Trailer: y\r\n\r\n"


def decode(*pieces: bytes) -> tuple[bytes, ChunkedDecoder]:
    """Decode *pieces*, one after the other."""
    decoder = ChunkedDecoder()
    return b"".join([decoder.feed(piece) for piece in pieces]), decoder


def decode_all(decoder: ChunkedDecoder, pieces: list[bytes]) -> None:
    """Feed *pieces* to *decoder*, one after the other."""
    for piece in pieces:
        decoder.feed(piece)


def test_a_body_is_decoded_wherever_it_is_cut() -> None:
    """Payload without framing, extensions and trailers; complete with the last byte."""
    for cut in range(len(WHOLE) + 1):
        payload, decoder = decode(WHOLE[:cut], WHOLE[cut:])
        assert payload == b"hello world"
        assert decoder.complete
        assert not decoder.excess
    payload, decoder = decode(*(bytes([octet]) for octet in WHOLE))
    assert payload == b"hello world"
    assert decoder.complete


def test_a_body_is_not_complete_before_its_end() -> None:
    """Not with the last chunk, but with the line behind the trailers."""
    for cut in range(len(WHOLE)):
        _, decoder = decode(WHOLE[:cut])
        assert not decoder.complete


@pytest.mark.parametrize(
    "excess",
    [b"GET /second HTTP/1.1\r\nHost: x\r\n\r\n", b"G", b"\0", b"garbage\r\n\r\n", b"\x16\x03\x01"],
)
@pytest.mark.parametrize("at_once", [True, False])
def test_bytes_behind_the_end_are_noticed_and_are_no_payload(excess: bytes, at_once: bool) -> None:
    """They belong to nobody's answer, so their connection is not used again."""
    pieces = [WHOLE + excess] if at_once else [WHOLE, excess]
    payload, decoder = decode(*pieces)
    assert payload == b"hello world"
    assert decoder.complete
    assert decoder.excess
    assert decoder.feed(b"5\r\nagain\r\n") == b""


LINES = st.lists(st.sampled_from([b"\r", b"\n", b"0", b"1", b"\r\n\r\n", b"0\r\n\r\n", b"x"]))
PIECES = st.lists(LINES.map(b"".join).filter(bool), max_size=4)


@given(PIECES, st.sampled_from([b"", b"X: y\r\n", b"X:\r\nY: 0\r\n"]), LINES, st.data())
def test_the_end_is_found_wherever_it_is_cut(
    pieces: list[bytes], trailers: bytes, behind: list[bytes], data: st.DataObject
) -> None:
    """With whatever looks like one in the body or behind it; the rest comes back untouched."""
    body = b"".join(map(chunk, pieces)) + last_chunk(trailers)
    wire = body + b"".join(behind)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=4)))
    decoder, payload, rest = ChunkedDecoder(), b"", b""
    for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True):
        if decoder.complete:
            rest += wire[a:b]
            continue
        found, left = decoder.take(wire[a:b])
        payload, rest = payload + found, rest + left
    assert decoder.complete
    assert payload == b"".join(pieces)
    if not decoder.excess:
        assert rest == b"".join(behind)
    else:
        assert wire.count(b"\r\n\r\n") >= bodies._ENDS_MAXIMUM
    assert b"".join(line for pair in decoder.trailers for line in pair) == b"".join(
        trailers.replace(b": ", b":").replace(b":", b"").split(b"\r\n")
    )


def test_nothing_behind_the_end_is_nothing() -> None:
    """An empty piece is no excess."""
    _, decoder = decode(WHOLE, b"")
    assert not decoder.excess


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"hello", id="no size"),
        pytest.param(b"\r\n5\r\nhello\r\n", id="empty line first"),
        pytest.param(b"5\nhello\r\n", id="bare LF behind the size"),
        pytest.param(b"5\rhello", id="bare CR behind the size"),
        pytest.param(b"5 \r\nhello\r\n", id="blank behind the size"),
        pytest.param(b" 5\r\nhello\r\n", id="blank before the size"),
        pytest.param(b"0x5\r\nhello\r\n", id="hexadecimal prefix"),
        pytest.param(b"+5\r\nhello\r\n", id="sign"),
        pytest.param(b"-5\r\nhello\r\n", id="negative"),
        pytest.param(b"5\r\nhello!\r\n", id="more than the size"),
        pytest.param(b"5\r\nhello\n0\r\n\r\n", id="bare LF behind the data"),
        pytest.param(b"5\r\nhello0\r\n\r\n", id="no line end behind the data"),
        pytest.param(b"FFFFFFFFFFFFFFFFF\r\n", id="size of 17 digits"),
        pytest.param(b"1ffffffffffffffff5\r\n", id="size that overflows"),
        pytest.param(b"5;a\x00b\r\nhello\r\n", id="control character in an extension"),
        pytest.param(b"0\r\nX\r\n\r\n", id="trailer without colon"),
        pytest.param(b"0\r\n X: y\r\n\r\n", id="folded trailer"),
        pytest.param(b"0\r\nX: a\nb: c\r\n\r\n", id="bare LF in a trailer"),
        pytest.param(b"0\n\n", id="bare LF at the end"),
    ],
)
def test_faulty_framing_is_an_error(body: bytes) -> None:
    """RFC 9112, section 7.1, and nothing more lenient."""
    with pytest.raises(ChunkedBodyBroken):
        decode(body)


@pytest.mark.parametrize(
    "begin, more",
    [
        pytest.param(b"1;", b"e" * 1000, id="extension"),
        pytest.param(b"0\r\nX: ", b"t" * 1000, id="trailer"),
    ],
)
def test_framing_without_end_is_an_error(begin: bytes, more: bytes) -> None:
    """Whoever sends hardly anything but framing keeps the gateway busy."""
    decoder = ChunkedDecoder()
    decoder.feed(begin)
    for _ in range(bodies._OVERHEAD_FREE // len(more)):
        decoder.feed(more)
    with pytest.raises(ChunkedBodyBroken):
        decoder.feed(more)


def test_small_chunks_are_no_error() -> None:
    """Some applications write by the byte."""
    decoder = ChunkedDecoder()
    for _ in range(50):
        assert decoder.feed(chunk(b"x") * 400) == b"x" * 400


def test_trailers_are_kept_wherever_they_are_cut() -> None:
    """Names as they were sent, values without blanks before them; none of what lies behind."""
    body = b"1\r\nx\r\n0\r\nX-Sum: 1, 2\r\nETag:\r\n\r\n"
    behind = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    for cut in range(len(body) + 1):
        _, decoder = decode(body[:cut], body[cut:] + behind)
        assert decoder.trailers == [(b"X-Sum", b"1, 2"), (b"ETag", b"")]
        assert decoder.excess


@pytest.mark.parametrize(
    "trailers",
    [
        pytest.param(b"X: t\r\n" * (bodies.TRAILERS_MAXIMUM + 1), id="many"),
        pytest.param(b"X: " + b"t" * bodies.TRAILER_BYTES_MAXIMUM + b"\r\n", id="large"),
    ],
)
def test_too_many_trailers_are_an_error(trailers: bytes) -> None:
    """Just below the limits they are none."""
    enough = trailers.replace(b"X: t\r\n", b"", 1).replace(b"X: t", b"X: ", 1)
    assert decode(b"0\r\n" + enough + b"\r\n")[1].complete
    with pytest.raises(ChunkedBodyBroken):
        decode(b"0\r\n" + trailers + b"\r\n")


def test_a_trailer_without_end_is_an_error_behind_any_body() -> None:
    """A large body gives chunks their room, but none of it to what is collected in memory."""
    decoder = ChunkedDecoder()
    decoder.feed(chunk(bytes(1_000_000)))
    decoder.feed(b"0\r\nX: ")
    with pytest.raises(ChunkedBodyBroken):
        decode_all(decoder, [b"t" * 1000] * 100)


def test_trailers_are_written_as_they_are_read() -> None:
    """The end of a body with them is an end."""
    _, decoder = decode(chunk(b"x") + last_chunk(b"X-Sum: 1\r\n"))
    assert (decoder.complete, decoder.trailers) == (True, [(b"X-Sum", b"1")])
    assert last_chunk(b"") == LAST_CHUNK


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=5), st.data())
def test_what_is_chunked_is_decoded(pieces: list[bytes], data: st.DataObject) -> None:
    """decode(encode(x)) == x, in whatever segments it comes."""
    wire = b"".join(map(chunk, pieces)) + LAST_CHUNK
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=4)))
    segments = [wire[a:b] for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
    payload, decoder = decode(*segments)
    assert payload == b"".join(pieces)
    assert decoder.complete
    assert not decoder.excess


@given(st.binary(max_size=200), st.binary(max_size=50))
def test_nothing_else_is_raised(first: bytes, second: bytes) -> None:
    """Any bytes are a body or broken."""
    decoder = ChunkedDecoder()
    for data in (first, second, b"2\r\n" + first):
        try:
            decoder.feed(data)
        except ChunkedBodyBroken:
            return
