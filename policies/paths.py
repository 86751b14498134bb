"""Patterns of paths, and the two ways in which they are looked at.

A pattern is a path in which `*` stands for anything within one segment; `/**` at its end
stands for that path itself and everything below it. Upper and lower case differ.

What lets in goes by the path as it is forwarded. What keeps out goes also by how a careless
application may read it: without regard to case, `//` as `/`, an encoded slash as a slash, a
segment without its `;parameters`, decoded up to three times more, without the slash at its end.
So `/ADMIN`, `//admin`, `/admin;x` and `/admin/` do not get around a rule that denies `/admin`;
nor does `/x/%252e%252e/admin`, for a path that climbs when it is decoded again may lead to any.
"""

import re
from dataclasses import dataclass, field
from functools import lru_cache
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
_DOTS: Final = frozenset({".", ".."})
_CLIMBS: Final = re.compile(r"[/\\]\.\.?(?:[/\\;]|\Z)")
# What a path has in it of which there is more than one reading, but for its case.
_AMBIGUOUS: Final = re.compile(r"[%;\\]|//|/\.")
_DECODINGS: Final = 3
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
        object.__setattr__(self, "_loosely", _loosely_compiled(self.text))

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
        if self.matches(path):
            return True
        found = readings(path)
        return found is None or any(map(self._loosely.fullmatch, found))


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
    spelt = _ENCODED.sub(_respelt, quote(text, safe=_AS_IT_IS))
    if not _DOTS.isdisjoint(spelt.split("/")):
        raise ValueError(f"{text!r}: '.' and '..' are resolved before a path is looked at")
    return PathPattern(spelt)


@lru_cache(maxsize=32)  # each pattern of each rule asks for those of the same path
def readings(path: str) -> frozenset[str] | None:
    """Return what careless readers may take *path* for, each as the most careless has it.

    One decodes once more, another three times; one drops parameters before, another behind that.
    None where dots come to light on the way: such a path leads anywhere, and has no honest use.
    """
    if _AMBIGUOUS.search(path) is None:
        return frozenset({path.lower()})
    found: set[str] = set()
    newest = {path}
    for _ in range(_DECODINGS + 1):
        newest |= {each.replace("\\", "/") for each in newest}
        newest |= {_PARAMETERS.sub("", each) for each in newest}
        if any(map(_CLIMBS.search, newest)):
            return None
        if newest <= found:
            break
        found |= newest
        newest = {unquote(each, errors="replace") for each in newest}
    return frozenset(_SLASHES.sub("/", each).lower() for each in found)


def _respelt(match: re.Match[str]) -> str:
    character = chr(int(match[1], 16))
    return character if character in _UNRESERVED else match[0].upper()


def _loosely_compiled(text: str) -> re.Pattern[str]:
    for _ in range(_DECODINGS):
        text = unquote(text, errors="replace")
    text = _SLASHES.sub("/", _PARAMETERS.sub("", text)).lower()
    return re.compile(_expression(text.rstrip("/")) + "/?", re.DOTALL)


def _compiled(text: str) -> re.Pattern[str]:
    return re.compile(_expression(text), re.DOTALL)


def _expression(text: str) -> str:
    stem = text.removesuffix(_BELOW)
    pattern = "[^/]*".join(map(re.escape, stem.split("*")))
    return pattern + (r"(?:/.*)?" if stem != text else "")
