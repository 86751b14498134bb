"""Where the passphrase of the CA's keys is had: a file, a credential of systemd, or a person.

It is never an argument and never in the environment, which other processes may read; of a file
and a credential only the names travel.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ca.errors import KeyLocked
from ca.keys import Ask
from gateway.bootstrap.folder import KeyFileRefused, SiteFolder, read_secret
from gateway.core.site import Site

CREDENTIAL = "pusterla-ca-passphrase"
"""Its name among the credentials of systemd (systemd.exec(5), LoadCredential=)."""

ROOT_KEY = "root.key"

Prompt = Callable[[str], str | None]
"""Asks a person, with words that say for what; None where there is no terminal to ask at."""


def no_prompt(words: str) -> None:
    """Ask nobody."""
    del words


@dataclass(frozen=True, slots=True)
class Source:
    """What a command knows of the passphrase: the *file* that was named, and how to *ask*."""

    file: Path | None = None
    ask: Prompt = no_prompt
    root_file: Path | None = None
    """The same for the root's key, where that has a passphrase of its own."""


def passphrases(folder: SiteFolder, site: Site, source: Source) -> Ask:
    """Return what gives the passphrase of a key of the site in *folder*.

    The first of these that there is, and no other if it is wrong: the file that the command was
    given, `passphrase_file` of the settings, the credential, a person. Raises `KeyLocked`, which
    names the ways, when there is none, and when a file cannot be read.
    """

    def ask(path: Path) -> bytes:
        if path.name == ROOT_KEY and (root := source.root_file) is not None:
            return read_passphrase(root)
        if (file := source.file or configured_file(folder, site)) is not None:
            return read_passphrase(file)
        if (credential := credential_file()) is not None:
            return read_passphrase(credential, ours=False)
        typed = source.ask(f"Passphrase of {path}")
        if not typed:
            raise KeyLocked(
                f"{path} is under a passphrase: name the file that holds it, with "
                "--passphrase-file or as passphrase_file under [ca] in pusterla.toml, or give "
                f"the unit the credential {CREDENTIAL}"
            )
        return typed.encode()

    return ask


def configured_file(folder: SiteFolder, site: Site) -> Path | None:
    """Return the file that the settings name; a relative path is one in the site's folder."""
    return None if site.ca_passphrase_file is None else folder.path / site.ca_passphrase_file


def credential_file() -> Path | None:
    """Return the credential that systemd has given this process, if it has."""
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    path = Path(directory) / CREDENTIAL if directory else None
    return path if path is not None and path.is_file() else None


def read_passphrase(path: Path, *, ours: bool = True) -> bytes:
    """Return the first line of *path*, without its end, or raise `KeyLocked`.

    One of *ours* must be closed to others; those of systemd have an access list instead.
    """
    try:
        data = read_secret(path) if ours else path.read_bytes()
    except (KeyFileRefused, OSError) as error:
        raise KeyLocked(f"no passphrase for the CA's key: {error}") from error
    line = data.partition(b"\n")[0].removesuffix(b"\r")
    if not line:
        raise KeyLocked(f"no passphrase for the CA's key: the first line of {path} is empty")
    return line
