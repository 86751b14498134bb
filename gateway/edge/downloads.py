"""The body of one response on its way to the client, where its end is not counted in octets.

Made only for such a body: one with a length passes as it comes, and costs nothing here.
"""

from gateway.edge.bodies import LAST_CHUNK, ChunkedDecoder, chunk, last_chunk
from gateway.edge.heads import RequestHead
from gateway.edge.trailers import trailer_lines


class Download:
    """One body in chunks, or one that ends with its connection.

    A client of HTTP/1.1 gets it in chunks, one of HTTP/1.0 until its own connection
    ends. *complete* turns true with the last chunk, *excess* when bytes followed it.
    """

    __slots__ = ("_decoder", "_head", "complete", "excess")

    def __init__(self, head: RequestHead, *, chunked: bool) -> None:
        """Stand before the first byte of the answer to *head*."""
        self._decoder = ChunkedDecoder() if chunked else None
        self._head = head
        self.complete = False
        self.excess = False

    def take(self, data: bytes) -> bytes:
        """Return what of *data* goes to the client, framed; raise `ChunkedBodyBroken`."""
        decoder = self._decoder
        payload = data if decoder is None else decoder.feed(data)
        in_chunks = self._head.http_1_1
        out = chunk(payload) if payload and in_chunks else payload
        if decoder is not None and decoder.complete:
            self.complete, self.excess = True, decoder.excess
            if in_chunks:
                out += self._last_chunk(decoder)
        return out

    def end(self) -> bytes:
        """Return what the client gets when the connection has ended, and the body with it."""
        return LAST_CHUNK if self._head.http_1_1 else b""

    def _last_chunk(self, decoder: ChunkedDecoder) -> bytes:
        if not decoder.trailers or not self._head.accepts_trailers:
            return LAST_CHUNK
        return last_chunk(trailer_lines(decoder.trailers, from_client=False))
