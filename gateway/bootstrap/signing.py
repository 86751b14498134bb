"""The authority wired to a site: who opens the CA's key does it here.

That is the authority's process, and the command where it issues, revokes or
publishes. Nothing in here is imported by edge or portal.
"""

import secrets
from dataclasses import replace

from ca.authority import Authority, Witness
from ca.errors import CAError
from ca.hierarchy import ISSUER_NAME, load_issuer
from ca.keys import KeyRing, SignerLock
from ca.ledger import IssuerState
from ca.profiles import CLIENT, Profile, make_profile
from ca.publishing import Publication
from ca.scopes import ListName
from gateway.bootstrap.folder import SiteFolder
from gateway.core.site import Site
from gateway.store import Store

HTTP_PORT = 80


class NoIssuer(CAError):
    """The site has no issuing CA yet, or none that issues."""


async def active_issuer(store: Store) -> str:
    """Return the name of the issuing CA that issues now, or raise `NoIssuer`."""
    for issuer in await store.issuers():
        if issuer.state is IssuerState.ACTIVE:
            return issuer.name
    raise NoIssuer(
        "this site has no issuing CA yet: pusterla ca request makes what its root must sign"
    )


async def signing_issuers(store: Store) -> list[str]:
    """Return the names of the issuing CAs whose lists go on being signed, the active one first."""
    found = [one for one in await store.issuers() if one.state is not IssuerState.RETIRED]
    found.sort(key=lambda one: one.state is not IssuerState.ACTIVE)
    return [issuer.name for issuer in found]


def open_authority(
    folder: SiteFolder,
    site: Site,
    store: Store,
    by: str,
    keys: KeyRing,
    name: str = ISSUER_NAME,
    witness: Witness | None = None,
) -> Authority:
    """Load the key of the issuing CA *name* and make its authority; raise `ca.errors.FileRefused`.

    *keys* opens what is under a passphrase.

    What it does is told in feed and audit log as done *by*, unless another *witness* tells.

    Any number of processes may have one: whoever signs a CRL holds the lock of the folder.
    """
    return Authority(
        begin=store.begin,
        issuer=load_issuer(folder.ca, keys.load, name),
        profile=client_profile(site, name),
        host=site.host,
        lock=SignerLock(folder.signer_lock),
        entropy=secrets.token_bytes,
        witness=witness or store.witness(by),
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


def client_profile(site: Site, name: str = ISSUER_NAME) -> Profile:
    """Return the profile of client certificates: they say where CRL, OCSP and issuer are had."""
    return make_profile(
        replace(
            CLIENT,
            lifetime=site.certificates.longest,
            distribution_points=(crl_address(site, name),),
            issuer_urls=(_public_address(site, f"/ca/{name}.crt"),),
            ocsp_urls=(ocsp_address(site),),
        )
    )


def crl_address(site: Site, name: str = ISSUER_NAME) -> str:
    """Return where everybody fetches the CRL of everything that the issuing CA *name* issued."""
    return list_address(site, ListName(name))


def ocsp_address(site: Site) -> str:
    """Return where everybody asks whether one certificate is revoked (RFC 6960)."""
    return _public_address(site, "/ocsp")


def list_address(site: Site, name: ListName) -> str:
    """Return where everybody fetches one list."""
    return publication_of(site).address + str(name)


def _public_address(site: Site, path: str) -> str:
    """Return the address of *path* on the public host, over plain http (see `ca.profiles`)."""
    port = "" if site.http_port == HTTP_PORT else f":{site.http_port}"
    return f"http://{site.public_host}{port}{path}"
