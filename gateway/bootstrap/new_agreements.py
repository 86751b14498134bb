"""Writing the files of a new agreement, for the command."""

import os
import secrets
import shutil
import stat
from collections.abc import Mapping
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

    Raises `CommandRefused` when there is such an agreement, or a folder with other texts; nothing is
    overwritten. The texts are there, all of them, before what names them: a running site reads the
    whole of it or nothing, and what was interrupted is finished by doing it again.
    """
    try:
        check_name(name)
    except ValueError as error:
        raise CommandRefused(f"an agreement is called like a user or a group: {error}") from error
    directory = folder.path / AGREEMENTS_DIRECTORY
    file, texts = directory / (name + AGREEMENT_SUFFIX), directory / name
    if file.exists():
        raise CommandRefused(f"there is an agreement {name!r} already: edit {file}")
    # As open as that of the applications: other processes read it, by their group.
    mode = stat.S_IMODE(folder.apps.stat().st_mode)
    if not directory.is_dir():
        _place(directory, mode, {})
    if not _contents(texts):
        _place(texts, mode, example_texts())
    elif _contents(texts) != example_texts():
        raise CommandRefused(
            f"{texts} is there, with other texts than the example, and {file} is not: write that file"
            " for them (docs/agreements.md), or rename or remove the folder and do this again"
        )
    # Begins with a dot, so that no running process reads it.
    draft = _draft_of(file)
    try:
        _write(draft, agreement_text(name, due))
        try:
            # Unlike a rename, a link never takes the place of what is there.
            os.link(draft, file)
        except FileExistsError:
            raise CommandRefused(f"there is an agreement {name!r} already: edit {file}") from None
    finally:
        draft.unlink(missing_ok=True)
    sync_folder(directory)
    return [file, *(texts / one for one in example_texts())]


def _contents(folder: Path) -> dict[str, str]:
    """Return what is in *folder*, by name; what is no text is named all the same."""
    try:
        paths = [*folder.iterdir()]
    except FileNotFoundError:
        return {}
    except NotADirectoryError:
        paths = [folder]
    return {
        path.name: path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
        for path in paths
    }


def _place(folder: Path, mode: int, texts: Mapping[str, str]) -> None:
    """Make *folder* with *texts* in it, whole, unless somebody else does at the same time."""
    draft = _draft_of(folder)
    draft.mkdir()
    try:
        for name, text in texts.items():
            _write(draft / name, text)
        sync_folder(draft)
        draft.chmod(mode)
        try:
            # Takes the place of an empty folder at most.
            draft.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    sync_folder(folder.parent)


def _draft_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}")


def _write(path: Path, text: str) -> None:
    with path.open("x", encoding="utf-8") as file:
        # Whatever the umask: a file that the edge cannot read is a problem of the site.
        os.fchmod(file.fileno(), FILE_MODE)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
