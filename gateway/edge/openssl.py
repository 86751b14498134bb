"""Three settings of OpenSSL that Python's `ssl` module does not reach, made through ctypes.

*The names of our CAs in the CertificateRequest* (RFC 8446, section 4.2.4; RFC
5246, section 7.4.4): without them a browser offers every certificate it holds,
and its automatic choice takes a wrong one. *No session cache*: with it a TLS
1.2 client resumes a connection on which it had shown no certificate, and goes
on reading "no certificate" after the person has chosen one. *The groups in
which keys are agreed on* (RFC 8446, section 4.2.7): OpenSSL itself takes any
that a stranger names, and one answer in ffdhe8192 costs as much as 500 others.

It leans on the layout of an object of CPython (`SSL_CTX *` behind the object's
head, so in 3.11 to 3.13), so it is done only where that is known, with the
very library that `ssl` uses, and what matters is looked at afterwards in a
handshake in memory. Where it cannot be done the edge runs without the former two,
which is less kind and no less safe, for no decision rests on them; and with a
single group, which the ssl module can set, in place of the few.
"""

import _ssl
import ctypes
import platform
import ssl
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

from cryptography import x509

_KNOWN: Final = ((3, 11), (3, 12), (3, 13))
_SET_SESSION_CACHE_MODE: Final = 44  # SSL_CTRL_SET_SESS_CACHE_MODE of ssl.h
_SESSION_CACHE_OFF: Final = 0
_SET_GROUPS_LIST: Final = 92  # SSL_CTRL_SET_GROUPS_LIST
_GROUPS: Final = (
    # What is recorded today stays shut to the quantum computers of tomorrow: 36 microseconds a
    # handshake, from OpenSSL 3.5 on. Who sends no key for it is not asked to come again with one.
    b"X25519MLKEM768:X25519:P-256:P-384",
    b"X25519:P-256:P-384",
)
"""Mozilla "intermediate"; OpenSSL takes the first list of which it knows every name."""
_EVERYWHERE: Final = "prime256v1"  # P-256: all who speak TLS 1.3 must know it (RFC 8446, 9.1)
_FORBIDDEN: Final = "secp521r1"


class Unreachable(Exception):
    """This Python, or its OpenSSL, is not one that we know how to reach."""


def send_names(context: ssl.SSLContext, clients: Path, more: Sequence[bytes] = ()) -> str | None:
    """Send the names of the CAs in the PEM file *clients* whenever a certificate is asked for.

    And those of *more*, in DER. Returns None when a handshake in memory has shown the names, else
    why they are not sent.
    """
    before = _first_flight(context)
    try:
        library = find_library()
        names = library.SSL_load_client_CA_file(str(clients).encode())
        if not names:
            return f"{clients} cannot be read"
        library.SSL_CTX_set_client_CA_list(pointer_of(context), names)
        for der in more:
            _add_name(library, context, der)
    except Unreachable as error:
        return str(error)
    after = _first_flight(context)
    authorities = [
        *x509.load_pem_x509_certificates(clients.read_bytes()),
        *(x509.load_der_x509_certificate(der) for der in more),
    ]
    missing = [
        certificate.subject.rfc4514_string()
        for certificate in authorities
        # Once more than before: the server's own chain may hold the name as well.
        if after.count(name := certificate.subject.public_bytes()) <= before.count(name)
    ]
    return f"not among the names that were sent: {', '.join(missing)}" if missing else None


def _add_name(library: ctypes.CDLL, context: ssl.SSLContext, der: bytes) -> None:
    octets = ctypes.create_string_buffer(der, len(der))
    place = ctypes.c_void_p(ctypes.addressof(octets))
    certificate = library.d2i_X509(None, ctypes.byref(place), len(der))
    if certificate:
        # It takes the name out, and leaves the certificate to us.
        library.SSL_CTX_add_client_CA(pointer_of(context), certificate)
        library.X509_free(certificate)


def forget_sessions(context: ssl.SSLContext) -> str | None:
    """Keep no TLS 1.2 session for resumption; return why that could not be said, or None."""
    try:
        find_library().SSL_CTX_ctrl(
            pointer_of(context), _SET_SESSION_CACHE_MODE, _SESSION_CACHE_OFF, None
        )
    except Unreachable as error:
        return str(error)
    return None


def limit_groups(context: ssl.SSLContext, lists: Sequence[bytes] = _GROUPS) -> str | None:
    """Agree on keys in a few groups only: those of the first of *lists* that OpenSSL takes.

    Returns None when handshakes in memory have shown that; else why not, and then P-256 is the
    only one. In TLS 1.2 a client's certificate with a key on another curve is refused as well.
    """
    why = _set_groups(context, lists)
    if why is None and _agrees(context, _EVERYWHERE) and not _agrees(context, _FORBIDDEN):
        return None
    context.set_ecdh_curve(_EVERYWHERE)
    return why or "OpenSSL goes on to agree on others"


def _set_groups(context: ssl.SSLContext, lists: Sequence[bytes]) -> str | None:
    try:
        library = find_library()
    except Unreachable as error:
        return str(error)
    where = pointer_of(context)
    taken = any(library.SSL_CTX_ctrl(where, _SET_GROUPS_LIST, 0, names) for names in lists)
    # What OpenSSL notes of a list that it does not take, it would hold against the next call.
    library.ERR_clear_error()
    return None if taken else "OpenSSL does not know their names"


def find_library() -> ctypes.CDLL:
    """Return the OpenSSL that the ssl module itself is linked with, or raise `Unreachable`."""
    if platform.python_implementation() != "CPython" or sys.version_info[:2] not in _KNOWN:
        raise Unreachable(f"not known how in {platform.python_implementation()} {sys.version}")
    try:
        library = _load(_ssl.__file__)
    except (AttributeError, OSError) as error:
        raise Unreachable(f"the OpenSSL of this Python is out of reach: {error}") from error
    if library.OpenSSL_version_num() != ssl.OPENSSL_VERSION_NUMBER:
        raise Unreachable("the OpenSSL that was found is not the one of the ssl module")
    return library


@cache
def _load(path: str) -> ctypes.CDLL:
    """Load what is in *path*, once: each one is a cycle, and a reload would leave some behind."""
    # Symbols are looked up in the module and in what it was linked with.
    library = ctypes.CDLL(path)
    library.OpenSSL_version_num.restype = ctypes.c_ulong
    load = library.SSL_load_client_CA_file
    load.argtypes, load.restype = [ctypes.c_char_p], ctypes.c_void_p
    names = library.SSL_CTX_set_client_CA_list
    names.argtypes, names.restype = [ctypes.c_void_p, ctypes.c_void_p], None
    read, add, free = library.d2i_X509, library.SSL_CTX_add_client_CA, library.X509_free
    read.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_long]
    read.restype = ctypes.c_void_p
    add.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    free.argtypes, free.restype = [ctypes.c_void_p], None
    control = library.SSL_CTX_ctrl
    control.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_void_p]
    control.restype = ctypes.c_long
    library.ERR_clear_error.argtypes, library.ERR_clear_error.restype = [], None
    return library


def pointer_of(context: ssl.SSLContext) -> ctypes.c_void_p:
    """Return the `SSL_CTX *` of *context*; only where `find_library` has not refused."""
    return ctypes.c_void_p.from_address(id(context) + object.__basicsize__)


def _agrees(context: ssl.SSLContext, group: str) -> bool:
    """Say whether a server with *context* agrees on a key in *group*, if no other is offered."""
    client_context = _client_context()
    client_context.set_ecdh_curve(group)
    try:
        return bool(_shake_hands(context, client_context))
    except ssl.SSLError:
        return False


def _first_flight(context: ssl.SSLContext) -> bytes:
    """Return what a server with *context* answers to a TLS 1.2 ClientHello, all of it in clear."""
    client_context = _client_context()
    client_context.maximum_version = ssl.TLSVersion.TLSv1_2
    return _shake_hands(context, client_context)


def _client_context() -> ssl.SSLContext:
    client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_context.check_hostname = False
    client_context.verify_mode = ssl.CERT_NONE
    return client_context


def _shake_hands(context: ssl.SSLContext, client_context: ssl.SSLContext) -> bytes:
    """Return the first answer of a server; raises `ssl.SSLError` where it refuses."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(ssl.MemoryBIO(), to_server)
    server = context.wrap_bio(to_server, to_client, server_side=True)
    for side in (client, server):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    return to_client.read()
