"""Two settings of OpenSSL that Python's `ssl` module does not reach, made through ctypes.

*The names of our CAs in the CertificateRequest* (RFC 8446, section 4.2.4; RFC
5246, section 7.4.4): without them a browser offers every certificate it holds,
and its automatic choice takes a wrong one. *No session cache*: with it a TLS
1.2 client resumes a connection on which it had shown no certificate, and goes
on reading "no certificate" after the person has chosen one.

It leans on the layout of an object of CPython (`SSL_CTX *` behind the object's
head, so in 3.11 to 3.13), so it is done only where that is known, with the
very library that `ssl` uses, and what matters is looked at afterwards in a
handshake in memory. Where it cannot be done the edge runs without, which is
less kind and no less safe: no decision rests on either setting.
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
    return library


def pointer_of(context: ssl.SSLContext) -> ctypes.c_void_p:
    """Return the `SSL_CTX *` of *context*; only where `find_library` has not refused."""
    return ctypes.c_void_p.from_address(id(context) + object.__basicsize__)


def _first_flight(context: ssl.SSLContext) -> bytes:
    """Return what a server with *context* answers to a TLS 1.2 ClientHello, all of it in clear."""
    client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_context.check_hostname = False
    client_context.verify_mode = ssl.CERT_NONE
    client_context.maximum_version = ssl.TLSVersion.TLSv1_2
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(ssl.MemoryBIO(), to_server)
    server = context.wrap_bio(to_server, to_client, server_side=True)
    for side in (client, server):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    return to_client.read()
