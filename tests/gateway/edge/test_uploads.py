from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.refusal_kinds import Refusal
from gateway.core.site import Application, AppLimits, Limits, Upstream
from gateway.edge.bodies import LAST_CHUNK, ChunkedDecoder, chunk
from gateway.edge.heads import CHUNKED, NO_BODY, Chunked, Length
from gateway.edge.uploads import PACE_SECONDS, Upload, UploadRefused, body_maximum, too_large
from policies.model import AppPolicy


def upload(body: Length | Chunked, maximum: int | None = None, pace: int = 0) -> Upload:
    """Return an upload for which nobody waits."""
    return Upload(body, maximum=maximum, pace=pace, invited=True)


@given(st.binary(max_size=100), st.binary(max_size=50), st.lists(st.integers(0, 150), max_size=4))
def test_a_body_of_known_length_ends_where_it_ends(
    body: bytes, behind: bytes, cuts: list[int]
) -> None:
    """However it is cut, what lies behind it comes back untouched."""
    one, out, rest = upload(Length(len(body) + 1)), b"", b""
    whole = body + b"." + behind
    places = sorted(min(cut, len(whole)) for cut in cuts)
    for a, b in zip([0, *places], [*places, len(whole)], strict=True):
        if one.complete:
            rest += whole[a:b]
            continue
        middle = (a + b) // 2
        framed, left = one.take([whole[a:middle], whole[middle:b]], 0.0)
        out, rest = out + b"".join(framed), rest + left
    assert (out, rest, one.complete, one.keep_alive) == (body + b".", behind, True, True)


@given(st.lists(st.binary(min_size=1, max_size=20), max_size=4), st.booleans())
def test_a_chunked_body_is_framed_anew(pieces: list[bytes], excess: bool) -> None:
    """What comes out is the same body in chunks of ours; bytes behind it come back untouched."""
    one = upload(CHUNKED)
    wire = b"".join(map(chunk, pieces)) + LAST_CHUNK
    behind = b"GET" if excess else b""
    framed, rest = one.take([wire, behind], 0.0)
    decoder = ChunkedDecoder()
    assert decoder.feed(b"".join(framed)) == b"".join(pieces)
    assert (decoder.complete, decoder.excess, one.complete, rest) == (True, False, True, behind)
    assert one.keep_alive


def test_what_is_hidden_behind_many_ends_of_lines_ends_the_connection() -> None:
    """Nobody looks at each of them; the body itself is whole."""
    one = upload(CHUNKED)
    payload = b"\r\n" * 100
    framed, rest = one.take([chunk(payload) + LAST_CHUNK + b"GET"], 0.0)
    assert (framed, rest) == ([chunk(payload), LAST_CHUNK], b"")
    assert one.complete
    assert not one.keep_alive


def test_trailers_go_on_as_far_as_they_may() -> None:
    """Not the field in which the application is told who is calling."""
    wire = b"1\r\nx\r\n0\r\nX-Sum: 1\r\nX_Who: root\r\nRemote-User: root\r\n\r\n"
    one = Upload(CHUNKED, maximum=None, pace=0, invited=True, user_header="X-Who")
    assert one.take([wire], 0.0) == ([b"1\r\nx\r\n", b"0\r\nX-Sum: 1\r\n\r\n"], b"")
    assert one.trailed
    other = upload(CHUNKED)
    assert other.take([b"0\r\nHost: x\r\n\r\n"], 0.0) == ([b"0\r\n\r\n"], b"")
    assert not other.trailed


def test_an_application_may_have_a_limit_of_its_own() -> None:
    """Smaller or larger than the site's; without one, the site's holds for it too."""
    upstream, policy = Upstream("127.0.0.1", 9000), AppPolicy("wiki", ())
    plain = Application("wiki", "wiki.x", (upstream,), policy, "Wiki")
    own = replace(plain, limits=AppLimits(body_bytes=0))
    limits = Limits(body_bytes=10)
    assert [body_maximum(limits, one) for one in (None, plain, own)] == [10, 10, 0]
    assert body_maximum(Limits(), None) is None


def test_only_a_length_says_beforehand_that_it_is_too_much() -> None:
    """And only where there is a limit."""
    assert too_large(Length(11), 10)
    assert not too_large(Length(10), 10)
    assert not too_large(Length(11), None)
    assert not too_large(CHUNKED, 0)
    assert not too_large(NO_BODY, 0)


@pytest.mark.parametrize("pieces", [[], [b"5\r\n01234\r\n"] * 2])
def test_too_many_chunks_are_refused_before_they_go_on(pieces: list[bytes]) -> None:
    """Nothing of the piece that goes beyond the limit reaches the application."""
    one = upload(CHUNKED, maximum=10)
    for piece in pieces:
        assert one.take([piece], 0.0) == ([piece], b"")
    with pytest.raises(UploadRefused) as refused:
        one.take([b"b\r\n0123456789a\r\n"], 0.0)
    assert refused.value.refusal is Refusal.BODY_TOO_LARGE


def test_a_pace_is_judged_over_a_window() -> None:
    """Bursts and short pauses even out; too little in a whole window does not."""
    one = upload(Length(1_000_000), pace=10)
    one.take([b"x" * 300], 0.0)
    one.take([b"x"], PACE_SECONDS - 1)
    one.take([b"x" * 10], PACE_SECONDS + 1)
    one.take([b"x" * 200], PACE_SECONDS + 2)
    with pytest.raises(UploadRefused) as refused:
        one.take([b"x"], 2 * PACE_SECONDS + 2)
    assert refused.value.refusal is Refusal.REQUEST_TIMEOUT


def test_a_pace_is_nobodys_business_while_the_application_is_slow() -> None:
    """What passed while nothing was taken does not count, nor once the answer has begun."""
    one = upload(Length(1_000), pace=10)
    one.take([b"x"], 0.0)
    one.hold(True)
    one.hold(False)
    one.take([b"x"], 10 * PACE_SECONDS)
    one.take([b"x"], None)
    one.take([b"x"], 10 * PACE_SECONDS + 1)


def test_the_last_byte_is_never_too_slow() -> None:
    """What is complete is not refused for how it came."""
    one = upload(Length(2), pace=10)
    one.take([b"x"], 0.0)
    assert one.take([b"y"], 1000.0) == ([b"y"], b"")
