"""Issuing CAs that follow one another, for `pusterla ca`: the order of effects, written once.

The key -> its certificate -> what the edges believe -> the ledger, from which moment it issues ->
its first revocation list -> the server's certificate -> the running site takes it all up. Until the ledger says so nobody has a
certificate of the new one, and what the old one issued is believed at every step; so the site
serves whichever step a crash comes after, and the same command takes up where the last one ended.
"""

import secrets
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy.ext.asyncio import AsyncConnection

from ca import issuers
from ca.errors import IssuanceRefused
from ca.hierarchy import files_of, issuer_name, load_issuer, load_root
from ca.issue import der
from ca.issuers import KnownIssuer, Remaining, number_of
from ca.keys import Protection, load_certificates, protection_in, replace, write_new
from ca.kinds import KeyKind, PrivateKey, kind_of
from ca.ledger import IssuerState
from ca.requests import build_request, certify, fingerprint_of, refuse_unfit_issuing
from ca.serials import OCTETS, serial_from
from ca.succession import (
    believe,
    certify_server,
    is_written,
    issued_by,
    keep_certificate,
    prepare_key,
)
from gateway.bootstrap.asking import Asked, let_take_up
from gateway.bootstrap.command import Command, CommandRefused
from gateway.bootstrap.passphrases import refuse_other
from gateway.bootstrap.signing import open_authority
from gateway.core.audit import AuditEvent, AuditKind
from policies.values import suggest

PUBLIC_MODE = 0o644


@dataclass(frozen=True, slots=True)
class NewKey:
    """How the key of the next issuing CA is to be: made here, or *token*, where it is already."""

    kind: KeyKind = KeyKind.P256
    passphrase: bytes | None = field(default=None, repr=False)
    token: str | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """An issuing CA as `pusterla ca list` shows it; *protection* None where its key is away."""

    issuer: KnownIssuer
    certificate: x509.Certificate
    remaining: Remaining
    kind: KeyKind | None
    protection: Protection | None


@dataclass(frozen=True, slots=True)
class Requested:
    """A request for the root to sign, in *file*; *fingerprint* is its key's, to be compared."""

    name: str
    file: Path
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Installed:
    """An issuing CA that issues now; *before* is the one that did, None for the first."""

    name: str
    certificate: x509.Certificate
    before: str | None
    server: bool
    """Whether the server has a new certificate."""
    asked: Asked
    """What the running site made of it."""


async def list_issuers(command: Command) -> list[Listed]:
    """Return every issuing CA there was, the oldest first."""
    now = command.clock()
    async with command.store.read() as connection:
        known = await issuers.known_issuers(connection)
        left = [await issuers.remaining(connection, one.name, now) for one in known]
    found = []
    for one, remaining in zip(known, left, strict=True):
        certificate = x509.load_der_x509_certificate(one.der)
        kind = kind_of(certificate.public_key())
        protection = _protection(files_of(command.folder.ca, one.name).key)
        found.append(Listed(one, certificate, remaining, kind, protection))
    return found


async def request_issuer(command: Command, new: NewKey, out: Path) -> Requested:
    """Make the key of the next issuing CA and the request that its root is to sign.

    Asked again before there is a certificate, the same key is requested again.
    """
    name = await _next_name(command)
    key = _prepare(command, name, new)
    request = build_request(key, command.site.host, number_of(name))
    write_new(out, request.public_bytes(Encoding.PEM), PUBLIC_MODE)
    return Requested(name, out, fingerprint_of(key.public_key()))


async def install_issuer(command: Command, file: Path) -> Installed:
    """Let the issuing CA whose certificate is in *file* issue from now on.

    Raises `CommandRefused` or `IssuanceRefused`, with nothing changed, when it is not what this
    site has requested of its root.
    """
    offered = _offered(command, load_certificates(file))
    known = await _known(command)
    same = next((one for one in known if one.der == der(offered)), None)
    if same is not None and same.state is not IssuerState.ACTIVE:
        raise CommandRefused(f"{file}: {same.name} is {same.state} and does not issue again")
    if same is not None:
        name = same.name
    else:
        name = await _next_name(command)
        await _check(command, name, offered)
        keep_certificate(command.folder.ca, name, offered)
    return await _follow(command, name)


async def roll_over(command: Command, new: NewKey) -> Installed:
    """Make the next issuing CA and let it issue, on a site that has its root's key.

    A roll-over that was interrupted is brought to its end instead.
    """
    unfinished = await _unfinished(command)
    if unfinished is not None:
        command.say(f"{unfinished} was not complete yet: bringing it to its end")
        return await _end_roll_over(command, unfinished)
    name, folder = await _next_name(command), command.folder.ca
    if not is_written(files_of(folder, name).certificate):
        if not command.folder.root_key.exists():
            raise CommandRefused(
                f"the root's key is not here ({command.folder.root_key}), as it should be: "
                "pusterla ca request, sign that where the key is, and pusterla ca install"
            )
        # The root's key first: with a wrong passphrase nothing is made.
        root = load_root(folder, command.keys.load)
        key = _prepare(command, name, new)
        request = build_request(key, command.site.host, number_of(name))
        serial = serial_from(secrets.token_bytes(OCTETS))
        keep_certificate(folder, name, certify(root, request, serial, command.clock()))
    await _check(command, name, load_certificates(files_of(folder, name).certificate)[0])
    return await _end_roll_over(command, name)


async def _end_roll_over(command: Command, name: str) -> Installed:
    """Do what `_follow` does, and remember until the end that it is being done.

    For from the ledger alone the last steps cannot be told from a roll-over that is over.
    """
    mark = command.folder.roll_over_mark
    replace(mark, f"{name}\n".encode())
    done = await _follow(command, name)
    mark.unlink(missing_ok=True)
    return done


async def retire_issuer(command: Command, name: str) -> Asked:
    """Let the issuing CA *name* go: its list is signed no more, and edges believe it no more.

    Returns what the running site made of it.

    Raises `CommandRefused` for a name that there is not, and `LedgerError` when it still issues
    or one of its certificates has not ended.
    """
    known = {one.name: one for one in await _known(command)}
    if name not in known:
        hint = suggest(name, known) or f"; there is {', '.join(known)}"
        raise CommandRefused(f"no issuing CA {name!r}{hint}")
    (server, *_) = load_certificates(command.folder.server_certificate)
    if issued_by(server, [_certificate(known[name])]):
        raise CommandRefused(
            f"the server's certificate is from {name}: pusterla cert renew-server first, "
            "which has one made by the issuing CA that is active"
        )
    async with command.store.begin() as connection:
        await issuers.retire(connection, name, command.clock())
        await _tell(command, connection, AuditKind.ISSUER_RETIRED, name)
    await _believe(command)
    return await let_take_up(command.folder)


def _prepare(command: Command, name: str, new: NewKey) -> PrivateKey:
    if new.passphrase is not None:
        # The authority signs the lists of the old one too, and opens both by itself.
        path = files_of(command.folder.ca, name).key
        refuse_other(command.folder, command.site, command.source, path, new.passphrase)
    return prepare_key(
        command.folder.ca,
        name,
        kind=new.kind,
        passphrase=new.passphrase,
        token=new.token,
        load=command.keys.load,
    )


async def _follow(command: Command, name: str) -> Installed:
    """Take every step that is left for *name*, whose key and certificate are there."""
    folder, now = command.folder, command.clock()
    issuer = load_issuer(folder.ca, command.keys.load, name)
    await _believe(command, issuer.certificate)
    known = await _known(command)
    before = next((one.name for one in reversed(known) if one.name != name), None)
    if all(one.name != name for one in known):
        async with command.store.begin() as connection:
            await issuers.succeed(connection, name=name, der=der(issuer.certificate), now=now)
            await _tell(command, connection, AuditKind.ISSUER_ADDED, name)
    authority = open_authority(folder, command.site, command.store, command.by, command.keys, name)
    await authority.publish_if_due(now)
    ours = [_certificate(one) for one in known]
    server = certify_server(
        folder.edge, issuer, ours, command.site.host, entropy=secrets.token_bytes, now=now
    )
    return Installed(name, issuer.certificate, before, server, await let_take_up(folder))


async def _believe(command: Command, *more: x509.Certificate) -> None:
    """Write what the edges believe: every issuing CA that is not retired, and *more*."""
    (root, *_) = load_certificates(command.folder.root_certificate)
    found = [
        _certificate(one) for one in await _known(command) if one.state is not IssuerState.RETIRED
    ]
    believe(command.folder.edge, list(dict.fromkeys([*found, *more])), root)


async def _check(command: Command, name: str, certificate: x509.Certificate) -> None:
    """Raise unless *certificate* is what was requested for *name*."""
    folder = command.folder.ca
    key = files_of(folder, name).key
    if not key.exists():
        raise CommandRefused(
            f"this site has requested no certificate: there is no {key}; pusterla ca request first"
        )
    (root, *_) = load_certificates(command.folder.root_certificate)
    refuse_unfit_issuing(
        certificate,
        root=root,
        key=command.keys.load(key).public_key(),
        host=command.site.host,
        number=number_of(name),
        now=command.clock(),
    )


def _offered(command: Command, certificates: tuple[x509.Certificate, ...]) -> x509.Certificate:
    """Take the one certificate that is not the root's own, which may lie in the file too."""
    roots = load_certificates(command.folder.root_certificate)
    found = [one for one in certificates if one not in roots]
    if len(found) != 1:
        raise IssuanceRefused(
            [f"expected the certificate of one issuing CA, and found {len(found)}"]
        )
    return found[0]


async def _tell(command: Command, connection: AsyncConnection, kind: AuditKind, name: str) -> None:
    """Write to the audit log what becomes of the issuing CA *name*, in the same transaction."""
    detail = {"by": command.by, "issuer": name}
    await command.store.append(connection, AuditEvent(kind, command.clock(), detail=detail))


async def _unfinished(command: Command) -> str | None:
    """Return the issuing CA whose roll-over stopped half-way after it began to issue."""
    known = await _known(command)
    active = next((one for one in known if one.state is IssuerState.ACTIVE), None)
    if active is None:
        return None
    if _marked(command) == active.name:
        return active.name
    if await command.store.latest_crl(active.name) is None:
        return active.name
    if not command.folder.server_certificate.exists():
        return active.name
    (server, *_) = load_certificates(command.folder.server_certificate)
    others = [_certificate(one) for one in known if one is not active]
    return active.name if issued_by(server, others) else None


def _marked(command: Command) -> str | None:
    try:
        return command.folder.roll_over_mark.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None


async def _next_name(command: Command) -> str:
    known = await _known(command)
    return issuer_name(max((one.number for one in known), default=0) + 1)


async def _known(command: Command) -> list[KnownIssuer]:
    async with command.store.read() as connection:
        return await issuers.known_issuers(connection)


def _certificate(known: KnownIssuer) -> x509.Certificate:
    return x509.load_der_x509_certificate(known.der)


def _protection(key: Path) -> Protection | None:
    try:
        return protection_in(key.read_bytes())
    except OSError:
        return None
