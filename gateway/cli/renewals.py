"""pusterla cert renew: a new certificate in the place of an old one."""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from gateway.cli.facts import facts_of
from gateway.cli.keys import chosen_kind, key_type_option, passphrase_option
from gateway.cli.newfiles import PROFILE_TABLE, new_file, new_file_options
from gateway.cli.output import (
    ExampleCommand,
    json_option,
    local,
    names,
    note,
    say_facts,
    say_json,
    warn,
)
from gateway.cli.secret import read_secret_line
from gateway.cli.surroundings import Surroundings
from policies.durations import parse_duration, show_duration

if TYPE_CHECKING:
    from gateway.bootstrap.renewing import Renewed


class Span(click.ParamType[timedelta]):
    """A length of time as settings have it: `12h`, `14d`; a hundred years at the most."""

    name = "duration"
    # From now on and back it is a moment that can be written, whatever is added to it.
    LONGEST: Final = timedelta(days=36_500)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """Read it, or say how it is written."""
        if isinstance(value, timedelta):
            return value
        try:
            found = parse_duration(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if found > self.LONGEST:
            self.fail(f"{value} is too long: at most {show_duration(self.LONGEST)}", param, ctx)
        return found


SPAN = Span()


@click.command(
    cls=ExampleCommand,
    example="cert renew anna --device stick-1 --p12 anna-2.p12 --overlap 14d",
    table=PROFILE_TABLE,
)
@click.argument("user")
@click.option("--device", help="Renew what is on DEVICE.")
@click.option("--serial", metavar="S", help="Renew the certificate with this serial.")
@click.option(
    "--overlap",
    type=SPAN,
    default="14d",
    show_default=True,
    help="How long the old one goes on, at the most until its own end.",
)
@click.option(
    "--days",
    type=click.IntRange(min=1),
    help="How long the new one lasts.  [default: what the settings say, a year if nothing]",
)
@new_file_options
@key_type_option("The kind of its key.")
@passphrase_option
@json_option
@click.pass_context
def renew(
    ctx: click.Context,
    *,
    user: str,
    device: str | None,
    serial: str | None,
    overlap: timedelta,
    days: int | None,
    bundle: Path | None,
    p12_password_stdin: bool,
    profile: str,
    csr: Path | None,
    out: Path | None,
    key_type: str,
    as_json: bool,
) -> None:
    """Renew a certificate of USER: same device, same applications, a new end.

    The old one goes on for the overlap, then the authority revokes it as superseded.
    With --p12 a new key is made and handed over in the bundle; with --csr the person
    keeps their key, the same or another one.
    """
    from ca.targets import Target
    from gateway.bootstrap.renewing import (
        Wish,
        find_renewable,
        renew_for_request,
        renew_to_file,
    )

    if device is None and serial is None:
        raise click.UsageError("name the certificate: --device DEVICE or --serial S")
    here = ctx.ensure_object(Surroundings)
    file = new_file(ctx, bundle, csr, out)
    wish = Wish(user, device, serial, overlap, days, file, chosen_kind(key_type), Target(profile))
    if csr is not None:
        done, asked = here.run(lambda command: renew_for_request(command, wish, csr))
        for one in asked.ignored:
            warn(f"{csr}: {one} is ignored; the certificate says what the site knows of {user}")
        _answer(done, {"pem": str(file)}, as_json=as_json)
        return
    # Asked before a passphrase is typed for nothing.
    here.run(lambda command: find_renewable(command, wish))
    passphrase = read_secret_line(
        "--p12-password-stdin", from_stdin=p12_password_stdin, prompt=f"Passphrase for {file}"
    )
    done = here.run(lambda command: renew_to_file(command, wish, passphrase))
    _answer(done, {"p12": str(file)}, as_json=as_json)


def _answer(done: "Renewed", files: dict[str, str], *, as_json: bool) -> None:
    record, old = done.enrolled.record, done.old
    if as_json:
        say_json(facts_of(record) | files | {"renewed": facts_of(old)})
        return
    say_facts(
        [
            *(("file", name) for name in files.values()),
            ("serial", record.serial),
            ("for", f"{record.username} on {record.device}"),
            ("opens", names(record.scope, everything="whatever the rules allow")),
            ("until", local(record.not_after)),
            ("renews", old.serial),
            ("which goes on until", local(old.supersede_at)),
        ]
    )
    note(
        "sessions belong to the certificate they began with: with the new one, and the browser "
        f"started again, {record.username} signs in anew"
    )
