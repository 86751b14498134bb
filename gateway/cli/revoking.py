"""pusterla cert revoke: one certificate, those of somebody, or many at once."""

import sys
from datetime import datetime
from typing import TYPE_CHECKING

import click

from ca.trust import RevocationReason
from gateway.cli.facts import facts_of, foreign_facts, named
from gateway.cli.keys import passphrase_option
from gateway.cli.output import ExampleCommand, json_option, local, say, say_json, say_table, warn
from gateway.cli.surroundings import Surroundings, pass_surroundings

if TYPE_CHECKING:
    from ca.ledger import CertificateRecord
    from gateway.bootstrap.bulk import Selection
    from gateway.bootstrap.certificates import Revocation

_NOTHING = "nothing that is not revoked or over fits"
_NAMED_AT_MOST = 20
_DATES = ["%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S%z"]


@click.command(
    cls=ExampleCommand,
    example="cert revoke --user anna --device stick-1 --reason keyCompromise",
)
@click.option("--serial", metavar="S", help="The certificate with this serial.")
@click.option("--user", help="All certificates of USER.")
@click.option("--device", help="With --user: only those for DEVICE.")
@click.option("--group", help="All certificates of the people in GROUP.")
@click.option(
    "--issued-before",
    type=click.DateTime(_DATES),
    metavar="DATE",
    help="All that were issued before DATE, as in 2026-11-24 or '2026-11-24 08:30', here.",
)
@click.option("--issuer", help="Only those of this issuing CA.")
@click.option(
    "--reason",
    type=click.Choice(
        [reason.value for reason in RevocationReason if reason.is_final], case_sensitive=False
    ),
    required=True,
    help="Why; it stands in the certificate revocation list. A lost stick: keyCompromise.",
)
@click.option("--yes", is_flag=True, help="Do not ask before several are revoked.")
@click.option("--dry-run", is_flag=True, help="Only show which.")
@passphrase_option
@json_option
@pass_surroundings
def revoke(
    here: Surroundings,
    *,
    serial: str | None,
    user: str | None,
    device: str | None,
    group: str | None,
    issued_before: datetime | None,
    issuer: str | None,
    reason: str,
    yes: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Revoke certificates for good: open connections are cut at once.

    Several are counted first and revoked after a question, or with --yes. Returns when
    that is durable and a certificate revocation list that says so is published. Exit
    status 1 when only the list is still to come.

    With keyCompromise every certificate of the same key is revoked too, and what was
    revoked for another reason and is named by its serial is listed with this one.
    """
    from gateway.bootstrap.bulk import Selection, chosen, revoke_all
    from gateway.bootstrap.certificates import find_certificate, revoke_certificates

    why = RevocationReason(reason)
    wide = group is not None or issued_before is not None
    _check(serial, user, device, wide=wide, issuer=issuer)
    when = None if issued_before is None else issued_before.astimezone()
    selection = Selection(user, device, group, when, issuer)
    found: list[CertificateRecord] = []
    if serial is None:
        found = here.run(lambda command: chosen(command, selection))
    elif dry_run:
        found = [here.run(lambda command: find_certificate(command, serial))]
    if why is RevocationReason.KEY_COMPROMISE and (dry_run or serial is None):
        found += here.run(lambda command: command.store.sharing_keys(found))
    if dry_run:
        _show(found, as_json=as_json)
        return
    if len(found) > 1 and device is None:
        _ask(found, selection, yes=yes)
    if wide or issuer is not None:
        outcome = here.run(lambda command: revoke_all(command, found, selection, why))
    else:
        outcome = here.run(
            lambda command: revoke_certificates(
                command, serial=serial, user=user, device=device, reason=why
            )
        )
    _answer(outcome, as_json=as_json)
    for record in here.run(lambda command: command.store.left_behind(outcome.revoked)):
        warn(
            f"{record.serial} of {record.username} on {record.device}, which this one was to "
            f"replace, goes on until {local(record.not_after)}: if it is lost too, "
            f"pusterla cert revoke --serial {record.serial}"
        )
    outcome.raise_unless_published()


def _check(
    serial: str | None, user: str | None, device: str | None, *, wide: bool, issuer: str | None
) -> None:
    if (serial is not None) is (user is not None or wide):
        raise click.UsageError(
            "name the certificates: either --serial S or --user USER; or several, with --user,"
            " --group and --issued-before"
        )
    if device is not None and user is None:
        raise click.UsageError("--device goes with --user")
    if issuer is not None and serial is not None:
        raise click.UsageError("--serial names one certificate; leave --issuer out")


def _ask(found: "list[CertificateRecord]", selection: "Selection", *, yes: bool) -> None:
    from gateway.bootstrap.command import CommandRefused

    people = sorted({record.username for record in found})
    named = ", ".join(people[:_NAMED_AT_MOST]) + (" ..." if len(people) > _NAMED_AT_MOST else "")
    words = f"{len(found)} certificates of {_people(len(people))} ({named}) fit {selection}"
    if yes:
        return
    if not sys.stdin.isatty():
        raise CommandRefused(
            f"{words}: nothing was done, since there is no terminal to ask at;"
            " say --yes if they are all meant"
        )
    if not click.confirm(f"{words}. Revoke them for good?", err=True):
        raise CommandRefused("nothing was done")


def _show(found: "list[CertificateRecord]", *, as_json: bool) -> None:
    if as_json:
        say_json({"would_revoke": [facts_of(record) for record in found]})
        return
    say_table(
        ("SERIAL", "USER", "DEVICE", "STATE", "ENDS"),
        [
            (one.serial, one.username, one.device, one.state.value, local(one.not_after))
            for one in found
        ],
        empty=_NOTHING,
    )


def _answer(outcome: "Revocation", *, as_json: bool) -> None:
    if as_json:
        say_json(
            {
                "revoked": [facts_of(record) for record in outcome.revoked],
                "already": [facts_of(record) for record in outcome.already],
                "of_other_cas": [foreign_facts(one) for one in outcome.blocked],
                "crl_published": outcome.unpublished is None,
            }
        )
        return
    if not outcome.revoked and not outcome.already and not outcome.blocked:
        say(_NOTHING)
    if len(outcome.revoked) > _NAMED_AT_MOST:
        people = len({record.username for record in outcome.revoked})
        say(f"revoked {len(outcome.revoked)} certificates of {_people(people)}")
    else:
        for record in outcome.revoked:
            say(f"revoked {record.serial} of {record.username} on {record.device}")
    for one in outcome.blocked:
        say(f"blocked {named(one)}: it opens nothing here; elsewhere only its own CA can say so")
    for record in outcome.already:
        say(
            f"{record.serial} of {record.username} on {record.device} was revoked already, "
            f"at {local(record.revoked_at)}"
        )


def _people(count: int) -> str:
    return "1 person" if count == 1 else f"{count} people"
