"""pusterla reload: let a running site take up what has changed in its files."""

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from gateway.cli.output import ExampleCommand, json_option, say, say_json, table, warn
from gateway.cli.surroundings import Surroundings, pass_surroundings

if TYPE_CHECKING:
    from gateway.bootstrap.asking import Asked


@click.command(
    cls=ExampleCommand,
    short_help="Let the running site take up what has changed.",
    example="--site /srv/pusterla reload",
)
@json_option
@pass_surroundings
def reload(here: Surroundings, *, as_json: bool) -> None:
    """Let the running site take up its settings, certificates and keys; no connection is lost.

    The files are looked at first: with a problem in them nobody is asked. Then every process
    says what it has taken up. Exit status 1 when one of them has not.
    """
    from gateway.bootstrap.asking import reload_site

    report = asyncio.run(reload_site(here.folder()))
    if as_json:
        say_json({name: asdict(outcome) for name, outcome in report.items()})
    else:
        lines = [(name, line) for name, outcome in report.items() for line in outcome.lines()]
        say(table(lines))
    if any(outcome.problems for outcome in report.values()):
        raise click.exceptions.Exit(1)


def warn_unless_taken_up(asked: "Asked") -> None:
    """Say why a running site does not work yet with what a command has changed, if it does not."""
    if asked.unasked:
        warn(asked.unasked)
    for outcome in asked.report.values():
        for problem in outcome.problems:
            warn(problem)


def say_taken_up(asked: "Asked") -> None:
    """Say whether a running site works with what a command has changed."""
    if asked.taken_up:
        say("the running site has taken it up; edges on other machines do with pusterla reload")
    else:
        say("no site has taken it up yet: one that runs does with pusterla reload")
