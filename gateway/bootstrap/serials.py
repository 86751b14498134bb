"""Which certificate somebody means by a serial: one of ours, or one that another CA has issued.

Our own serials are random. Other CAs number as they like, and many begin with 1, so two of them
may well have given the same: then nothing is guessed.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypedDict

from ca.ledger import CertificateRecord
from ca.serials import parse_serial
from gateway.bootstrap.command import Command, CommandRefused
from gateway.core.foreign import ForeignState, Presented
from gateway.core.people import Fingerprint, Holder

_FINGERPRINT_DIGITS = 64


@dataclass(frozen=True, slots=True)
class Meant:
    """A certificate of ours, or one of another CA; neither where there is none.

    *foreign* is one certificate, however often it was shown: of a signature by ECDSA anybody can
    make a second one that is as good, and that has another fingerprint.
    """

    ours: CertificateRecord | None
    foreign: tuple[Presented, ...] = ()


async def meant_by(command: Command, serial: str, trust: str | None) -> Meant:
    """Return what *serial* means: by the trust, or by our issuing CA, called *trust* if one is.

    The fingerprint of a certificate of another CA may stand in place of its serial. Raises
    `CommandRefused` where it means several, and names them; or none by *trust*.
    """
    plain = parse_serial(serial)
    if plain is None:
        return Meant(None, await _by_fingerprint(command, serial, trust))
    ours = await command.store.certificate(plain)
    rows = await command.store.presented(serial=plain)
    if trust is not None:
        everything = _named(ours, _numbers(rows))
        ours = ours if ours is not None and ours.issuer == trust else None
        rows = [one for one in rows if one.verdict.trust == trust]
        if everything and ours is None and not rows:
            raise CommandRefused(f"{trust} has not given the serial {plain}; it is {everything}")
    accepted = [one for one in rows if one.verdict.state is ForeignState.ACCEPTED]
    # What was refused opens nothing, and whoever shows it is not to stand between us and what does.
    numbers = _numbers(accepted or ([] if ours else rows))
    if len(numbers) + (ours is not None) > 1:
        raise CommandRefused(
            f"the serial {plain} is that of several certificates, so nothing was done:"
            f" {_named(ours, numbers)}; say with --trust NAME whose is meant, or name one of"
            " another CA by its fingerprint in place of the serial"
        )
    return Meant(ours, next(iter(numbers.values()), ()))


def holders_meant(holders: Iterable[Holder], user: str, serial: str) -> list[Holder]:
    """Return the one of *holders*, all *user*'s, that *serial* or a fingerprint in its place means.

    However often it was shown. Raises `CommandRefused` where it means none, or several.
    """
    plain, fingerprint = parse_serial(serial), _read_fingerprint(serial)
    found = [one for one in holders if plain == one.serial or fingerprint == one.fingerprint]
    if not found:
        raise CommandRefused(
            f"{user} has no certificate {serial!r}; `pusterla cert list --user {user}` names them,"
            " and `pusterla ca trust certificates` those of other CAs"
        )
    if len({(one.trust, one.issuer) for one in found}) > 1:
        named = "; ".join(f"{one.device} by {one.issuer} ({one.fingerprint})" for one in found)
        raise CommandRefused(
            f"the serial {plain} is that of several certificates of {user}: {named};"
            " name one by its fingerprint in place of the serial"
        )
    return found


async def shown_as(
    command: Command, serial: str, device: str, user: str
) -> list[CertificateRecord | Presented]:
    """Return what a line of a log means by *serial*: several only where it does not tell them apart.

    *device* and *user* are as the line has them, "" where it says nothing.
    """
    ours = await command.store.certificate(serial)
    numbers = _numbers(await command.store.presented(serial=serial))
    found: list[CertificateRecord | Presented] = [] if ours is None else [ours]
    found += [rows[0] for rows in numbers.values()]
    if device:
        found = [one for one in found if device_of(one) == device]
    # Whose a certificate of another CA is may have changed since, so that excludes nothing.
    return [one for one in found if user and user_of(one) == user] or found


def device_of(certificate: CertificateRecord | Presented) -> str:
    """Return what the logs call its device: of one of another CA that is the trust."""
    if isinstance(certificate, Presented):
        return certificate.verdict.trust
    return certificate.device


def serial_of(certificate: CertificateRecord | Presented) -> str:
    """Return its serial."""
    if isinstance(certificate, Presented):
        return certificate.verdict.serial
    return certificate.serial


def user_of(certificate: CertificateRecord | Presented) -> str:
    """Return whose it is; "" where it is nobody's."""
    return certificate.user if isinstance(certificate, Presented) else certificate.username


class Number(TypedDict):
    """What tells certificates of other CAs apart, as `Store.block_presented` takes it."""

    trust: str
    issuer: str
    serial: str


def number_of(meant: Meant) -> Number:
    """Return the number of the certificate of another CA that is meant."""
    verdict = meant.foreign[0].verdict
    return Number(trust=verdict.trust, issuer=verdict.issuer, serial=verdict.serial)


_Numbers = dict[tuple[str, str], tuple[Presented, ...]]
"""Rows by trust and issuer, all of one serial."""


async def _by_fingerprint(command: Command, text: str, trust: str | None) -> tuple[Presented, ...]:
    fingerprint = _read_fingerprint(text)
    if fingerprint is None:
        return ()
    found = await command.store.presented(fingerprint=fingerprint)
    return tuple(one for one in found if one.verdict.serial and trust in {None, one.verdict.trust})


def _read_fingerprint(text: str) -> Fingerprint | None:
    plain = text.strip().lower().replace(":", "").replace(" ", "")
    return Fingerprint(plain) if len(plain) == _FINGERPRINT_DIGITS else None


def _numbers(rows: list[Presented]) -> _Numbers:
    found: _Numbers = {}
    for one in rows:
        number = (one.verdict.trust, one.verdict.issuer)
        found[number] = (*found.get(number, ()), one)
    return found


def _named(ours: CertificateRecord | None, numbers: _Numbers) -> str:
    own = [] if ours is None else [f"{ours.username}'s on {ours.device} by {ours.issuer}"]
    others = [
        f"{rows[0].user or 'nobody'}'s by the trust {trust or 'that was taken away'}"
        f" ({issuer}, {rows[0].verdict.fingerprint})"
        for (trust, issuer), rows in numbers.items()
    ]
    return "; ".join([*own, *others])
