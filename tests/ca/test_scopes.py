"""Partitions, and the names of lists."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ca.scopes import (
    WHOLE,
    CRLKind,
    ListName,
    parse_name,
    partition_names,
    partition_of,
)


@pytest.mark.parametrize(
    "name, text",
    [
        (ListName("issuing-1"), "issuing-1.crl"),
        (ListName("issuing-1", WHOLE, CRLKind.DELTA), "issuing-1~delta.crl"),
        (ListName("issuing-1", "2-of-4"), "issuing-1~2-of-4.crl"),
        (ListName("a.b_c", "2-of-4", CRLKind.DELTA), "a.b_c~2-of-4~delta.crl"),
    ],
)
def test_names_there_and_back(name: ListName, text: str) -> None:
    """What a certificate names is what is found."""
    assert str(name) == text
    assert parse_name(text) == name


@pytest.mark.parametrize(
    "text",
    ["", "issuing-1", ".crl", "..crl", "a~b.crl", "a~0-of-2.crl", "a~1-of-99999.crl", "a~~.crl"],
)
def test_what_is_no_name(text: str) -> None:
    """Nothing else is looked for."""
    assert parse_name(text) is None


@given(st.integers(1, 2**159), st.integers(2, 1024))
def test_every_serial_is_in_one_partition(serial: int, partitions: int) -> None:
    """Always the same, and one of those that are published."""
    assert partition_of(serial, partitions) in partition_names(partitions)
    assert len(set(partition_names(partitions))) == partitions


def test_one_partition_is_the_whole() -> None:
    """Then there is no list but that of everything."""
    assert partition_of(7, 1) == WHOLE
    assert partition_names(1) == ()
