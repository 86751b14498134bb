import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from deploy.compiled import MODULES

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", MODULES)
def test_what_is_compiled_is_there(name: str) -> None:
    """Under its name in the list."""
    assert (ROOT / "gateway" / "edge" / f"{name}.py").is_file()


def test_a_wheel_is_of_plain_python_unless_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So it needs no compiler, and runs everywhere."""
    monkeypatch.delenv("PUSTERLA_COMPILED", raising=False)
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.iterdir()
    assert wheel.name.endswith("-none-any.whl")
    with zipfile.ZipFile(wheel) as file:
        assert not [name for name in file.namelist() if name.endswith(".so")]
