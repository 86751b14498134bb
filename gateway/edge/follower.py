"""The change feed, as the edge follows it: forget what changed, cut what may no longer be."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import groupby

from gateway.core.audit import AuditEvent, AuditKind
from gateway.core.changes import Change, ChangeKind
from gateway.core.people import Fingerprint, Holder
from gateway.core.ports import StoreUnavailable
from gateway.core.refusal_kinds import Refusal
from gateway.edge.admission import HolderMissing, SessionMissing
from gateway.edge.connections import SWEEP_SECONDS, cut_all
from gateway.edge.cut_reasons import CutReason
from gateway.edge.downstream import Downstream
from gateway.edge.edge import Edge

log = logging.getLogger("pusterla.edge")

_FIRST_WAIT = 0.1
_LONGEST_WAIT = 2.0
_AT_ONCE = 200


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

    So what is open at the end of somebody's hours is cut then, give or take a sweep. When the
    clock was put back, nothing that was decided is believed: it may not be allowed yet.
    """
    before = edge.clock()
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        now = edge.clock()
        put_back, before = now < before, now
        if put_back:
            edge.admission.forget_decisions()
        due = [one for one in edge.connections if put_back or one.due(now)]
        if due:
            await _judge_anew(edge, due)


async def _judge_anew(edge: Edge, connections: list[Downstream]) -> None:
    wait = _FIRST_WAIT
    while True:
        try:
            await recheck(edge, connections)
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
    """Judge live connections anew and cut those that would not be let in now."""
    known = [c for c in connections if c.fingerprint is not None]
    known.sort(key=lambda c: c.fingerprint or "")
    for fingerprint, group in groupby(known, key=lambda c: c.fingerprint):
        if fingerprint is not None:
            await _recheck_certificate(edge, fingerprint, [*group])


async def _recheck_certificate(
    edge: Edge, fingerprint: Fingerprint, same: list[Downstream]
) -> None:
    holder = edge.admission.holder(fingerprint)
    while isinstance(holder, HolderMissing):
        await edge.admission.learn(holder)
        holder = edge.admission.holder(fingerprint)
    refusal = edge.admission.judge_holder(holder, edge.clock())
    if refusal is not None or holder is None:
        reason = refusal or Refusal.CERTIFICATE_UNKNOWN
        # Those too that came in while the store was asked. Whose first request waits for this
        # very verdict has been granted nothing, and is told by a page.
        touched = {*same, *edge.connections.of(fingerprint)}
        count = cut_all([one for one in touched if not one.at_first_contact], reason)
        if count:
            _tell_cut(edge, holder, reason, count)
        return
    count = 0
    for connection in same:
        connection.rest_on(holder)
        count += await _recheck_session(edge, holder, connection)
    if count:
        _tell_cut(edge, holder, "session or policy", count)


async def _recheck_session(edge: Edge, holder: Holder, connection: Downstream) -> bool:
    """Return whether *connection* had to be cut."""
    if connection.session is None:
        return False
    session = edge.admission.session(connection.session)
    while isinstance(session, SessionMissing):
        await edge.admission.learn(session)
        session = edge.admission.session(session.session)
    if session is None or not session.live(edge.clock()) or session.user != holder.user:
        # Also where the certificate, of another CA, has become somebody else's.
        connection.cut_session(CutReason.SESSION_ENDED)
        return True
    # Of an idle connection too: it was opened for what is no longer allowed.
    grant = connection.grant
    if grant is None:
        return False
    judged = edge.gate.judge_again(grant, holder, connection.under_way, connection.peer.address)
    if isinstance(judged, Refusal):
        # The page of the next request says in what respect; here it matters only whether to wait.
        outside = judged is Refusal.OUTSIDE_HOURS
        connection.cut(CutReason.OUTSIDE_HOURS if outside else CutReason.NOT_ALLOWED)
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
