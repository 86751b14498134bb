"""The command itself: the options of all commands, and the one place where any of them ends."""

import errno
import os
from pathlib import Path
from typing import Any

import click

from gateway.bootstrap.compiled import edge_runs
from gateway.cli.agreement import agreement
from gateway.cli.app import app
from gateway.cli.audit import audit
from gateway.cli.ca import ca
from gateway.cli.cert import cert
from gateway.cli.crl import crl
from gateway.cli.day import day
from gateway.cli.explain import explain
from gateway.cli.kit import kit
from gateway.cli.mail import mail
from gateway.cli.output import printable
from gateway.cli.policy import policy
from gateway.cli.reload import reload
from gateway.cli.request import request
from gateway.cli.session import session
from gateway.cli.site import demo, doctor, init, serve
from gateway.cli.surroundings import Surroundings
from gateway.cli.user import user

INTERRUPTED = 130
"""128 and the number of SIGINT, as a shell has it."""


class Failure(click.ClickException):
    """The end of a command that was refused or has failed: one line, exit status 1."""

    def show(self, file: Any = None) -> None:
        """Print the reason, in the command's name."""
        del file
        lines = "\n".join(map(printable, self.message.split("\n")))
        click.echo(f"pusterla: {lines}", err=True)


class Pusterla(click.Group):
    """The group of everything, which turns whatever goes wrong into a line and a status."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; only what click itself understands leaves as an exception."""
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, click.Abort):
            # The terminal has echoed ^C in the middle of a line.
            click.echo(err=True)
            raise click.exceptions.Exit(INTERRUPTED) from None
        except (click.UsageError, click.exceptions.Exit):
            raise
        except click.ClickException as error:
            raise Failure(error.message) from error
        except Exception as error:
            if isinstance(error, OSError) and error.errno == errno.EPIPE:
                # Whoever read our output has gone; click ends quietly.
                raise
            if ctx.params["debug"] and not _expected(error):
                raise
            raise Failure(_in_words(error)) from error


def _expected(error: Exception) -> bool:
    """Say whether *error* was raised on purpose, with a message for people."""
    from ca.errors import CAError
    from gateway.bootstrap.command import CommandRefused
    from gateway.bootstrap.folder import FolderError
    from gateway.core.ports import StoreUnavailable
    from gateway.core.sealing import SealBroken
    from gateway.store.errors import StoreError

    kinds = (CommandRefused, FolderError, CAError, StoreError, StoreUnavailable, SealBroken)
    return isinstance(error, kinds)


def _in_words(error: Exception) -> str:
    if _expected(error):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        where = f"{os.fsdecode(error.filename)}: " if error.filename else ""
        return f"{where}{error.strerror}"
    kind = type(error).__name__
    return (
        f"unexpected {kind}: {error}\n"
        "this is a fault of pusterla; `pusterla --debug ...` shows where it happened"
    )


@click.group(
    cls=Pusterla,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="\b\nExample:\n"
    "  pusterla init site --host pusterla.localhost\n"
    "  pusterla --site site user add anna --name 'Anna Rossi' --email anna@example.it",
)
@click.option(
    "--site",
    type=click.Path(path_type=Path),
    envvar="PUSTERLA_SITE",
    default=Path(),
    show_default="the folder you are in",
    show_envvar=True,
    metavar="DIR",
    help="The site's folder.",
)
@click.option("--debug", is_flag=True, help="Show where in the program an unexpected error arose.")
@click.version_option(package_name="pusterla", message=f"%(prog)s %(version)s, edge {edge_runs()}")
@click.pass_context
def main(ctx: click.Context, site: Path, debug: bool) -> None:
    """Let known people reach internal web applications, by certificate, password and code."""
    del debug  # read by `Pusterla.invoke`
    ctx.obj = Surroundings(site)


for command in (
    *(init, serve, reload, demo, doctor, user, cert, kit),
    *(app, policy, agreement, request, session, day, crl, ca, audit, mail, explain),
):
    main.add_command(command)
