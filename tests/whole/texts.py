"""Agreements of a live site, written as an administrator would."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from tests.whole.guests import Guest
from tests.whole.sites import LiveSite

NAME = "rules"
TITLE = {"en": "Working from elsewhere", "it": "Lavoro agile"}
REQUIRING = (
    '[[rules]]\nname = "technicians"\neffect = "allow"\ngroups = ["technicians"]\n'
    f'requires = ["agreement:{NAME}"]\n'
)


@contextmanager
def agreed_to(site: LiveSite) -> Iterator[None]:
    """Give the site an agreement, as `agreement add` writes it, for the length of a block.

    It is in force since long ago; what requires it must be gone before it.
    """
    site.command("agreement", "add", NAME, "--due", "2020-01-01")
    try:
        yield
    finally:
        folder = site.folder.path / "agreements"
        (folder / f"{NAME}.toml").unlink()
        shutil.rmtree(folder / NAME)


def accept(guest: Guest, *changes: str, name: str = NAME) -> int:
    """Send the form of the agreement *name*, with *changes*; return the status."""
    path = guest.site.portal(f"/agreements/{name}")
    digest = re.search(r'name="digest" value="([0-9a-f]{64})"', guest.visit(path).text)
    assert digest is not None
    fields = ("version=1", f"digest={digest[1]}", "app=wiki", "read=yes", *changes)
    options = [part for field in fields for part in ("-d", field)]
    return guest.get(path, *options).status
