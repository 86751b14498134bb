"""Questions that a person answers with yes or no before something is done for good."""

import sys

import click


def confirm(words: str, question: str, *, yes: bool) -> None:
    """Return when the person says yes to *words* and *question*, or has said --yes before.

    Raises `CommandRefused` when not, and where there is no terminal to ask at.
    """
    from gateway.bootstrap.command import CommandRefused

    if yes:
        return
    if not sys.stdin.isatty():
        raise CommandRefused(
            f"{words}: nothing was done, since there is no terminal to ask at; say --yes if that"
            " is meant"
        )
    if not click.confirm(f"{words}. {question}", err=True):
        raise CommandRefused("nothing was done")
