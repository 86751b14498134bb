"""Writing the files of a new agreement, for the command."""

import os
import secrets
import stat
from datetime import date
from pathlib import Path

from ca.keys import sync_folder
from gateway.bootstrap.applications import FILE_MODE
from gateway.bootstrap.command import CommandRefused
from gateway.bootstrap.folder import SiteFolder
from gateway.config.agreement_template import agreement_text, example_texts
from gateway.config.agreements import AGREEMENT_SUFFIX, AGREEMENTS_DIRECTORY
from policies.model import check_name


def add_agreement(folder: SiteFolder, name: str, due: date) -> list[Path]:
    """Write agreements/NAME.toml and its texts, and return them, the former first.

    Raises `CommandRefused` when there is any of it; nothing is overwritten. The texts are there
    before what names them, so that a running site reads all of it or nothing.
    """
    try:
        check_name(name)
    except ValueError as error:
        raise CommandRefused(f"an agreement is called like a user or a group: {error}") from error
    directory = folder.path / AGREEMENTS_DIRECTORY
    file, texts = directory / (name + AGREEMENT_SUFFIX), directory / name
    if file.exists() or texts.exists():
        there = file if file.exists() else texts
        raise CommandRefused(f"there is an agreement {name!r} already: {there}")
    # As open as that of the applications: other processes read it, by their group.
    mode = stat.S_IMODE(folder.apps.stat().st_mode)
    for each in (directory, texts):
        if not each.is_dir():
            each.mkdir()
            each.chmod(mode)
    written = [texts / one for one in example_texts()]
    for path in written:
        _write(path, example_texts()[path.name])
    # Begins with a dot, so that no running process reads it.
    draft = file.with_name(f".{name}.{secrets.token_hex(4)}")
    try:
        _write(draft, agreement_text(name, due))
        try:
            # Unlike a rename, a link never takes the place of what is there.
            os.link(draft, file)
        except FileExistsError:
            raise CommandRefused(f"there is an agreement {name!r} already: {file}") from None
    finally:
        draft.unlink(missing_ok=True)
    sync_folder(texts)
    sync_folder(directory)
    return [file, *written]


def _write(path: Path, text: str) -> None:
    with path.open("x", encoding="utf-8") as file:
        # Whatever the umask: a file that the edge cannot read is a problem of the site.
        os.fchmod(file.fileno(), FILE_MODE)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
