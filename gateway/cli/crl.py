"""pusterla crl: the certificate revocation lists that everybody may fetch."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.keys import passphrase_option
from gateway.cli.output import (
    ExampleCommand,
    json_option,
    local,
    say,
    say_facts,
    say_json,
    spell,
    utc,
)
from gateway.cli.surroundings import Surroundings, pass_surroundings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.bootstrap.certificates import KnownList, PublishedCRL


@click.group()
def crl() -> None:
    """Certificate revocation lists, which everybody may fetch."""


@crl.command(cls=ExampleCommand, example="crl publish")
@passphrase_option
@json_option
@pass_surroundings
def publish(here: Surroundings, *, as_json: bool) -> None:
    """Sign new ones now, needed or not. For whoever may read the CA's key."""
    from gateway.bootstrap.certificates import publish as publish_now

    _say(here.run(publish_now), as_json=as_json)


@crl.command(cls=ExampleCommand, example="crl show --json")
@json_option
@pass_surroundings
def show(here: Surroundings, *, as_json: bool) -> None:
    """Show those that are published: number, size, until when each is good, and whether it is late.

    And those of other CAs that this gateway goes by.
    """
    from gateway.bootstrap.certificates import foreign_lists, published_crls

    published, foreign = here.run(published_crls), here.run(foreign_lists)
    if as_json:
        say_json([*map(_facts, published), *map(_foreign_facts, foreign)])
        return
    _say(published, as_json=False)
    for each in foreign:
        click.echo()
        _say_foreign(each)


def _say(published: "Sequence[PublishedCRL]", *, as_json: bool) -> None:
    if as_json:
        say_json([_facts(each) for each in published])
        return
    for each in published:
        _say_one(each)
        click.echo()
    say(
        "This gateway refuses what is revoked at once, by its store; the lists tell everybody else."
    )


def _say_foreign(known: "KnownList") -> None:
    one = known.found
    left = None if one.next_update is None else one.next_update - known.now
    say_facts(
        [
            ("trust", one.trust),
            ("from", one.source),
            *([("issuer", one.issuer)] if one.issuer else []),
            *([("number", one.number)] if one.number else []),
            ("lists", f"{one.entries} revoked certificates"),
            *([("since", local(one.this_update))] if one.this_update else []),
            *([("until", local(one.next_update))] if one.next_update else []),
            *([("left", spell(left) if left > timedelta(0) else "nothing")] if left else []),
            *([("fetched", local(one.fetched_at))] if one.fetched_at else []),
            ("state", known.age.value),
            *([("last attempt", one.failure)] if one.failure else []),
        ]
    )


def _foreign_facts(known: "KnownList") -> dict[str, Any]:
    one = known.found
    return {
        "trust": one.trust,
        "source": one.source,
        "issuer": one.issuer or None,
        "kind": "foreign",
        "number": one.number or None,
        "entries": one.entries,
        "this_update": utc(one.this_update),
        "next_update": utc(one.next_update),
        "fetched_at": utc(one.fetched_at),
        "failed_at": utc(one.failed_at),
        "failure": one.failure or None,
        "state": known.age.value,
    }


def _say_one(published: "PublishedCRL") -> None:
    record = published.record
    left = record.next_update - published.now
    say_facts(
        [
            ("issuer", record.issuer),
            ("list", _name_in_words(record.kind, record.scope)),
            ("number", record.number),
            *([("since number", record.base)] if record.base is not None else []),
            ("lists", f"{record.entries} {'changes' if record.base else 'revoked certificates'}"),
            ("since", local(record.this_update)),
            ("until", local(record.next_update)),
            ("left", spell(left) if left.total_seconds() > 0 else "nothing: it has ended"),
            ("size", f"{published.found.size} bytes"),
            ("state", _state_in_words(published)),
            ("address", published.address),
        ]
    )


def _state_in_words(published: "PublishedCRL") -> str:
    from ca.ages import Age, half_life

    if not published.found.kept:
        return "no longer signed: no certificate names it, or the settings no longer ask for it"
    match published.found.age:
        case Age.ENDED:
            return "ENDED: who goes by it refuses every certificate -> pusterla crl publish"
        case Age.LATE:
            return (
                "LATE: half of its life is over and no other has followed; "
                "see that the authority runs -> pusterla crl publish"
            )
        case Age.FUTURE:
            return "it begins in the future -> set the clock, then pusterla crl publish"
        case Age.GOOD:
            return f"good; a warning comes at {local(half_life(published.record))}"


def _name_in_words(kind: str, scope: str) -> str:
    part = f"partition {scope.replace('-', ' ')}" if scope else "everything"
    return part if kind == "full" else f"what has changed, {part}"


def _facts(published: "PublishedCRL") -> dict[str, Any]:
    record = published.record
    return {
        "issuer": record.issuer,
        "kind": record.kind,
        "partition": record.scope or None,
        "number": record.number,
        "base": record.base,
        "entries": record.entries,
        "this_update": utc(record.this_update),
        "next_update": utc(record.next_update),
        "address": published.address,
        "size": published.found.size,
        "state": published.found.age.value,
        "kept": published.found.kept,
    }
