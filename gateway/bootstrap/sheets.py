"""Sheets of paper that people keep: plain text, both languages on one page."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from gateway.core.people import Person
from gateway.core.site import Site

_SHEET: Final = """\
{site} · {host}
Recovery codes · Codici di recupero
{name} ({user}), {day:%Y-%m-%d}

{codes}

Stick lost or stolen? On any phone or computer open
  {address}
and revoke its certificate with your user name, your password and the code of this moment, or one
of these. Each works once. Phone lost? The sign-in page takes one of these, too, and gives you a
new secret. Keep this sheet where the stick is not, and without your password.

Chiavetta persa o rubata? Da qualsiasi telefono o computer apri
  {address}
e revoca il suo certificato con il nome utente, la password e il codice di quel momento, oppure
uno di questi. Ognuno vale una volta sola. Telefono perso? Anche la pagina di accesso accetta uno
di questi, e ti dà un nuovo segreto. Tieni il foglio lontano dalla chiavetta, e senza la password."""


def recovery_sheet(site: Site, person: Person, codes: Sequence[str], now: datetime) -> str:
    """Return the sheet with the recovery *codes* of *person*."""
    half = (len(codes) + 1) // 2
    rows = [
        "  ".join(f"{number + 1:4}  {codes[number]}" for number in range(at, len(codes), half))
        for at in range(half)
    ]
    return _SHEET.format(
        site=site.name,
        host=site.host,
        name=person.name,
        user=person.user,
        day=now,
        codes="\n".join(rows),
        address=site.lost_page,
    )
