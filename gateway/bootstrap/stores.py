"""Opens the store of a site for a process that cannot do without it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from gateway.bootstrap.folder import SiteFolder, clock
from gateway.bootstrap.process import ProcessFailed
from gateway.core.ports import StoreUnavailable
from gateway.core.site import Site
from gateway.store import Store, open_store
from gateway.store.errors import StoreError


@asynccontextmanager
async def store_of(folder: SiteFolder, site: Site) -> AsyncIterator[Store]:
    """Open the store of *site*; raise `ProcessFailed` when it is missing, outdated or away."""
    async with AsyncExitStack() as opened:
        try:
            opening = open_store(folder.store_url(site.store_url), clock)
            store = await opened.enter_async_context(opening)
        except (StoreError, StoreUnavailable) as error:
            raise ProcessFailed(str(error)) from error
        yield store
