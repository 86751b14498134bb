"""What one connection asks again and again, while other fields of its requests change.

A browser's requests differ in their targets, in fields of which nobody asks anything (where it
came from, what it has in its cache), and in the application's own cookies. Whatever the gate and
the access log ask about is said by the fields that do not pass unseen. So where these say what
those of an earlier request said, and the grant that it was given is still good, the answer is the
same, and only the new fields have to be read.
"""

from itertools import filterfalse
from typing import TYPE_CHECKING

from gateway.edge.admission import Grant
from gateway.edge.fields import is_special, said, to_application
from gateway.edge.forwarding import host_line
from gateway.edge.heads import RequestHead
from gateway.edge.plain import Lines
from gateway.edge.shape import Shape
from gateway.edge.verdicts import Forward

if TYPE_CHECKING:
    from gateway.edge.telemetry import Account


class Manner:
    """A judged request but for its target and the fields that pass unseen.

    Like the shapes of a `Memo` it is for one connection alone, and whoever uses it must
    look at its *grant* first.
    """

    __slots__ = (
        "_authority",
        "_first",
        "_host",
        "_ours",
        "_said",
        "_service",
        "_session",
        "account",
        "grant",
    )

    def __init__(
        self, head: RequestHead, told: list[bytes], ours: bytes, shape: Shape, grant: Grant
    ) -> None:
        """*told* is what all fields say that do not pass unseen; *ours* as in `request_tail`."""
        self._said = told
        self.grant = grant
        self.account: Account | None = None
        """What `Telemetry` remembers of its requests."""
        self._host, self._authority = head.host, head.authority
        self._first, self._ours = host_line(head.authority), ours
        self._service, self._session = shape.service, shape.session

    def fits(self, lines: Lines) -> bool:
        """Say whether *lines* tell what those of the earlier request told."""
        return [*map(said, lines.telling)] == self._said

    def shape(self, lines: Lines) -> Shape:
        """Return the shape of the request of *lines*, which must fit."""
        odd = [*filterfalse(is_special, lines.telling)]
        head = lines.head(self._host, self._authority, odd)
        # `request_tail`, of a request without a body.
        tail = b"".join((self._first, *map(to_application, head.fields), self._ours, b"\r\n"))
        return Shape(head, tail, self._service, self.grant, self._session, self.account)


def learn_manner(head: RequestHead, verdict: Forward, shape: Shape, address: str) -> Manner | None:
    """Return the manner of a request from *address*; None where fields that pass unseen count."""
    grant, telling = shape.grant, head.telling
    if grant is None or telling is None or verdict.event is not None:
        return None
    if grant.app.user_header is not None or grant.app.upstream_host is not None:
        # Any field may claim the one, and be rewritten for the other.
        return None
    ours = grant.wholes.get((address, head.authority))
    return None if ours is None else Manner(head, [*map(said, telling)], ours, shape, grant)
