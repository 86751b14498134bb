from ca.kinds import KeyKind
from gateway.cli.keys import KEY_TYPES


def test_the_choices_are_the_kinds() -> None:
    """In their order, the default first; written twice so that --help loads no cryptography."""
    assert tuple(kind.value for kind in KeyKind) == KEY_TYPES
