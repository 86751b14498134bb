"""pusterla cert: certificates of people, each for one device."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from ca.trust import RevocationReason
from gateway.cli.facts import facts_of, state_of
from gateway.cli.holds import hold, release
from gateway.cli.keys import chosen_kind, key_type_option, passphrase_option
from gateway.cli.output import (
    ExampleCommand,
    json_option,
    local,
    names,
    say,
    say_facts,
    say_json,
    say_table,
    warn,
)
from gateway.cli.reload import warn_unless_taken_up
from gateway.cli.secret import read_secret_line
from gateway.cli.surroundings import Surroundings, pass_surroundings

if TYPE_CHECKING:
    from ca.ledger import CertificateRecord
    from gateway.bootstrap.command import Command

DEFAULT_DAYS = 365
# `ca.targets.Target` by name, as `KEY_TYPES` are.
PROFILES = ("modern", "firefox", "windows", "macos", "android")
PROFILE_TABLE = """\
  --profile  what opens the file                    sealed with
  modern     OpenSSL 3, GnuTLS, Java, curl, Linux   AES-256, SHA-256, 200,000 rounds
  firefox    Firefox on every system                AES-256, SHA-256, 200,000 rounds
  windows    every Windows: Edge, Chrome            3DES, SHA-1, 100,000 rounds
  macos      macOS, iOS: Safari, Chrome             3DES, SHA-1, 100,000 rounds
  android    Android: Chrome                        3DES, SHA-1, 100,000 rounds

3DES and SHA-1 are old, and all that every version of those systems reads: let the
passphrase be long."""


@click.group()
def cert() -> None:
    """Certificates of people, each for one device."""


cert.add_command(hold)
cert.add_command(release)


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
    default=DEFAULT_DAYS,
    show_default=True,
    help="How long it lasts.",
)
@click.option(
    "--p12",
    "bundle",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The new file for certificate and key; nothing is ever overwritten.",
)
@click.option(
    "--p12-password-stdin",
    is_flag=True,
    help="Take the passphrase of that file from the first line of stdin.",
)
@click.option(
    "--profile",
    type=click.Choice(PROFILES),
    default=PROFILES[0],
    show_default=True,
    help="What is to open that file; see below.",
)
@click.option(
    "--csr",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Instead of --p12: the certificate request (PEM or DER) of somebody who keeps the key.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="With --csr: the new PEM file for certificate and chain.  [default: as FILE, with .pem]",
)
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
    days: int,
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
    file = _new_file(ctx, bundle, csr, out)
    kind, target = chosen_kind(key_type), Target(profile)
    wanted = Wanted(user, device, days, _apps(apps), file, kind, target)
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


def _new_file(ctx: click.Context, bundle: Path | None, csr: Path | None, out: Path | None) -> Path:
    """Return the file that is to be made, or say which options go together."""
    if csr is None:
        if bundle is None:
            raise click.UsageError("either --p12 FILE, for a new key, or --csr FILE")
        if out is not None:
            raise click.UsageError("--out goes with --csr; --p12 names the new file itself")
        return bundle
    for name in ("bundle", "p12_password_stdin", "profile", "key_type"):
        if ctx.get_parameter_source(name) is not ParameterSource.DEFAULT:
            option = "p12" if name == "bundle" else name.replace("_", "-")
            raise click.UsageError(f"--{option} is for a key that is made here, not with --csr")
    if out is None and csr.suffix == ".pem":
        raise click.UsageError("name the new file with --out: the request ends in .pem itself")
    return out or csr.with_suffix(".pem")


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
@json_option
@pass_surroundings
def list_(here: Surroundings, *, user: str | None, as_json: bool) -> None:
    """List certificates, the oldest first."""
    from gateway.bootstrap.certificates import list_certificates

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


@cert.command(cls=ExampleCommand, example="cert show 4a0f66c1d2e3")
@click.argument("serial")
@json_option
@pass_surroundings
def show(here: Surroundings, *, serial: str, as_json: bool) -> None:
    """Show one certificate. SERIAL may be copied from a browser, colons and capitals included."""
    from gateway.bootstrap.certificates import find_certificate

    async def look(command: "Command") -> "tuple[datetime, CertificateRecord]":
        return command.clock(), await find_certificate(command, serial)

    now, record = here.run(look)
    if as_json:
        say_json(facts_of(record))
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
        ]
    )


@cert.command(
    cls=ExampleCommand,
    example="cert revoke --user anna --device stick-1 --reason keyCompromise",
)
@click.option("--serial", metavar="S", help="The certificate with this serial.")
@click.option("--user", help="All certificates of USER.")
@click.option("--device", help="With --user: only those for DEVICE.")
@click.option(
    "--reason",
    type=click.Choice(
        [reason.value for reason in RevocationReason if reason.is_final], case_sensitive=False
    ),
    required=True,
    help="Why; it stands in the certificate revocation list. A lost stick: keyCompromise.",
)
@passphrase_option
@json_option
@pass_surroundings
def revoke(
    here: Surroundings,
    *,
    serial: str | None,
    user: str | None,
    device: str | None,
    reason: str,
    as_json: bool,
) -> None:
    """Revoke certificates for good: open connections are cut at once.

    Returns when that is durable and a certificate revocation list that says so is
    published. Exit status 1 when only the list is still to come.
    """
    from gateway.bootstrap.certificates import revoke_certificates

    if (serial is None) is (user is None):
        raise click.UsageError("name the certificates: either --serial S or --user USER")
    if device is not None and user is None:
        raise click.UsageError("--device goes with --user")
    outcome = here.run(
        lambda command: revoke_certificates(
            command, serial=serial, user=user, device=device, reason=RevocationReason(reason)
        )
    )
    if as_json:
        say_json(
            {
                "revoked": [facts_of(record) for record in outcome.revoked],
                "already": [facts_of(record) for record in outcome.already],
                "crl_published": outcome.unpublished is None,
            }
        )
    else:
        for record in outcome.revoked:
            say(f"revoked {record.serial} of {record.username} on {record.device}")
        for record in outcome.already:
            say(
                f"{record.serial} of {record.username} on {record.device} was revoked already, "
                f"at {local(record.revoked_at)}"
            )
    outcome.raise_unless_published()


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


def _apps(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    found = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    if "" in found:
        raise click.BadParameter(
            "write the names with commas between them, as in wiki,crm", param_hint="'--apps'"
        )
    return found
