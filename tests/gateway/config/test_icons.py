"""Pictures of applications are believed by what is in them."""

from pathlib import Path

import pytest

from gateway.config import ConfigurationWatcher, Problems, read_configuration
from gateway.config.files import Configuration
from gateway.config.icons import LARGEST_ICON, PNG, SVG, WEBP, kind_of_picture, read_icon
from tests.gateway.config.pictures import DRAWING, WEBP_FILE, png


@pytest.mark.parametrize(
    "data,kind",
    [
        (DRAWING, SVG),
        (b'<?xml version="1.0" encoding="utf-8"?>\n<!-- drawn by hand -->\n' + DRAWING, SVG),
        (b"\xef\xbb\xbf" + DRAWING, SVG),
        (png(), PNG),
        (WEBP_FILE, WEBP),
        (b"", None),
        (b"GIF89a", None),
        (b"RIFF\x1a\x00\x00\x00WAVE", None),
        (b"<html><svg xmlns='http://www.w3.org/2000/svg'/></html>", None),
        (b"<svg></svg>", None),
        (DRAWING[:-6], None),
        (b"<!DOCTYPE svg>" + DRAWING, None),
        (b"<!doctype html>" + DRAWING, None),
        (b'<!DOCTYPE svg [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>' + DRAWING, None),
        (DRAWING.decode().encode("utf-16"), None),
        (b"\xff" + DRAWING, None),
        (b"<svg xmlns='http://www.w3.org/2000/svg'>&nothing;</svg>", None),
    ],
)
def test_a_picture_is_what_it_holds(data: bytes, kind: str | None) -> None:
    """Not what it is called; an SVG is one from its first element to its last."""
    assert kind_of_picture(data) == kind


def test_the_name_makes_no_difference_to_the_kind(tmp_path: Path) -> None:
    """A PNG that is called .svg is served as a PNG."""
    (tmp_path / "wiki.svg").write_bytes(png())
    assert read_icon(tmp_path, "wiki.svg").content_type == PNG


@pytest.mark.parametrize(
    "name,message",
    [
        ("../wiki.svg", "is not the name of a picture"),
        ("/etc/wiki.svg", "is not the name of a picture"),
        (".wiki.svg", "is not the name of a picture"),
        ("wiki.gif", "is not the name of a picture"),
        ("wiki.toml", "is not the name of a picture"),
        ("nowhere.svg", "there is no file"),
        ("folder.svg", "cannot be read"),
        ("page.svg", "is no SVG"),
        ("large.png", "is larger than 64 KiB"),
    ],
)
def test_what_is_no_picture_beside_the_file_is_refused(
    tmp_path: Path, name: str, message: str
) -> None:
    """With a reason that names the file."""
    (tmp_path / "page.svg").write_bytes(b"<html><script>alert(1)</script></html>")
    (tmp_path / "large.png").write_bytes(png() + b"\0" * LARGEST_ICON)
    (tmp_path / "folder.svg").mkdir()
    with pytest.raises(ValueError, match=message):
        read_icon(tmp_path, name)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Make a site with an application that has a picture."""
    (tmp_path / "apps").mkdir()
    (tmp_path / "pusterla.toml").write_text('[site]\nhost = "gate.example.org"\n')
    (tmp_path / "apps" / "wiki.toml").write_text(
        'host = "wiki.example.org"\nupstream = "http://127.0.0.1:9000"\nicon = "wiki.svg"\n'
    )
    (tmp_path / "apps" / "wiki.svg").write_bytes(DRAWING)
    return tmp_path


def test_an_application_has_its_picture(site: Path) -> None:
    """From the file beside its own."""
    found = read_configuration(site)
    assert isinstance(found, Configuration)
    icon = found.applications["wiki"].icon
    assert icon is not None
    assert Path(icon.path) == site / "apps" / "wiki.svg"


def test_a_missing_picture_is_a_problem_with_its_place(site: Path) -> None:
    """Told like every other."""
    (site / "apps" / "wiki.svg").unlink()
    found = read_configuration(site)
    assert isinstance(found, Problems)
    [problem] = map(str, found.problems)
    assert problem.startswith("apps/wiki.toml: icon: there is no file")


def test_another_picture_is_taken_up_by_itself(site: Path) -> None:
    """Without a word in the file of the application."""
    watcher = ConfigurationWatcher(site)
    before = watcher.poll()
    assert isinstance(before, Configuration)
    assert watcher.poll() is None
    (site / "apps" / "wiki.svg").write_bytes(png())
    after = watcher.poll()
    assert isinstance(after, Configuration)
    icons = [one.applications["wiki"].icon for one in (before, after)]
    assert [icon.content_type for icon in icons if icon] == [SVG, PNG]
