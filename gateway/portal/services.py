"""What every handler stands on, under one key of the aiohttp application."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from gateway.config import Configuration
from gateway.core.site import Application, Site
from gateway.mail.letters import Letter
from gateway.portal.responders import Responders
from gateway.store import Store


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that the portal needs, made by whoever starts it.

    *configuration* is asked anew whenever something of it is needed, since the
    files behind it may change. *site_key* opens the secrets of one-time codes, *cookie_key* signs
    cookies and hand-over tickets; *assertion_key* is published. *responders* are who signs OCSP
    answers. *post* takes a letter, which goes out later.
    """

    configuration: Callable[[], Configuration]
    store: Store
    site_key: bytes
    cookie_key: bytes
    assertion_key: EllipticCurvePublicKey
    responders: Responders
    clock: Callable[[], datetime]
    post: Callable[[Letter], None]

    @property
    def site(self) -> Site:
        """What pusterla.toml says, as far as it is in force."""
        return self.configuration().site

    def applications(self) -> Mapping[str, Application]:
        """Return the applications in force, by name."""
        return self.configuration().applications


SERVICES: web.AppKey[Services] = web.AppKey("services", Services)
