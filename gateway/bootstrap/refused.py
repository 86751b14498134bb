"""What was refused lately, for whoever has no id of a request: by person, certificate or address."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from gateway.bootstrap.access_lines import AccessLine, AccessLines
from gateway.bootstrap.command import Command
from gateway.bootstrap.meaning import CLIENT_GONE, is_refusing
from gateway.core.audit import AuditLine

FIELDS: Final = ("user", "serial", "address")
"""By what may be asked for; the access log and the audit log call them the same."""
_ERRORS: Final = 400
_LOOKED_AT: Final = 10_000


@dataclass(frozen=True, slots=True)
class Refused:
    """One refusal; *request* is "" where there was no request, as in a handshake."""

    at: datetime
    request: str
    address: str
    user: str
    serial: str
    device: str
    app: str
    reason: str
    status: int | None
    asked: str
    """Method, host and target."""


@dataclass(frozen=True, slots=True)
class RefusedList:
    """Refusals, oldest first, and what could not be looked at."""

    refused: tuple[Refused, ...]
    gaps: tuple[str, ...]


async def refused_lately(
    command: Command, wanted: Mapping[str, str], span: tuple[datetime, datetime], count: int
) -> RefusedList:
    """Return the newest *count* refusals of *span* that fit all of *wanted*, by the `FIELDS`."""
    gaps: list[str] = []
    found = _of_access_log(command, wanted, span, count, gaps)
    since, until = span
    lines = await command.store.audit_about(
        *wanted.items(), since=since, until=until, count=_LOOKED_AT
    )
    told = [line for line in lines if is_refusing(line) and _fits(line.event, wanted)]
    # The portal's own reason, such as a wrong password, is in the audit log alone.
    reasons = {line.event.detail.get("request", ""): line.event.reason for line in told}
    seen = {one.request for one in found}
    found = [replace(one, reason=one.reason or reasons.get(one.request, "")) for one in found]
    found += [_of_audit(line) for line in told if line.event.detail.get("request") not in seen]
    found.sort(key=lambda one: one.at)
    return RefusedList(tuple(found[-count:]), tuple(gaps))


def _of_access_log(
    command: Command,
    wanted: Mapping[str, str],
    span: tuple[datetime, datetime],
    count: int,
    gaps: list[str],
) -> list[Refused]:
    place = command.site.access_log
    if place is None:
        gaps.append("the access log is off, so only what is in the audit log is listed")
        return []
    lines = AccessLines(command.folder.path / place)
    field, value = next(iter(wanted.items()))
    found = lines.newest(
        field, value, span, count, lambda line: _is_refused(line) and _fits(line, wanted)
    )
    gaps += lines.unread
    if lacking := lines.lacks(span[0]):
        gaps.append(f"{lacking}: for the rest the audit log alone is asked")
    return [_of_line(line) for line in found]


def _is_refused(line: AccessLine) -> bool:
    return line.status >= _ERRORS or line.reason not in {"", CLIENT_GONE}


def _fits(record: object, wanted: Mapping[str, str]) -> bool:
    return all(getattr(record, field) == value for field, value in wanted.items())


def _of_line(line: AccessLine) -> Refused:
    return Refused(
        at=line.begun_at,
        request=line.id,
        address=line.address,
        user=line.user,
        serial=line.serial,
        device=line.device,
        app=line.app,
        reason=line.reason,
        status=line.status,
        asked=f"{line.method} {line.host}{line.target}".strip(),
    )


def _of_audit(line: AuditLine) -> Refused:
    event = line.event
    return Refused(
        at=event.at,
        request=event.detail.get("request", ""),
        address=event.address,
        user=event.user,
        serial=event.serial,
        device=event.device,
        app=event.app,
        reason=event.reason,
        status=None,
        asked="handshake" if "possession" in event.detail else event.kind.value,
    )
