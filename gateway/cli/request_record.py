"""A request as it goes into the file: read by people, by a spreadsheet, and by programs."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from gateway.cli.output import local, table, utc
from gateway.core.spans import show_spans

if TYPE_CHECKING:
    from gateway.bootstrap.requests import Entry
    from gateway.core.agreements import Acceptance
    from gateway.core.requests import AccessRequest

HEAD: Final = (
    *("number", "user", "name", "app", "state", "wanted", "granted", "reason", "asked_at"),
    *("serial", "decided_by", "decided_at", "words", "ended_by", "ended_at"),
    *("agreements", "days_used"),
)
"""The columns of the CSV."""
_INDENT: Final = "    "


def facts_of(one: "AccessRequest") -> dict[str, Any]:
    """Return a request as programs read it."""
    return {
        "number": one.number,
        "user": one.user,
        "app": one.app,
        "state": one.state.value,
        "wanted": show_spans(one.wanted),
        "granted": show_spans(one.granted),
        "reason": one.reason,
        "asked_at": utc(one.asked_at),
        "serial": one.serial,
        "decided_by": one.decided_by,
        "decided_at": utc(one.decided_at),
        "words": one.words,
        "ended_by": one.ended_by,
        "ended_at": utc(one.ended_at),
        "agreements": [
            {"agreement": each.agreement, "version": each.version, "sha256": each.digest}
            for each in one.agreements
        ],
    }


def record_facts(entry: "Entry") -> dict[str, Any]:
    """Return a request with all that belongs to it, as programs read it."""
    return facts_of(entry.file.request) | {
        "name": entry.name,
        "managers": list(entry.managers),
        "acceptances": [_acceptance_facts(each) for each in entry.file.acceptances],
        "days_used": [
            {
                "day": each.day.isoformat(),
                "count": each.count,
                "app": each.app,
                "serial": each.serial,
                "at": utc(each.at),
            }
            for each in entry.file.days
        ],
    }


def row_of(entry: "Entry") -> list[str]:
    """Return a request as a line of CSV, whose columns are `HEAD`."""
    facts = facts_of(entry.file.request) | {"name": entry.name}
    facts["agreements"] = "; ".join(map(str, entry.file.request.agreements))
    facts["days_used"] = "; ".join(
        f"{each.day} {each.app} {each.serial}" for each in entry.file.days
    )
    return ["" if facts[key] is None else str(facts[key]) for key in HEAD]


def record_text(entry: "Entry") -> str:
    """Return a request as Markdown.

    Everything is in indented blocks (CommonMark 0.31, section 4.4), in which nothing formats: a
    reason may be any text.
    """
    one = entry.file.request
    who = f"{one.user} ({entry.name})" if entry.name else f"{one.user} (not here any more)"
    parts = [
        f"# Request {one.number}",
        _facts(
            ("asked by", who),
            ("application", f"{one.app} ({entry.title})"),
            ("days asked for", show_spans(one.wanted)),
            ("asked at", local(one.asked_at)),
            ("certificate", one.serial),
            ("state", one.state.value),
            ("days granted", show_spans(one.granted)),
            ("decided by", one.decided_by),
            ("decided at", local(one.decided_at)),
            ("ended by", one.ended_by),
            ("ended at", local(one.ended_at)),
            ("may be decided by", ", ".join(entry.managers)),
        ),
        "## Reason",
        _indented(one.reason),
    ]
    if one.words:
        parts += ["## Answer", _indented(one.words)]
    if one.agreements:
        parts += ["## Agreements, as they were accepted when it was asked"]
        parts += [_indented("\n".join(map(str, one.agreements)))]
    if entry.file.acceptances:
        parts += ["## Every acceptance of these agreements", _accepted(entry.file.acceptances)]
    days = [(each.day, each.app, each.serial, local(each.at)) for each in entry.file.days]
    parts += ["## Days used", _indented(table(days)) if days else _indented("none")]
    return "\n\n".join(parts) + "\n"


def _accepted(acceptances: "Iterable[Acceptance]") -> str:
    head = ("AGREEMENT", "VERSION", "SHA-256", "CERTIFICATE", "ACCEPTED", "WITHDRAWN")
    rows = [
        (
            *(each.agreement, each.version, each.digest, each.serial),
            *(local(each.accepted_at), local(each.withdrawn_at)),
        )
        for each in acceptances
    ]
    return _indented(table([head, *rows]))


def _acceptance_facts(one: "Acceptance") -> dict[str, Any]:
    return {
        "agreement": one.agreement,
        "version": one.version,
        "sha256": one.digest,
        "language": one.language,
        "serial": one.serial,
        "accepted_at": utc(one.accepted_at),
        "withdrawn_at": utc(one.withdrawn_at),
    }


def _facts(*facts: tuple[str, str]) -> str:
    return _indented(table([fact for fact in facts if fact[1]]))


def _indented(text: str) -> str:
    return "\n".join(_INDENT + line for line in text.split("\n"))
