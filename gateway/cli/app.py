"""pusterla app: the applications behind the site, each a file in apps/."""

from typing import TYPE_CHECKING, Any

import click

from gateway.cli.output import (
    ExampleCommand,
    json_option,
    note,
    printable,
    say,
    say_facts,
    say_json,
    say_table,
    warn,
)
from gateway.cli.surroundings import Surroundings, pass_surroundings
from gateway.config import Configuration, Problems, read_configuration
from gateway.config.settings import check_host
from gateway.core.site import Application, parse_upstream
from policies.durations import show_duration
from policies.match import in_words
from policies.model import Rule
from policies.parse import SubjectTerm, parse_subject_term
from policies.printing import narrowing_in_words, session_in_words

if TYPE_CHECKING:
    from gateway.bootstrap.command import Command


@click.group()
def app() -> None:
    """Applications behind the site, each a file in apps/."""


def _checked(check: Any) -> Any:
    """Turn *check*, which raises `ValueError`, into a click callback: wrong usage, status 2."""

    def callback(ctx: click.Context, option: click.Parameter, value: Any) -> Any:
        try:
            if isinstance(value, tuple):
                return tuple(check(each) for each in value)
            return value if value is None else check(value)
        except ValueError as error:
            raise click.BadParameter(str(error), ctx, option) from error

    return callback


def _upstream(text: str) -> str:
    return str(parse_upstream(text))


@app.command(
    cls=ExampleCommand,
    example="app add wiki --host wiki.pusterla.localhost --upstream http://127.0.0.1:9000"
    " --allow group:technicians",
)
@click.argument("name")
@click.option(
    "--host", required=True, callback=_checked(check_host), help="The host people reach it under."
)
@click.option(
    "--upstream",
    "upstreams",
    required=True,
    multiple=True,
    callback=_checked(_upstream),
    help="Where it listens: http://HOST:PORT or unix:/path/of.sock; several times for several "
    "that do the same.",
)
@click.option(
    "--allow",
    multiple=True,
    metavar="WHO",
    callback=_checked(parse_subject_term),
    help="Whom to let in: group:NAME or user:NAME; may be given several times.",
)
@json_option
@pass_surroundings
def add(
    here: Surroundings,
    *,
    name: str,
    host: str,
    upstreams: tuple[str, ...],
    allow: tuple[SubjectTerm, ...],
    as_json: bool,
) -> None:
    """Write apps/NAME.toml, with every key explained; a running site takes it up by itself."""
    from gateway.bootstrap.applications import (
        add_application,
        missing_subjects,
        server_certificate_covers,
    )

    async def work(command: "Command") -> tuple[Application, list[str]]:
        found = await add_application(command, name, host, upstreams, allow)
        return found, await missing_subjects(command, allow)

    found, missing = here.run(work)
    folder = here.folder()
    for words in missing:
        warn(words)
    if server_certificate_covers(folder, host) is False:
        warn(
            f"the server certificate ({folder.server_certificate}) does not cover {host}: "
            "browsers will warn until one does"
        )
    if not allow:
        warn("no rule lets anybody in yet: add one to the file, or use --allow next time")
    if as_json:
        say_json(_facts(found) | {"file": str(folder.app_file(name))})
    else:
        say(f"{folder.app_file(name)} written: {host} goes to {_upstreams(found)}")


@app.command("list", cls=ExampleCommand, example="app list --json")
@json_option
@pass_surroundings
def list_(here: Surroundings, *, as_json: bool) -> None:
    """List the applications."""
    found = _configuration(here).applications.values()
    if as_json:
        say_json([_facts(each) for each in found])
        return
    say_table(
        ("NAME", "HOST", "UPSTREAM", "RULES"),
        [(each.name, each.host, _upstreams(each), _rules_in_words(each)) for each in found],
        empty="there are no applications; `pusterla app add` adds one",
    )


@app.command(cls=ExampleCommand, example="app show wiki")
@click.argument("name")
@json_option
@pass_surroundings
def show(here: Surroundings, *, name: str, as_json: bool) -> None:
    """Show one application and its rules."""
    from gateway.bootstrap.applications import refuse_unknown_application

    refuse_unknown_application(here.folder(), name)
    configuration = _configuration(here)
    found = configuration.applications[name]
    if as_json:
        say_json(_facts(found))
        return
    say_facts(
        [
            ("name", found.name),
            ("title", found.title),
            ("description", found.description),
            ("address", configuration.site.origin(found.host) + "/"),
            ("upstream", _upstreams(found)),
            ("user header", found.user_header or ""),
            ("client certificate", "handed on" if found.client_certificate else "not handed on"),
            ("session", session_in_words(found.policy) or "as long as the site's"),
            ("file", here.folder().app_file(name)),
        ]
    )
    say()
    say_table(
        ("RULE", "EFFECT", "GROUPS", "USERS", "ONLY"),
        [
            (
                rule.name,
                rule.effect,
                in_words(rule.groups),
                in_words(rule.users),
                narrowing_in_words(rule),
            )
            for rule in found.policy.rules
        ],
        empty="no rules: nobody gets in",
    )


@app.command(cls=ExampleCommand, example="app check")
@json_option
@pass_surroundings
def check(here: Surroundings, *, as_json: bool) -> None:
    """Check pusterla.toml, all of apps/ and all of trust/ as `serve` does: every problem there is.

    Exit status 1 when there is one.
    """
    from gateway.bootstrap.trusted import trusts_of

    found = read_configuration(here.folder().path)
    trusts = trusts_of(here.folder())
    problems = [
        *(found.problems if isinstance(found, Problems) else ()),
        *(trusts.problems if isinstance(trusts, Problems) else ()),
    ]
    if as_json:
        say_json([{"place": each.place, "message": each.message} for each in problems])
    elif problems:
        click.echo(printable_lines(Problems(tuple(problems))), err=True)
    elif isinstance(found, Configuration):
        count = len(found.applications)
        others = len(trusts) if isinstance(trusts, dict) else 0
        words = f" and {others} trust{'' if others == 1 else 's'}" if others else ""
        say(f"no problems: the settings and {count} application{'' if count == 1 else 's'}{words}")
    if problems:
        raise click.exceptions.Exit(1)


@app.command(cls=ExampleCommand, example="app remove wiki")
@click.argument("name")
@json_option
@pass_surroundings
def remove(here: Surroundings, *, name: str, as_json: bool) -> None:
    """Take apps/NAME.toml away; open connections are cut, and requests for it end."""
    from gateway.bootstrap.applications import remove_application

    path = here.run(lambda command: remove_application(command, name))
    if as_json:
        say_json({"name": name, "file": str(path)})
    else:
        say(f"{path} removed")


def printable_lines(problems: Problems) -> str:
    """Write *problems* one a line; keys in a file can hold anything."""
    return "\n".join(printable(str(problem)) for problem in problems.problems)


def _configuration(here: Surroundings) -> Configuration:
    found = read_configuration(here.folder().path)
    if isinstance(found, Problems):
        note(printable_lines(found))
        raise click.ClickException("the files have problems (above), so they are not shown")
    return found


def _facts(found: Application) -> dict[str, Any]:
    return {
        "name": found.name,
        "host": found.host,
        "upstreams": list(map(str, found.upstreams)),
        "title": found.title,
        "description": found.description,
        "user_header": found.user_header,
        "client_certificate": found.client_certificate,
        "session": {
            "lifetime": found.policy.lifetime and show_duration(found.policy.lifetime),
            "idle": found.policy.idle and show_duration(found.policy.idle),
        },
        "rules": [_rule_facts(rule) for rule in found.policy.rules],
    }


def _upstreams(found: Application) -> str:
    return ", ".join(map(str, found.upstreams))


def _rule_facts(rule: Rule) -> dict[str, Any]:
    return {
        "name": rule.name,
        "effect": rule.effect.value,
        "groups": None if rule.groups is None else sorted(rule.groups),
        "users": None if rule.users is None else sorted(rule.users),
        "only": narrowing_in_words(rule),
    }


def _rules_in_words(found: Application) -> str:
    words = []
    for rule in found.policy.rules:
        terms = [f"group:{name}" for name in sorted(rule.groups or ())]
        terms += [f"user:{name}" for name in sorted(rule.users or ())]
        only = narrowing_in_words(rule)
        words.append(
            f"{rule.effect} {' '.join(terms) or 'everybody'}{f' ({only})' if only else ''}"
        )
    return "; ".join(words) or "nobody"
