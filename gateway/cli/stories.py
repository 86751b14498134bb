"""The story of a request as people read it."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from gateway.cli.facts import state_here, state_of
from gateway.cli.output import local, say, say_facts, say_table, spell
from gateway.cli.reasons import decision_in_words, rule_line

if TYPE_CHECKING:
    from gateway.bootstrap.ruling import Ruling
    from gateway.bootstrap.story import Story
    from gateway.core.audit import AuditLine


def say_story(story: "Story", now: datetime) -> None:
    """Print *story*: what is known, why it was refused, and what to do."""
    say_facts((name, value) for name, value in _facts(story, now) if value)
    if story.ruling is not None:
        _say_ruling(story.ruling)
    _say_part("What happened", [story.why, *_happened(story)])
    _say_part("Since then", [_change(line) for line in story.since])
    _say_part("What to do", story.steps)
    _say_part("What is missing", story.gaps)


def _say_part(title: str, lines: Sequence[str]) -> None:
    if found := [line for line in lines if line]:
        say()
        say(title)
        for line in found:
            say(f"  {line}")


def _facts(story: "Story", now: datetime) -> Iterator[tuple[str, object]]:
    line = story.line
    yield "request", story.request
    yield "at", f"{local(story.at)}, {spell(now - story.at)} ago"
    yield "from", story.named("address")
    if line is not None:
        yield "asked for", f"{line.method} {line.host}{line.target}".strip()
        yield "with", " ".join(filter(None, (line.user_agent, line.tls)))
        yield "answered", _answer(line.status, line.reason, line.total_ms)
        yield "upstream", _upstream(story)
    yield "application", story.named("app")
    yield "certificate", _certificate(story.named("serial"), story.named("device"))
    yield "  issued by", _issuer(story)
    yield "  then", _then(story)
    yield "  now", _now(story, now)
    yield "person", _person(story)
    yield "session", _session(story)


def _certificate(serial: str, device: str) -> str:
    return f"{serial} on {device}" if device else serial


def _answer(status: int, reason: str, total_ms: float) -> str:
    shown = "nothing" if status == 499 else str(status)  # noqa: PLR2004 - as the access log has it
    return f"{shown} {reason}".strip() + f", after {total_ms:.1f} ms"


def _upstream(story: "Story") -> str:
    line, refusal = story.line, story.refusal
    if line is not None and line.upstream:
        answered = f"answered after {line.first_ms:.1f} ms" if line.first_ms else "no answer"
        return f"{line.upstream}, {answered}"
    if story.ruling is not None and refusal is not None and "upstream" in refusal:
        # Whom it could not be sent to is not in the line; with one upstream it is clear.
        return f"{', '.join(story.ruling.upstreams)}, no answer"
    return ""


def _issuer(story: "Story") -> str:
    from gateway.core.foreign import Presented

    found = story.certificate
    if found is None:
        return ""
    if isinstance(found, Presented):
        return f"{found.verdict.issuer} (the trust {found.verdict.trust})"
    return found.issuer


def _then(story: "Story") -> str:
    """Return how the certificate stood: as the gate found it, or by its dates and revocation."""
    from ca.ledger import CertificateRecord

    refusal = story.refusal
    if refusal is not None and refusal.startswith(("certificate-", "person-")):
        return f"refused as {refusal}"
    record = story.certificate
    if not isinstance(record, CertificateRecord):
        return ""
    if story.at < record.not_before:
        return "not valid yet"
    if story.at > record.not_after:
        return "expired"
    if record.revoked_at is not None and record.revoked_at <= story.at:
        return record.state.value
    return "good"


def _now(story: "Story", now: datetime) -> str:
    from ca.ledger import CertificateRecord

    record = story.certificate
    if record is None:
        return "not in the store" if story.named("serial") else ""
    if not isinstance(record, CertificateRecord):
        return state_here(record, now)
    state = state_of(record, now)
    if record.revoked_at is None:
        return f"{state}, until {local(record.not_after)}"
    reason = f" ({record.reason})" if record.reason else ""
    return f"{state} since {local(record.revoked_at)}{reason}"


def _person(story: "Story") -> str:
    person = story.person
    if person is None:
        user = story.named("user")
        return f"{user}, who is not there any more" if user else ""
    enabled = "enabled" if person.enabled else "disabled"
    groups = ", ".join(sorted(person.groups)) or "none"
    return f"{person.user} ({person.name}), {enabled}, groups: {groups}"


def _session(story: "Story") -> str:
    if story.certificate is None:
        return ""
    session = story.session
    if session is None:
        return "none of this certificate had begun"
    end = session.ended_at or session.expires_at
    how = "ended" if session.ended_at else "to end"
    live = "live then" if session.live(story.at) or end > story.at else "over by then"
    return f"begun {local(session.created_at)} from {session.address}, {how} {local(end)}: {live}"


def _happened(story: "Story") -> Iterator[str]:
    for line in story.before:
        yield _change(line)
    for line in story.told:
        yield f"In the audit log as line {line.number}: {_words_of(line)}"
    if story.like is not None:
        yield (
            f"In the audit log the same refusal is line {story.like.number}, less than a minute "
            "before: it is not written down each time."
        )


def _change(line: "AuditLine") -> str:
    return f"{local(line.event.at)}  {_words_of(line)}"


def _words_of(line: "AuditLine") -> str:
    event = line.event
    named = {
        "user": event.user,
        "serial": event.serial,
        "app": event.app,
        "from": event.address,
        "reason": event.reason,
        **{name: value for name, value in event.detail.items() if name != "request"},
    }
    words = " ".join(f"{name}={value}" for name, value in named.items() if value)
    return f"{event.kind} {words}".rstrip()


# Rules --------------------------------------------------------------------------


def _say_ruling(ruling: "Ruling") -> None:
    then, now = ruling.then, ruling.now
    if then is None or now is None:
        return
    say()
    say(f"The rules of {ruling.app}, as {ruling.file} has them today")
    say_table(
        ("RULE", "EFFECT", "MATCHES", "WHY"),
        map(rule_line, then.rules),
        empty="there are no rules: nobody gets in",
    )
    say(f"  certificate opens {then.scope.found}; wanted: {then.scope.wanted}")
    say(f"  then: {decision_in_words(then.decision)}")
    if decision_in_words(now.decision) != decision_in_words(then.decision):
        say(f"  now:  {decision_in_words(now.decision)}")
