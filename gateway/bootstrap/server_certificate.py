"""A new certificate for the server, before the present one ends."""

import secrets
from dataclasses import dataclass

from cryptography import x509

from ca.hierarchy import load_issuer
from ca.issuers import known_issuers
from ca.serials import serial_text
from ca.succession import renew_server
from gateway.bootstrap.asking import Asked, let_take_up
from gateway.bootstrap.command import Command
from gateway.bootstrap.signing import active_issuer
from gateway.core.audit import AuditKind


@dataclass(frozen=True, slots=True)
class Renewed:
    """The new certificate, and whether the running site serves with it."""

    certificate: x509.Certificate
    asked: Asked


async def renew_server_certificate(command: Command) -> Renewed:
    """Issue the server a new certificate for its present key, and let a running site take it up.

    The issuing CA that is active signs it, whichever of ours has signed the present one. Raises
    `ca.errors.CAError` when it cannot be issued or written; then nothing has changed.
    """
    folder = command.folder
    name = await active_issuer(command.store)
    async with command.store.read() as connection:
        known = await known_issuers(connection)
    certificate = renew_server(
        folder.edge,
        load_issuer(folder.ca, command.keys.load, name),
        [x509.load_der_x509_certificate(one.der) for one in known],
        entropy=secrets.token_bytes,
        now=command.clock(),
    )
    until = certificate.not_valid_after_utc.isoformat()
    detail = {
        "server serial": serial_text(certificate.serial_number),
        "issuer": name,
        "until": until,
    }
    await command.record(AuditKind.SERVER_CERTIFICATE_RENEWED, detail=detail)
    return Renewed(certificate, await let_take_up(folder))
