"""The tiles of the start page: what there is for somebody, as far as it can be said beforehand.

What the edge allows is decided there, for each request.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, tzinfo
from typing import Final
from unicodedata import combining, normalize
from urllib.parse import urlencode

from gateway.core.moments import opening_in_words
from gateway.core.refusals import Language
from gateway.core.site import AGREEMENTS_PATH, Application
from gateway.portal.callers import Visitor
from gateway.portal.days import Quotas, told_on_tile
from gateway.portal.icons import icon_path
from gateway.portal.messages import say
from gateway.portal.targets import FORM_PATH
from policies.decide import FRONT_PAGE
from policies.model import Reason, Subject
from policies.papers import DayQuota
from policies.prospect import Closed, Hidden, Opens, Prospect, prospect

CLOSED: Final = {
    None: "closed-step-up",
    Reason.OUTSIDE_CERTIFICATE_SCOPE: "closed-certificate",
    Reason.APPROVAL_MISSING: "closed-approval",
    Reason.AGREEMENT_MISSING: "closed-agreement",
    Reason.DAYS_SPENT: "closed-days",
    Reason.OTHER_CERTIFICATE: "closed-certificate",
    Reason.RULE_DENIES: "closed-rule",
    Reason.NO_RULE_MATCHES: "closed-here",
    Reason.OUTSIDE_HOURS: "closed-hours",
    Reason.OUTSIDE_PERIOD: "closed-period",
    Reason.OUTSIDE_NETWORK: "closed-network",
    Reason.OTHER_PATH: "closed-part",
    Reason.OTHER_METHOD: "closed-part",
}
"""The sentence on a tile that does not open, for each reason."""

WAYS: Final[dict[Reason | None, str]] = {
    Reason.AGREEMENT_MISSING: AGREEMENTS_PATH,
    Reason.APPROVAL_MISSING: FORM_PATH,
}
"""Where the tile leads that does not open for a reason about which people can do something."""

PARTS_SHOWN: Final = 3
"""How many paths a tile names; whoever has more of them knows them from elsewhere."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One application; *why* is empty where it opens, *icon* where it has no picture.

    *path* is where it opens, and *parts* says of which paths that is told, where not of all.
    *first* says what is asked before it opens, if anything is.
    """

    title: str
    description: str
    host: str
    icon: str
    why: str
    path: str = "/"
    parts: str = ""
    days: tuple[str, ...] = ()
    """What is used of each quota by which it opens."""
    first: str = ""
    way: str = ""
    """Where somebody does themselves what it takes to open it; empty where they cannot."""


def tiles_of(
    applications: Iterable[Application],
    visitor: Visitor,
    subject: Subject,
    now: datetime,
    language: Language,
    zone: tzinfo,
    *,
    uses: Mapping[str, datetime],
    quotas: Quotas,
) -> list[Tile]:
    """Return what there is for *visitor*: first what opens now, each by title.

    *subject* is who they are on their session. *uses* says when they last used what on it, where
    that is counted, and *quotas* of which days each application is to tell.
    """
    today = now.astimezone(zone).date()
    front_page = replace(FRONT_PAGE, address=visitor.address)

    def look(application: Application) -> Prospect:
        known = replace(subject, used_at=uses.get(application.name))
        return prospect(application.policy, known, now, front_page)

    found = [
        Tile(
            title=application.title,
            description=application.description,
            host=application.host,
            icon=icon_path(application),
            why=_why(ahead, language, zone),
            path=ahead.path if isinstance(ahead, Opens) else "/",
            parts=_parts(ahead, language),
            days=_days(quotas.get(application.name, ()), ahead, subject, today, language),
            first=_first(ahead, language),
            way=_way(ahead, application),
        )
        for application in applications
        if not isinstance(ahead := look(application), Hidden)
    ]
    return sorted(found, key=lambda tile: (bool(tile.why), folded(tile.title)))


def search(tiles: Iterable[Tile], wanted: str) -> list[Tile]:
    """Return the *tiles* in whose title and description each word of *wanted* occurs.

    Capitals and accents make no difference: who types `caffe` finds `Caffè`.
    """
    words = folded(wanted).split()
    return [
        tile
        for tile in tiles
        if all(word in folded(f"{tile.title} {tile.description}") for word in words)
    ]


def folded(text: str) -> str:
    """Return *text* as it is compared: without capitals, accents and typographic variants."""
    plain = normalize("NFKD", text.casefold())
    return "".join(letter for letter in plain if not combining(letter))


def _parts(ahead: Prospect, language: Language) -> str:
    if isinstance(ahead, Hidden) or not ahead.parts:
        return ""
    shown = ", ".join(ahead.parts[:PARTS_SHOWN])
    more = ", …" if len(ahead.parts) > PARTS_SHOWN else ""
    return say("parts-only", language, parts=shown + more)


def _days(
    quotas: tuple[DayQuota, ...],
    ahead: Prospect,
    subject: Subject,
    today: date,
    language: Language,
) -> tuple[str, ...]:
    spent = ahead.spends if isinstance(ahead, Opens) else None
    opens = isinstance(ahead, Closed) and ahead.opens_at is not None
    return tuple(
        told_on_tile(
            quota,
            subject,
            today,
            language,
            spends=spent is not None and spent.quota == quota,
            opens=opens,
        )
        for quota in quotas
    )


def _first(ahead: Prospect, language: Language) -> str:
    asks = isinstance(ahead, Opens) and ahead.confirming
    return say("opens-with-code", language) if asks else ""


def _way(ahead: Prospect, application: Application) -> str:
    if not isinstance(ahead, Closed):
        return ""
    way = WAYS.get(ahead.reason)
    return "" if way is None else f"{way}?{urlencode({'app': application.name})}"


def _why(ahead: Prospect, language: Language, zone: tzinfo) -> str:
    if not isinstance(ahead, Closed):
        return ""
    why = say(CLOSED[ahead.reason], language)
    if ahead.opens_at is None:
        return why
    when = opening_in_words(ahead.opens_at.astimezone(zone), language)
    return f"{why} {say('closed-until', language, when=when)}"
