"""What differs between two pusterla.toml, by the keys as the file has them."""

from dataclasses import fields, replace
from typing import Final

from gateway.core.site import Lifetimes, Limits, Lists, Mail, Site

KEYS: Final = {
    "host": "site.host",
    "port": "site.port",
    "http_port": "site.http_port",
    "name": "site.name",
    "contact": "site.contact",
    "listen": "listen.address",
    "workers": "listen.workers",
    "certificate": "listen.certificate",
    "balancers": "listen.proxy_protocol_from",
    "session_lifetime": "sessions.lifetime",
    "ticket_lifetime": "sign_in.ticket_lifetime",
    "store_url": "store.url",
    "feed_grace": "store.feed_grace",
    "ca_passphrase_file": "ca.passphrase_file",
    "ca_pin_file": "ca.pin_file",
    "access_log": "log.access",
    "log_queries": "log.queries",
    "metrics_port": "metrics.port",
    "time_zone": "site.time_zone",
    "managers": "groups",
}
"""The key of each field of `Site` but those of `SECTIONS`."""

SECTIONS: Final = {"mail": Mail, "limits": Limits, "certificates": Lifetimes, "crl": Lists}
"""Fields of `Site` that are sections by the same name: their fields are keys themselves."""


def changed_keys(old: Site, new: Site) -> tuple[str, ...]:
    """Return the keys, as in `limits.idle`, whose values in *new* are others than in *old*.

    Only the keys: among the values is the address of a store, which may hold a password.
    """
    site = [key for name, key in KEYS.items() if getattr(old, name) != getattr(new, name)]
    inside = [
        # A name that Python keeps for itself has a line below it there.
        f"{section}.{field.name.rstrip('_')}"
        for section, kind in SECTIONS.items()
        for field in fields(kind)
        if getattr(getattr(old, section), field.name) != getattr(getattr(new, section), field.name)
    ]
    return (*site, *inside)


def keep_fixed(old: Site, new: Site) -> Site:
    """Return *new* with everything that cannot change at run time as it is in *old*."""
    return replace(
        new,
        host=old.host,
        port=old.port,
        http_port=old.http_port,
        listen=old.listen,
        workers=old.workers,
        store_url=old.store_url,
        access_log=old.access_log,
        metrics_port=old.metrics_port,
    )
