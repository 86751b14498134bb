"""Why connections are cut, by the names that stand in the access log.

A connection whose certificate may no longer be used is cut with the name of the
refusal that its next request would get.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from gateway.core.refusal_kinds import Refusal


class CutReason(StrEnum):
    """Why a connection is closed at once, whatever is under way; docs/watching.md has them all."""

    DRAINED = "drained"
    EXPIRED = "expired"
    KEY_CHANGES = "key-changes"
    NO_ROOM = "no-room"
    NOT_ALLOWED = "not-allowed"
    NOT_TAKING = "not-taking"
    OUTSIDE_HOURS = "outside-hours"
    SESSION_ENDED = "session-ended"
    STALE = "stale"
    UNTRUSTED = "untrusted"


_WORDS: Final[Mapping[str, str]] = {
    CutReason.DRAINED: "it has not ended in time, and the worker does",
    CutReason.EXPIRED: "the certificate or the session has come to its end",
    CutReason.KEY_CHANGES: "it asks for new keys without end",
    CutReason.NO_ROOM: "another one needs the room",
    CutReason.NOT_ALLOWED: "the policy does not allow it any more",
    CutReason.NOT_TAKING: "it takes nothing of what waits for it",
    CutReason.OUTSIDE_HOURS: "the hours at which the policy allows it are over",
    CutReason.SESSION_ENDED: "its session is over",
    CutReason.STALE: "nobody can say any more who has been revoked",
    CutReason.UNTRUSTED: "its CA is not trusted any more",
}


def explain_cut(reason: CutReason | Refusal) -> str:
    """Return *reason* in the words of a log line; a refusal has but its name."""
    return _WORDS.get(reason, reason.value)
