"""What a list has revoked, as a file that is looked up in without being read.

::

    eight octets that name the format
    the length of the head, four octets
    the head: what the list says of itself, in JSON
    the records, sorted by serial, of the same length each
    SHA-256 of everything before

A record is a serial (20 octets), seconds since 1970 (5) and a reason (1). A million of them are 25
MiB, which the processes that map the file share, and one is found in twenty steps.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final

from ca.foreign.facts import ListFacts, pack_facts, unpack_facts
from ca.scopes import REMOVE_FROM_CRL
from ca.trust import Revocation, RevocationReason

_MAGIC: Final = b"PSTRREV1"
_LENGTH: Final = 4
_SERIAL: Final = 20
_TIME: Final = 5
RECORD: Final = _SERIAL + _TIME + 1
HIGHEST_SERIAL: Final = 2 ** (8 * _SERIAL) - 1
"""RFC 5280 (4.1.2.2) allows 20 octets, of which DER takes the highest bit for the sign; here it
counts too, since many CAs draw all of them by chance."""
_DIGEST: Final = 32
_LATEST: Final = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp())
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TOGETHER: Final = 10_000

# What stands in files is the place in this row: only ever added to.
_REASONS: Final = (
    str(RevocationReason.UNSPECIFIED),
    str(RevocationReason.KEY_COMPROMISE),
    str(RevocationReason.CA_COMPROMISE),
    str(RevocationReason.AFFILIATION_CHANGED),
    str(RevocationReason.SUPERSEDED),
    str(RevocationReason.CESSATION_OF_OPERATION),
    str(RevocationReason.CERTIFICATE_HOLD),
    REMOVE_FROM_CRL,
    str(RevocationReason.PRIVILEGE_WITHDRAWN),
)
_CODES: Final = {reason: bytes([code]) for code, reason in enumerate(_REASONS)}
_HOLD: Final = _CODES[RevocationReason.CERTIFICATE_HOLD]
_REMOVED: Final = _CODES[REMOVE_FROM_CRL]


class IndexDamaged(Exception):
    """The file is none that `encode_index` has made, or not as it has made it."""


@dataclass(frozen=True, slots=True)
class Removed:
    """A delta's word for what is held no longer."""


def make_record(serial: int, at: datetime, reason: str) -> bytes:
    """Make the record of one entry; *reason* by its RFC 5280 name, *removeFromCRL* too.

    Raises OverflowError for a serial that is negative or longer than 20 octets.
    """
    seconds = min(max(int((at - _EPOCH) // timedelta(seconds=1)), 0), _LATEST)
    return serial.to_bytes(_SERIAL) + seconds.to_bytes(_TIME) + _CODES[reason]


def sort_records(records: list[bytes]) -> None:
    """Sort in place, and leave one of each serial.

    A serial that comes twice (it should not) is revoked for good if one says so, and only removed
    if all do.
    """
    records.sort()
    if all(one[:_SERIAL] != two[:_SERIAL] for one, two in pairwise(records)):
        return
    kept: dict[bytes, bytes] = {}
    for record in records:
        before = kept.get(record[:_SERIAL])
        if before is None or _weight(record) > _weight(before):
            kept[record[:_SERIAL]] = record
    records[:] = kept.values()


def _weight(record: bytes) -> int:
    return {_REMOVED: 0, _HOLD: 1}.get(record[-1:], 2)


def encode_index(facts: ListFacts, records: Sequence[bytes]) -> Iterator[bytes]:
    """Make the file of *records*, which `sort_records` has sorted, piece by piece."""
    digest = hashlib.sha256()
    for piece in _pieces(facts, records):
        digest.update(piece)
        yield piece
    yield digest.digest()


def _pieces(facts: ListFacts, records: Sequence[bytes]) -> Iterator[bytes]:
    head = json.dumps(pack_facts(facts)).encode()
    yield _MAGIC + len(head).to_bytes(_LENGTH) + head
    for first in range(0, len(records), _TOGETHER):
        yield b"".join(records[first : first + _TOGETHER])


class RevokedIndex:
    """The entries of one list, looked up in the bytes of its file, or a map of them."""

    def __init__(self, data: memoryview) -> None:
        """Verify *data*, which takes some tens of milliseconds for a million entries.

        Raises `IndexDamaged` when it is not what `encode_index` has made, to the last octet.
        """
        if hashlib.sha256(data[:-_DIGEST]).digest() != data[-_DIGEST:]:
            raise IndexDamaged("it is not as it was written")
        start = len(_MAGIC) + _LENGTH
        if bytes(data[: len(_MAGIC)]) != _MAGIC:
            raise IndexDamaged("it is of another format")
        end = start + int.from_bytes(data[len(_MAGIC) : start])
        try:
            self.facts: Final = unpack_facts(json.loads(bytes(data[start:end])))
        except (KeyError, TypeError, ValueError) as error:
            raise IndexDamaged(f"its head is not as it must be: {error!r}") from error
        self._records = data[end:-_DIGEST]
        if len(self._records) % RECORD:
            raise IndexDamaged("its records are not of one length")

    def __len__(self) -> int:
        """Count the entries."""
        return len(self._records) // RECORD

    def find(self, serial: int) -> Revocation | Removed | None:
        """Look *serial* up: revoked, removed (in a delta), or not in the list.

        Raises OverflowError where no list can have it: see `HIGHEST_SERIAL`.
        """
        key, records = serial.to_bytes(_SERIAL), self._records
        low, high = 0, len(self)
        while low < high:
            middle = (low + high) // 2
            at = middle * RECORD
            if records[at : at + _SERIAL].tobytes() < key:
                low = middle + 1
            else:
                high = middle
        record = records[low * RECORD : (low + 1) * RECORD].tobytes()
        return _read_record(record) if record[:_SERIAL] == key else None


def _read_record(record: bytes) -> Revocation | Removed:
    if record[-1:] == _REMOVED:
        return Removed()
    seconds = int.from_bytes(record[_SERIAL:-1])
    return Revocation(_EPOCH + timedelta(seconds=seconds), RevocationReason(_REASONS[record[-1]]))
