"""Where the mail server of a site is, and what it is told to believe us.

Apart from `mail`, since the portal needs it, which cannot reach what commands can.
"""

from pathlib import Path

from gateway.bootstrap.folder import KeyFileRefused, SiteFolder, read_secret
from gateway.core.site import Site
from gateway.mail.posting import MailServer, PostFailed


def mail_server(folder: SiteFolder, site: Site) -> MailServer:
    """Return the mail server of *site*; its password is read when a letter goes out."""
    mail = site.mail
    return MailServer(
        mail,
        own_name=site.host,
        ca=None if mail.ca is None else folder.path / mail.ca,
        password=lambda: _password(folder, site),
    )


def _password(folder: SiteFolder, site: Site) -> str | None:
    if site.mail.password_file is None:
        return None
    path: Path = folder.path / site.mail.password_file
    try:
        # Its group may read it: the portal sends, and has a user of its own.
        first, *_ = read_secret(path, group=True).split(b"\n")
        return first.removesuffix(b"\r").decode()
    except KeyFileRefused as error:
        raise PostFailed(str(error), for_good=True) from error
    except UnicodeDecodeError as error:
        # Not with the reader's words: they show octets of the password.
        raise PostFailed(f"{path} is not text in UTF-8", for_good=True) from error
