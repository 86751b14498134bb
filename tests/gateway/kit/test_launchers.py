import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from gateway.kit.choices import FILE as CHOICES
from gateway.kit.launchers import LINUX, MACOS, WINDOWS, launchers

SHELLS = [shell for shell in ("dash", "bash", "sh") if shutil.which(shell)]
# Writes down how it was started, and with what.
PROGRAM = """#!/bin/sh
for word in "$@"; do printf '%s\\n' "$word"; done > "$SEEN"
printf '%s\\n' "${SSLKEYLOGFILE-none}" >> "$SEEN"
exit 7
"""


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    """A kit's launchers and as much of a profile as they look for, in a folder such as people have."""
    stick = tmp_path / "Zoë's $HOME `stick` (1)"
    (stick / "profile").mkdir(parents=True)
    for name, content in launchers().items():
        (stick / name).write_bytes(content)
    for name in ("key4.db", "cert9.db", "user.js"):
        (stick / "profile" / name).write_bytes(b"x")
    return stick


def program(path: Path) -> None:
    """Put something that can be started in the place of a browser."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(PROGRAM)
    path.chmod(0o755)


def start(
    stick: Path, *words: str, shell: str = "sh", name: str = LINUX, **environment: str
) -> tuple["subprocess.CompletedProcess[str]", list[str]]:
    """Run a launcher where there are no other programs than it needs; return what it started."""
    seen = stick.parent / "seen"
    tools = stick.parent / "tools"
    tools.mkdir(exist_ok=True)
    for tool in ("dirname", "dd", "rm", "mktemp", "cp", "chmod", "sh"):
        if not (tools / tool).exists():
            (tools / tool).symlink_to(str(shutil.which(tool)))
    (stick.parent / "tmp").mkdir(exist_ok=True)
    surroundings = {
        "PATH": f"{stick.parent / 'bin'}:{tools}",
        "SEEN": str(seen),
        "SSLKEYLOGFILE": "/tmp/secrets",
        "TMPDIR": str(stick.parent / "tmp"),
        "HOME": str(stick.parent),
    }
    ran = subprocess.run(
        [str(shutil.which(shell)), str(stick / name), *words],
        env=surroundings | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return ran, seen.read_text().splitlines() if seen.exists() else []


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("name", ["browser/firefox", "browser/firefox-esr"])
def test_the_browser_on_the_stick_comes_first(stick: Path, shell: str, name: str) -> None:
    """With the stick's profile, what was asked for besides, and no file for TLS secrets."""
    program(stick / name)
    (stick / "browser" / "libxul.so").touch()
    program(stick.parent / "bin" / "firefox")
    ran, seen = start(stick, "https://x/", shell=shell)
    assert (ran.returncode, ran.stderr) == (7, "")
    profile = str(stick / "profile")
    assert seen == [
        *("--no-remote", "--new-instance", "--allow-downgrade", "--profile", profile),
        *("https://x/", "none"),
    ]
    assert sorted(path.name for path in (stick / "profile").iterdir()) == [
        *("cert9.db", "key4.db", "user.js")
    ]


@pytest.mark.parametrize("name", ["firefox", "firefox-esr"])
def test_else_the_machines_is_taken(stick: Path, name: str) -> None:
    """Also where the stick's is for another system."""
    program(stick / "browser" / "firefox")
    program(stick.parent / "bin" / name)
    _, seen = start(stick)
    assert str(stick / "profile") in seen


def test_without_any_it_says_so_in_the_persons_language(stick: Path) -> None:
    """And how to help oneself."""
    ran, seen = start(stick, LANG="it_IT.UTF-8")
    assert (ran.returncode, seen) == (1, [])
    assert "Manca Firefox" in ran.stderr
    ran, _ = start(stick, LANG="en_GB.UTF-8")
    assert "Firefox is missing" in ran.stderr
    (stick / "browser").mkdir()
    for name in ("firefox", "libxul.so"):
        (stick / "browser" / name).touch(0o644)
    ran, _ = start(stick)
    assert "cannot be started from here" in ran.stderr, "a stick mounted without execute"


def test_a_kit_that_was_copied_in_part_says_what_is_missing(stick: Path) -> None:
    """Before any browser makes an empty profile of it."""
    program(stick.parent / "bin" / "firefox")
    (stick / "profile" / "key4.db").unlink()
    ran, seen = start(stick)
    assert (ran.returncode, seen) == (1, [])
    assert "key4.db is missing" in ran.stderr


@pytest.mark.parametrize("shell", SHELLS)
def test_what_cannot_be_written_is_copied_and_the_copy_removed(stick: Path, shell: str) -> None:
    """It says so. A folder of the probe's name stands for a stick that is full."""
    program(stick.parent / "bin" / "firefox")
    (stick / "profile" / ".probe").mkdir()
    ran, seen = start(stick, shell=shell)
    assert ran.returncode == 7
    assert "temporary copy" in ran.stderr
    profile = Path(seen[4])
    assert profile.parent.parent == stick.parent / "tmp"
    assert not profile.exists()
    assert list((stick.parent / "tmp").iterdir()) == []
    # In memory, where the system has a place for that.
    memory = stick.parent / "memory"
    memory.mkdir()
    _, seen = start(stick, shell=shell, XDG_RUNTIME_DIR=str(memory))
    assert Path(seen[4]).parent.parent == memory
    assert list(memory.iterdir()) == []


def test_where_nothing_can_be_written_it_gives_up(stick: Path) -> None:
    """And says which place it tried."""
    program(stick.parent / "bin" / "firefox")
    (stick / "profile" / ".probe").mkdir()
    ran, seen = start(stick, TMPDIR="/nowhere")
    assert (ran.returncode, seen) == (1, [])
    assert "Neither the stick nor /nowhere can be written" in ran.stderr


def test_on_macos_applications_are_looked_for(stick: Path) -> None:
    """The stick's first, then the person's own; each in its bundle."""
    inside = "Firefox.app/Contents/MacOS/firefox"
    program(stick.parent / "Applications" / inside)
    ran, seen = start(stick, name=MACOS)
    assert ran.returncode == 7
    assert str(stick / "profile") in seen
    program(stick / "browser" / inside)
    assert start(stick, name=MACOS)[0].returncode == 7
    shutil.rmtree(stick.parent / "Applications")
    shutil.rmtree(stick / "browser")
    assert "put Firefox into Applications" in start(stick, name=MACOS)[0].stderr


@pytest.mark.parametrize("name", [LINUX, MACOS])
@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_reads_it(name: str, shell: str, tmp_path: Path) -> None:
    """Nothing in it is one shell's own."""
    script = tmp_path / name
    script.write_bytes(launchers()[name])
    subprocess.run([shell, "-n", script], check=True, capture_output=True, timeout=30)
    assert b"\r" not in launchers()[name]


def test_a_file_for_cmd_is_such_as_cmd_reads() -> None:
    """ASCII with CRLF; each label that is gone to is there; each quote is closed."""
    text = launchers()[WINDOWS].decode("ascii")
    lines = text.split("\r\n")
    assert "\n" not in "".join(lines)
    gone_to = set(re.findall(r"(?:goto |call :)(\w+)", text))
    assert gone_to == {line[1:] for line in lines if line.startswith(":")}
    for line in lines:
        assert line.count('"') % 2 == 0, line
        assert "@" not in line.replace("@echo off", ""), line
    # A backslash before a quote would escape it: the folder's own name ends in one.
    assert '"%~dp0"' not in text
    assert '"%here%"' not in text.replace('set "here=%~dp0"', "")


def test_cmd_looks_for_links_before_it_looks_at_what_a_renewal_brings() -> None:
    """`dir /a:l` finds what leads elsewhere; that it found some is no reason to go on."""
    lines = launchers()[WINDOWS].decode("ascii").split("\r\n")
    looked = lines.index('dir /a:l /b "%part%" >nul 2>&1')
    assert lines[looked + 1] == "if not errorlevel 1 goto nottaken"
    unpacked = next(n for n, line in enumerate(lines) if "tar.exe" in line)
    compared = next(n for n, line in enumerate(lines) if line.startswith("fc "))
    assert unpacked < looked < compared


def test_no_launcher_has_blanks_to_fill() -> None:
    """All marks were replaced."""
    for content in launchers().values():
        assert not re.search(rb"@[A-Z_]+@", content)


def test_modes_do_not_matter(stick: Path) -> None:
    """On a stick no file is executable: the shell is given the name."""
    program(stick.parent / "bin" / "firefox")
    assert not (stick / LINUX).stat().st_mode & stat.S_IXUSR
    assert start(stick)[0].returncode == 7


RENEWAL_TOOLS = ("mkdir", "tar", "cmp", "mv", "gzip")
BEFORE, AFTER = b"word of the old one\n", b"word of the new one\n"


def renewal(stick: Path, before: bytes, *, name: str = "renewal.tar", link: bool = False) -> Path:
    """Save a renewal beside the launchers, for the kit whose word is *before*."""
    made = stick.parent / "made"
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir()
    contents = {"before": before, "after": AFTER, "cert9.db": b"new", CHOICES: b"chosen"}
    for part, content in contents.items():
        (made / part).write_bytes(content)
    if link:
        (made / "cert9.db").unlink()
        (made / "cert9.db").symlink_to("/etc/passwd")
    file = stick / name
    subprocess.run(["tar", "-cf", str(file), "-C", str(made), *sorted(contents)], check=True)
    return file


@pytest.fixture
def renewable(stick: Path) -> Path:
    """A stick with a browser and a word, and the tools that every system has."""
    (stick / "profile" / "renewal.id").write_bytes(BEFORE)
    (stick / "profile" / CHOICES).write_bytes(b"old choice")
    program(stick.parent / "bin" / "firefox")
    (stick.parent / "tools").mkdir()
    for tool in RENEWAL_TOOLS:
        (stick.parent / "tools" / tool).symlink_to(str(shutil.which(tool)))
    return stick


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("name", ["renewal.tar", "renewal(1).tar"])
def test_a_renewal_for_this_stick_is_taken_in(renewable: Path, shell: str, name: str) -> None:
    """Certificate, choice and word are the new ones, the key is as it was; the file is gone."""
    file = renewal(renewable, BEFORE, name=name)
    (renewable / "profile" / "cert9.db-journal").write_bytes(b"of the old one")
    ran, seen = start(renewable, shell=shell)
    assert "The new certificate is on the stick." in ran.stderr
    assert seen
    profile = renewable / "profile"
    found = {path.name: path.read_bytes() for path in profile.iterdir()}
    assert found == {
        "cert9.db": b"new",
        "key4.db": b"x",
        "user.js": b"x",
        "renewal.id": AFTER,
        CHOICES: b"chosen",
    }
    assert not file.exists()


@pytest.mark.parametrize(
    "before, link", [(b"guessed\n", False), (b"", False), (BEFORE, True)], ids=str
)
def test_what_is_not_for_this_stick_changes_nothing(
    renewable: Path, before: bytes, *, link: bool
) -> None:
    """Whoever does not know the word can bring no certificate; it is said, and the browser starts."""
    file = renewal(renewable, before, link=link)
    ran, seen = start(renewable)
    assert "is not for this stick" in ran.stderr
    assert seen
    assert (renewable / "profile" / "cert9.db").read_bytes() == b"x"
    assert (renewable / "profile" / CHOICES).read_bytes() == b"old choice"
    assert not (renewable / "profile" / "renewal.part").exists()
    assert file.exists()


def test_what_is_no_archive_changes_nothing(renewable: Path) -> None:
    """As a page of an error that was saved under its name."""
    (renewable / "renewal.tar").write_bytes(b"<html>")
    ran, _ = start(renewable)
    assert "is not for this stick" in ran.stderr
    assert (renewable / "profile" / "cert9.db").read_bytes() == b"x"


def test_a_start_that_was_cut_short_is_made_up_for(renewable: Path) -> None:
    """After the last move but before the file was removed: it is, and nothing else happens."""
    file = renewal(renewable, BEFORE)
    (renewable / "profile" / "renewal.id").write_bytes(AFTER)
    ran, _ = start(renewable)
    assert "is not for this stick" not in ran.stderr
    assert not file.exists()
