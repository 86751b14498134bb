import os
from pathlib import Path

import pytest

from gateway.config import Configuration, ConfigurationWatcher, Problems, signature

SITE = '[site]\nhost = "gate.example.org"\n'
WIKI = 'host = "wiki.gate.example.org"\nupstream = "http://127.0.0.1:9000"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A site with one application."""
    (tmp_path / "pusterla.toml").write_text(SITE, encoding="utf-8")
    (tmp_path / "apps").mkdir()
    (tmp_path / "apps" / "wiki.toml").write_text(WIKI, encoding="utf-8")
    return tmp_path


def test_the_first_poll_reads_and_the_next_has_nothing_to_say(folder: Path) -> None:
    """Nothing is read twice."""
    watcher = ConfigurationWatcher(folder)
    assert isinstance(watcher.poll(), Configuration)
    assert watcher.poll() is None


def test_a_bad_file_is_told_once_and_a_good_one_again(folder: Path) -> None:
    """The caller keeps its state on problems and takes up what follows them."""
    watcher = ConfigurationWatcher(folder)
    watcher.poll()
    (folder / "apps" / "wiki.toml").write_text("nonsense", encoding="utf-8")
    assert isinstance(watcher.poll(), Problems)
    assert watcher.poll() is None
    (folder / "apps" / "wiki.toml").write_text(WIKI + "\n", encoding="utf-8")
    assert isinstance(watcher.poll(), Configuration)


def test_every_kind_of_change_is_seen(folder: Path) -> None:
    """Adding, writing, replacing with equal size and date, renaming, a mode, removing."""
    seen = {signature(folder)}
    wiki = folder / "apps" / "wiki.toml"

    def changed() -> bool:
        before = len(seen)
        seen.add(signature(folder))
        return len(seen) > before

    assert not changed()
    (folder / "apps" / "crm.toml").write_text(WIKI, encoding="utf-8")
    assert changed()
    (folder / "pusterla.toml").write_text(SITE + "\n", encoding="utf-8")
    assert changed()
    status = wiki.stat()
    copy = folder / "apps" / "copy"
    copy.write_text(WIKI.replace("9000", "9001"), encoding="utf-8")
    os.utime(copy, ns=(status.st_atime_ns, status.st_mtime_ns))
    copy.rename(wiki)
    assert changed()
    wiki.rename(wiki.with_name("wika.toml"))
    assert changed()
    wiki.with_name("wika.toml").chmod(0o640)
    assert changed()
    wiki.with_name("wika.toml").unlink()
    assert changed()


def test_a_directory_that_is_taken_away_is_a_problem_not_an_empty_site(folder: Path) -> None:
    """Whoever replaces the directory does not cut everybody off in between."""
    watcher = ConfigurationWatcher(folder)
    watcher.poll()
    (folder / "apps").rename(folder / "apps.new")
    assert isinstance(watcher.poll(), Problems)
    (folder / "apps.new").rename(folder / "apps")
    assert isinstance(watcher.poll(), Configuration)


def test_files_that_are_not_there_make_a_signature_too(tmp_path: Path) -> None:
    """A site that is about to be put in place is seen when it comes."""
    watcher = ConfigurationWatcher(tmp_path)
    assert signature(tmp_path) == ()
    assert isinstance(watcher.poll(), Problems)
    assert watcher.poll() is None
    (tmp_path / "pusterla.toml").write_text(SITE, encoding="utf-8")
    (tmp_path / "apps").mkdir()
    assert isinstance(watcher.poll(), Configuration)
