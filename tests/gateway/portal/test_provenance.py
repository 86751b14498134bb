"""Whether a request that changes something came from our own page."""

import pytest

from gateway.portal.provenance import is_foreign

OWN = "https://pusterla.localhost:8443"


@pytest.mark.parametrize(
    "method,site,origin,foreign",
    [
        ("POST", "same-origin", OWN, False),
        ("POST", "none", None, False),
        ("POST", "same-origin", "null", False),
        ("POST", None, OWN, False),
        ("POST", None, None, False),
        ("POST", "same-site", "https://wiki.pusterla.localhost:8443", True),
        ("POST", "same-site", OWN, True),
        ("POST", "cross-site", "https://evil.example", True),
        ("POST", "", OWN, True),
        ("POST", None, "null", True),
        ("POST", None, "https://pusterla.localhost", True),
        ("POST", None, "http://pusterla.localhost:8443", True),
        ("DELETE", "cross-site", None, True),
        ("BREW", "cross-site", None, True),
        ("GET", "cross-site", "https://evil.example", False),
        ("HEAD", "cross-site", None, False),
        ("OPTIONS", "cross-site", "https://evil.example", False),
    ],
)
def test_is_foreign(method: str, site: str | None, origin: str | None, *, foreign: bool) -> None:
    """An unsafe method needs our own origin, or no browser at all."""
    assert is_foreign(method, site, origin, OWN) is foreign
