"""Which site a command is for, and how it gets at it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from gateway.cli.output import note
from gateway.cli.secret import ask_person

if TYPE_CHECKING:
    from gateway.bootstrap.command import Command
    from gateway.bootstrap.folder import SiteFolder

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the command knows before it has looked at anything."""

    site: Path
    passphrase_file: Path | None = None
    """Holds the passphrase of the CA's keys; named by those commands that sign."""

    root_passphrase_file: Path | None = None

    pin_file: Path | None = None
    """Holds the PIN of the token that a key of the CA is in."""

    def folder(self) -> "SiteFolder":
        """Return the site's folder, or raise `NotASite`."""
        from gateway.bootstrap.folder import open_folder

        return open_folder(self.site)

    def run(self, work: "Callable[[Command], Awaitable[T]]") -> T:
        """Open the site for *work*, do it, and return what it returns."""
        # What a command needs (database, cryptography) is loaded when it is needed,
        # so that --help and a mistyped option are answered at once.
        from gateway.bootstrap.command import open_command
        from gateway.bootstrap.passphrases import Source

        source = Source(self.passphrase_file, ask_person, self.root_passphrase_file, self.pin_file)

        async def go() -> T:
            async with open_command(self.folder(), say=note, source=source) as command:
                return await work(command)

        return asyncio.run(go())


pass_surroundings = click.make_pass_decorator(Surroundings)
