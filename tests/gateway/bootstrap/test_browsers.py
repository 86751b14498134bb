import os
import stat
import zipfile
from pathlib import Path

import pytest

from gateway.bootstrap.browsers import open_browser
from gateway.kit import browsers
from gateway.kit.browsers import BrowserRefused


def make_browser(folder: Path) -> Path:
    """Make a folder that looks like a Firefox for Windows."""
    (folder / "browser").mkdir(parents=True)
    for name in ("firefox.exe", "application.ini", "omni.ja", "browser/omni.ja"):
        (folder / name).write_bytes(name.encode())
    return folder


def zipped(folder: Path, target: Path, top: str = "firefox/") -> Path:
    """Put *folder* into an archive."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, top + path.relative_to(folder).as_posix())
    return target


def copied(source: Path, target: Path) -> dict[str, bytes]:
    """Copy the browser in *source*, and return its files."""
    digests: dict[str, str] = {}
    with open_browser(source) as browser:
        steps = list(browser.copy(target, digests))
        assert steps[-1] == browser.size
    found = {
        path.relative_to(target).as_posix(): path.read_bytes()
        for path in target.rglob("*")
        if path.is_file()
    }
    assert found.keys() == digests.keys()
    return found


def refused(source: Path) -> str:
    """Return why *source* is no browser."""
    with pytest.raises(BrowserRefused) as caught, open_browser(source):
        pass
    return str(caught.value)


def test_folder_and_archive_are_copied_alike(tmp_path: Path) -> None:
    """The program's folder only, wherever it is; and for the owner alone."""
    folder = make_browser(tmp_path / "firefox")
    one = copied(folder, tmp_path / "one")
    two = copied(zipped(folder, tmp_path / "f.zip"), tmp_path / "two")
    assert one == two
    assert set(one) == {"firefox.exe", "application.ini", "omni.ja", "browser/omni.ja"}
    for path in (tmp_path / "one").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


def test_links_are_copied_as_what_they_point_to(tmp_path: Path) -> None:
    """A stick has none. One that leads nowhere is left out."""
    folder = make_browser(tmp_path / "firefox")
    outside = tmp_path / "share"
    outside.mkdir()
    (outside / "default.js").write_text("here")
    (folder / "defaults").symlink_to(outside)
    (folder / "also.js").symlink_to("defaults/default.js")
    (folder / "gone").symlink_to("/nowhere")
    found = copied(folder, tmp_path / "copy")
    assert found["defaults/default.js"] == found["also.js"] == b"here"
    assert "gone" not in found
    assert not any(path.is_symlink() for path in (tmp_path / "copy").rglob("*"))


def test_a_link_that_leads_back_ends_it(tmp_path: Path) -> None:
    """And says which."""
    folder = make_browser(tmp_path / "firefox")
    (folder / "browser" / "up").symlink_to("..")
    assert "leads back" in refused(folder)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """Nobody waits for a pipe."""
    folder = make_browser(tmp_path / "firefox")
    os.mkfifo(folder / "pipe")
    assert "neither a file nor a folder" in refused(folder)


def test_a_policy_of_somebody_else_is_left_out(tmp_path: Path) -> None:
    """Ours comes in its place; other files of that folder stay."""
    folder = make_browser(tmp_path / "firefox")
    (folder / "distribution").mkdir()
    for name in ("policies.json", "distribution.ini"):
        (folder / "distribution" / name).touch()
    found = copied(folder, tmp_path / "copy")
    assert "distribution/distribution.ini" in found
    assert "distribution/policies.json" not in found


@pytest.mark.parametrize(
    "content", [b"", b"no archive at all", b"PK\x03\x04" + bytes(100), b"MZ\x90\x00" * 50]
)
def test_what_is_no_archive_is_told_apart(content: bytes, tmp_path: Path) -> None:
    """An installer, half a download, or anything."""
    file = tmp_path / "firefox.zip"
    file.write_bytes(content)
    assert "neither a folder nor a ZIP archive" in refused(file)


def test_an_archive_without_a_firefox_is_refused(tmp_path: Path) -> None:
    """It may be sound all the same."""
    folder = tmp_path / "other"
    folder.mkdir()
    (folder / "readme.txt").write_text("hello")
    assert "there is no Firefox in it" in refused(zipped(folder, tmp_path / "o.zip"))


@pytest.mark.parametrize(
    "name", ["../evil", "/etc/cron.d/evil", "..\\evil", "C:\\evil", "a/../../e"]
)
def test_no_archive_writes_outside(name: str, tmp_path: Path) -> None:
    """It is refused whole, before anything is written."""
    file = zipped(make_browser(tmp_path / "firefox"), tmp_path / "f.zip")
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(name, b"evil")
    assert "evil" in refused(file) or "..'" in refused(file) or "out of" in refused(file)


def test_an_archive_that_would_fill_the_disk_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By what it says of itself; and it is not believed when it says too little."""
    file = zipped(make_browser(tmp_path / "firefox"), tmp_path / "f.zip")
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("firefox/bomb", bytes(8 << 20))
    monkeypatch.setattr(browsers, "LARGEST_FILE", 1 << 20)
    assert "too large" in refused(file)
    monkeypatch.undo()
    data = file.read_bytes()
    assert data.count((8 << 20).to_bytes(4, "little")) == 2
    lying = tmp_path / "lying.zip"
    lying.write_bytes(
        data.replace((8 << 20).to_bytes(4, "little"), (1 << 10).to_bytes(4, "little"))
    )
    with pytest.raises(BrowserRefused, match=r"cannot be unpacked|not as long"):
        copied(lying, tmp_path / "copy")


def test_a_link_in_an_archive_is_refused(tmp_path: Path) -> None:
    """What it points to is not there to be copied."""
    file = zipped(make_browser(tmp_path / "firefox"), tmp_path / "f.zip")
    with zipfile.ZipFile(file, "a") as archive:
        info = zipfile.ZipInfo("firefox/link")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    assert "no plain file" in refused(file)


def test_a_damaged_archive_is_noticed_while_it_is_copied(tmp_path: Path) -> None:
    """By its own checksums."""
    file = zipped(make_browser(tmp_path / "firefox"), tmp_path / "f.zip")
    with zipfile.ZipFile(file) as archive:
        place = archive.getinfo("firefox/omni.ja").header_offset
    data = bytearray(file.read_bytes())
    place += 30 + len("firefox/omni.ja")
    data[place : place + 4] = bytes(octet ^ 0xFF for octet in data[place : place + 4])
    file.write_bytes(data)
    with pytest.raises(BrowserRefused, match="cannot be unpacked"):
        copied(file, tmp_path / "copy")
