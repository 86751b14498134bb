"""pusterla policy diff: what other rules would change, for whom, and for which requests."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from gateway.cli.output import ExampleCommand, json_option, note, say, say_json, say_table, utc
from gateway.cli.renewals import SPAN
from gateway.cli.surroundings import Surroundings, pass_surroundings
from policies.calendar import show_moment

if TYPE_CHECKING:
    from datetime import tzinfo

    from gateway.bootstrap.command import Command
    from gateway.bootstrap.comparing import Comparison
    from policies.comparison import Change
    from policies.model import Subject

_PEOPLE_SHOWN: Final = 8
_REQUESTS_SHOWN: Final = 50
_CHANGES: Final = {
    (True, False): "gains",
    (False, False): "loses",
    (True, True): "code later",
    (False, True): "code sooner",
}
"""By whether it is gained, and whether it is only a matter of the code."""
_FOLDER: Final = click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path)


@click.command(cls=ExampleCommand, example="policy diff . ../site-next --last 7d")
@click.argument("old", type=_FOLDER)
@click.argument("new", type=_FOLDER)
@click.option(
    "--last",
    type=SPAN,
    help="Decide the requests of so long again, by both: 7d, 12h.  [default: none]",
)
@json_option
@pass_surroundings
def diff(
    here: Surroundings, *, old: Path, new: Path, last: timedelta | None, as_json: bool
) -> None:
    """Say who gains or loses what where the rules of NEW take the place of those of OLD.

    Both are folders with apps/, as a site has them, and with holidays/ where rules ask for them.
    People and certificates are those of the site, today. Exit status 0, whatever changes.
    """

    async def look(command: "Command") -> "tuple[Comparison, tzinfo]":
        from gateway.bootstrap.comparing import compare_folders

        since = None if last is None else command.clock() - last
        return await compare_folders(command, old, new, since), command.site.time_zone

    found, zone = here.run(look)
    if as_json:
        say_json(_facts(found))
        return
    _say_changes(found)
    if last is not None:
        say()
        _say_requests(found, zone)
    for each in found.notes:
        note(each)


def _say_changes(found: "Comparison") -> None:
    for each in found.not_compared:
        say(f"not compared: {each}")
    if not found.changes:
        if not found.not_compared:
            say("nobody gains or loses anything")
        return
    say_table(
        ("APP", "WHO", "CHANGE", "WHAT", "WHEN"),
        [
            (
                one.app,
                _people(one.subjects),
                _CHANGES[one.gain, one.code],
                one.what or "everything",
                one.when or "always",
            )
            for one in found.changes
        ],
        empty="",
    )


def _people(subjects: "Sequence[Subject]") -> str:
    names = _names(subjects)
    more = len(names) - _PEOPLE_SHOWN
    return ", ".join(names[:_PEOPLE_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _names(subjects: "Sequence[Subject]") -> list[str]:
    return sorted({f"{one.user} ({one.device})" if one.device else one.user for one in subjects})


def _say_requests(found: "Comparison", zone: "tzinfo") -> None:
    count = sum(one.count for one in found.otherwise)
    say(f"of {found.looked_at} requests that rules decided {count} would be decided otherwise")
    if not found.otherwise:
        return
    say_table(
        ("USER", "APP", "REQUEST", "WAS", "WOULD BE", "TIMES", "LAST"),
        [
            (
                f"{one.user} ({one.device})" if one.device else one.user,
                one.app,
                f"{one.method} {one.path}",
                one.was,
                one.would_be,
                one.count,
                show_moment(one.last, zone),
            )
            for one in found.otherwise[:_REQUESTS_SHOWN]
        ],
        empty="",
    )
    if len(found.otherwise) > _REQUESTS_SHOWN:
        note(f"the {_REQUESTS_SHOWN} most frequent of {len(found.otherwise)}; --json has all")


def _facts(found: "Comparison") -> dict[str, Any]:
    return {
        "changes": [_change_facts(one) for one in found.changes],
        "not_compared": [
            {"app": one.app, "user": one.user, "kinds": one.kinds} for one in found.not_compared
        ],
        "looked_at": found.looked_at,
        "otherwise": [
            {
                "user": one.user,
                "device": one.device,
                "app": one.app,
                "method": one.method,
                "path": one.path,
                "was": one.was,
                "would_be": one.would_be,
                "count": one.count,
                "last": utc(one.last),
            }
            for one in found.otherwise
        ],
        "notes": list(found.notes),
    }


def _change_facts(one: "Change") -> dict[str, Any]:
    return {
        "app": one.app,
        "who": [{"user": each.user, "device": each.device} for each in one.subjects],
        "change": _CHANGES[one.gain, one.code],
        "what": one.what or "everything",
        "when": one.when or "always",
    }
