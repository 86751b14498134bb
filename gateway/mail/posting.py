"""One letter, one conversation with the mail server (RFC 5321; STARTTLS after RFC 3207)."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Final

import aiosmtplib

from gateway.core.site import Encryption, Mail

PATIENCE: Final = 20.0
"""How many seconds each step of a conversation may take."""
_PERMANENT: Final = 500


class PostFailed(Exception):
    """A letter was not taken; the message says why, without any secret.

    *for_good*: the server has refused it, and would do so again.
    """

    def __init__(self, words: str, *, for_good: bool = False) -> None:
        super().__init__(words)
        self.for_good = for_good


@dataclass(frozen=True, slots=True)
class MailServer:
    """A mail server as one letter needs it; *ca* is who signs for it, None whom this machine believes."""

    mail: Mail
    own_name: str
    ca: Path | None = None
    password: Callable[[], str | None] = lambda: None


async def post(server: MailServer, message: EmailMessage, to: tuple[str, ...]) -> None:
    """Hand *message* for *to* over to the server; returns when it has taken it for all of them.

    Raises `PostFailed`. Without TLS nothing is sent, not even a name, unless the settings say so.
    """
    mail = server.mail
    if mail.server is None:
        raise PostFailed("no mail server is configured", for_good=True)
    encrypted = mail.encryption is not Encryption.NONE
    try:
        refused, _ = await aiosmtplib.send(
            message,
            sender=mail.from_,
            recipients=[*to],
            hostname=mail.server,
            port=mail.port,
            username=mail.user,
            password=server.password(),
            local_hostname=server.own_name,
            timeout=PATIENCE,
            use_tls=mail.encryption is Encryption.TLS,
            start_tls=mail.encryption is Encryption.STARTTLS,
            tls_context=_context(server.ca) if encrypted else None,
        )
    except aiosmtplib.SMTPRecipientsRefused as error:
        words = "; ".join(f"{each.recipient}: {each.message}" for each in error.recipients)
        # Greylisting refuses whom it will take a little later; nobody has the letter yet.
        for_good = all(each.code >= _PERMANENT for each in error.recipients)
        raise PostFailed(f"{mail.server} refuses {words}", for_good=for_good) from error
    except aiosmtplib.SMTPResponseException as error:
        words = f"{mail.server} answers {error.code} {error.message}"
        raise PostFailed(words, for_good=error.code >= _PERMANENT) from error
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:
        words = f"{mail.server}, port {mail.port}: {str(error) or type(error).__name__}"
        raise PostFailed(words) from error
    if refused:
        # Taken for some: to send it again would send it to those twice.
        names = ", ".join(sorted(refused))
        raise PostFailed(f"{mail.server} refuses the letter for {names}", for_good=True)


def _context(ca: Path | None) -> ssl.SSLContext:
    # Mail servers have certificates of public authorities, unless the settings name another.
    return ssl.create_default_context(cafile=ca)  # noqa: TID251 - and this is what believes those
