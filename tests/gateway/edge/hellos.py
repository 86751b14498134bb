"""ClientHellos, real ones and such as nobody honest sends."""

import ssl


def client_hello(server_name: str | None) -> bytes:
    """Return the first bytes that OpenSSL sends as a client that asks for *server_name*."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    outgoing = ssl.MemoryBIO()
    tls = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=server_name)
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()
    raise AssertionError("a handshake with nobody")


def vector(size: int, content: bytes) -> bytes:
    """Return *content* with its length before it (RFC 8446, section 3.4)."""
    return len(content).to_bytes(size) + content


def extension(kind: int, body: bytes) -> bytes:
    """Return an extension."""
    return kind.to_bytes(2) + vector(2, body)


def server_name_extension(*names: bytes, name_type: int = 0) -> bytes:
    """Return the extension that names *names*."""
    entries = b"".join(bytes([name_type]) + vector(2, name) for name in names)
    return extension(0, vector(2, entries))


def hello_message(*extensions: bytes) -> bytes:
    """Return a ClientHello with *extensions*, not yet in a record."""
    body = b"".join(
        [
            b"\x03\x03" + bytes(32),
            vector(1, b""),
            vector(2, b"\x13\x01"),
            vector(1, b"\0"),
            vector(2, b"".join(extensions)),
        ]
    )
    return b"\x01" + vector(3, body)


def record(content: bytes, kind: int = 22) -> bytes:
    """Return *content* as one TLS record."""
    return bytes([kind]) + b"\x03\x01" + vector(2, content)


def in_records(hello: bytes, size: int) -> bytes:
    """Cut the one record *hello* into records of *size* bytes, as RFC 8446, section 5.1, allows."""
    content = hello[5:]
    return b"".join(record(content[begin : begin + size]) for begin in range(0, len(content), size))
