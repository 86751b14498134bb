"""Ids of requests."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.request_ids import (
    NODE_BYTES,
    is_request_id,
    made_at,
    node_part,
    read_request_id,
    second_part,
)

ENTROPY = st.binary(min_size=NODE_BYTES, max_size=NODE_BYTES)
SECONDS = st.integers(0, 2**35 - 1)
AN_ID = "bvqflyq-k3v7qh2-1f"


@given(SECONDS, ENTROPY, st.integers(1, 2**64 - 1))
def test_what_is_made_has_the_form(second: int, entropy: bytes, number: int) -> None:
    """Whatever the second, the bytes and the count."""
    assert is_request_id(f"{second_part(second)}-{node_part(entropy)}-{number:x}")


@given(ENTROPY, ENTROPY)
def test_other_bytes_make_another_part(one: bytes, other: bytes) -> None:
    """Nothing of the randomness is lost."""
    assert (node_part(one) == node_part(other)) is (one == other)


@given(st.integers(0, 30_000_000_000))
def test_an_id_says_when_it_was_made(second: int) -> None:
    """To the second, for longer than anybody will look."""
    request = f"{second_part(second)}-k3v7qh2-1"
    assert made_at(request) == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=second)


def test_the_example_is_of_a_known_second() -> None:
    """The layout never changes: ids are found in logs that are years old."""
    assert second_part(1_795_338_000) == "bvqflyq"
    assert made_at("bvqflyq-k3v7qh2-1") == datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize("size", [0, NODE_BYTES - 1, NODE_BYTES + 1])
def test_too_few_bytes_are_a_mistake(size: int) -> None:
    """Ids of two workers could be the same."""
    with pytest.raises(ValueError, match="expected 4 bytes"):
        node_part(bytes(size))


@pytest.mark.parametrize("second", [-1, 2**35])
def test_a_second_that_no_id_can_name_is_a_mistake(second: int) -> None:
    """It would be read as another one."""
    with pytest.raises(ValueError, match="is no second"):
        second_part(second)


@pytest.mark.parametrize(
    "text",
    [
        *("", "-", "bvqflyq", "bvqflyq-k3v7qh2", "bvqflyq-k3v7qh2-", "BVQFLYQ-k3v7qh2-1f"),
        *("bvqflyq-k3v7qh2-1F", f"{AN_ID}\n", "<b>", "bvqfly1-k3v7qh2-1f", f"{AN_ID}-1"),
    ],
)
def test_what_is_no_id_is_told_apart(text: str) -> None:
    """So that nothing else gets onto a page or into a log in its place."""
    assert not is_request_id(text)
    with pytest.raises(ValueError, match="is no id"):
        made_at(text)


@pytest.mark.parametrize(
    "text",
    [
        *(AN_ID, AN_ID.upper(), f"  {AN_ID} ", "bvqflyq – k3v7qh2 – 1f", "bvqflyq_k3v7qh2_1f"),
        "BVQFLYQ-K3V7QH2-1F\n",
    ],
)
def test_an_id_is_understood_as_people_pass_it_on(text: str) -> None:
    """Read aloud, typed by hand, or copied out of a letter."""
    assert read_request_id(text) == AN_ID


def test_digits_that_are_no_part_of_an_id_are_the_letters_that_look_like_them() -> None:
    """Zero, one and eight; the count has digits of its own."""
    assert read_request_id("80qs1ry-k3v7qh2-10") == "boqslry-k3v7qh2-10"


@pytest.mark.parametrize("text", ["", "-", "4a0f66c1d2e3", "anna", "bvqflyq-k3v7qh2", "a" * 5000])
def test_what_cannot_be_meant_is_none(text: str) -> None:
    """A serial number, a name, half of an id."""
    assert read_request_id(text) is None
