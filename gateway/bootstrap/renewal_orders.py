"""What is ordered when a certificate is renewed, by whoever does it: the same in every way."""

from datetime import datetime, timedelta

from ca.authority import Order
from ca.errors import IssuanceRefused
from ca.ledger import CertificateRecord
from ca.renewals import Renewal
from gateway.core.people import Person


def order_of_renewal(
    person: Person,
    old: CertificateRecord,
    lifetime: timedelta,
    overlap: timedelta,
    now: datetime,
    *,
    once_used: bool = False,
) -> Order:
    """Order what takes the place of *old*, which goes on for *overlap*; or `IssuanceRefused`.

    *once_used*: the overlap begins with the first use of the new one, which nobody sees to but the
    person themselves. Until then the old one goes on, at the most until its own end.
    """
    until = min(now + overlap, old.not_after)
    if until >= now + lifetime:
        raise IssuanceRefused(["the new certificate would end before the overlap does"])
    return Order(
        user=person.user,
        device=old.device,
        email=person.email or None,
        scope=old.scope,
        lifetime=lifetime,
        renewal=Renewal(old.issuer, old.serial, old.not_after if once_used else until),
    )
