"""A QR code (ISO/IEC 18004) as a drawing inside the page: nothing to fetch, no style attribute."""

from io import BytesIO
from typing import Final

import segno
from markupsafe import Markup

# The quiet zone around it, in modules (ISO/IEC 18004, section 9.1).
_QUIET: Final = 4


def qr_code(text: str) -> Markup:
    """Return *text* as an SVG element, dark on light in a dark page too, as scanners need it."""
    drawn = BytesIO()
    segno.make(text, error="m", micro=False).save(
        drawn,
        kind="svg",
        border=_QUIET,
        dark="#000",
        light="#fff",
        omitsize=True,
        svgclass="qr",
        lineclass=None,
        xmldecl=False,
        svgns=False,
        nl=False,
    )
    return Markup(drawn.getvalue().decode("ascii"))  # noqa: S704 - drawn here, and without any text
