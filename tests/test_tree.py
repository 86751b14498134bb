"""The tree keeps the house's order."""

import ast
import re
import subprocess
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# Rooms in which each module answers to a test file of its own.
MIRRORED = ("policies", "ca", "gateway/core", "gateway/kit")

# Modules without a test file of their own: a list of debts, which may only shrink. Each line says
# where the module is tested instead.
DEBTS: dict[str, str] = {}


def tracked() -> list[Path]:
    """List the files that git knows, as they lie in the working tree."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached"], cwd=ROOT, capture_output=True, check=False
    )
    if listed.returncode != 0:
        pytest.skip("not a git working tree, or no git here: cannot list the project's files")
    names = listed.stdout.decode().split("\0")
    return [path for name in names if name and (path := ROOT / name).is_file()]


def modules(*rooms: str) -> list[Path]:
    """List the Python modules below *rooms*."""
    return sorted(chain.from_iterable((ROOT / room).rglob("*.py") for room in rooms))


def relative(path: Path) -> str:
    """Name *path* as seen from the top of the tree."""
    return path.relative_to(ROOT).as_posix()


def lines_with(pattern: re.Pattern[str], paths: list[Path]) -> list[str]:
    """Find *pattern* in the text of *paths*, as `file:line: what was found`."""
    found = []
    for path in paths:
        for number, line in enumerate(path.read_bytes().decode(errors="replace").splitlines(), 1):
            if hit := pattern.search(line):
                found.append(f"{relative(path)}:{number}: {hit.group()}")
    return found


def test_each_module_of_the_pure_rooms_has_a_test_file_of_its_own() -> None:
    """A module in policies/, ca/ or gateway/core is tested under its own name."""
    missing = [
        f"{relative(module)} -> {relative(test)}"
        for module in modules(*MIRRORED)
        if module.name != "__init__.py" and relative(module) not in DEBTS
        if not (
            test := ROOT / "tests" / module.relative_to(ROOT).parent / f"test_{module.name}"
        ).is_file()
    ]
    assert missing == []


def test_debts_are_taken_off_the_list_when_they_are_paid() -> None:
    """The list of exceptions names only modules that exist and have no test file."""
    paid = [
        name
        for name in DEBTS
        if not (ROOT / name).is_file()
        or (ROOT / "tests" / Path(name).parent / f"test_{Path(name).name}").is_file()
    ]
    assert paid == []


def test_each_module_says_what_it_is_for() -> None:
    """Every module of the product opens with a docstring."""
    silent = [
        relative(module)
        for module in modules("policies", "ca", "gateway")
        if not ast.get_docstring(ast.parse(module.read_text(encoding="utf-8")))
    ]
    assert silent == []


def test_no_file_names_a_place_to_download_from() -> None:
    """Which registry packages come from is decided where the project is installed."""
    # Written in pieces, so that this file does not find itself.
    hosts = ["pypi." + "org", "python" + "hosted", "deb.debian" + ".org", "registry." + "npmjs"]
    options = ["--index" + "-url", "--extra-index" + "-url", "--find" + "-links"]
    pattern = re.compile("|".join(map(re.escape, hosts + options)))
    assert lines_with(pattern, tracked()) == []


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    """No home folder or workplace of whoever wrote a file is left in it."""
    homes = ["/ho" + r"me/[\w.-]+", "/r" + r"oot/[\w.-]+", "/Us" + r"ers/[\w.-]+"]
    workplaces = [
        "/wo" + r"rk/(?:main|shared|\.library)",
        "/tmp/" + "house",
        "/opt/" + "(?:pypi|wheels)",
    ]
    pattern = re.compile(r"(?<![\w.$}~-])(?:" + "|".join(homes + workplaces) + r")\b")
    assert lines_with(pattern, tracked()) == []


def test_requirement_files_pin_everything_by_hash() -> None:
    """Each package in deploy/constraints has one exact version and at least one hash."""
    files = sorted((ROOT / "deploy" / "constraints").glob("*.txt"))
    assert files
    entry = re.compile(r"[A-Za-z0-9._-]+==\S+(?: ; [^\\]+)?(?: +--hash=sha256:[0-9a-f]{64})+")
    for file in files:
        text = re.sub(r"^ *#.*\n", "", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
        loose = [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]
        assert [line[:80] for line in loose if not entry.fullmatch(line.strip())] == []


def test_every_way_to_install_has_what_the_product_needs() -> None:
    """What run.txt names, the files with more in them name in the same version."""
    pins = re.compile(r"^([a-z0-9._-]+)==([^\s;]+)", re.MULTILINE)
    folder = ROOT / "deploy" / "constraints"

    def named(file: str) -> set[tuple[str, ...]]:
        return set(pins.findall((folder / file).read_text(encoding="utf-8")))

    for file in ("demo.txt", "token.txt", "check.txt"):
        assert named("run.txt") - named(file) == set(), f"{file}: make lock"
