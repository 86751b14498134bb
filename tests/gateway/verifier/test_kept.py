"""Answers on disk."""

from datetime import timedelta
from pathlib import Path

import pytest

from gateway.verifier.files import FileFailed
from gateway.verifier.kept import KeptAnswer, KeptAnswers
from tests.ca.makers import NOW

NAME = "ab" * 32
KEPT = KeptAnswer(b"\x30\x00", NOW, NOW + timedelta(days=1), (NOW, NOW + timedelta(hours=1)))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """The newest of each certificate, by nobody else."""
    answers = KeptAnswers(tmp_path / "a" / "ocsp")
    assert answers.read(NAME) is None
    answers.write(NAME, KEPT)
    later = NOW + timedelta(hours=1, microseconds=5)
    newer = KeptAnswer(b"\x30\x01\x00", later, KEPT.not_after, (later, later))
    answers.write(NAME, newer)
    assert KeptAnswers(tmp_path / "a" / "ocsp").read(NAME) == newer
    (file,) = (tmp_path / "a" / "ocsp").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_what_is_removed_is_gone(tmp_path: Path) -> None:
    """Also a second time."""
    answers = KeptAnswers(tmp_path)
    answers.write(NAME, KEPT)
    answers.remove(NAME)
    answers.remove(NAME)
    assert answers.read(NAME) is None


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b'{"read_at": 1}',
        b'{"read_at": "x", "not_after": 1, "response": "", "newest": [1, 1]}',
        b'{"read_at": 1e300, "not_after": 1, "response": "", "newest": [1, 1]}',
        b'{"read_at": 1, "not_after": 1, "response": "%", "newest": [1, 1]}',
        b'{"read_at": 1, "not_after": 1, "response": "", "newest": [1]}',
        b'{"read_at": 1, "not_after": 1, "response": "", "newest": [1, null]}',
        b'{"read_at": 1, "not_after": 1, "response": ""}',
        b"\xff",
    ],
)
def test_what_nobody_here_wrote(text: bytes, tmp_path: Path) -> None:
    """It is nothing, and is tidied away."""
    (tmp_path / f"{NAME}.json").write_bytes(text)
    answers = KeptAnswers(tmp_path)
    assert answers.read(NAME) is None
    answers.tidy(NOW)
    assert list(tmp_path.iterdir()) == []


def test_tidying(tmp_path: Path) -> None:
    """Certificates that have ended are forgotten, and a write that broke off; others are not."""
    answers = KeptAnswers(tmp_path)
    answers.write(NAME, KEPT)
    answers.write("cd" * 32, KeptAnswer(b"", NOW, NOW - timedelta(seconds=1), KEPT.newest))
    (tmp_path / "ef.new").write_bytes(b"{")
    answers.tidy(NOW)
    assert [path.name for path in tmp_path.iterdir()] == [f"{NAME}.json"]
    KeptAnswers(tmp_path / "nowhere").tidy(NOW)
    # What cannot be taken away is nobody's trouble.
    (tmp_path / "gh").mkdir()
    answers.tidy(NOW)


def test_a_write_that_broke_off_is_in_nobodys_way(tmp_path: Path) -> None:
    """The next one takes its place."""
    (tmp_path / f"{NAME}.new").write_bytes(b"{")
    KeptAnswers(tmp_path).write(NAME, KEPT)
    assert KeptAnswers(tmp_path).read(NAME) == KEPT


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    """The error names the file."""
    (tmp_path / "ocsp").write_bytes(b"")
    answers = KeptAnswers(tmp_path / "ocsp")
    with pytest.raises(FileFailed, match=NAME):
        answers.write(NAME, KEPT)
    with pytest.raises(FileFailed, match=NAME):
        answers.remove(NAME)
