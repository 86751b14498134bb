"""One site, made once for all tests: people, and sticks of every kind."""

import shutil
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.bootstrap.accounts import Wishes, add_account
from gateway.bootstrap.command import Command, open_command
from gateway.bootstrap.creation import NewSite, create_site
from gateway.bootstrap.folder import SiteFolder, clock
from tests.gateway.edge.sticks import (
    DAY,
    Stick,
    Wanted,
    client_context,
    make_stick,
    make_stranger,
)

HOST: Final = "pusterla.localhost"
PUBLIC_HOST: Final = f"public.{HOST}"
WIKI: Final = f"wiki.{HOST}"
CRM: Final = f"crm.{HOST}"


@dataclass(frozen=True, slots=True)
class MadeSite:
    """A site folder that tests copy, and the sticks of its people.

    Anna is a technician, Bruno a guest. Anna's second stick opens the CRM alone.
    """

    folder: SiteFolder
    anna: Stick
    second: Stick
    bruno: Stick
    expired: Stick
    not_yet_valid: Stick
    without_client_auth: Stick
    unrecorded: Stick
    stranger: Stick

    def copy_store(self, directory: Path) -> Path:
        """Copy the store, so that a test may change it; return the path of its file."""
        shutil.copytree(self.folder.store, directory / "store")
        return directory / "store" / self.folder.database.name

    def context(
        self, stick: Stick | None = None, version: ssl.TLSVersion | None = None
    ) -> ssl.SSLContext:
        """Return the TLS context of a client that shows *stick*."""
        return client_context(self.folder.root_certificate, stick, version)


async def make_site(directory: Path) -> MadeSite:
    """Make the site in *directory*."""
    directory.mkdir()
    wished = NewSite(host=HOST, port=8443, http_port=8080, workers=1)
    folder = await create_site(directory / "site", wished, clock, lambda _: None)
    async with open_command(folder) as command:
        for user, group in (("anna", "technicians"), ("bruno", "guests")):
            wishes = Wishes(user, user.title(), f"{user}@example.it", frozenset({group}))
            await add_account(command, wishes, "correct horse battery")
        return await _make_sticks(command)


async def _make_sticks(command: Command) -> MadeSite:
    return MadeSite(
        folder=command.folder,
        anna=await make_stick(command, Wanted()),
        second=await make_stick(command, Wanted(device="stick-2", scope=("crm",))),
        bruno=await make_stick(command, Wanted("bruno")),
        expired=await make_stick(command, Wanted(age=3 * DAY, left=-DAY)),
        not_yet_valid=await make_stick(command, Wanted(age=-DAY)),
        without_client_auth=await make_stick(command, Wanted(client_auth=False)),
        unrecorded=await make_stick(command, Wanted(recorded=False)),
        stranger=await make_stranger(command),
    )
