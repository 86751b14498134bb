"""A host on the command line: refused where it is typed, and not in the middle of the work."""

import click

from gateway.config.settings import check_host


def check_host_option(ctx: click.Context, option: click.Parameter, value: str) -> str:
    """Return *value* if a site can have that host, as a callback of an option."""
    try:
        return check_host(value)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, option) from error
