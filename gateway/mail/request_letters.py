"""Letters about access that people ask for: to those who decide, and to whoever asked.

What people wrote, a reason or an answer, stands in none of them, and no way that opens anything:
all of it is on a page of the portal, which wants certificate and session.
"""

from collections.abc import Iterable
from typing import Final

from gateway.core.moments import days_in_words
from gateway.core.people import Person
from gateway.core.requests import AccessRequest, RequestState
from gateway.core.site import REQUESTS_PATH, Site
from gateway.mail.letters import Letter

_DECIDE_PATH: Final = f"{REQUESTS_PATH}/decide"

_ASKED: Final = """\
{name} ({user}) asks at {site} ({host}) for

  {title}
  {days_en}

Read why, and approve, shorten or refuse it, at
  {page}

---

{name} ({user}) chiede su {site} ({host})

  {title}
  {days_it}

Leggi il motivo, e approva, riduci o rifiuta, su
  {page}

({number})
"""
_ASKED_NOBODY: Final = """\
{name} ({user}) asks at {site} ({host}) for

  {title}
  {days_en}

and no manager who could be written to is named for it under [groups] in pusterla.toml. So it is
for you:
  pusterla request show {number}
  pusterla request approve {number}
  pusterla request refuse {number}

---

{name} ({user}) chiede su {site} ({host})

  {title}
  {days_it}

e in pusterla.toml, sotto [groups], non c’è un responsabile a cui scrivere. Tocca quindi a te, con
i comandi qui sopra.
"""
_APPROVED: Final = """\
{name},

what you asked for at {site} ({host}) was approved:

  {title}
  {days_en}
{less_en}
What was said to it stands at
  {page}

---

{name},

ciò che hai chiesto su {site} ({host}) è stato approvato:

  {title}
  {days_it}
{less_it}
Ciò che è stato risposto si legge su
  {page}

({number})
"""
_REFUSED: Final = """\
{name},

what you asked for at {site} ({host}) was refused:

  {title}
  {days_en}

What was said to it stands at
  {page}

---

{name},

ciò che hai chiesto su {site} ({host}) è stato rifiutato:

  {title}
  {days_it}

Ciò che è stato risposto si legge su
  {page}

({number})
"""
_LESS_EN: Final = "\nThat is less than you had asked for: {days}\n"
_LESS_IT: Final = "\nÈ meno di quanto avevi chiesto: {days}\n"


def asked_letters(
    site: Site, request: AccessRequest, title: str, asker: Person, deciders: Iterable[Person]
) -> list[Letter]:
    """Return the letters that tell of *request*: to each of the *deciders* who has an address.

    Where none has, it goes to the administrators, who can decide by the command.
    """
    values = _values(site, request, title, asker, f"{_DECIDE_PATH}?number={request.number}")
    subject = f"{site.name}: {asker.name}: {title}"
    to = sorted({one.email for one in deciders if one.email})
    if to:
        text = _ASKED.format(**values)
        return [Letter((one,), subject, text, "approval-asked") for one in to]
    if not site.mail.administrators:
        return []
    text = _ASKED_NOBODY.format(**values)
    return [Letter(site.mail.administrators, subject, text, "approval-asked")]


def answer_letters(site: Site, request: AccessRequest, title: str, asker: Person) -> list[Letter]:
    """Return the letter that tells *asker* what was decided; none where they have no address."""
    if not asker.email:
        return []
    values = _values(site, request, title, asker, REQUESTS_PATH)
    if request.state is RequestState.REFUSED:
        subject = f"{site.name}: refused · rifiutato: {title}"
        return [Letter((asker.email,), subject, _REFUSED.format(**values), "approval-refused")]
    less = {"less_en": "", "less_it": ""}
    if request.granted != request.wanted:
        less = {
            "less_en": _LESS_EN.format(days=days_in_words(request.wanted, "en")),
            "less_it": _LESS_IT.format(days=days_in_words(request.wanted, "it")),
        }
    subject = f"{site.name}: approved · approvato: {title}"
    text = _APPROVED.format(**values, **less)
    return [Letter((asker.email,), subject, text, "approval-granted")]


def _values(
    site: Site, request: AccessRequest, title: str, asker: Person, path: str
) -> dict[str, str]:
    days = request.days
    return {
        "name": asker.name,
        "user": asker.user,
        "site": site.name,
        "host": site.host,
        "title": title,
        "days_en": days_in_words(days, "en"),
        "days_it": days_in_words(days, "it"),
        "page": f"{site.origin(site.host)}{path}",
        "number": str(request.number),
    }
