"""How often strangers may try something: a few times at once, then at a steady pace.

The generic cell rate algorithm (ITU-T I.371, annex A): of each key one moment is kept, by which
everything that it has done would be paid for at the steady pace. It is never locked: whoever has
been quick waits for one step and no longer, however many have tried.

Kept in memory, on purpose. Strangers write nothing into the store, whose one writer serves the
sign-ins too, and no trace of what they type is kept anywhere.
"""

from collections import OrderedDict
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

_NEIGHBOURS: Final = 64
"""The prefix of IPv6 that one customer has at least (RFC 6177): its addresses cost nothing."""


class Pace:
    """Counts attempts by key: *burst* at once, then one every *step*."""

    def __init__(self, burst: int, step: timedelta, keys: int) -> None:
        """Remember at most *keys*; the one that was quiet for longest is forgotten first."""
        self._slack = step * (burst - 1)
        self._step = step
        self._most = keys
        self._paid_at: OrderedDict[bytes, datetime] = OrderedDict()

    def take(self, key: bytes, now: datetime) -> datetime | None:
        """Count an attempt with *key*; or return from when on the next is free, and count nothing."""
        paid_at = max(now, self._paid_at.get(key, now))
        if paid_at - now > self._slack:
            return paid_at - self._slack
        self._paid_at[key] = paid_at + self._step
        self._paid_at.move_to_end(key)
        if len(self._paid_at) > self._most:
            self._paid_at.popitem(last=False)
        return None

    def give_back(self, key: bytes, now: datetime) -> None:
        """Take back one attempt with *key*: it was no guess.

        Whoever owes nothing after that is not remembered: else attempts that cost nothing would
        have those forgotten that did.
        """
        paid_at = self._paid_at.get(key)
        if paid_at is None:
            return
        if paid_at - self._step <= now:
            del self._paid_at[key]
        else:
            self._paid_at[key] = paid_at - self._step


def neighbourhood(address: str) -> bytes:
    """Return whom *address* stands for: itself, or with IPv6 the network of its customer.

    An IPv4 address in the clothes of IPv6 (``::ffff:192.0.2.7``) is itself: on a socket for both
    everybody with IPv4 would otherwise be one neighbourhood. What is no address is one too.
    """
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return b""
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is None:
            return ip_network((found, _NEIGHBOURS), strict=False).network_address.packed
        found = found.ipv4_mapped
    return found.packed
