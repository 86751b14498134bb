"""The shared look can be read, in the light and in the dark."""

import re
import xml.etree.ElementTree as ET

import pytest

from gateway.core.look import GATE, STYLE


def tokens(block: str) -> dict[str, str]:
    """Return the colours of one block of the style sheet."""
    return dict(re.findall(r"--([a-z-]+):(#[0-9a-f]+)\b(?=[;}])", block))


LIGHT_BLOCK, DARK_BLOCK = re.findall(r":root\{[^}]*\}", STYLE)
LIGHT = tokens(LIGHT_BLOCK)
DARK = tokens(DARK_BLOCK)


def luminance(colour: str) -> float:
    """Return the relative luminance (WCAG 2.2)."""
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    channels = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    red, green, blue = (
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio (WCAG 2.2)."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("text", ["ink", "soft", "brick", "good", "warn", "bad"])
@pytest.mark.parametrize("ground", ["ground", "sheet"])
def test_text_stands_out(palette: dict[str, str], text: str, ground: str) -> None:
    """Every text colour has a contrast of 4.5 to 1 on every ground."""
    assert contrast(palette[text], palette[ground]) >= 4.5


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_buttons_stand_out(palette: dict[str, str]) -> None:
    """The words on a button can be read."""
    assert contrast(palette["on-brick"], palette["brick"]) >= 4.5


def test_both_palettes_have_the_same_colours() -> None:
    """No colour is forgotten in the dark."""
    assert set(LIGHT) == set(DARK)


def test_nothing_is_fetched() -> None:
    """The style stands alone, so that a refusal can carry it."""
    assert "url(" not in STYLE
    assert "@import" not in STYLE
    assert "</" not in STYLE


def test_the_gate_is_drawn_well() -> None:
    """The drawing is one element that screen readers pass over, without style or script."""
    drawing = ET.fromstring(GATE)  # noqa: S314 - our own
    assert drawing.get("aria-hidden") == "true"
    assert "style=" not in GATE
