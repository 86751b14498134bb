"""The rows of the change feed."""

import pytest

from gateway.core.changes import Batch, Change, ChangeKind


@pytest.mark.parametrize("name", ["certificate", "user", "session", "crl"])
def test_the_kinds_keep_their_names(name: str) -> None:
    """They are written in stores out there."""
    assert ChangeKind(name).value == name


def test_a_kind_that_nobody_knows_is_refused() -> None:
    """A follower that does not understand a row must not go on as if it had."""
    with pytest.raises(ValueError):
        ChangeKind("policy-of-tomorrow")


def test_a_sign_of_life_is_an_empty_batch_without_a_gap() -> None:
    """Nothing is forgotten because of it."""
    assert Batch(()) == Batch(changes=(), gap=False)
    assert Batch(()) != Batch((), gap=True)
    assert Batch((Change(7, ChangeKind.USER, "anna"),)).changes[0].number == 7
