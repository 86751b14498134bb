"""trust/NAME.toml and trust/NAME.pem → `Trust`. Every key is explained in docs/trust.md."""

import re
from collections.abc import Collection, Mapping
from datetime import timedelta
from pathlib import Path, PurePath
from typing import Final
from urllib.parse import urlsplit

from ca.foreign.authorities import (
    RefusedFile,
    is_named_by,
    read_authorities,
    same_authority,
    same_name,
)
from ca.foreign.paths import is_signed
from ca.serials import parse_serial
from gateway.config.documents import read_document, visible_files
from gateway.config.files import Problems
from gateway.core.trusts import IdentityMap, PastEnd, Trust
from policies.model import check_name
from policies.reading import Problem, Section, parse_toml

TRUST_DIRECTORY: Final = "trust"
SETTINGS_SUFFIX: Final = ".toml"
CERTIFICATES_SUFFIX: Final = ".pem"
LONGEST_GRACE: Final = timedelta(days=30)

_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_OURS: Final = re.compile(r"root|issuing(?:-[0-9]+)?|own|pusterla")
_LONGEST_ADDRESS: Final = 2048


def read_trusts(directory: Path, own: Collection[bytes] = ()) -> dict[str, Trust] | Problems:
    """Read every NAME.toml in *directory*, with the NAME.pem beside it; no directory, no trusts.

    *own* are the certificates (DER) of the site's own CAs, which cannot be a trust as well, nor
    can the CA above one of them: who asks the store is told of the issuing ones alone, and not of
    the root. That a CA has expired is no problem here, since nobody gets in with it anyway: a site
    must not fail to start for it.
    """
    problems: list[Problem] = []
    try:
        names = trust_names(directory)
    except OSError as error:
        return Problems((Problem(directory.name, f"cannot be read: {error.strerror}"),))
    found: dict[str, Trust] = {}
    for name in names:
        place = f"{directory.name}/{name}{SETTINGS_SUFFIX}"
        document = read_document(directory / (name + SETTINGS_SUFFIX), place, problems)
        certificates = _read_certificates(directory, name, problems)
        if document is None:
            continue
        trust = read_trust(name, document, certificates, directory.parent)
        if trust is not None:
            _refuse_same(trust, found, own, directory.name, problems)
            found[name] = trust
    return Problems(tuple(problems)) if problems else found


def parse_trust(
    name: str,
    text: str,
    certificates: tuple[bytes, ...],
    folder: Path,
    own: Collection[bytes],
    others: Mapping[str, Trust],
) -> Trust | Problems:
    """Read *text* as if it were the file of the trust *name* of the site in *folder*."""
    problems: list[Problem] = []
    place = f"{TRUST_DIRECTORY}/{name}{SETTINGS_SUFFIX}"
    data = parse_toml(text, place, problems)
    trust = read_trust(name, Section(data or {}, place, problems), certificates, folder)
    if trust is not None:
        _refuse_same(trust, others, own, TRUST_DIRECTORY, problems)
    return Problems(tuple(problems)) if problems or trust is None else trust


def read_trust(
    name: str, document: Section, certificates: tuple[bytes, ...] | None, folder: Path
) -> Trust | None:
    """Make the trust *name* of *document*; None after a problem, which is recorded there.

    *certificates* are those of its file, None after a problem with that. A relative path of a
    list is one from *folder* on.
    """
    try:
        check_trust_name(name)
    except ValueError as error:
        document.report(None, f"{error}; rename both files")
        return None
    identity = document.choice("map", IdentityMap)
    urls = document.texts("crl_urls", default=(), check=check_address)
    file = document.text("crl_file", default=None, check=_check_file)
    ocsp = document.boolean("ocsp", default=False)
    past_end = document.choice("past_end", PastEnd, default=PastEnd.REFUSE)
    grace = document.duration("grace", default=None, maximum=LONGEST_GRACE)
    if urls and file is not None:
        document.report("crl_file", "give either crl_urls or crl_file")
    if past_end is PastEnd.GO_ON and "grace" not in document:
        document.report("grace", 'missing: say how long past_end = "go-on" goes on, as in "12h"')
    if past_end is PastEnd.REFUSE and "grace" in document:
        document.report("grace", 'only with past_end = "go-on"')
    people = _read_people(document, identity)
    document.finish()
    # After any other problem what is returned is not used: whoever calls looks at those.
    if identity is None or people is None or certificates is None:
        return None
    return Trust(
        name=name,
        certificates=certificates,
        identity=identity,
        crl_urls=urls,
        crl_file=None if file is None else PurePath(folder / file),
        ocsp=ocsp,
        past_end=past_end,
        grace=grace or timedelta(0),
        people=people,
    )


def trust_names(directory: Path) -> list[str]:
    """Return what the trusts in *directory* are called; raise `OSError` if that fails.

    None of the files is read; without the directory there are none.
    """
    try:
        found = visible_files(directory, SETTINGS_SUFFIX)
    except FileNotFoundError:
        return []
    return [path.name.removesuffix(SETTINGS_SUFFIX) for path in found]


def check_trust_name(text: str) -> str:
    """Return *text* if a trust can be called so, or raise `ValueError`."""
    if not _NAME.fullmatch(text):
        message = (
            f"{text!r} cannot be the name of a trust: use 1 to 63 of a-z, 0-9 and '-', "
            "with a letter or a digit at both ends"
        )
        raise ValueError(message)
    if _OURS.fullmatch(text):
        raise ValueError(f"{text!r} cannot be the name of a trust: a CA of ours is called so")
    return text


def check_address(text: str) -> str:
    """Return *text* if a list can be fetched from there, or raise `ValueError`."""
    example = "write one such as http://crl.example.org/issuing.crl"
    if text.lower().startswith("ldap"):
        message = (
            f"{text!r}: lists are not fetched by LDAP; most CAs publish them by http too, or else"
            " have them copied to a file and give crl_file"
        )
        raise ValueError(message)
    try:
        parts = urlsplit(text)
        fits = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fits = False
    if not fits or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError(f"{text!r} is not an address of http or https; {example}")
    if "@" in parts.netloc or "#" in text or len(text) > _LONGEST_ADDRESS:
        raise ValueError(f"{text!r} names a person, or a part of a page, or is too long; {example}")
    return text


def _check_file(text: str) -> None:
    if "\0" in text:
        raise ValueError("a path without NUL is expected")


def _read_people(document: Section, identity: IdentityMap | None) -> Mapping[str, str] | None:
    """Read who has which serial number; None after a problem."""
    if "people" not in document:
        document.raw("people")
        return {}
    if identity is not None and identity is not IdentityMap.SERIAL:
        document.report("people", 'only with map = "serial"')
        return None
    given = document.raw("people")
    if not isinstance(given, dict):
        document.report("people", 'expected a table of serial numbers, as in "4a0f" = "anna"')
        return None
    found: dict[str, str] = {}
    faults = 0
    for key, user in given.items():
        serial = parse_serial(key)
        fault = _person_fault(serial, user, found)
        if fault is not None or serial is None:
            document.report("people", f"{key!r}: {fault}")
            faults += 1
            continue
        found[serial] = user
    return None if faults else found


def _person_fault(serial: str | None, user: object, found: Mapping[str, str]) -> str | None:
    if serial is None:
        return "this is no serial number in hexadecimal"
    if serial in found:
        return f"{serial} is given to somebody above"
    if not isinstance(user, str):
        return "expected the name of a user"
    try:
        check_name(user)
    except ValueError as error:
        return str(error)
    return None


def _read_certificates(
    directory: Path, name: str, problems: list[Problem]
) -> tuple[bytes, ...] | None:
    place = f"{directory.name}/{name}{CERTIFICATES_SUFFIX}"
    try:
        found = read_authorities((directory / (name + CERTIFICATES_SUFFIX)).read_bytes())
    except OSError as error:
        problems.append(Problem(place, f"cannot be read: {error.strerror}"))
        return None
    if isinstance(found, RefusedFile):
        problems.extend(Problem(place, reason) for reason in found.reasons)
        return None
    return found


def _refuse_same(
    trust: Trust,
    others: Mapping[str, Trust],
    own: Collection[bytes],
    folder: str,
    problems: list[Problem],
) -> None:
    """Record that a CA of *trust* is one of ours, or in another trust too."""
    place = f"{folder}/{trust.name}{CERTIFICATES_SUFFIX}"
    pairs = [(one, ours) for one in trust.certificates for ours in own]
    if any(same_authority(one, ours) or is_signed(ours, one) for one, ours in pairs):
        problems.append(Problem(place, "holds a CA of this site itself, which is believed anyway"))
    elif any(same_name(one, ours) or is_named_by(one, ours) for one, ours in pairs):
        # Who issued a certificate is first told by the name, and it would be looked up as ours.
        problems.append(Problem(place, "holds a CA with the name of a CA of this site"))
    for other in others.values():
        if any(same_authority(o, t) for o in other.certificates for t in trust.certificates):
            message = f"holds a CA that is in trust/{other.name}{CERTIFICATES_SUFFIX} too"
            problems.append(Problem(place, message))
