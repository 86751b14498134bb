import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.kit.browsers import FOLDER
from gateway.kit.launchers import launchers
from gateway.kit.names import fault_of, same_but_for_case


@pytest.mark.parametrize(
    "path",
    [
        *("../x", "/etc/passwd", "a/../b", "a//b", "./a", "", "a/", "C:/x", "a\\b", "..\\x"),
        *("a?b", "a*b", 'a"b', "a<b", "a>b", "a|b", "a:b", "a\nb", "a\x00b", "a\x7f"),
        *("a.", "a ", "x /y", "con", "NUL.txt", "sub/Com1", "lpt9.ini", "aux"),
        *("n" * 256, "/".join(["ab"] * 80)),
    ],
)
def test_what_a_stick_does_not_take_is_named(path: str) -> None:
    """Or what would lead out of the folder."""
    assert fault_of(path) is not None


@pytest.mark.parametrize(
    "path", ["firefox.exe", "a b/c-d_e.f", "è/ü", "콘/東京", ".hidden", "console", "n" * 180]
)
def test_what_it_takes_passes(path: str) -> None:
    """Any script, spaces, and names that only begin like a device."""
    assert fault_of(path) is None


@given(st.text(max_size=30))
def test_no_name_that_passes_leaves_its_folder(path: str) -> None:
    """However it is spelt, for Windows too."""
    if fault_of(path) is None:
        assert not path.startswith(("/", "\\"))
        assert ".." not in path.replace("\\", "/").split("/")
        assert not set('<>:"|?*\\') & set(path)


def test_names_that_differ_in_case_alone_are_one_file() -> None:
    """Also beyond ASCII."""
    assert same_but_for_case(["a/B", "c", "A/b"]) == ("a/B", "A/b")
    assert same_but_for_case(["è", "È"]) == ("è", "È")
    assert same_but_for_case(["a", "b", "ab"]) is None


def test_our_own_names_pass() -> None:
    """All that a kit has beside the browser."""
    for name in (*launchers(), FOLDER, "profile/ClientAuthRememberList.bin"):
        assert fault_of(name) is None
