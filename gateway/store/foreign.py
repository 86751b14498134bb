"""Rows of certificates that other CAs have issued, and of what is known of their lists."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypedDict, Unpack

from sqlalchemy import (
    ColumnElement,
    Row,
    and_,
    delete,
    false,
    func,
    insert,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from ca.trust import Revocation, RevocationReason
from gateway.core.foreign import (
    NO_TRUST,
    TOO_COSTLY,
    ForeignList,
    ForeignState,
    PersonBy,
    Presented,
    Verdict,
)
from gateway.core.people import Fingerprint, Holder, Person
from gateway.core.ports import StoreUnavailable
from gateway.store.naming import Named, users_of
from gateway.store.people import PERSON, find_person, read_person
from gateway.store.schema import foreign_certificate, foreign_list, person

WAITING_MAXIMUM = 1000
"""How many certificates may wait to be judged; whoever comes then is to come again."""
REFUSED_MAXIMUM = 10_000
"""How many that were refused are kept; of more, those that were judged last."""

_row = foreign_certificate.c


@dataclass(frozen=True, slots=True)
class Judged:
    """What a verdict has changed: the row as it was, and what is found of it now.

    *user* is whose it is; that of before where it is nobody's now, since it was refused.
    """

    before: Presented
    after: Verdict
    user: str

    @property
    def stands_otherwise(self) -> bool:
        """Whether anything is other than it was, but for how long the information is good."""
        return _standing(self.before.verdict) != _standing(self.after)

    @property
    def reaches(self) -> bool:
        """Whether the information is good for another time than it was."""
        return self.before.verdict.good_until != self.after.good_until


def _standing(verdict: Verdict) -> tuple[object, ...]:
    dates = (verdict.not_before, verdict.not_after)
    who = (verdict.trust, verdict.by, verdict.identity)
    return (verdict.state, verdict.fault, verdict.revocation, *who, *dates)


async def present(
    connection: AsyncConnection, fingerprint: Fingerprint, der: bytes, now: datetime
) -> bool:
    """Write down a certificate that was shown; say whether it still waits to be judged.

    Raises `StoreUnavailable` where too many wait already.
    """
    state = await connection.scalar(select(_row.state).where(_row.fingerprint == fingerprint))
    if state is not None:
        return bool(state == ForeignState.WAITING)
    waiting = await connection.scalar(
        select(func.count()).where(_row.state == ForeignState.WAITING)
    )
    if (waiting or 0) >= WAITING_MAXIMUM:
        raise StoreUnavailable(f"{waiting} certificates of other CAs wait to be judged already")
    await connection.execute(
        insert(foreign_certificate).values(
            fingerprint=fingerprint,
            state=ForeignState.WAITING,
            der=der,
            presented_at=now,
            **dict.fromkeys(("trust", "issuer", "serial", "identity", "fault", "words"), ""),
        )
    )
    return True


async def find_holder(connection: AsyncConnection, fingerprint: Fingerprint) -> Holder | None:
    """Return the certificate of another CA with *fingerprint*, once it has been judged."""
    found = await connection.execute(
        select(foreign_certificate).where(
            _row.fingerprint == fingerprint, _row.state != ForeignState.WAITING
        )
    )
    row = found.one_or_none()
    if row is None:
        return None
    accepted = row.state == ForeignState.ACCEPTED
    whose = await _person_of(connection, row) if accepted else None
    at, reason = _revocation(row)
    return Holder(
        fingerprint=fingerprint,
        issuer=row.issuer,
        serial=row.serial,
        device=row.trust,
        scope=None,
        not_before=row.not_before or row.presented_at,
        not_after=row.not_after or row.presented_at,
        revoked_at=at,
        reason=reason,
        user="" if whose is None else whose.user,
        person=whose,
        trust=row.trust,
        fault="" if accepted else row.fault or row.state,
        # Where nothing is known of its revocation, that was so already when it was judged.
        good_until=row.good_until or row.presented_at,
    )


def _revocation(row: Row[*tuple[Any, ...]]) -> tuple[datetime | None, str | None]:
    """Return what weighs more: what was said here and is final, then what its own CA says."""
    final = row.block_reason not in {None, RevocationReason.CERTIFICATE_HOLD}
    if row.revoked_at is None or final:
        return row.blocked_at or row.revoked_at, row.block_reason or row.reason
    return row.revoked_at, row.reason


async def _person_of(connection: AsyncConnection, row: Row[*tuple[Any, ...]]) -> Person | None:
    if not row.identity:
        return None
    if row.person_by == PersonBy.USER:
        return await find_person(connection, row.identity)
    if row.person_by != PersonBy.EMAIL:
        return None
    found = await connection.execute(
        select(*PERSON).where(func.lower(person.c.email) == row.identity).limit(2)
    )
    # An address that two have is nobody's: it does not say which of them it is.
    people = found.all()
    return read_person(people[0]) if len(people) == 1 else None


async def read_presented(
    connection: AsyncConnection, *wanted: ColumnElement[bool]
) -> list[Presented]:
    """Return the certificates of which *wanted* holds, in the order in which they were shown."""
    found = await connection.execute(
        select(foreign_certificate).where(*wanted).order_by(_row.presented_at, _row.fingerprint)
    )
    rows = found.all()
    users = await users_of(connection, {(row.person_by, row.identity) for row in rows})

    def whose(row: Row[*tuple[Any, ...]]) -> str:
        if row.state != ForeignState.ACCEPTED:
            return ""
        return users.get((row.person_by, row.identity), "")

    return [_presented(row, whose(row)) for row in rows]


async def read_presented_of(
    connection: AsyncConnection, user: str, *wanted: ColumnElement[bool]
) -> list[Presented]:
    """Return as `read_presented` the accepted ones whose holder is *user* now, and read no others."""
    email = await connection.scalar(select(person.c.email).where(person.c.username == user))
    stated = or_(_states_user(user), _states_email(email or ""))
    accepted = selected(state=ForeignState.ACCEPTED)
    found = await read_presented(connection, stated, *accepted, *wanted)
    # An address that two have states nobody.
    return [one for one in found if one.user == user]


async def is_any_presented(connection: AsyncConnection) -> bool:
    """Say whether any certificate of another CA was ever shown and is still known."""
    return await connection.scalar(select(_row.fingerprint).limit(1)) is not None


def _presented(row: Row[*tuple[Any, ...]], user: str) -> Presented:
    verdict = Verdict(
        fingerprint=Fingerprint(row.fingerprint),
        state=ForeignState(row.state),
        trust=row.trust,
        issuer=row.issuer,
        serial=row.serial,
        not_before=row.not_before,
        not_after=row.not_after,
        by=None if row.person_by is None else PersonBy(row.person_by),
        identity=row.identity,
        fault=row.fault,
        words=row.words,
        revocation=_said(row.revoked_at, row.reason),
        good_until=row.good_until,
    )
    return Presented(
        verdict,
        der=row.der,
        presented_at=row.presented_at,
        judged_at=row.judged_at,
        blocked=_said(row.blocked_at, row.block_reason),
        user=user,
    )


def _said(at: datetime | None, reason: str | None) -> Revocation | None:
    return None if at is None else Revocation(at, RevocationReason(reason or "unspecified"))


def selected(
    *,
    trust: str | None = None,
    state: ForeignState | None = None,
    fingerprints: Sequence[str] | None = None,
    issuer: str | None = None,
    serial: str | None = None,
) -> list[ColumnElement[bool]]:
    """Return what a row must fulfil to fit every criterion given."""
    wanted: list[ColumnElement[bool]] = []
    if trust is not None:
        wanted.append(_row.trust == trust)
    if state is not None:
        wanted.append(_row.state == state)
    if fingerprints is not None:
        wanted.append(_row.fingerprint.in_(fingerprints))
    if issuer is not None:
        wanted.append(_row.issuer == issuer)
    if serial is not None:
        wanted.append(_row.serial == serial)
    return wanted


async def write_verdicts(
    connection: AsyncConnection, verdicts: Sequence[Verdict], now: datetime
) -> list[Judged]:
    """Write *verdicts* into their rows, at most some hundreds; return what each has changed.

    What has no row, since it was taken out meanwhile, is left out; and so is that there was no time
    to judge what was judged before.
    """
    verdicts = [_comparable(one) for one in verdicts]
    wanted = selected(fingerprints=[one.fingerprint for one in verdicts])
    before = {one.verdict.fingerprint: one for one in await read_presented(connection, *wanted)}
    users = await users_of(connection, {(one.by, one.identity) for one in verdicts})
    judged = [
        _judged(before[one.fingerprint], one, users)
        for one in verdicts
        if one.fingerprint in before and _is_news(before[one.fingerprint].verdict, one)
    ]
    for one in judged:
        await _write(connection, one.after, now)
        await _share_block(connection, one.after)
    return judged


def _judged(before: Presented, verdict: Verdict, users: Mapping[Named, str]) -> Judged:
    after = _lasting(before.verdict, verdict)
    if after.state is not ForeignState.ACCEPTED:
        return Judged(before, after, before.user)
    return Judged(before, after, users.get((after.by, after.identity), ""))


def _is_news(old: Verdict, new: Verdict) -> bool:
    return new.fault != TOO_COSTLY or old.state is ForeignState.WAITING


def _lasting(old: Verdict, new: Verdict) -> Verdict:
    """Return *new* with the revocation of *old* where there is no way back from that.

    Several nodes have a verifier each, and one of them may go by an older list for a while; and a
    path that does not hold today may hold tomorrow. Only a trust that was taken away takes it with
    it.
    """
    final = old.revocation is not None and old.revocation.reason.is_final
    said = new.revocation is not None and new.revocation.reason.is_final
    refused = new.state is ForeignState.REFUSED
    gone = refused and (new.fault == NO_TRUST or new.trust != old.trust)
    return new if said or gone or not final else replace(new, revocation=old.revocation)


def _comparable(verdict: Verdict) -> Verdict:
    if verdict.by is not PersonBy.EMAIL:
        return verdict
    return replace(verdict, identity=verdict.identity.lower())


async def _write(connection: AsyncConnection, verdict: Verdict, now: datetime) -> None:
    revocation = verdict.revocation
    await connection.execute(
        update(foreign_certificate)
        .where(_row.fingerprint == verdict.fingerprint)
        .values(
            state=verdict.state,
            judged_at=now,
            trust=verdict.trust,
            issuer=verdict.issuer,
            serial=verdict.serial,
            not_before=verdict.not_before,
            not_after=verdict.not_after,
            person_by=verdict.by,
            identity=verdict.identity,
            fault=verdict.fault,
            words=verdict.words,
            revoked_at=None if revocation is None else revocation.at,
            reason=None if revocation is None else revocation.reason,
            good_until=verdict.good_until,
        )
    )


async def _share_block(connection: AsyncConnection, verdict: Verdict) -> None:
    """Let what was said here of a certificate hold for every other writing of it.

    Of a signature by ECDSA anybody can make a second one that is as good, and so of a certificate
    one with another fingerprint: it is the issuer and the serial that tell certificates apart.
    """
    if not verdict.serial:
        return
    same = and_(_row.issuer == verdict.issuer, _row.serial == verdict.serial)
    said = await connection.execute(
        select(_row.blocked_at, _row.block_reason)
        .where(same, _row.blocked_at.is_not(None))
        # What is final outweighs a hold.
        .order_by(_row.block_reason == RevocationReason.CERTIFICATE_HOLD, _row.blocked_at)
        .limit(1)
    )
    if (row := said.one_or_none()) is not None:
        await connection.execute(
            update(foreign_certificate)
            .where(_row.fingerprint == verdict.fingerprint, _row.blocked_at.is_(None))
            .values(blocked_at=row.blocked_at, block_reason=row.block_reason)
        )


async def whose_may_change(connection: AsyncConnection, user: str, email: str) -> list[Fingerprint]:
    """Return the certificates that state *user* or *email* as their holder."""
    rows = await connection.execute(
        select(_row.fingerprint).where(or_(_states_user(user), _states_email(email)))
    )
    return [Fingerprint(row.fingerprint) for row in rows]


def _states_user(user: str) -> ColumnElement[bool]:
    return and_(_row.person_by == PersonBy.USER, _row.identity == user)


def _states_email(email: str) -> ColumnElement[bool]:
    if not email:
        return false()
    return and_(_row.person_by == PersonBy.EMAIL, _row.identity == email.lower())


class Naming(TypedDict, total=False):
    """What names certificates of other CAs: a serial or a user, and of which CA they are."""

    serial: str | None
    user: str | None
    trust: str
    issuer: str


async def certificates_of(connection: AsyncConnection, **named: Unpack[Naming]) -> list[Presented]:
    """Return the certificates with this serial, or the accepted ones whose holder is *user* now.

    Raises `ValueError` without either.
    """
    serial, user = named.get("serial"), named.get("user")
    if serial is None and user is None:
        raise ValueError("name the certificates of other CAs: a serial or a user")
    wanted = selected(serial=serial, trust=named.get("trust"), issuer=named.get("issuer"))
    if user is None:
        return await read_presented(connection, *wanted)
    return await read_presented_of(connection, user, *wanted)


async def writings_of(
    connection: AsyncConnection, fingerprints: Sequence[Fingerprint]
) -> list[Presented]:
    """Return the certificates with *fingerprints*, each in all its writings (`_share_block`)."""
    named = _row.fingerprint.in_(fingerprints)
    number = (_row.trust, _row.issuer, _row.serial)
    same = tuple_(*number).in_(select(*number).where(named, _row.serial != ""))
    return await read_presented(connection, or_(named, same))


async def block(
    connection: AsyncConnection,
    fingerprints: Iterable[str],
    reason: RevocationReason | None,
    now: datetime,
) -> None:
    """Let certificates open nothing here, for *reason*; without one they are released again."""
    await connection.execute(
        update(foreign_certificate)
        .where(_row.fingerprint.in_([*fingerprints]))
        .values(blocked_at=None if reason is None else now, block_reason=reason)
    )


async def forget_ended(connection: AsyncConnection, before: datetime) -> list[str]:
    """Take out what has ended, or was refused, before *before*; return their fingerprints.

    And what was refused beyond `REFUSED_MAXIMUM`.

    What was blocked here stays until its certificate has ended: shown again, it would come in.
    """
    ended = _row.not_after < before
    unblocked = and_(_row.state == ForeignState.REFUSED, _row.blocked_at.is_(None))
    refused = and_(unblocked, _row.judged_at < before)
    # A CA below one that is believed may make as many as it likes, each of which is refused.
    newest_first = select(_row.fingerprint).where(unblocked).order_by(_row.judged_at.desc())
    surplus = _row.fingerprint.in_(newest_first.offset(REFUSED_MAXIMUM))
    gone: list[str] = []
    for forgotten in (or_(ended, refused), surplus):
        rows = delete(foreign_certificate).where(forgotten).returning(_row.fingerprint)
        gone += (await connection.execute(rows)).scalars()
    return gone


async def write_lists(
    connection: AsyncConnection, trust: str, states: Sequence[ForeignList]
) -> None:
    """Note how the lists of *trust* stand: these, and no others."""
    await connection.execute(delete(foreign_list).where(foreign_list.c.trust == trust))
    if states:
        await connection.execute(
            insert(foreign_list),
            [
                {column.name: getattr(one, column.name) for column in foreign_list.c}
                for one in states
            ],
        )


async def keep_lists(connection: AsyncConnection, trusts: Sequence[str]) -> None:
    """Forget the lists of every trust but *trusts*."""
    await connection.execute(delete(foreign_list).where(foreign_list.c.trust.not_in([*trusts])))


async def read_lists(connection: AsyncConnection) -> list[ForeignList]:
    """Return how the lists of other CAs stand."""
    rows = await connection.execute(
        select(foreign_list).order_by(foreign_list.c.trust, foreign_list.c.source)
    )
    return [ForeignList(**row._mapping) for row in rows]  # noqa: SLF001 - public, by its documentation
