"""pusterla kit: folders for sticks, each with a browser's profile that opens this site."""

import secrets
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from gateway.cli.facts import facts_of, state_of
from gateway.cli.keys import passphrase_option
from gateway.cli.output import (
    ExampleCommand,
    json_option,
    local,
    names,
    note,
    say,
    say_facts,
    say_json,
    utc,
    warn,
)
from gateway.cli.renewals import SPAN
from gateway.cli.secret import read_secret_line
from gateway.cli.surroundings import Surroundings, pass_surroundings

if TYPE_CHECKING:
    from gateway.bootstrap.kit_checks import KitCheck
    from gateway.bootstrap.kits import BuiltKit, Progress

KEY_TYPES: Final = ("p256", "p384", "rsa3072")

_ABOUT_PASSWORDS = """\
The primary password opens the key on the stick. Let the person type it, twice, or
take it from stdin (--password-stdin); --generate-password makes one and shows it
once. It is written down nowhere."""


@click.group()
def kit() -> None:
    """Folders for sticks, each with a browser's profile that opens this site."""


def _password_options(command: Any) -> Any:
    for option in (
        click.option(
            "--generate-password",
            is_flag=True,
            help="Make the primary password by chance, and show it this once.",
        ),
        click.option(
            "--password-stdin",
            is_flag=True,
            help="Take the primary password from the first line of stdin.",
        ),
    ):
        command = option(command)
    return command


_days = click.option(
    "--days",
    type=click.IntRange(min=1),
    help="How long the certificate lasts.  [default: what the settings say, a year if nothing]",
)
_key_type = click.option(
    "--key-type",
    type=click.Choice(KEY_TYPES),
    default=KEY_TYPES[0],
    show_default=True,
    help="The kind of its key.",
)
_folder = click.argument(
    "folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path)
)


@kit.command(
    cls=ExampleCommand,
    example="kit build anna --out /media/stick/pusterla --browser firefox.zip --device stick-2",
    table=_ABOUT_PASSWORDS,
)
@click.argument("user")
@click.option(
    "--out",
    required=True,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="The new folder; nothing is ever overwritten.",
)
@click.option(
    "--browser",
    metavar="DIR|ZIP",
    type=click.Path(exists=True, path_type=Path),
    help="A Firefox to put on the stick: its folder, or a ZIP archive of that."
    "  [default: the one that the computer has]",
)
@click.option("--device", help="What the stick is called.  [default: the next free stick-N]")
@_days
@click.option(
    "--apps",
    metavar="NAME,NAME",
    help="The only applications it opens.  [default: whatever the rules allow]",
)
@_key_type
@_password_options
@passphrase_option
@json_option
@click.pass_context
def build(
    ctx: click.Context,
    *,
    user: str,
    out: Path,
    browser: Path | None,
    device: str | None,
    days: int | None,
    apps: str | None,
    key_type: str,
    password_stdin: bool,
    generate_password: bool,
    as_json: bool,
) -> None:
    """Build a kit for USER: issue a certificate, and put all they need into a new folder.

    The key is made here and is nowhere but in that folder, under the primary password.
    """
    from ca.kinds import KeyKind
    from gateway.bootstrap.kits import KitWish, build_kit, refuse_unfit_place
    from gateway.cli.cert import apps_of

    here = ctx.ensure_object(Surroundings)
    wish = KitWish(user, device, days, apps_of(apps), out, browser, KeyKind(key_type))
    # Asked before a password is typed for nothing.
    refuse_unfit_place(out)
    here.run(lambda command: command.person(user))
    password = _password(from_stdin=password_stdin, generate=generate_password)
    built = here.run(lambda command: build_kit(command, wish, password, _shower()))
    _say_built(built, password if generate_password else None, as_json=as_json)


@kit.command(cls=ExampleCommand, example="kit verify /media/stick/pusterla")
@_folder
@json_option
@pass_surroundings
def verify(here: Surroundings, *, folder: Path, as_json: bool) -> None:
    """Say whether the kit in DIR is the one that was built, and whether it still opens anything.

    What is missing, altered or was put there; and whether its certificate is revoked or ends.
    What the browser itself writes into the profile is not compared.
    """
    from gateway.bootstrap.folder import clock
    from gateway.bootstrap.kit_checks import check_kit

    check = here.run(lambda command: check_kit(command, folder, _shower()))
    for remark in check.remarks:
        warn(remark)
    if as_json:
        say_json(_facts_of_check(check))
    else:
        state = "unknown here" if check.record is None else state_of(check.record, clock())
        say_facts(
            [
                ("kit", folder),
                ("for", f"{check.manifest.user} on {check.manifest.device}"),
                ("serial", check.manifest.serial),
                ("certificate", state),
                ("until", local(check.manifest.not_after)),
                ("files", len(check.manifest.files)),
            ]
        )
        if not check.faults:
            say("\nit is the kit that was built, and opens what it opened")
    if check.faults:
        raise click.ClickException(
            "this kit is not to be used:\n" + "\n".join(f"  {fault}" for fault in check.faults)
        )


@kit.command(
    cls=ExampleCommand,
    example="kit renew /media/stick/pusterla --overlap 14d",
    table=_ABOUT_PASSWORDS,
)
@_folder
@click.option(
    "--overlap",
    type=SPAN,
    default="14d",
    show_default=True,
    help="How long the old certificate goes on, at the most until its own end.",
)
@_days
@_key_type
@_password_options
@passphrase_option
@json_option
@click.pass_context
def renew(
    ctx: click.Context,
    *,
    folder: Path,
    overlap: timedelta,
    days: int | None,
    key_type: str,
    password_stdin: bool,
    generate_password: bool,
    as_json: bool,
) -> None:
    """Renew the kit in DIR: a new certificate and key for the same person and device.

    The profile is made anew, with that one certificate; a bundled browser stays. The old
    certificate goes on for the overlap, then the authority revokes it as superseded.
    """
    from ca.kinds import KeyKind
    from gateway.bootstrap.kit_renewing import KitRenewal, find_kit, renew_kit

    here = ctx.ensure_object(Surroundings)
    wish = KitRenewal(folder, overlap, days, KeyKind(key_type))
    # Asked before a password is typed for nothing.
    here.run(lambda command: find_kit(command, wish, _shower()))
    password = _password(from_stdin=password_stdin, generate=generate_password)
    built, old = here.run(lambda command: renew_kit(command, wish, password, _shower()))
    more = {"renewed": facts_of(old)}
    _say_built(
        built,
        password if generate_password else None,
        *(("renews", old.serial), ("which goes on until", local(old.supersede_at))),
        as_json=as_json,
        more=more,
    )


def _password(*, from_stdin: bool, generate: bool) -> str:
    from gateway.kit.passwords import fault_of, make_password

    if generate:
        if from_stdin:
            raise click.UsageError("either --generate-password or --password-stdin")
        return make_password(secrets.token_bytes)
    password = read_secret_line(
        "--password-stdin",
        from_stdin=from_stdin,
        prompt="Primary password of the stick (typed by the person)",
    )
    if fault := fault_of(password):
        raise click.ClickException(fault)
    return password


def _say_built(
    built: "BuiltKit",
    password: str | None,
    *facts: tuple[str, object],
    as_json: bool,
    more: dict[str, Any] | None = None,
) -> None:
    record = built.record
    for host in built.asked:
        warn(f"the browser will ask once which certificate to show to {host}")
    shown = {} if password is None else {"password": password}
    if as_json:
        say_json(
            facts_of(record)
            | {
                "kit": str(built.folder),
                "browser": built.manifest.browser,
                "hosts": list(built.manifest.hosts),
                "files": len(built.manifest.files),
            }
            | shown
            | (more or {})
        )
        return
    say_facts(
        [
            ("kit", built.folder),
            ("serial", record.serial),
            ("for", f"{record.username} on {record.device}"),
            ("opens", names(record.scope, everything="whatever the rules allow")),
            ("until", local(record.not_after)),
            ("browser", built.manifest.browser or "the one that the computer has"),
            *facts,
            *(("primary password", word) for word in shown.values()),
        ]
    )
    note("copy the whole folder to the stick, and remove it here: whoever has it has the key")
    if password is not None:
        note("the primary password is shown this once, and written down nowhere")


def _facts_of_check(check: "KitCheck") -> dict[str, Any]:
    manifest, found = check.manifest, check.differences
    return {
        "user": manifest.user,
        "device": manifest.device,
        "serial": manifest.serial,
        "built": utc(manifest.built),
        "not_after": utc(manifest.not_after),
        "browser": manifest.browser,
        "whole": not check.faults,
        "missing": list(found.missing),
        "altered": list(found.altered),
        "extra": list(found.extra),
        "faults": list(check.faults),
        "remarks": list(check.remarks),
        "certificate": None if check.record is None else facts_of(check.record),
    }


def _shower() -> "Progress":
    """Show on stderr how far it is, one line a step; only where somebody may be looking."""
    last = ("", -1)

    def show(step: str, done: int, total: int) -> None:
        nonlocal last
        percent = done * 100 // total if total else 100
        if (step, percent) == last or not sys.stderr.isatty():
            return
        # Over what was said of the same step before.
        start = "\r" if last[0] == step else ""
        end = "\n" if done == total else ""
        share = f" {percent:3} %" if total else ""
        click.echo(f"{start}{step} ...{share}{end}", err=True, nl=False)
        last = (step, percent)

    return show
