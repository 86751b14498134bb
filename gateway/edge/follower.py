"""The change feed, as the edge follows it: forget what changed, cut what may no longer be."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable

from gateway.core.audit import AuditEvent, AuditKind
from gateway.core.changes import Change, ChangeKind
from gateway.core.people import Fingerprint, Holder
from gateway.core.ports import StoreUnavailable
from gateway.core.refusal_kinds import Refusal
from gateway.core.sessions import Session
from gateway.edge.admission import HolderMissing, SessionMissing
from gateway.edge.connections import SWEEP_SECONDS, cut_all
from gateway.edge.cut_reasons import CutReason
from gateway.edge.downstream import Downstream
from gateway.edge.edge import Edge

log = logging.getLogger("pusterla.edge")

_FIRST_WAIT = 0.1
_LONGEST_WAIT = 2.0
_AT_ONCE = 200
_SILENT_SECONDS = 2.0
"""How long a connection may ask nothing before its certificate is judged all the same."""
_CUTS = {
    Refusal.OUTSIDE_HOURS: CutReason.OUTSIDE_HOURS,
    # Of the application's own: it asks for a new sign-in.
    Refusal.SESSION_REQUIRED: CutReason.SESSION_ENDED,
}


async def follow(edge: Edge, heard: Callable[[], None]) -> None:
    """Follow the feed for ever; *heard* is called when it is heard for the first time.

    When the store does not answer, it is asked again and again, and after the
    grace the gate refuses by itself. What was missed meanwhile is made up for
    by forgetting everything.
    """
    wait = _FIRST_WAIT
    while True:
        try:
            first = True
            async for batch in edge.store.follow():
                heard_at = edge.clock()
                if first or batch.gap:
                    edge.admission.forget_everything()
                    await recheck(edge, edge.connections)
                elif batch.changes:
                    await _take_in(edge, batch.changes)
                # Only now is what memory holds as new as this batch; but no newer.
                edge.admission.confirm(heard_at)
                heard()
                first, wait = False, _FIRST_WAIT
        except StoreUnavailable as error:
            log.warning("the change feed is silent: %s; asking again in %.1f s", error, wait)
        await asyncio.sleep(wait)
        wait = min(2 * wait, _LONGEST_WAIT)


async def _take_in(edge: Edge, changes: tuple[Change, ...]) -> None:
    edge.admission.forget(changes)
    touched: set[Downstream] = set()
    for change in changes:
        match change.kind:
            case ChangeKind.CERTIFICATE:
                touched.update(edge.connections.of(Fingerprint(change.key)))
            case ChangeKind.USER:
                touched.update(c for c in edge.connections if c.user == change.key)
            case ChangeKind.SESSION:
                touched.update(c for c in edge.connections if c.session == change.key)
            case ChangeKind.TRUST:
                touched.update(c for c in edge.connections if c.trust == change.key)
            case ChangeKind.CRL | ChangeKind.PRESENTED:
                pass
    await recheck(edge, touched)


async def reconsider(edge: Edge) -> None:
    """Judge what rests on a decision anew, for the policies are others now.

    Nothing but this would cut what they no longer allow, so where memory does not
    know and the store does not answer, it is asked until it does.
    """
    await _judge_anew(edge, [c for c in edge.connections if c.grant is not None])


async def watch_turns(edge: Edge) -> None:
    """Judge what rests on a decision anew when its time is over, for ever.

    So what is open at the end of somebody's hours is cut then, give or take a sweep, and waits
    for nothing that the store has to be asked of others. When the clock was put back, nothing
    that was decided is believed: it may not be allowed yet.
    """
    before = edge.clock()
    unknown: set[Downstream] = set()
    asking: asyncio.Task[None] | None = None
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        now = edge.clock()
        put_back, before = now < before, now
        if put_back:
            edge.admission.forget_decisions()
        due = [one for one in edge.connections if put_back or one in unknown or one.due(now)]
        unknown = {*await _judge_known(edge, due)}
        if unknown and (asking is None or asking.done()):
            asking = edge.spawn(_judge_anew(edge, [*unknown]))


async def watch_silent(edge: Edge) -> None:
    """Have the certificates of those judged who have come in and ask nothing, for ever.

    A first request has that done by itself; who makes none would hold a place without right.
    What has come in just now is left alone: its request may be on the way, and is told by a page.
    """
    asking: asyncio.Task[None] | None = None
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        latest = edge.tick - _SILENT_SECONDS
        silent = [one for one in edge.connections.unjudged() if one.silent and one.since < latest]
        if silent and (asking is None or asking.done()):
            asking = edge.spawn(_judge_silent(edge, silent))


async def _judge_silent(edge: Edge, connections: list[Downstream]) -> None:
    for connection in connections:
        # Time passes, and what asks meanwhile has itself judged, and is told by a page.
        if connection.fingerprint is None or not connection.silent:
            continue
        # With the certificate itself, which the verifier may have to see.
        holder = edge.admission.holder(connection.fingerprint, connection.peer.certificate)
        try:
            if isinstance(holder, HolderMissing):
                await edge.admission.learn(holder)
        except StoreUnavailable as error:
            edge.note("%s: not judged yet: %s", connection.peer.address, error)
        else:
            await _judge_known(edge, [connection])


async def _judge_anew(edge: Edge, connections: list[Downstream]) -> None:
    wait = _FIRST_WAIT
    while connections := await _judge_known(edge, connections):
        try:
            await _ask_and_judge(edge, connections)
        except StoreUnavailable as error:
            log.warning("not all connections could be judged anew: %s", error)
            await asyncio.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT)
        else:
            return


async def distrust(edge: Edge) -> int:
    """Cut every connection whose certificate leads to no CA that is trusted now.

    For the CAs are others now. Returns how many there were.
    """
    cut: Counter[Fingerprint] = Counter()
    for number, connection in enumerate(edge.connections):
        if connection.fingerprint is not None and not connection.trusted():
            connection.cut(CutReason.UNTRUSTED)
            cut[connection.fingerprint] += 1
        if number % _AT_ONCE == _AT_ONCE - 1:
            # A chain costs some microseconds, and requests are not to wait for thousands.
            await asyncio.sleep(0)
    for fingerprint, count in cut.items():
        holder = edge.admission.holder(fingerprint)
        known = None if isinstance(holder, HolderMissing) else holder
        _tell_cut(edge, known, CutReason.UNTRUSTED, count)
    return cut.total()


async def recheck(edge: Edge, connections: Iterable[Downstream]) -> None:
    """Judge live connections anew and cut those that would not be let in now.

    First by memory, so that nobody stays open for what the store has to be asked of others;
    raises `StoreUnavailable` where it does not answer, some of those being judged by then.
    """
    await _ask_and_judge(edge, await _judge_known(edge, connections))


async def _judge_known(edge: Edge, connections: Iterable[Downstream]) -> list[Downstream]:
    """Judge by memory; return those of which it does not know enough."""
    unknown: list[Downstream] = []
    judged = 0
    for fingerprint, same in _by_certificate(connections).items():
        unknown += _judge(edge, fingerprint, same)
        judged += len(same)
        if judged >= _AT_ONCE:
            # As with chains: requests are not to wait for thousands.
            judged = 0
            await asyncio.sleep(0)
    return unknown


async def _ask_and_judge(edge: Edge, connections: Iterable[Downstream]) -> None:
    # One certificate after another, so that memory holds what was learnt until it is judged.
    for fingerprint, same in _by_certificate(connections).items():
        missing = _judge(edge, fingerprint, same)
        while missing:
            await edge.admission.learn(next(iter(missing.values())))
            missing = _judge(edge, fingerprint, missing)


def _by_certificate(connections: Iterable[Downstream]) -> dict[Fingerprint, list[Downstream]]:
    found: dict[Fingerprint, list[Downstream]] = {}
    for connection in connections:
        if connection.fingerprint is not None:
            found.setdefault(connection.fingerprint, []).append(connection)
    return found


def _judge(
    edge: Edge, fingerprint: Fingerprint, same: Iterable[Downstream]
) -> dict[Downstream, HolderMissing | SessionMissing]:
    """Judge connections of one certificate by memory; return what it lacks, and of which."""
    # Those alone that are still there: time passes between them, and at the store.
    present = {*edge.connections.of(fingerprint)}
    live = [one for one in same if one in present]
    holder = edge.admission.holder(fingerprint)
    if isinstance(holder, HolderMissing):
        return dict.fromkeys(live, holder)
    refusal = edge.admission.judge_holder(holder, edge.clock())
    if refusal is not None or holder is None:
        reason = refusal or Refusal.CERTIFICATE_UNKNOWN
        # Those too that came in while the store was asked. Whose first request waits for this
        # very verdict, or who was refused, has been granted nothing, and is told by a page.
        count = cut_all([one for one in present if not one.awaits_refusal], reason)
        if count:
            _tell_cut(edge, holder, reason, count)
        return {}
    count = 0
    missing: dict[Downstream, HolderMissing | SessionMissing] = {}
    for connection in live:
        connection.rest_on(holder)
        number = connection.session
        session = None if number is None else edge.admission.session(number)
        if isinstance(session, SessionMissing):
            missing[connection] = session
        else:
            count += _judge_session(edge, holder, connection, session)
    if count:
        _tell_cut(edge, holder, "session or policy", count)
    return missing


def _judge_session(
    edge: Edge, holder: Holder, connection: Downstream, session: Session | None
) -> bool:
    """Return whether *connection*, which may rest on *session*, had to be cut."""
    if connection.session is None:
        return False
    if session is None or not session.live(edge.clock()) or session.user != holder.user:
        # Also where the certificate, of another CA, has become somebody else's.
        connection.cut_session(CutReason.SESSION_ENDED)
        return True
    # Of an idle connection too: it was opened for what is no longer allowed.
    grant = connection.grant
    if grant is None:
        return False
    facts, address = connection.under_way, connection.peer.address
    judged = edge.gate.judge_again(grant, holder, facts, address, session)
    if isinstance(judged, Refusal):
        # The page of the next request says in what respect; here it matters only whether to wait.
        connection.cut(_CUTS.get(judged, CutReason.NOT_ALLOWED))
        return True
    connection.settle(grant, judged.until)
    return False


def _tell_cut(edge: Edge, holder: Holder | None, reason: str, count: int) -> None:
    edge.tell(
        AuditEvent(
            AuditKind.CONNECTION_CUT,
            edge.clock(),
            user=holder.user if holder else "",
            serial=holder.serial if holder else "",
            device=holder.device if holder else "",
            reason=reason,
            detail={"connections": str(count)},
        )
    )
