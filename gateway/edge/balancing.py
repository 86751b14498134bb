"""Which of several upstreams gets the next request: a matter of counting, with time as argument.

Nothing here connects, waits or reads a clock. Whoever does tells a `Standing`
what became of it, and asks `choose` for the next.

What brings an upstream out of the choice: so many failed connections or
unanswered requests in a row (passive), or so many failed checks in a row
(active). After the first it is put aside for a while that doubles each time;
then one request tries it, and the others when that one fared well. After the
second only a good check brings it back.
"""

from collections.abc import Collection, Sequence
from math import inf
from typing import Final

FAILURES: Final = 3
"""Failures in a row after which an upstream is put aside."""
FAILED_CHECKS: Final = 2
"""Failed checks in a row after which an upstream is left out; one good one brings it back."""
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 60.0


class Standing:
    """How one upstream stands. Times are monotonic seconds."""

    __slots__ = (
        "_aside_until",
        "_failed_checks",
        "_next_pause",
        "_refused",
        "_trying",
        "_unanswered",
        "pause",
    )

    def __init__(self) -> None:
        """Think well of it."""
        self.pause = 0.0
        """For how many seconds it was put aside last."""
        self._next_pause = FIRST_PAUSE
        self._refused = 0
        self._unanswered = 0
        self._failed_checks = 0
        self._aside_until = -inf
        self._trying = False

    @property
    def aside(self) -> bool:
        """Whether it is put aside for what became of requests, be its pause over or not."""
        return self._refused >= FAILURES or self._unanswered >= FAILURES

    @property
    def sound(self) -> bool:
        """Whether the checks speak for it, or none have been made."""
        return self._failed_checks < FAILED_CHECKS

    def open(self, now: float) -> bool:
        """Say whether a request may go to it at *now*, be it on trial."""
        return self.sound and (not self.aside or now >= self._aside_until)

    def due(self, now: float) -> bool:
        """Say whether it is to be tried: it was put aside, and the pause is over."""
        return self.aside and self.open(now)

    def begin(self, now: float) -> None:
        """Note that a request goes to it; one on trial keeps the others away.

        Nothing may ever be heard of that one. Then another follows, much later.
        """
        if self.aside:
            self._trying = True
            self._aside_until = now + LONGEST_PAUSE

    def abandon(self, now: float) -> None:
        """Note that a request was given up that may have been on trial: another one may try."""
        if self._trying:
            self._trying = False
            self._aside_until = now

    def refuse(self, now: float) -> bool:
        """Note that it took no connection; say whether that puts it aside, perhaps again."""
        before = self.aside
        self._refused += 1
        return self._put_aside(before, now)

    def fail_to_answer(self, now: float) -> bool:
        """Note that it did not answer a request; say whether that puts it aside, perhaps again."""
        before = self.aside
        self._unanswered += 1
        return self._put_aside(before, now)

    def accept(self) -> None:
        """Note that it took a connection, which is not to say that it answers."""
        self._refused = 0

    def answer(self) -> None:
        """Note that it answered."""
        self._refused = self._unanswered = 0
        self._next_pause = FIRST_PAUSE
        self._trying = False

    def check(self, *, good: bool) -> bool:
        """Note the outcome of a check; say whether `sound` is another than before."""
        before = self.sound
        if good:
            self._failed_checks = 0
            self.answer()
        else:
            self._failed_checks += 1
        return self.sound is not before

    def _put_aside(self, before: bool, now: float) -> bool:  # noqa: FBT001 - a fact
        if not self.aside or (before and not self._trying):
            # Not yet; or a straggler, which says no more than those that put it aside.
            return False
        self._trying = False
        self.pause = self._next_pause
        self._next_pause = min(2 * self.pause, LONGEST_PAUSE)
        self._aside_until = now + self.pause
        return True


def choose(
    standings: Sequence[Standing],
    loads: Sequence[int],
    turn: int,
    now: float,
    tried: Collection[int] = (),
) -> int | None:
    """Return the position of the upstream for the next request, or None where none is left.

    The one with the fewest connections in use (*loads*); among equals the first
    from *turn* on. One that is due for its trial goes first, or it would never
    be tried while others have nothing to do. Those in *tried* are left out.
    """
    best, least = None, inf
    count = len(standings)
    for step in range(count):
        position = (turn + step) % count
        standing = standings[position]
        if position in tried or not standing.open(now):
            continue
        load = -1 if standing.due(now) else loads[position]
        if load < least:
            best, least = position, load
    return best
