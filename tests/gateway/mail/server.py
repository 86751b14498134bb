"""A mail server that we did not write: aiosmtpd, on loopback, with a certificate of its own."""

import asyncio
import email
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import default
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

USER, PASSWORD = "pusterla", "sesame, open"


@dataclass
class Letterbox:
    """What aiosmtpd has taken, and how it answers; *refusals* are answers before it takes one."""

    port: int = 0
    refusals: list[str] = field(default_factory=list)
    envelopes: list[Envelope] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    unwelcome: set[str] = field(default_factory=set)
    unwelcome_with: str = "550 no such mailbox"
    came: int = 0

    @property
    def letters(self) -> list[EmailMessage]:
        """Return the letters, read by Python's parser."""
        found = []
        for envelope in self.envelopes:
            assert isinstance(envelope.content, bytes)
            message = email.message_from_bytes(envelope.content, policy=default)
            assert isinstance(message, EmailMessage)
            found.append(message)
        return found

    async def wait_for(self, count: int) -> None:
        """Wait until so many letters were taken."""
        async with asyncio.timeout(10):
            while len(self.envelopes) < count:  # noqa: ASYNC110 - aiosmtpd tells nobody
                await asyncio.sleep(0.01)

    # What aiosmtpd calls.

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Refuse whom nobody knows."""
        del server, session, options
        if address in self.unwelcome:
            return self.unwelcome_with
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Take a letter, or give the next refusal."""
        del server
        self.came += 1
        if self.refusals:
            return self.refusals.pop(0)
        self.envelopes.append(envelope)
        self.encrypted.append(session.ssl is not None)
        return "250 taken"


@cache
def certificate() -> tuple[bytes, bytes]:
    """Return a certificate for 127.0.0.1, signed by itself, and its key (PEM)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.example")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return made.public_bytes(Encoding.PEM), plain


def write_certificate(folder: Path) -> Path:
    """Write the certificate where a client finds whom to believe."""
    file = folder / "mail-ca.pem"
    file.write_bytes(certificate()[0])
    return file


def _context(folder: Path) -> ssl.SSLContext:
    file = folder / "mail-server.pem"
    file.write_bytes(b"".join(certificate()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


def _check(
    server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
) -> AuthResult:
    del server, session, envelope, mechanism
    known = isinstance(data, LoginPassword) and data == LoginPassword(
        USER.encode(), PASSWORD.encode()
    )
    # Not handled: aiosmtpd gives the answer.
    return AuthResult(success=known, handled=False)


@asynccontextmanager
async def mail_server(
    folder: Path, *, kind: str = "starttls", auth: bool = False, port: int = 0
) -> AsyncIterator[Letterbox]:
    """Run a mail server: `starttls` and nothing without it, `tls` from the start, or `none`."""
    box = Letterbox()
    context = None if kind == "none" else _context(folder)

    def made() -> SMTP:
        return SMTP(
            box,
            tls_context=context if kind == "starttls" else None,
            require_starttls=kind == "starttls",
            authenticator=_check if auth else None,
            auth_required=auth,
            auth_require_tls=kind != "tls",
            loop=asyncio.get_running_loop(),
        )

    server = await asyncio.get_running_loop().create_server(
        made, "127.0.0.1", port, ssl=context if kind == "tls" else None
    )
    box.port = server.sockets[0].getsockname()[1]
    async with server:
        yield box
