"""Agreements and who has accepted them, for the command."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from gateway.bootstrap.command import Command, CommandRefused
from gateway.config import Configuration
from gateway.config.agreements import read_agreements
from gateway.config.files import read_sound_configuration
from gateway.core.agreements import Acceptance, AgreementDocument
from gateway.core.site import Application
from policies.model import AppPolicy, Effect
from policies.reading import Problem
from policies.values import suggest


@dataclass(frozen=True, slots=True)
class Overview:
    """An agreement: the applications that require it, and how many have accepted enough today."""

    document: AgreementDocument
    today: date
    apps: tuple[str, ...]
    people: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One acceptance; *counts*: it is enough today, as far as the files say what is required."""

    acceptance: Acceptance
    counts: bool


def _agreements(command: Command) -> dict[str, AgreementDocument]:
    problems: list[Problem] = []
    found = read_agreements(command.folder.path, problems)
    if problems:
        lines = "\n".join(map(str, problems))
        raise CommandRefused(f"agreements have problems, so none can be told:\n{lines}")
    return found


def _sound_applications(command: Command) -> Mapping[str, Application]:
    """Return the applications without mistakes, and say which are left out: they keep nobody."""
    sound, problems = read_sound_configuration(command.folder.path, command.site)
    for problem in problems.problems:
        command.say(f"{problem}; what the application requires is not told")
    return sound.applications


async def list_agreements(command: Command) -> list[Overview]:
    """Return every agreement of the site, by name; raises `CommandRefused`."""
    found, applications = _agreements(command), _sound_applications(command)
    today = command.today()
    accepted: dict[str, set[str]] = {}
    for one in await command.store.acceptances():
        if one.withdrawn_at is None:
            accepted.setdefault(one.user, set()).add(one.mark)
    return [
        Overview(
            document,
            today,
            tuple(requiring(applications.values(), name)),
            sum(
                document.agreement.is_accepted(frozenset(marks), today)
                for marks in accepted.values()
            ),
        )
        for name, document in sorted(found.items())
    ]


def find_agreement(command: Command, name: str) -> AgreementDocument:
    """Return the agreement *name*, or raise `CommandRefused`."""
    agreements = _agreements(command)
    if name in agreements:
        return agreements[name]
    hint = suggest(name, agreements) or "; `pusterla agreement list` names them all"
    raise CommandRefused(f"no agreement {name!r}{hint}")


async def list_entries(
    command: Command, user: str | None = None, agreement: str | None = None
) -> list[Entry]:
    """Return what was accepted, oldest first, also by people who have gone.

    Raises `CommandRefused` where *user* or *agreement* is a name that nobody and nothing has had.
    """
    found = await command.store.acceptances(user=user, agreement=agreement)
    if not found and user is not None:
        await command.person(user)
    if not found and agreement is not None:
        find_agreement(command, agreement)
    agreements, today = _agreements(command), command.today()
    return [Entry(one, _counts(one, agreements, today)) for one in found]


def _counts(one: Acceptance, agreements: Mapping[str, AgreementDocument], today: date) -> bool:
    document = agreements.get(one.agreement)
    if document is None or one.withdrawn_at is not None:
        return False
    return document.agreement.is_accepted(frozenset({one.mark}), today)


async def withdraw(command: Command, user: str, agreement: str) -> list[Acceptance]:
    """Let what *user* accepted of *agreement* count no more; raises `CommandRefused`.

    An agreement whose file is gone can be withdrawn too.
    """
    person = await command.person(user)
    withdrawn = await command.store.withdraw_agreement(person.user, agreement, by=command.by)
    if not withdrawn and not await command.store.acceptances(agreement=agreement):
        find_agreement(command, agreement)
    return withdrawn


def requiring(applications: Iterable[Application], name: str) -> list[str]:
    """Return the names of the *applications* of which a rule requires the agreement *name*."""
    return sorted(one.name for one in applications if name in _required(one.policy))


def _required(policy: AppPolicy) -> set[str]:
    return {
        agreement.name
        for rule in policy.rules
        if rule.effect is Effect.ALLOW
        for agreement in rule.agreements or ()
    }


def strange_agreements(found: Configuration) -> list[Problem]:
    """Return a warning for each agreement that no rule requires, or that some cannot read."""
    warnings = []
    for name, document in sorted(found.agreements.items()):
        place = f"agreements/{name}.toml"
        if not requiring(found.applications.values(), name):
            warnings.append(Problem(place, "no rule requires it, so nobody is asked to accept it"))
        languages = {text.language for text in document.texts}
        for version in document.agreement.versions:
            lacking = sorted(languages.difference(document.languages(version.version)))
            if lacking:
                words = f"version {version.version!r} is not there in: {', '.join(lacking)}"
                warnings.append(Problem(place, f"{words}; other versions are"))
    return warnings
