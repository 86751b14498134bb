"""New certificates for a site that runs, written over the old ones as an administrator does."""

import secrets

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ca.hierarchy import load_issuer, server_hosts
from ca.issue import issue, server_request
from ca.profiles import SERVER, make_profile
from ca.serials import OCTETS, serial_from
from tests.whole.people import now
from tests.whole.sites import HOST, LiveSite


def renew_server_certificate(site: LiveSite) -> x509.Certificate:
    """Give the server of *site* a new key and a certificate for it; nobody is told."""
    issuer = load_issuer(site.folder.ca)
    key = ec.generate_private_key(ec.SECP256R1())
    serial = serial_from(secrets.token_bytes(OCTETS))
    request = server_request(HOST, server_hosts(HOST), key.public_key(), serial)
    certificate = issue(issuer, make_profile(SERVER), request, now())
    chain = (certificate, issuer.certificate)
    pem = b"".join(one.public_bytes(Encoding.PEM) for one in chain)
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    site.folder.server_certificate.write_bytes(pem)
    site.folder.server_key.write_bytes(secret)
    return certificate
