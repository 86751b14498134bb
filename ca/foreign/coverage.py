"""Which lists speak for a certificate, and what lists together say of it.

RFC 5280, section 6.3.3, as far as lists go that are signed by the certificate's own CA.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509

from ca.foreign.certificates import UNREADABLE
from ca.foreign.facts import ListFacts, Only, name_text, urls_of
from ca.foreign.ordering import applies
from ca.foreign.revoked import HIGHEST_SERIAL, Removed, RevokedIndex
from ca.trust import Revocation

_MOST_POINTS: Final = 16


@dataclass(frozen=True, slots=True)
class Points:
    """Where a certificate says that its status is told.

    *names* are those of its distribution points, as `name_text` writes them; *lists* and *deltas*
    hold the URLs of each, any of which will do.
    """

    names: frozenset[str]
    lists: tuple[tuple[str, ...], ...]
    deltas: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class HeldList:
    """A full list in force, and the newest delta to it."""

    full: RevokedIndex
    delta: RevokedIndex | None = None

    @property
    def applied(self) -> RevokedIndex | None:
        """The delta, where it says more than the full list."""
        delta = self.delta
        if delta is None or not applies(delta.facts, self.full.facts):
            return None
        return delta

    @property
    def as_of(self) -> datetime:
        """When what is known by it was true."""
        applied = self.applied
        return (self.full if applied is None else applied).facts.this_update

    def find(self, serial: int) -> Revocation | None:
        """Say whether *serial* is revoked.

        A delta takes nothing back but a hold: what is revoked for good stays so (section 5.3.1).
        """
        listed = self.full.find(serial)
        revocation = listed if isinstance(listed, Revocation) else None
        if revocation is not None and revocation.reason.is_final:
            return revocation
        news = self.applied.find(serial) if self.applied is not None else None
        if isinstance(news, Revocation):
            return news
        return None if isinstance(news, Removed) else revocation


@dataclass(frozen=True, slots=True)
class Known:
    """What lists say of a certificate, and until when the best of them is good (nextUpdate)."""

    revocation: Revocation | None
    until: datetime


def points_of(certificate: x509.Certificate) -> Points:
    """Read where *certificate*, which is believed, says that its lists are.

    Points that are only for some reasons, or at which another CA speaks for its own, are left
    out: their lists would be refused.
    """
    lists = [*_usable(_extension(certificate, x509.CRLDistributionPoints))]
    deltas = [*_usable(_extension(certificate, x509.FreshestCRL))]
    names = frozenset(name_text(name) for point in lists for name in point)
    return Points(names, _urls(lists), _urls(deltas))


def names_lists(certificate: x509.Certificate) -> bool:
    """Say whether *certificate* names any distribution point, be it one that is of no use here."""
    try:
        certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints)
    except x509.ExtensionNotFound:
        return False
    except UNREADABLE:
        # Something stands there, and whoever cannot read it does not know that it is nothing.
        return True
    return True


def covers(facts: ListFacts, certificate: x509.Certificate, points: Points) -> bool:
    """Say whether a list of the CA of *certificate*, whose *points* these are, speaks for it."""
    if facts.points and points.names.isdisjoint(facts.points):
        return False
    match facts.only:
        case Only.ALL:
            return True
        case Only.USERS:
            return not _is_authority(certificate)
        case Only.AUTHORITIES:
            return _is_authority(certificate)


def ask_lists(lists: Iterable[HeldList], serial: int) -> Known | None:
    """Say what *lists*, which all speak for the certificate, know of *serial*.

    One that says revoked for good is believed, however old it is; of the rest the newest is.
    None where nothing is known: there is no list, or none can have such a serial.
    """
    newest_first = sorted(lists, key=lambda one: one.as_of, reverse=True)
    if not newest_first or not 0 <= serial <= HIGHEST_SERIAL:
        return None
    until = max(one.full.facts.next_update for one in newest_first)
    found = [one.find(serial) for one in newest_first]
    final = [one for one in found if one is not None and one.reason.is_final]
    return Known(final[0] if final else found[0], until)


def _extension(
    certificate: x509.Certificate, kind: type[x509.CRLDistributionPoints | x509.FreshestCRL]
) -> Iterable[x509.DistributionPoint]:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except (x509.ExtensionNotFound, *UNREADABLE):
        return ()


def _usable(points: Iterable[x509.DistributionPoint]) -> Iterator[tuple[x509.GeneralName, ...]]:
    for point in [*points][:_MOST_POINTS]:
        if point.full_name and point.reasons is None and point.crl_issuer is None:
            yield tuple(point.full_name[:_MOST_POINTS])


def _urls(points: list[tuple[x509.GeneralName, ...]]) -> tuple[tuple[str, ...], ...]:
    return tuple(urls for point in points if (urls := urls_of(point)))


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, *UNREADABLE):
        return False
