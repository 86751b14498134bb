"""A site of its own for each test of the command."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.cli import main
from tests.gateway.cli.runner import Runner


@pytest.fixture(scope="session")
def new_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site as `pusterla init` leaves it; to be copied and not touched."""
    site = tmp_path_factory.mktemp("new") / "site"
    result = CliRunner().invoke(main, ["init", str(site), "--host", "pusterla.localhost"])
    assert result.exit_code == 0, result.output
    return site


@pytest.fixture
def pusterla(new_site: Path, tmp_path: Path) -> Runner:
    """The command, on a new site."""
    return Runner(shutil.copytree(new_site, tmp_path / "site"))
