import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.request_ids import NODE_BYTES, is_request_id, node_prefix


@given(st.binary(min_size=NODE_BYTES, max_size=NODE_BYTES), st.integers(1, 2**64 - 1))
def test_what_is_made_has_the_form(entropy: bytes, number: int) -> None:
    """Whatever the bytes and the count."""
    assert is_request_id(f"{node_prefix(entropy)}-{number:x}")


@given(
    st.binary(min_size=NODE_BYTES, max_size=NODE_BYTES),
    st.binary(min_size=NODE_BYTES, max_size=NODE_BYTES),
)
def test_other_bytes_make_another_prefix(one: bytes, other: bytes) -> None:
    """Nothing of the randomness is lost."""
    assert (node_prefix(one) == node_prefix(other)) is (one == other)


@pytest.mark.parametrize("size", [0, NODE_BYTES - 1, NODE_BYTES + 1])
def test_too_few_bytes_are_a_mistake(size: int) -> None:
    """Ids of two workers could be the same."""
    with pytest.raises(ValueError, match="expected 5 bytes"):
        node_prefix(bytes(size))


@pytest.mark.parametrize(
    "text", ["", "-", "k3v7qh2a", "k3v7qh2a-", "K3V7QH2A-1f", "k3v7qh2a-1F", "k3v7qh2a-1f\n", "<b>"]
)
def test_what_is_no_id_is_told_apart(text: str) -> None:
    """So that nothing else gets onto a page or into a log in its place."""
    assert not is_request_id(text)
