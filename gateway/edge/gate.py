"""The gate: from a request to a verdict, the questions in their order.

Reads top to bottom as the whole access rule of the edge. Every question is
answered from memory; what memory lacks comes back as a `Missing` value, is
learnt, and the gate is asked again from the top.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from urllib.parse import parse_qs, quote

from gateway.core.audit import AuditEvent, AuditKind
from gateway.core.cookies import cookie_header, mint_cookie, read_cookie, read_ticket
from gateway.core.days import DayUse
from gateway.core.headers import (
    EDGE_ADDRESS,
    EDGE_FINGERPRINT,
    EDGE_LISTENER,
    EDGE_SESSION,
    Listener,
)
from gateway.core.people import Holder
from gateway.core.refusal_kinds import Refusal
from gateway.core.routes import RESERVED_PREFIX
from gateway.core.sessions import Session, SessionId
from gateway.core.site import Application, Site
from gateway.edge.admission import (
    Admission,
    DayMissing,
    Grant,
    HolderMissing,
    Missing,
    PapersMissing,
    ProofMissing,
    RecordMissing,
    SessionMissing,
    UseMissing,
)
from gateway.edge.answers import is_navigation
from gateway.edge.fields import Field, our_cookies
from gateway.edge.forwarding import (
    certificate_lines,
    claimed_fields,
    field_lines,
    forwarded_fields,
    request_tail,
)
from gateway.edge.heads import RequestHead
from gateway.edge.rewriting import ForeignDestination, Rewriting
from gateway.edge.ruling import (
    TOLD_TO_ANYBODY,
    ground_by,
    ground_of,
    refusal_of,
    rule_again,
    subject_in,
    use_noted_until,
)
from gateway.edge.tls import chain_above
from gateway.edge.uploads import body_maximum, too_large
from gateway.edge.verdicts import Door, Forward, Peer, Redirect, Refuse, Verdict
from policies.decide import decide
from policies.model import (
    Allow,
    Deny,
    Reason,
    RequestFacts,
    Spend,
    StepUp,
)

_CLAIMS_SHOWN: Final = 200
_REMEMBERED_COOKIES: Final = 10_000
_LONGEST_REMEMBERED: Final = 1024
# Quoting makes an address up to three times as long, and what is longer than this the
# portal's own target would be refused for.
_SIGN_IN: Final = "/sign-in?to="
_CONFIRM: Final = "/confirm?to="
_RESERVED: Final = RESERVED_PREFIX.encode()
# Those of RFC 9110, section 9, that pass at all, and PATCH.
_OF_THE_PORTAL: Final = frozenset(
    {b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH"}
)
ENTER_PATH: Final = _RESERVED + b"enter"
_REMEMBERED_WHOLES: Final = 16
_PAPERS: Final = frozenset({Reason.AGREEMENT_MISSING, Reason.APPROVAL_MISSING})
"""What people and their managers do something about at the portal, and come back."""
_Numbers = tuple[SessionId | None, ...]


@dataclass(slots=True, eq=False)
class _Found:
    """The live session of a request, if any; *event* tells of cookies that were no good."""

    session: Session | None
    event: AuditEvent | None = None


class Gate:
    """Judges requests for one worker."""

    def __init__(
        self,
        site: Site,
        applications: Mapping[str, Application],
        admission: Admission,
        cookie_key: bytes,
        issuers: tuple[bytes, ...],
        clock: Callable[[], datetime],
    ) -> None:
        """*applications* by name, replaced as a whole by `adopt`; *issuers* in DER."""
        self.site = site
        self._admission = admission
        self._cookie_key = cookie_key
        self._issuers = issuers
        self._clock = clock
        self._by_host: dict[str, Application] = {}
        self._cookies: dict[tuple[bytes, str], _Numbers] = {}
        self.adopt(applications)

    def adopt_site(self, site: Site, issuers: tuple[bytes, ...]) -> None:
        """Say from now on what *site* says, and hand on *issuers*."""
        self.site, self._issuers = site, issuers

    def adopt(self, applications: Mapping[str, Application]) -> None:
        """Judge by *applications* from now on; what was decided before is forgotten."""
        self._by_host = {app.host: app for app in applications.values()}
        self._rewritings = {
            app.name: Rewriting(app, self.site)
            for app in applications.values()
            if app.upstream_host is not None
        }
        self._admission.forget_decisions()

    def judge(
        self, peer: Peer, head: RequestHead, *, looked: Collection[type[Missing]] = ()
    ) -> Verdict | Missing:
        """Say what becomes of a request, or what must be learnt first.

        *looked* says which kinds of `Missing` were learnt for this very request.
        """
        if peer.door is Door.PLAIN:
            return self._to_portal(Listener.PLAIN_HTTP, peer, head, _Found(None))
        if peer.server_name != head.host:
            # A connection made under one name never serves another (RFC 9110, 7.4).
            return Refuse(Refusal.MISDIRECTED, close=True)
        if peer.door is Door.PUBLIC:
            return self._to_portal(Listener.PUBLIC, peer, head, _Found(None))
        # A bad certificate is refused at once and never sent to the sign-in.
        now = self._clock()
        app = self._by_host.get(head.host)
        # Nobody without a certificate has a cookie looked at.
        numbers = () if app is None or peer.fingerprint is None else self._numbers(head)
        known = self._known(peer, head, app, numbers, now)
        if known is not None:
            return self._forward(peer, head, known)
        holder = self._certificate(peer, now)
        if not isinstance(holder, Holder):
            return holder
        if app is None and head.host != self.site.host:
            return Refuse(Refusal.UNKNOWN_HOST, close=True)
        if head.target.path.startswith(_RESERVED):
            return self._reserved(peer, holder, head, now)
        found = self._session(peer, holder, numbers or self._numbers(head), now)
        if isinstance(found, SessionMissing):
            return found
        if app is None:
            return self._to_portal(Listener.PORTAL, peer, head, found)
        return self._decide(peer, holder, found, app, head, now, looked=looked)

    def _known(
        self,
        peer: Peer,
        head: RequestHead,
        app: Application | None,
        numbers: _Numbers,
        now: datetime,
    ) -> Grant | None:
        """Return the grant that an earlier request was given and this one may use as well.

        It holds the answers to all the questions below, and whatever changes one of them
        ends it, the hour too. Where there is more than one cookie, or none, or where rules
        look at what is asked for, the questions are asked.
        """
        if app is None or len(numbers) != 1 or not self._admission.reliable(now):
            return None
        number = numbers[0]
        grant = None if number is None else self._granted(number, app, peer, now)
        if grant is None or grant.session.fingerprint != peer.fingerprint:
            return None
        return None if head.target.path.startswith(_RESERVED) else grant

    def _granted(
        self, number: SessionId, app: Application, peer: Peer, now: datetime
    ) -> Grant | None:
        """Return the grant in force that makes asking the policy needless."""
        if app.policy.asks_target:
            return None
        return self._admission.grant(number, app, now, ground_of(app.policy, peer.address))

    def _certificate(self, peer: Peer, now: datetime) -> Holder | Refuse | HolderMissing:
        if peer.fingerprint is None:
            return Refuse(Refusal.NO_CERTIFICATE, close=True)
        holder = self._admission.holder(peer.fingerprint, peer.certificate)
        if isinstance(holder, HolderMissing):
            return holder
        refusal = self._admission.judge_holder(holder, now)
        if refusal is None and holder is not None:
            return holder
        refusal = refusal or Refusal.CERTIFICATE_UNKNOWN
        event = self._event(AuditKind.CERTIFICATE_REFUSED, peer, holder, "", refusal)
        return Refuse(refusal, event, close=True)

    def name_of(self, host: str) -> str:
        """Return the name of the application at *host*, or "" where there is none."""
        app = self._by_host.get(host)
        return "" if app is None else app.name

    def judge_certificate(self, peer: Peer) -> Refuse | HolderMissing | None:
        """Say why the certificate of *peer* opens nothing, what must be learnt first, or None."""
        judged = self._certificate(peer, self._clock())
        return None if isinstance(judged, Holder) else judged

    def judge_again(
        self,
        grant: Grant,
        holder: Holder,
        facts: RequestFacts | None,
        address: str,
        session: Session | None = None,
    ) -> Allow | Refusal:
        """Say whether what *grant* allowed would be allowed again now, by today's policies.

        *facts* is the request that is under way; None: none is, on a connection from *address*.
        *session* is how that of the grant stands now, where it may have changed.
        """
        app = self._by_host.get(grant.app.host)
        if app is None or app.name != grant.app.name:
            return Refusal.NOT_ALLOWED
        # One of several may go: what is under way there may finish. Where none is left
        # of those there were, this is another application under an old name.
        if set(app.upstreams).isdisjoint(grant.app.upstreams):
            return Refusal.NOT_ALLOWED
        subject = subject_in(holder, session or grant.session)
        return rule_again(app.policy, subject, facts, address, grant.rule, self._clock())

    def _decide(
        self,
        peer: Peer,
        holder: Holder,
        found: _Found,
        app: Application,
        head: RequestHead,
        now: datetime,
        *,
        looked: Collection[type[Missing]],
    ) -> Verdict | Missing:
        session, policy, address = found.session, app.policy, peer.address
        if session is not None and (known := self._granted(session.id, app, peer, now)):
            # Decided before, and nothing has changed since.
            return self._forward(peer, head, known)
        facts = RequestFacts(head.method.decode(), head.target.path.decode(), address)
        used_at = (
            None
            if session is None or policy.idle is None
            else self._admission.used_at(session.id, app.name, now)
        )
        subject = subject_in(holder, session, used_at)
        match decide(policy, subject, facts, now):
            case Deny() as denied:
                refusal, opens = refusal_of(policy, subject, facts, denied, now)
                if session is None and refusal not in TOLD_TO_ANYBODY:
                    # Perhaps somebody with a stick that they have found.
                    return self._sign_in(head, found.event)
                # As below: it may have been accepted or approved a moment ago.
                again = denied.reason in _PAPERS and PapersMissing not in looked
                again = again and self._may_look(session, head, now)
                missing = PapersMissing(holder.fingerprint, peer.certificate) if again else None
                return missing or self._deny(peer, holder, app, denied, refusal, opens)
            case Allow(spends=Spend() as spend) if session is not None:
                use = DayUse(session, spend, app.name, holder.serial, holder.device, address)
                return self._unfit(app, head) or DayMissing(use, app)
            case Allow() as allowed if session is not None:
                noted = use_noted_until(policy.idle, used_at)
                if noted is not None and noted <= now:
                    return UseMissing(session.id, app.name)
                return self._allow(peer, holder, session, app, head, allowed, now=now, noted=noted)
            case StepUp() if session is not None:
                # It may have been given at the portal a moment ago, and the feed not say so yet.
                again = ProofMissing not in looked and self._may_look(session, head, now)
                proof = ProofMissing(session.id, app.name, policy.idle is not None)
                return proof if again else self._confirm(head, found.event)
            case Allow() | StepUp():
                return self._sign_in(head, found.event)

    def _may_look(self, session: Session | None, head: RequestHead, now: datetime) -> bool:
        """Say whether the store is asked once more for this very request before it is refused.

        Counted by itself for a person's pages: whoever comes back from the portal is not sent
        there again because something in another window asks all the time.
        """
        page = is_navigation(head)
        return session is not None and self._admission.may_look(session.id, now, page=page)

    def _allow(
        self,
        peer: Peer,
        holder: Holder,
        session: Session,
        app: Application,
        head: RequestHead,
        allowed: Allow,
        *,
        now: datetime,
        noted: datetime | None,
    ) -> Verdict | Missing:
        """Forward by the grant there is, or by a new one; after *noted* a use is to be noted."""
        ground = ground_by(app.policy, peer.address, allowed)
        grant: Grant | RecordMissing | None = self._admission.grant(session.id, app, now, ground)
        if grant is None:
            if noted is not None:
                until = noted if allowed.fresh_until is None else min(noted, allowed.fresh_until)
                allowed = replace(allowed, fresh_until=until)
            grant = self._admission.make_grant(holder, session, app, allowed, peer.address, ground)
        if isinstance(grant, RecordMissing):
            return grant
        forward = self._forward(peer, head, grant)
        if grant.observed and not grant.told and isinstance(forward, Forward):
            grant.told = True
            forward.observed = self._observed(peer, holder, app, allowed)
        return forward

    def _deny(
        self,
        peer: Peer,
        holder: Holder,
        app: Application,
        denied: Deny,
        refusal: Refusal,
        opens: datetime | None,
    ) -> Refuse:
        """Refuse, and say when it opens again where that is a matter of time."""
        event = self._event(AuditKind.ACCESS_DENIED, peer, holder, app.name, denied.reason)
        if denied.rule is not None:
            event = replace(event, detail=event.detail | {"rule": denied.rule})
        return Refuse(refusal, event, opens_at=opens and opens.astimezone(self.site.time_zone))

    def _unfit(self, app: Application, head: RequestHead) -> Refuse | None:
        """Refuse what its form refuses whatever the rules say: it uses up no day.

        Nor does what a browser fetches because somebody may come to want it (`Sec-Purpose`, HTML
        Standard, 2.4.1): what is typed or pointed at is not asked for yet, and it asks again then.
        """
        if b"prefetch" in (head.first(b"sec-purpose") or b""):
            return Refuse(Refusal.CROSS_SITE_REQUEST)
        if too_large(head.body, body_maximum(self.site.limits, app)):
            return Refuse(Refusal.BODY_TOO_LARGE, close=True)
        if app.upstream_host is not None:
            try:
                self._rewritings[app.name].request(head)
            except ForeignDestination:
                return Refuse(Refusal.BAD_REQUEST)
        return None

    def _observed(self, peer: Peer, holder: Holder, app: Application, allowed: Allow) -> AuditEvent:
        """Tell the audit log of a rule on trial: what it would have refused."""
        event = self._event(AuditKind.ACCESS_OBSERVED, peer, holder, app.name, Reason.RULE_DENIES)
        return replace(event, detail=event.detail | {"rule": ", ".join(allowed.observed)})

    def _forward(self, peer: Peer, head: RequestHead, grant: Grant) -> Forward | Refuse:
        app = grant.app
        ours = grant.wholes.get((peer.address, head.authority))
        if ours is None:
            ours = self._ours(peer, head, grant)
        if app.upstream_host is not None:
            try:
                head = self._rewritings[app.name].request(head)
            except ForeignDestination:
                return Refuse(Refusal.BAD_REQUEST)
        tail = request_tail(head, ours, app.user_header)
        claims = claimed_fields(head, app.user_header)
        event = self._claims(peer, grant.holder, app, claims) if claims else None
        # Where rules look at what is asked for, what was decided for one is not for the next.
        return Forward(
            tail, grant, grant.session.id, event, rememberable=not app.policy.asks_target
        )

    def _ours(self, peer: Peer, head: RequestHead, grant: Grant) -> bytes:
        """Return everything of ours that goes upstream, and keep it with the grant."""
        ours = grant.lines + forwarded_fields(peer.address, head.authority)
        if grant.app.client_certificate:
            # That of the session, so the same on all connections that use the grant.
            ours += certificate_lines(
                peer.certificate, chain_above(peer.certificate, self._issuers)
            )
        if len(grant.wholes) >= _REMEMBERED_WHOLES:
            grant.wholes.clear()
        grant.wholes[peer.address, head.authority] = ours
        return ours

    def _claims(self, peer: Peer, holder: Holder, app: Application, claims: str) -> AuditEvent:
        """Tell the audit log of a client that says itself who it is; no application hears it."""
        event = self._event(AuditKind.IDENTITY_CLAIMED, peer, holder, app.name, "")
        return replace(event, detail={"fields": claims[:_CLAIMS_SHOWN]})

    def _session(
        self, peer: Peer, holder: Holder, numbers: _Numbers, now: datetime
    ) -> _Found | SessionMissing:
        """Find the live session of the request among those that its cookies name.

        It is of this certificate and of this person: whom a certificate of another CA names may
        change, and the next one has not signed in.
        """
        trouble: str | None = None
        for number in numbers:
            if number is None:
                trouble = "forged-cookie"
                continue
            session = self._admission.session(number)
            if isinstance(session, SessionMissing):
                return session
            if session is None or not session.live(now):
                trouble = trouble or "session-over"
                continue
            if session.fingerprint == peer.fingerprint and session.user == holder.user:
                return _Found(session)
            trouble = Refusal.SESSION_OF_ANOTHER_CERTIFICATE
        if trouble is None:
            return _Found(None)
        return _Found(None, self._event(AuditKind.SESSION_REFUSED, peer, holder, "", trouble))

    def _numbers(self, head: RequestHead) -> _Numbers:
        """Return the sessions that the cookies of a request name; None for a forged cookie.

        What was read before is not read again: our cookie is the same with each request of a
        browser, whatever cookies of the application come and go beside it.
        """
        found: _Numbers = ()
        for field in head.odd:
            if field.name == b"cookie":
                numbers = self._cookies.get((field.said, head.host))
                if numbers is None:
                    numbers = self._read_cookies(field, head.host)
                found += numbers
        return found

    def _read_cookies(self, field: Field, host: str) -> _Numbers:
        numbers = tuple(
            read_cookie(self._cookie_key, cookie, host) for cookie in our_cookies(field)
        )
        if len(field.said) <= _LONGEST_REMEMBERED:
            if len(self._cookies) >= _REMEMBERED_COOKIES:
                self._cookies.clear()
            self._cookies[field.said, host] = numbers
        return numbers

    def _sign_in(self, head: RequestHead, event: AuditEvent | None) -> Refuse | Redirect:
        """Send a person to the sign-in and back; tell a program that it lacks a session."""
        if not is_navigation(head):
            return Refuse(Refusal.SESSION_REQUIRED, event)
        return self._to_page(_SIGN_IN, head, event)

    def _confirm(self, head: RequestHead, event: AuditEvent | None) -> Refuse | Redirect:
        """Send a person who is signed in to where a code is asked for; a program cannot type one.

        Nor is there any page to come back to for whoever sends something, or opens a WebSocket.
        """
        if not is_navigation(head):
            return Refuse(Refusal.CODE_REQUIRED, event)
        return self._to_page(_CONFIRM, head, event)

    def _to_page(self, page: str, head: RequestHead, event: AuditEvent | None) -> Redirect:
        """Send a person to *page* of the portal, from where they come back to what they wanted."""
        origin = self.site.origin(head.host)
        wanted = quote(origin + head.target.wire.decode("latin-1"), safe="")
        if len(page) + len(wanted) > self.site.limits.target_bytes:
            wanted = quote(f"{origin}/", safe="")
        portal = self.site.origin(self.site.host)
        return Redirect(f"{portal}{page}{wanted}", event=event)

    def _reserved(
        self, peer: Peer, holder: Holder, head: RequestHead, now: datetime
    ) -> Verdict | Missing:
        """Answer what lies under our own prefix: the hand-over from the portal, nothing else."""
        if head.target.path != ENTER_PATH or head.method not in {b"GET", b"HEAD"}:
            return Refuse(Refusal.NOT_FOUND)
        query = parse_qs((head.target.query or b"").decode("latin-1"), keep_blank_values=True)
        ticket, to = query.get("ticket", [""])[0], query.get("to", ["/"])[0]
        refused = Refuse(
            Refusal.TICKET_REFUSED,
            self._event(AuditKind.SESSION_REFUSED, peer, holder, "", Refusal.TICKET_REFUSED),
        )
        number = read_ticket(self._cookie_key, ticket, head.host, holder.fingerprint, to, now)
        if number is None or not _is_path(to):
            return refused
        session = self._admission.session(number)
        if isinstance(session, SessionMissing):
            return session
        if session is None or not session.live(now):
            return refused
        if session.fingerprint != peer.fingerprint or session.user != holder.user:
            return refused
        cookie = mint_cookie(self._cookie_key, session.id, head.host)
        return Redirect(self.site.origin(head.host) + to, cookie_header(cookie))

    def _to_portal(
        self, listener: Listener, peer: Peer, head: RequestHead, found: _Found
    ) -> Forward | Refuse:
        if head.method not in _OF_THE_PORTAL:
            # It would complain of what it cannot read, with each request of any stranger.
            return Refuse(Refusal.METHOD_UNKNOWN)
        fields = [(EDGE_LISTENER, listener.value), (EDGE_ADDRESS, peer.address)]
        if listener is Listener.PORTAL and peer.fingerprint is not None:
            fields.append((EDGE_FINGERPRINT, peer.fingerprint))
        session = None if found.session is None else found.session.id
        if session is not None:
            fields.append((EDGE_SESSION, session))
        return Forward(request_tail(head, field_lines(*fields)), None, session, found.event)

    def _event(
        self, kind: AuditKind, peer: Peer, holder: Holder | None, app: str, reason: str
    ) -> AuditEvent:
        return AuditEvent(
            kind,
            self._clock(),
            user=holder.user if holder else "",
            serial=holder.serial if holder else "",
            device=holder.device if holder else "",
            app=app,
            address=peer.address,
            reason=str(reason),
            detail=_detail(peer, holder),
        )


def _detail(peer: Peer, holder: Holder | None) -> dict[str, str]:
    if holder is None:
        return {"fingerprint": peer.fingerprint or ""}
    if not holder.trust:
        return {}
    # Its serial number is unique with its own CA only, and it may be nobody's.
    detail = {"trust": holder.trust, "fingerprint": holder.fingerprint}
    return detail | ({"fault": holder.fault} if holder.fault else {})


def _is_path(to: str) -> bool:
    # The ticket's MAC has covered it; this is the second lock on the door.
    plain = to.isascii() and to.isprintable() and " " not in to
    return plain and to.startswith("/") and not to.startswith(("//", "/\\"))
