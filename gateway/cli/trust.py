"""pusterla ca trust: CAs that are not ours and that the site believes."""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.facts import foreign_facts, state_here
from gateway.cli.output import (
    ExampleCommand,
    json_option,
    local,
    say,
    say_facts,
    say_json,
    say_table,
    utc,
    warn,
)
from gateway.cli.questions import confirm
from gateway.cli.reload import say_taken_up, warn_unless_taken_up
from gateway.cli.renewals import SPAN
from gateway.cli.surroundings import Surroundings, pass_surroundings
from gateway.config.trusts import LONGEST_GRACE, check_address, check_trust_name
from gateway.core.trusts import IdentityMap, PastEnd, Trust
from policies.durations import show_duration

if TYPE_CHECKING:
    from gateway.bootstrap.asking import Asked
    from gateway.bootstrap.command import Command
    from gateway.bootstrap.trusting import Authority

_MAPS = tuple(each.value for each in IdentityMap)
_PAST_ENDS = tuple(each.value for each in PastEnd)


@click.group()
def trust() -> None:
    """CAs that are not ours: AD CS, EJBCA, step-ca and others, by their revocation lists."""


def _name(ctx: click.Context, option: click.Parameter, value: str | None) -> str | None:
    try:
        return None if value is None else check_trust_name(value)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, option) from error


def _addresses(
    ctx: click.Context, option: click.Parameter, value: tuple[str, ...]
) -> tuple[str, ...]:
    try:
        return tuple(map(check_address, value))
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, option) from error


def _grace(
    ctx: click.Context, option: click.Parameter, value: timedelta | None
) -> timedelta | None:
    if value is not None and not timedelta(0) < value <= LONGEST_GRACE:
        longest = show_duration(LONGEST_GRACE)
        raise click.BadParameter(f"a grace is at least 1s and at most {longest}", ctx, option)
    return value


@trust.command(
    cls=ExampleCommand,
    example="ca trust add office-ca.p7b --map san-email --crl-url http://crl.example.org/office.crl",
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", callback=_name, help="What it is called.  [default: as the CA is]")
@click.option(
    "--map",
    "identity",
    type=click.Choice(_MAPS),
    required=True,
    help="What in a certificate says who has it.",
)
@click.option(
    "--crl-url",
    "crl_urls",
    multiple=True,
    callback=_addresses,
    metavar="URL",
    help="Where a revocation list of the CA is; several times for several."
    "  [default: where the certificates say]",
)
@click.option(
    "--crl-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file in which somebody keeps the newest list.",
)
@click.option("--ocsp", is_flag=True, help="Ask the CA's responder too, for each certificate.")
@click.option(
    "--past-end",
    type=click.Choice(_PAST_ENDS),
    default=PastEnd.REFUSE.value,
    show_default=True,
    help="What happens when the newest list has ended.",
)
@click.option(
    "--grace",
    type=SPAN,
    callback=_grace,
    metavar="TIME",
    help="With --past-end go-on: for how long (12h).",
)
@json_option
@pass_surroundings
def add(
    here: Surroundings,
    *,
    file: Path,
    name: str | None,
    identity: str,
    crl_urls: tuple[str, ...],
    crl_file: Path | None,
    ocsp: bool,
    past_end: str,
    grace: timedelta | None,
    as_json: bool,
) -> None:
    """Let people in with certificates of the CAs in FILE, and write trust/NAME.toml and .pem.

    FILE (PEM, DER or PKCS #7) holds the issuing CA, and those between it and the one that is
    believed. Whose certificate it is, --map says; such a person must be a user of this site.
    """
    from gateway.bootstrap.trusting import NewTrust, add_trust, authorities_of

    if crl_urls and crl_file is not None:
        raise click.UsageError("either --crl-url or --crl-file")
    if (past_end == PastEnd.GO_ON) is not (grace is not None):
        raise click.UsageError("--past-end go-on and --grace TIME go together")
    new = NewTrust(
        file, IdentityMap(identity), name, crl_urls, crl_file, ocsp, PastEnd(past_end), grace
    )
    changed = here.run(lambda command: add_trust(command, new))
    found = changed.trust
    for words in changed.warnings:
        warn(words)
    path = here.folder().trust_settings(found.name)
    if as_json:
        say_json(_facts(found, authorities_of(found)) | _taken(changed.asked) | {"file": str(path)})
    else:
        say(f"{path} written: certificates of {found.name} name people by {found.identity.value}")
        say_table(*_table(authorities_of(found)), empty="")
        say_taken_up(changed.asked)
    warn_unless_taken_up(changed.asked)


@trust.command("list", cls=ExampleCommand, example="ca trust list")
@json_option
@pass_surroundings
def list_(here: Surroundings, *, as_json: bool) -> None:
    """List the CAs that are not ours and that are believed."""
    from gateway.bootstrap.trusting import authorities_of, known_trusts

    found = list(here.run(_of(known_trusts)).values())
    if as_json:
        say_json([_facts(each, authorities_of(each)) for each in found])
        return
    say_table(
        ("NAME", "MAP", "LISTS", "OCSP", "PAST END", "ENDS"),
        [
            (
                each.name,
                each.identity.value,
                _lists(each),
                "asked" if each.ocsp else "",
                _past_end(each),
                local(min(one.not_after for one in authorities_of(each))),
            )
            for each in found
        ],
        empty="there are no CAs but ours; `pusterla ca trust add` adds one",
    )


@trust.command(cls=ExampleCommand, example="ca trust show office")
@click.argument("name")
@json_option
@pass_surroundings
def show(here: Surroundings, *, name: str, as_json: bool) -> None:
    """Show one of them: its certificates, where its lists are, and who has which serial number."""
    from gateway.bootstrap.trusting import authorities_of, known_trust

    found = here.run(_of(lambda command: known_trust(command, name)))
    if as_json:
        say_json(_facts(found, authorities_of(found)))
        return
    say_facts(
        [
            ("name", found.name),
            ("people are known by", found.identity.value),
            ("lists", _lists(found)),
            ("OCSP", "asked" if found.ocsp else "not asked"),
            ("past the end of a list", _past_end(found)),
            ("file", here.folder().trust_settings(name)),
        ]
    )
    say()
    say_table(*_table(authorities_of(found)), empty="")
    if found.identity is IdentityMap.SERIAL:
        say()
        say_table(
            ("SERIAL", "USER"),
            sorted(found.people.items()),
            empty="nobody has a certificate; `pusterla ca trust assign` gives one to somebody",
        )


@trust.command(cls=ExampleCommand, example="ca trust certificates office")
@click.argument("name", required=False)
@json_option
@pass_surroundings
def certificates(here: Surroundings, *, name: str | None, as_json: bool) -> None:
    """List the certificates of other CAs that were shown here, and what was found of each."""
    from gateway.bootstrap.trusting import shown_certificates

    now, found = here.run(lambda command: shown_certificates(command, name))
    if as_json:
        say_json([foreign_facts(each) for each in found])
        return
    say_table(
        ("SERIAL", "TRUST", "USER", "NAMES", "STATE", "GOOD UNTIL", "ENDS"),
        [
            (
                each.verdict.serial or each.verdict.fingerprint,
                each.verdict.trust,
                each.user,
                each.verdict.identity,
                state_here(each, now),
                local(each.verdict.good_until) if each.verdict.good_until else "",
                local(each.verdict.not_after) if each.verdict.not_after else "",
            )
            for each in found
        ],
        empty="none was shown yet",
    )


@trust.command(cls=ExampleCommand, example="ca trust remove office")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@pass_surroundings
def remove(here: Surroundings, *, name: str, yes: bool, as_json: bool) -> None:
    """Believe the CAs of a trust no more; connections that rest on them are cut."""
    from gateway.bootstrap.trusting import refuse_unknown, remove_trust

    folder = here.folder()
    refuse_unknown(folder, name)
    words = f"from now on nobody gets in any more with a certificate of {name}"
    confirm(words, "Remove it?", yes=yes)
    asked = here.run(lambda command: remove_trust(command, name))
    if as_json:
        say_json({"name": name} | _taken(asked))
    else:
        say(f"{name} is not believed any more")
        say_taken_up(asked)
    warn_unless_taken_up(asked)


@trust.command(cls=ExampleCommand, example="ca trust assign office 4a:0f:66:c1 --user anna")
@click.argument("name")
@click.argument("serial")
@click.option("--user", required=True, help="Who has it.")
@json_option
@pass_surroundings
def assign(here: Surroundings, *, name: str, serial: str, user: str, as_json: bool) -> None:
    """Say whose the certificate SERIAL of a trust is that knows people by serial numbers."""
    from gateway.bootstrap.trusting import assign as give

    changed = here.run(lambda command: give(command, name, serial, user))
    for words in changed.warnings:
        warn(words)
    if as_json:
        say_json({"name": name, "people": dict(changed.trust.people)} | _taken(changed.asked))
    else:
        say(f"the certificate {serial} of {name} is {user}'s from now on")
        say_taken_up(changed.asked)
    warn_unless_taken_up(changed.asked)


def _of(work: Any) -> Any:
    """Let *work*, which waits for nothing, be run with a site."""

    async def run(command: "Command") -> Any:
        return work(command)

    return run


def _taken(asked: "Asked") -> dict[str, Any]:
    return {"taken_up": asked.taken_up}


def _lists(found: Trust) -> str:
    if found.crl_file is not None:
        return str(found.crl_file)
    return ", ".join(found.crl_urls) or "where the certificates say"


def _past_end(found: Trust) -> str:
    if found.past_end is PastEnd.REFUSE:
        return "refuse"
    return f"go on for {show_duration(found.grace)}"


def _table(
    authorities: "list[Authority]",
) -> tuple[tuple[str, ...], list[tuple[str, str, str]]]:
    rows = [(one.subject, local(one.not_after), one.fingerprint) for one in authorities]
    return ("CA", "ENDS", "SHA-256"), rows


def _facts(found: Trust, authorities: "list[Authority]") -> dict[str, Any]:
    return {
        "name": found.name,
        "map": found.identity.value,
        "crl_urls": list(found.crl_urls),
        "crl_file": None if found.crl_file is None else str(found.crl_file),
        "ocsp": found.ocsp,
        "past_end": found.past_end.value,
        "grace_seconds": int(found.grace.total_seconds()),
        "people": dict(found.people),
        "authorities": [
            {
                "subject": one.subject,
                "not_before": utc(one.not_before),
                "not_after": utc(one.not_after),
                "fingerprint": one.fingerprint,
            }
            for one in authorities
        ],
    }
