"""Adding and taking away CAs that are not ours, for `pusterla ca trust`."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from ca.foreign.authorities import (
    LARGEST_FILE,
    RefusedFile,
    authorities_pem,
    dates_in_words,
    issuing_of,
    read_authorities,
)
from ca.keys import replace, sync_folder
from ca.serials import parse_serial
from gateway.bootstrap.asking import Asked, let_take_up
from gateway.bootstrap.command import Command, CommandRefused
from gateway.bootstrap.folder import SiteFolder
from gateway.bootstrap.trust_files import FILE_MODE, changing_trusts, make_directory
from gateway.bootstrap.trusted import own_authorities, trusts_of
from gateway.config import Problems
from gateway.config.trust_template import trust_text
from gateway.config.trusts import check_trust_name, parse_trust, trust_names
from gateway.core.audit import AuditKind
from gateway.core.foreign import Presented
from gateway.core.trusts import IdentityMap, PastEnd, Trust
from policies.values import suggest

_UNFIT = re.compile(r"[^a-z0-9]+")
_LONGEST_NAME = 63
_PEOPLE = re.compile(r"^\[people\][ \t]*(?:#.*)?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class NewTrust:
    """What the command was told of a CA; *name* None: as its certificate is called."""

    file: Path
    identity: IdentityMap
    name: str | None = None
    crl_urls: tuple[str, ...] = ()
    crl_file: Path | None = None
    ocsp: bool = False
    past_end: PastEnd = PastEnd.REFUSE
    grace: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Authority:
    """A CA of a trust, for people to compare; *fingerprint* is SHA-256 in hexadecimal."""

    subject: str
    not_before: datetime
    not_after: datetime
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Changed:
    """What came of a change; *warnings* are for whoever made it."""

    trust: Trust
    asked: Asked
    warnings: tuple[str, ...] = ()


def known_trusts(command: Command) -> dict[str, Trust]:
    """Return the trusts of the site by name, or raise `CommandRefused` with every problem."""
    found = trusts_of(command.folder)
    if isinstance(found, Problems):
        raise CommandRefused(f"{found}\ncorrect this first, or take the files away")
    return dict(found)


def authorities_of(trust: Trust) -> list[Authority]:
    """Return the CAs of *trust*, in the order of their file."""
    found = map(x509.load_der_x509_certificate, trust.certificates)
    return [
        Authority(
            subject=one.subject.rfc4514_string(),
            not_before=one.not_valid_before_utc,
            not_after=one.not_valid_after_utc,
            fingerprint=one.fingerprint(SHA256()).hex(),
        )
        for one in found
    ]


def known_trust(command: Command, name: str) -> Trust:
    """Return the trust *name*, or raise `CommandRefused`."""
    known = known_trusts(command)
    if name not in known:
        raise CommandRefused(_no_trust(name, list(known)))
    return known[name]


async def shown_certificates(
    command: Command, name: str | None
) -> tuple[datetime, list[Presented]]:
    """Return the certificates of the trust *name*, or of all, and when we looked.

    Those of a trust that was taken away are there too; a name that none has or had is refused.
    """
    found = await command.store.presented(trust=name)
    if name is not None and not found:
        known_trust(command, name)
    return command.clock(), found


async def add_trust(command: Command, new: NewTrust) -> Changed:
    """Believe the CAs in a file; raise `CommandRefused` when that would be wrong.

    Nothing is written unless all of it fits; the settings, which make it a trust, come last and
    after the audit log. Then a running site takes it up.
    """
    certificates = _read(new.file)
    async with changing_trusts(command.folder):
        found = await _write_new(command, new, certificates)
    warnings = (*dates_in_words(certificates, command.clock()), *_warnings(found))
    return Changed(found, await let_take_up(command.folder), warnings)


async def _write_new(command: Command, new: NewTrust, certificates: tuple[bytes, ...]) -> Trust:
    known = known_trusts(command)
    name = new.name or _name_for(certificates, known)
    _refuse_bad_name(name)
    settings = command.folder.trust_settings(name)
    if settings.exists():
        raise CommandRefused(f"there is a trust {name!r} already: edit {settings}, or remove it")
    text = trust_text(
        new.identity, new.crl_urls, _absolute(new.crl_file), new.ocsp, new.past_end, new.grace
    )
    own = own_authorities(command.folder)
    found = parse_trust(name, text, certificates, command.folder.path, own, known)
    if isinstance(found, Problems):
        raise CommandRefused("\n".join(problem.message for problem in found.problems))
    make_directory(command.folder.trust)
    replace(command.folder.trust_certificates(name), authorities_pem(certificates), FILE_MODE)
    detail = {"trust": name, "map": found.identity.value, "cas": _labels(certificates)}
    await command.record(AuditKind.TRUST_ADDED, detail=detail)
    replace(settings, text.encode(), FILE_MODE)
    return found


async def remove_trust(command: Command, name: str) -> Asked:
    """Believe the CAs of the trust *name* no more, also where its files have problems.

    Raises `CommandRefused` when there is none.
    """
    async with changing_trusts(command.folder):
        refuse_unknown(command.folder, name)
        await command.record(AuditKind.TRUST_REMOVED, detail={"trust": name})
        command.folder.trust_settings(name).unlink()
        sync_folder(command.folder.trust)
        command.folder.trust_certificates(name).unlink(missing_ok=True)
    return await let_take_up(command.folder)


def refuse_unknown(folder: SiteFolder, name: str) -> None:
    """Raise `CommandRefused` unless there is a trust *name*, whatever its files say."""
    try:
        known = trust_names(folder.trust)
    except OSError as error:
        raise CommandRefused(f"{folder.trust} cannot be read: {error.strerror}") from error
    if name not in known:
        raise CommandRefused(_no_trust(name, known))


async def assign(command: Command, name: str, serial: str, user: str) -> Changed:
    """Give the certificate *serial* of the trust *name* to the person *user*."""
    async with changing_trusts(command.folder):
        found, before = await _assign(command, name, serial, user)
    warnings = () if before in {None, user} else (f"it was {before}'s until now",)
    return Changed(found, await let_take_up(command.folder), warnings)


async def _assign(command: Command, name: str, serial: str, user: str) -> tuple[Trust, str | None]:
    """Write down whose *serial* is; return the trust, and whose it was before."""
    trust = known_trust(command, name)
    if trust.identity is not IdentityMap.SERIAL:
        raise CommandRefused(
            f"the trust {name} knows people by {trust.identity.value}: serial numbers are given to"
            ' people where the trust has map = "serial"'
        )
    number = parse_serial(serial)
    if number is None:
        raise CommandRefused(f"{serial!r} is no serial number in hexadecimal, as in 4a:0f")
    await command.person(user)
    path = command.folder.trust_settings(name)
    people = {**trust.people, number: user}
    text = _with_person(path.read_text(encoding="utf-8"), number, user)
    own = own_authorities(command.folder)
    found = parse_trust(name, text, trust.certificates, command.folder.path, own, {})
    if isinstance(found, Problems) or found.people != people:
        raise CommandRefused(
            f'{path} is written otherwise than expected: add "{number}" = "{user}"'
            " below [people] yourself, then pusterla reload"
        )
    detail = {"trust": name, "serial": number}
    await command.record(AuditKind.TRUST_ASSIGNED, user=user, detail=detail)
    replace(path, text.encode(), FILE_MODE)
    return found, trust.people.get(number)


def _no_trust(name: str, known: list[str]) -> str:
    return f"no trust {name!r}" + (
        suggest(name, known) or "; `pusterla ca trust list` names them all"
    )


def _read(file: Path) -> tuple[bytes, ...]:
    try:
        with file.open("rb") as opened:
            data = opened.read(LARGEST_FILE + 1)
    except OSError as error:
        raise CommandRefused(f"{file} cannot be read: {error.strerror}") from error
    found = read_authorities(data)
    if isinstance(found, RefusedFile):
        raise CommandRefused("\n".join(f"{file} {reason}" for reason in found.reasons))
    return found


def _name_for(certificates: tuple[bytes, ...], known: dict[str, Trust]) -> str:
    """Call a trust as its issuing CA is called, as far as letters go."""
    subject = x509.load_der_x509_certificate(issuing_of(certificates)).subject
    common = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    text = str(common[0].value) if common else ""
    name = _UNFIT.sub("-", text.lower())[:_LONGEST_NAME].strip("-")
    try:
        check_trust_name(name)
    except ValueError:
        raise CommandRefused("say with --name how this trust is to be called") from None
    if name in known:
        raise CommandRefused(f"there is a trust {name!r} already: choose another name with --name")
    return name


def _refuse_bad_name(name: str) -> None:
    try:
        check_trust_name(name)
    except ValueError as error:
        raise CommandRefused(str(error)) from error


def _absolute(path: Path | None) -> Path | None:
    return None if path is None else Path.cwd() / path


def _labels(certificates: tuple[bytes, ...]) -> str:
    found = map(x509.load_der_x509_certificate, certificates)
    return "; ".join(one.subject.rfc4514_string() for one in found)


def _warnings(trust: Trust) -> Iterator[str]:
    if trust.crl_file is not None and not Path(trust.crl_file).exists():
        yield f"there is no {trust.crl_file} yet: until there is, nobody gets in by this trust"
    if trust.past_end is PastEnd.GO_ON:
        yield (
            "past the end of the last list this trust goes on for a while: somebody who was revoked"
            " meanwhile then gets in"
        )
    if trust.identity is IdentityMap.SERIAL:
        yield (
            "nobody has a certificate yet: pusterla ca trust assign"
            f" {trust.name} SERIAL --user USER"
        )


def _with_person(text: str, serial: str, user: str) -> str:
    """Return *text*, the settings of a trust, with *serial* given to *user*.

    What else stands in it stays. Whether it says the right thing is for the caller to see.
    """
    line = f'"{serial}" = "{user}"'
    given = tomllib.loads(text).get("people", {})
    for key in given if isinstance(given, dict) else ():
        if parse_serial(key) == serial:
            before = re.compile(rf'^[ \t]*["\']?{re.escape(key)}["\']?[ \t]*=.*$', re.MULTILINE)
            return before.sub(line, text)
    body = text if text.endswith("\n") else f"{text}\n"
    return body + ("" if _PEOPLE.search(body) else "\n[people]\n") + f"{line}\n"
