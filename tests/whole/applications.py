"""The real applications behind a site, and how one sees that they heard nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.whole.echo import Echo
from tests.whole.recorder import Recorder


@dataclass(frozen=True, slots=True)
class Applications:
    """Two applications that record everything, and one that lives on WebSockets."""

    wiki: Recorder
    crm: Recorder
    chat: Echo

    @property
    def octets(self) -> int:
        """How many bytes the recorders were ever sent, and how many WebSockets were opened."""
        return self.wiki.octets + self.crm.octets + len(self.chat.opened)

    @property
    def complaints(self) -> list[str]:
        """What h11 found wrong with what the gateway wrote."""
        return self.wiki.complaints + self.crm.complaints

    @contextmanager
    def untouched(self) -> Iterator[None]:
        """Hold that no byte reaches an application within the block."""
        before = self.octets
        yield
        assert self.octets == before, "bytes reached an application"
