"""The store: what the rest of the gateway asks and tells the database.

Every change is one transaction with its rows, its lines in the audit log and
its rows in the change feed: all of it is durable when a method returns, or
none of it is there. *by* says who did it ("command", "portal", a user) and
stands in the audit line.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Unpack

from sqlalchemy.ext.asyncio import AsyncConnection

from ca import ledger, lists, renewals, responders
from ca.ledger import CertificateRecord, CertificateState
from ca.lists import CRLDates, CRLRecord
from ca.ocsp import Issued
from ca.scopes import WHOLE, CRLKind, ListName
from ca.serials import serial_text
from ca.trust import RevocationReason
from gateway.core.agreements import Acceptance, Accepting, AgreementText
from gateway.core.audit import AuditEvent, AuditKind, AuditLine
from gateway.core.changes import Batch, ChangeKind
from gateway.core.days import DayUse, Spending, UsedDay
from gateway.core.foreign import ForeignList, ForeignState, Presented, Verdict
from gateway.core.lost import Belonging, Lost, Reported, Reporter, ReporterView
from gateway.core.people import Fingerprint, Holder, Person
from gateway.core.renewals import Ending, Renewal, Standing, Way
from gateway.core.requests import AccessRequest, Fault, RequestState, Ruling, Wish
from gateway.core.sessions import Session, SessionId
from gateway.core.tickets import Ticket
from gateway.store import (
    acceptances,
    accounts,
    agreements,
    attempts,
    audit,
    certificates,
    days,
    deciding,
    devices,
    feed,
    foreign,
    lost,
    people,
    recovery,
    renewing,
    requests,
    sessions,
    tickets,
)
from gateway.store.accounts import Actor, Change, NewCredentials, NewTotp
from gateway.store.attempts import AttemptReserved, LockedUntil
from gateway.store.certificates import IssuerRecord
from gateway.store.database import Database
from gateway.store.deciding import MayDecide
from gateway.store.devices import Devices
from gateway.store.errors import NoSuchPerson
from gateway.store.followers import follow_file, follow_server
from gateway.store.migration import check_revision
from gateway.store.papers import read_all_papers, read_papers
from gateway.store.people import Credentials, NewPerson
from gateway.store.recorder import Recorder
from gateway.store.requests import RequestFile
from gateway.store.sessions import SessionRecord
from gateway.store.steps import Step
from gateway.store.witness import StoreWitness
from policies.papers import Papers


@asynccontextmanager
async def open_store(address: str, clock: Callable[[], datetime]) -> AsyncIterator["Store"]:
    """Open the store at *address*; the block's end closes it.

    Raises `StoreMissing` or `StoreOutdated` when its tables are not those we
    know, `StoreUnavailable`, and `ValueError` when *address* is none.
    """
    database = Database(address)
    store = Store(database, clock)
    try:
        await check_revision(database)
        yield store
    finally:
        await store.close()


class Store:
    """One open store. Every method may raise `StoreUnavailable`.

    May be used by any number of tasks of one event loop. It keeps the promises
    of `gateway.core.ports.EdgeStore`.
    """

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock
        self._recorder = Recorder(database)

    async def close(self) -> None:
        """Finish what was begun, and close every connection; `open_store` does it."""
        await self._recorder.close()
        await self._database.close()

    # ------------------------------------------------------------ transactions

    def begin(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Open a writing transaction for functions of `ca.ledger`; one at a time.

        It commits at the end of the block, unless that raises. What it changes
        is told with `announce` and `append`. Nothing slow belongs into the block:
        every other writer waits.
        """
        return self._database.write()

    def read(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Open a transaction that sees one state of the store and changes nothing."""
        return self._database.read()

    async def announce(self, connection: AsyncConnection, *changes: tuple[ChangeKind, str]) -> None:
        """Write *changes* (kind and key) to the feed, in the caller's transaction."""
        await feed.announce(connection, changes, self._clock())

    async def append(self, connection: AsyncConnection, *events: AuditEvent) -> None:
        """Write *events* to the audit log, in the caller's transaction."""
        await audit.append(connection, events)

    def witness(self, by: str) -> StoreWitness:
        """Return what tells the feed and the audit log of what `ca.authority` does."""
        return StoreWitness(self._clock, by)

    @asynccontextmanager
    async def _step(self, by: str = "") -> AsyncIterator[Step]:
        """Open a transaction that tells at its end what was done in it."""
        async with self._database.write() as connection:
            step = Step(connection, self._clock(), by)
            yield step
            await step.tell()

    # ------------------------------------------------------------ people

    async def add_person(self, new: NewPerson, *, by: str = "command") -> None:
        """Add *new*, or raise `PersonExists`.

        Whatever is left of somebody who had the name before is revoked and
        ended first: a name that is used again inherits nothing.
        """
        async with self._step(by) as step:
            await people.insert_person(step.connection, new, step.now)
            await step.cut_loose(new.user, AuditKind.USER_ADDED)
            step.note(AuditKind.USER_ADDED, user=new.user)
            if new.ticket is not None:
                await step.hand_ticket(new.user, new.ticket)
            step.change(ChangeKind.USER, new.user)
            await step.look_who_holds(new.user, new.email)

    async def person(self, user: str) -> Person | None:
        """Return the person called *user*."""
        async with self._database.read() as connection:
            return await people.find_person(connection, user)

    async def people(self) -> list[Person]:
        """Return everybody, by name."""
        async with self._database.read() as connection:
            return await people.list_people(connection)

    async def credentials(self, user: str) -> Credentials | None:
        """Return what *user* proves themselves with; says nothing on whether they may."""
        async with self._database.read() as connection:
            return await people.find_credentials(connection, user)

    async def set_enabled(self, user: str, enabled: bool, *, by: str = "command") -> None:  # noqa: FBT001 - the one thing it says
        """Let *user* in or keep them out, which also ends their sessions; or `NoSuchPerson`."""
        kind = AuditKind.USER_ENABLED if enabled else AuditKind.USER_DISABLED
        await self._change_person(user, kind, by, enabled=enabled)

    async def set_password(self, user: str, password_hash: str, *, by: str = "command") -> None:
        """Give *user* another password and end their sessions; or raise `NoSuchPerson`."""
        await self._change_person(user, AuditKind.PASSWORD_CHANGED, by, password_hash=password_hash)

    async def set_totp(self, user: str, sealed: bytes, *, by: str = "command") -> None:
        """Give *user* another TOTP secret and end their sessions; or raise `NoSuchPerson`."""
        await self._change_person(
            user, AuditKind.TOTP_RESET, by, sealed_totp=sealed, totp_last_step=0
        )

    async def set_recovery_codes(
        self, user: str, digests: Sequence[str], *, by: str = "command"
    ) -> None:
        """Give *user* other recovery codes, of which *digests* are kept; or `NoSuchPerson`.

        Those of before are worth nothing from then on. What is being proved with the old ones is
        overtaken; sessions stay.
        """
        async with self._step(by) as step:
            await people.change_person(step.connection, user)
            await recovery.replace_codes(step.connection, user, digests, step.now)
            step.note(AuditKind.RECOVERY_CODES_MADE, user=user, codes=str(len(digests)))

    async def recovery_codes_left(self, user: str) -> int:
        """Return how many recovery codes of *user* may still be used."""
        async with self._database.read() as connection:
            return await recovery.count_left(connection, user)

    async def recovery_code_unused(self, user: str, digest: str) -> bool | None:
        """Say whether *user* may still use the code with *digest*; None: there is none such."""
        async with self._database.read() as connection:
            return await recovery.is_unused(connection, user, digest)

    async def use_recovery_code(self, user: str, digest: str) -> bool:
        """Use up a recovery code; False when it was used, or there is none such."""
        async with self._database.write() as connection:
            return await recovery.use_code(connection, user, digest, self._clock())

    async def make_ticket(self, user: str, ticket: Ticket, *, by: str = "command") -> None:
        """Let *user* set up their sign-in with *ticket*, and no older one; or `NoSuchPerson`."""
        async with self._step(by) as step:
            if await people.find_person(step.connection, user) is None:
                raise NoSuchPerson(user)
            await step.hand_ticket(user, ticket)

    async def withdraw_ticket(self, user: str, *, by: str = "command") -> bool:
        """Let the ticket of *user* be worth nothing; False when there was none."""
        async with self._step(by) as step:
            if not await tickets.drop_ticket(step.connection, user):
                return False
            step.note(AuditKind.TICKET_WITHDRAWN, user=user)
            return True

    async def ticket(self, user: str) -> Ticket | None:
        """Return the ticket of *user* that was not used; it may have ended."""
        async with self._database.read() as connection:
            return await tickets.find_ticket(connection, user)

    async def newcomers(self) -> dict[str, Ticket | None]:
        """Return who may come in and has nothing to sign in with yet, with their tickets."""
        async with self._database.read() as connection:
            return await tickets.list_newcomers(connection)

    async def enrol(
        self, opened: SessionRecord, ticket: str, new: NewCredentials, *, request: str = ""
    ) -> None:
        """Give the holder of a ticket new credentials and open a session; see `accounts.enrol`."""
        async with self._step() as step:
            await accounts.enrol(step, opened, ticket, new, request)

    async def recover(  # each is one thing that it rests on
        self,
        opened: SessionRecord,
        *,
        version: int,
        code: str,
        totp: NewTotp,
        request: str = "",
    ) -> None:
        """Give somebody another secret for a recovery code; see `accounts.recover`."""
        async with self._step() as step:
            await accounts.recover(step, opened, version, code, totp, request)

    async def change_own_password(self, change: Change, password_hash: str) -> None:
        """Let somebody who is signed in have another password; or raise `SignInOvertaken`."""
        async with self._step() as step:
            await accounts.change_password(step, change, password_hash)

    async def change_own_totp(self, change: Change, totp: NewTotp) -> None:
        """Let somebody who is signed in have another secret; or raise `SignInOvertaken`."""
        async with self._step() as step:
            await accounts.change_totp(step, change, totp)

    async def change_own_recovery_codes(self, change: Change, digests: Sequence[str]) -> None:
        """Let somebody who is signed in have other codes; or raise `SignInOvertaken`."""
        async with self._step() as step:
            await accounts.change_recovery_codes(step, change, digests)

    async def _change_person(self, user: str, kind: AuditKind, by: str, **values: object) -> None:
        async with self._step(by) as step:
            await people.change_person(step.connection, user, **values)
            step.note(kind, user=user)
            step.change(ChangeKind.USER, user)
            await step.end_sessions(sessions.selected(user=user), reason=kind)

    async def remove_person(self, user: str, today: date, *, by: str = "command") -> None:
        """Take *user* out, revoke their certificates, end their sessions; or `NoSuchPerson`.

        What they have asked for or been granted ends too, unless it is over on the day *today*.
        Certificates, revoked, and audit lines stay.
        """
        async with self._step(by) as step:
            gone = await people.find_person(step.connection, user)
            await people.delete_person(step.connection, user)
            if gone is not None:
                await step.look_who_holds(user, gone.email)
            step.note(AuditKind.USER_REMOVED, user=user)
            step.change(ChangeKind.USER, user)
            await step.end_requests(today, AuditKind.USER_REMOVED, user=user)
            await step.cut_loose(user, AuditKind.USER_REMOVED)

    # ------------------------------------------------------------ sign-in

    async def reserve_attempt(self, fingerprint: Fingerprint) -> AttemptReserved | LockedUntil:
        """Count a failed sign-in with *fingerprint* before it is tried, unless it must wait."""
        async with self._database.write() as connection:
            return await attempts.reserve_attempt(connection, fingerprint, self._clock())

    async def clear_attempts(self, fingerprint: Fingerprint) -> None:
        """Forgive the failures of *fingerprint*: a sign-in succeeded."""
        async with self._database.write() as connection:
            await attempts.clear_attempts(connection, fingerprint)

    async def burn_step(self, user: str, step: int) -> bool:
        """Use up the code of *step*; False when it, or a newer one, has been used."""
        async with self._database.write() as connection:
            return await people.burn_step(connection, user, step)

    async def open_session(
        self, session: Session, device: str, serial: str, *, verified: Credentials
    ) -> None:
        """Write down *session*, which *verified* has proved, with its certificate's names.

        Raises `SignInOvertaken`, and opens nothing, when the person is gone or
        disabled, the credentials are others by now, or the certificate was
        revoked or is not theirs.
        """
        async with self._step() as step:
            await certificates.confirm_sign_in(
                step.connection, session.user, session.fingerprint, verified.version, step.now
            )
            await sessions.insert_session(step.connection, session, device, serial)
            step.note(
                AuditKind.SIGNED_IN,
                user=session.user,
                serial=serial,
                device=device,
                address=session.address,
                session=session.id,
            )

    async def session(self, session: SessionId) -> Session | None:
        """Return the session, ended or not, or None if there never was one."""
        async with self._database.read() as connection:
            return await sessions.find_session(connection, session)

    async def used_at(self, session: SessionId, app: str) -> datetime | None:
        """Return when *app* was last used on *session*, as far as `note_use` was told."""
        async with self._database.read() as connection:
            return await sessions.used_at(connection, session, app)

    async def uses(self, session: SessionId) -> dict[str, datetime]:
        """Return the same of every application that was used on *session*."""
        async with self._database.read() as connection:
            return await sessions.uses(connection, session)

    async def note_use(self, session: SessionId, app: str, at: datetime) -> datetime:
        """Note that *app* is used on *session*; return when it was last, which is *at* or later."""
        async with self._database.write() as connection:
            return await sessions.note_use(connection, session, app, at)

    async def prove_again(self, change: Change, attempt: int, *, password: bool) -> None:
        """Note that a code was given once more on a session; see `accounts.prove_again`."""
        async with self._step() as step:
            await accounts.prove_again(step, change, attempt, password=password)

    async def sessions(
        self, *, user: str | None = None, fingerprint: Fingerprint | None = None
    ) -> list[Session]:
        """Return the sessions that are live now and fit, oldest first."""
        wanted = sessions.selected(
            user=user, fingerprints=None if fingerprint is None else [fingerprint]
        )
        async with self._database.read() as connection:
            return await sessions.live_sessions(connection, wanted, self._clock())

    async def session_at(self, fingerprint: Fingerprint, moment: datetime) -> Session | None:
        """Return the newest session of a certificate that was begun at *moment*, ended or not."""
        async with self._database.read() as connection:
            return await sessions.session_at(connection, fingerprint, moment)

    async def end_sessions(
        self,
        *,
        session: SessionId | None = None,
        user: str | None = None,
        fingerprint: Fingerprint | None = None,
        everybody: bool = False,
        kind: AuditKind,
        by: str,
    ) -> list[Session]:
        """End the live sessions that fit every criterion given, and return them.

        Raises `ValueError` without any: only *everybody* means all of them.
        """
        wanted = sessions.selected(
            one=session,
            user=user,
            fingerprints=None if fingerprint is None else [fingerprint],
        )
        if not wanted and not everybody:
            raise ValueError("name the sessions to end: a session, a user, a fingerprint or all")
        async with self._step(by) as step:
            return await step.end_sessions(wanted, kind=kind)

    async def devices(self, user: str) -> Devices:
        """Return where *user* is signed in, and their certificates."""
        async with self._database.read() as connection:
            return await devices.devices_of(connection, user, self._clock())

    async def end_own_sessions(self, actor: Actor, chosen: SessionId | None) -> list[Session]:
        """Let somebody end one of their sessions, or all others; see `devices.end_own`."""
        async with self._step(actor.session.user) as step:
            return await devices.end_own(step, actor, chosen)

    # ------------------------------------------------------------ days of quotas

    async def spend_day(self, use: DayUse) -> Spending:
        """Let a day of a quota count, if one is left; see `days.spend`.

        However many ask at the same instant, on whatever machines: it counts once, and there
        are never more of them than the quota has.
        """
        async with self._step() as step:
            return await days.spend(step, use)

    async def used_days(
        self, *, user: str | None = None, since: date | None = None, until: date | None = None
    ) -> Sequence[UsedDay]:
        """Return the days that count, from *since* to *until*, by day and then by person."""
        async with self._database.read() as connection:
            return await days.list_days(connection, user=user, since=since, until=until)

    async def give_day_back(
        self, user: str, day: date, *, count: str | None = None, by: str = "command"
    ) -> list[UsedDay]:
        """Let *day* of *user* count no more; see `days.give_back`."""
        async with self._step(by) as step:
            return await days.give_back(step, user, day, count)

    # ------------------------------------------------------------ lost sticks

    async def belongings(self, user: str) -> list[Belonging]:
        """Return the certificates of *user* that are not over and not revoked for good."""
        async with self._database.read() as connection:
            return await lost.belongings(connection, user, self._clock())

    async def reporter(self, reporter: Reporter) -> ReporterView:
        """Return who *reporter* is and what they have, both of one moment.

        Raises `SignInOvertaken` when the reporter's account or credentials are others by now.
        """
        async with self._database.read() as connection:
            return await lost.find_reporter(connection, reporter, self._clock())

    async def report_lost(
        self, reporter: Reporter, what: Lost, *, address: str, request: str, by: str
    ) -> Reported:
        """Revoke what *reporter* has lost, and end what is bound to it; return what that was.

        Whose it was, and what is left, is of the same moment: whoever has the name afterwards may
        be another. Raises `SignInOvertaken` when the reporter's account or credentials are others
        by now. The CRL is signed by the authority, afterwards.
        """
        async with self._step(by) as step:
            return await lost.report(step, reporter, what, address=address, request=request)

    # ------------------------------------------------------------ certificates

    async def holder(self, fingerprint: Fingerprint) -> Holder | None:
        """Return the certificate with *fingerprint* and its person; None: not known, not judged."""
        async with self._database.read() as connection:
            holder = await certificates.find_holder(connection, fingerprint)
            if holder is None or holder.person is None:
                return holder
            papers = await read_papers(connection, holder.user, self._clock())
            return replace(holder, papers=papers)

    async def papers(self, user: str | None = None) -> Mapping[str, Papers]:
        """Return what people have accepted, been granted and used: all who have, or *user* alone."""
        async with self._database.read() as connection:
            return await read_all_papers(connection, self._clock(), user)

    async def certificate(self, serial: str) -> CertificateRecord | None:
        """Return the certificate with *serial* (as `ca.serials` writes it)."""
        async with self._database.read() as connection:
            return await certificates.find_certificate(connection, serial)

    async def certificates(
        self,
        *,
        user: str | None = None,
        device: str | None = None,
        state: CertificateState | None = None,
        expiring_before: datetime | None = None,
    ) -> list[CertificateRecord]:
        """Return the certificates that fit every filter given, oldest first."""
        async with self._database.read() as connection:
            return await ledger.list_certificates(
                connection, user=user, device=device, state=state, expiring_before=expiring_before
            )

    async def revoke_certificates(
        self,
        *,
        serial: str | None = None,
        user: str | None = None,
        device: str | None = None,
        reason: RevocationReason,
        by: str,
    ) -> list[CertificateRecord]:
        """Revoke what fits every criterion, end the sessions bound to it; return what is new.

        An empty list means that all of it was revoked before. Raises
        `NoSuchCertificate` when nothing fits, and `ValueError` when neither
        *serial* nor *user* is given. The CRL is signed by the authority, afterwards.
        """
        async with self._step(by) as step:
            return await step.revoke(serial=serial, user=user, device=device, reason=reason)

    async def sharing_keys(self, records: Sequence[CertificateRecord]) -> list[CertificateRecord]:
        """Return what else is to be revoked if the keys of *records* are compromised.

        For at most some hundreds.
        """
        async with self._database.read() as connection:
            return await ledger.sharing_keys(connection, records)

    async def revoke_chosen(
        self,
        serials: Sequence[str],
        presented: Sequence[Fingerprint] = (),
        *,
        reason: RevocationReason,
        by: str,
        finished: Mapping[str, str] | None = None,
    ) -> tuple[list[CertificateRecord], list[Presented]]:
        """Revoke *serials* and block *presented*, which are of other CAs; return what is new.

        Sessions bound to them end. One transaction, for at most some hundreds. With *finished* they are the last of
        many, and the audit log says so in these words.
        """
        async with self._step(by) as step:
            outcome = await ledger.revoke(
                step.connection, serials=serials, reason=reason, now=step.now
            )
            await step.follow_revocation(outcome.newly)
            shown = await foreign.writings_of(step.connection, presented)
            blocked = await step.block_these(shown, reason)
            if finished is not None:
                step.note(AuditKind.BULK_REVOCATION, reason=reason, **finished)
            return [*outcome.newly], blocked

    async def hold_certificates(
        self,
        *,
        serial: str | None = None,
        user: str | None = None,
        device: str | None = None,
        by: str,
    ) -> list[CertificateRecord]:
        """Put every valid certificate that fits on hold, and end the sessions bound to it.

        Returns those; what is revoked or on hold already stays as it is. Raises
        `ValueError` when neither *serial* nor *user* is given.
        """
        async with self._step(by) as step:
            return await step.hold(serial=serial, user=user, device=device)

    async def release_certificates(
        self,
        *,
        serial: str | None = None,
        user: str | None = None,
        device: str | None = None,
        by: str,
    ) -> list[CertificateRecord]:
        """Make every certificate on hold that fits valid again, and return those.

        Sessions that ended with the hold stay ended. Raises `ValueError` as
        `hold_certificates` does.
        """
        async with self._step(by) as step:
            return await step.release(serial=serial, user=user, device=device)

    async def successors(self, record: CertificateRecord) -> list[CertificateRecord]:
        """Return what was issued to take the place of *record*, the oldest first."""
        async with self._database.read() as connection:
            return await renewals.successors_of(connection, record)

    async def renewal_chain(self, record: CertificateRecord) -> tuple[CertificateRecord, ...]:
        """Return *record* among all that it came from and that came from it, oldest first."""
        async with self._database.read() as connection:
            return await renewals.chain_of(connection, record)

    async def left_behind(self, revoked: Sequence[CertificateRecord]) -> list[CertificateRecord]:
        """Return what *revoked* certificates had renewed, as far as it still opens something."""
        async with self._database.read() as connection:
            return await renewals.left_behind(connection, revoked, self._clock())

    async def supersede_due(self, *, by: str) -> list[CertificateRecord]:
        """Revoke some of what was renewed and is due, end its sessions; return what that was."""
        async with self._step(by) as step:
            outcome = await renewals.supersede_due(step.connection, step.now)
            await step.follow_revocation(outcome.newly)
            return [*outcome.newly]

    async def next_superseding(self, after: datetime) -> datetime | None:
        """Return the next moment after *after* at which `supersede_due` may find something."""
        async with self._database.read() as connection:
            return await renewals.next_due(connection, after)

    # ------------------------------------------------------------ renewals by the person

    async def renewal_standing(self, fingerprint: Fingerprint) -> Standing | None:
        """Return how a certificate stands that may be renewed; None for one that is none of ours."""
        async with self._database.read() as connection:
            return await renewing.standing(connection, fingerprint, self._clock())

    async def ask_renewal(
        self, change: Change, renewal_id: str, way: Way, key: bytes = b""
    ) -> Renewal:
        """Ask the authority to renew the certificate of *change*; see `renewing.ask`."""
        async with self._step() as step:
            return await renewing.ask(step, change, renewal_id, way, key)

    async def renewal_asked(self, fingerprint: Fingerprint) -> Renewal | None:
        """Return what was asked for a certificate, without a look at anything else."""
        async with self._database.read() as connection:
            return await renewing.find(connection, fingerprint)

    async def hand_over_renewal(
        self, who: SessionRecord, renewal_id: str, request: str = ""
    ) -> Renewal:
        """Let a new key be handed over, once; see `renewing.hand_over`."""
        async with self._step() as step:
            return await renewing.hand_over(step, who, renewal_id, request)

    async def waiting_renewals(self) -> list[Renewal]:
        """Return what is asked for and not settled, the oldest first."""
        async with self._database.read() as connection:
            return await renewing.waiting(connection)

    async def certificate_der(self, issuer: str, serial: str) -> bytes | None:
        """Return a certificate (DER) as it was recorded."""
        async with self._database.read() as connection:
            return await renewing.certificate_der(connection, issuer, serial)

    async def refuse_renewal(self, renewal: Renewal, words: str, *, by: str) -> None:
        """Say that a request cannot be met, and why."""
        async with self._step(by) as step:
            await renewing.refuse(step, renewal, words)

    async def lapse_renewals(self, *, by: str) -> list[Renewal]:
        """Revoke what nobody has fetched in time; return what that was for."""
        async with self._database.read() as connection:
            if not await renewing.is_any_late(connection, self._clock()):
                return []
        async with self._step(by) as step:
            return await renewing.lapse(step)

    async def follow_renewals_used(self, overlap: timedelta, *, by: str) -> list[Renewal]:
        """Let what has been renewed end *overlap* after the first use of the new one; return it."""
        async with self._database.read() as connection:
            if not await renewing.newly_used(connection):
                return []
        async with self._step(by) as step:
            return await renewing.follow_use(step, overlap)

    async def endings_to_tell(self, most: int) -> list[Ending]:
        """Return certificates that end soon and whose holder is to be written to now."""
        async with self._database.read() as connection:
            return await renewing.ending(connection, self._clock(), most)

    async def take_notice(self, one: Ending) -> bool:
        """Take it on to write to the holder of *one*; False when another node has done so."""
        async with self._database.write() as connection:
            return await renewing.take_notice(connection, one, self._clock())

    # ------------------------------------------------------------ requests for access

    async def ask_access(self, actor: Actor, wish: Wish) -> AccessRequest | Fault:
        """Write down what somebody asks for; see `deciding.ask`."""
        async with self._step() as step:
            return await deciding.ask(step, actor, wish)

    async def decide_access(
        self, actor: Actor, number: int, ruling: Ruling, may: MayDecide
    ) -> AccessRequest | Fault:
        """Let a manager approve or refuse a request; see `deciding.decide`."""
        async with self._step() as step:
            return await deciding.decide(step, actor, number, ruling, may)

    async def rule_on_access(
        self, number: int, ruling: Ruling, *, by: str
    ) -> AccessRequest | Fault:
        """Let an administrator approve or refuse a request."""
        async with self._step(by) as step:
            return await deciding.decide(step, None, number, ruling, lambda *_: True)

    async def withdraw_access(
        self, actor: Actor, number: int, today: date
    ) -> AccessRequest | Fault:
        """Take a request back, or what was granted to it; see `deciding.withdraw`."""
        async with self._step() as step:
            return await deciding.withdraw(step, actor, number, today)

    async def end_access(self, number: int, today: date, *, by: str) -> AccessRequest | Fault:
        """Let an administrator end what was approved; see `deciding.end`."""
        async with self._step(by) as step:
            return await deciding.end(step, number, today)

    async def turn_application(
        self, kind: AuditKind, app: str, today: date, *, by: str, **detail: str
    ) -> list[AccessRequest]:
        """Write down that *app* comes or goes; return what ends with it, as it was.

        That is what anybody waits for or was granted under its name: another application that
        is called so inherits nothing.
        """
        async with self._step(by) as step:
            step.note(kind, app=app, **detail)
            return await step.end_requests(today, kind, app=app)

    async def access_requests(
        self,
        *,
        user: str | None = None,
        app: str | None = None,
        states: Sequence[RequestState] = (),
        own: bool = False,
    ) -> list[AccessRequest]:
        """Return the requests that fit every filter given, by their numbers.

        *own*: those of the *user* of today, and not of somebody who had the name before.
        """
        async with self._database.read() as connection:
            return await requests.list_requests(
                connection, user=user, app=app, states=states, own=own
            )

    async def waiting_requests(self) -> list[tuple[AccessRequest, Person]]:
        """Return what nobody has settled, by number, and who asked: those who may come in."""
        async with self._database.read() as connection:
            return await requests.waiting(connection)

    async def access_request(self, number: int) -> AccessRequest | None:
        """Return the request with *number*."""
        async with self._database.read() as connection:
            return await requests.find_request(connection, number)

    async def asker(self, request: AccessRequest) -> Person | None:
        """Return who asked, as they are today; None: they are gone, whoever has their name now."""
        async with self._database.read() as connection:
            return await requests.asker_of(connection, request)

    async def request_file(
        self, request: AccessRequest, agreements: frozenset[str] = frozenset()
    ) -> RequestFile:
        """Return *request* with the days that were used and the texts that were accepted."""
        async with self._database.read() as connection:
            return await requests.file_of(connection, request, agreements)

    async def untold_requests(self, most: int) -> list[AccessRequest]:
        """Return at *most* so many requests of which somebody is to be written to."""
        async with self._database.read() as connection:
            return await requests.untold(connection, self._clock(), most)

    async def take_letter(self, request: AccessRequest) -> bool:
        """Take it on to write of *request*; False when another node has done so."""
        async with self._database.write() as connection:
            return await requests.take_letter(connection, request, self._clock())

    async def latest_crl(
        self, issuer: str, scope: str = WHOLE, kind: CRLKind = CRLKind.FULL
    ) -> CRLRecord | None:
        """Return the newest CRL of *issuer*: of everything, unless another is named."""
        async with self._database.read() as connection:
            return await lists.latest_crl(connection, issuer, scope, kind)

    async def latest_crl_number(self, name: ListName) -> int | None:
        """Return the number of the newest CRL called *name*, without its bytes."""
        async with self._database.read() as connection:
            return await lists.latest_number(connection, name.issuer, name.scope, name.kind)

    async def crl_dates(self) -> list[CRLDates]:
        """Return the dates of every CRL that is kept up; cheap, however long the lists are."""
        async with self._database.read() as connection:
            return await lists.crl_dates(connection, self._clock())

    async def issuers(self) -> list[IssuerRecord]:
        """Return the issuing CAs, the oldest first."""
        async with self._database.read() as connection:
            return await certificates.list_issuers(connection)

    # ------------------------------------------------------------ other CAs

    async def present(self, fingerprint: Fingerprint, certificate: bytes) -> None:
        """Let a certificate (DER) of another CA be judged by the verifier; it hears of it."""
        async with self._step() as step:
            if await foreign.present(step.connection, fingerprint, certificate, step.now):
                step.change(ChangeKind.PRESENTED, fingerprint)

    async def presented(
        self,
        *,
        trust: str | None = None,
        state: ForeignState | None = None,
        fingerprint: Fingerprint | None = None,
        serial: str | None = None,
        user: str | None = None,
    ) -> list[Presented]:
        """Return the certificates of other CAs that fit every criterion given, oldest first.

        With *user* those alone that are accepted, and that person's now.
        """
        fingerprints = None if fingerprint is None else [fingerprint]
        wanted = foreign.selected(
            trust=trust, state=state, fingerprints=fingerprints, serial=serial
        )
        async with self._database.read() as connection:
            if user is not None:
                return await foreign.read_presented_of(connection, user, *wanted)
            return await foreign.read_presented(connection, *wanted)

    async def has_presented(self) -> bool:
        """Say whether there is a certificate of another CA; cheap, however many there are."""
        async with self._database.read() as connection:
            return await foreign.is_any_presented(connection)

    async def judge(self, verdicts: Sequence[Verdict], *, by: str) -> None:
        """Write down what was found of certificates of other CAs, at most some hundreds at once.

        What stands otherwise than before is told of, and sessions end where it fell.
        """
        async with self._step(by) as step:
            judged = await foreign.write_verdicts(step.connection, verdicts, step.now)
            await step.follow_verdicts(judged)

    async def block_presented(
        self, *, reason: RevocationReason, by: str, **named: Unpack[foreign.Naming]
    ) -> list[Presented]:
        """Let certificates of other CAs open nothing here any more; return what is new.

        Whatever their own CA says: they end here, at once, and for good unless *reason* is a
        hold. Raises `ValueError` when neither a serial nor a user is named.
        """
        async with self._step(by) as step:
            return await step.block(reason=reason, **named)

    async def unblock_presented(
        self, *, by: str, **named: Unpack[foreign.Naming]
    ) -> list[Presented]:
        """End the holds that `block_presented` has made, and return of which certificates."""
        async with self._step(by) as step:
            return await step.unblock(**named)

    async def forget_presented(self, before: datetime) -> int:
        """Take out certificates of other CAs that have ended or were refused before *before*."""
        async with self._step() as step:
            return await step.forget_ended(before)

    async def note_lists(self, trust: str, states: Sequence[ForeignList]) -> None:
        """Note how the lists of *trust* stand, for doctor and metrics on every node."""
        async with self._database.write() as connection:
            await foreign.write_lists(connection, trust, states)

    async def keep_lists(self, trusts: Sequence[str]) -> None:
        """Forget the lists of every trust but *trusts*."""
        async with self._database.write() as connection:
            await foreign.keep_lists(connection, trusts)

    async def foreign_lists(self) -> list[ForeignList]:
        """Return how the lists of other CAs stand, by trust and source."""
        async with self._database.read() as connection:
            return await foreign.read_lists(connection)

    # ------------------------------------------------------------ agreements

    async def accept_agreement(
        self,
        actor: Actor,
        agreement: str,
        text: AgreementText,
        can_be: Callable[[datetime], bool],
    ) -> Accepting:
        """Write down that somebody accepts a text; see `agreements.accept`."""
        async with self._step() as step:
            return await agreements.accept(step, actor, agreement, text, can_be)

    async def withdraw_own_agreement(self, actor: Actor, agreement: str) -> list[Acceptance]:
        """Let somebody take back what they accepted of *agreement*; or `SignInOvertaken`."""
        async with self._step() as step:
            return await agreements.withdraw_own(step, actor, agreement)

    async def withdraw_agreement(
        self, user: str, agreement: str, *, by: str = "command"
    ) -> list[Acceptance]:
        """Let what *user* accepted of *agreement* be accepted no more, and return what that was.

        Raises `NoSuchPerson`.
        """
        async with self._step(by) as step:
            if await people.find_person(step.connection, user) is None:
                raise NoSuchPerson(user)
            return await step.withdraw_agreements(user, agreement)

    async def acceptances(
        self, *, user: str | None = None, agreement: str | None = None, own: bool = False
    ) -> list[Acceptance]:
        """Return what was accepted, and perhaps withdrawn since, oldest first.

        *own*: by the *user* of today, and not by somebody who had the name before.
        """
        async with self._database.read() as connection:
            return await acceptances.list_acceptances(
                connection, user=user, agreement=agreement, own=own
            )

    # ------------------------------------------------------------ OCSP

    async def ask_for_responder(self, request: responders.Request) -> None:
        """Ask the authority to certify a key that is to answer OCSP."""
        async with self._step() as step:
            await responders.ask(step.connection, request, step.now)
            # It looks whenever a certificate changes; nobody has one of this fingerprint.
            step.change(ChangeKind.CERTIFICATE, request.key)

    async def responder_certificate(self, issuer: str, key: str) -> bytes | None:
        """Return what the authority has answered: a certificate (DER), None as yet."""
        async with self._database.read() as connection:
            return await responders.certificate_of(connection, issuer, key)

    async def issued(self, issuer: str, serial: int) -> Issued | None:
        """Return what is known of the certificate that *issuer* gave *serial*, for OCSP.

        None when it never was given; a serial that is only reserved counts as not given.
        """
        text = serial_text(serial)
        async with self._database.read() as connection:
            record = await ledger.find_by_serial(connection, issuer, text)
            if record is not None:
                standing = record.standing
                return Issued(standing.revocation) if standing.recorded else None
            own = await responders.is_responder(connection, issuer, text)
        return Issued() if own else None

    # ------------------------------------------------------------ feed and audit

    def follow(self) -> AsyncGenerator[Batch]:
        """Yield every later change, and an empty batch at least each second.

        The first batch comes at once: "from here on". After `StoreUnavailable`
        the follower is at its end, and its memory of the store worth nothing.
        """
        if self._database.file is not None:
            return follow_file(self._database.file)
        return follow_server(self._database.url)

    async def record(self, *events: AuditEvent) -> None:
        """Write *events* to the audit log; returns when they are durable."""
        if events:
            await self._recorder.record(events)

    async def audit_tail(self, count: int, *, after: int = 0) -> list[AuditLine]:
        """Return the newest *count* lines behind number *after*, oldest first.

        Raises `StoreDamaged` when one of them is not such as we write.
        """
        async with self._database.read() as connection:
            return await audit.tail(connection, count, after)

    async def audit_about(
        self, *named: tuple[str, str], since: datetime, until: datetime, count: int
    ) -> list[AuditLine]:
        """Return the newest *count* lines of that time that name one of *named*, oldest first.

        *named* are fields and values: `("user", "anna")`. Raises `StoreDamaged` as `audit_tail`.
        """
        async with self._database.read() as connection:
            return await audit.about(connection, named, since=since, until=until, count=count)

    async def audit_break(self) -> int | None:
        """Return the number of the first line that does not fit its place, or None.

        Reads in slices, so writers are not held up. What a chain cannot show,
        `gateway.core.audit` says.
        """
        check = audit.ChainCheck()
        while not check.done:
            async with self._database.read() as connection:
                broken = await check.next_slice(connection)
            if broken is not None:
                return broken
        return None
