"""OCSP over http: GET and POST, and what caches may keep (RFC 6960 appendix A, RFC 5019)."""

import base64
import binascii
import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import format_datetime
from hashlib import sha256
from typing import Final
from urllib.parse import unquote_to_bytes

from aiohttp import hdrs, web
from cryptography.x509.ocsp import OCSPResponseStatus

from ca.ocsp import MOST_BYTES, Issued, Question, answer, read_request, refuse
from gateway.core.ports import StoreUnavailable
from gateway.portal.responders import Responders
from gateway.portal.services import SERVICES
from gateway.store import Store

KEPT: Final = timedelta(minutes=1)
"""How long the same answer is given to everybody, and how long caches keep it: as a CRL."""
_MOST_KEPT: Final = 10_000
_PREFIX: Final = "/ocsp/"
_MEDIA_TYPE: Final = "application/ocsp-response"
_SECOND: Final = timedelta(seconds=1)

log = logging.getLogger("pusterla.ocsp")


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent; *good_until* None where nobody may keep it."""

    der: bytes
    made_at: datetime | None = None
    good_until: datetime | None = None


class Desk:
    """Answers requests from the store, with the keys of the responders."""

    def __init__(self, store: Store, responders: Responders, clock: Callable[[], datetime]) -> None:
        """Ask *store* anew for each request; what is signed is given again for a while."""
        self._store = store
        self._responders = responders
        self._clock = clock
        self._kept: OrderedDict[Question, tuple[Issued | None, Answer]] = OrderedDict()

    async def ask(self, der: bytes) -> Answer:
        """Answer the request *der*, if only to say that there is no answer."""
        question = read_request(der)
        if not isinstance(question, Question):
            return Answer(refuse(question))
        issuer = self._responders.issuer_of(question.issuer)
        if issuer is None:
            return Answer(refuse(OCSPResponseStatus.UNAUTHORIZED))
        try:
            issued = await self._store.issued(issuer, question.serial)
        except StoreUnavailable as error:
            log.error("OCSP: %s", error)
            return Answer(refuse(OCSPResponseStatus.TRY_LATER))
        if question.nonce is None and (kept := self._again(question, issued)) is not None:
            return kept
        responder = self._responders.responder(issuer)
        if responder is None:
            return Answer(refuse(OCSPResponseStatus.TRY_LATER))
        now = self._clock()
        signed, good_until = answer(responder, question, issued, now)
        if question.nonce is not None:
            return Answer(signed)
        made = Answer(signed, now.replace(microsecond=0), good_until)
        self._kept[question] = issued, made
        if len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
        return made

    def _again(self, question: Question, issued: Issued | None) -> Answer | None:
        """Return what was signed a moment ago, as long as it is still so."""
        known, kept = self._kept.get(question, (None, None))
        if kept is None or known != issued or kept.made_at is None:
            return None
        return kept if timedelta() <= self._clock() - kept.made_at < KEPT else None


DESK: web.AppKey[Desk] = web.AppKey("desk", Desk)


async def post_request(request: web.Request) -> web.StreamResponse:
    """Answer a request that came as a body; nobody keeps that."""
    # One more than there may be: that there is more says enough.
    body = await request.content.read(MOST_BYTES + 1)
    while len(body) <= MOST_BYTES and (more := await request.content.read(MOST_BYTES)):
        body += more
    found = await request.app[DESK].ask(body)
    return _uncacheable(found.der)


async def get_request(request: web.Request) -> web.StreamResponse:
    """Answer a request that came as a path (RFC 6960, appendix A.1.1), for caches to keep."""
    der = read_path(request.rel_url.raw_path)
    if der is None:
        return _uncacheable(refuse(OCSPResponseStatus.MALFORMED_REQUEST))
    found = await request.app[DESK].ask(der)
    if found.made_at is None or found.good_until is None:
        return _uncacheable(found.der)
    tag = sha256(found.der).hexdigest()[:40]
    age = request.app[SERVICES].clock() - found.made_at
    left = max(min(KEPT, found.good_until - found.made_at) - age, timedelta())
    fields = {
        # RFC 5019, section 6.2; `left` shrinks as the answer ages here.
        hdrs.CACHE_CONTROL: (f"max-age={left // _SECOND}, public, no-transform, must-revalidate"),
        hdrs.LAST_MODIFIED: format_datetime(found.made_at, usegmt=True),
        hdrs.EXPIRES: format_datetime(found.good_until, usegmt=True),
        hdrs.ETAG: f'"{tag}"',
    }
    tags = request.if_none_match or ()
    if any(one.value in {"*", tag} for one in tags):
        return web.Response(status=304, headers=fields)
    return web.Response(body=found.der, content_type=_MEDIA_TYPE, headers=fields)


def read_path(path: str) -> bytes | None:
    """Return the request in *path*, None when there is none.

    Base64 has `/`, `+` and `=` in it, and clients differ in which they encode, and whether they
    leave the padding out; some put a second slash before it all.
    """
    if len(path) > 2 * MOST_BYTES or not path.startswith(_PREFIX):
        return None
    encoded = unquote_to_bytes(path.removeprefix(_PREFIX)).strip()
    for candidate in (encoded, encoded.lstrip(b"/")):
        padded = candidate + b"=" * (-len(candidate) % 4)
        try:
            der = base64.b64decode(padded, validate=True)
        except binascii.Error:
            continue
        # Every request is a SEQUENCE, so the first octet tells which reading was meant.
        if der.startswith(b"\x30"):
            return der
    return None


def _uncacheable(der: bytes) -> web.Response:
    fields = {hdrs.CACHE_CONTROL: "no-store"}
    return web.Response(body=der, content_type=_MEDIA_TYPE, headers=fields)
