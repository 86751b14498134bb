"""Bodies in the chunked transfer coding (RFC 9112, section 7.1), decoded by httptools.

A decoder gets the bytes behind the head and nothing else. It tells when the
body is complete, and whether more bytes followed: where nobody can say with which
of them the next message begins, the connection that they came on is not used again.
"""

from typing import Final

import httptools

_HEAD: Final = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
# Chunk headers, extensions and trailers may not outweigh the data: "1;ext…"
# without end is an old way of keeping a server busy.
_OVERHEAD_FREE: Final = 64 * 1024
_OVERHEAD_PER_OCTET: Final = 16
# Nothing else ends a body, with trailer fields or without.
_END: Final = b"\r\n\r\n"
# Feeding costs a microsecond, and data may consist of nothing but line ends.
_ENDS_MAXIMUM: Final = 32
TRAILERS_MAXIMUM: Final = 32
TRAILER_BYTES_MAXIMUM: Final = 8 * 1024


class ChunkedBodyBroken(Exception):
    """The bytes are not a body in chunked coding, or hardly anything but framing."""


class ChunkedDecoder:
    """Decodes one chunked body, fed as it comes.

    `complete` turns true with the last chunk; `excess` when bytes followed it.
    Names and values of the trailer fields (RFC 9112, section 7.1.2) are in
    `trailers` then, as they came.
    """

    __slots__ = (
        "_bare",
        "_begun",
        "_data",
        "_fed",
        "_given",
        "_last",
        "_parser",
        "complete",
        "excess",
        "trailers",
    )

    def __init__(self) -> None:
        """Stand before the first chunk."""
        self._data: list[bytes] = []
        self.trailers: list[tuple[bytes, bytes]] = []
        self._begun = 0
        self._bare = 0
        self._fed = 0
        self._given = 0
        self._last = b""
        self.complete = False
        self.excess = False
        self._parser = httptools.HttpRequestParser(self)
        self._parser.feed_data(_HEAD)
        self.trailers.clear()

    def take(self, data: bytes) -> tuple[bytes, bytes]:
        """Return the payload in *data* and what lies behind the body; raise as `feed` does.

        The parser does not say where the body ended, so it is fed up to each place where that may
        be. Of data in which those are many the rest is fed as it is, and `excess` says if there
        was more than the body.
        """
        payload, begun = b"", 0
        for end in self._ends(data):
            payload += self.feed(data[begun:end])
            begun = end
            if self.complete:
                return payload, b"" if self.excess else data[end:]
        return payload + self.feed(data[begun:]), b""

    def _ends(self, data: bytes) -> list[int]:
        """Return the first places in *data* at which the body may end."""
        known = self._last + data
        before, self._last = len(self._last), known[1 - len(_END) :]
        ends: list[int] = []
        place = known.find(_END)
        while place >= 0 and len(ends) < _ENDS_MAXIMUM:
            ends.append(place + len(_END) - before)
            # One may begin with the second half of another.
            place = known.find(_END, place + 1)
        return ends

    def feed(self, data: bytes) -> bytes:
        """Return the payload in *data*, or raise `ChunkedBodyBroken`."""
        if self.complete:
            self.excess = self.excess or bool(data)
            return b""
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not self._finished():
                raise ChunkedBodyBroken(str(error)) from error
            # What cannot be parsed came behind the end.
            self.excess = True
        payload = b"".join(self._data)
        self._data.clear()
        self._fed += len(data)
        self._given += len(payload)
        # A trailer is collected until it is whole, so much data before it must not
        # make room for one without end.
        self._bare = 0 if payload else self._bare + len(data)
        if self._bare > _OVERHEAD_FREE or (self.trailers and self._trails_too_much()):
            message = "more trailers than are taken"
            raise ChunkedBodyBroken(message)
        if self._fed - self._given > _OVERHEAD_FREE + _OVERHEAD_PER_OCTET * self._given:
            message = "more framing than data"
            raise ChunkedBodyBroken(message)
        return payload

    def _finished(self) -> bool:
        return self.complete

    def _trails_too_much(self) -> bool:
        trailers = self.trailers
        octets = sum(len(name) + len(value) for name, value in trailers)
        return len(trailers) > TRAILERS_MAXIMUM or octets > TRAILER_BYTES_MAXIMUM

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a trailer field; behind the end it is somebody else's."""
        if not self.complete:
            self.trailers.append((name, value))

    def on_message_begin(self) -> None:
        """Note a second message: bytes behind the end."""
        self._begun += 1
        if self._begun > 1:
            self.excess = True

    def on_body(self, data: bytes) -> None:
        """Take a piece of the payload."""
        if not self.complete:
            self._data.append(data)

    def on_message_complete(self) -> None:
        """Note the end of the body."""
        self.complete = True


LAST_CHUNK: Final = b"0\r\n\r\n"


def last_chunk(trailers: bytes) -> bytes:
    """Return the end of a body with the lines of *trailers*."""
    return b"0\r\n%b\r\n" % trailers


def chunk(data: bytes) -> bytes:
    """Return *data*, which is not empty, as one chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)
