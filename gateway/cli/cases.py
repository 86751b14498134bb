"""pusterla policy test: what is expected of the rules, against what they say."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.output import ExampleCommand, json_option, note, say, say_json, utc
from gateway.cli.surroundings import Surroundings, pass_surroundings
from gateway.config import Configuration, Problems, read_configuration
from gateway.config.cases import EXAMPLE, read_cases
from policies.cases import Case, Outcome, difference, judge_case
from policies.reading import Problem
from policies.values import suggest

if TYPE_CHECKING:
    from gateway.bootstrap.command import Command

Groups = dict[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Judged:
    """A case, what became of it, and how that is not what was expected; "" where it is."""

    case: Case
    outcome: Outcome
    fault: str


@click.command(cls=ExampleCommand, example="policy test")
@click.option("--example", is_flag=True, help="Print a file of cases with every key explained.")
@json_option
@pass_surroundings
def test(here: Surroundings, *, example: bool, as_json: bool) -> None:
    """Judge the cases in tests/*.toml, by the code that decides.

    Exit status 1 when one ends otherwise than expected, and when there is none. Neither keys nor,
    where each case names its groups, the store are needed: the rules' folder is enough.
    """
    if example:
        click.echo(EXAMPLE, nl=False)
        return
    found = read_configuration(here.folder().path)
    problems, judged = (
        (list(found.problems), list[Judged]())
        if isinstance(found, Problems)
        else judge_cases(here, found)
    )
    if as_json:
        say_json(
            {
                "problems": [{"place": one.place, "message": one.message} for one in problems],
                "cases": [_facts(one) for one in judged],
            }
        )
    else:
        _tell(problems, judged)
    if problems or not judged or any(one.fault for one in judged):
        raise click.exceptions.Exit(1)


def _tell(problems: Sequence[Problem], judged: Sequence[Judged]) -> None:
    for problem in (*problems, *faults_of(judged)):
        note(str(problem))
    wrong = sum(bool(one.fault) for one in judged)
    if wrong:
        note(f"{wrong} of {len(judged)} case{'' if len(judged) == 1 else 's'} ended otherwise")
    elif judged and not problems:
        say(f"{len(judged)} case{'' if len(judged) == 1 else 's'}, all as expected")
    elif not problems:
        note("no cases: write tests/NAME.toml; pusterla policy test --example shows one")


def judge_cases(
    here: Surroundings, configuration: Configuration
) -> tuple[list[Problem], list[Judged]]:
    """Judge every case of the site, and return what could not be judged beside it."""
    from gateway.bootstrap.folder import clock

    folder, zone, problems = here.folder().path, configuration.site.time_zone, list[Problem]()
    cases = read_cases(folder, configuration.applications, zone, problems)
    groups = _look_up(here, cases, problems)
    now = clock()
    judged = []
    for case in cases:
        if case.groups is None and case.user not in groups:
            continue
        policy = configuration.applications[case.app].policy
        outcome = judge_case(case, policy, groups.get(case.user), now)
        judged.append(Judged(case, outcome, difference(case, outcome, zone)))
    return problems, judged


def faults_of(judged: Sequence[Judged]) -> list[Problem]:
    """Return the cases that did not end as expected, with their places."""
    return [
        Problem(one.case.place, f"{one.case.name!r}: {one.fault}") for one in judged if one.fault
    ]


def _look_up(here: Surroundings, cases: Sequence[Case], problems: list[Problem]) -> Groups:
    """Return the groups of those whose case names none, from the store."""
    from gateway.store.errors import StoreMissing

    lacking = [case for case in cases if case.groups is None]
    if not lacking:
        return {}
    try:
        known = here.run(_groups)
    except StoreMissing:
        problems += [
            Problem(case.place, "groups: missing, and there is no store here to look them up in")
            for case in lacking
        ]
        return {}
    problems += [
        Problem(
            case.place,
            f"user: there is no {case.user!r}{suggest(case.user, known)}; "
            "for somebody who is to come give groups",
        )
        for case in lacking
        if case.user not in known
    ]
    return known


async def _groups(command: "Command") -> Groups:
    return {person.user: person.groups for person in await command.store.people()}


def _facts(one: Judged) -> dict[str, Any]:
    case, outcome = one.case, one.outcome
    return {
        "place": case.place,
        "name": case.name,
        "passed": not one.fault,
        "expected": {"answer": case.expect, "rule": case.rule, "opens": utc(case.opens)},
        "found": {"answer": outcome.answer, "rule": outcome.rule, "opens": utc(outcome.opens)},
        "message": one.fault,
    }
