"""What the demo prints: all that somebody needs to get in, as text."""

from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from shlex import quote

import segno

END_WORDS = "Ctrl-C ends the demo."


@dataclass(frozen=True, slots=True)
class Listed:
    """An application as the demo lists it. *refused*: the person may not use it."""

    name: str
    title: str
    address: str
    group: str
    refused: bool


@dataclass(frozen=True, slots=True)
class Sheet:
    """Everything of the demo that is to be printed."""

    place: Path
    portal: str
    user: str
    password: str
    bundle: Path
    passphrase: str
    totp_uri: str
    secret: str
    root: Path
    apps: tuple[Listed, ...]
    page: str
    """What the curl line shows: the address of a page of an application."""
    next_code: tuple[str, ...]
    """The command that prints a one-time code."""
    command: tuple[str, ...]
    """The `pusterla` command, with its --site."""
    contained: bool
    """Whether all of it is removed at the end."""


def render(sheet: Sheet, code: str, seconds: int, *, unicode: bool) -> str:
    """Return the text. *code* is good for another *seconds*; *unicode*: the terminal shows it."""
    parts = [
        _head(sheet),
        _qr(sheet.totp_uri, unicode=unicode),
        _sign_in(sheet, code, seconds),
        _apps(sheet),
        _browsers(sheet),
        _lines(sheet),
    ]
    return "\n".join(parts)


def as_mapping(sheet: Sheet, code: str) -> dict[str, object]:
    """Return the same for a program; *code* is the code of this moment."""
    return {
        "place": str(sheet.place),
        "portal": sheet.portal,
        "user": sheet.user,
        "password": sheet.password,
        "p12": str(sheet.bundle),
        "p12_password": sheet.passphrase,
        "totp_uri": sheet.totp_uri,
        "code": code,
        "root": str(sheet.root),
        "apps": {app.name: app.address for app in sheet.apps},
        "curl": curl_line(sheet),
        "pusterla": " ".join(map(quote, sheet.command)),
    }


def curl_line(sheet: Sheet) -> str:
    """Return one line for a shell that signs in and shows a page of an application.

    It works whenever it is pasted: the code is made when it runs.
    """
    certificate = f"{sheet.bundle}:{sheet.passphrase}"
    words = [
        "curl -sSL",
        f"--cacert {quote(str(sheet.root))}",
        f"--cert-type P12 --cert {quote(certificate)}",
        # An empty name switches cookies on, and keeps them in memory.
        "-b ''",
        f"-d user={quote(sheet.user)}",
        f"-d password={quote(sheet.password)}",
        f'-d code="$({" ".join(map(quote, sheet.next_code))})"',
        f"--data-urlencode {quote(f'to={sheet.page}')}",
        quote(f"{sheet.portal}sign-in"),
    ]
    return " ".join(words)


def _head(sheet: Sheet) -> str:
    end = "it is removed at the end" if sheet.contained else "it stays"
    return f"""
{"=" * 78}
Pusterla is open at {sheet.portal}
Everything of this throwaway site is in {sheet.place} ({end}).
{"=" * 78}

Scan this with an authenticator application:
"""


def _qr(uri: str, *, unicode: bool) -> str:
    code = segno.make(uri, error="l")
    text = StringIO()
    # Without the half blocks of Unicode it is drawn in colours, and twice as large.
    code.terminal(text, border=2, compact=unicode)
    return text.getvalue()


def _sign_in(sheet: Sheet, code: str, seconds: int) -> str:
    another = " ".join(map(quote, sheet.next_code))
    return f"""\
  or type the secret   {sheet.secret}

  certificate          {sheet.bundle}
  its passphrase       {sheet.passphrase}
  user                 {sheet.user}
  password             {sheet.password}
  one-time code        {code}   (for another {seconds} s; a code works once)
  another code         {another}
"""


def _apps(sheet: Sheet) -> str:
    width = max(len(app.address) for app in sheet.apps)
    lines = []
    for app in sheet.apps:
        note = f"; {sheet.user} is not in {app.group}: a refusal" if app.refused else ""
        lines.append(f"  {app.address:{width}}   {app.title}{note}")
    return "Applications:\n" + "\n".join(lines) + "\n"


def _browsers(sheet: Sheet) -> str:
    return f"""\
In a browser: import two files, then open the portal.
  Firefox    Settings > Privacy & Security > View Certificates: under "Authorities" import
             {sheet.root}
             (trust it to identify websites), under "Your Certificates" import
             {sheet.bundle}
  Chromium   chrome://certificate-manager: the same two, under "Local certificates > Installed
             by you" (trusted) and "Your certificates".
  Remove both again afterwards; whoever has this folder has the keys.
"""


def _lines(sheet: Sheet) -> str:
    command = " ".join(map(quote, sheet.command))
    return f"""\
With curl, pasted into another terminal: sign in, and show a page of an application.

{curl_line(sheet)}

Revoke the certificate, and watch what is open being cut (then the line above is refused):

{command} cert revoke --user {sheet.user} --reason keyCompromise

{END_WORDS}
"""
