"""The page of every refusal, for the edge and the portal alike.

A page tells the person what happened, what to do next and whom to ask. It
names no host but the public one, no user and no rule, so that it tells a stranger
nothing that the attempt itself did not. It carries its own style, runs no script and
fetches nothing, so it also works where everything else is refused.
"""

import re
from base64 import b64encode
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from html import escape
from http import HTTPStatus
from typing import assert_never
from urllib.parse import urlsplit

from gateway.core.look import GATE, STYLE
from gateway.core.moments import opening_in_words
from gateway.core.refusal_kinds import STATUS, Refusal
from gateway.core.refusal_words import FRAMES, LOST, WAYS, WORDS, Frame, Language, Way
from gateway.core.request_ids import REQUEST_ID
from gateway.core.site import AGREEMENTS_PATH, REQUESTS_PATH

__all__ = [
    "Language",
    "Page",
    "Refusal",
    "choose_language",
    "contact_address",
    "hsts",
    "refusal_page",
]

_ACCEPT_LANGUAGE_MAXIMUM = 256
_LANGUAGES: dict[str, Language] = {"en": "en", "it": "it"}
# One language range with its weight; of the tag only the language counts (it-CH is Italian).
_RANGE = re.compile(
    r"\s*(?P<tag>[A-Za-z]{1,8})(?:-[A-Za-z0-9]{1,8})*\s*"
    r"(?:;\s*q=(?P<weight>[01](?:\.[0-9]{0,3})?)\s*)?"
)

_STYLE = (
    STYLE
    + """\
.ways{margin:1.5rem 0}
dl{margin:0 0 .75rem}
dt{font-weight:600}
dd{margin:.1rem 0 .6rem}
.whom{margin-top:1.75rem;padding-top:1.1rem;border-top:1px solid var(--line);font-size:.94rem}
.whom p{margin:0 0 .3rem}
code{display:inline-block;font:.94em ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
"""
)
_STYLE_HASH = b64encode(sha256(_STYLE.encode()).digest()).decode()
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)

_HTML = """\
<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="robots" content="noindex">
<title>{title} · {site}</title>
<style>{style}</style>
</head>
<body class="alone">
<main class="sheet">
<p class="name">{gate}<span>{site}</span></p>
<h1>{title}</h1>
<p>{happened}</p>
{opens}{then}
{browsers}{way}{lost}<div class="whom soft">
<p>{ask}</p>
<p>{say_this} <code>{status} {refusal}</code></p>
{request}</div>
</main>
</body>
</html>
"""


# No text of an operator can hold it: names and contacts are printable.
_REQUEST = b"\0request\0"
_OPENS = b"\0opens\0"

_FURTHER = {
    # RFC 9110, section 15.5.2, wants a challenge; browsers ignore a scheme they do not know.
    HTTPStatus.UNAUTHORIZED: (("WWW-Authenticate", "Pusterla-Session"),),
    HTTPStatus.SERVICE_UNAVAILABLE: (("Retry-After", "30"),),
}


@dataclass(frozen=True, slots=True)
class Page:
    """One refusal, ready to be sent as HTML or, to what is no browser, as one line of text."""

    status: int
    reason: str
    html: bytes
    text: bytes
    content_security_policy: str
    fields: tuple[tuple[str, str], ...]
    """Every header field but the content's type and length, for both forms."""


def choose_language(accept_language: str) -> Language:
    """Return the language of ours that *accept_language* prefers (RFC 9110, section 12.5.4).

    English where nothing of ours is named, and where the field cannot be read.
    """
    if len(accept_language) > _ACCEPT_LANGUAGE_MAXIMUM:
        return "en"
    chosen, best = _LANGUAGES["en"], 0.0
    for part in accept_language.split(","):
        match = _RANGE.fullmatch(part)
        language = _LANGUAGES.get(match["tag"].lower()) if match else None
        if match and language and (weight := float(match["weight"] or 1)) > best:
            chosen, best = language, weight
    return chosen


def hsts(origin: str) -> tuple[tuple[str, str], ...]:
    """Return the field that binds browsers to https (RFC 6797), where it may be claimed.

    It speaks for every port of a host, so only a site on the standard port
    claims it: elsewhere somebody else's service may live on the same host.
    """
    if urlsplit(origin).port is not None:
        return ()
    return (("Strict-Transport-Security", "max-age=31536000"),)


def refusal_page(
    refusal: Refusal,
    *,
    language: Language,
    site_name: str,
    contact: str,
    portal_origin: str,
    lost_page: str = "",
    request: str = "",
    opens_at: datetime | None = None,
) -> Page:
    """Return the page of *refusal* in *language*.

    *contact* is whom to ask: a mail address, an https address, or any words.
    *portal_origin* is linked only where the certificate was found good; *lost_page*, where a lost
    stick is reported, only where that may have happened.
    *request* is the id that leads from the page to the logs; left out where it is "".
    *opens_at*, in the time zone that people here live by, is when it will not be refused any more.
    """
    page = _template(refusal, language, site_name, contact, portal_origin, lost_page)
    line, words, opens, opening = "", "", "", ""
    if opens_at is not None:
        opening = FRAMES[language].opens.format(when=opening_in_words(opens_at, language))
        opens, opening = f"<p><strong>{escape(opening)}</strong></p>\n", f". {opening}"
    if request:
        line = f"<p>{escape(FRAMES[language].request)} <code>{escape(request)}</code></p>\n"
        words = f" ({FRAMES[language].request} {request})"
    fields = (*page.fields, (REQUEST_ID, request)) if request else page.fields
    return replace(
        page,
        html=page.html.replace(_REQUEST, line.encode()).replace(_OPENS, opens.encode()),
        text=page.text.replace(_REQUEST, words.encode()).replace(_OPENS, opening.encode()),
        fields=fields,
    )


# Strangers can ask for it as often as they like, so it is made once. Everything
# but *refusal* and *language* is the same for the whole site.
@lru_cache(maxsize=256)
def _template(
    refusal: Refusal,
    language: Language,
    site_name: str,
    contact: str,
    portal_origin: str,
    lost_page: str,
) -> Page:
    """Return the page with `_REQUEST` where the id goes, and `_OPENS` where the opening does."""
    words, frame, status = WORDS[language][refusal], FRAMES[language], STATUS[refusal]
    html = _HTML.format(
        language=language,
        title=escape(words.title),
        site=escape(site_name),
        style=_STYLE,
        gate=GATE,
        happened=escape(words.happened),
        then="\n".join(f"<p>{escape(line)}</p>" for line in words.then),
        opens=_OPENS.decode(),
        browsers=_by_browser(words.browsers),
        way=_way_out(WAYS[refusal], frame, portal_origin),
        lost=_where_to_report(frame, lost_page) if refusal in LOST and lost_page else "",
        ask=_whom_to_ask(frame, contact),
        say_this=escape(frame.say_this),
        status=status.value,
        refusal=refusal.value,
        request=_REQUEST.decode(),
    )
    fields = (
        ("Content-Security-Policy", _POLICY),
        ("Content-Language", language),
        ("Vary", "Accept, Accept-Language, Cookie"),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
        *hsts(portal_origin),
        *_FURTHER.get(status, ()),
    )
    line = f"{status.value} {refusal.value}: {words.title}".encode()
    text = b"%b%b%b\n" % (line, _OPENS, _REQUEST)
    return Page(status.value, status.phrase, html.encode(), text, _POLICY, fields)


def _way_out(way: Way, frame: Frame, portal_origin: str) -> str:
    match way:
        case Way.AGAIN:
            # An empty reference is this very page, asked for once more.
            target, text = "", frame.again
        case Way.PORTAL:
            target, text = f"{portal_origin}/", frame.to_portal
        case Way.AGREEMENTS:
            target, text = f"{portal_origin}{AGREEMENTS_PATH}", frame.to_agreements
        case Way.REQUESTS:
            target, text = f"{portal_origin}{REQUESTS_PATH}", frame.to_requests
        case Way.NONE:
            return ""
        case _:
            assert_never(way)
    return f'<p class="ways"><a class="button" href="{escape(target)}">{escape(text)}</a></p>\n'


def _by_browser(browsers: tuple[tuple[str, str], ...]) -> str:
    """Return what is to be done in each browser, as a list of names and what to do."""
    if not browsers:
        return ""
    lines = "".join(f"<dt>{escape(name)}</dt><dd>{escape(do)}</dd>\n" for name, do in browsers)
    return f"<dl>\n{lines}</dl>\n"


def _where_to_report(frame: Frame, lost_page: str) -> str:
    link = f'<a href="{escape(lost_page)}">{escape(frame.report_lost)}</a>'
    return f"<p>{escape(frame.lost)} {link}</p>\n"


def contact_address(contact: str) -> str | None:
    """Return what a link to *contact* points at; None where it is only words."""
    if re.fullmatch(r"[^\s@<>\"']+@[^\s@<>\"']+", contact):
        return f"mailto:{contact}"
    return contact if contact.startswith("https://") else None


def _whom_to_ask(frame: Frame, contact: str) -> str:
    if not contact:
        return escape(frame.nobody_named)
    shown, address = escape(contact), contact_address(contact)
    if address is not None:
        shown = f'<a href="{escape(address)}">{shown}</a>'
    return f"{escape(frame.whom_to_ask)} {shown}."
