"""What is said of a day of a quota."""

from gateway.core.days import Spending


def test_each_outcome_is_a_value_of_its_own() -> None:
    """Whoever asks for a day tells three things apart, and none of them is an exception."""
    assert {one.value for one in Spending} == {"spent", "already", "refused"}
