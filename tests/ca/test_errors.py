"""The tree of errors."""

import inspect

import pytest

from ca import errors
from ca.errors import CAError, LintFailed, Refused

KINDS = {
    name: kind
    for name, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, BaseException)
}


def test_one_root_for_all() -> None:
    """Whoever catches `CAError` catches everything this package raises on purpose."""
    assert KINDS
    assert all(issubclass(kind, CAError) for kind in KINDS.values())


def test_the_tree_is_drawn_as_it_is() -> None:
    """Each class stands in the drawing at the top of the module."""
    drawn = errors.__doc__ or ""
    for name, kind in KINDS.items():
        depth = len(kind.__mro__) - len(CAError.__mro__)
        marks = [
            line for line in drawn.splitlines() if f" {name} " in f"{line} ".replace("+--", "")
        ]
        assert [line.count("|   ") + line.count("+--") for line in marks] == [depth], name


@pytest.mark.parametrize("kind", [Refused, LintFailed])
def test_every_reason_is_told(kind: type[Refused] | type[LintFailed]) -> None:
    """The message holds all reasons, not only the first."""
    assert str(kind(["one is wrong", "two is wrong"])) == "one is wrong; two is wrong"
