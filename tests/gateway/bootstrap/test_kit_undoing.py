"""Bringing a renewal to its end on a stick that was in other hands meanwhile."""

import os
from pathlib import Path

from gateway.bootstrap.kit_undoing import RENEWAL, finish, manifest_in


def test_no_link_on_a_stick_moves_what_is_elsewhere(tmp_path: Path) -> None:
    """What should lie inside the kit is looked for there alone."""
    kit, elsewhere = tmp_path / "kit", tmp_path / "elsewhere"
    kit.mkdir()
    elsewhere.mkdir()
    (elsewhere / "secret").touch()
    (kit / RENEWAL).symlink_to(elsewhere)
    finish(kit)
    assert (elsewhere / "secret").exists()
    assert not (kit / "secret").exists()


def test_a_manifest_that_is_a_pipe_keeps_nobody_waiting(tmp_path: Path) -> None:
    """Every command about kits would wait for it."""
    os.mkfifo(tmp_path / "manifest.json")
    assert manifest_in(tmp_path) is None
