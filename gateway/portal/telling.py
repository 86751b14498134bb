"""Writing by mail of access that is asked for: to those who decide, and to whoever asked.

What was written to whom is in the row of the request, so of several portals one writes, also of
what the command has decided. The row comes first: a letter that is lost is in the audit log, and
nobody gets one twice.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final

from gateway.config import Configuration
from gateway.core.people import Person
from gateway.core.ports import StoreUnavailable
from gateway.core.requests import AccessRequest, RequestState, approvable
from gateway.mail.letters import Letter
from gateway.mail.request_letters import answer_letters, asked_letters
from gateway.store import Store, StoreError

LOOK_SECONDS: Final = 5.0
"""How often it looks for whom to write to: a manager waits no longer than that."""
AT_ONCE: Final = 25
"""Of how many requests is read at a time; each has a letter for everybody who may decide."""

log = logging.getLogger("pusterla.portal")


async def tell_for_ever(
    store: Store,
    configuration: Callable[[], Configuration],
    post: Callable[[Letter], None],
    room: Callable[[], int],
    clock: Callable[[], datetime],
) -> None:
    """Write to whom it is time to, as long as there is a mail server, and *room* for letters."""
    while True:
        try:
            await tell(store, configuration(), post, room(), clock())
        except (StoreError, StoreUnavailable) as error:
            log.error("nobody could be written to of what is asked for: %s", error)
        await asyncio.sleep(LOOK_SECONDS)


async def tell(
    store: Store,
    configuration: Configuration,
    post: Callable[[Letter], None],
    room: int,
    now: datetime,
) -> int:
    """Hand over the letters of some requests, as far as there is *room*; return how many letters.

    Those of one request go together, also where they are more than that.
    """
    site = configuration.site
    if site.mail.server is None or room <= 0 or not _is_any_asked(configuration):
        return 0
    sent = 0
    for request in await store.untold_requests(AT_ONCE):
        # Made first: what cannot be read leaves the row as it is.
        letters = [*await _letters_of(store, configuration, request, now)]
        if sent and sent + len(letters) > room:
            break
        if await store.take_letter(request):
            for letter in letters:
                post(letter)
                sent += 1
    return sent


def _is_any_asked(configuration: Configuration) -> bool:
    """Say whether any application is for days that somebody approves: elsewhere nobody looks."""
    return any(one.policy.asks_approval for one in configuration.applications.values())


async def _letters_of(
    store: Store, configuration: Configuration, request: AccessRequest, now: datetime
) -> Iterable[Letter]:
    site = configuration.site
    asker = await store.asker(request)
    if asker is None:
        return ()
    application = configuration.applications.get(request.app)
    title = request.app if application is None else application.title
    if request.is_over(now.astimezone(site.time_zone).date()):
        return ()
    if request.state is not RequestState.ASKED:
        return answer_letters(site, request, title, asker)
    found = None if application is None else approvable(application.policy, asker, now)
    names = frozenset() if found is None else found.deciders(asker, site.managers)
    return asked_letters(site, request, title, asker, await _people(store, names))


async def _people(store: Store, names: Iterable[str]) -> list[Person]:
    found = [await store.person(name) for name in sorted(names)]
    return [one for one in found if one is not None and one.enabled]
