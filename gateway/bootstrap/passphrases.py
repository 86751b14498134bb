"""Where the secrets of the CA's keys are had: a file, a credential of systemd, or a person.

A key in a file may be under a passphrase, one in a token has a PIN: each has its own source, so
that neither is ever tried as the other, which a token counts. Both are never an argument and
never in the environment, which other processes may read; of a file and a credential only the
names travel.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ca.errors import FileRefused, KeyLocked
from ca.hierarchy import ROOT_NAME, name_of
from ca.keys import Ask, Protection, protection_of
from gateway.bootstrap.folder import KeyFileRefused, SiteFolder, read_secret
from gateway.core.site import Site

CREDENTIAL = "pusterla-ca-passphrase"
"""Its name among the credentials of systemd (systemd.exec(5), LoadCredential=)."""
PIN_CREDENTIAL = "pusterla-ca-pin"

Prompt = Callable[[str], str | None]
"""Asks a person, with words that say for what; None where there is no terminal to ask at."""


def no_prompt(words: str) -> None:
    """Ask nobody."""
    del words


@dataclass(frozen=True, slots=True)
class Source:
    """What a command knows of the secrets: the *file* that was named, and how to *ask*.

    Where a file is named there may be a folder, with a file for each CA, by its name.
    """

    file: Path | None = None
    """Of passphrases."""
    ask: Prompt = no_prompt
    root_file: Path | None = None
    """The same for the root's key, where that has a passphrase of its own."""
    pin_file: Path | None = None
    """Of PINs."""


@dataclass(frozen=True, slots=True)
class _Words:
    """How one kind of secret is called, and how a key that needs it is described."""

    secret: str
    needed: str
    option: str
    key: str
    credential: str


_PASSPHRASE: Final = _Words(
    "Passphrase", "is under a passphrase", "--passphrase-file", "passphrase_file", CREDENTIAL
)
_PIN: Final = _Words(
    "PIN", "names a key in a token, which has a PIN", "--pin-file", "pin_file", PIN_CREDENTIAL
)


def passphrases(folder: SiteFolder, site: Site, source: Source) -> Ask:
    """Return what gives the passphrase, or the PIN, of a key of the site in *folder*.

    The first of these that there is, and no other if it is wrong: the file that the command was
    given, that of the settings, the credential, a person. Raises `KeyLocked`, which names the
    ways, when there is none, and when a file cannot be read.
    """

    def ask(path: Path) -> bytes:
        words = _PIN if _is_in_token(path) else _PASSPHRASE
        given = source.pin_file if words is _PIN else _given_file(source, path)
        if (file := given or configured_file(folder, site, pin=words is _PIN)) is not None:
            return read_passphrase(file_in(file, path))
        if (credential := credential_file(words.credential, name_of(path))) is not None:
            return read_passphrase(credential, ours=False)
        typed = source.ask(f"{words.secret} of {path}")
        if not typed:
            raise KeyLocked(
                f"{path} {words.needed}: name the file that holds it, with "
                f"{words.option} or as {words.key} under [ca] in pusterla.toml, or give "
                f"the unit the credential {words.credential}"
            )
        return typed.encode()

    return ask


def refuse_other(
    folder: SiteFolder, site: Site, source: Source, path: Path, passphrase: bytes
) -> None:
    """Raise `KeyLocked` where *passphrase* is not what the key in *path* would be opened with.

    What systemd or a person will say is not known beforehand.
    """
    place = _given_file(source, path) or configured_file(folder, site, pin=False)
    if place is None:
        return
    file = file_in(place, path)
    if read_passphrase(file) != passphrase:
        raise KeyLocked(
            f"{file} holds another passphrase, and {path} would be opened with it: where keys "
            "have passphrases of their own, passphrase_file is a folder with a file for each, "
            f"as {name_of(path)} (docs/ca.md)"
        )


def _given_file(source: Source, path: Path) -> Path | None:
    return (source.root_file if name_of(path) == ROOT_NAME else None) or source.file


def _is_in_token(path: Path) -> bool:
    try:
        return protection_of(path) is Protection.TOKEN
    except FileRefused:
        # Whoever opens it says so.
        return False


def configured_file(folder: SiteFolder, site: Site, *, pin: bool) -> Path | None:
    """Return the place that the settings name; a relative path is one in the site's folder."""
    place = site.ca_pin_file if pin else site.ca_passphrase_file
    return None if place is None else folder.path / place


def file_in(place: Path, key: Path) -> Path:
    """Return the file with the secret of *key*: *place*, or the one for it in that folder."""
    try:
        return place / name_of(key) if place.is_dir() else place
    except OSError:
        # Not to be looked at, as where somebody may not enter: who reads it says so.
        return place


def credential_file(credential: str, name: str) -> Path | None:
    """Return the credential that systemd has given this process for the CA *name*, if it has.

    Of a folder systemd makes one for each file, with that name behind it.
    """
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    if not directory:
        return None
    places = Path(directory) / f"{credential}_{name}", Path(directory) / credential
    return next((path for path in places if path.is_file()), None)


def read_passphrase(path: Path, *, ours: bool = True) -> bytes:
    """Return the first line of *path*, without its end, or raise `KeyLocked`.

    One of *ours* must be closed to others; those of systemd have an access list instead.
    """
    try:
        data = read_secret(path) if ours else path.read_bytes()
    except (KeyFileRefused, OSError) as error:
        raise KeyLocked(f"no passphrase, or PIN, for the CA's key: {error}") from error
    line = data.partition(b"\n")[0].removesuffix(b"\r")
    if not line:
        raise KeyLocked(
            f"no passphrase, or PIN, for the CA's key: the first line of {path} is empty"
        )
    return line
