"""pusterla init, serve, demo, doctor: what concerns a site as a whole."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.hosts import check_host_option
from gateway.cli.keys import chosen_kind, key_type_option, new_key_options, wished_passphrase
from gateway.cli.output import (
    ExampleCommand,
    json_option,
    note,
    say,
    say_json,
    table,
)
from gateway.cli.surroundings import Surroundings, pass_surroundings
from gateway.config import Configuration
from gateway.config.settings import DEFAULT_PORT

if TYPE_CHECKING:
    from gateway.bootstrap.examination import Finding

PROCESSES = ("edge", "portal", "authority", "verifier")
PORT = click.IntRange(1, 65535)


_REQUEST = (
    "  pusterla ca request --out issuing-1.csr\n"
    "  # where the root is:  pusterla ca sign issuing-1.csr --root DIR --out issuing-1.pem\n"
    "  pusterla ca install issuing-1.pem\n"
)
_ENCRYPTED = (
    "The CA's keys are under a passphrase, which the authority must be given: as passphrase_file\n"
    "under [ca] in pusterla.toml, or as the systemd credential pusterla-ca-passphrase.\n\n"
)


@click.command(
    cls=ExampleCommand,
    short_help="Make a new site.",
    example="init site --host pusterla.localhost --port 8443",
)
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--host",
    required=True,
    callback=check_host_option,
    help="The portal's host; applications will be NAME.HOST or any other name.",
)
@click.option(
    "--port", type=PORT, default=DEFAULT_PORT, show_default=True, help="The port for https."
)
@key_type_option("The kind of the keys of root and issuing CA.")
@new_key_options
@click.option(
    "--root-certificate",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The certificate of a root that is offline (`pusterla ca root`).  [default: make a root]",
)
@json_option
def init(
    *,
    directory: Path,
    host: str,
    port: int,
    key_type: str,
    encrypt: bool,
    new_passphrase_file: Path | None,
    root_certificate: Path | None,
    as_json: bool,
) -> None:
    """Make a new site in DIR: settings, keys, certificates, store, first revocation list."""
    from gateway.bootstrap.creation import NewSite, create_site, root_fingerprint
    from gateway.bootstrap.folder import clock

    passphrase = wished_passphrase(encrypt, new_passphrase_file)
    kind = chosen_kind(key_type)
    wished = NewSite(
        host, port, kind=kind, passphrase=passphrase, root_certificate=root_certificate
    )
    folder = asyncio.run(create_site(directory, wished, clock, lambda text: note(f"{text} ...")))
    fingerprint = root_fingerprint(folder)
    if as_json:
        say_json(
            {
                "site": str(folder.path),
                "host": host,
                "port": port,
                "root": str(folder.root_certificate),
                "root_fingerprint": fingerprint,
            }
        )
        return
    say(
        f"{folder.path} is a site now.\n\n"
        f"Let browsers trust {folder.root_certificate}\n"
        f"SHA-256 {fingerprint}\n\n"
        f"{_ENCRYPTED if passphrase else ''}"
        "Next:\n"
        f"  export PUSTERLA_SITE={folder.path}\n"
        f"{_REQUEST if root_certificate else ''}"
        '  pusterla user add anna --name "Anna Rossi" --group technicians\n'
        "  pusterla cert issue anna --device stick-1 --p12 anna.p12\n"
        f"  pusterla app add wiki --host wiki.{host} --upstream http://127.0.0.1:9000"
        " --allow group:technicians\n"
        "  pusterla serve"
    )


@click.command(cls=ExampleCommand, short_help="Run the site.", example="--site /srv/pusterla serve")
@click.option(
    "--only",
    multiple=True,
    type=click.Choice(PROCESSES),
    help="Run only this process here; may be given several times.  [default: all]",
)
@json_option
@pass_surroundings
@click.pass_context
def serve(ctx: click.Context, here: Surroundings, *, only: tuple[str, ...], as_json: bool) -> None:
    """Run the site until SIGTERM or Ctrl-C; its log goes to stderr.

    Does not start when a file has problems. While it runs, applications are taken up
    as their files change, everything else with `pusterla reload`; a file with problems
    leaves the old state in force.
    With --json one object on stdout says that it serves, and where.
    """
    from gateway.supervisor import serve as supervise

    def tell(configuration: Configuration) -> None:
        site = configuration.site
        apps = {app.name: site.origin(app.host) for app in configuration.applications.values()}
        if as_json:
            say_json({"portal": site.origin(site.host), "apps": apps, "workers": site.workers})

    ctx.exit(supervise(here.folder().path, only=frozenset(only) or None, tell=tell))


@click.command(
    cls=ExampleCommand,
    short_help="Run a throwaway site with real applications.",
    example="demo --port 9443",
)
@click.option(
    "--port", type=PORT, default=DEFAULT_PORT, show_default=True, help="The port for https."
)
@click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where to make the site.  [default: a place that is removed at the end]",
)
@json_option
@click.pass_context
def demo(ctx: click.Context, *, port: int, directory: Path | None, as_json: bool) -> None:
    """Run a throwaway site with real applications behind it, and say how to get in.

    With --json one object on stdout says it, when everything serves.
    """
    from gateway.demo.run import run

    ctx.exit(run(port, directory, as_json=as_json))


@click.command(
    cls=ExampleCommand, short_help="Say what is wrong with the site.", example="doctor --json"
)
@click.option(
    "--migrate", is_flag=True, help="First bring the tables of an older store up to date."
)
@json_option
@pass_surroundings
def doctor(here: Surroundings, *, migrate: bool, as_json: bool) -> None:
    """Look at everything of the site, and say what is wrong and what to do about it.

    Without --migrate it changes nothing. Exit status 1 when there is a problem;
    warnings are none.
    """
    if migrate:
        from gateway.bootstrap.doctor import migrate as bring_up_to_date

        note("bringing the store up to date ...")
        asyncio.run(bring_up_to_date(here.folder()))
    findings = asyncio.run(_findings(here))
    if as_json:
        say_json(
            [
                {
                    "health": each.health.value,
                    "subject": each.subject,
                    "words": each.words,
                    "way_out": each.way_out or None,
                }
                for each in findings
            ]
        )
    else:
        say(table([(each.health, each.subject, _in_words(each)) for each in findings]))
        counted = Counter(each.health.value for each in findings)
        say("\n" + ", ".join(f"{count} {health}" for health, count in counted.items()))
    if any(each.health == "problem" for each in findings):
        raise click.exceptions.Exit(1)


async def _findings(here: Surroundings) -> "list[Finding]":
    from gateway.bootstrap.doctor import examine
    from gateway.bootstrap.folder import clock

    return [finding async for finding in examine(here.folder(), clock)]


def _in_words(finding: "Finding") -> str:
    return f"{finding.words} -> {finding.way_out}" if finding.way_out else finding.words
