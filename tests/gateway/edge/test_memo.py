from dataclasses import replace

import pytest

from gateway.core.refusal_kinds import Refusal
from gateway.core.site import AppLimits, Limits, Upstream, UpstreamTLS
from gateway.edge.heads import parse_request
from gateway.edge.memo import Memo
from gateway.edge.service import Service
from gateway.edge.shape import Shape
from gateway.edge.upstream import Pool
from gateway.edge.upstream_tls import UpstreamContext


@pytest.fixture
async def shape() -> Shape:
    """The shape of some request."""
    head = parse_request(b"GET / HTTP/1.1\r\nHost: wiki.example.org\r\n\r\n")
    assert not isinstance(head, Refusal)
    service = Service(
        "wiki",
        (Pool(Upstream("127.0.0.1", 9000), UpstreamContext(UpstreamTLS())),),
        AppLimits(),
        Limits(),
    )
    return Shape(head, b"", service, None, None)


async def test_what_came_once_is_not_kept(shape: Shape) -> None:
    """Only a block that comes again is worth its memory."""
    memo = Memo()
    memo.keep(b"one", shape)
    assert memo.find(b"one") is None
    memo.keep(b"one", shape)
    assert memo.find(b"one") is shape
    assert memo.find(b"two") is None


async def test_memory_has_an_end(shape: Shape) -> None:
    """Blocks are up to the client: however many differ, few are kept."""
    memo = Memo()
    blocks = [str(number).encode() for number in range(1000)]
    for block in blocks:
        memo.keep(block, shape)
        memo.keep(block, shape)
    kept = [block for block in blocks if memo.find(block) is shape]
    assert 0 < len(kept) <= 16


async def test_the_block_that_was_found_last_is_at_hand(shape: Shape) -> None:
    """So that the next request is compared with it before anything else."""
    memo = Memo()
    for block in (b"one", b"two"):
        memo.keep(block, shape)
        memo.keep(block, shape)
    assert memo.last == b""
    memo.find(b"one")
    memo.find(b"three")
    assert memo.last == b"one"


async def test_what_is_at_hand_is_what_is_remembered(shape: Shape) -> None:
    """A block that was judged anew stands for the new judgement."""
    memo = Memo()
    for _ in range(2):
        memo.keep(b"one", shape)
    memo.find(b"one")
    again = replace(shape)
    memo.keep(b"one", again)
    assert memo.shape is memo.find(b"one") is again
