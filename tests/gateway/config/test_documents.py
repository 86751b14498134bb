"""One TOML file, read or said what is wrong with it."""

from pathlib import Path

import pytest

from gateway.config.documents import LARGEST, read_document, visible_files
from policies.reading import Problem


def test_a_file_is_read_or_its_problem_told(tmp_path: Path) -> None:
    """By the name that the caller gives it."""
    path = tmp_path / "x.toml"
    problems: list[Problem] = []
    assert read_document(path, "apps/x.toml", problems) is None
    path.write_bytes(b"a = 1\nb = '\xff'")
    assert read_document(path, "apps/x.toml", problems) is None
    assert [str(problem) for problem in problems] == [
        "apps/x.toml: cannot be read: No such file or directory",
        "apps/x.toml: line 2: not UTF-8: save the file as UTF-8",
    ]
    path.write_text("a = 1")
    section = read_document(path, "apps/x.toml", problems)
    assert section is not None
    assert section.integer("a") == 1


def test_a_file_that_is_far_too_large_is_not_read(tmp_path: Path) -> None:
    """It would hold up every process that looks at it."""
    path = tmp_path / "x.toml"
    with path.open("wb") as file:
        file.truncate(LARGEST + 1)
    problems: list[Problem] = []
    assert read_document(path, "apps/x.toml", problems) is None
    assert [str(problem) for problem in problems] == ["apps/x.toml: larger than 8 MiB, so not read"]


def test_files_of_a_folder_are_listed_by_name_without_hidden_ones(tmp_path: Path) -> None:
    """Editors and rsync keep unfinished files hidden; a folder that is not there is an error."""
    for name in ("b.toml", "a.toml", ".c.toml", "d.txt", "e.TOML"):
        (tmp_path / name).touch()
    assert visible_files(tmp_path, ".toml") == [tmp_path / "a.toml", tmp_path / "b.toml"]
    assert [path.name for path in visible_files(tmp_path)] == [
        "a.toml",
        "b.toml",
        "d.txt",
        "e.TOML",
    ]
    with pytest.raises(FileNotFoundError):
        visible_files(tmp_path / "nothing")
