"""The files of trusts: their folder, and that one command at a time changes them."""

import asyncio
import fcntl
import os
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from ca.keys import sync_folder
from gateway.bootstrap.command import CommandRefused
from gateway.bootstrap.folder import SiteFolder

DIRECTORY_MODE: Final = 0o750
FILE_MODE: Final = 0o640
"""For edge, portal and verifier to read, by their group, as the files of applications."""

PATIENCE: Final = 10.0
"""How many seconds a command waits for another one that changes trusts."""
_LOOK_SECONDS: Final = 0.05


@asynccontextmanager
async def changing_trusts(folder: SiteFolder, patience: float = PATIENCE) -> AsyncIterator[None]:
    """Keep every other command from changing the trusts of *folder* until the block ends.

    What was read inside stays true until it is written. Raises `CommandRefused` when another
    command takes longer than *patience*. A command that is killed keeps nobody out.
    """
    try:
        # The site's folder, since that of trusts may not be there yet.
        descriptor = os.open(folder.path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise CommandRefused(f"{folder.path} cannot be read: {error.strerror}") from error
    try:
        await _acquire(descriptor, patience)
        yield
    finally:
        os.close(descriptor)


async def _acquire(descriptor: int, patience: float) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if loop.time() >= deadline:
                raise CommandRefused(
                    "nothing was done: another command is changing the trusts; try again"
                ) from None
            await asyncio.sleep(_LOOK_SECONDS)
        else:
            return


def make_directory(directory: Path) -> None:
    """Make *directory*, durably, unless it is there."""
    try:
        directory.mkdir(DIRECTORY_MODE)
    except FileExistsError:
        return
    # Whatever the umask; and setgid, which is inherited, hands the group on to the files.
    directory.chmod(DIRECTORY_MODE | (directory.stat().st_mode & stat.S_ISGID))
    sync_folder(directory.parent)
