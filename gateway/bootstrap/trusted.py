"""The trusts of a site folder, for every process that needs them."""

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.bootstrap.folder import SiteFolder
from gateway.config import Problems
from gateway.config.trusts import read_trusts
from gateway.core.trusts import Trust


def trusts_of(folder: SiteFolder) -> dict[str, Trust] | Problems:
    """Read the trusts of *folder*, none of which may hold a CA of the site's own."""
    return read_trusts(folder.trust, own_authorities(folder))


def own_authorities(folder: SiteFolder) -> tuple[bytes, ...]:
    """Return the site's own CAs (DER), as far as whoever asks may read them."""
    try:
        found = x509.load_pem_x509_certificates(folder.client_trust.read_bytes())
    except (OSError, ValueError):
        # Who serves with that file says what is wrong with it.
        return ()
    return tuple(one.public_bytes(Encoding.DER) for one in found)
