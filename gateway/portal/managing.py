"""What waits for somebody who decides what others ask for."""

from dataclasses import dataclass

from gateway.core.people import Person
from gateway.core.requests import AccessRequest, Approvable, approvable
from gateway.core.site import Application
from gateway.portal.services import Services


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request that somebody may decide: who asks, and what they may ask for."""

    request: AccessRequest
    asker: Person
    application: Application
    rules: Approvable


async def waiting_for(services: Services, user: str) -> list[Waiting]:
    """Return what *user* may decide and nobody has, by number; what is over is left out."""
    if not is_manager(services, user):
        return []
    today = services.today()
    found = []
    for request, asker in await services.store.waiting_requests():
        one = concerns(services, user, request, asker)
        if one is not None and request.is_open(today):
            found.append(one)
    return found


def is_manager(services: Services, user: str) -> bool:
    """Say whether *user* is a manager of any group."""
    return any(user in names for names in services.site.managers.values())


def concerns(
    services: Services, user: str, request: AccessRequest, asker: Person
) -> Waiting | None:
    """Return *request* as *user* may decide it; None where they may not.

    By the rules and managers of this moment, and never one's own.
    """
    application = services.applications().get(request.app)
    if application is None:
        return None
    rules = approvable(application.policy, asker, services.clock())
    if rules is None or user not in rules.deciders(asker, services.site.managers):
        return None
    return Waiting(request, asker, application, rules)
