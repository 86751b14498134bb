import pytest

from gateway.core.addresses import check_address


@pytest.mark.parametrize("text", ["anna@example.it", "a.b+c@mail.example.org", "root@localhost"])
def test_addresses(text: str) -> None:
    """As people have them."""
    check_address(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "anna", "anna@", "@example.it", "a@b@example.it", "anna@example..it"),
        *("anna@example.it\r\nBcc: x@evil.example", "anna@exa mple.it", "<anna@example.it>"),
        *("anna@example.it, bruno@example.it", "ann\u00e0@example.it", "a" * 250 + "@b.it"),
        *("anna@example.it\n", ".anna@example.it", "anna@-example.it", "anna@[127.0.0.1]"),
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    """And the message says what one looks like."""
    with pytest.raises(ValueError, match=r"help@example\.org"):
        check_address(text)
