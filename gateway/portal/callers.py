"""Who calls: what the edge says, and what the store knows of it.

The edge has found certificate and session good before it passes a request on.
The portal does not lean on that: it asks the store once more, so a mistake in
one of them is not enough.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from aiohttp import web

from gateway.core.foreign import refusal_of
from gateway.core.headers import (
    EDGE_ADDRESS,
    EDGE_FINGERPRINT,
    EDGE_LISTENER,
    EDGE_SESSION,
    Listener,
)
from gateway.core.people import Fingerprint, Holder, Person
from gateway.core.refusals import Refusal
from gateway.core.sessions import Session, SessionId
from gateway.portal.refuse import Refused, request_id
from gateway.store import Actor


@dataclass(frozen=True, slots=True)
class Caller:
    """What the edge says of one request."""

    listener: Listener
    address: str
    fingerprint: Fingerprint | None
    session: SessionId | None
    request: str = ""
    """The id that the edge has given to the request."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody at the portal: a certificate in force, an enabled person, perhaps signed in."""

    address: str
    holder: Holder
    person: Person
    session: Session | None
    request: str = ""
    """The id of the request, for the audit log."""


def actor_of(visitor: Visitor, session: Session) -> Actor:
    """Say who does something on *session*, for the store."""
    holder = visitor.holder
    return Actor(session, holder.serial, holder.device, visitor.address, visitor.request)


class NotBehindTheEdge(Exception):
    """The words of the edge are missing or senseless: somebody else speaks on our socket."""


class Records(Protocol):
    """What the store is asked about a caller."""

    async def holder(self, fingerprint: Fingerprint) -> Holder | None:
        """Return the holder of a certificate."""
        ...

    async def session(self, session: SessionId) -> Session | None:
        """Return a session, ended or not."""
        ...


def read_caller(request: web.Request) -> Caller:
    """Read what the edge says; raises `NotBehindTheEdge` where it says nothing clear."""
    listener = _only(request, EDGE_LISTENER)
    try:
        door = Listener(listener or "")
    except ValueError as error:
        raise NotBehindTheEdge(f"{EDGE_LISTENER} is {listener!r}") from error
    fingerprint, session = _only(request, EDGE_FINGERPRINT), _only(request, EDGE_SESSION)
    return Caller(
        listener=door,
        address=_only(request, EDGE_ADDRESS) or "",
        fingerprint=Fingerprint(fingerprint) if fingerprint else None,
        session=SessionId(session) if session else None,
        request=request_id(request),
    )


def _only(request: web.Request, name: str) -> str | None:
    values = request.headers.getall(name, [])
    if len(values) > 1:
        raise NotBehindTheEdge(f"{name} came {len(values)} times")
    return values[0] if values else None


async def admit(caller: Caller, records: Records, now: datetime) -> Visitor:
    """Return the visitor that *caller* is, or raise `Refused` with the reason."""
    if caller.fingerprint is None:
        raise Refused(Refusal.NO_CERTIFICATE)
    holder = await records.holder(caller.fingerprint)
    if holder is None:
        raise Refused(Refusal.CERTIFICATE_UNKNOWN)
    person = person_behind(holder, now)
    if isinstance(person, Refusal):
        raise Refused(person)
    session = await records.session(caller.session) if caller.session is not None else None
    if session is not None and not _belongs(session, holder, now):
        session = None
    return Visitor(caller.address, holder, person, session, caller.request)


def person_behind(holder: Holder, now: datetime) -> Person | Refusal:
    """Return whom *holder* lets in at *now*, or what speaks against it; what is final first."""
    if holder.revoked_at is not None:
        return Refusal.CERTIFICATE_HELD if holder.held else Refusal.CERTIFICATE_REVOKED
    if holder.fault:
        return refusal_of(holder.fault)
    if holder.good_until is not None and now > holder.good_until:
        return Refusal.CERTIFICATE_STATUS_STALE
    if holder.person is None:
        return Refusal.PERSON_UNKNOWN if holder.trust else Refusal.PERSON_REMOVED
    if now < holder.not_before:
        return Refusal.CERTIFICATE_NOT_YET_VALID
    if now > holder.not_after:
        return Refusal.CERTIFICATE_EXPIRED
    return holder.person if holder.person.enabled else Refusal.PERSON_DISABLED


def _belongs(session: Session, holder: Holder, now: datetime) -> bool:
    return (
        session.live(now)
        and session.fingerprint == holder.fingerprint
        and session.user == holder.user
    )
