"""The story of one request: everything that is known of it, put together for the administrator.

Each part comes from where it is kept (access log, audit log, store, apps/NAME.toml), and what is
not known is said, with the reason.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ca.ledger import CertificateRecord
from gateway.bootstrap.access_lines import AccessLine, AccessLines
from gateway.bootstrap.command import Command
from gateway.bootstrap.meaning import (
    PORTAL,
    REFUSING,
    over_by_now,
    refusal_named,
    refusal_of,
    steps,
    why,
)
from gateway.bootstrap.ruling import Ruling, rule_on
from gateway.bootstrap.serials import device_of, serial_of, shown_as
from gateway.core.audit import AuditEvent, AuditKind, AuditLine
from gateway.core.foreign import Presented
from gateway.core.people import Fingerprint, Person
from gateway.core.refusal_kinds import Refusal
from gateway.core.request_ids import made_at
from gateway.core.sessions import Session
from policies.model import Level

_WRITTEN_WITHIN: Final = timedelta(seconds=3)
_REPEATED: Final = timedelta(seconds=90)
_ABOUT: Final = timedelta(minutes=5)
_CHANGES: Final = 50
_LOOKED_AT: Final = 1000
_STOPPING: Final = frozenset({AuditKind.CERTIFICATE_REVOKED, AuditKind.CERTIFICATE_HELD})
_CHANGING: Final = frozenset(
    {
        *(AuditKind.CERTIFICATE_REVOKED, AuditKind.CERTIFICATE_HELD),
        *(AuditKind.CERTIFICATE_RELEASED, AuditKind.LOST_REPORTED, AuditKind.SESSION_ENDED),
        *(AuditKind.USER_DISABLED, AuditKind.USER_ENABLED, AuditKind.USER_REMOVED),
        *(AuditKind.PASSWORD_CHANGED, AuditKind.TOTP_RESET, AuditKind.USER_ADDED),
        *(AuditKind.TOTP_CHANGED, AuditKind.ENROLLED),
        *(AuditKind.APPLICATION_ADDED, AuditKind.APPLICATION_REMOVED),
    }
)


@dataclass(frozen=True, slots=True)
class Story:
    """What is known of one request. What is None, or empty, is not known or was not there."""

    request: str
    made_at: datetime
    line: AccessLine | None
    told: tuple[AuditLine, ...]
    """What the audit log says of this very request."""
    like: AuditLine | None
    """The line of the same refusal, less than a minute before, which stands for this one."""
    before: tuple[AuditLine, ...]
    """Who revoked the certificate, or put it on hold: here, or its own CA, by when that was heard."""
    since: tuple[AuditLine, ...]
    """What was changed since about certificate, person and application."""
    refusal: Refusal | None
    why: str
    steps: tuple[str, ...]
    certificate: CertificateRecord | Presented | None
    person: Person | None
    session: Session | None
    ruling: Ruling | None
    gaps: tuple[str, ...]
    """What is missing, and why."""

    @property
    def known(self) -> bool:
        """Whether there is anything to tell."""
        return self.line is not None or bool(self.told)

    @property
    def at(self) -> datetime:
        """When it came: by the access log, or to the second by its id."""
        return self.made_at if self.line is None else self.line.begun_at

    def named(self, field: str) -> str:
        """Return *field* (user, serial, device, app, address) as whichever record has it."""
        events = [line.event for line in (*self.told, *([self.like] if self.like else []))]
        places: list[object] = [self.line, *events] if self.line is not None else [*events]
        return next((found for one in places if (found := getattr(one, field, ""))), "")


async def tell_story(command: Command, request: str) -> Story:
    """Return the story of *request*, which has the form of an id."""
    made, now = made_at(request), command.clock()
    gaps: list[str] = []
    line = _find_line(command, request, made, gaps)
    at = made if line is None else line.begun_at
    told = await command.store.audit_about(
        ("request", request), since=at - _ABOUT, until=at + _ABOUT, count=_CHANGES
    )
    refusal = refusal_of(line, told)
    names = _names(line, told)
    like = None
    if not told and line is not None and refusal is not None:
        like = await _the_same_before(command, line, refusal, at)
        names = names | ({} if like is None else _names(None, [like]))
    certificate = await _certificate(command, names, gaps)
    fingerprint = _fingerprint(certificate)
    holder = None if fingerprint is None else await command.store.holder(fingerprint)
    user = names.get("user", "")
    session = None if fingerprint is None else await command.store.session_at(fingerprint, at)
    ruling = None
    has_rules = names.get("app", "") not in {"", *PORTAL}
    if has_rules and holder is not None and holder.person is not None:
        level = session.level if session is not None and session.live(at) else Level.CERTIFICATE
        # When a code was given is kept of the last one alone; it was too old where that is why.
        old = session is not None and refusal is Refusal.CODE_REQUIRED
        proved_at = session.created_at if session is not None and old else at
        ruling = rule_on(command, names["app"], holder, level, line, at, proved_at)
        gaps += ruling.gaps
    person = await command.store.person(user) if user else None
    known = {**names, "id": request, "trust": "" if holder is None else holder.trust}
    return Story(
        request=request,
        made_at=made,
        line=line,
        told=tuple(told),
        like=like,
        before=tuple(await _who_stopped_it(command, certificate, now)),
        since=tuple(await _changes(command, names, at, now)),
        refusal=refusal,
        why=why(line, told, refusal),
        steps=(
            *over_by_now(refusal, holder, ruling, now),
            *steps(refusal, line, known),
        ),
        certificate=certificate,
        person=person,
        session=session,
        ruling=ruling,
        gaps=tuple(gaps),
    )


# The records --------------------------------------------------------------------


def _find_line(
    command: Command, request: str, made: datetime, gaps: list[str]
) -> AccessLine | None:
    place, now = command.site.access_log, command.clock()
    if made > now + _WRITTEN_WITHIN:
        gaps.append("by this machine's clock the id was made in the future: which clock is wrong?")
    if place is None:
        gaps.append('the access log is off ([log] access = "off"): address and path are not known')
        return None
    lines = AccessLines(command.folder.path / place)
    found = lines.find(request, made)
    gaps += lines.unread
    if found is not None:
        if "?..." in found.target:
            gaps.append("what stood behind the ? of the target is not written ([log] queries)")
        return found
    if now - made < _WRITTEN_WITHIN:
        gaps.append("it is so new that its line may not be written yet: ask again")
    elif lacking := lines.lacks(made):
        gaps.append(
            f"{lacking}: its line was rotated away, the log was off then, or the edge runs "
            "elsewhere: ask there"
        )
    else:
        gaps.append(
            "it is not in the access log of this node, which reaches back so far: ask on the other "
            "nodes, if there are any; a WebSocket or a download that is not over has no line yet; "
            "or the id was misheard"
        )
    return None


async def _the_same_before(
    command: Command, line: AccessLine, refusal: Refusal, at: datetime
) -> AuditLine | None:
    """Find the refusal that this one was too much like to be written down again."""
    if not line.serial:
        return None
    lines = await command.store.audit_about(
        ("serial", line.serial), since=at - _REPEATED, until=at, count=_CHANGES
    )
    fitting = [
        one
        for one in lines
        if one.event.kind in REFUSING and one.event.app in {line.app, ""}
        if one.event.device == line.device
        if refusal_named(one.event.reason) is refusal
    ]
    return fitting[-1] if fitting else None


async def _certificate(
    command: Command, names: dict[str, str], gaps: list[str]
) -> CertificateRecord | Presented | None:
    serial = names.get("serial", "")
    if not serial:
        return None
    found = await shown_as(command, serial, names.get("device", ""), names.get("user", ""))
    if len(found) > 1:
        gaps.append(
            f"the serial {serial} is that of several certificates: which it was is not known"
        )
        return None
    return found[0] if found else None


def _fingerprint(certificate: CertificateRecord | Presented | None) -> Fingerprint | None:
    if isinstance(certificate, Presented):
        return certificate.verdict.fingerprint
    found = None if certificate is None else certificate.fingerprint
    return None if found is None else Fingerprint(found)


async def _who_stopped_it(
    command: Command, certificate: CertificateRecord | Presented | None, now: datetime
) -> list[AuditLine]:
    if certificate is None:
        return []
    found: dict[int, AuditLine] = {}
    for since, until in _stops(certificate, now):
        lines = await command.store.audit_about(
            ("serial", serial_of(certificate)), since=since, until=until, count=_LOOKED_AT
        )
        found |= {
            line.number: line
            for line in lines
            if line.event.kind in _STOPPING and line.event.device == device_of(certificate)
        }
    return [found[number] for number in sorted(found)]


def _stops(
    certificate: CertificateRecord | Presented, now: datetime
) -> Iterator[tuple[datetime, datetime]]:
    """Yield the times at which the audit log was told that *certificate* opens nothing more."""
    if isinstance(certificate, CertificateRecord):
        moment = certificate.revoked_at
    else:
        moment = None if certificate.blocked is None else certificate.blocked.at
        if certificate.verdict.revocation is not None:
            # When its own CA revoked it does not say when that was heard of here.
            begun = max(certificate.verdict.revocation.at, certificate.presented_at)
            yield begun - _ABOUT, now
    if moment is not None:
        yield moment - _ABOUT, moment + _ABOUT


async def _changes(
    command: Command, names: dict[str, str], at: datetime, now: datetime
) -> list[AuditLine]:
    """Return what was changed after *at* about those who took part."""
    named = [(field, names[field]) for field in ("serial", "user", "app") if names.get(field)]
    if not named:
        return []
    lines = await command.store.audit_about(*named, since=at, until=now, count=_LOOKED_AT)
    return [
        line for line in lines if line.event.kind in _CHANGING and _concerns(line.event, names)
    ][-_CHANGES:]


def _concerns(event: AuditEvent, names: dict[str, str]) -> bool:
    """Say whether *event* is of those who took part, and not just of another with the serial."""
    if any(names.get(field, "") == getattr(event, field) != "" for field in ("user", "app")):
        return True
    return names.get("device", "") in {"", event.device}


def _names(line: AccessLine | None, told: list[AuditLine]) -> dict[str, str]:
    """Return who took part, by whichever record says so first."""
    names: dict[str, str] = {}
    for one in ([] if line is None else [line], [each.event for each in told]):
        for record in one:
            for field in ("user", "serial", "device", "app", "address"):
                if value := getattr(record, field):
                    names.setdefault(field, value)
    return names
