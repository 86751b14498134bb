"""Patterns of paths, and the two ways in which they are looked at.

A pattern is a path in which `*` stands for anything within one segment; `/**` at its end
stands for that path itself and everything below it. Upper and lower case differ.

What lets in goes by the path as it is forwarded. What keeps out goes also by how a careless
application may read it: without regard to case, `//` as `/`, an encoded slash as a slash, a
segment without its `;parameters`. So `/ADMIN`, `//admin` and `/admin;x` do not get around a
rule that denies `/admin`.
"""

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, unquote

_BELOW: Final = "/**"
# What is in no need of encoding in a path (RFC 3986, section 3.3), the slash, and what is
# encoded already; the rest is written as the edge writes it.
_AS_IT_IS: Final = "/%!$&'()*+,;=:@~"
_ENCODED: Final = re.compile(r"%([0-9A-Fa-f]{2})")
_BAD_ENCODING: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_PARAMETERS: Final = re.compile(r";[^/]*")
_SLASHES: Final = re.compile(r"[/\\]+")
_LONGEST: Final = 1024


@dataclass(frozen=True, slots=True)
class PathPattern:
    """A pattern, in the form in which paths are forwarded."""

    text: str
    _strictly: re.Pattern[str] = field(init=False, compare=False, repr=False)
    _loosely: re.Pattern[str] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Compile both ways of looking."""
        object.__setattr__(self, "_strictly", _compiled(self.text))
        object.__setattr__(self, "_loosely", _compiled(loosened(self.text)))

    def __str__(self) -> str:
        """As rules write it."""
        return self.text

    @property
    def is_open_ended(self) -> bool:
        """Whether what it means has no one path above it: where a segment may be anything."""
        return "*" in self.text.removesuffix(_BELOW)

    @property
    def example(self) -> str:
        """Return a path that is meant: the uppermost, where there is one."""
        return self.text.removesuffix(_BELOW).replace("*", "x") or "/"

    def matches(self, path: str) -> bool:
        """Say whether *path*, in its normal form, is meant."""
        return self._strictly.fullmatch(path) is not None

    def covers(self, other: "PathPattern") -> bool:
        """Say whether whatever *other* means is meant; False also where that is hard to tell."""
        if self == other:
            return True
        stem = self.text.removesuffix(_BELOW)
        if stem == self.text or "*" in stem:
            return False
        return f"{other.text}/".startswith(f"{stem}/")

    def may_match(self, path: str) -> bool:
        """Say whether somebody may read *path* as one that is meant."""
        return self.matches(path) or self._loosely.fullmatch(loosened(path)) is not None


def parse_path_pattern(text: str) -> PathPattern:
    """Read a pattern, or raise `ValueError` with a message for people."""
    if not text.startswith("/"):
        raise ValueError(f"{text!r} is not a path: it begins with '/', as in '/admin/**'")
    if len(text) > _LONGEST:
        raise ValueError(f"a path has at most {_LONGEST} characters here")
    if not text.isprintable() or "\\" in text or " " in text:
        raise ValueError(f"{text!r} holds what no path does; write %20 for a blank")
    if "?" in text or "#" in text:
        raise ValueError(f"{text!r} holds '?' or '#': only the path is looked at, without a query")
    if "**" in text.removesuffix(_BELOW):
        raise ValueError(f"{text!r}: '**' stands at the end alone, behind a '/', as in '/admin/**'")
    if any(each.count("*") > 1 for each in text.removesuffix(_BELOW).split("/")):
        # More of them would make looking at a long path slow.
        raise ValueError(f"{text!r}: one '*' a segment is enough")
    if _BAD_ENCODING.search(text):
        raise ValueError(f"{text!r}: behind '%' two hexadecimal digits are wanted")
    if {".", ".."} & {*text.split("/")}:
        raise ValueError(f"{text!r}: '.' and '..' are resolved before a path is looked at")
    return PathPattern(_ENCODED.sub(_respelt, quote(text, safe=_AS_IT_IS)))


def loosened(path: str) -> str:
    """Return *path* as the most careless reader would have it; the same for all that look alike."""
    for _ in range(3):
        decoded = unquote(path, errors="replace")
        if decoded == path:
            break
        path = decoded
    return _SLASHES.sub("/", _PARAMETERS.sub("", path)).lower()


def _respelt(match: re.Match[str]) -> str:
    character = chr(int(match[1], 16))
    return character if character in _UNRESERVED else match[0].upper()


def _compiled(text: str) -> re.Pattern[str]:
    stem = text.removesuffix(_BELOW)
    pattern = "[^/]*".join(map(re.escape, stem.split("*")))
    return re.compile(pattern + (r"(?:/.*)?" if stem != text else ""), re.DOTALL)
