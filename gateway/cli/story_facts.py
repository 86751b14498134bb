"""The story of a request as programs read it."""

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from gateway.cli.facts import facts_of, foreign_facts
from gateway.cli.output import utc
from gateway.cli.reasons import facts_of_explanation

if TYPE_CHECKING:
    from gateway.bootstrap.refused import Refused
    from gateway.bootstrap.ruling import Ruling
    from gateway.bootstrap.story import Story
    from gateway.core.audit import AuditLine
    from gateway.core.sessions import Session


def facts_of_story(story: "Story", now: datetime) -> dict[str, Any]:
    """Return *story* as programs read it."""
    return {
        "request": story.request,
        "made_at": utc(story.made_at),
        "at": utc(story.at),
        "now": utc(now),
        "access": _access(story),
        "user": story.named("user") or None,
        "serial": story.named("serial") or None,
        "device": story.named("device") or None,
        "app": story.named("app") or None,
        "address": story.named("address") or None,
        "refusal": None if story.refusal is None else story.refusal.value,
        "why": story.why or None,
        "do": list(story.steps),
        "certificate": _certificate(story),
        "person": _person(story),
        "session": None if story.session is None else _session(story.session, story.at),
        "rules": None if story.ruling is None else _ruling(story.ruling),
        "audit": [_audit(line) for line in story.told],
        "same_refusal": None if story.like is None else _audit(story.like),
        "stopped_by": [_audit(line) for line in story.before],
        "changed_since": [_audit(line) for line in story.since],
        "missing": list(story.gaps),
    }


def facts_of_refused(one: "Refused") -> dict[str, Any]:
    """Return a line of the list as programs read it."""
    return {name: value or None for name, value in asdict(one).items()} | {"at": utc(one.at)}


def _access(story: "Story") -> dict[str, Any] | None:
    if story.line is None:
        return None
    return asdict(story.line) | {"ended_at": utc(story.line.ended_at)}


def _certificate(story: "Story") -> dict[str, Any] | None:
    from ca.ledger import CertificateRecord

    found = story.certificate
    if found is None:
        return None
    return facts_of(found) if isinstance(found, CertificateRecord) else foreign_facts(found)


def _person(story: "Story") -> dict[str, Any] | None:
    person = story.person
    if person is None:
        return None
    return {
        "user": person.user,
        "name": person.name,
        "enabled": person.enabled,
        "groups": sorted(person.groups),
    }


def _session(session: "Session", at: datetime) -> dict[str, Any]:
    end = session.ended_at or session.expires_at
    return {
        "created_at": utc(session.created_at),
        "expires_at": utc(session.expires_at),
        "ended_at": utc(session.ended_at),
        "address": session.address,
        "live_then": end > at,
    }


def _ruling(ruling: "Ruling") -> dict[str, Any]:
    return {
        "app": ruling.app,
        "upstreams": list(ruling.upstreams),
        "file": str(ruling.file),
        "written_at": utc(ruling.written_at),
        "newer_than_request": ruling.newer,
        "then": None if ruling.then is None else facts_of_explanation(ruling.then),
        "now": None if ruling.now is None else facts_of_explanation(ruling.now),
    }


def _audit(line: "AuditLine") -> dict[str, Any]:
    event = line.event
    return {
        "number": line.number,
        "at": utc(event.at),
        "kind": event.kind.value,
        "user": event.user,
        "serial": event.serial,
        "app": event.app,
        "address": event.address,
        "reason": event.reason,
        "detail": dict(event.detail),
    }
