"""Looking through a stick that was in other hands."""

import os
from datetime import UTC, datetime
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
