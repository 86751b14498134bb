"""Fetch what a CA publishes: bounded in size, time and redirects, and believed in nothing.

What comes is what the caller verifies: neither the name of a type nor the length that a server
announces is taken for true. Failures are values, in words that name the URL.

Https is verified as anywhere, with the system's authorities and those of the trust: whoever
writes https expects it, and a list is as good by http, since its CA has signed it (RFC 5280,
section 4.2.1.13, advises against https for that reason).
"""

import asyncio
import errno
import socket
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path, PurePath
from typing import Final, NoReturn
from urllib.parse import urljoin

import aiohttp
from aiohttp.hdrs import DATE, ETAG, LAST_MODIFIED, LOCATION

from ca.identity import shortened
from gateway.verifier.addresses import why_not_asked, why_not_reached
from gateway.verifier.files import FileFailed, NewFile, read_pieces, signature_of

LIST_LIMIT: Final = 100 * 2**20
"""The longest list that is taken, in octets: some two million entries."""
_REDIRECTS: Final = 5
_REDIRECTING: Final = frozenset({301, 302, 303, 307, 308})
_OK: Final = 200
_NOT_MODIFIED: Final = 304
_CHUNK: Final = 2**18
_QUOTED: Final = 200
"""Characters of what a server says that are told to people."""


@dataclass(frozen=True, slots=True)
class FetchFailed:
    """Nothing was had; *words* name the URL or file, and why."""

    words: str


@dataclass(frozen=True, slots=True)
class Mark:
    """What a server calls the state of a resource, to be asked later whether it has changed."""

    etag: str | None = None
    modified: str | None = None


def _mark(fields: Mapping[str, str]) -> Mark:
    """Return the mark in the *fields* of an answer.

    A list that changes twice in one second has one date of change for both. So that date is kept
    only where the second was over when the server answered (RFC 9110, section 8.8.2.2).
    """
    etag, modified = fields.get(ETAG), fields.get(LAST_MODIFIED)
    try:
        date, changed = (parsedate_to_datetime(fields[name]) for name in (DATE, LAST_MODIFIED))
        over = date - changed >= timedelta(seconds=1)
    except (KeyError, ValueError, TypeError, OverflowError):
        # TypeError: one of them names no zone.
        over = False
    return Mark(etag, modified if over else None)


@dataclass(frozen=True, slots=True)
class Downloaded:
    """Everything is in the file: *size* octets; *mark* is what the server calls this state."""

    size: int
    mark: Mark


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The server says that nothing has changed since the mark."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long is waited, in seconds: for everything together, and for the next octet."""

    whole: float
    silence: float


LIST_PATIENCE: Final = Patience(whole=300, silence=15)
ANSWER_PATIENCE: Final = Patience(whole=10, silence=5)


class _Failed(Exception):
    """Why nothing was had, in words; never leaves this module."""


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked of which URL, and how much of an answer is borne."""

    url: str
    limit: int
    patience: Patience
    body: bytes | None = None
    header: Mapping[str, str] = field(default_factory=dict)


class Fetcher:
    """Asks servers. Each question has a connection of its own and leaves nothing behind."""

    def __init__(
        self,
        *,
        authorities: Iterable[bytes] = (),
        list_patience: Patience = LIST_PATIENCE,
        answer_patience: Patience = ANSWER_PATIENCE,
    ) -> None:
        """Believe *authorities* (certificates in DER) of https servers, besides the system's."""
        self._authorities = tuple(authorities)
        self._list_patience = list_patience
        self._answer_patience = answer_patience
        self._context: ssl.SSLContext | None = None

    def believing(self, authorities: Iterable[bytes]) -> "Fetcher":
        """Return one that believes *authorities* of https servers besides."""
        return Fetcher(
            authorities=(*self._authorities, *authorities),
            list_patience=self._list_patience,
            answer_patience=self._answer_patience,
        )

    async def fetch(
        self, url: str, *, limit: int, body: bytes | None = None, media_type: str = ""
    ) -> bytes | FetchFailed:
        """Return what *url* answers, at most *limit* octets; with a *body*, to a POST of it.

        *media_type* is the body's. A POST is not redirected.
        """
        header = {"Content-Type": media_type} if media_type else {}
        question = _Question(url, limit, self._answer_patience, body, header)
        try:
            async with self._answer(question) as response:
                return b"".join([chunk async for chunk in _chunks(response, question)])
        except (_Failed, FileFailed) as failed:
            return FetchFailed(str(failed))

    async def download(
        self, url: str, target: Path, *, limit: int = LIST_LIMIT, mark: Mark | None = None
    ) -> Downloaded | Unchanged | FetchFailed:
        """Write what *url* answers to the new file *target*, unless it is as *mark* says.

        The disk is asked outside the loop, and memory never holds more than a piece. After a
        failure *target* is gone.
        """
        header: dict[str, str] = {}
        if mark is not None and mark.etag is not None:
            header["If-None-Match"] = mark.etag
        elif mark is not None and mark.modified is not None:
            header["If-Modified-Since"] = mark.modified
        question = _Question(url, limit, self._list_patience, None, header)
        try:
            async with self._answer(question) as response:
                if response.status == _NOT_MODIFIED:
                    return Unchanged()
                size = await _keep(_chunks(response, question), target)
                return Downloaded(size, _mark(response.headers))
        except (_Failed, FileFailed) as failed:
            return FetchFailed(str(failed))

    async def copy(
        self, source: PurePath, target: Path, *, limit: int = LIST_LIMIT, mark: Mark | None = None
    ) -> Downloaded | Unchanged | FetchFailed:
        """Write the file *source* to the new file *target*, as `download` does a URL."""
        try:
            return await asyncio.to_thread(_copy, Path(source), target, limit, mark)
        except (_Failed, FileFailed) as failed:
            return FetchFailed(str(failed))

    @asynccontextmanager
    async def _answer(self, question: _Question) -> AsyncIterator[aiohttp.ClientResponse]:
        """Ask, and turn everything that goes wrong on the way, and in the block, into words."""
        url, patience = question.url, question.patience
        try:
            async with asyncio.timeout(patience.whole), self._session(patience) as session:
                response = await self._follow(session, question)
                async with response:
                    _check_status(response, question)
                    yield response
        except aiohttp.ServerTimeoutError:
            raise _Failed(f"{url}: nothing came for {patience.silence:g} s") from None
        except TimeoutError:
            raise _Failed(f"{url}: did not come to an end in {patience.whole:g} s") from None
        except aiohttp.ClientPayloadError:
            raise _Failed(f"{url}: the answer broke off before its end") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _Failed(f"{url}: {_words_of(error)}") from None

    def _session(self, patience: Patience) -> aiohttp.ClientSession:
        if self._context is None:
            self._context = _make_context(self._authorities)
        connector = aiohttp.TCPConnector(
            ssl=self._context, force_close=True, socket_factory=_make_socket
        )
        silence = patience.silence
        return aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=silence, sock_read=silence, ceil_threshold=float("inf")
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            # A list that was squeezed may be any size when it is unpacked.
            headers={"User-Agent": "pusterla", "Accept-Encoding": "identity"},
            auto_decompress=False,
        )

    @staticmethod
    async def _follow(
        session: aiohttp.ClientSession, question: _Question
    ) -> aiohttp.ClientResponse:
        """Ask, go where the answer says, and return the one that is none of a redirect."""
        url, method = question.url, "GET" if question.body is None else "POST"
        for _ in range(_REDIRECTS + 1):
            if fault := why_not_asked(url):
                raise _Failed(f"{_by_way_of(question.url, url)} {fault}")
            response = await session.request(
                method,
                url,
                data=question.body,
                headers=question.header,
                allow_redirects=False,
            )
            if response.status not in _REDIRECTING or method == "POST":
                return response
            response.close()
            url = _next(url, response)
        raise _Failed(f"{question.url}: more than {_REDIRECTS} redirects")


def _next(url: str, response: aiohttp.ClientResponse) -> str:
    location = response.headers.get(LOCATION)
    if location is None:
        raise _Failed(f"{url}: a redirect to nowhere")
    following = urljoin(url, location)
    if url.startswith("https:") and not following.startswith("https:"):
        raise _Failed(f"{url}: a redirect from https to what is none")
    return following


def _check_status(response: aiohttp.ClientResponse, question: _Question) -> None:
    url, status = question.url, response.status
    asked_for_changes = "If-None-Match" in question.header or (
        "If-Modified-Since" in question.header
    )
    if status == _NOT_MODIFIED and asked_for_changes:
        return
    if status != _OK:
        raise _Failed(f"{url}: the server answers {status}")
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise _Failed(f"{url}: comes compressed, though it was asked for as it is")
    # Said by the server, so it may only make things worse for it.
    if response.content_length is not None and response.content_length > question.limit:
        _refuse_length(url, question.limit)


async def _chunks(response: aiohttp.ClientResponse, question: _Question) -> AsyncIterator[bytes]:
    taken = 0
    async for chunk in response.content.iter_chunked(_CHUNK):
        taken += len(chunk)
        if taken > question.limit:
            _refuse_length(question.url, question.limit)
        yield chunk


async def _keep(chunks: AsyncIterator[bytes], target: Path) -> int:
    """Write *chunks* to the new file *target*; return its size."""
    file = NewFile(target)
    try:
        async for chunk in chunks:
            await asyncio.to_thread(file.write, chunk)
        await asyncio.to_thread(file.finish)
    except BaseException:
        file.discard()
        raise
    return file.size


def _copy(source: Path, target: Path, limit: int, mark: Mark | None) -> Downloaded | Unchanged:
    # Asked before the file is read: what changes meanwhile is seen the next time.
    found = Mark(etag=signature_of(source))
    if found == mark:
        return Unchanged()
    file = NewFile(target)
    try:
        for piece in read_pieces(source):
            if file.size + len(piece) > limit:
                _refuse_length(str(source), limit)
            file.write(piece)
        file.finish()
    except BaseException:
        file.discard()
        raise
    return Downloaded(file.size, found)


def _make_context(authorities: Iterable[bytes]) -> ssl.SSLContext:
    # Verifies the chain and the name unless it is told not to, which it never is.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    # An issuing CA that is believed is enough: its root need not be.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    for certificate in authorities:
        context.load_verify_locations(cadata=certificate)
    return context


def _make_socket(info: aiohttp.AddrInfoType) -> socket.socket:
    """Make the socket for an address, the last moment at which it can be refused.

    Whatever a name meant when it was looked at, and however an address was written: this is where
    the connection goes.
    """
    family, kind, protocol, _, address = info
    if fault := why_not_reached(str(address[0])):
        raise OSError(errno.EACCES, f"{address[0]} {fault}")
    return socket.socket(family, kind, protocol)


def _by_way_of(first: str, url: str) -> str:
    # Where it leads a server has written, which is believed in nothing.
    return url if first == url else f"{first} leads to {shortened(url, _QUOTED)}, which"


def _refuse_length(name: str, limit: int) -> NoReturn:
    raise _Failed(f"{name}: longer than {limit} octets")


def _words_of(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorError):
        # The rest of its words only repeats the host.
        error = error.os_error
    if isinstance(error, ConnectionRefusedError):
        return "nobody listens there"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    # What cannot be understood is told in the server's own words.
    return shortened(str(error), _QUOTED) if str(error) else type(error).__name__
