"""What commands say of one certificate."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from gateway.cli.output import utc

if TYPE_CHECKING:
    from ca.ledger import CertificateRecord
    from gateway.core.foreign import Presented


def state_of(record: "CertificateRecord", now: datetime) -> str:
    """Return the state of *record* as people ask for it: one that has ended is expired."""
    if record.revoked_at is None and record.not_after < now:
        return "expired"
    return record.state.value


def facts_of(record: "CertificateRecord") -> dict[str, Any]:
    """Return *record* as programs read it."""
    return {
        "serial": record.serial,
        "fingerprint": record.fingerprint,
        "issuer": record.issuer,
        "user": record.username,
        "device": record.device,
        "apps": None if record.scope is None else sorted(record.scope),
        "state": record.state.value,
        "not_before": utc(record.not_before),
        "not_after": utc(record.not_after),
        "revoked_at": utc(record.revoked_at),
        "reason": None if record.reason is None else record.reason.value,
        "crl_number": record.crl_number,
        "renews": record.renews,
        "supersede_at": utc(record.supersede_at),
    }


def named(one: "Presented") -> str:
    """Name a certificate of another CA."""
    verdict = one.verdict
    return f"{verdict.serial} of {one.user or 'nobody'} by the trust {verdict.trust}"


def state_here(one: "Presented", now: datetime) -> str:
    """Return how a certificate of another CA stands here, in a word."""
    verdict = one.verdict
    revocation = one.blocked or verdict.revocation
    if revocation is not None:
        how = "revoked" if revocation.reason.is_final else "held"
        return f"{how} here" if one.blocked else how
    if verdict.not_after is not None and verdict.not_after < now:
        return "expired"
    if verdict.state.value != "accepted":
        return verdict.fault or verdict.state.value
    if verdict.good_until is None or verdict.good_until < now:
        return "stale"
    return "good" if one.user else "nobody's"


def foreign_facts(one: "Presented") -> dict[str, Any]:
    """Return a certificate of another CA as programs read it."""
    verdict, blocked = one.verdict, one.blocked
    revocation = verdict.revocation
    return {
        "serial": verdict.serial,
        "fingerprint": verdict.fingerprint,
        "trust": verdict.trust,
        "issuer": verdict.issuer,
        "user": one.user or None,
        "identity": verdict.identity,
        "state": verdict.state.value,
        "fault": verdict.fault or None,
        "words": verdict.words,
        "not_before": utc(verdict.not_before),
        "not_after": utc(verdict.not_after),
        "revoked_at": utc(None if revocation is None else revocation.at),
        "reason": None if revocation is None else revocation.reason.value,
        "good_until": utc(verdict.good_until),
        "blocked_at": utc(None if blocked is None else blocked.at),
        "block_reason": None if blocked is None else blocked.reason.value,
        "presented_at": utc(one.presented_at),
        "judged_at": utc(one.judged_at),
    }
