"""What the person reads: LEGGIMI.txt and README.txt, in plain text that every system opens."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

ITALIAN: Final = "LEGGIMI.txt"
ENGLISH: Final = "README.txt"


@dataclass(frozen=True, slots=True)
class Facts:
    """What the letters say: whose the kit is, for which site, until when, and whom to ask.

    *lost* is where a lost stick is reported, without a certificate.

    *until* is a moment in the zone in which the person lives. *bundled*: the browser is in it.
    """

    name: str
    device: str
    site: str
    portal: str
    lost: str
    contact: str
    until: datetime
    bundled: bool


_ENGLISH: Final = """\
This folder opens {site} for {name}.
====================================

To start
  Windows   double-click start.cmd
  Linux     double-click start-linux.sh, or in a terminal:  sh start-linux.sh
  macOS     double-click start-macos.command (the first time: right click, Open)

{browser}
A window opens at {portal}
and asks for the primary password: the one you chose when you were given this
stick. It is asked for once each time you start. The window does not say so when
it is wrong: it asks again. If you cancel, the site says that no certificate was
shown; then close all windows and start again.

After that you sign in with your password and the code of your telephone. The
first time you type the ticket you were given, and choose the password.

When you are done, close all windows. Pages you have seen, cookies and downloads'
list are forgotten. Only then take the stick out.

Stick lost or stolen?
  At once, from any telephone: {lost}
  Or tell: {contact}
  Until the stick is reported, the primary password alone is between whoever
  finds it and the key on it. Do not write it on the stick.

If it does not work
  "Firefox is missing"    this computer has none; ask for a stick with a browser on it
  "cannot be written"     the stick is locked or full; it works all the same
  "already running"       a window is still open, perhaps hidden
  "no certificate"        the primary password was not given, or the certificate has ended
  anything else           {contact}

This stick: {device}. Its certificate ends on {until}. In the weeks before, {portal}
offers a new one: save the file renewal.tar in this folder, close the browser, and
start again. Or bring the stick back.
The whole folder may be copied elsewhere; whoever has a copy needs the primary
password too.
"""

_ITALIAN: Final = """\
Questa cartella apre {site} per {name}.
=======================================

Per cominciare
  Windows   doppio clic su start.cmd
  Linux     doppio clic su start-linux.sh, o in un terminale:  sh start-linux.sh
  macOS     doppio clic su start-macos.command (la prima volta: tasto destro, Apri)

{browser}
Si apre una finestra su {portal}
che chiede la password principale: quella scelta quando la chiavetta è stata
consegnata. È chiesta una volta a ogni avvio. Se è sbagliata la finestra non lo
dice: la chiede di nuovo. Se si annulla, il sito dice che non è stato mostrato
alcun certificato; allora chiudere tutte le finestre e ricominciare.

Poi si entra con la propria password e il codice del telefono. La prima volta si
digita il biglietto ricevuto e si sceglie la password.

Alla fine chiudere tutte le finestre. Le pagine viste, i cookie e l'elenco degli
scaricamenti sono dimenticati. Solo dopo togliere la chiavetta.

Chiavetta persa o rubata?
  Subito, da qualunque telefono: {lost}
  Oppure dirlo a: {contact}
  Finché non è denunciata, fra chi la trova e la chiave che contiene c'è soltanto
  la password principale. Non scriverla sulla chiavetta.

Se non funziona
  "Manca Firefox"               questo computer non ne ha: chiedere una chiavetta con il browser
  "non si può scrivere"         la chiavetta è protetta o piena; funziona lo stesso
  "già in esecuzione"           una finestra è ancora aperta, forse nascosta
  "alcun certificato"           la password principale non è stata data, o il certificato è scaduto
  altro                         {contact}

Questa chiavetta: {device}. Il certificato scade il {until}. Nelle settimane prima,
{portal} ne offre uno nuovo: salvare il file renewal.tar in questa
cartella, chiudere il browser e riavviare. Oppure riportare la chiavetta.
La cartella si può copiare altrove, tutta; chi ne ha una copia ha bisogno anche
della password principale.
"""

_NOBODY: Final = ("whoever gave you this stick", "chi ha consegnato questa chiavetta")
"""Whom to ask where the settings name no contact."""

_BROWSER: Final = {
    True: (
        "The browser is on the stick; nothing is installed on the computer.\n",
        "Il browser è sulla chiavetta; sul computer non si installa nulla.\n",
    ),
    False: (
        "The computer needs a Firefox; nothing else is installed or changed on it.\n",
        "Il computer deve avere Firefox; altro non si installa e nulla si cambia.\n",
    ),
}


def letters(facts: Facts) -> dict[str, bytes]:
    """Return both letters, by name of file."""
    english, italian = _BROWSER[facts.bundled]
    return {
        ITALIAN: _write(_ITALIAN, facts, italian, _NOBODY[1], facts.until.strftime("%d.%m.%Y")),
        ENGLISH: _write(_ENGLISH, facts, english, _NOBODY[0], facts.until.strftime("%Y-%m-%d")),
    }


def _write(text: str, facts: Facts, browser: str, other: str, until: str) -> bytes:
    filled = text.format(
        name=facts.name,
        device=facts.device,
        site=facts.site,
        portal=facts.portal,
        lost=facts.lost,
        contact=facts.contact or other,
        until=until,
        browser=browser,
    )
    title, _, *rest = filled.split("\n")
    lines = "\r\n".join((title, "=" * len(title), *rest))
    # With the mark by which old editors of Windows know UTF-8.
    return lines.encode("utf-8-sig")
