"""Files that are written whole or not at all."""

from pathlib import Path

import pytest

from gateway.verifier.files import FileFailed, NewFile, read_pieces


def test_a_finished_file_is_whole(tmp_path: Path) -> None:
    """What was written is read, octet for octet."""
    data = bytes(range(256)) * 4096
    file = NewFile(tmp_path / "x")
    file.write(data[:10])
    file.write(data[10:])
    file.finish()
    assert b"".join(read_pieces(tmp_path / "x")) == data
    assert file.size == len(data)


def test_a_file_that_is_there_is_never_written_over(tmp_path: Path) -> None:
    """A new file is new."""
    (tmp_path / "x").write_bytes(b"old")
    with pytest.raises(FileFailed, match="File exists"):
        NewFile(tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == b"old"


def test_a_discarded_file_is_gone_and_takes_nothing_more(tmp_path: Path) -> None:
    """A thread that comes late writes to nobody's descriptor."""
    file = NewFile(tmp_path / "x")
    file.discard()
    other = (tmp_path / "other").open("wb")
    with other:
        file.write(b"late")
        file.finish()
    assert [path.name for path in tmp_path.iterdir()] == ["other"]
    assert (tmp_path / "other").read_bytes() == b""


def test_what_cannot_be_written_is_named() -> None:
    """A failure to write names the file."""
    with pytest.raises(FileFailed, match=r"/dev/full/x: cannot be written"):
        NewFile(Path("/dev/full/x"))
