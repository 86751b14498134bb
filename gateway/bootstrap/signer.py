"""Opens the site's authority: the one place outside `ca` where the CA's key is loaded.

For the authority's process and for the command; edge and portal never import this.
"""

import os
from dataclasses import replace

from ca.authority import Authority
from ca.hierarchy import ISSUER_NAME, load_issuer
from ca.keys import SignerLock
from ca.profiles import CLIENT, Profile, make_profile
from gateway.bootstrap.folder import SiteFolder
from gateway.core.site import Site
from gateway.store import Store

_HTTP_PORT = 80


def open_authority(folder: SiteFolder, site: Site, store: Store, *, by: str) -> Authority:
    """Load the issuing CA of *folder*, and return what signs with it in the name of *by*.

    Raises `ca.errors.FileRefused` when a file is missing, unreadable or open to others.
    """
    return Authority(
        begin=store.begin,
        issuer=load_issuer(folder.ca),
        profile=client_profile(site),
        host=site.host,
        lock=SignerLock(folder.signer_lock),
        entropy=os.urandom,
        witness=store.witness(by),
        crl_lifetime=site.crl_lifetime,
    )


def client_profile(site: Site) -> Profile:
    """Return the profile of client certificates of *site*: where their CRL and issuer are.

    Over plain http, as RFC 5280 (section 8) wants: whoever checks a certificate must not
    have to check another one first. Both are signed themselves.
    """
    port = "" if site.http_port == _HTTP_PORT else f":{site.http_port}"
    origin = f"http://{site.public_host}{port}"
    return make_profile(
        replace(
            CLIENT,
            distribution_points=(f"{origin}/crl/{ISSUER_NAME}.crl",),
            issuer_urls=(f"{origin}/ca/{ISSUER_NAME}.crt",),
        )
    )
