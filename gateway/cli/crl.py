"""pusterla crl: the certificate revocation lists that everybody may fetch."""

from typing import TYPE_CHECKING, Any

import click

from gateway.cli.keys import passphrase_option
from gateway.cli.output import ExampleCommand, json_option, local, say_facts, say_json, spell, utc
from gateway.cli.surroundings import Surroundings, pass_surroundings

if TYPE_CHECKING:
    from ca.ledger import CRLRecord
    from gateway.bootstrap.certificates import PublishedCRL


@click.group()
def crl() -> None:
    """Certificate revocation lists, which everybody may fetch."""


@crl.command(cls=ExampleCommand, example="crl publish")
@passphrase_option
@json_option
@pass_surroundings
def publish(here: Surroundings, *, as_json: bool) -> None:
    """Sign a new one now, needed or not. For whoever may read the CA's key."""
    from gateway.bootstrap.certificates import publish as publish_now

    _say(here.run(publish_now), as_json=as_json)


@crl.command(cls=ExampleCommand, example="crl show --json")
@json_option
@pass_surroundings
def show(here: Surroundings, *, as_json: bool) -> None:
    """Show the one that is published: its number, how many it lists, and until when it is good."""
    from gateway.bootstrap.certificates import published_crl

    _say(here.run(published_crl), as_json=as_json)


def _say(published: "PublishedCRL", *, as_json: bool) -> None:
    record = published.record
    if as_json:
        say_json(_facts(record, published.entries, published.address))
        return
    left = record.next_update - published.now
    say_facts(
        [
            ("issuer", record.issuer),
            ("number", record.number),
            ("lists", f"{published.entries} revoked certificates"),
            ("since", local(record.this_update)),
            ("until", local(record.next_update)),
            ("left", spell(left) if left.total_seconds() > 0 else "nothing: it has ended"),
            ("address", published.address),
        ]
    )


def _facts(record: "CRLRecord", entries: int, address: str) -> dict[str, Any]:
    return {
        "issuer": record.issuer,
        "number": record.number,
        "entries": entries,
        "this_update": utc(record.this_update),
        "next_update": utc(record.next_update),
        "address": address,
    }
