"""Who reaches what, as a table, CSV or JSON."""

from collections.abc import Iterable, Sequence
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any, Final

import click

from gateway.cli.output import csv_text, say_json, say_table, utc
from policies.calendar import show_moment

if TYPE_CHECKING:
    from gateway.bootstrap.access import Access

_HEAD: Final = (
    *("user", "name", "groups", "device", "serial", "app"),
    *("answer", "reason", "rule", "only", "until", "opens"),
)


def say_access(
    found: "Sequence[Access]",
    zone: tzinfo,
    *,
    everybody: bool,
    as_csv: bool,
    as_json: bool,
    key: str,
) -> None:
    """Print *found*, by *key*, which is "user" or "app"; who gets in never only with *everybody*."""
    shown = [one for one in found if everybody or one.answer != "no"]
    if as_json:
        say_json([_access_facts(one) for one in shown])
    elif as_csv:
        click.echo(_csv(shown, zone), nl=False)
    else:
        say_table(
            (key.upper(), "CERTIFICATE", "NOW", "BY", "ONLY", "CHANGES"),
            [
                (
                    getattr(one, key),
                    f"{one.device} {one.serial[:8]}".strip(),
                    one.answer,
                    one.reason if one.answer == "no" else one.rule,
                    one.only,
                    shown_moment(one.opens if one.answer == "at other times" else one.until, zone),
                )
                for one in shown
            ],
            empty="nobody is let in" if key == "user" else "nothing is open to them",
        )


def _access_facts(one: "Access") -> dict[str, Any]:
    facts = {key: getattr(one, key) for key in _HEAD}
    return facts | {
        "groups": list(one.groups),
        "answer": one.answer.value,
        "reason": str(one.reason),
        "until": utc(one.until),
        "opens": utc(one.opens),
    }


def _csv(found: "Iterable[Access]", zone: tzinfo) -> str:
    rows = []
    for one in found:
        facts = {key: getattr(one, key) for key in _HEAD}
        facts |= {
            "groups": " ".join(one.groups),
            "until": shown_moment(one.until, zone),
            "opens": shown_moment(one.opens, zone),
        }
        rows.append([str(facts[key]) for key in _HEAD])
    return csv_text(_HEAD, rows)


def shown_moment(moment: datetime | None, zone: tzinfo) -> str:
    """Write *moment* by the clock of *zone*: `tue 2026-11-24 19:40`; nothing for None."""
    return "" if moment is None else show_moment(moment, zone)
