"""Entries of a list, as a file in which they are looked up."""

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ca.foreign.revoked import (
    HIGHEST_SERIAL,
    RECORD,
    IndexDamaged,
    Removed,
    RevokedIndex,
    encode_index,
    make_record,
    sort_records,
)
from ca.scopes import REMOVE_FROM_CRL
from ca.trust import Revocation, RevocationReason
from tests.ca.foreign.crl_makers import NOW
from tests.ca.foreign.test_facts import FACTS

MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(9999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone
SERIALS = st.one_of(st.integers(0, 300), st.integers(0, HIGHEST_SERIAL))


def write(*records: bytes) -> bytes:
    """Make the file of *records*."""
    listed = [*records]
    sort_records(listed)
    return b"".join(encode_index(FACTS, listed))


@given(
    st.dictionaries(SERIALS, st.tuples(MOMENTS, st.sampled_from(RevocationReason))),
    st.lists(SERIALS),
)
def test_what_was_written_is_found_and_nothing_else(
    entries: dict[int, tuple[datetime, RevocationReason]], others: list[int]
) -> None:
    """Each serial has its own moment, to the second, and reason; the rest is not in the list."""
    index = RevokedIndex(
        memoryview(write(*(make_record(one, at, why) for one, (at, why) in entries.items())))
    )
    assert index.facts == FACTS
    assert len(index) == len(entries)
    for serial, (at, why) in entries.items():
        assert index.find(serial) == Revocation(at.replace(microsecond=0), why)
    for serial in set(others) - set(entries):
        assert index.find(serial) is None


def test_an_entry_is_short() -> None:
    """A million entries are some 25 MiB."""
    records = [make_record(serial, NOW, RevocationReason.SUPERSEDED) for serial in range(1000)]
    assert len(write(*records)) < 1000 * RECORD + 1000
    assert RECORD * 1_000_000 < 26 * 2**20


@pytest.mark.parametrize("serial", [-1, HIGHEST_SERIAL + 1])
def test_serials_that_do_not_fit_are_errors(serial: int) -> None:
    """No two serials ever share a record."""
    with pytest.raises(OverflowError):
        make_record(serial, NOW, RevocationReason.SUPERSEDED)
    with pytest.raises(OverflowError):
        RevokedIndex(memoryview(write())).find(serial)


def test_a_time_before_all_times_is_a_time() -> None:
    """A CA may write any date; the entry stays revoked."""
    long_ago = datetime(1950, 1, 1, tzinfo=UTC)
    record = make_record(1, long_ago, RevocationReason.SUPERSEDED)
    found = RevokedIndex(memoryview(write(record))).find(1)
    assert found == Revocation(datetime(1970, 1, 1, tzinfo=UTC), RevocationReason.SUPERSEDED)


@given(st.permutations([REMOVE_FROM_CRL, "certificateHold", "superseded"]))
def test_of_a_serial_that_comes_twice_the_gravest_counts(reasons: list[str]) -> None:
    """Whatever the order: for good before hold, hold before removed."""
    for count, expected in ((3, "superseded"), (2, None)):
        some = reasons[:count]
        records = [
            make_record(5, NOW - timedelta(hours=hour), why) for hour, why in enumerate(some)
        ]
        found = RevokedIndex(memoryview(write(*records, make_record(6, NOW, "superseded"))))
        assert len(found) == 2
        one = found.find(5)
        gravest = expected or ("superseded" if "superseded" in some else "certificateHold")
        assert isinstance(one, Revocation)
        assert one.reason == gravest


def test_removed_is_told_from_not_there() -> None:
    """A delta says of some that they are held no longer, and of most nothing."""
    index = RevokedIndex(memoryview(write(make_record(5, NOW, REMOVE_FROM_CRL))))
    assert index.find(5) == Removed()
    assert index.find(6) is None


@given(st.data())
def test_damage_is_noticed(data: st.DataObject) -> None:
    """A file that is not, to the last octet, what was written is not used."""
    whole = bytearray(write(make_record(5, NOW, RevocationReason.SUPERSEDED)))
    if data.draw(st.booleans()):
        del whole[data.draw(st.integers(0, len(whole) - 1)) :]
    else:
        whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(IndexDamaged):
        RevokedIndex(memoryview(bytes(whole)))


def test_a_file_of_another_format_is_not_used() -> None:
    """A whole file with another head is for another version of this program."""
    for body in (b"PSTRREV2\0\0\0\0", b"PSTRREV1\0\0\0\2{}", b"", write()[:-32] + b"x"):
        with pytest.raises(IndexDamaged):
            RevokedIndex(memoryview(body + hashlib.sha256(body).digest()))
