"""pusterla agreement: texts that people accept before they get in, and who has accepted them."""

from datetime import date
from typing import TYPE_CHECKING, Any, Final

import click

from gateway.cli.output import (
    ExampleCommand,
    csv_text,
    json_option,
    local,
    say,
    say_facts,
    say_json,
    say_table,
    utc,
)
from gateway.cli.surroundings import Surroundings, pass_surroundings

if TYPE_CHECKING:
    from gateway.bootstrap.agreements import Entry, Overview
    from gateway.core.agreements import Acceptance, AgreementDocument

_COLUMNS: Final = (
    *("user", "agreement", "version", "language", "sha256"),
    *("serial", "accepted_at", "withdrawn_at", "counts"),
)
_SHOWN: Final = 12


@click.group()
def agreement() -> None:
    """Texts that people accept before they get in, and who has accepted them."""


@agreement.command(cls=ExampleCommand, example="agreement add smart-working --due 2026-12-01")
@click.argument("name")
@click.option("--due", required=True, help="From which day on it must have been accepted.")
@json_option
@pass_surroundings
def add(here: Surroundings, *, name: str, due: str, as_json: bool) -> None:
    """Write agreements/NAME.toml and an example text in English and Italian, to be changed."""
    from gateway.bootstrap.new_agreements import add_agreement

    try:
        day = date.fromisoformat(due)
    except ValueError as error:
        raise click.UsageError(f"--due is a date such as 2026-12-31, not {due!r}") from error
    written = add_agreement(here.folder(), name, day)
    if as_json:
        say_json({"name": name, "due": day.isoformat(), "files": [str(one) for one in written]})
        return
    for one in written:
        say(f"{one} written")
    say(f'a rule that says requires = ["agreement:{name}"] asks for it')


@agreement.command("list", cls=ExampleCommand, example="agreement list --user anna")
@click.option("--user", help="What USER has accepted, instead.")
@json_option
@pass_surroundings
def list_(here: Surroundings, *, user: str | None, as_json: bool) -> None:
    """List the agreements of the site, or what somebody has accepted."""
    if user is not None:
        _say_entries(_entries(here, user, None), as_json=as_json)
        return
    from gateway.bootstrap.agreements import list_agreements

    found = here.run(list_agreements)
    if as_json:
        say_json([_overview(one) for one in found])
        return
    say_table(
        ("NAME", "IN FORCE", "NEXT", "REQUIRED BY", "ACCEPTED BY", "TITLE"),
        [_row(one) for one in found],
        empty="there is no agreement: docs/agreements.md says how to write one",
    )


@agreement.command(cls=ExampleCommand, example="agreement show smart-working --version 2")
@click.argument("name")
@click.option("--version", help="This version.  [default: the one in force]")
@click.option("--language", help="In this language.  [default: the first that there is]")
@json_option
@pass_surroundings
def show(
    here: Surroundings, *, name: str, version: str | None, language: str | None, as_json: bool
) -> None:
    """Show the versions of an agreement, and the text of one of them."""
    from gateway.bootstrap.agreements import find_agreement

    async def find(command: Any) -> tuple["AgreementDocument", str]:
        document = find_agreement(command, name)
        today = command.today()
        current = document.agreement.current(today) or document.agreement.versions[0]
        return document, current.version

    document, current = here.run(find)
    wanted = current if version is None else version
    texts = [one for one in document.texts if one.version == wanted]
    if not texts:
        known = ", ".join(one.version for one in document.agreement.versions)
        raise click.ClickException(f"no version {wanted!r} of {name!r}; there are: {known}")
    fitting = [one for one in texts if language in (None, one.language)]
    if not fitting:
        known = ", ".join(one.language for one in texts)
        raise click.ClickException(f"version {wanted!r} is not in {language!r}; it is in: {known}")
    text = fitting[0]
    if as_json:
        say_json(
            {
                "name": name,
                "titles": dict(document.titles),
                "versions": _versions(document),
                "version": text.version,
                "language": text.language,
                "sha256": text.digest,
                "text": text.markdown,
            }
        )
        return
    say_facts([("agreement", name), *(("title", one) for one in document.titles.values())])
    say()
    say_table(
        ("VERSION", "DUE", "LANGUAGE", "SHA-256"),
        [
            (one["version"], one["due"], each, digest)
            for one in _versions(document)
            for each, digest in one["sha256"].items()
        ],
        empty="",
    )
    say(f"\nversion {text.version}, {text.language}:\n")
    say(text.markdown.rstrip("\n"))


@agreement.command(cls=ExampleCommand, example="agreement export --agreement smart-working --csv")
@click.option("--user", help="Only what USER has accepted.")
@click.option("--agreement", "name", help="Only what was accepted of this one.")
@click.option("--csv", "as_csv", is_flag=True, help="Answer with CSV, for a spreadsheet.")
@json_option
@pass_surroundings
def export(
    here: Surroundings, *, user: str | None, name: str | None, as_csv: bool, as_json: bool
) -> None:
    """Print the record: everything that was accepted and withdrawn, by people who have gone too.

    With the SHA-256 of the text and the serial number of the certificate.
    """
    found = _entries(here, user, name)
    if as_csv and not as_json:
        rows = [[_cell(facts[column]) for column in _COLUMNS] for facts in map(_facts, found)]
        click.echo(csv_text(_COLUMNS, rows), nl=False)
        return
    _say_entries(found, as_json=as_json)


@agreement.command(cls=ExampleCommand, example="agreement withdraw anna smart-working")
@click.argument("user")
@click.argument("name")
@json_option
@pass_surroundings
def withdraw(here: Surroundings, *, user: str, name: str, as_json: bool) -> None:
    """Let what USER has accepted of agreement NAME count no more; what rests on it is cut at once.

    They can accept it again.
    """
    from gateway.bootstrap.agreements import withdraw as withdraw_it

    withdrawn = here.run(lambda command: withdraw_it(command, user, name))
    if as_json:
        say_json([_acceptance(one) for one in withdrawn])
        return
    for one in withdrawn:
        say(f"withdrew version {one.version} of {one.agreement}, accepted {local(one.accepted_at)}")
    if not withdrawn:
        say("there was nothing to withdraw")


def _entries(here: Surroundings, user: str | None, name: str | None) -> "list[Entry]":
    from gateway.bootstrap.agreements import list_entries

    return here.run(lambda command: list_entries(command, user, name))


def _say_entries(found: "list[Entry]", *, as_json: bool) -> None:
    if as_json:
        say_json([_facts(one) for one in found])
        return
    say_table(
        (
            "USER",
            "AGREEMENT",
            "VERSION",
            "ACCEPTED",
            "WITHDRAWN",
            "COUNTS",
            "CERTIFICATE",
            "SHA-256",
        ),
        [
            (
                one.acceptance.user,
                one.acceptance.agreement,
                f"{one.acceptance.version} ({one.acceptance.language})",
                local(one.acceptance.accepted_at),
                local(one.acceptance.withdrawn_at),
                "yes" if one.counts else "no",
                one.acceptance.serial,
                one.acceptance.digest[:_SHOWN],
            )
            for one in found
        ],
        empty="nothing was accepted",
    )


def _row(one: "Overview") -> tuple[str, ...]:
    document, today = one.document, one.today
    current = document.agreement.current(today)
    later = [each for each in document.agreement.versions if each.due > today]
    return (
        document.name,
        "" if current is None else f"{current.version} (since {current.due})",
        f"{later[0].version} (from {later[0].due})" if later else "",
        ", ".join(one.apps),
        str(one.people),
        next(iter(document.titles.values())),
    )


def _overview(one: "Overview") -> dict[str, Any]:
    current = one.document.agreement.current(one.today)
    return {
        "name": one.document.name,
        "titles": dict(one.document.titles),
        "in_force": None if current is None else current.version,
        "versions": _versions(one.document),
        "required_by": list(one.apps),
        "accepted_by": one.people,
    }


def _versions(document: "AgreementDocument") -> list[dict[str, Any]]:
    return [
        {
            "version": one.version,
            "due": one.due.isoformat(),
            "sha256": {
                text.language: text.digest for text in document.texts if text.version == one.version
            },
        }
        for one in document.agreement.versions
    ]


def _facts(one: "Entry") -> dict[str, Any]:
    return {**_acceptance(one.acceptance), "counts": one.counts}


def _acceptance(one: "Acceptance") -> dict[str, Any]:
    return {
        "user": one.user,
        "agreement": one.agreement,
        "version": one.version,
        "language": one.language,
        "sha256": one.digest,
        "serial": one.serial,
        "accepted_at": utc(one.accepted_at),
        "withdrawn_at": utc(one.withdrawn_at),
    }


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)
