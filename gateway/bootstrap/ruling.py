"""What the rules of an application say of one request that was made, today and then."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gateway.bootstrap.access_lines import AccessLine
from gateway.bootstrap.command import Command
from gateway.config import Problems, read_configuration
from gateway.core.asking import subject_of
from gateway.core.people import Holder
from policies.decide import Explanation, explain
from policies.model import Level, RequestFacts


@dataclass(frozen=True, slots=True)
class Ruling:
    """The decision rule by rule, by the rules of today; *then* and *now* are of two moments.

    Both are None where the rules cannot be asked: *gaps* says why.
    """

    app: str
    upstreams: tuple[str, ...]
    """Where the application is, as the file says."""
    file: Path
    written_at: datetime | None
    """When the file was last written; after the request, if *newer*."""
    newer: bool
    then: Explanation | None
    now: Explanation | None
    gaps: tuple[str, ...]


def rule_on(
    command: Command,
    app: str,
    holder: Holder,
    level: Level,
    line: AccessLine | None,
    at: datetime,
    proved_at: datetime,
) -> Ruling:
    """Ask the rules of *app* about the request of *line*, made by *holder*, a person's, at *at*.

    *proved_at* is when they had last given password and code, or stands for it. Groups are those that the person has today. Raises nothing for files with mistakes.
    """
    file = command.folder.app_file(app)
    try:
        written = datetime.fromtimestamp(file.stat().st_mtime, UTC)
    except OSError:
        gap = f"{file} cannot be read: the application was removed, or these are not its files"
        return Ruling(app, (), file, None, newer=False, then=None, now=None, gaps=(gap,))
    newer = written > at
    gaps = []
    if newer:
        gaps.append(
            f"{file} was written after the request: the rules may have been others then, and what "
            "they were is not kept"
        )
    found = read_configuration(command.folder.path)
    application = None if isinstance(found, Problems) else found.applications.get(app)
    then = now = None
    if application is None:
        gaps.append("the files have problems (`pusterla app check`), so no rule can be asked")
    elif line is None or holder.person is None:
        gaps.append("method and path are not known, so no rule can be asked")
    else:
        policy = application.policy
        subject = subject_of(holder, level, proved_at)
        path = line.target.partition("?")[0] or "/"
        facts = RequestFacts(line.method or "GET", path, line.address)
        then = explain(policy, subject, facts, at)
        now = explain(policy, subject, facts, command.clock())
    upstreams = () if application is None else tuple(map(str, application.upstreams))
    return Ruling(app, upstreams, file, written, newer=newer, then=then, now=now, gaps=tuple(gaps))
