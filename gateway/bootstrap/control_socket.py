"""The supervisor's control socket: where it listens, and how the command asks there."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from gateway.bootstrap.control import Reload, Unanswered, answer, ask
from gateway.bootstrap.listeners import unix_listener
from gateway.bootstrap.outcome import Report

CONTROL_MODE = 0o600
"""Whoever runs the site, and root, may ask for a reload."""


def socket_of_service() -> Path | None:
    """Return where a service of systemd has its control socket; None outside of one.

    That is its RuntimeDirectory= (systemd.exec(5)), the first where there are more. The units
    of `deploy/` share a site and no user, so each of them has a socket of its own.
    """
    directory = os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    return Path(directory) / "control.sock" if directory else None


class NobodyListens(Unanswered):
    """There is nobody to ask."""


@asynccontextmanager
async def control_socket(path: Path, reload: Reload) -> AsyncIterator[None]:
    """Answer on the unix socket *path* for as long as the context lasts."""

    async def answer_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answer(reader, writer, reload)

    with unix_listener(path, CONTROL_MODE, "supervisor") as listener:
        server = await asyncio.start_unix_server(answer_one, sock=listener)
        try:
            yield
        finally:
            server.close()


async def ask_at(path: Path, seconds: float) -> Report:
    """Ask whoever listens on *path* for a reload; raise `Unanswered` or `NobodyListens`."""
    try:
        reader, writer = await asyncio.open_unix_connection(path)
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise NobodyListens(f"nobody listens on {path}") from error
    except OSError as error:
        raise Unanswered(f"{path}: {error.strerror}") from error
    try:
        return await ask(reader, writer, seconds)
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
