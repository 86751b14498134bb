"""TLS for the edge: two contexts, and a thin layer over `ssl.MemoryBIO`.

asyncio's own TLS sends no alert when it refuses a handshake, so a browser
shows an empty response. Here every byte that OpenSSL wants sent is sent. All
cryptography, and the verification of the chain, stays OpenSSL's.
"""

import logging
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.core.people import Fingerprint
from gateway.core.refusal_kinds import Refusal
from gateway.core.site import Demand
from gateway.edge.hello import RECORD_MAXIMUM, Incomplete, read_hello
from gateway.edge.judging import HeldHandshake, hold_handshakes
from gateway.edge.openssl import forget_sessions, limit_groups, send_names

log = logging.getLogger("pusterla.edge")

# X509_V_FLAG_NO_CHECK_TIME: an expired certificate shall reach our page that
# says so. The dates are checked by `ca.trust`, at every request.
_NO_CHECK_TIME: Final = 0x200000

# Mozilla "intermediate" for TLS 1.2; TLS 1.3 suites are OpenSSL's own.
_CIPHERS: Final = (
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256"
    ":ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384"
    ":ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
)
_PROTOCOLS: Final = (b"http/1.1", b"http/1.0")
_NO_APPLICATION_PROTOCOL: Final = b"\x15\x03\x03\x00\x02\x02\x78"
"""The alert of that name, in a record in clear (RFC 8446, section 6)."""
_DER: Final = 2  # ENCODING_DER of the _ssl module
_LARGE: Final = RECORD_MAXIMUM // 2
_RECORD: Final = 5 + RECORD_MAXIMUM + 256
"""A whole record (RFC 8446, section 5.2)."""
_STEP: Final = 64 * 1024
"""How much is given to a BIO at once: it keeps the room that it has needed."""
# One buffer serves every connection of the process: it is filled and copied
# out of within one call, never across an await.
_buffer = memoryview(bytearray(RECORD_MAXIMUM))


@dataclass(frozen=True, slots=True)
class Contexts:
    """The TLS contexts of one worker.

    *protected* asks for a client certificate and verifies the chain of what is
    sent; *public* asks for none and serves the public host alone. With *held*
    each handshake on the former stops until its certificate has been judged.
    """

    protected: ssl.SSLContext
    public: ssl.SSLContext
    public_host: str
    authorities: frozenset[bytes]
    """The CAs in DER to which certificates of clients must chain."""
    held: bool = False


def make_contexts(
    certificate: Path,
    key: Path,
    clients: Path,
    public_host: str,
    demand: Demand = Demand.PAGE,
    *,
    foreign: Sequence[bytes] = (),
) -> Contexts:
    """Load the server's certificate and the CAs whose client certificates may come in.

    *clients* is the file of our own; *foreign* are those that are not ours, in DER.
    """
    protected = _context(certificate, key)
    strictly = demand is Demand.HANDSHAKE
    # Or else requested, not required: who has none, or an expired one, is told so by
    # a page, which a failed handshake cannot show.
    protected.verify_mode = ssl.CERT_REQUIRED if strictly else ssl.CERT_OPTIONAL
    protected.load_verify_locations(cafile=clients)
    if foreign:
        protected.load_verify_locations(cadata=b"".join(dict.fromkeys(foreign)))
    # Whoever the file names is believed as it stands: the root above an issuing CA is
    # not asked again in every handshake, which a tenth of its cost went into.
    protected.verify_flags = ssl.VerifyFlags(
        protected.verify_flags
        | ssl.VERIFY_X509_STRICT
        | ssl.VERIFY_X509_PARTIAL_CHAIN
        | (0 if strictly else _NO_CHECK_TIME)
    )
    held = False
    if (why := send_names(protected, clients, foreign)) is not None:
        log.warning("browsers are not told which certificates we take: %s", why)
    elif strictly:
        # The names have been seen, so this is the context that OpenSSL works with.
        why = hold_handshakes(protected)
        held = why is None
    if strictly and not held:
        log.warning("revoked certificates are refused by a page, not in the handshake: %s", why)
    public = _context(certificate, key)
    public.verify_mode = ssl.CERT_NONE
    # Not set_servername_callback, whose callback holds on to the context that holds on to it.
    public.sni_callback = _only(public_host)
    authorities = frozenset(_read_authorities(clients)).union(foreign)
    return Contexts(protected, public, public_host, authorities, held)


def read_issuers(clients: Path) -> tuple[bytes, ...]:
    """Return the issuing CAs among *clients* in DER, without roots (RFC 9440, section 2.3)."""
    found = x509.load_pem_x509_certificates(clients.read_bytes())
    return tuple(one.public_bytes(Encoding.DER) for one in found if one.issuer != one.subject)


def read_names(clients: Path) -> frozenset[bytes]:
    """Return the subjects of the CAs in *clients* in DER."""
    found = x509.load_pem_x509_certificates(clients.read_bytes())
    return frozenset(one.subject.public_bytes() for one in found)


def _read_authorities(clients: Path) -> Iterator[bytes]:
    for one in x509.load_pem_x509_certificates(clients.read_bytes()):
        yield one.public_bytes(Encoding.DER)


@lru_cache(maxsize=1024)
def chain_above(certificate: bytes, issuers: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """Return those of *issuers* in whose name *certificate* was issued, all in DER.

    After a roll-over there are several, and other CAs may be trusted: only one of them is above
    a certificate.
    """
    if len(issuers) < 2:  # noqa: PLR2004 - the usual case asks nothing
        return issuers
    name = x509.load_der_x509_certificate(certificate).issuer
    return tuple(one for one in issuers if x509.load_der_x509_certificate(one).subject == name)


def _context(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_TICKET
    # A browser that resumes an anonymous session would go on reading "no
    # certificate" after the person has chosen one.
    context.num_tickets = 0
    context.set_ciphers(_CIPHERS)
    context.set_alpn_protocols([name.decode() for name in _PROTOCOLS])
    context.load_cert_chain(certificate, key)
    if (why := forget_sessions(context)) is not None:
        log.warning("TLS 1.2 sessions may be resumed: %s", why)
    if (why := limit_groups(context)) is not None:
        log.warning(
            "keys are agreed on over P-256 alone, which takes most browsers one more round trip; "
            "CPython 3.11 to 3.13 with its own OpenSSL can do better: %s",
            why,
        )
    return context


def _only(
    public_host: str,
) -> Callable[[object, str | None, object], int | None]:
    """Refuse, on the context without certificates, every name but the public host's.

    This is OpenSSL's reading of the ClientHello, the other being ours.
    """

    def check(connection: object, name: str | None, context: object) -> int | None:
        del connection, context
        if name is not None and name.lower() == public_host:
            return None
        return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME

    return check


def _fingerprint(certificate: bytes) -> Fingerprint:
    return Fingerprint(sha256(certificate).hexdigest())


class HandshakeFailed(Exception):
    """OpenSSL refused the handshake; the alert that says so is among the pending bytes."""


class Channel:
    """One TLS connection as bytes in, bytes out; it owns no socket.

    Until `established`, feed it with `shake_hands`; what is to be sent lies in
    `pending()`. *server_name* is what the client asked for. Where *asking* names
    a certificate the handshake stands still, and `answer` goes on with it.
    """

    __slots__ = (
        "_contexts",
        "_held",
        "_hello",
        "_incoming",
        "_session",
        "_tls",
        "answered",
        "asking",
        "certificate",
        "ended",
        "established",
        "fingerprint",
        "outgoing",
        "server_name",
        "shown",
    )

    def __init__(self, contexts: Contexts) -> None:
        """Begin a handshake in which the client speaks first."""
        self._contexts = contexts
        self.answered = False
        """Whether there has been an answer to the client's first message."""
        self._held: HeldHandshake | None = None
        self._hello = b""
        self._incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        """What `pending` would return; whoever only wants to know whether there is any looks here."""
        self._tls: ssl.SSLObject | None = None
        # What is beneath it: for each record, its methods would cost a call more. Any: typeshed
        # does not know of it.
        self._session: Any = None
        self.asking: Fingerprint | None = None
        self.shown = b""
        """The certificate that is asked for; whether the client has its key is not known yet."""
        self.established = False
        self.ended = False
        self.server_name: str | None = None
        self.fingerprint: Fingerprint | None = None
        self.certificate = b""

    def shake_hands(self, data: bytes) -> None:
        """Take bytes of a handshake; raise `HandshakeFailed` where it has come to nothing."""
        if self._tls is None:
            self._hello += data
            hello = read_hello(self._hello)
            if isinstance(hello, Incomplete):
                return
            self.server_name = hello.name
            if hello.protocols and hello.protocols.isdisjoint(_PROTOCOLS):
                self.outgoing.write(_NO_APPLICATION_PROTOCOL)
                raise HandshakeFailed("of its protocols (ALPN) none is HTTP/1")
            data, self._hello = self._hello, b""
            public = hello.name == self._contexts.public_host
            context = self._contexts.public if public else self._contexts.protected
            self._tls = context.wrap_bio(self._incoming, self.outgoing, server_side=True)
            self._session = self._tls._sslobj  # type: ignore[attr-defined]  # noqa: SLF001 - see its declaration
        self._incoming.write(data)
        held = self._contexts.held and self._tls.context is self._contexts.protected
        # Before it was answered nobody who is honest has shown a certificate.
        if held and self.answered:
            self._held = HeldHandshake(self._tls.do_handshake)
            self._proceed(self._held.proceed)
        else:
            self._proceed(self._tls.do_handshake)

    def answer(self, refusal: Refusal | None) -> None:
        """Go on with the certificate that is asked for, unless there is a *refusal*.

        Raises `HandshakeFailed` where it comes to nothing.
        """
        held = self._held
        assert held is not None  # noqa: S101 - something was asked
        self._proceed(lambda: held.answer(refusal))

    def _proceed(self, step: Callable[[], bytes | None]) -> None:
        tls = self._tls
        assert tls is not None  # noqa: S101 - made before the first step
        self.asking = None
        try:
            asking = step()
        except ssl.SSLWantReadError:
            self.answered = self.answered or self.outgoing.pending > 0
            return
        except ssl.SSLError as error:
            raise HandshakeFailed(error.reason or str(error)) from error
        if asking is not None:
            self.shown, self.asking = asking, _fingerprint(asking)
            return
        self._held = None
        der = tls.getpeercert(binary_form=True)
        if der:
            self.certificate, self.fingerprint = der, _fingerprint(der)
        self.established, self.shown = True, b""

    @property
    def version(self) -> str:
        """The version that was agreed on, as OpenSSL calls it (`TLSv1.3`); else empty."""
        return (self._tls.version() or "") if self._tls is not None else ""

    def trusted_by(self, contexts: Contexts) -> bool:
        """Say whether the chain that let the client in would let it in under *contexts*.

        Every certificate above the client's own must still be among the CAs, or have
        been sent along by the client; the last, which nobody vouches for, among the CAs.
        So a CA that was exchanged for one with the same key counts as another.
        """
        if contexts is self._contexts or not self.certificate or self._tls is None:
            return True
        # Only Python 3.13 and later have these under public names.
        session = self._session
        chain = [one.public_bytes(_DER) for one in session.get_verified_chain() or ()]
        sent = {one.public_bytes(_DER) for one in session.get_unverified_chain() or ()}
        known = contexts.authorities
        return bool(chain) and chain[-1] in known and known.union(sent).issuperset(chain[1:])

    def decrypt(self, data: bytes | memoryview) -> list[bytes]:
        """Return the plaintext in *data*, as far as whole records go, in a piece for each.

        Sets `ended` at close_notify, and at a record that does not decrypt.
        """
        session = self._session
        incoming = self._incoming
        pieces: list[bytes] = []
        if session is None or self.ended:
            return pieces
        rest: bytes | memoryview = b""
        while True:
            if len(data) > _STEP:
                data, rest = data[:_STEP], data[_STEP:]
            incoming.write(data)
            # One read takes one record. What is asked for more than there is ends in an
            # exception, so it is asked only while there are bytes, or enough of them.
            enough = _RECORD if rest else 0
            try:
                while (waiting := incoming.pending) > enough:
                    if waiting > _LARGE:
                        # A record that is nearly full is read into bytes of its own; for a
                        # small one they would be mostly empty, and cost more than a copy.
                        piece: bytes = session.read(RECORD_MAXIMUM)
                    else:
                        count: int = session.read(RECORD_MAXIMUM, _buffer)
                        piece = bytes(_buffer[:count])
                    if not piece:
                        self.ended = True
                        return pieces
                    pieces.append(piece)
            except ssl.SSLWantReadError:
                # Also where enough had come, but a message of the handshake before it.
                pass
            except ssl.SSLError:
                self.ended = True
                return pieces
            if not rest:
                return pieces
            data, rest = rest, b""

    def encrypt(self, data: bytes | memoryview) -> bytes:
        """Return the records that carry *data*."""
        assert self._session is not None  # noqa: S101 - nobody writes before the handshake
        self._session.write(data)
        return self.outgoing.read()

    def pending(self) -> bytes:
        """Return what OpenSSL wants sent: handshake messages, alerts."""
        return self.outgoing.read()

    def close(self) -> bytes:
        """Return close_notify, for an end that is no truncation."""
        if self._tls is not None and self.established:
            # unwrap would also wait for the other side's close_notify.
            with suppress(ssl.SSLError):
                self._tls.unwrap()
        return self.outgoing.read()
