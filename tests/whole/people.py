"""People of a site, their codes, and the sticks that their certificates are on."""

import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Final

import pyotp
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ca.authority import Enrolled, Order
from ca.keys import KeyRing
from gateway.bootstrap.accounts import Wishes, add_account
from gateway.bootstrap.command import Command
from gateway.bootstrap.signing import active_issuer, open_authority
from tests.whole.sites import PASSWORD, LiveSite

GROUP = "technicians"
STEP_SECONDS: Final = 30

_numbers = count(1)


def now() -> datetime:
    """Return this moment: the processes under test live in real time, so their tests must too."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Stick:
    """A certificate with its key, in one PEM file, as curl and openssl take it."""

    file: Path
    serial: str
    fingerprint: str

    def context(self, root: Path) -> ssl.SSLContext:
        """Return a TLS context of a client that shows this certificate and trusts *root*."""
        context = client_context(root)
        context.load_cert_chain(self.file)
        return context


def client_context(root: Path) -> ssl.SSLContext:
    """Return a TLS context of a client without a certificate that trusts *root*."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cafile=root)
    return context


@dataclass(slots=True)
class Person:
    """Somebody who may sign in: each code they are asked for is a new one."""

    user: str
    email: str
    groups: tuple[str, ...]
    secret: str
    stick: Stick
    site: LiveSite
    _last: int = field(default=0, init=False)

    def code(self) -> str:
        """Return a code that was not used yet: of this step, or of the next one.

        So a person can sign in twice without waiting; whoever must do so more often is two.
        """
        present = int(now().timestamp()) // STEP_SECONDS
        step = max(present, self._last + 1)
        assert step <= present + 1, f"{self.user} has signed in too often: take another person"
        self._last = step
        return pyotp.TOTP(self.secret).generate_otp(step)

    def another_stick(self, device: str, *, apps: tuple[str, ...] | None = None) -> Stick:
        """Issue one more certificate to this person."""
        return issue_stick(self.site, self.user, device, apps=apps)


def secret_of(uri: str) -> str:
    """Return the secret in an `otpauth://` address, as pyotp reads it."""
    parsed = pyotp.parse_uri(uri)
    assert isinstance(parsed, pyotp.TOTP)
    return parsed.secret


def add_person(
    site: LiveSite,
    name: str,
    *,
    groups: tuple[str, ...] = (GROUP,),
    apps: tuple[str, ...] | None = None,
    full_name: str = "",
) -> Person:
    """Add a person whose user name begins with *name*, with one stick."""
    user = f"{name}-{next(_numbers)}"
    wishes = Wishes(user, full_name or name.title(), f"{user}@example.it", frozenset(groups))
    uri = site.work(lambda command: add_account(command, wishes, PASSWORD))
    stick = issue_stick(site, user, "stick-1", apps=apps)
    return Person(user, wishes.email, groups, secret_of(uri), stick, site)


def issue_stick(
    site: LiveSite, user: str, device: str, *, apps: tuple[str, ...] | None = None
) -> Stick:
    """Issue a certificate for *user*; what `cert issue` does but for the slow PKCS#12 file."""
    key = ec.generate_private_key(ec.SECP256R1())
    order = Order(user, device, f"{user}@example.it", apps, timedelta(days=30))

    async def enrol(command: Command) -> Enrolled:
        name = await active_issuer(command.store)
        authority = open_authority(
            command.folder, command.site, command.store, "tests", KeyRing(), name
        )
        return await authority.enrol(order, key.public_key(), command.clock())

    enrolled = site.work(enrol)
    return write_stick(site, enrolled.certificate, key, *enrolled.chain[:1])


def write_stick(
    site: LiveSite,
    certificate: x509.Certificate,
    key: ec.EllipticCurvePrivateKey,
    *chain: x509.Certificate,
) -> Stick:
    """Put *certificate*, its *key* and the *chain* above it into a file beside the site."""
    from ca.issue import fingerprint

    serial = format(certificate.serial_number, "x")
    file = site.folder.path.with_name(f"{serial}.pem")
    pem = [one.public_bytes(Encoding.PEM) for one in (certificate, *chain)]
    pem.append(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    file.write_bytes(b"".join(pem))
    return Stick(file, serial, fingerprint(certificate))
