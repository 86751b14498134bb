import re
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.kit import manifest as manifests
from gateway.kit.manifest import (
    FIXED,
    NEEDED,
    Manifest,
    ManifestUnreadable,
    compare,
    needs_digest,
    read_manifest,
)
from tests.gateway.kit.persons import HOST, NOW

FILES = {"start.cmd": "aa", "browser/firefox": "bb", **dict.fromkeys(FIXED, "cc")}
ANNAS = Manifest(
    site=HOST,
    user="anna",
    device="stick-1",
    serial="4a",
    fingerprint="ff",
    not_after=NOW + timedelta(days=365),
    built=NOW,
    hosts=(HOST,),
    browser="browser/firefox",
    files=FILES,
)
WHOLE: dict[str, str | None] = {**FILES, **dict.fromkeys(NEEDED, ""), manifests.FILE: ""}


def test_what_is_written_is_read() -> None:
    """And the same kit has the same manifest."""
    for one in (ANNAS, replace(ANNAS, browser=None, user="анна", hosts=())):
        assert read_manifest(one.text()) == one
        assert read_manifest(one.text()).text() == one.text()


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"{}", b"[]", b"null", b"\xff", b'{"kit": 2}', b'{"kit": 1}', b"[" * 100_000),
        ANNAS.text().replace(b'"anna"', b"7"),
        ANNAS.text().replace(b'"aa"', b"null"),
        ANNAS.text().replace(b'"files": {', b'"files": [{').replace(b"}\n}", b"}]}"),
        ANNAS.text().replace(b"Z", b""),
        ANNAS.text().replace(b"stick-1", rb"\ud800"),
        ANNAS.text().replace(b"start.cmd", rb"\udcff"),
        ANNAS.text().replace(b"stick-1", b"x" * 5000),
        ANNAS.text().replace(b'"4a"', b"9" * 5000),
        ANNAS.text().replace(b'"4a"', b"74"),
        ANNAS.text().replace(b'"start.cmd"', b'"BROWSER/Firefox"'),
        *(
            ANNAS.text().replace(b"2027-", year)
            for year in (b"0001-", b"9999-", b"1969-", b"10000-")
        ),
        re.sub(rb'"not_after": "[^"]+"', b'"not_after": "0001-01-01T00:00:00+23:59"', ANNAS.text()),
    ],
)
def test_whatever_else_is_told_apart(data: bytes) -> None:
    """It comes from a stick that was in other hands."""
    with pytest.raises(ManifestUnreadable):
        read_manifest(data)


@given(st.binary(max_size=200))
def test_no_octets_are_a_surprise(data: bytes) -> None:
    """A manifest, or `ManifestUnreadable`."""
    with pytest.raises(ManifestUnreadable):
        read_manifest(data)


def test_a_kit_that_is_whole_does_not_differ() -> None:
    """With whatever a browser has written into the profile, and systems on the stick."""
    assert not compare(ANNAS, WHOLE)
    used = {"profile/places.sqlite": "", "profile/storage/x": "", ".DS_Store": "", "._x": ""}
    assert not compare(ANNAS, WHOLE | used)
    root = {"System Volume Information/WPSettings.dat": "", ".Trashes/501/x": ""}
    assert not compare(ANNAS, WHOLE | root), "a kit may be all that a stick has"
    assert compare(ANNAS, WHOLE | {"lost+found": ""}).extra == ("lost+found",), "no folder"


def test_what_is_missing_altered_or_extra_is_named() -> None:
    """Links and folders in the place of files count as altered."""
    found = WHOLE | {"browser/firefox": "xx", "autorun.inf": "", "browser/evil.dll": ""}
    del found["start.cmd"], found["profile/key4.db"]
    found["profile/cert9.db"] = None
    differences = compare(ANNAS, found)
    assert differences.missing == ("start.cmd", "profile/key4.db")
    assert differences.altered == ("browser/firefox", "profile/cert9.db")
    assert differences.extra == ("autorun.inf", "browser/evil.dll")


def test_a_name_in_other_letters_is_the_same_file() -> None:
    """FAT32 has no case: what some system writes in capitals is what the kit has, or hides there."""
    moved = {name.upper(): digest for name, digest in WHOLE.items()}
    assert not compare(ANNAS, moved)
    assert compare(ANNAS, moved | {"START.CMD": "xx", "BROWSER/FIREFOX": None}).altered == (
        *("browser/firefox", "start.cmd"),
    )
    assert needs_digest("PROFILE/USER.JS")
    assert not needs_digest("Profile/Key4.db")
    for name in ("profile/Extensions/x.xpi", "PROFILE/chrome/userChrome.css"):
        assert compare(ANNAS, WHOLE | {name: ""}).extra == (name,)


def test_two_names_for_one_file_are_one_too_many() -> None:
    """Where there is case they are two; on a stick one takes the place of the other."""
    for name in ("Start.cmd", "profile/KEY4.db", "Manifest.json", "BROWSER/firefox"):
        differences = compare(ANNAS, WHOLE | {name: "xx"})
        assert (differences.altered, differences.extra) == ((), (name,))
        assert compare(ANNAS, {name: "xx"} | WHOLE) == differences


@pytest.mark.parametrize("name", ["profile/extensions/x.xpi", "profile/chrome/userChrome.css"])
def test_code_in_the_profile_is_extra(name: str) -> None:
    """No browser of a kit makes such files by itself."""
    assert compare(ANNAS, WHOLE | {name: ""}).extra == (name,)


def test_what_the_browser_writes_is_not_compared() -> None:
    """But its settings, which it only reads, are."""
    assert not needs_digest("profile/key4.db")
    assert needs_digest("profile/user.js")
    assert needs_digest("browser/firefox")
