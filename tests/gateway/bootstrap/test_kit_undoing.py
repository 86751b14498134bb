"""Bringing a renewal to its end on a stick that was in other hands meanwhile."""

import os
from pathlib import Path

import pytest

from gateway.bootstrap.kit_undoing import BEFORE, RENEWAL, finish, manifest_in, remove


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
    assert list(kit.iterdir()) == []


def test_nothing_is_moved_through_a_link(tmp_path: Path) -> None:
    """Where a folder of the kit is a link by now, or a file a folder, all stays as it is."""
    kit, elsewhere = tmp_path / "kit", tmp_path / "elsewhere"
    (kit / RENEWAL / "browser").mkdir(parents=True)
    elsewhere.mkdir()
    (kit / RENEWAL / "browser" / "policies.json").touch()
    (kit / RENEWAL / "README.txt").touch()
    (kit / "browser").symlink_to(elsewhere)
    with pytest.raises(NotADirectoryError):
        finish(kit)
    assert list(elsewhere.iterdir()) == []
    assert (kit / RENEWAL / "README.txt").exists()
    (kit / "browser").unlink()
    (kit / "browser" / "policies.json").mkdir(parents=True)
    with pytest.raises(IsADirectoryError):
        finish(kit)


def test_what_is_removed_is_a_link_and_not_where_it_leads(tmp_path: Path) -> None:
    """And what was never there is gone."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / BEFORE).symlink_to(elsewhere)
    remove(tmp_path / BEFORE)
    remove(tmp_path / BEFORE)
    assert list(tmp_path.iterdir()) == [elsewhere]


def test_a_manifest_that_is_a_pipe_keeps_nobody_waiting(tmp_path: Path) -> None:
    """Every command about kits would wait for it."""
    os.mkfifo(tmp_path / "manifest.json")
    assert manifest_in(tmp_path) is None
