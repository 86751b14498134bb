"""The rules of two folders compared for the people of a site, and by requests that were made."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from gateway.bootstrap.access import judge_at, known_holders
from gateway.bootstrap.access_lines import AccessLine, AccessLines
from gateway.bootstrap.command import Command, CommandRefused
from gateway.config import Problems, read_configuration
from gateway.config.files import SETTINGS_FILE
from gateway.core.asking import REFUSALS, subject_of
from gateway.core.people import Holder
from gateway.core.routes import normalise_target
from policies.cases import SIGN_IN, STEP_UP
from policies.comparison import Change, NotCompared, compare
from policies.decide import decide
from policies.model import Allow, AppPolicy, Deny, Level, RequestFacts, StepUp, Subject
from policies.printing import session_in_words

_Key = tuple[str, str, str, str, str, str, str]
_BY_RULES = frozenset(REFUSALS.values())


@dataclass(frozen=True, slots=True)
class Otherwise:
    """Requests of one kind that would be decided otherwise: *count* of them, the last at *last*."""

    user: str
    device: str
    app: str
    method: str
    path: str
    was: str
    would_be: str
    count: int
    last: datetime


@dataclass(frozen=True, slots=True)
class Comparison:
    """What changes for people; and of *looked_at* requests those decided *otherwise*.

    Nothing is said of the applications *not_compared* but by requests; *notes* say which of these
    are not known.
    """

    changes: tuple[Change, ...]
    not_compared: tuple[NotCompared, ...]
    looked_at: int
    otherwise: tuple[Otherwise, ...]
    notes: tuple[str, ...]


async def compare_folders(
    command: Command, old: Path, new: Path, since: datetime | None
) -> Comparison:
    """Compare the rules in *old* with those in *new*; with *since* by the requests since then too.

    People are those of the site, with every certificate that opens anything today. Raises
    `CommandRefused` where one of the folders has a mistake.
    """
    before, after = _policies_in(command, old), _policies_in(command, new)
    now, zone = command.clock(), command.site.time_zone
    people = await command.store.people()
    holders = await known_holders(command, people)
    subjects = [
        subject_of(holder, Level.PASSWORD_TOTP)
        for holder in holders
        if judge_at(holder, now, now) is None
    ]
    changes: list[Change] = []
    not_compared: list[NotCompared] = []
    for app in sorted({*before, *after}):
        nothing = AppPolicy(app, ())
        found = compare(before.get(app, nothing), after.get(app, nothing), subjects, now, zone)
        if isinstance(found, NotCompared):
            not_compared.append(found)
        else:
            changes += found
    requests, notes = _Requests(before, after, holders), _of_sessions(before, after)
    for line in () if since is None else _lines(command, since, notes):
        requests.look_at(line)
    return Comparison(
        tuple(changes), tuple(not_compared), requests.looked_at, requests.found(), tuple(notes)
    )


def _of_sessions(before: Mapping[str, AppPolicy], after: Mapping[str, AppPolicy]) -> list[str]:
    """Say what applications will ask of sessions otherwise than now; it is no matter of rules."""
    return [
        f"{app} will ask of sessions: {will_be or 'nothing'}; before: {was or 'nothing'}"
        for app in sorted({*before} & {*after})
        if (was := session_in_words(before[app])) != (will_be := session_in_words(after[app]))
    ]


def _policies_in(command: Command, folder: Path) -> Mapping[str, AppPolicy]:
    has_settings = (folder / SETTINGS_FILE).is_file()
    found = read_configuration(folder, None if has_settings else command.site)
    if isinstance(found, Problems):
        raise CommandRefused(f"the files in {folder} have problems:\n{found}")
    return {name: application.policy for name, application in found.applications.items()}


def _lines(command: Command, since: datetime, notes: list[str]) -> Iterable[AccessLine]:
    if command.site.access_log is None:
        notes.append("there is no access log (log.access is off), so no request is known")
        return
    lines = AccessLines(command.folder.path / command.site.access_log)
    yield from lines.since(since)
    if lacking := lines.lacks(since):
        notes.append(f"{lacking}: not every request of that time is known")
    notes += lines.unread


class _Requests:
    """Requests of the past under two policies."""

    def __init__(
        self,
        old: Mapping[str, AppPolicy],
        new: Mapping[str, AppPolicy],
        holders: Iterable[Holder],
    ) -> None:
        self._old, self._new = old, new
        # Another CA may have given a serial of ours, or of a third: the log tells them apart by who.
        self._subjects = {
            (holder.user, holder.device, holder.serial): subject_of(holder, Level.PASSWORD_TOTP)
            for holder in holders
            if holder.person is not None
        }
        self._counts: Counter[_Key] = Counter()
        self._last: dict[_Key, datetime] = {}
        self.looked_at = 0

    def look_at(self, line: AccessLine) -> None:
        """Decide one request twice, if it is one that rules have decided."""
        subject = self._subjects.get((line.user, line.device, line.serial))
        target = normalise_target(line.target.encode())
        decided = line.rule or line.reason in _BY_RULES
        if subject is None or target is None or not decided:
            return
        if line.app not in self._old and line.app not in self._new:
            return
        self.looked_at += 1
        facts = RequestFacts(line.method, target.path.decode(), line.address)
        was, would_be = (
            _answer(policies.get(line.app), subject, facts, line.begun_at)
            for policies in (self._old, self._new)
        )
        # Refused is refused, whatever for.
        if was == would_be or "allow" not in {was, would_be}:
            return
        key = (subject.user, subject.device, line.app, line.method, facts.path, was, would_be)
        self._counts[key] += 1
        self._last[key] = max(line.ended_at, self._last.get(key, line.ended_at))

    def found(self) -> tuple[Otherwise, ...]:
        """Return what would be decided otherwise, the most frequent first."""
        return tuple(
            Otherwise(*key, count, self._last[key]) for key, count in self._counts.most_common()
        )


def _answer(
    policy: AppPolicy | None, subject: Subject, facts: RequestFacts, moment: datetime
) -> str:
    """Return what *policy* decides, without the rule that is the cause."""
    if policy is None:
        return "no-application"
    # Of the session nothing is known but that it was good, and of the code not how old it was.
    known = replace(subject, signed_in_at=moment, used_at=moment)
    match decide(policy, known, facts, moment):
        case Allow():
            return "allow"
        case Deny(reason):
            return reason.value
        case StepUp(within=within):
            return SIGN_IN if within is None else STEP_UP
