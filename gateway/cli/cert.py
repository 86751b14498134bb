"""pusterla cert: certificates of people, each for one device."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.facts import facts_of, state_of
from gateway.cli.holds import hold, release
from gateway.cli.keys import chosen_kind, key_type_option, passphrase_option
from gateway.cli.newfiles import PROFILE_TABLE, new_file, new_file_options
from gateway.cli.output import (
    ExampleCommand,
    json_option,
    local,
    names,
    say,
    say_facts,
    say_json,
    say_table,
    utc,
    warn,
)
from gateway.cli.reload import warn_unless_taken_up
from gateway.cli.renewals import SPAN, renew
from gateway.cli.revoking import revoke
from gateway.cli.secret import read_secret_line
from gateway.cli.surroundings import Surroundings, pass_surroundings

if TYPE_CHECKING:
    from ca.ledger import CertificateRecord
    from gateway.bootstrap.command import Command


@click.group()
def cert() -> None:
    """Certificates of people, each for one device."""


cert.add_command(hold)
cert.add_command(release)
cert.add_command(renew)
cert.add_command(revoke)


@cert.command(
    cls=ExampleCommand,
    example="cert issue anna --device stick-1 --days 365 --p12 anna.p12 --apps wiki,crm",
    table=PROFILE_TABLE,
)
@click.argument("user")
@click.option("--device", required=True, help="What it will be on, for example stick-1.")
@click.option(
    "--days",
    type=click.IntRange(min=1),
    help="How long it lasts.  [default: what the settings say, a year if nothing]",
)
@new_file_options
@click.option(
    "--apps",
    metavar="NAME,NAME",
    help="The only applications it opens.  [default: whatever the rules allow]",
)
@key_type_option("The kind of its key.")
@passphrase_option
@json_option
@click.pass_context
def issue(
    ctx: click.Context,
    *,
    user: str,
    device: str,
    days: int | None,
    bundle: Path | None,
    p12_password_stdin: bool,
    profile: str,
    csr: Path | None,
    out: Path | None,
    apps: str | None,
    key_type: str,
    as_json: bool,
) -> None:
    """Issue a certificate for USER, and write it to a new file.

    With --p12 the key is made here and kept nowhere else: the file, with its
    passphrase, is what the person imports on that device. With --csr the person
    has made the key, and it stays with them.
    """
    from ca.targets import Target
    from gateway.bootstrap.certificates import Wanted, certify_request, issue_certificate

    here = ctx.ensure_object(Surroundings)
    file = new_file(ctx, bundle, csr, out)
    kind, target = chosen_kind(key_type), Target(profile)
    wanted = Wanted(user, device, days, apps_of(apps), file, kind, target)
    if csr is not None:
        enrolled, asked = here.run(lambda command: certify_request(command, wanted, csr))
        for one in asked.ignored:
            warn(f"{csr}: {one} is ignored; the certificate says what the site knows of {user}")
        _say_issued(enrolled.record, file, "pem", as_json=as_json, ignored=list(asked.ignored))
        return
    # Asked before a passphrase is typed for nobody.
    here.run(lambda command: command.person(user))
    passphrase = read_secret_line(
        "--p12-password-stdin", from_stdin=p12_password_stdin, prompt=f"Passphrase for {file}"
    )
    enrolled = here.run(lambda command: issue_certificate(command, wanted, passphrase))
    _say_issued(enrolled.record, file, "p12", as_json=as_json)


def _say_issued(
    record: "CertificateRecord", file: Path, key: str, *, as_json: bool, **more: Any
) -> None:
    if as_json:
        say_json(facts_of(record) | {key: str(file)} | more)
        return
    say_facts(
        [
            ("file", file),
            ("serial", record.serial),
            ("for", f"{record.username} on {record.device}"),
            ("opens", names(record.scope, everything="whatever the rules allow")),
            ("until", local(record.not_after)),
        ]
    )


@cert.command("list", cls=ExampleCommand, example="cert list --user anna")
@click.option("--user", help="Only those of USER.")
@click.option(
    "--expiring",
    type=SPAN,
    help="Only those that end within this time, as in 30d, with what takes their place.",
)
@json_option
@pass_surroundings
def list_(
    here: Surroundings, *, user: str | None, expiring: timedelta | None, as_json: bool
) -> None:
    """List certificates, the oldest first."""
    from gateway.bootstrap.certificates import list_certificates

    if expiring is not None:
        _list_expiring(here, user, expiring, as_json=as_json)
        return
    now, found = here.run(lambda command: list_certificates(command, user))
    if as_json:
        say_json([facts_of(record) for record in found])
        return
    say_table(
        ("SERIAL", "USER", "DEVICE", "APPS", "STATE", "ENDS"),
        [
            (
                record.serial,
                record.username,
                record.device,
                names(record.scope, everything="any"),
                state_of(record, now),
                local(record.not_after),
            )
            for record in found
        ],
        empty="there are no certificates; `pusterla cert issue` makes one",
    )


def _list_expiring(
    here: Surroundings, user: str | None, within: timedelta, *, as_json: bool
) -> None:
    from gateway.bootstrap.renewing import expiring

    found = here.run(lambda command: expiring(command, user, within))
    if as_json:
        say_json([facts_of(one.record) | {"successor": one.successor} for one in found])
        return
    say_table(
        ("SERIAL", "USER", "DEVICE", "STATE", "ENDS", "SUCCESSOR", "OVERLAP ENDS"),
        [
            (
                one.record.serial,
                one.record.username,
                one.record.device,
                one.record.state.value,
                local(one.record.not_after),
                one.successor or "",
                local(one.record.supersede_at) if one.successor else "",
            )
            for one in found
        ],
        empty="no certificate ends in that time",
    )


@cert.command(cls=ExampleCommand, example="cert show 4a0f66c1d2e3")
@click.argument("serial")
@json_option
@pass_surroundings
def show(here: Surroundings, *, serial: str, as_json: bool) -> None:
    """Show one certificate. SERIAL may be copied from a browser, colons and capitals included."""
    from gateway.bootstrap.certificates import find_certificate

    async def look(command: "Command") -> "tuple[datetime, tuple[CertificateRecord, ...], int]":
        record = await find_certificate(command, serial)
        chain = await command.store.renewal_chain(record)
        place = [one.serial for one in chain].index(record.serial)
        return command.clock(), chain, place

    now, chain, place = here.run(look)
    record = chain[place]
    if as_json:
        say_json(facts_of(record) | {"chain": [one.serial for one in chain]})
        return
    say_facts(
        [
            ("serial", record.serial),
            ("issuer", record.issuer),
            ("fingerprint", record.fingerprint or ""),
            ("user", record.username),
            ("device", record.device),
            ("opens", names(record.scope, everything="whatever the rules allow")),
            ("state", state_of(record, now)),
            ("from", local(record.not_before)),
            ("until", local(record.not_after)),
            ("issued", local(record.issued_at)),
            ("revoked", local(record.revoked_at)),
            ("reason", record.reason or ""),
            ("in CRL since", record.crl_number or ""),
            ("superseded at", local(record.supersede_at)),
            *(
                ("in a chain with", f"{one.serial} {state_of(one, now)} {local(one.not_after)}")
                for one in chain
                if one != record
            ),
        ]
    )


@cert.command(cls=ExampleCommand, example="cert renew-server")
@passphrase_option
@json_option
@pass_surroundings
def renew_server(here: Surroundings, *, as_json: bool) -> None:
    """Give the server a new certificate for its key, and let the running site take it up.

    No connection is lost. Browsers take a server certificate for at most 398 days.
    """
    from gateway.bootstrap.server_certificate import renew_server_certificate

    renewed = here.run(renew_server_certificate)
    until = renewed.certificate.not_valid_after_utc
    taken_up = renewed.asked.taken_up
    if as_json:
        say_json({"until": utc(until), "taken_up": taken_up})
    else:
        say(f"the server has a certificate until {local(until)}")
        say("the running site serves with it" if taken_up else "no site has taken it up yet")
    warn_unless_taken_up(renewed.asked)


def apps_of(text: str | None) -> tuple[str, ...] | None:
    """Read what --apps says: names with commas between them."""
    if text is None:
        return None
    found = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    if "" in found:
        raise click.BadParameter(
            "write the names with commas between them, as in wiki,crm", param_hint="'--apps'"
        )
    return found
