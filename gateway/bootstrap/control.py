"""Asking for a reload, and answering: a line each way over a unix socket.

The command asks the supervisor over DIR/run/control.sock, and the supervisor asks each process
over a pair of sockets that the process inherits. Both say the same, so both are here: `reload 7`
goes one way, and `7` and a `Report` come back when all is done.
"""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count

from gateway.bootstrap.outcome import NoReport, Report, read_report, write_report

_RELOAD = b"reload "
_numbers = count(1)

Reload = Callable[[], Awaitable[Report]]


class Unanswered(Exception):
    """A reload was asked for, and no report came: the message says why."""


async def answer(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, reload: Reload
) -> None:
    """Answer every question that comes until the other side closes; then close too."""
    try:
        # Whoever says anything else is of no version that we know, and gets no answer.
        while (line := await reader.readline()).startswith(_RELOAD):
            number = line.removeprefix(_RELOAD).strip()
            writer.write(number + b" " + write_report(await reload()))
            await writer.drain()
    except (ConnectionError, ValueError):
        # It has gone, or has sent a line without end; what was taken up is taken up.
        return
    finally:
        writer.close()


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> Report:
    """Ask for a reload and return the report, or raise `Unanswered`."""
    number = b"%d" % next(_numbers)
    try:
        async with asyncio.timeout(seconds):
            writer.write(_RELOAD + number + b"\n")
            await writer.drain()
            while line := await reader.readline():
                found, _, report = line.partition(b" ")
                # Another number: the answer to a question that nobody waits for any more.
                if found == number:
                    return read_report(report)
    except TimeoutError as error:
        raise Unanswered(f"no answer within {seconds:.0f} s; its log may say more") from error
    except (OSError, ValueError, NoReport) as error:
        raise Unanswered(f"it could not be asked: {error}") from error
    raise Unanswered("it ended before it had answered; its log says more")
