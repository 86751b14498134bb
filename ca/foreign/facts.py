"""What a revocation list says of itself: whose it is, for what, in which order, until when.

The entries are not here (`revoked`); so this is kept, compared and shown without them.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_LONGEST_URL: Final = 2048


class Only(StrEnum):
    """For which certificates of its CA a list is. Values are written to disk: only ever added."""

    ALL = "all"
    USERS = "users"
    AUTHORITIES = "authorities"


@dataclass(frozen=True, slots=True)
class ListFacts:
    """A list's head, verified.

    *authority* is whose it is (`authority_of`), and *issuer* the same in words. *number* is None
    where it has none; *base* makes it a delta, onto full lists of this number and later ones.
    *points* are the names of the distribution point that it is for (`name_text`), none: for all.
    *fresh* are the addresses of its delta, each a choice of several. *digest* is SHA-256 of the
    list in DER, in hexadecimal.
    """

    authority: str
    issuer: str
    number: int | None
    base: int | None
    this_update: datetime
    next_update: datetime
    points: tuple[str, ...]
    only: Only
    fresh: tuple[tuple[str, ...], ...]
    digest: str

    @property
    def scope(self) -> str:
        """What it is for, as text: full lists and deltas of one scope belong together."""
        return "\n".join((self.authority, self.only, *sorted(self.points)))

    @property
    def name(self) -> str:
        """What it is called in sentences."""
        kind = "list" if self.base is None else "delta list"
        return kind if self.number is None else f"{kind} number {self.number}"


def authority_of(certificate: x509.Certificate) -> str:
    """Identify a CA: the same for all its certificates of one name and key.

    A CA that changes its key and keeps its name publishes a list for each (RFC 5280, 6.3.3).
    """
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(certificate.subject.public_bytes() + key).hexdigest()


def name_text(name: x509.GeneralName) -> str:
    """Write *name* so that two are the same exactly when their texts are."""
    if isinstance(name, x509.DirectoryName):
        return f"DirectoryName {name.value.public_bytes().hex()}"
    # Python's writing of a value names its kind and all of it, in one line.
    return repr(name)


def urls_of(names: Iterable[x509.GeneralName] | None) -> tuple[str, ...]:
    """Return those of *names* that are URLs as one writes them: printable, and not endless.

    The others would stand in logs and nowhere else.
    """
    return tuple(
        name.value
        for name in names or ()
        if isinstance(name, x509.UniformResourceIdentifier)
        and name.value.isprintable()
        and len(name.value) <= _LONGEST_URL
    )


def pack_facts(facts: ListFacts) -> dict[str, Any]:
    """Make of *facts* what JSON can hold."""
    return {
        "authority": facts.authority,
        "issuer": facts.issuer,
        "number": facts.number,
        "base": facts.base,
        "this_update": facts.this_update.isoformat(),
        "next_update": facts.next_update.isoformat(),
        "points": facts.points,
        "only": facts.only,
        "fresh": facts.fresh,
        "digest": facts.digest,
    }


def unpack_facts(packed: dict[str, Any]) -> ListFacts:
    """Read what `pack_facts` has made, and nothing else: raises KeyError, TypeError, ValueError."""
    return ListFacts(
        authority=packed["authority"],
        issuer=packed["issuer"],
        number=packed["number"],
        base=packed["base"],
        this_update=datetime.fromisoformat(packed["this_update"]),
        next_update=datetime.fromisoformat(packed["next_update"]),
        points=tuple(packed["points"]),
        only=Only(packed["only"]),
        fresh=tuple(map(tuple, packed["fresh"])),
        digest=packed["digest"],
    )
