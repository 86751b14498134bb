"""Pictures of applications: files beside apps/*.toml, believed by what is in them.

What a file is called says nothing: an SVG is a document that can hold scripts, and one that is
served as a picture is kept from running them, so what is what must be known.
"""

import re
from hashlib import sha256
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

from gateway.config.documents import visible_files
from gateway.core.site import Icon

ICON_SUFFIXES: Final = (".svg", ".png", ".webp")
LARGEST_ICON: Final = 64 * 1024

SVG: Final = "image/svg+xml"
PNG: Final = "image/png"
WEBP: Final = "image/webp"

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_PNG_HEAD: Final = b"\x89PNG\r\n\x1a\n"
_SVG_ROOT: Final = "{http://www.w3.org/2000/svg}svg"


def read_icon(folder: Path, name: str) -> Icon:
    """Read the picture *name* in *folder*, or raise `ValueError` with a message for people."""
    if not _NAME.fullmatch(name) or not name.lower().endswith(ICON_SUFFIXES):
        message = (
            f"{name!r} is not the name of a picture beside this file; write one such as wiki.svg "
            "(.svg, .png or .webp)"
        )
        raise ValueError(message)
    path = folder / name
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_ICON + 1)
    except FileNotFoundError:
        raise ValueError(f"there is no file {path}") from None
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from error
    if len(data) > LARGEST_ICON:
        raise ValueError(f"{name} is larger than {LARGEST_ICON // 1024} KiB")
    kind = kind_of_picture(data)
    if kind is None:
        raise ValueError(
            f"{name} is no SVG (without a DOCTYPE), PNG or WebP, whatever its name says"
        )
    return Icon(str(path.absolute()), kind, sha256(data).hexdigest())


def kind_of_picture(data: bytes) -> str | None:
    """Return the media type of *data*; None where it is none of the three that are taken."""
    if data.startswith(_PNG_HEAD):
        return PNG
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return WEBP
    return SVG if _is_svg(data) else None


def _is_svg(data: bytes) -> bool:
    try:
        text = data.decode("utf-8")
        # Entities are declared in a DOCTYPE alone (XML 1.0, section 4.2): without one there is
        # nothing that could be expanded, and no other file that could be asked for.
        if "<!doctype" in text.lower():
            return False
        root = ET.fromstring(text)  # noqa: S314 - as above
    except (UnicodeDecodeError, ET.ParseError):
        return False
    return root.tag == _SVG_ROOT


def icon_files(directory: Path) -> list[Path]:
    """List what may be pictures in *directory*, by name; none where it cannot be looked into."""
    try:
        found = visible_files(directory)
    except OSError:
        return []
    return [path for path in found if path.name.lower().endswith(ICON_SUFFIXES)]
