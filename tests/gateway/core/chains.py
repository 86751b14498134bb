"""The chain of the audit log, as somebody else would verify it who has all of its lines."""

from collections.abc import Iterable

from gateway.core.audit import FIRST_CHAIN, AuditLine, link


def first_break(lines: Iterable[AuditLine]) -> int | None:
    """Return the number of the first line that does not fit its place, or None.

    *lines* begin with the very first one.
    """
    previous, expected = FIRST_CHAIN, 1
    for line in lines:
        if line.number != expected or line.chain != link(previous, line.number, line.event):
            return expected
        previous, expected = line.chain, expected + 1
    return None
