"""What the edge remembers of certificates, sessions and decisions, until it changes.

The store is asked once; then the change feed says what to forget. Nothing here
waits except `learn`: a question that memory cannot answer is returned as a
`Missing` value, the caller lets it be learnt and asks again.

A read of the store may overtake or be overtaken by a change. So each batch of the feed raises
`_generation`, and an answer that rests on anything which was named meanwhile is thrown away. What
others do meanwhile is no reason for that: in the morning everybody's first day or text is news.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Final, TypeVar
from weakref import WeakValueDictionary

from gateway.core.assertion import Asserter
from gateway.core.audit import AuditEvent, AuditKind
from gateway.core.changes import Change, ChangeKind
from gateway.core.days import DayUse, Spending
from gateway.core.headers import ASSERTION
from gateway.core.people import Fingerprint, Holder
from gateway.core.ports import EdgeStore, StoreUnavailable
from gateway.core.refusal_kinds import Refusal
from gateway.core.sessions import Session, SessionId
from gateway.core.site import Application
from gateway.core.standing import judge_holder
from gateway.edge.forwarding import field_lines
from gateway.edge.presenting import Elsewhere, Presenting
from policies.model import CLOCKS_DIFFER, Allow

REMEMBERED_MAXIMUM: Final = 100_000
_READS: Final = 5
_NEWS: Final = 1000
"""How many batches are looked through for what a read may have missed; more is all of it."""
_LOOKS: Final = 10
_LOOKS_WITHIN: Final = timedelta(seconds=10)
"""How often the store is asked once more, on one session, before memory is believed: a page that
asks for itself all the time, and is refused, is not to cost a read each time."""
GRANT_LIFETIME: Final = timedelta(seconds=30)
"""Half of an assertion's life: what is forwarded last still lives for the other half."""


@dataclass(frozen=True, slots=True)
class HolderMissing:
    """The certificate has not been looked up."""

    fingerprint: Fingerprint
    certificate: bytes = b""
    """The certificate itself, of somebody who shows it; nobody else can have it judged."""


@dataclass(frozen=True, slots=True)
class SessionMissing:
    """The session has not been looked up."""

    session: SessionId


@dataclass(frozen=True, slots=True)
class RecordMissing:
    """Access is allowed, but that is not in the audit log yet."""

    holder: Holder
    session: SessionId
    app: str
    rule: str
    address: str


@dataclass(frozen=True, slots=True)
class ProofMissing:
    """By what memory holds a code is wanted; the store may know of one that was given just now.

    So too of a use of *app*, on another worker or node.
    """

    session: SessionId
    app: str
    idle: bool
    """Whether its uses are counted."""


@dataclass(frozen=True, slots=True)
class PapersMissing:
    """By what memory holds something is to be accepted or approved; perhaps it was just now."""

    fingerprint: Fingerprint
    certificate: bytes


@dataclass(frozen=True, slots=True)
class UseMissing:
    """Access is allowed, but that *app* is used is not written down yet."""

    session: SessionId
    app: str


@dataclass(frozen=True, slots=True)
class DayMissing:
    """Access is allowed, once a day has been counted that it begins to use up."""

    use: DayUse
    app: Application


_T = TypeVar("_T")  # PEP 695 is not in Python 3.11

Missing = (
    HolderMissing
    | SessionMissing
    | RecordMissing
    | ProofMissing
    | PapersMissing
    | UseMissing
    | DayMissing
)


Ground = tuple[object, ...]
"""What of a request a decision rested on, beside session and application: with another it is
another grant. Nothing, where the rules look at nothing else."""


@dataclass(slots=True, eq=False)  # one is another, though they say the same
class Grant:
    """A decision that a session may use an application, and what it is told of whom.

    Good until *until* at the latest, and only while *live*: whoever holds a
    grant must look at both before each use.
    """

    holder: Holder
    session: Session
    app: Application
    lines: bytes
    until: datetime
    live: bool = True
    wholes: dict[tuple[str, str], bytes] = field(default_factory=dict)
    """The lines with those that say where a request came from, by address and authority."""
    rule: str = ""
    """By which rule, for the log."""
    observed: tuple[str, ...] = ()
    """Against which rules on trial, for the log."""
    told: bool = False
    """Whether the audit log was told of these."""
    turn: datetime | None = None
    """When the policy may say otherwise by itself, and must be asked again; None: never."""
    ground: Ground = ()


class Admission:
    """One worker's memory of who may do what."""

    def __init__(
        self, store: EdgeStore, asserter: Asserter, grace: timedelta, clock: Callable[[], datetime]
    ) -> None:
        """Remember nothing yet; *grace* is how long the feed may be silent."""
        self._store = store
        self._asserter = asserter
        self._grace = grace
        self._clock = clock
        self._generation = 0
        self._news: deque[frozenset[str] | None] = deque(maxlen=_NEWS)
        """What the latest batches have named; None is everything."""
        self._presenting = Presenting(store)
        self._elsewhere = Elsewhere()
        self._holders: dict[Fingerprint, Holder | None] = {}
        self._sessions: dict[SessionId, Session | None] = {}
        self._grants: dict[tuple[SessionId, str, Ground], Grant] = {}
        self._recorded: set[tuple[SessionId, str, str]] = set()
        self._uses: dict[tuple[SessionId, str], datetime] = {}
        self._looks: dict[tuple[SessionId, bool], tuple[datetime, int]] = {}
        self._reliable_until = clock()
        self._spending: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """Whose turn it is to ask for a day, by person, as long as anybody waits for it."""

    def adopt(self, grace: timedelta) -> None:
        """Let the feed be silent for *grace* from its next sign of life on."""
        self._grace = grace

    def believe(self, elsewhere: Elsewhere) -> None:
        """Have the certificates that *elsewhere* means judged when they are shown."""
        self._elsewhere = elsewhere
        # What was looked up before is perhaps one of them, and what was refused good by now; of
        # what the verifier has forgotten meanwhile no feed would tell.
        for fingerprint, holder in [*self._holders.items()]:
            if holder is None or holder.fault:
                del self._holders[fingerprint]

    # Certificates -----------------------------------------------------------

    def holder(
        self, fingerprint: Fingerprint, certificate: bytes = b""
    ) -> Holder | HolderMissing | None:
        """Return who holds the certificate; None: no CA that we believe has issued it."""
        try:
            holder = self._holders[fingerprint]
        except KeyError:
            return HolderMissing(fingerprint, certificate)
        if holder is None and self._elsewhere.issued(certificate):
            # Looked up by somebody who did not have the certificate itself, to have it judged.
            return HolderMissing(fingerprint, certificate)
        return holder

    def judge_holder(self, holder: Holder | None, now: datetime) -> Refusal | None:
        """Say why the certificate opens nothing at *now*, or None where it is good."""
        if holder is None:
            # It may be newer than what we have heard of.
            known = self.reliable(now)
            return Refusal.CERTIFICATE_UNKNOWN if known else Refusal.CERTIFICATE_STATUS_STALE
        return judge_holder(holder, self._reliable_until, now)

    # Sessions and grants ----------------------------------------------------

    def session(self, session: SessionId) -> Session | SessionMissing | None:
        """Return the session; None: there never was one."""
        try:
            return self._sessions[session]
        except KeyError:
            return SessionMissing(session)

    def used_at(self, session: SessionId, app: str, now: datetime) -> datetime | None:
        """Return when *app* was last used on *session*, as far as is known here."""
        found = self._uses.get((session, app))
        # What lies ahead is none, so that the next is noted and takes its place.
        return None if found is not None and found > now + CLOCKS_DIFFER else found

    def may_look(self, session: SessionId, now: datetime, *, page: bool = False) -> bool:
        """Say whether the store may be asked once more for a request on *session*, and count it.

        Those for a person's *page* are counted apart from the rest.
        """
        begin, looks = self._looks.get((session, page), (now, 0))
        if not timedelta() <= now - begin < _LOOKS_WITHIN:
            begin, looks = now, 0
        if looks >= _LOOKS:
            return False
        if len(self._looks) >= REMEMBERED_MAXIMUM:
            self._looks.clear()
        self._looks[session, page] = begin, looks + 1
        return True

    def grant(
        self, session: SessionId, app: Application, now: datetime, ground: Ground = ()
    ) -> Grant | None:
        """Return the grant that is in force, if there is one."""
        grant = self._grants.get((session, app.name, ground))
        return grant if grant is not None and grant.live and now < grant.until else None

    def make_grant(
        self,
        holder: Holder,
        session: Session,
        app: Application,
        decision: Allow,
        address: str,
        ground: Ground = (),
    ) -> Grant | RecordMissing:
        """Turn a decision to allow into a grant, once it is in the audit log."""
        rule = decision.rule
        if (session.id, app.name, rule) not in self._recorded:
            return RecordMissing(holder, session.id, app.name, rule, address)
        now = self._clock()
        person = holder.person
        assert person is not None  # noqa: S101 - judged before any policy is asked
        fields = [
            ("X-Forwarded-User", person.user),
            ("X-Forwarded-Email", person.email),
            ("X-Forwarded-Groups", ",".join(sorted(person.groups))),
            (ASSERTION, self._asserter.sign(person, holder.fingerprint, app.name, now)),
        ]
        if app.user_header is not None:
            fields.append((app.user_header, person.user))
        until = min(now + GRANT_LIFETIME, session.expires_at, holder.ends)
        grant = Grant(
            holder=holder,
            session=session,
            app=app,
            lines=field_lines(*fields),
            until=min(until, decision.until or until, decision.fresh_until or until),
            rule=rule,
            observed=decision.observed,
            turn=decision.until,
            ground=ground,
        )
        if len(self._grants) >= REMEMBERED_MAXIMUM:
            # Not merely dropped: a grant that memory has lost could not be ended.
            self.forget_decisions()
        before = self._grants.get((session.id, app.name, ground))
        if before is not None:
            # Its time is over; but nobody may ever find it live that cannot be ended.
            before.live = False
        self._grants[session.id, app.name, ground] = grant
        return grant

    # Learning and forgetting ------------------------------------------------

    async def learn(self, missing: Missing) -> None:
        """Ask the store for what is *missing*; raise `StoreUnavailable` where it cannot say."""
        match missing:
            case HolderMissing(fingerprint, certificate) | PapersMissing(fingerprint, certificate):
                holder = await self._find_holder(fingerprint, certificate)
                if len(self._holders) >= REMEMBERED_MAXIMUM:
                    self._holders.clear()
                self._holders[fingerprint] = holder
            case SessionMissing(number):
                session = await self._read_session(number)
                if len(self._sessions) >= REMEMBERED_MAXIMUM:
                    self._sessions.clear()
                self._sessions[number] = session
            case RecordMissing():
                await self._record(missing)
            case ProofMissing(number, app, idle):
                self._sessions[number] = await self._read_session(number)
                if idle:
                    self._keep_use(number, app, await self._store.used_at(number, app))
            case UseMissing(number, app):
                self._keep_use(number, app, await self._store.note_use(number, app, self._clock()))
            case DayMissing(use, _):
                await self._spend(use)

    def _keep_use(self, session: SessionId, app: str, at: datetime | None) -> None:
        known = self.used_at(session, app, self._clock())
        if at is None or (known is not None and known > at):
            return
        if len(self._uses) >= REMEMBERED_MAXIMUM:
            self._uses.clear()
        self._uses[session, app] = at

    async def _find_holder(self, fingerprint: Fingerprint, certificate: bytes) -> Holder | None:
        async def ask() -> Holder | None:
            return await self._read(
                lambda: self._store.holder(fingerprint),
                lambda found: _names_of(fingerprint, found),
            )

        holder = await ask()
        if holder is None and self._elsewhere.issued(certificate):
            return await self._presenting.judged(fingerprint, certificate, ask)
        return holder

    async def _read_session(self, number: SessionId) -> Session | None:
        return await self._read(
            lambda: self._store.session(number), lambda _: frozenset({str(number)})
        )

    async def _read(
        self, ask: Callable[[], Awaitable[_T]], names: Callable[[_T], frozenset[str]]
    ) -> _T:
        """Ask the store until nothing came in between that would have ended what it answers.

        *names* are what an answer is forgotten by, once it is remembered.
        """
        for _ in range(_READS):
            generation = self._generation
            answer = await ask()
            if not self._changed_since(generation, names(answer)):
                return answer
        message = "the store changes faster than it can be read"
        raise StoreUnavailable(message)

    def _changed_since(self, generation: int, names: frozenset[str]) -> bool:
        missed = self._generation - generation
        return missed > len(self._news) or any(
            touched is None or not touched.isdisjoint(names)
            for touched in islice(reversed(self._news), missed)
        )

    async def _record(self, missing: RecordMissing) -> None:
        # Awaited before anything is forwarded: no audit record, no access.
        await self._store.record(
            AuditEvent(
                AuditKind.ACCESS_ALLOWED,
                self._clock(),
                user=missing.holder.user,
                serial=missing.holder.serial,
                device=missing.holder.device,
                app=missing.app,
                address=missing.address,
                detail={"rule": missing.rule},
            )
        )
        if len(self._recorded) >= REMEMBERED_MAXIMUM:
            self._recorded.clear()
        self._recorded.add((missing.session, missing.app, missing.rule))

    async def _spend(self, use: DayUse) -> None:
        """Let a day count, if it may; what is remembered of the person is from before it.

        A browser begins with several requests at once: one asks the store, and the others find
        that the person has to be looked up anew, or was.
        """
        session, spend = use.session, use.spend
        async with self._spending.setdefault(session.user, asyncio.Lock()):
            holder = self._holders.get(session.fingerprint)
            if holder is None or spend.day in holder.papers.days_of(spend.quota):
                return
            spending = await self._store.spend_day(use)
            changes = [Change(0, ChangeKind.USER, session.user)]
            if spending is Spending.REFUSED:
                # Perhaps the session is over, of which the feed has not told yet.
                changes.append(Change(0, ChangeKind.SESSION, session.id))
            # By its answer and not only by the feed, which comes a little later.
            self.forget(tuple(changes))

    def confirm(self, heard: datetime) -> None:
        """Note that memory is as new as *heard*: it is good for another *grace* from then."""
        self._reliable_until = heard + self._grace

    def silence(self, now: datetime) -> timedelta:
        """Return for how long nothing was heard of the feed."""
        return now - (self._reliable_until - self._grace)

    def reliable(self, now: datetime) -> bool:
        """Say whether the feed has been heard within the grace."""
        return now <= self._reliable_until

    def forget(self, changes: tuple[Change, ...]) -> None:
        """Forget what *changes* name."""
        touched = frozenset(change.key for change in changes)
        self._hear(touched)
        for change in changes:
            match change.kind:
                case ChangeKind.CERTIFICATE:
                    self._holders.pop(Fingerprint(change.key), None)
                case ChangeKind.USER | ChangeKind.TRUST:
                    self._forget_holders(change)
                case ChangeKind.SESSION:
                    self._sessions.pop(SessionId(change.key), None)
                case ChangeKind.CRL | ChangeKind.PRESENTED:
                    # What a CRL says, the certificate's own row has said before; what is
                    # shown is the verifier's to judge.
                    pass
        self._presenting.tell(touched)
        for grant in [*self._grants.values()]:
            session = grant.session
            trust = grant.holder.trust
            if not touched.isdisjoint((session.fingerprint, session.user, session.id, trust)):
                self._end(grant)

    def _forget_holders(self, change: Change) -> None:
        of_user = change.kind is ChangeKind.USER
        for holder in [*self._holders.values()]:
            if holder is not None and change.key == (holder.user if of_user else holder.trust):
                del self._holders[holder.fingerprint]

    def forget_everything(self) -> None:
        """Forget all, after a gap in the feed."""
        self._hear(None)
        self._holders.clear()
        self._sessions.clear()
        self.forget_decisions()
        self._presenting.tell()

    def _hear(self, touched: frozenset[str] | None) -> None:
        self._generation += 1
        self._news.append(touched)

    def forget_decisions(self) -> None:
        """Forget what was decided, for the policies have changed."""
        for grant in [*self._grants.values()]:
            self._end(grant)

    def _end(self, grant: Grant) -> None:
        grant.live = False
        del self._grants[grant.session.id, grant.app.name, grant.ground]


def _names_of(fingerprint: Fingerprint, holder: Holder | None) -> frozenset[str]:
    """Return what a remembered *holder* is forgotten by; None: nobody was found."""
    own = {str(fingerprint)}
    return frozenset(own if holder is None else own | {holder.user, holder.trust})
