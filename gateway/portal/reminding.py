"""Reminding people by mail that their certificate ends: 30, 7 and 1 days before, each once.

What was written to whom is a row, so of several portals one writes. The row comes first: a letter
that is lost is in the audit log, and nobody gets one twice.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Final

from gateway.core.ports import StoreUnavailable
from gateway.core.site import Site
from gateway.mail.letters import Letter, ending_letter
from gateway.mail.postman import QUEUE
from gateway.store import Store, StoreError

LOOK_SECONDS: Final = 900.0
"""How often it looks for whom to write to."""
AT_ONCE: Final = QUEUE // 4
"""How many letters are handed over at a time: those of a lost stick have room beside them."""

log = logging.getLogger("pusterla.portal")


async def remind_for_ever(
    store: Store,
    site: Callable[[], Site],
    post: Callable[[Letter], None],
    clock: Callable[[], datetime],
) -> None:
    """Write to whom it is time to, as long as there is a mail server."""
    while True:
        try:
            await remind(store, site(), post, clock())
        except (StoreError, StoreUnavailable) as error:
            log.error("nobody could be reminded of a certificate that ends: %s", error)
        await asyncio.sleep(LOOK_SECONDS)


async def remind(store: Store, site: Site, post: Callable[[Letter], None], now: datetime) -> int:
    """Hand over a letter to each whom it is time to write to, some at a time; return how many."""
    if site.mail.server is None:
        return 0
    sent = 0
    for ending in await store.endings_to_tell(AT_ONCE):
        if await store.take_notice(ending):
            post(ending_letter(site, ending, now))
            sent += 1
    return sent
