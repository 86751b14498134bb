"""pusterla cert revoke: one certificate, those of somebody, or many at once."""

from datetime import datetime
from typing import TYPE_CHECKING

import click

from ca.trust import RevocationReason
from gateway.cli.facts import facts_of, foreign_facts, named
from gateway.cli.holds import trust_option
from gateway.cli.keys import passphrase_option
from gateway.cli.output import ExampleCommand, json_option, local, say, say_json, say_table, warn
from gateway.cli.questions import confirm
from gateway.cli.surroundings import Surroundings, pass_surroundings

if TYPE_CHECKING:
    from gateway.bootstrap.bulk import Choice, Selection
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
@trust_option
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
    trust: str | None,
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
    from gateway.bootstrap.bulk import Selection, choose, choose_one, revoke_all
    from gateway.bootstrap.certificates import revoke_certificates

    why = RevocationReason(reason)
    wide = group is not None or issued_before is not None
    _check(serial, user, device, trust, wide=wide, issuer=issuer)
    when = None if issued_before is None else issued_before.astimezone()
    selection = Selection(user, device, group, when, issuer)
    if serial is not None and dry_run:
        _show(here.run(lambda command: choose_one(command, serial, trust, why)), as_json=as_json)
        return
    if serial is None:
        found = here.run(lambda command: choose(command, selection, why))
        if dry_run:
            _show(found, as_json=as_json)
            return
        if len(found) > 1 and device is None:
            _ask(found, selection, yes=yes)
    if serial is None and selection.is_wide:
        outcome = here.run(lambda command: revoke_all(command, found, selection, why))
    else:
        outcome = here.run(
            lambda command: revoke_certificates(
                command, serial=serial, user=user, device=device, reason=why, trust=trust
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
    serial: str | None,
    user: str | None,
    device: str | None,
    trust: str | None,
    *,
    wide: bool,
    issuer: str | None,
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
    if trust is not None and serial is None:
        raise click.UsageError("--trust goes with --serial")


def _ask(found: "Choice", selection: "Selection", *, yes: bool) -> None:
    people = found.people
    named = ", ".join(people[:_NAMED_AT_MOST]) + (" ..." if len(people) > _NAMED_AT_MOST else "")
    others = f" ({len(found.foreign)} by other CAs)" if found.foreign else ""
    words = f"{len(found)} certificates{others} of {_people(len(people))} ({named}) fit {selection}"
    confirm(words, "Revoke them for good?", yes=yes)


def _show(found: "Choice", *, as_json: bool) -> None:
    if as_json:
        say_json(
            {
                "would_revoke": [facts_of(record) for record in found.records],
                "would_block": [foreign_facts(one) for one in found.foreign],
            }
        )
        return
    ours = [
        (one.serial, one.username, one.device, one.state.value, local(one.not_after))
        for one in found.records
    ]
    others = [
        (
            one.verdict.serial,
            one.user,
            one.verdict.trust,
            "of another CA",
            local(one.verdict.not_after) if one.verdict.not_after else "",
        )
        for one in found.foreign
    ]
    say_table(("SERIAL", "USER", "DEVICE", "STATE", "ENDS"), [*ours, *others], empty=_NOTHING)


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
