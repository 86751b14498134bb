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
"""For what a client says when nobody has asked it for much: it may have to wait in memory."""
FOR_ANSWERS: Final = RECEIVED[: 256 * 1024]
"""For what applications answer: of one whose client takes nothing, one read lies encrypted."""
FOR_BODIES: Final = RECEIVED
"""For bodies on their way to an application: the more at once, the less does each MiB cost."""
