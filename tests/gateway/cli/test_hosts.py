import pytest
from click.testing import CliRunner

from gateway.cli import main


@pytest.mark.parametrize(
    "command", [("init", "/nowhere/site"), ("ca", "root", "--out", "/nowhere")]
)
def test_a_host_that_is_none_is_wrong_usage(command: tuple[str, ...]) -> None:
    """Said before anything is made."""
    result = CliRunner().invoke(main, [*command, "--host", "10.0.0.1"])
    assert result.exit_code == 2
    assert "--host" in result.stderr
