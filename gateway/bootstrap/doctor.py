"""Everything that `pusterla doctor` looks at, in the order in which it is told."""

from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime

from gateway.bootstrap.command import settings_of
from gateway.bootstrap.compiled import edge_runs
from gateway.bootstrap.examination import (
    Finding,
    examine_configuration,
    examine_files,
    examine_portal,
    examine_store,
    ok,
    site_of,
    store_finding,
    warning,
)
from gateway.bootstrap.folder import SiteFolder
from gateway.bootstrap.keypairs import examine_hosts, examine_keys, examine_secrets
from gateway.bootstrap.mail import examine_mail
from gateway.bootstrap.signing import publication_of
from gateway.bootstrap.trust_examination import examine_trusts
from gateway.bootstrap.trust_lists import examine_foreign
from gateway.config import Configuration, read_configuration
from gateway.core.ports import StoreUnavailable
from gateway.store import StoreError, migrate_store, open_store


async def examine(folder: SiteFolder, clock: Callable[[], datetime]) -> AsyncIterator[Finding]:
    """Look at everything of the site in *folder*; a part that is broken hides no other."""
    yield ok("edge", f"runs {edge_runs()}")
    for finding in examine_files(folder):
        yield finding
    for finding in examine_configuration(folder):
        yield finding
    for finding in _examine_configured(folder):
        yield finding
    for finding in examine_keys(folder, clock()):
        yield finding
    for finding in examine_trusts(folder, clock()):
        yield finding
    async for finding in _examine_store(folder, clock):
        yield finding
    yield examine_portal(folder)


def _examine_configured(folder: SiteFolder) -> Iterator[Finding]:
    """Look at what the settings speak of, where they have no problems."""
    configuration = read_configuration(folder.path)
    if isinstance(configuration, Configuration):
        site = configuration.site
        hosts = [app.host for app in configuration.applications.values()]
        yield from examine_hosts(folder, [site.host, *hosts])
        yield from examine_mail(folder, site)
        yield from examine_secrets(folder, site)


async def migrate(folder: SiteFolder) -> None:
    """Bring the tables of the site's store up to date."""
    site = settings_of(folder)
    await migrate_store(folder.store_url(site.store_url))


async def _examine_store(
    folder: SiteFolder, clock: Callable[[], datetime]
) -> AsyncIterator[Finding]:
    site = site_of(folder)
    if site is None:
        yield warning("store", "not looked at: the settings have to be right first")
        return
    try:
        async with open_store(folder.store_url(site.store_url), clock) as store:
            yield ok("store", "answers, and its tables are those of this Pusterla")
            async for finding in examine_store(store, publication_of(site), clock()):
                yield finding
            async for finding in examine_foreign(folder, store, clock()):
                yield finding
    except (StoreError, StoreUnavailable, OSError, ValueError) as error:
        yield store_finding(error)
