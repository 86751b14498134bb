"""Asking for a renewal, having proved once more who one is, and handing over what came of it.

Only the certificate that somebody shows is renewed: that they have its key, the handshake has
shown. What is signed, and whether, is the authority's to say.
"""

import asyncio
import os
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from ca.bundle import build_bundle, friendly_name
from ca.targets import Target
from gateway.core.people import Fingerprint
from gateway.core.renewals import (
    NewKey,
    Renewal,
    RenewalState,
    Standing,
    Way,
    mint_key_token,
    read_key_token,
)
from gateway.core.sealing import NONCE_BYTES
from gateway.portal.callers import Visitor
from gateway.portal.enrolling import change_of, session_of
from gateway.portal.proving import Failed, Form, Proving
from gateway.portal.repeats import Repeats
from gateway.portal.services import KitRenewal, Services
from gateway.store import RenewalRefused, SignInOvertaken

PATIENCE: Final = 4.0
"""How many seconds a page waits for the authority, which mostly takes less than one."""
_LOOK_SECONDS: Final = 0.1
_ID_BYTES: Final = 16
_SIGNED: Final = (RenewalState.SIGNED, RenewalState.USED)


@dataclass(frozen=True, slots=True)
class Begun:
    """It is asked for. *token* carries a new key, where it is one."""

    renewal: Renewal
    token: str = ""


@dataclass(frozen=True, slots=True)
class NotToBe:
    """There is nothing to renew, or no more; nothing was done."""


class Renewing:
    """Renews certificates as far as the portal can; refusals are in the audit log on return."""

    def __init__(self, services: Services, proving: Proving) -> None:
        self._services = services
        self._proving = proving
        self._repeats: Repeats[Begun | NotToBe | Failed] = Repeats(
            services.clock, lambda answer: isinstance(answer, Begun)
        )
        self._files: Repeats[bytes | None] = Repeats(services.clock, lambda file: file is not None)

    async def standing(self, visitor: Visitor) -> Standing | None:
        """Return how the certificate stands that *visitor* shows."""
        return await self._services.store.renewal_standing(visitor.holder.fingerprint)

    def left_until_open(self, standing: Standing) -> timedelta:
        """Return how long it is until the certificate may be renewed; nothing when it may now."""
        services = self._services
        return services.site.certificates.opens_in(standing.not_after, services.clock())

    async def begin(
        self, visitor: Visitor, form: Form, way: Way, *, mark: str = ""
    ) -> Begun | NotToBe | Failed:
        """Ask for a renewal; a form that comes twice is asked for once."""
        words = form.words(visitor, way)
        return await self._repeats.once(mark, words, lambda: self._begin(visitor, form, way))

    async def _begin(self, visitor: Visitor, form: Form, way: Way) -> Begun | NotToBe | Failed:
        standing = await self.standing(visitor)
        if standing is None or self.left_until_open(standing):
            return NotToBe()
        proved = await self._proving.prove_for_change(visitor, form)
        if isinstance(proved, Failed):
            return proved
        key = ec.generate_private_key(ec.SECP256R1()) if way is Way.NEW_KEY else None
        public = b"" if key is None else _public_octets(key)
        number = secrets.token_hex(_ID_BYTES)
        try:
            change = change_of(visitor, proved.credentials.version)
            renewal = await self._services.store.ask_renewal(change, number, way, public)
        except SignInOvertaken:
            return await self._proving.overtaken(visitor)
        except RenewalRefused:
            await self._proving.overtaken(visitor)
            return NotToBe()
        return Begun(renewal, "" if key is None else self._token(visitor, number, key))

    def _token(self, visitor: Visitor, number: str, key: ec.EllipticCurvePrivateKey) -> str:
        octets = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        new = NewKey(number, visitor.person.user, visitor.holder.fingerprint, octets)
        nonce = os.urandom(NONCE_BYTES)
        return mint_key_token(self._services.site_key, new, self._services.clock(), nonce)

    async def settled(self, visitor: Visitor, renewal_id: str) -> Renewal | None:
        """Wait a little for the authority, and return what has become of a request by then.

        None where another has taken its place.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + PATIENCE
        while True:
            asked = await self._services.store.renewal_asked(visitor.holder.fingerprint)
            if asked is None or asked.id != renewal_id:
                return None
            if asked.state is not RenewalState.ASKED or loop.time() >= until:
                return asked
            await asyncio.sleep(_LOOK_SECONDS)

    def key_of(self, visitor: Visitor, token: str) -> NewKey | None:
        """Return the new key that *token* carries for *visitor*; None where it carries none."""
        services = self._services
        new = read_key_token(services.site_key, token, services.clock())
        if (
            new is None
            or new.user != visitor.person.user
            or new.fingerprint != visitor.holder.fingerprint
        ):
            return None
        return new

    async def hand_over(
        self, visitor: Visitor, new: NewKey, passphrase: str, target: Target, *, mark: str = ""
    ) -> bytes | None:
        """Return the file with *new*, this once; None when it was handed over, or has lapsed.

        A form that comes twice is answered twice, so that the file is not lost by it. Raises
        `BundleRefused` for a *passphrase* that cannot be, with nothing handed over.
        """
        session = visitor.session.id if visitor.session is not None else ""
        words = (session, new.renewal_id, passphrase, target)
        return await self._files.once(
            mark, words, lambda: self._hand_over(visitor, new, passphrase, target)
        )

    async def _hand_over(
        self, visitor: Visitor, new: NewKey, passphrase: str, target: Target
    ) -> bytes | None:
        store = self._services.store
        standing = await self.standing(visitor)
        asked = None if standing is None else standing.asked
        if standing is None or asked is None or asked.id != new.renewal_id:
            return None
        certificates = await self._certificates(asked)
        key = load_der_private_key(new.key, None)
        if not certificates or not isinstance(key, ec.EllipticCurvePrivateKey):
            return None
        # Made first: what cannot be made is not handed over.
        name = friendly_name(visitor.person.name, standing.device)
        leaf, *chain = certificates
        bundle = await asyncio.to_thread(build_bundle, name, key, leaf, chain, passphrase, target)
        try:
            await store.hand_over_renewal(session_of(visitor), new.renewal_id, visitor.request)
        except (RenewalRefused, SignInOvertaken):
            return None
        return bundle

    async def stick_file(self, visitor: Visitor) -> bytes | None:
        """Return what renews the stick of *visitor*; None where there is no such thing."""
        certificates = await self.renewed(visitor)
        if not certificates:
            return None
        services, holder = self._services, visitor.holder
        wanted = KitRenewal(
            Fingerprint(holder.fingerprint),
            certificates,
            friendly_name(visitor.person.name, holder.device),
            holder.scope,
        )
        applications = services.applications().values()
        make = services.kit_files.make
        try:
            return await asyncio.to_thread(
                make, wanted, services.site, [*applications], services.clock()
            )
        except ValueError:
            return None

    async def renewed(self, visitor: Visitor) -> tuple[x509.Certificate, ...]:
        """Return the new certificate for the key of *visitor*, and its chain; nothing if none."""
        standing = await self.standing(visitor)
        asked = None if standing is None else standing.asked
        if standing is None or asked is None or asked.way is not Way.SAME_KEY:
            return ()
        return await self._certificates(asked) if standing.successor == asked.successor else ()

    async def _certificates(self, asked: Renewal) -> tuple[x509.Certificate, ...]:
        if asked.state not in _SIGNED or asked.successor is None:
            return ()
        above = x509.load_pem_x509_certificates(asked.chain)
        store = self._services.store
        record = await store.certificate(asked.successor)
        der = None if record is None else await store.certificate_der(record.issuer, record.serial)
        return () if der is None else (x509.load_der_x509_certificate(der), *above)


def _public_octets(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
