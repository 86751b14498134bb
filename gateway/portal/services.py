"""What every handler stands on, under one key of the aiohttp application."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from gateway.config import Configuration
from gateway.core.people import Fingerprint
from gateway.core.site import Application, Site
from gateway.mail.letters import Letter
from gateway.portal.responders import Responders
from gateway.store import Store


@dataclass(frozen=True, slots=True)
class KitRenewal:
    """A stick that is to get a new certificate for the key it has.

    *old* is the fingerprint of the one that it holds, *certificates* the new one and what stands
    above it, the root last; *name* is how browsers show it, *scope* the applications that it opens.
    """

    old: Fingerprint
    certificates: tuple[x509.Certificate, ...]
    name: str
    scope: frozenset[str] | None


class KitFiles(Protocol):
    """Makes the file that a person saves on their stick."""

    def make(
        self,
        wanted: KitRenewal,
        site: Site,
        applications: Iterable[Application],
        now: datetime,
    ) -> bytes:
        """Return the file; raise `ValueError` where no stick can hold such a key."""
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that the portal needs, made by whoever starts it.

    *configuration* is asked anew whenever something of it is needed, since the
    files behind it may change. *site_key* opens the secrets of one-time codes, *cookie_key* signs
    cookies and hand-over tickets; *assertion_key* is published. *responders* are who signs OCSP
    answers. *post* takes a letter, which goes out later. *kit_files* makes what renews a stick.
    """

    configuration: Callable[[], Configuration]
    store: Store
    site_key: bytes
    cookie_key: bytes
    assertion_key: EllipticCurvePublicKey
    responders: Responders
    clock: Callable[[], datetime]
    post: Callable[[Letter], None]
    kit_files: KitFiles

    @property
    def site(self) -> Site:
        """What pusterla.toml says, as far as it is in force."""
        return self.configuration().site

    def today(self) -> date:
        """Say which day it is by the clock of the site's zone."""
        return self.clock().astimezone(self.site.time_zone).date()

    def applications(self) -> Mapping[str, Application]:
        """Return the applications in force, by name."""
        return self.configuration().applications


SERVICES: web.AppKey[Services] = web.AppKey("services", Services)
