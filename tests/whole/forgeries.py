"""Certificates that must open nothing, signed with the CA's real key wherever that makes them worse."""

from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    load_pem_private_key,
)
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates

from ca.hierarchy import load_issuer
from tests.gateway.edge.sticks import DAY, Wanted, another_issuer, record, sign
from tests.whole.people import Stick, now, write_stick
from tests.whole.sites import HOST, LiveSite


def forge(site: LiveSite, wanted: Wanted) -> Stick:
    """Make the certificate that is *wanted*, with the key of the site's issuing CA."""
    issuer = load_issuer(site.folder.ca)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = sign(issuer, wanted, key.public_key(), HOST, now())
    if wanted.recorded:
        site.work(lambda command: record(command, wanted, certificate))
    return write_stick(site, certificate, key, issuer.certificate)


def expired(site: LiveSite, user: str) -> Stick:
    """Make a recorded certificate that ended yesterday."""
    return forge(site, Wanted(user, "forged", age=3 * DAY, left=-DAY))


def not_yet_valid(site: LiveSite, user: str) -> Stick:
    """Make a recorded certificate that begins tomorrow."""
    return forge(site, Wanted(user, "forged", age=-DAY, left=3 * DAY))


def ending_in(site: LiveSite, user: str, left: timedelta) -> Stick:
    """Make a recorded certificate that is good, and ends soon."""
    return forge(site, Wanted(user, "forged", left=left))


def without_client_auth(site: LiveSite, user: str) -> Stick:
    """Make a recorded certificate that is for servers."""
    return forge(site, Wanted(user, "forged", left=DAY, client_auth=False))


def unrecorded(site: LiveSite, user: str) -> Stick:
    """Make a certificate that the CA's key has signed and the ledger does not know."""
    return forge(site, Wanted(user, "forged", left=DAY, recorded=False))


def of_another_authority(site: LiveSite, user: str, *, host: str = HOST) -> Stick:
    """Make a certificate by a CA of the same name with another key, or of the site *host*."""
    issuer = another_issuer(host, now())
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = sign(issuer, Wanted(user, "forged", left=DAY), key.public_key(), HOST, now())
    return write_stick(site, certificate, key, issuer.certificate)


def bundle_of(stick: Stick, passphrase: str) -> Path:
    """Put *stick* into a .p12 file beside it, as browsers import it."""
    leaf, *chain = x509.load_pem_x509_certificates(stick.file.read_bytes())
    key = load_pem_private_key(stick.file.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    file = stick.file.with_suffix(".p12")
    sealed = BestAvailableEncryption(passphrase.encode())
    file.write_bytes(serialize_key_and_certificates(b"forged", key, leaf, chain, sealed))
    return file
