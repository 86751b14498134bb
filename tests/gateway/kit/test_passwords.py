import os
import re

import pytest

from gateway.kit.passwords import fault_of, make_password


@pytest.mark.parametrize("password", ["", "short", "elevenchars", "x" * 257, "a tab\there it is"])
def test_what_does_not_protect_is_refused(password: str) -> None:
    """Too short to be guessed slowly, too long, or not to be typed."""
    assert fault_of(password) is not None


@pytest.mark.parametrize(
    "password", ["twelve chars", "cavallo batteria graffetta", "パスワードは十二文字以上"]
)
def test_any_script_will_do(password: str) -> None:
    """Firefox takes what the person types."""
    assert fault_of(password) is None


def test_one_made_by_chance_will_do_and_can_be_read_out() -> None:
    """No letter that looks like another; none comes twice."""
    made = {make_password(os.urandom) for _ in range(50)}
    assert len(made) == 50
    for password in made:
        assert fault_of(password) is None
        assert re.fullmatch(r"(?:[a-km-np-z2-9]{4}-){3}[a-km-np-z2-9]{4}", password)


def test_each_octet_gives_five_bits_evenly() -> None:
    """256 is eight times the number of letters."""
    seen = [make_password(lambda size, octet=octet: bytes([octet]) * size) for octet in range(256)]  # type: ignore[misc]
    assert {seen.count(one) for one in seen} == {8}
