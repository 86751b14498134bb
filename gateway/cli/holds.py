"""pusterla cert hold and release: certificates that open nothing for a while."""

from typing import TYPE_CHECKING

import click

from gateway.cli.facts import facts_of, foreign_facts, named
from gateway.cli.keys import passphrase_option
from gateway.cli.output import ExampleCommand, json_option, say, say_json
from gateway.cli.surroundings import Surroundings, pass_surroundings

if TYPE_CHECKING:
    from gateway.bootstrap.holding import Changed

trust_option = click.option(
    "--trust",
    metavar="NAME",
    help="With a serial that several CAs have given: the trust, or our issuing CA, that is meant.",
)


@click.command(cls=ExampleCommand, example="cert hold --user anna --device stick-1")
@click.argument("serial", required=False)
@click.option("--user", help="All certificates of USER.")
@click.option("--device", help="With --user: only those for DEVICE.")
@trust_option
@passphrase_option
@json_option
@pass_surroundings
def hold(
    here: Surroundings,
    *,
    serial: str | None,
    user: str | None,
    device: str | None,
    trust: str | None,
    as_json: bool,
) -> None:
    """Put certificates on hold: refused, with open connections cut, until they are released.

    Their sessions end. For a stick that is missed and may turn up; for one that was
    lost there is `pusterla cert revoke`.
    """
    from gateway.bootstrap.holding import hold_certificates

    _check(serial, user, device, trust)
    changed = here.run(
        lambda command: hold_certificates(
            command, serial=serial, user=user, device=device, trust=trust
        )
    )
    _answer(changed, "held", "on hold: ", as_json=as_json)


@click.command(cls=ExampleCommand, example="cert release --user anna --device stick-1")
@click.argument("serial", required=False)
@click.option("--user", help="All certificates of USER.")
@click.option("--device", help="With --user: only those for DEVICE.")
@trust_option
@passphrase_option
@json_option
@pass_surroundings
def release(
    here: Surroundings,
    *,
    serial: str | None,
    user: str | None,
    device: str | None,
    trust: str | None,
    as_json: bool,
) -> None:
    """End the hold of certificates: they let in again at once, after a new sign-in."""
    from gateway.bootstrap.holding import release_certificates

    _check(serial, user, device, trust)
    changed = here.run(
        lambda command: release_certificates(
            command, serial=serial, user=user, device=device, trust=trust
        )
    )
    _answer(changed, "released", "released ", as_json=as_json)


def _check(serial: str | None, user: str | None, device: str | None, trust: str | None) -> None:
    if (serial is None) is (user is None):
        raise click.UsageError("name the certificates: either SERIAL or --user USER")
    if device is not None and user is None:
        raise click.UsageError("--device goes with --user")
    if trust is not None and serial is None:
        raise click.UsageError("--trust goes with SERIAL")


def _answer(changed: "Changed", key: str, words: str, *, as_json: bool) -> None:
    if as_json:
        say_json(
            {
                key: [facts_of(record) for record in changed.records],
                "of_other_cas": [foreign_facts(one) for one in changed.blocked],
                "crl_published": changed.unpublished is None,
            }
        )
    else:
        for record in changed.records:
            say(f"{words}{record.serial} of {record.username} on {record.device}")
        for one in changed.blocked:
            say(f"{words}{named(one)}, here alone")
    changed.raise_unless_published()
