"""Bytes that say whose they are, so that a piece in a wrong place is known by looking at it."""

from dataclasses import dataclass

_BLOCK = 32


@dataclass(frozen=True, slots=True)
class Stamp:
    """One request: who asks, and a number that no other request of the run has."""

    user: str
    number: int

    def __str__(self) -> str:
        """Write it as it stands in paths and fields."""
        return f"{self.user}.{self.number}"

    def body(self, size: int) -> bytes:
        """Return *size* bytes, every 32 of which name the stamp and their place."""
        count = size // _BLOCK + 1
        blocks = (f"{self}@{place}".ljust(_BLOCK - 1, ".") + "\n" for place in range(count))
        return "".join(blocks).encode("ascii")[:size]


def read_stamp(text: str) -> Stamp:
    """Read what `Stamp` has written; raise `ValueError` at anything else."""
    user, _, number = text.rpartition(".")
    return Stamp(user, int(number))


def difference(expected: bytes, found: bytes) -> str:
    """Say in a few words where *found* is not *expected*."""
    if len(expected) != len(found):
        return f"{len(found)} bytes instead of {len(expected)}"
    place = next(
        (n for n, pair in enumerate(zip(expected, found, strict=True)) if len({*pair}) > 1), 0
    )
    begin = place - place % _BLOCK
    return f"at {place}: {found[begin : begin + _BLOCK]!r} for {expected[begin : begin + _BLOCK]!r}"
