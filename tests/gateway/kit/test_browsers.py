import pytest

from gateway.kit import browsers
from gateway.kit.browsers import BrowserRefused, Entry, check_entries, find_layout


def entries(*paths: str) -> list[Entry]:
    """Files of no size."""
    return [Entry(path, 0) for path in paths]


@pytest.mark.parametrize(
    "paths, prefix, program",
    [
        (("firefox.exe", "application.ini"), "", "firefox.exe"),
        (("firefox/firefox", "firefox/application.ini"), "firefox/", "firefox"),
        (
            (
                *("Portable/App/Firefox64/firefox.exe", "Portable/App/Firefox64/application.ini"),
                "Portable/FirefoxPortable.exe",
            ),
            "Portable/App/Firefox64/",
            "firefox.exe",
        ),
        (("firefox-esr", "application.ini", "firefox-bin"), "", "firefox-esr"),
    ],
)
def test_the_programs_folder_is_found(paths: tuple[str, ...], prefix: str, program: str) -> None:
    """Wherever it is, by the file that Firefox has beside its program."""
    layout = find_layout(entries(*paths))
    assert (layout.prefix, layout.program, layout.policies) == (prefix, program, "distribution")
    assert layout.inside(f"{prefix}omni.ja") == "omni.ja"
    if prefix:
        assert layout.inside("outside") is None


def test_a_browser_for_macos_keeps_its_bundle() -> None:
    """Its policies lie among the resources."""
    contents = "Firefox.app/Contents"
    layout = find_layout(
        entries(f"x/{contents}/MacOS/firefox", f"x/{contents}/Resources/application.ini")
    )
    assert layout.program == f"{contents}/MacOS/firefox"
    assert layout.policies == f"{contents}/Resources/distribution"
    assert layout.inside(f"x/{contents}/Info.plist") == f"{contents}/Info.plist"


@pytest.mark.parametrize(
    "paths", [(), ("readme.txt",), ("firefox",), ("a/firefox.exe", "b/application.ini")]
)
def test_what_only_looks_like_a_browser_is_refused(paths: tuple[str, ...]) -> None:
    """A file of that name may be anything."""
    with pytest.raises(BrowserRefused, match="no Firefox"):
        find_layout(entries(*paths))


@pytest.mark.parametrize(
    "path", ["../../etc/passwd", "/etc/passwd", "a/../../b", "c:\\x", "a\\..\\b", "nul"]
)
def test_no_file_leaves_its_folder(path: str) -> None:
    """Neither under Linux nor under Windows."""
    with pytest.raises(BrowserRefused):
        check_entries(entries("firefox", path))


def test_what_would_fill_the_disk_is_refused() -> None:
    """By number, by size of one, and by size of all."""
    for many in (
        entries(*(str(number) for number in range(browsers.MOST_FILES + 1))),
        [Entry("a", browsers.LARGEST_FILE + 1)],
        [Entry(name, browsers.LARGEST_FILE) for name in "abc"],
    ):
        with pytest.raises(BrowserRefused, match=r"no browser|too large"):
            check_entries(many)


def test_files_that_would_be_one_are_refused() -> None:
    """On a stick, case makes no difference."""
    for twins in (("a/b", "A/B"), ("a", "a")):
        with pytest.raises(BrowserRefused, match=r"one file|one name"):
            check_entries(entries(*twins))
    check_entries(entries("a", "b", "a.b"))
