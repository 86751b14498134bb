import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def steps() -> list[list[str]]:
    """Return the instructions of the Containerfile, each as its words."""
    text = (ROOT / "deploy" / "Containerfile").read_text()
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    return [line.split() for line in text.splitlines() if line.strip()]


def values(steps: list[list[str]], instruction: str) -> list[list[str]]:
    """Return what stands behind each *instruction*, in order."""
    return [words for first, *words in steps if first == instruction]


def test_what_builds_stays_behind(steps: list[list[str]]) -> None:
    """Two stages on the same base; the second takes the finished environment."""
    bases = values(steps, "FROM")
    assert [base[0] for base in bases] == ["python:3.11-slim"] * 2
    assert ["--from=build", "/opt/pusterla", "/opt/pusterla"] in values(steps, "COPY")


def test_no_registry_is_named(steps: list[list[str]]) -> None:
    """Where images come from is decided where the image is built."""
    for base in values(steps, "FROM"):
        assert re.fullmatch(r"[a-z]+:[0-9a-z.-]+", base[0])


def test_it_does_not_run_as_root(steps: list[list[str]]) -> None:
    """The last user is a number, so that an orchestrator can see that it is not 0."""
    assert values(steps, "USER")[-1] == ["10000:10000"]


def test_everything_is_installed_by_hash(steps: list[list[str]]) -> None:
    """Only what deploy/constraints names goes in, and the project itself without more."""
    installs = [
        words for words in values(steps, "RUN") if "install" in words and "pip" in str(words)
    ]
    run, build, itself = installs
    for words, pins in ((run, "run.txt"), (build, "compile.txt")):
        assert "--require-hashes" in words
        assert f"deploy/constraints/{pins}" in words
    assert {"--no-deps", "--no-index"} <= set(itself)
    (wheel,) = [words for words in values(steps, "RUN") if "wheel" in words]
    assert {"PUSTERLA_COMPILED=1", "--no-deps", "--no-build-isolation"} <= set(wheel)


def test_what_is_copied_is_enough_to_build(steps: list[list[str]], tmp_path: Path) -> None:
    """The wheel is built of that alone, here without compiling it."""
    source = tmp_path / "source"
    for words in values(steps, "COPY"):
        if not words[0].startswith("--"):
            *names, to = words
            for each in (found for name in names for found in ROOT.glob(name)):
                target = source / to / (each.name if to.endswith("/") else "")
                target.parent.mkdir(parents=True, exist_ok=True)
                if each.is_dir():
                    shutil.copytree(each, target)
                else:
                    shutil.copy(each, target)
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    built = subprocess.run(command, cwd=source, check=False, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        assert "gateway/edge/service.py" in file.namelist()


def test_all_that_is_copied_is_there(steps: list[list[str]]) -> None:
    """Every file and folder that goes in exists, and every package of the project goes in."""
    copied = [
        word
        for words in values(steps, "COPY")
        if not words[0].startswith("--")
        for word in words[:-1]
    ]
    missing = [word for word in copied if "*" not in word and not (ROOT / word).exists()]
    assert missing == []
    assert {"gateway", "ca", "policies", "pyproject.toml", "LICENSE"} <= set(copied)


def test_signals_reach_the_command(steps: list[list[str]]) -> None:
    """No shell stands in between: SIGTERM is what drains."""
    assert values(steps, "ENTRYPOINT") == [['["pusterla"]']]
    assert values(steps, "CMD") == [['["serve"]']]
    assert values(steps, "STOPSIGNAL") == [["SIGTERM"]]
