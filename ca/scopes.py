"""What lists there are of one issuer, what each is called, and what a line of one is.

::

    issuing-1.crl                   everything
    issuing-1~delta.crl             what has changed since a full list
    issuing-1~2-of-4.crl            one partition
    issuing-1~2-of-4~delta.crl      what has changed in it

A certificate's partition is chosen when it is issued, from its serial and the number of
partitions of that day, and its name ("2-of-4") stands in the certificate's CRL distribution
point and in the ledger. So the number may be changed at any time: what was issued before stays
in the partition that it names, which is published until the last of them has ended.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

WHOLE = ""
"""The scope of the list that has everything in it."""

Line = tuple[str, int, str]
"""A line of a list as the ledger holds it: the serial in hexadecimal, the microseconds since
1970 of the revocation, and the reason by its RFC 5280 name."""

REMOVE_FROM_CRL = "removeFromCRL"
"""The reason in a delta of what was held and is no longer (RFC 5280, section 5.3.1)."""

_NAME = re.compile(
    r"(?P<issuer>[A-Za-z0-9][A-Za-z0-9._-]{0,63})"
    r"(?:~(?P<scope>[1-9][0-9]{0,3}-of-[1-9][0-9]{0,3}))?"
    r"(?P<delta>~delta)?\.crl"
)


class CRLKind(StrEnum):
    """What a list holds. Values are written to the ledger: only ever added."""

    FULL = "full"
    """Everything in its scope that is revoked."""
    DELTA = "delta"
    """Only what has changed since a full list (RFC 5280, section 5.2.4)."""


@dataclass(frozen=True, slots=True)
class ListName:
    """Names one published list."""

    issuer: str
    scope: str = WHOLE
    kind: CRLKind = CRLKind.FULL

    def __str__(self) -> str:
        """Write it as the name of a file."""
        scope = f"~{self.scope}" if self.scope else ""
        delta = "~delta" if self.kind is CRLKind.DELTA else ""
        return f"{self.issuer}{scope}{delta}.crl"


def parse_name(text: str) -> ListName | None:
    """Read the name of a list as `str` writes it; None when it is none."""
    match = _NAME.fullmatch(text)
    if match is None:
        return None
    kind = CRLKind.DELTA if match["delta"] else CRLKind.FULL
    return ListName(match["issuer"], match["scope"] or WHOLE, kind)


def partition_of(serial: int, partitions: int) -> str:
    """Name the partition of *serial* where there are so many; `WHOLE` where there is only one."""
    return WHOLE if partitions == 1 else f"{serial % partitions + 1}-of-{partitions}"


def partition_names(partitions: int) -> tuple[str, ...]:
    """Name them all; none where everything is in one list."""
    return tuple(partition_of(serial, partitions) for serial in range(partitions))[
        : 0 if partitions == 1 else None
    ]
