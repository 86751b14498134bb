"""What a question to the policy is about beside person and application, from options."""

from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import wraps
from typing import Any

import click

from gateway.core.routes import normalise_target
from policies.match import read_address
from policies.model import RequestFacts
from policies.times import parse_moment


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a question is about beside person and application, as the command line says it."""

    path: str
    method: str
    address: str
    at: str | None

    def facts(self) -> RequestFacts:
        """Return the request, in the form in which it would be forwarded."""
        target = normalise_target(self.path.encode())
        if target is None:
            raise click.UsageError(
                f"{self.path!r} is no path that is ever passed on: it is refused as bad-request"
            )
        if self.address and read_address(self.address) is None:
            raise click.UsageError(f"{self.address!r} is no address; write 10.0.0.7")
        return RequestFacts(self.method.upper(), target.path.decode(), self.address)

    def moment(self, now: datetime, zone: tzinfo) -> datetime:
        """Return the moment that is asked about; without an offset it is told in *zone*."""
        return now if self.at is None else read_moment(self.at, zone)


def read_moment(text: str, zone: tzinfo) -> datetime:
    """Read the moment that `--at` names; without an offset it is told in *zone*."""
    try:
        return parse_moment(text, zone)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def circumstances(work: Any) -> Any:
    """Give a command options, and hand over as `asked` the `Circumstances` that they make."""

    @wraps(work)
    def gather(
        *arguments: Any, path: str, method: str, address: str, at: str | None, **further: Any
    ) -> Any:
        return work(*arguments, asked=Circumstances(path, method, address, at), **further)

    options = (
        click.option("--path", default="/", show_default=True, help="What is asked for."),
        click.option("--method", default="GET", show_default=True, help="And how."),
        click.option(
            "--from",
            "address",
            default="",
            metavar="ADDRESS",
            help="From where.  [default: unknown]",
        ),
        click.option(
            "--at",
            metavar="MOMENT",
            help='When: "2026-11-24 19:40", in the site\'s time zone.  [default: now]',
        ),
    )
    for option in reversed(options):
        gather = option(gather)
    return gather
