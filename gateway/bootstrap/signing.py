"""The authority wired to a site: who opens the CA's key does it here.

That is the authority's process, and the command where it issues, revokes or
publishes. Nothing in here is imported by edge or portal.
"""

import secrets
from dataclasses import replace

from ca.authority import Authority
from ca.hierarchy import ISSUER_NAME, load_issuer
from ca.keys import KeyRing, SignerLock
from ca.profiles import CLIENT, Profile, make_profile
from ca.publishing import Publication
from ca.scopes import ListName
from gateway.bootstrap.folder import SiteFolder
from gateway.core.site import Site
from gateway.store import Store

HTTP_PORT = 80


def open_authority(
    folder: SiteFolder, site: Site, store: Store, by: str, keys: KeyRing
) -> Authority:
    """Load the issuing CA's key and make its authority; raise `ca.errors.FileRefused`.

    *keys* opens what is under a passphrase.

    What it does is told in feed and audit log as done *by*.

    Any number of processes may have one: whoever signs a CRL holds the lock of the folder.
    """
    return Authority(
        begin=store.begin,
        issuer=load_issuer(folder.ca, keys.load),
        profile=client_profile(site),
        host=site.host,
        lock=SignerLock(folder.signer_lock),
        entropy=secrets.token_bytes,
        witness=store.witness(by),
        publication=publication_of(site),
        read=store.read,
    )


def publication_of(site: Site) -> Publication:
    """Return which lists the settings ask for, and where they are had."""
    return Publication(
        _public_address(site, "/crl/"),
        site.crl.lifetime,
        site.crl.delta_lifetime if site.crl.delta else None,
        site.crl.partitions,
    )


def client_profile(site: Site) -> Profile:
    """Return the profile of client certificates: they say where their CRL and issuer are had."""
    return make_profile(
        replace(
            CLIENT,
            distribution_points=(crl_address(site),),
            issuer_urls=(_public_address(site, f"/ca/{ISSUER_NAME}.crt"),),
        )
    )


def crl_address(site: Site) -> str:
    """Return where everybody fetches the CRL of everything."""
    return list_address(site, ListName(ISSUER_NAME))


def list_address(site: Site, name: ListName) -> str:
    """Return where everybody fetches one list."""
    return publication_of(site).address + str(name)


def _public_address(site: Site, path: str) -> str:
    """Return the address of *path* on the public host, over plain http (see `ca.profiles`)."""
    port = "" if site.http_port == HTTP_PORT else f":{site.http_port}"
    return f"http://{site.public_host}{port}{path}"
