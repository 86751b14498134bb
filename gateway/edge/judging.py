"""Handshakes that stop at the client's certificate until we have said what we think of it.

OpenSSL asks a callback whether a certificate is good and sends the alert that
goes with the answer (RFC 8446, section 6.2), but it wants the answer at once,
and the store may have to be asked. So the call into OpenSSL runs in a greenlet:
the callback lets OpenSSL verify the chain and then leaves the greenlet, with
OpenSSL's frames on its stack, until there is an answer.

What is judged here is a certificate that somebody shows. That they have its key
too OpenSSL finds out afterwards, so nothing may be granted on this judgement.
"""

import ctypes
import ssl
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

from greenlet import (  # type: ignore[import-untyped]  # it has no types yet
    GreenletExit,
    getcurrent,
    greenlet,
)

from gateway.core.refusal_kinds import Refusal
from gateway.edge.openssl import Unreachable, find_library, pointer_of

# X509_V_ERR_… of x509_vfy.h, for the alerts that OpenSSL makes of them.
_GOOD: Final = 0
_UNSPECIFIED: Final = 1  # internal_error
_ERRORS: Final[Mapping[Refusal, int]] = {
    Refusal.CERTIFICATE_REVOKED: 23,  # certificate_revoked
    Refusal.CERTIFICATE_HELD: 23,
    Refusal.PERSON_DISABLED: 23,
    Refusal.PERSON_REMOVED: 23,
    Refusal.CERTIFICATE_EXPIRED: 10,  # certificate_expired
    Refusal.CERTIFICATE_NOT_YET_VALID: 9,  # bad_certificate
    Refusal.CERTIFICATE_UNTRUSTED: 20,  # unknown_ca
    Refusal.PERSON_UNKNOWN: 43,
    Refusal.CERTIFICATE_UNKNOWN: 43,  # one that OpenSSL has no alert for: certificate_unknown
}
_Callback: Final = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)


def hold_handshakes(context: ssl.SSLContext) -> str | None:
    """Let each handshake of *context* stop at the client's certificate; return why not, or None.

    From then on they must be made through `HeldHandshake`: any other is refused.
    """
    try:
        library, callback = _verifier()
    except Unreachable as error:
        return str(error)
    library.SSL_CTX_set_cert_verify_callback(pointer_of(context), callback, None)
    return None


class HeldHandshake:
    """One call of *handshake*, `do_handshake` of a connection, that may stop half-way."""

    __slots__ = ("_handshake", "_place")

    def __init__(self, handshake: Callable[[], None]) -> None:
        """Begin; `proceed` makes the call."""
        self._handshake = handshake
        self._place = _idle.pop() if _idle else greenlet(_take_calls)

    def proceed(self) -> bytes | None:
        """Make the call; return the certificate (DER) at which it stops, None when it is over.

        Raises what the call raises. Whatever has stopped must be answered.
        """
        return self._switch(self._handshake)

    def answer(self, refusal: Refusal | None) -> bytes | None:
        """Go on with a certificate that is good, or let OpenSSL send the alert for *refusal*."""
        return self._switch(_GOOD if refusal is None else _ERRORS.get(refusal, _UNSPECIFIED))

    def _switch(self, message: Callable[[], None] | int) -> bytes | None:
        place = self._place
        # Where the callback comes back to is wherever the call is gone on with.
        place.parent = getcurrent()
        said: bytes | Exception | None = place.switch(message)
        if isinstance(said, bytes):
            return said
        if len(_idle) < _IDLE_MAXIMUM:
            _idle.append(place)
        if said is not None:
            raise said
        return None


# A new greenlet for each handshake would cost a tenth of it.
_idle: list[greenlet] = []
_IDLE_MAXIMUM: Final = 64


def _take_calls(call: Callable[[], None]) -> None:
    """Make one call after the other, in a greenlet; say of each how it ended."""
    while True:
        outcome = None
        try:
            call()
        except Exception as error:  # noqa: BLE001 - raised by whoever wanted the call
            outcome = error
        here = getcurrent()
        if getattr(here, "dropped", False):
            return
        call = here.parent.switch(outcome)


@cache
def _verifier() -> tuple[ctypes.CDLL, Any]:
    """Return the library and the callback; both live as long as the process."""
    library = find_library()
    pointer, integer = ctypes.c_void_p, ctypes.c_int
    signatures: dict[str, tuple[Any, list[Any]]] = {
        "SSL_CTX_set_cert_verify_callback": (None, [pointer, _Callback, pointer]),
        "X509_verify_cert": (integer, [pointer]),
        "X509_STORE_CTX_get0_cert": (pointer, [pointer]),
        "X509_STORE_CTX_set_error": (None, [pointer, integer]),
        "i2d_X509": (integer, [pointer, pointer]),
    }
    try:
        for name, (result, arguments) in signatures.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
    except AttributeError as error:
        raise Unreachable(f"the OpenSSL of this Python is out of reach: {error}") from error

    def verify(store: int, _: int | None) -> int:
        if library.X509_verify_cert(store) <= 0:
            # OpenSSL has noted why, and finds the alert for it.
            return 0
        error = _ask(_certificate(library, store))
        library.X509_STORE_CTX_set_error(store, error)
        return int(error == _GOOD)

    return library, _Callback(verify)


def _certificate(library: ctypes.CDLL, store: int) -> bytes:
    certificate = library.X509_STORE_CTX_get0_cert(store)
    octets = ctypes.create_string_buffer(library.i2d_X509(certificate, None))
    # It moves the pointer that it is given behind what it has written.
    place = ctypes.c_void_p(ctypes.addressof(octets))
    library.i2d_X509(certificate, ctypes.byref(place))
    return octets.raw


def _ask(certificate: bytes) -> int:
    """Leave OpenSSL, and come back with the answer."""
    whoever_waits = getcurrent().parent
    if whoever_waits is None:
        return _UNSPECIFIED
    try:
        answer: int = whoever_waits.switch(certificate)
    except GreenletExit:
        # Nobody waits any more. Nothing may be raised through OpenSSL.
        getcurrent().dropped = True
        return _UNSPECIFIED
    return answer
