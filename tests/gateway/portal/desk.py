"""Certificates with real keys, and an authority that works off what people ask for."""

import secrets
from datetime import timedelta

from cryptography.hazmat.primitives.asymmetric import ec

from ca.authority import Authority, Enrolled, Order, Witness
from ca.issue import der as der_of
from ca.issuers import known_issuers
from ca.keys import SignerLock
from ca.ledger import record_issuer
from ca.publishing import Publication
from gateway.bootstrap.renewal_desk import RenewalDesk
from gateway.core.people import Fingerprint
from tests.ca.makers import CLIENT_PROFILE
from tests.gateway.portal.house import ISSUER, House, house_ca


def authority_of(house: House, witness: Witness | None = None) -> Authority:
    """Return the authority of *house*."""
    return Authority(
        begin=house.store.begin,
        issuer=house_ca().issuing,
        profile=CLIENT_PROFILE,
        host=house.site.host,
        lock=SignerLock(house.folder / "lock"),
        entropy=secrets.token_bytes,
        publication=Publication("http://public.pusterla.localhost:8080/crl/"),
        witness=witness or house.store.witness("test"),
    )


def desk_of(house: House) -> RenewalDesk:
    """Return a desk that works off what is asked for in *house*."""

    async def open_(witness: Witness) -> Authority:
        return authority_of(house, witness)

    return RenewalDesk(house.store, lambda: house.site, house.clock, open_, "authority")


async def real_stick(
    house: House, device: str, *, user: str = "anna", days: float = 12
) -> tuple[Enrolled, ec.EllipticCurvePrivateKey]:
    """Issue a certificate that lasts *days*, and let the house know it as *device*."""
    async with house.store.begin() as connection:
        if not await known_issuers(connection):
            await record_issuer(connection, name=ISSUER, der=der_of(house_ca().issuing.certificate))
    key = ec.generate_private_key(ec.SECP256R1())
    order = Order(user, device, f"{user}@example.it", None, timedelta(days=days))
    enrolled = await authority_of(house).enrol(order, key.public_key(), house.clock())
    assert enrolled.record.fingerprint is not None
    house.sticks[device] = Fingerprint(enrolled.record.fingerprint)
    return enrolled, key
