"""agreements/NAME.toml and an example of its texts, as the command writes them."""

from collections.abc import Mapping
from datetime import date
from typing import Final

_SETTINGS: Final = """\
# A text that people accept before rules let them in which say
#
#   requires = ["agreement:{name}"]
#
# docs/agreements.md says what is what. Whoever changes a text that somebody has accepted has
# written another one, which everybody must accept anew: write a new version instead.

[title]
en = "Working from elsewhere"
it = "Lavoro agile"

# The version with the latest day that has come must have been accepted, in one of its languages.
[[versions]]
version = "1"
due = {due}
[versions.texts]
en = "1.en.md"
it = "1.it.md"

#[[versions]]
#version = "2"
#due = {later}
#[versions.texts]
#en = "2.en.md"
#it = "2.it.md"
"""

_ENGLISH: Final = """\
# Working from elsewhere

*An example: replace it by what your office has agreed, and have it read by whoever must.*

I ask to use applications of the office from another place, and agree to this:

1. **Days.** I work elsewhere on the days that were approved for me, within the hours of the office.
2. **The stick is mine.** I give it and its password to nobody, and leave it in no computer. When it is lost I report it
   at once, on the page *Report a lost stick*.
3. **The computer.** I use one that is kept up to date and that others cannot use while I am signed in. I lock the screen
   when I leave it, and sign out when I am done.
4. **Documents.** I keep nothing of the office on that computer, print only what is needed, and bring paper back.
5. **The record.** The office writes down when I sign in and which applications I open, keeps it as the law allows, and
   uses it to protect its data.

I can withdraw at any time; the applications that need this agreement then close.
"""

_ITALIAN: Final = """\
# Lavoro agile

*Un esempio: sostituiscilo con ciò che il tuo ufficio ha concordato, e fallo leggere a chi deve.*

Chiedo di usare le applicazioni dell’ufficio da un altro luogo, e accetto quanto segue:

1. **Giorni.** Lavoro altrove nei giorni approvati per me, nell’orario dell’ufficio.
2. **La chiavetta è personale.** Non la cedo e non ne rivelo la password a nessuno, e non la lascio in alcun computer. Se la
   perdo lo segnalo subito, alla pagina *Segnala una chiavetta persa*.
3. **Il computer.** Ne uso uno aggiornato, che altri non possano usare mentre ho effettuato l’accesso. Blocco lo schermo
   quando mi allontano, ed esco quando ho finito.
4. **Documenti.** Non conservo nulla dell’ufficio su quel computer, stampo solo ciò che serve, e riporto la carta.
5. **Il registro.** L’ufficio annota quando accedo e quali applicazioni apro, lo conserva come la legge consente, e lo usa per
   proteggere i propri dati.

Posso ritirare questo accordo quando voglio; le applicazioni che lo richiedono allora si chiudono.
"""


def agreement_text(name: str, due: date) -> str:
    """Return the file agreements/NAME.toml of an agreement that is due on *due*."""
    # 29 February is in no other year.
    later = due.replace(year=min(due.year + 1, date.max.year), day=min(due.day, 28))
    return _SETTINGS.format(name=name, due=due, later=later)


def example_texts() -> Mapping[str, str]:
    """Return the texts that go with it, by the names of their files."""
    return {"1.en.md": _ENGLISH, "1.it.md": _ITALIAN}
