"""The QR code inside the page; that it can be scanned a browser's test shows."""

import re
from html.parser import HTMLParser

from gateway.portal.drawing import qr_code

URI = "otpauth://totp/Pusterla:anna?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Pusterla"


class Elements(HTMLParser):
    """Collects elements with the names of their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, set[str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note one."""
        self.found.append((tag, {name for name, _ in attrs}))


def test_is_one_element_that_a_strict_policy_lets_through() -> None:
    """No style attribute, no address, no script; dark on light whatever the page is."""
    drawn = str(qr_code(URI))
    elements = Elements()
    elements.feed(drawn)
    assert [tag for tag, _ in elements.found] == ["svg", "path", "path"]
    assert {name for _, names in elements.found for name in names} == {
        *("viewbox", "class", "fill", "stroke", "d"),
    }
    assert re.findall(r"(?:fill|stroke)=\"([^\"]+)\"", drawn) == ["#fff", "#000"]
    assert "otpauth" not in drawn


def test_another_text_is_another_drawing() -> None:
    """The same one is the same."""
    assert qr_code(URI) == qr_code(URI)
    assert qr_code(URI) != qr_code(URI + "x")
