"""Looking through a stick that was in other hands."""

import os
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest

from gateway.bootstrap.command import CommandRefused
from gateway.bootstrap.kit_checks import _found
from gateway.kit.manifest import Manifest

NOW = datetime(2026, 11, 22, tzinfo=UTC)
NOBODY = 65534


def test_what_cannot_be_looked_into_is_no_whole_kit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder without rights might hide anything."""
    (tmp_path / "browser").mkdir(mode=0)
    tmp_path.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    manifest = Manifest("a", "b", "c", "d", "e", NOW, NOW, (), None, {})
    own = os.geteuid()
    # Nothing is closed to root.
    os.seteuid(own or NOBODY)
    try:
        with pytest.raises(CommandRefused, match="cannot be looked into"):
            _found(Path(), manifest, lambda *_: None)
    finally:
        os.seteuid(own)
        (tmp_path / "browser").chmod(0o700)


def found(folder: Path, **files: str) -> dict[str, str | None]:
    """Return what is found in *folder*, for a kit of these *files*."""
    manifest = Manifest("a", "b", "c", "d", "e", NOW, NOW, (), None, files)
    return _found(folder, manifest, lambda *_: None)


def test_a_file_is_read_whatever_the_case_of_its_name(tmp_path: Path) -> None:
    """Or a program in capitals would be taken for what the kit has."""
    (tmp_path / "START").write_bytes(b"evil")
    digest = found(tmp_path, start="aa")["START"]
    assert digest == sha256(b"evil").hexdigest()


def test_a_name_that_is_no_text_can_be_told(tmp_path: Path) -> None:
    """Octets that are no UTF-8 are shown as such, also where the answer is JSON."""
    (tmp_path / os.fsdecode(b"\xff.exe")).touch()
    assert found(tmp_path) == {r"\xff.exe": ""}


def test_folders_without_end_are_no_kit(tmp_path: Path) -> None:
    """Nobody is led into the depth."""
    folder = tmp_path
    for _ in range(100):
        folder /= "x"
    folder.mkdir(parents=True)
    with pytest.raises(CommandRefused, match="that is no kit"):
        found(tmp_path)
