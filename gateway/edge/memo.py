"""Header blocks of one connection that were judged before.

A browser sends block after block with the same bytes, and what was decided for
one holds for the next as long as the grant behind it does; whoever finds a
shape here must look at its grant first. A memo is never shared between
connections.
"""

from typing import Final

from gateway.edge.shape import Shape

_REMEMBERED_BLOCKS: Final = 16


class Memo:
    """Remembers the shape of a request by its header block, once there were two of them."""

    __slots__ = ("_seen", "_shapes", "last", "shape")

    def __init__(self) -> None:
        """Remember nothing."""
        self.last = b""
        """The block that was found last, which most often is the next one too."""
        self.shape: Shape | None = None
        """What is remembered for it."""
        self._shapes: dict[bytes, Shape] = {}
        self._seen: set[int] = set()

    def find(self, block: bytes) -> Shape | None:
        """Return what was remembered for *block*."""
        shape = self._shapes.get(block)
        if shape is not None:
            self.last, self.shape = block, shape
        return shape

    def keep(self, block: bytes, shape: Shape) -> None:
        """Keep *shape* if *block* has been seen before: most that comes once never comes again."""
        sight = hash(block)
        if sight not in self._seen:
            if len(self._seen) >= _REMEMBERED_BLOCKS:
                self._seen.clear()
            self._seen.add(sight)
            return
        if len(self._shapes) >= _REMEMBERED_BLOCKS:
            self._shapes.clear()
        self._shapes[block] = shape
        if block == self.last:
            self.shape = shape
