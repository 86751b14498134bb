"""A new certificate for the server, before the present one ends."""

import secrets
from dataclasses import dataclass

from cryptography import x509

from ca.hierarchy import renew_server
from ca.serials import serial_text
from gateway.bootstrap.asking import reload_site
from gateway.bootstrap.command import Command, CommandRefused
from gateway.bootstrap.outcome import Report
from gateway.core.audit import AuditKind


@dataclass(frozen=True, slots=True)
class Renewed:
    """The new certificate, and whether the running site serves with it."""

    certificate: x509.Certificate
    report: Report
    """What came of the reload; empty where there was none."""
    not_reloaded: str
    """Why there was none."""


async def renew_server_certificate(command: Command) -> Renewed:
    """Issue the server a new certificate for its present key, and let a running site take it up.

    Raises `ca.errors.CAError` when it cannot be issued or written; then nothing has changed.
    """
    certificate = renew_server(
        command.folder.keys, entropy=secrets.token_bytes, now=command.clock()
    )
    until = certificate.not_valid_after_utc.isoformat()
    detail = {"server serial": serial_text(certificate.serial_number), "until": until}
    await command.record(AuditKind.SERVER_CERTIFICATE_RENEWED, detail=detail)
    try:
        return Renewed(certificate, await reload_site(command.folder), "")
    except CommandRefused as error:
        return Renewed(certificate, {}, str(error))
