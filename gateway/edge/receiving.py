"""Where what comes off sockets is read to: one place for all connections of the process.

The event loop fills it and has it looked at within the same step, so nobody can find
another's bytes there; and whoever takes bytes from it copies or decrypts them before that
step ends. Bytes of their own for each read would be allocated, copied and given back: half a
millisecond for 10 MiB, and 0.4 microseconds for a request.

How much of it is offered bounds what one read can bring, and so what is held of a
connection when nobody takes it.
"""

from typing import Final

RECEIVED: Final = memoryview(bytearray(512 * 1024))

FOR_ANY: Final = RECEIVED[: 64 * 1024]
"""For what a client says when nobody knows what it will be: it may have to wait in memory."""
FOR_ANSWERS: Final = RECEIVED[: 256 * 1024]
"""For what applications answer: of one whose client takes nothing, one read lies encrypted."""


def for_body(left: int) -> memoryview:
    """Return where to read to while *left* bytes of a body are to come, which do not wait here.

    The more at once, the less does each MiB cost; but nothing of what lies behind the body.
    """
    return FOR_ANY if left <= len(FOR_ANY) else RECEIVED[:left]
