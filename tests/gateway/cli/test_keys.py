from pathlib import Path

from click.testing import CliRunner

from ca.kinds import KeyKind
from gateway.cli import main
from gateway.cli.keys import KEY_TYPES
from tests.ca.makers import judge


def test_the_choices_are_the_kinds() -> None:
    """In their order, the default first; written twice so that --help loads no cryptography."""
    assert tuple(kind.value for kind in KeyKind) == KEY_TYPES


def test_at_init_people_are_told_what_browsers_do_not_take(tmp_path: Path) -> None:
    """A CA on Ed25519 is made all the same: other programs take it."""
    words = ["init", str(tmp_path / "site"), "--host", "pusterla.localhost"]
    result = CliRunner().invoke(main, [*words, "--key-type", "ed25519"])
    assert result.exit_code == 0, result.output
    assert "no browser takes Ed25519" in result.stderr
    file = tmp_path / "site" / "keys" / "ca" / "root.pem"
    assert "ED25519" in judge("openssl", "x509", "-in", file, "-noout", "-text")
