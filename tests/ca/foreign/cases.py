"""Paths of which we and openssl say the same, or a reason why not."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from ca.foreign.paths import InvalidPath, PathFault, ValidPath, validate
from tests.ca.foreign.chains import NOW, Made, make_authority, make_person, make_root, openssl_says

Changes = dict[str, Any]
ROOT_KEY = ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True)
class Case:
    """A path from the anchor down to the person, and what is to be said of it."""

    made: Callable[[], Sequence[Made]]
    fault: PathFault | None = None
    differs: str = ""
    """Why openssl, which takes it, may: where it is more lenient than we are."""
    anchors: int = 1
    lenient: str = ""
    """Why we take what `-x509_strict` does not: profiles, and not paths, are what it minds."""


def chain(
    *,
    root: Changes | None = None,
    issuing: Changes | None = None,
    person: Changes | None = None,
) -> Callable[[], Sequence[Made]]:
    """Make root, issuing CA and person, with changes to each."""

    def made() -> Sequence[Made]:
        anchor = make_root(**{"key": ROOT_KEY, **(root or {})})
        middle = make_authority(anchor, **(issuing or {}))
        return anchor, middle, make_person(middle, **(person or {}))

    return made


def more(*extensions: x509.ExtensionType, critical: bool = False) -> Changes:
    """Change or add extensions."""
    return {"more": dict.fromkeys(extensions, critical)}


def verdict(made: Sequence[Made]) -> ValidPath | InvalidPath:
    """Judge the last by the others."""
    *authorities, person = made
    return validate(person.der, [one.der for one in authorities], NOW)


def agree(case: Case, folder: Path) -> None:
    """See that the verdict is the expected one, and openssl's."""
    made = case.made()
    found = verdict(made)
    *authorities, person = made
    assert (found.reason if isinstance(found, InvalidPath) else None) is case.fault, found
    said = openssl_says(folder, person.der, authorities, case.anchors)
    if case.lenient:
        assert said != "", "openssl takes it too: take the difference off"
        said = openssl_says(folder, person.der, authorities, case.anchors, strict=False)
    taken = case.fault is None or bool(case.differs)
    assert (said == "") is taken, said
