"""What is published of an issuing CA: each list, how large and how old it is, and who still asks.

For people and for the log; what decides when to sign is `ca.publishing`.
"""

from dataclasses import dataclass
from datetime import datetime

from ca import lists
from ca.ages import Age, age_of
from ca.lists import CRLRecord
from ca.publishing import Publication
from ca.scopes import WHOLE, CRLKind, ListName, partition_names
from gateway.store import Store


@dataclass(frozen=True, slots=True)
class PublishedList:
    """A list that was published and was not followed by another.

    *size* is in octets. *kept* says that it is signed again and again: a delta while the settings
    ask for deltas, a partition while a certificate names it.
    """

    record: CRLRecord
    size: int
    age: Age
    kept: bool

    @property
    def name(self) -> ListName:
        """Return the name under which it is fetched."""
        return ListName(self.record.issuer, self.record.scope, self.record.kind)

    @property
    def words(self) -> str:
        """Name the list and its number."""
        return f"{self.name} number {self.record.number}"


async def published_lists(
    store: Store, publication: Publication, issuer: str, now: datetime
) -> list[PublishedList]:
    """Return the lists of *issuer*, that of everything first."""
    async with store.read() as connection:
        records = await lists.list_crls(connection, issuer)
        sizes = await lists.sizes(connection, issuer)
        named = await lists.partitions(connection, issuer, now - publication.lifetime)
    scopes = {WHOLE, *partition_names(publication.partitions), *named}
    kinds = {CRLKind.FULL} | ({CRLKind.DELTA} if publication.delta_lifetime else set())
    return [
        PublishedList(
            record,
            sizes.get(record.number, 0),
            age_of(record, now),
            kept=record.scope in scopes and record.kind in kinds,
        )
        for record in records
    ]
