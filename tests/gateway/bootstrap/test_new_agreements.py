"""A new agreement: its files appear whole, wherever the writing of them is stopped."""

import shutil
import signal
import stat
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from gateway.bootstrap.command import CommandRefused
from gateway.bootstrap.folder import SiteFolder, locate
from gateway.bootstrap.new_agreements import add_agreement
from gateway.config.agreement_template import example_texts
from gateway.config.agreements import read_agreements
from policies.reading import Problem

DUE = date(2026, 12, 1)

# Ends itself, as a power cut would, before the Nth line of what writes.
KILLED = """
import os, signal, sys
from datetime import date
from pathlib import Path
from gateway.bootstrap import new_agreements
from gateway.bootstrap.folder import locate
left = int(sys.argv[1])
def trace(frame, event, argument):
    global left
    if frame.f_code.co_filename != new_agreements.__file__:
        return None
    if event == "line":
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    return trace
sys.settrace(trace)
new_agreements.add_agreement(locate(Path(sys.argv[2])), "home", date(2026, 12, 1))
"""
STRIDE = 5


@pytest.fixture
def folder(tmp_path: Path) -> SiteFolder:
    """Return a site without agreements."""
    (tmp_path / "site" / "apps").mkdir(parents=True)
    (tmp_path / "site" / "apps").chmod(0o2750)
    return locate(tmp_path / "site")


def killed_at(folder: SiteFolder, step: int) -> bool:
    """Add one in a process that is killed at *step*; say whether there was no such step any more."""
    words = [sys.executable, "-c", KILLED, str(step), str(folder.path)]
    ran = subprocess.run(words, capture_output=True, check=False, timeout=60)
    assert ran.returncode in {0, -signal.SIGKILL}, ran.stderr.decode()
    return ran.returncode == 0


def test_what_was_stopped_is_finished_by_doing_it_again(folder: SiteFolder) -> None:
    """A running site reads all of it or nothing meanwhile; and the second time all of it is there."""
    seen, step, ended = set(), 1, False
    while not ended:
        shutil.rmtree(folder.path / "agreements", ignore_errors=True)
        ended = killed_at(folder, step)
        step += STRIDE
        before = _sound(folder)
        if not before:
            add_agreement(folder, "home", DUE)
        assert _sound(folder) == ["home"]
        for path in (folder.path / "agreements", folder.path / "agreements" / "home"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o2750
        seen.add((*before, ended))
    assert {(False,), ("home", True)} <= seen


def _sound(folder: SiteFolder) -> list[str]:
    problems: list[Problem] = []
    found = read_agreements(folder.path, problems)
    assert problems == []
    return [*found]


def test_texts_of_others_are_neither_overwritten_nor_taken(folder: SiteFolder) -> None:
    """Whoever has written them is told what to do; an empty folder is nobody's text."""
    texts = folder.path / "agreements" / "home"
    texts.mkdir(parents=True)
    mine = texts / "1.en.md"
    for name, text in (*example_texts().items(), ("1.en.md", "# Mine")):
        (texts / name).write_text(text)
    with pytest.raises(CommandRefused, match="other texts than the example"):
        add_agreement(folder, "home", DUE)
    assert mine.read_text() == "# Mine"
    assert _sound(folder) == []
    mine.unlink()
    with pytest.raises(CommandRefused, match="rename or remove the folder and do this again"):
        add_agreement(folder, "home", DUE)
    (texts / "1.it.md").unlink()
    assert len(add_agreement(folder, "home", DUE)) == 3
    with pytest.raises(CommandRefused, match="there is an agreement 'home' already"):
        add_agreement(folder, "home", DUE)


def test_what_is_no_folder_is_named(folder: SiteFolder) -> None:
    """It is in the way of the texts."""
    (folder.path / "agreements").mkdir()
    (folder.path / "agreements" / "home").write_text("")
    with pytest.raises(CommandRefused, match="agreements/home is there"):
        add_agreement(folder, "home", DUE)
