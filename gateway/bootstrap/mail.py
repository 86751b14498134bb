"""Whether letters get to their server: `pusterla mail test`, and what `doctor` says of it."""

import secrets
from collections.abc import Iterator

from gateway.bootstrap.command import Command, CommandRefused
from gateway.bootstrap.examination import Finding, ok, problem, warning
from gateway.bootstrap.folder import SiteFolder
from gateway.bootstrap.mail_server import mail_server
from gateway.core.addresses import check_address
from gateway.core.site import Site
from gateway.mail.letters import message_of, trial_letter
from gateway.mail.posting import PostFailed, post


async def send_trial(command: Command, to: tuple[str, ...]) -> tuple[str, ...]:
    """Send a letter to *to*, or to the administrators where that is empty; return to whom.

    Raises `CommandRefused`, with what the mail server says.
    """
    site = command.site
    if site.mail.server is None:
        raise CommandRefused("no mail server is named: see [mail] in pusterla.toml")
    names = to or site.mail.administrators
    if not names:
        raise CommandRefused(
            "nobody to send it to: name administrators under [mail] in pusterla.toml, or --to"
        )
    try:
        for name in names:
            check_address(name)
        letter = trial_letter(site, names)
        message = message_of(letter, site, command.clock(), secrets.token_hex(16))
        await post(mail_server(command.folder, site), message, names)
    except (PostFailed, ValueError) as error:
        raise CommandRefused(f"the letter was not taken: {error}") from error
    return names


def examine_mail(folder: SiteFolder, site: Site) -> Iterator[Finding]:
    """Look whether somebody is told by mail, and whether what that needs can be read."""
    mail = site.mail
    if mail.server is None:
        words = "no mail server is named: nobody is told when a stick is reported lost"
        yield warning("mail", words, "[mail] in pusterla.toml")
        return
    if not mail.administrators:
        words = "no administrators are named: only the person is told when a stick is lost"
        yield warning("mail", words, "administrators under [mail] in pusterla.toml")
    faults = [*_faults(folder, site)]
    for fault in faults:
        yield problem("mail", fault, "correct [mail] in pusterla.toml, then pusterla mail test")
    if mail.administrators and not faults:
        yield ok("mail", f"goes to {', '.join(mail.administrators)} by {mail.server}")


def _faults(folder: SiteFolder, site: Site) -> Iterator[str]:
    try:
        mail_server(folder, site).password()
    except PostFailed as error:
        yield str(error)
    if site.mail.ca is not None:
        try:
            (folder.path / site.mail.ca).read_bytes()
        except OSError as error:
            yield f"{error.filename} cannot be read: {error.strerror}"
