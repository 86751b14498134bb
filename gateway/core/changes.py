"""The change feed: rows with a rising number, written together with what they tell.

Whoever keeps something in memory (an edge, the authority) follows the feed and
drops what a row names. A row says *what* changed, never how: the reader asks the store.
"""

from dataclasses import dataclass
from enum import StrEnum


class ChangeKind(StrEnum):
    """What a feed row is about; the key is named behind each."""

    CERTIFICATE = "certificate"  # fingerprint
    USER = "user"  # user name
    SESSION = "session"  # session id
    CRL = "crl"  # issuer name
    PRESENTED = "presented"  # fingerprint of another CA's certificate that waits for a verdict
    TRUST = "trust"  # name of a trust: what is known of its certificates reaches further now


@dataclass(frozen=True, slots=True)
class Change:
    """One row of the feed."""

    number: int
    kind: ChangeKind
    key: str


@dataclass(frozen=True, slots=True)
class Batch:
    """What a follower learns at once; also sent empty, as a sign of life.

    With *gap* the follower has missed rows for good and must forget
    everything that it remembered of the store.
    """

    changes: tuple[Change, ...]
    gap: bool = False
