"""What a decision costs on a large site, fresh and remembered, and how long its rules take to load.

Processor time of this process, so that neighbours do not count.
"""

import random
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any, cast
from zoneinfo import ZoneInfo

from gateway.config import Configuration, read_configuration
from gateway.core.sessions import SessionId
from gateway.core.site import Application
from gateway.edge.admission import Admission, Grant
from gateway.edge.ruling import refusal_of
from policies.calendar import Span, Timetable
from policies.decide import decide
from policies.model import AppPolicy, Deny, Effect, Level, RequestFacts, Rule, Subject
from policies.openings import opens_at
from policies.papers import Agreement, AgreementVersion, Approval, DayQuota, LocalDays, Papers
from policies.paths import parse_path_pattern
from policies.plan import plan_of
from tests.bench.report import Section, at_most

_ADDRESS = "10.1.2.3"
_FACTS = RequestFacts("GET", "/page", _ADDRESS)
# A Tuesday morning: inside the hours of the rules.
NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
_MICRO = 1e6


def measure_policies(directory: Path, *, quick: bool) -> Section:
    """Measure 1,000 applications with 10,000 rules, for 100,000 people in 1,000 groups."""
    scale = 10 if quick else 1
    chance = random.Random(6)
    small = _site(directory / "small", 10, 10, chance)
    _site(directory / "large", 1000 // scale, 10, chance)
    long = _site(directory / "long", 1, 10_000 // scale, chance)
    begun = time.process_time()
    found = _read(directory / "large")
    loading = time.process_time() - begun
    people = [_person(number, chance) for number in range(100_000 // scale)]
    rounds = 3 if quick else 9
    costs = [_decisions(one, people, chance, rounds) for one in (_read(small), found, _read(long))]
    names = (
        "10 applications, 100 rules",
        f"{1000 // scale} applications, {10_000 // scale} rules",
        f"1 application, {10_000 // scale} rules, some 25 of them for each person",
    )
    rows = [(name, f"{cost:.2f} µs") for name, cost in zip(names, costs, strict=True)]
    rich = _rich(directory / "rich", rounds)
    rows.append(("all of 10 rules with hours, holidays and networks match", f"{rich:.2f} µs"))
    papers = _papers(rounds)
    rows.append(("all of 10 rules with days, approval and agreement match", f"{papers:.2f} µs"))
    spent = _spent(rounds)
    rows.append(("refused for days that are used up, with the next", f"{spent:.1f} µs"))
    remembered = _remembered(found, rounds)
    rows.append(("remembered", f"{remembered:.3f} µs"))
    never = _never(rounds)
    rows.append(("refused, and time alone will not open it", f"{never:.2f} µs"))
    opening = _opening(directory / "rich", rounds, known=False)
    rows.append(("when it opens again, found over a weekend", f"{opening:.1f} µs"))
    opening = _opening(directory / "rich", rounds, known=True)
    rows.append(("when it opens again, found before", f"{opening:.2f} µs"))
    rows.append((f"loading {1000 // scale} applications", f"{loading:.2f} s"))
    return Section(
        "policies",
        "Decisions",
        f"{len(people)} people, each in five of 1,000 groups, ask for applications at random. Half "
        "of the rules name five users, half a group; a third have hours, weekdays and holidays, a "
        "fifth networks, a tenth deny. Processor time; the median of "
        f"{rounds} rounds. Remembered is what the edge asks instead while a grant is in force.",
        ("", "one decision"),
        rows,
        (
            at_most(f"a decision, {names[1]}", costs[1], 10, " µs"),
            at_most("a decision on which 10 rules with all of it bear", rich, 10, " µs"),
            at_most("a decision on which 10 rules with papers bear", papers, 10, " µs"),
            at_most("a remembered decision", remembered, 1, " µs", 3),
            at_most("a refusal that time alone does not end", never, 20, " µs"),
            at_most("loading the site's rules", loading, 5, " s"),
        ),
    )


def _site(directory: Path, apps: int, rules: int, chance: random.Random) -> Path:
    (directory / "apps").mkdir(parents=True)
    settings = '[site]\nhost = "p.example.org"\nport = 8443\ntime_zone = "Europe/Rome"\n'
    (directory / "pusterla.toml").write_text(settings)
    for number in range(apps):
        texts = [_rule(position, chance) for position in range(rules)]
        _write(directory, f"a{number}", texts)
    return directory


def _write(directory: Path, name: str, rules: Sequence[str]) -> None:
    head = f'host = "{name}.example.org"\nupstream = "http://127.0.0.1:9000"\n'
    (directory / "apps" / f"{name}.toml").write_text(head + "\n".join(rules))


def _rule(position: int, chance: random.Random) -> str:
    if position % 2:
        names = ", ".join(f'"u{number}"' for number in chance.sample(range(100_000), 5))
        lines = [f"users = [{names}]"]
    else:
        lines = [f'groups = ["g{chance.randrange(1000)}"]']
    lines.append(f'effect = "{"deny" if position % 10 == 7 else "allow"}"')
    if position % 3 == 0:
        lines += ['hours = "08:00-19:00"', 'weekdays = "mon-fri"', 'except_holidays = ["it"]']
    if position % 5 == 0:
        lines.append('networks = ["192.168.0.0/16", "10.0.0.0/8"]')
    return "[[rules]]\n" + "\n".join(lines) + "\n"


def _read(directory: Path) -> Configuration:
    found = read_configuration(directory)
    if not isinstance(found, Configuration):
        raise SystemExit(f"the bench has written wrong files: {found}")
    return found


def _person(number: int, chance: random.Random) -> Subject:
    groups = frozenset(f"g{chance.randrange(1000)}" for _ in range(5))
    return Subject(f"u{number}", groups, None, Level.PASSWORD_TOTP, "stick-1")


def _decisions(
    found: Configuration, people: list[Subject], chance: random.Random, rounds: int
) -> float:
    policies = [application.policy for application in found.applications.values()]
    asked = [(chance.choice(policies), chance.choice(people)) for _ in range(20_000)]

    def ask() -> None:
        for policy, subject in asked:
            decide(policy, subject, _FACTS, NOW)

    return _cost(ask, len(asked), rounds)


def _rich(directory: Path, rounds: int) -> float:
    """Measure a decision in which every criterion of every rule is asked, and holds."""
    (directory / "apps").mkdir(parents=True)
    settings = '[site]\nhost = "p.example.org"\nport = 8443\ntime_zone = "Europe/Rome"\n'
    (directory / "pusterla.toml").write_text(settings)
    rule = (
        '[[rules]]\neffect = "allow"\ngroups = ["g1"]\nhours = "08:00-19:00"\n'
        'weekdays = "mon-fri"\nexcept_holidays = ["it"]\nnetworks = ["10.0.0.0/8"]\n'
    )
    _write(directory, "rich", [rule] * 10)
    policy = _read(directory).applications["rich"].policy
    subject = Subject("u1", frozenset({"g1", "g2", "g3"}), None, Level.PASSWORD_TOTP)

    def ask() -> None:
        for _ in range(5000):
            decide(policy, subject, _FACTS, NOW)

    return _cost(ask, 5000, rounds)


def _desk(used: tuple[date, ...]) -> tuple[AppPolicy, Subject]:
    """Return ten rules that ask for papers, and somebody who has them and has *used* days."""
    version = AgreementVersion("1", date(2026, 1, 1), frozenset({"aa" * 32}))
    rule = Rule(
        "at home",
        Effect.ALLOW,
        None,
        frozenset({"g1"}),
        approval=True,
        agreements=(Agreement("home", (version,)),),
        days=DayQuota(3, consecutive=False),
        local=LocalDays(ZoneInfo("Europe/Rome")),
    )
    papers = Papers(
        version.digests,
        (Approval("desk", date(2026, 11, 1), date(2026, 12, 31)),),
        {"remote-days": frozenset(used)},
    )
    subject = Subject("u1", frozenset({"g1", "g2", "g3"}), None, Level.PASSWORD_TOTP, papers=papers)
    return AppPolicy("desk", (rule,) * 10), subject


def _papers(rounds: int) -> float:
    """Measure a decision in which ten rules ask for papers, all of which are there."""
    policy, subject = _desk((NOW.date(), date(2026, 11, 3)))

    def ask() -> None:
        for _ in range(5000):
            decide(policy, subject, _FACTS, NOW)

    return _cost(ask, 5000, rounds)


def _spent(rounds: int) -> float:
    """Measure a refusal by days that are used up: when it opens is known after the first."""
    policy, subject = _desk(tuple(date(2026, 11, number) for number in (3, 5, 9)))

    def ask() -> None:
        for _ in range(1000):
            denied = decide(policy, subject, _FACTS, NOW)
            refusal_of(policy, subject, _FACTS, cast(Deny, denied), NOW)

    return _cost(ask, 1000, rounds)


def _opening(directory: Path, rounds: int, *, known: bool) -> float:
    policy = _read(directory).applications["rich"].policy
    subject = Subject("u1", frozenset({"g1"}), None, Level.PASSWORD_TOTP)
    friday = NOW + timedelta(days=3, hours=12)

    def ask() -> None:
        for step in range(100):
            if not known:
                plan_of(policy).closings.clear()
            opens_at(policy, subject, friday + timedelta(seconds=step), _FACTS)

    return _cost(ask, 100, rounds)


def _never(rounds: int) -> float:
    """Measure a refusal of somebody for whom no rule is, beside rules with hours."""
    night = Timetable(UTC, (Span(0, 8 * 3600), Span(19 * 3600, 24 * 3600)))
    office = Timetable(UTC, (Span(8 * 3600, 19 * 3600),), frozenset(range(5)))
    paths = (parse_path_pattern("/admin/**"),)
    policy = AppPolicy(
        "wiki",
        (
            Rule("office", Effect.ALLOW, None, frozenset({"technicians"}), when=office),
            Rule("no admin", Effect.DENY, None, None, paths=paths, when=night),
        ),
    )
    nobody = Subject("u1", frozenset(), None, Level.PASSWORD_TOTP)
    facts = RequestFacts("GET", "/admin/x", _ADDRESS)

    def ask() -> None:
        for _ in range(1000):
            denied = decide(policy, nobody, facts, NOW)
            refusal_of(policy, nobody, facts, cast(Deny, denied), NOW)

    return _cost(ask, 1000, rounds)


def _remembered(found: Configuration, rounds: int) -> float:
    """Measure what a worker asks of a grant in force; no store is needed for that."""
    admission = Admission(cast(Any, None), cast(Any, None), timedelta(days=1), lambda: NOW)
    applications: list[Application] = [*found.applications.values()]
    sessions = [SessionId(f"{number:032x}") for number in range(100)]
    for application in applications[:100]:
        for session in sessions:
            grant = Grant(
                cast(Any, None), cast(Any, None), application, b"", NOW + timedelta(seconds=30)
            )
            admission._grants[session, application.name, ()] = grant

    def ask() -> None:
        for application in applications[:100]:
            for session in sessions:
                admission.grant(session, application, NOW)

    return _cost(ask, min(100, len(applications)) * len(sessions), rounds)


def _cost(work: Callable[[], None], count: int, rounds: int) -> float:
    """Return the median of what one of *count* costs, in microseconds, after a round unmeasured."""
    work()
    costs = []
    for _ in range(rounds):
        begun = time.process_time()
        work()
        costs.append((time.process_time() - begun) / count * _MICRO)
    return median(costs)


if __name__ == "__main__":
    import tempfile

    from tests.bench import report

    with tempfile.TemporaryDirectory() as place:
        print(report.text(measure_policies(Path(place), quick="--quick" in sys.argv)))
