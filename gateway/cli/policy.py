"""pusterla policy: who may reach what and when, checked and explained."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, TypeVar

import click

from gateway.cli.cases import faults_of, judge_cases, test
from gateway.cli.circumstances import Circumstances, circumstances
from gateway.cli.differences import diff
from gateway.cli.matrix import say_access
from gateway.cli.output import ExampleCommand, json_option, printable, say, say_json
from gateway.cli.reasons import facts_of_judgement, say_judgement
from gateway.cli.renewals import SPAN
from gateway.cli.surroundings import Surroundings, pass_surroundings
from gateway.config import Configuration, Problems, read_configuration
from gateway.core.site import Application
from gateway.core.trusts import Trust
from policies.model import RequestFacts
from policies.reading import Problem
from policies.review import differing_counts, review

if TYPE_CHECKING:
    from gateway.bootstrap.command import Command

_T = TypeVar("_T")  # PEP 695 is not in Python 3.11


@click.group()
def policy() -> None:
    """Rules: who may reach what and when, checked and explained."""


@policy.command(cls=ExampleCommand, example="policy check")
@json_option
@pass_surroundings
def check(here: Surroundings, *, as_json: bool) -> None:
    """Tell every problem of all files, cases that end otherwise, and strange rules.

    Strange is a rule that can never match, one that another contradicts, a name that nobody has,
    an agreement that no rule requires, or that is not there in all of its languages. Exit status 1 when there is a problem; what is strange is no problem.
    """
    from gateway.bootstrap.trusted import trusts_of

    found, trusts = read_configuration(here.folder().path), trusts_of(here.folder())
    problems, warnings = _look(here, found, trusts)
    if as_json:
        say_json({"problems": _places(problems), "warnings": _places(warnings)})
    else:
        for problem in problems:
            click.echo(printable(str(problem)), err=True)
        for warning in warnings:
            say(f"warning: {warning}")
        if not problems and not isinstance(found, Problems):
            rules = sum(len(one.policy.rules) for one in found.applications.values())
            apps = len(found.applications)
            say(
                f"no problems: {rules} rule{'' if rules == 1 else 's'} of "
                f"{apps} application{'' if apps == 1 else 's'}"
            )
    if problems:
        raise click.exceptions.Exit(1)


def _look(
    here: Surroundings, found: Configuration | Problems, trusts: Mapping[str, Trust] | Problems
) -> tuple[list[Problem], list[Problem]]:
    """Return the problems of files and cases; and what is strange, where there are none."""
    if isinstance(found, Problems) or isinstance(trusts, Problems):
        files = [each for each in (found, trusts) if isinstance(each, Problems)]
        return [problem for each in files for problem in each.problems], []
    unread, judged = judge_cases(here, found)
    problems = [*unread, *faults_of(judged)]
    if problems:
        return problems, []
    from gateway.bootstrap.agreements import strange_agreements

    applications = found.applications.values()
    strange = here.run(lambda command: _strange(command, applications, trusts))
    return [], [*strange_agreements(found), *strange]


async def _strange(
    command: "Command", applications: Collection[Application], trusts: Collection[str]
) -> list[Problem]:
    from gateway.bootstrap.access import find_strangers
    from gateway.bootstrap.requests import strange_managers

    today = command.today()
    found = [
        (application.name, odd.position, odd.rule, odd.message)
        for application in applications
        for odd in review(application.policy, today)
    ]
    found += [
        (app, odd.position, odd.rule, odd.message)
        for app, odd in differing_counts(one.policy for one in applications)
    ]
    found += [
        (one.app, one.position, one.rule, one.message)
        for one in await find_strangers(command, applications, trusts)
    ]
    rules = [
        Problem(f"apps/{app}.toml: rules[{position}]", f"{rule!r}: {message}")
        for app, position, rule, message in sorted(found)
    ]
    return [*rules, *await strange_managers(command, applications)]


@policy.command(
    cls=ExampleCommand,
    example='policy explain anna wiki --path /admin --at "2026-11-24 19:40" --from 10.0.0.7',
)
@click.argument("user")
@click.argument("app")
@circumstances
@click.option("--serial", help="With this certificate.  [default: the best that they have]")
@click.option(
    "--code-age",
    type=SPAN,
    default=timedelta(),
    metavar="SPAN",
    help="As if they had signed in so long ago: 20m, 8h.  [default: just now]",
)
@json_option
@pass_surroundings
def explain(
    here: Surroundings,
    *,
    user: str,
    app: str,
    asked: Circumstances,
    serial: str | None,
    code_age: timedelta,
    as_json: bool,
) -> None:
    """Say why USER is let into APP or not: rule by rule, by the code that decides.

    It is judged as if they had signed in, and had not used it since then.
    """
    from gateway.bootstrap.access import explain_access

    judgement, now, zone = _judge(
        here,
        asked,
        lambda command, facts, now: explain_access(
            command, user, app, facts, now, serial, code_age
        ),
    )
    if as_json:
        say_json(facts_of_judgement(judgement, now))
    else:
        say_judgement(judgement, asked.facts(), now, zone, code_age)


@policy.command(cls=ExampleCommand, example="policy who wiki --from 10.0.0.7")
@click.argument("app")
@circumstances
@click.option("--all", "everybody", is_flag=True, help="Also who is let in at no time.")
@click.option("--csv", "as_csv", is_flag=True, help="Answer with CSV, for a spreadsheet.")
@json_option
@pass_surroundings
def who(
    here: Surroundings,
    *,
    app: str,
    asked: Circumstances,
    everybody: bool,
    as_csv: bool,
    as_json: bool,
) -> None:
    """List who reaches APP, one line for each certificate that has not ended."""
    from gateway.bootstrap.access import who_reaches

    found, _, zone = _judge(
        here, asked, lambda command, facts, now: who_reaches(command, app, facts, now)
    )
    say_access(found, zone, everybody=everybody, as_csv=as_csv, as_json=as_json, key="user")


@policy.command(cls=ExampleCommand, example="policy what anna --all --csv")
@click.argument("user")
@circumstances
@click.option("--all", "everything", is_flag=True, help="Also what is open to them at no time.")
@click.option("--csv", "as_csv", is_flag=True, help="Answer with CSV, for a spreadsheet.")
@json_option
@pass_surroundings
def what(
    here: Surroundings,
    *,
    user: str,
    asked: Circumstances,
    everything: bool,
    as_csv: bool,
    as_json: bool,
) -> None:
    """List what USER reaches, one line for each application and certificate."""
    from gateway.bootstrap.access import what_is_reached

    found, _, zone = _judge(
        here, asked, lambda command, facts, now: what_is_reached(command, user, facts, now)
    )
    say_access(found, zone, everybody=everything, as_csv=as_csv, as_json=as_json, key="app")


def _judge(
    here: Surroundings,
    asked: Circumstances,
    work: "Callable[[Command, RequestFacts, datetime], Awaitable[_T]]",
) -> tuple[_T, datetime, tzinfo]:
    """Return what *work* finds in the circumstances that are asked about, when, and the zone."""
    facts = asked.facts()

    async def look(command: "Command") -> tuple[_T, datetime, tzinfo]:
        zone = command.site.time_zone
        now = asked.moment(command.clock(), zone)
        return await work(command, facts, now), now, zone

    return here.run(look)


for command in (test, diff):
    policy.add_command(command)


def _places(problems: Iterable[Problem]) -> list[dict[str, str]]:
    return [{"place": each.place, "message": each.message} for each in problems]
