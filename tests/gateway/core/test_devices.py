"""How a certificate stands, for its holder."""

from gateway.core.devices import Standing


def test_what_is_over_never_opens_anything_again() -> None:
    """A hold may be lifted, a list may be fetched, a beginning comes; an end stays."""
    assert {one for one in Standing if one.over} == {
        *(Standing.REVOKED, Standing.REPLACED, Standing.ENDED),
    }
