"""Letters, in English and Italian: what they say, and the form in which they go out.

Nothing of what a stranger wrote stands in a letter, and nothing secret. What comes from rows and
settings is made one line before it goes into a field (RFC 5322, section 2.2).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Final

from gateway.core.addresses import check_address
from gateway.core.lost import Belonging
from gateway.core.people import Person
from gateway.core.refusals import Language
from gateway.core.renewals import Ending
from gateway.core.site import Site

_TO_ADMINISTRATORS: Final = """\
{name} ({user}) has reported at {site} ({host}) that this is lost or stolen, and it was revoked:

{certificates}

Nothing opens with it any more, and what was open with it has been cut.

When:    {at}
From:    {address}
Number:  {request}, in audit and access log

If {user} is to go on working, issue a certificate on a new stick:
  pusterla cert issue {user} --device NAME --p12 FILE
If it was somebody else who reported it, they had password and code of {user}: see to both with
  pusterla user passwd {user}
  pusterla user totp-reset {user}

---

{name} ({user}) ha segnalato su {site} ({host}) che quanto segue è stato perso o rubato, ed è stato
revocato:

{certificates}

Non apre più nulla, e ciò che aveva aperto è stato chiuso. I comandi qui sopra servono a dare a
{user} un nuovo certificato oppure, se la segnalazione non è sua, una nuova password e un nuovo
segreto per i codici.
"""
_TO_PERSON: Final[dict[Language, str]] = {
    "en": """\
{name},

at {site} ({host}) you have just reported as lost or stolen, and it was revoked:

{certificates}

Nothing opens with it any more, and what was open with it has been closed.

When:    {at}
From:    {address}
Number:  {request}

For a new one{contact}. If it was not you who reported it, say so at once in the same
place: somebody has your password and a code of yours.
""",
    "it": """\
{name},

su {site} ({host}) hai appena segnalato come perso o rubato, ed è stato revocato:

{certificates}

Non apre più nulla, e ciò che aveva aperto è stato chiuso.

Quando:  {at}
Da:      {address}
Numero:  {request}

Per averne uno nuovo{contact}. Se la segnalazione non è tua, avvisa subito allo stesso
indirizzo: qualcuno ha la tua password e un tuo codice.
""",
}
_CONTACT: Final[dict[Language, tuple[str, str]]] = {
    "en": (" ask {contact}", " ask the people who gave you access"),
    "it": (" chiedi a {contact}", " chiedi a chi ti ha dato l’accesso"),
}
_OR_ASK: Final[dict[Language, tuple[str, str]]] = {
    "en": ("Or ask {contact}.", "Or ask the people who gave you access."),
    "it": ("Oppure chiedi a {contact}.", "Oppure chiedi a chi ti ha dato l’accesso."),
}
_SUBJECTS: Final[dict[Language, str]] = {
    "en": "{site}: revoked as lost: {what}",
    "it": "{site}: revocato perché perso: {what}",
}
_ENDING: Final = """\
{name},

your certificate "{device}" at {site} ({host}) ends on {date}, in {left}. A browser does not even
offer one that has ended.

Renew it yourself, before that: sign in with it, and open
  {renew}
{contact_en}

---

{name},

il tuo certificato "{device}" su {site} ({host}) scade il {date}, tra {left_it}. Il browser non
propone nemmeno un certificato scaduto.

Rinnovalo tu, prima: accedi con quello e apri
  {renew}
{contact_it}

({serial})
"""
_ENDING_UNUSED: Final = """\
{name},

your certificate "{device}" at {site} ({host}) ends on {date}, in {left}. It has been renewed, but
nobody has signed in with the new one yet. A browser does not even offer one that has ended.

Take the new one before that: sign in with the old one, and open
  {renew}
{contact_en}

---

{name},

il tuo certificato "{device}" su {site} ({host}) scade il {date}, tra {left_it}. È stato rinnovato,
ma nessuno ha ancora fatto l’accesso con quello nuovo. Il browser non propone nemmeno un certificato
scaduto.

Prendi quello nuovo, prima: accedi con quello vecchio e apri
  {renew}
{contact_it}

({serial})
"""
_ENDING_BY_OTHERS: Final = """\
{name},

your certificate "{device}" at {site} ({host}) ends on {date}, in {left}. A browser does not even
offer one that has ended.

For a new one{contact_en}.

---

{name},

il tuo certificato "{device}" su {site} ({host}) scade il {date}, tra {left_it}. Il browser non
propone nemmeno un certificato scaduto.

Per averne uno nuovo{contact_it}.

({serial})
"""
_TEST: Final = """\
This is the letter that `pusterla mail test` sends: mail from {site} ({host}) arrives.

---

Questa è la lettera di `pusterla mail test`: la posta di {site} ({host}) arriva.
"""


@dataclass(frozen=True, slots=True)
class Letter:
    """What is to be sent; *about* says in the audit log what it was."""

    to: tuple[str, ...]
    subject: str
    text: str
    about: str


@dataclass(frozen=True, slots=True)
class Report:
    """What was reported as lost, by whom, when and from where; *request* is its id."""

    person: Person
    ended: tuple[Belonging, ...]
    at: datetime
    address: str
    request: str


def letters_of(site: Site, report: Report, language: Language) -> list[Letter]:
    """Return the letters that tell of *report*: to the administrators, and to the person.

    The person's is in *language*, that of the page on which they reported it. Whoever has no
    address gets none.
    """
    what = ", ".join(sorted({one.device or one.trust for one in report.ended}))
    values = {
        "name": report.person.name,
        "user": report.person.user,
        "site": site.name,
        "host": site.host,
        "certificates": "\n".join(_in_words(one, site.time_zone) for one in report.ended),
        "at": f"{report.at.astimezone(site.time_zone):%Y-%m-%d %H:%M:%S %Z}",
        "address": report.address or "?",
        "request": report.request or "?",
    }
    letters = []
    if site.mail.administrators:
        subject = f"{site.name}: {report.person.user} has lost {what}, which is revoked"
        text = _TO_ADMINISTRATORS.format(**values)
        letters.append(Letter(site.mail.administrators, subject, text, "lost-reported"))
    if report.person.email:
        known, unknown = _CONTACT[language]
        contact = known.format(contact=site.contact) if site.contact else unknown
        subject = _SUBJECTS[language].format(site=site.name, what=what)
        text = _TO_PERSON[language].format(**values, contact=contact)
        letters.append(Letter((report.person.email,), subject, text, "lost-reported"))
    return letters


def ending_letter(site: Site, ending: Ending, now: datetime) -> Letter:
    """Return the letter to somebody whose certificate ends soon, in both languages."""
    days = max(1, -(-(ending.not_after - now) // timedelta(days=1)))
    if ending.renewed:
        text, asking = _ENDING_UNUSED, _OR_ASK
    elif site.certificates.opens_in(ending.not_after, now):
        # Whoever may not do so by themselves yet, or at all, is told whom to ask.
        text, asking = _ENDING_BY_OTHERS, _CONTACT
    else:
        text, asking = _ENDING, _OR_ASK
    asks = {
        language: known.format(contact=site.contact) if site.contact else unknown
        for language, (known, unknown) in asking.items()
    }
    text = text.format(
        name=ending.name,
        device=ending.device,
        serial=ending.serial,
        site=site.name,
        host=site.host,
        date=f"{ending.not_after.astimezone(site.time_zone):%Y-%m-%d %H:%M %Z}",
        left="a day" if days == 1 else f"{days} days",
        left_it="un giorno" if days == 1 else f"{days} giorni",
        renew=f"{site.origin(site.host)}/renewal",
        contact_en=asks["en"],
        contact_it=asks["it"],
    )
    subject = f"{site.name}: your certificate ends · il tuo certificato scade"
    return Letter((ending.email,), subject, text, "certificate-ending")


def trial_letter(site: Site, to: Sequence[str]) -> Letter:
    """Return a letter that says that mail arrives."""
    text = _TEST.format(site=site.name, host=site.host)
    return Letter(tuple(to), f"{site.name}: mail works · la posta funziona", text, "test")


def message_of(letter: Letter, site: Site, now: datetime, number: str) -> EmailMessage:
    """Return *letter* as it goes out (RFC 5322); *number* makes its id one of its own.

    Raises `ValueError` where an address is none.
    """
    for address in (site.mail.from_, *letter.to):
        check_address(address)
    message = EmailMessage(policy=SMTP)
    message["From"] = Address(_line(site.name), addr_spec=site.mail.from_)
    message["To"] = [Address(addr_spec=each) for each in letter.to]
    message["Subject"] = _line(letter.subject)
    message["Date"] = format_datetime(now.astimezone(UTC))
    message["Message-ID"] = f"<{number}@{site.host}>"
    # RFC 3834, section 5: nobody's holiday notice is to answer.
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(_lines(letter.text.splitlines()), cte="quoted-printable")
    return message


def _in_words(one: Belonging, zone: tzinfo) -> str:
    name = one.device or one.trust
    since, until = one.since.astimezone(zone), one.until.astimezone(zone)
    return f"  {name}: {one.serial}, {since:%Y-%m-%d} - {until:%Y-%m-%d}"


def _line(text: str) -> str:
    return "".join(each if each.isprintable() else " " for each in text)


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{_line(each)}\n" for each in lines)
