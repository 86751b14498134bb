"""How long somebody who guesses must wait.

Failures are counted per certificate: a thief with one stick is slowed, and
the owner with another stick is not, nor can a colleague lock anybody out.
"""

from datetime import timedelta

FREE_FAILURES = 5
FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(minutes=15)


def wait_after(failures: int) -> timedelta:
    """Return how long the certificate waits after its *failures*-th failure in a row.

    The first few cost nothing (fat fingers), then the wait doubles up to a
    ceiling: 96 guesses a day at most, against a million codes *and* a password.
    """
    beyond = failures - FREE_FAILURES
    if beyond < 0:
        return timedelta(0)
    # The shift is bounded before it is made: failures may be a large number.
    return min(LONGEST_WAIT, FIRST_WAIT * (1 << min(beyond, 10)))
