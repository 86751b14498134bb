"""What a kit consists of: every file with its SHA-256, but for what changes when it is used.

The manifest lies on the stick, so whoever changes a file can change it too. What the site keeps is
the manifest's own SHA-256.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from gateway.kit.choices import FILE as CHOICES
from gateway.kit.names import as_found, same_but_for_case
from gateway.kit.preferences import BOOKMARKS, USER
from gateway.kit.store import CERTIFICATES, KEYS

FILE: Final = "manifest.json"
PROFILE: Final = "profile"
VERSION: Final = 1
LARGEST: Final = 16 * 1024 * 1024

FIXED: Final = (f"{PROFILE}/{USER}", f"{PROFILE}/{BOOKMARKS}")
"""Files of the profile that no browser changes."""

NEEDED: Final = tuple(f"{PROFILE}/{name}" for name in (CERTIFICATES, KEYS, CHOICES))
"""Files of the profile that must be there, and that the browser may change."""

_KEPT: Final = (FILE, *NEEDED)

# What of a profile would be code of others, whether a folder or a link to one.
_FOREIGN = frozenset({"extensions", "chrome"})
# What systems leave on every stick.
_DROPPINGS = frozenset({".ds_store", "thumbs.db", "desktop.ini"})
_DROPPED_FOLDERS = frozenset(
    {
        *("system volume information", "$recycle.bin", "lost+found"),
        *(".spotlight-v100", ".fseventsd", ".trashes", ".trash-1000"),
    }
)


class ManifestUnreadable(Exception):
    """This is no manifest of a kit; the message says what is wrong."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a kit was when it was built: whose, for which site, and its *files* with checksums.

    *hosts* are those to which the certificate goes without a question. *browser* is the program,
    relative to the kit, that is bundled; None if none is.
    """

    site: str
    user: str
    device: str
    serial: str
    fingerprint: str
    not_after: datetime
    built: datetime
    hosts: tuple[str, ...]
    browser: str | None
    files: Mapping[str, str] = field(repr=False)

    def text(self) -> bytes:
        """Return the file: the same for the same kit."""
        document = {
            "kit": VERSION,
            "site": self.site,
            "user": self.user,
            "device": self.device,
            "serial": self.serial,
            "fingerprint": self.fingerprint,
            "not_after": _moment(self.not_after),
            "built": _moment(self.built),
            "hosts": list(self.hosts),
            "browser": self.browser,
            "files": dict(sorted(self.files.items())),
        }
        return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()


@dataclass(frozen=True, slots=True)
class Differences:
    """How a folder differs from its manifest; names are relative, with slashes."""

    missing: tuple[str, ...]
    altered: tuple[str, ...]
    extra: tuple[str, ...]

    def __bool__(self) -> bool:
        """Say whether there is any."""
        return bool(self.missing or self.altered or self.extra)


def compare(manifest: Manifest, found: Mapping[str, str | None]) -> Differences:
    """Compare with what was *found*: names with their SHA-256, None for what is no plain file.

    A file whose name differs in case only is the same, as it is on a stick; of two such in one
    folder, which a stick would take for one, the one that is spelt otherwise was put there.
    """
    there: dict[str, str] = {}
    for name in found:
        key = as_found(name)
        if key not in there or name in manifest.files or name in _KEPT:
            there[key] = name
    known = {as_found(name): name for name in (*manifest.files, *_KEPT)}
    digests = {name: found[there[key]] for key, name in known.items() if key in there}
    missing = [name for name in (*manifest.files, *NEEDED) if name not in digests]
    altered = [
        name for name, digest in manifest.files.items() if digests.get(name, digest) != digest
    ]
    altered += [name for name in NEEDED if digests.get(name, "") is None]
    extra = [
        name
        for name in found
        if (there[as_found(name)] != name if as_found(name) in known else _is_extra(name))
    ]
    return Differences(tuple(missing), tuple(sorted(altered)), tuple(sorted(extra)))


def needs_digest(name: str) -> bool:
    """Say whether the contents of the file *name* matter: what the browser writes does not."""
    name = as_found(name)
    return not name.startswith(f"{PROFILE}/") or name in map(as_found, FIXED)


def _is_extra(name: str) -> bool:
    top, slash, rest = as_found(name).partition("/")
    if slash and top == PROFILE:
        return rest.partition("/")[0] in _FOREIGN
    if slash and top in _DROPPED_FOLDERS:
        return False
    last = (rest or top).rpartition("/")[2]
    return last not in _DROPPINGS and not last.startswith("._")


_DAMAGED = (ValueError, TypeError, KeyError, AttributeError, RecursionError)
_LONGEST = 4096
# A moment near either end of time has no date in some zones.
_YEARS = range(1970, 9999)


def read_manifest(data: bytes) -> Manifest:
    """Read what `Manifest.text` wrote, or raise `ManifestUnreadable`."""
    try:
        document = json.loads(data)
        if not isinstance(document, dict) or document.get("kit") != VERSION:
            raise ManifestUnreadable(f"it is no manifest of a kit of version {VERSION}")
        files = {_text(name): _text(digest) for name, digest in document["files"].items()}
        if twins := same_but_for_case(files):
            raise ManifestUnreadable(f"{twins[0]!a} and {twins[1]!a} are one file on a stick")
        return Manifest(
            **{name: _text(document[name]) for name in ("site", "user", "device", "serial")},
            fingerprint=_text(document["fingerprint"]),
            not_after=_read_moment(document["not_after"]),
            built=_read_moment(document["built"]),
            hosts=tuple(_text(host) for host in document["hosts"]),
            browser=None if document["browser"] is None else _text(document["browser"]),
            files=files,
        )
    except _DAMAGED as error:
        raise ManifestUnreadable("it is damaged, or was not written by Pusterla") from error


def _text(value: Any) -> str:
    """Return *value*, a text that can be written; a lone surrogate is `ValueError`."""
    if not isinstance(value, str):
        raise TypeError
    if len(value.encode()) > _LONGEST:
        raise ValueError
    return value


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _read_moment(value: Any) -> datetime:
    moment = datetime.fromisoformat(_text(value))
    if moment.tzinfo is None or moment.year not in _YEARS:
        raise ValueError
    return moment.astimezone(UTC)
