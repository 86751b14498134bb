"""What commands say of one certificate."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from gateway.cli.output import utc

if TYPE_CHECKING:
    from ca.ledger import CertificateRecord


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
